//! The consumer's rules against what happened: every state that any sequence of events reaches, with one peer
//! and with two, is visited and judged by its history alone (BR1 to BR7). Rules with a planted fault are
//! walked as well, and have to be found out.

use std::collections::{BTreeSet, HashSet, VecDeque};

use super::rules_broken::BROKEN;
use crate::backup::rules::{
    Action, Event, Peer, PeerState, Refusal, Retrieval, Session, Step, acknowledge_peer,
    acknowledge_session, apply, send,
};

const OURS: [u8; 16] = [1; 16];
const FOREIGN: [u8; 16] = [2; 16];

/// The rules under test, or broken ones.
#[derive(Clone, Copy)]
pub(super) struct Rules {
    pub(super) apply: fn(Session, Peer, Event) -> Step,
    pub(super) send: fn(Session, Peer, u64) -> Result<Step, Refusal>,
    pub(super) acknowledge_session: fn(Session) -> Session,
    pub(super) acknowledge_peer: fn(Peer) -> Peer,
}

pub(super) const TRUE: Rules = Rules { apply, send, acknowledge_session, acknowledge_peer };

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Input {
    Event(usize, Event),
    Send(usize, u64),
    Acknowledge,
}

/// What happened with one peer, told without its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
struct Past {
    /// Since it connected and offered storage, it returned nothing, no deadline passed, and it stayed.
    may_return: bool,
    /// It returned what does not open when nothing had been sent; neither an authentic blob nor an
    /// acknowledgement came since.
    keeps_unread: bool,
    /// It is there and offered storage.
    is_open: bool,
    sent: u64,
    confirmed: u64,
}

/// What happened altogether.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct History<const PEERS: usize> {
    peers: [Past; PEERS],
    never_sent: bool,
    lost: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct World<const PEERS: usize> {
    session: Session,
    peers: [Peer; PEERS],
    history: History<PEERS>,
}

/// What the rules answered to one input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Action(Action),
    Refused(Refusal),
}

/// What had to follow from an input.
#[derive(Debug, PartialEq, Eq)]
struct Due {
    answer: Answer,
    strike: bool,
    /// What the peer is believed to hold after it; None: what it was.
    state: Option<PeerState>,
}

fn calm(action: Action) -> Due {
    Due { answer: Answer::Action(action), strike: false, state: None }
}

fn leads_to(state: PeerState, action: Action) -> Due {
    Due { state: Some(state), ..calm(action) }
}

fn struck(state: PeerState) -> Due {
    Due { strike: true, ..leads_to(state, Action::Resend) }
}

impl<const PEERS: usize> World<PEERS> {
    fn new(is_fresh: bool) -> World<PEERS> {
        let session = Session { instance: OURS, is_fresh, is_blocked: false };
        let peers = [Past::default(); PEERS];
        let history = History { peers, never_sent: is_fresh, lost: false };
        World { session, peers: [Peer::default(); PEERS], history }
    }

    /// The world after an input, and what was answered.
    fn after(mut self, rules: &Rules, input: Input) -> (World<PEERS>, Answer) {
        let (at, step) = match input {
            Input::Acknowledge => {
                self.session = (rules.acknowledge_session)(self.session);
                self.peers = self.peers.map(rules.acknowledge_peer);
                return (self, Answer::Action(Action::None));
            }
            Input::Event(at, event) => (at, (rules.apply)(self.session, self.peers[at], event)),
            Input::Send(at, seq) => match (rules.send)(self.session, self.peers[at], seq) {
                Ok(step) => (at, step),
                Err(refusal) => return (self, Answer::Refused(refusal)),
            },
        };
        (self.session, self.peers[at]) = (step.session, step.peer);
        (self, Answer::Action(step.action))
    }
}

impl<const PEERS: usize> History<PEERS> {
    /// Notes an input, and says what had to follow from it.
    fn note(&mut self, input: Input) -> Due {
        match input {
            Input::Acknowledge => {
                (self.lost, self.never_sent) = (false, false);
                self.peers.iter_mut().for_each(|past| past.keeps_unread = false);
                calm(Action::None)
            }
            Input::Send(at, seq) => self.note_send(at, seq),
            Input::Event(at, Event::Connected { offers_storage }) => {
                self.peers[at].may_return = offers_storage;
                self.peers[at].is_open = offers_storage;
                let (held, not) = (PeerState::Hold, PeerState::Unsupported);
                leads_to(if offers_storage { held } else { not }, Action::None)
            }
            Input::Event(at, Event::Disconnected) => self.peers[at].note_disconnection(),
            Input::Event(at, Event::Deadline) => self.peers[at].note_deadline(),
            Input::Event(at, Event::Retrieved(Retrieval::Unauthentic)) => {
                let past = &mut self.peers[at];
                past.may_return = false;
                if past.sent > 0 {
                    return struck(PeerState::Corrupt);
                }
                past.keeps_unread = true;
                leads_to(PeerState::Unreadable, Action::AlertUnreadable)
            }
            Input::Event(at, Event::Retrieved(Retrieval::Authentic { instance, seq })) => {
                self.note_authentic(at, instance, seq)
            }
        }
    }

    fn note_send(&mut self, at: usize, seq: u64) -> Due {
        let past = &mut self.peers[at];
        let obstacles = [
            (self.lost, Refusal::StateLoss),
            (!past.is_open, Refusal::NotAvailable),
            (past.may_return, Refusal::Hold),
            (past.keeps_unread, Refusal::Unreadable),
            (seq <= past.sent, Refusal::Seq),
        ];
        if let Some((_, refusal)) = obstacles.into_iter().find(|(stands, _)| *stands) {
            return Due { answer: Answer::Refused(refusal), ..calm(Action::None) };
        }
        past.sent = seq;
        self.never_sent = false;
        leads_to(PeerState::Sent, Action::Send)
    }

    fn note_authentic(&mut self, at: usize, instance: [u8; 16], seq: u64) -> Due {
        let past = &mut self.peers[at];
        (past.may_return, past.keeps_unread) = (false, false);
        if self.never_sent || instance != OURS || seq > past.sent {
            self.lost = true;
            return leads_to(PeerState::Ahead, Action::AlertStateLoss);
        }
        if seq < past.sent && seq < past.confirmed {
            return struck(PeerState::Stale);
        }
        past.confirmed = seq;
        if seq == past.sent {
            return leads_to(PeerState::Committed, Action::None);
        }
        leads_to(PeerState::Lagging, Action::Resend)
    }
}

impl Past {
    fn note_disconnection(&mut self) -> Due {
        self.is_open = false;
        if !std::mem::take(&mut self.may_return) {
            return calm(Action::None);
        }
        let state = match self {
            Past { sent: 1.., .. } => PeerState::Sent,
            Past { keeps_unread: true, .. } => PeerState::Unreadable,
            Past { .. } => PeerState::Idle,
        };
        leads_to(state, Action::None)
    }

    fn note_deadline(&mut self) -> Due {
        if !std::mem::take(&mut self.may_return) {
            return calm(Action::None);
        }
        match self {
            Past { confirmed: 1.., .. } => struck(PeerState::Lost),
            Past { sent: 1.., .. } => leads_to(PeerState::Unconfirmed, Action::Resend),
            Past { keeps_unread: true, .. } => {
                leads_to(PeerState::Unreadable, Action::AlertUnreadable)
            }
            Past { .. } => leads_to(PeerState::Clear, Action::FirstSendAllowed),
        }
    }
}

/// Compares what the rules made of an input with what had to follow.
fn judge<const PEERS: usize>(
    rules: &Rules,
    before: &World<PEERS>,
    input: Input,
) -> Result<(World<PEERS>, Answer), String> {
    let (mut after, answer) = before.after(rules, input);
    let due = after.history.note(input);
    let told = |what: &str| Err(format!("{what}: {before:?}, {input:?}, {after:?}"));
    if answer != due.answer {
        return told(&format!("answered {answer:?} instead of {:?}", due.answer));
    }
    let about = match input {
        Input::Event(at, _) | Input::Send(at, _) => Some(at),
        Input::Acknowledge => None,
    };
    for at in 0..PEERS {
        let (old, new, past) = (&before.peers[at], &after.peers[at], &after.history.peers[at]);
        let strikes = u32::from(due.strike && about == Some(at));
        if new.strikes != old.strikes + strikes {
            return told("strikes are counted wrong (BR5)");
        }
        if (new.sent_seq, new.committed_seq) != (past.sent, past.confirmed) {
            return told("what was sent or confirmed is not what happened (BR4, BR6)");
        }
        if new.committed_seq > new.sent_seq {
            return told("confirmed and never sent (BR4)");
        }
        let state = match (about, old.state) {
            (None, PeerState::Ahead | PeerState::Unreadable) => PeerState::Clear,
            (None, state) => state,
            (Some(_), state) => due.state.filter(|_| about == Some(at)).unwrap_or(state),
        };
        if new.state != state {
            return told(&format!("believed to be {:?} instead of {state:?}", new.state));
        }
        if about.is_some_and(|about| about != at) && new != old {
            return told("an event of one peer changed another");
        }
        if new.is_protected != past.keeps_unread {
            return told("protected without cause, or not protected (BR2)");
        }
    }
    let session = (after.session.is_fresh, after.session.is_blocked, after.session.instance);
    if session != (after.history.never_sent, after.history.lost, OURS) {
        return told("fresh or blocked without cause, or not (BR3, BR7)");
    }
    Ok((after, answer))
}

/// What was met on a walk.
#[derive(Default)]
struct Met {
    states: BTreeSet<PeerState>,
    actions: BTreeSet<Action>,
    refusals: BTreeSet<&'static str>,
    worlds: usize,
}

fn inputs(peers: usize, seq_max: u64) -> Vec<Input> {
    let mut inputs = vec![Input::Acknowledge];
    for at in 0..peers {
        let mut events = vec![
            Event::Connected { offers_storage: true },
            Event::Connected { offers_storage: false },
            Event::Disconnected,
            Event::Deadline,
            Event::Retrieved(Retrieval::Unauthentic),
            Event::Retrieved(Retrieval::Authentic { instance: FOREIGN, seq: 0 }),
            Event::Retrieved(Retrieval::Authentic { instance: FOREIGN, seq: 1 }),
        ];
        let ours = |seq| Event::Retrieved(Retrieval::Authentic { instance: OURS, seq });
        events.extend((0..=seq_max + 1).map(ours));
        inputs.extend(events.into_iter().map(|event| Input::Event(at, event)));
        inputs.extend((0..=seq_max).map(|seq| Input::Send(at, seq)));
    }
    inputs
}

/// Visits every world that any sequence of inputs reaches.
fn walk<const PEERS: usize>(rules: &Rules, seq_max: u64) -> Result<Met, String> {
    let inputs = inputs(PEERS, seq_max);
    let (mut met, mut seen) = (Met::default(), HashSet::new());
    let mut waiting: VecDeque<World<PEERS>> = [true, false].map(World::new).into();
    seen.extend(waiting.iter().copied());
    while let Some(before) = waiting.pop_front() {
        met.states.extend(before.peers.iter().map(|peer| peer.state));
        for input in &inputs {
            let (mut after, answer) = judge(rules, &before, *input)?;
            match answer {
                Answer::Action(action) => drop(met.actions.insert(action)),
                Answer::Refused(refusal) => drop(met.refusals.insert(refusal.name())),
            }
            // Strikes are only counted: worlds that differ in nothing else go on alike.
            after.peers.iter_mut().for_each(|peer| peer.strikes = 0);
            if seen.insert(after) {
                waiting.push_back(after);
            }
        }
    }
    met.worlds = seen.len();
    Ok(met)
}

#[test]
fn every_reachable_state_of_one_peer_follows_from_what_happened() {
    let met = walk::<1>(&TRUE, 4).unwrap();
    assert_eq!(met.states.len(), PeerState::ALL.len(), "{:?}", met.states);
    assert_eq!(met.actions.len(), Action::ALL.len(), "{:?}", met.actions);
    assert_eq!(met.refusals.len(), 5, "{:?}", met.refusals);
    assert!(met.worlds > 500, "{} worlds", met.worlds);
}

#[test]
fn every_reachable_state_of_two_peers_follows_from_what_happened() {
    let met = walk::<2>(&TRUE, 1).unwrap();
    assert_eq!(met.states.len(), PeerState::ALL.len(), "{:?}", met.states);
    assert_eq!(met.actions.len(), Action::ALL.len(), "{:?}", met.actions);
    assert_eq!(met.refusals.len(), 5, "{:?}", met.refusals);
    assert!(met.worlds > 5_000, "{} worlds", met.worlds);
}

#[test]
fn rules_with_a_planted_fault_are_found_out() {
    for (name, rules) in BROKEN {
        assert!(walk::<1>(rules, 3).is_err(), "{name} was not found out");
    }
}

/// After an action that asks for a blob, one can be sent while the peer is there and state was not lost.
#[test]
fn what_is_asked_for_may_be_sent() {
    let inputs = inputs(1, 3);
    let mut seen = HashSet::new();
    let mut waiting: Vec<World<1>> = [true, false].map(World::new).into();
    let mut asked = 0;
    while let Some(before) = waiting.pop() {
        for input in &inputs {
            let (mut after, answer) = before.after(&TRUE, *input);
            let asks = [Action::FirstSendAllowed, Action::Resend].map(Answer::Action);
            let peer = after.peers[0];
            let is_there = peer.is_connected && peer.offers_storage;
            if asks.contains(&answer) && is_there && !after.session.is_blocked {
                asked += 1;
                let sent = send(after.session, peer, peer.sent_seq + 1);
                assert!(sent.is_ok(), "{before:?} {input:?} {sent:?}");
            }
            after.peers[0].strikes = 0;
            if seen.insert(after) {
                waiting.push(after);
            }
        }
    }
    assert!(asked > 100, "{asked} times");
}

#[test]
fn the_greatest_numbers_neither_wrap_nor_panic() {
    let session = Session { is_fresh: false, ..Session::new(OURS) };
    let there = Peer {
        state: PeerState::Clear,
        is_connected: true,
        offers_storage: true,
        strikes: u32::MAX,
        ..Peer::default()
    };
    let last = send(session, there, u64::MAX).unwrap().peer;
    assert_eq!(send(session, last, u64::MAX), Err(Refusal::Seq));
    let ours = |seq| Event::Retrieved(Retrieval::Authentic { instance: OURS, seq });
    let confirmed = apply(session, last, ours(u64::MAX)).peer;
    assert_eq!(confirmed.committed_seq, u64::MAX);
    let stale = apply(session, confirmed, ours(u64::MAX - 1)).peer;
    assert_eq!((stale.state, stale.strikes), (PeerState::Stale, u32::MAX));
}

#[test]
fn numbers_and_names_are_told_apart() {
    for (number, state) in PeerState::ALL.into_iter().enumerate() {
        assert_eq!(PeerState::from_number(number as u8), Some(state));
        assert_eq!(usize::from(state.number()), number);
    }
    assert_eq!(PeerState::from_number(13), None);
    assert_eq!(PeerState::from_number(255), None);
    for (number, action) in Action::ALL.into_iter().enumerate() {
        assert_eq!(usize::from(action.number()), number);
    }
    let states: BTreeSet<_> = PeerState::ALL.iter().map(|state| state.name()).collect();
    let actions: BTreeSet<_> = Action::ALL.iter().map(|action| action.name()).collect();
    assert_eq!((states.len(), actions.len()), (13, 6));
}
