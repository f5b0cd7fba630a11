//! Rules with one planted fault each, which the walk over all states has to find.

use super::rules::{Rules, TRUE};
use crate::backup::rules::{
    Action, Event, Peer, PeerState, Refusal, Retrieval, Session, Step, acknowledge_peer,
    acknowledge_session, apply, send,
};

pub(super) const BROKEN: &[(&str, &Rules)] = &[
    ("sends in hold", &Rules { send: send_in_hold, ..TRUE }),
    ("overwrites what it cannot read", &Rules { send: send_over_unreadable, ..TRUE }),
    ("sends after a state loss", &Rules { send: send_though_blocked, ..TRUE }),
    ("sends to those who are gone", &Rules { send: send_unconnected, ..TRUE }),
    ("sends a number twice", &Rules { send: send_same_seq, ..TRUE }),
    ("stays fresh after a send", &Rules { send: send_stays_fresh, ..TRUE }),
    ("looks at the number before hold", &Rules { send: send_checks_seq_first, ..TRUE }),
    ("protects no longer than a connection", &Rules { apply: forgets_at_disconnect, ..TRUE }),
    ("takes the protected for idle", &Rules { apply: idles_at_disconnect, ..TRUE }),
    ("an acknowledgement leaves it ahead", &Rules { acknowledge_peer: ahead_on, ..TRUE }),
    ("clears the protected at the deadline", &Rules { apply: clears_at_deadline, ..TRUE }),
    ("does not protect the unreadable", &Rules { apply: unprotected, ..TRUE }),
    ("protects what it had sent to", &Rules { apply: protects_corrupt, ..TRUE }),
    ("a connection forgets what was confirmed", &Rules { apply: connection_forgets, ..TRUE }),
    ("keeps protection after an authentic blob", &Rules { apply: stays_protected, ..TRUE }),
    ("trusts a blob though fresh", &Rules { apply: ignores_fresh, ..TRUE }),
    ("trusts another database's blob", &Rules { apply: ignores_instance, ..TRUE }),
    ("confirms what it never sent", &Rules { apply: confirms_ahead, ..TRUE }),
    ("does not block when state was lost", &Rules { apply: never_blocks, ..TRUE }),
    ("an older blob lowers what was confirmed", &Rules { apply: stale_lowers, ..TRUE }),
    ("an older blob is no strike", &Rules { apply: stale_forgiven, ..TRUE }),
    ("a delay is a strike", &Rules { apply: lagging_strikes, ..TRUE }),
    ("a deadline counts without hold", &Rules { apply: eager_deadline, ..TRUE }),
    ("a loss is no strike", &Rules { apply: loss_forgiven, ..TRUE }),
    ("an acknowledgement leaves it blocked", &Rules { acknowledge_session: same, ..TRUE }),
    ("an acknowledgement makes it fresh", &Rules { acknowledge_session: refreshed, ..TRUE }),
    ("an acknowledgement lifts hold", &Rules { acknowledge_peer: lifts_hold, ..TRUE }),
    ("an acknowledgement leaves protection", &Rules { acknowledge_peer: protects_on, ..TRUE }),
    ("an acknowledgement leaves it unreadable", &Rules { acknowledge_peer: unreadable_on, ..TRUE }),
];

fn is_authentic(event: Event) -> bool {
    matches!(event, Event::Retrieved(Retrieval::Authentic { .. }))
}

fn send_in_hold(session: Session, peer: Peer, seq: u64) -> Result<Step, Refusal> {
    let is_held = peer.state == PeerState::Hold;
    let state = if is_held { PeerState::Clear } else { peer.state };
    send(session, Peer { state, ..peer }, seq)
}

fn send_over_unreadable(session: Session, peer: Peer, seq: u64) -> Result<Step, Refusal> {
    let is_unreadable = peer.state == PeerState::Unreadable;
    let state = if is_unreadable { PeerState::Clear } else { peer.state };
    send(session, Peer { state, is_protected: false, ..peer }, seq)
}

fn send_though_blocked(session: Session, peer: Peer, seq: u64) -> Result<Step, Refusal> {
    let step = send(Session { is_blocked: false, ..session }, peer, seq)?;
    Ok(Step { session: Session { is_blocked: session.is_blocked, ..step.session }, ..step })
}

fn send_unconnected(session: Session, peer: Peer, seq: u64) -> Result<Step, Refusal> {
    let step = send(session, Peer { is_connected: true, ..peer }, seq)?;
    Ok(Step { peer: Peer { is_connected: peer.is_connected, ..step.peer }, ..step })
}

fn send_same_seq(session: Session, peer: Peer, seq: u64) -> Result<Step, Refusal> {
    let step = send(session, Peer { sent_seq: peer.sent_seq.saturating_sub(1), ..peer }, seq)?;
    Ok(step)
}

fn send_stays_fresh(session: Session, peer: Peer, seq: u64) -> Result<Step, Refusal> {
    Ok(Step { session, ..send(session, peer, seq)? })
}

fn send_checks_seq_first(session: Session, peer: Peer, seq: u64) -> Result<Step, Refusal> {
    if seq <= peer.sent_seq { Err(Refusal::Seq) } else { send(session, peer, seq) }
}

fn forgets_at_disconnect(session: Session, peer: Peer, event: Event) -> Step {
    let forgets = event == Event::Disconnected;
    let is_protected = peer.is_protected && !forgets;
    apply(session, Peer { is_protected, ..peer }, event)
}

fn clears_at_deadline(session: Session, peer: Peer, event: Event) -> Step {
    let is_protected = peer.is_protected && event != Event::Deadline;
    let step = apply(session, Peer { is_protected, ..peer }, event);
    let is_protected = step.peer.is_protected || event == Event::Deadline && peer.is_protected;
    Step { peer: Peer { is_protected, ..step.peer }, ..step }
}

fn unprotected(session: Session, peer: Peer, event: Event) -> Step {
    let step = apply(session, peer, event);
    Step { peer: Peer { is_protected: false, ..step.peer }, ..step }
}

fn protects_corrupt(session: Session, peer: Peer, event: Event) -> Step {
    let step = apply(session, peer, event);
    let is_protected = step.peer.is_protected || step.peer.state == PeerState::Corrupt;
    Step { peer: Peer { is_protected, ..step.peer }, ..step }
}

fn connection_forgets(session: Session, peer: Peer, event: Event) -> Step {
    let forgets = matches!(event, Event::Connected { .. });
    let committed_seq = if forgets { 0 } else { peer.committed_seq };
    apply(session, Peer { committed_seq, ..peer }, event)
}

fn stays_protected(session: Session, peer: Peer, event: Event) -> Step {
    let step = apply(session, peer, event);
    let stays = peer.is_protected && is_authentic(event);
    let is_protected = step.peer.is_protected || stays;
    Step { peer: Peer { is_protected, ..step.peer }, ..step }
}

fn ignores_fresh(session: Session, peer: Peer, event: Event) -> Step {
    let step = apply(Session { is_fresh: false, ..session }, peer, event);
    Step { session: Session { is_fresh: session.is_fresh, ..step.session }, ..step }
}

fn ignores_instance(session: Session, peer: Peer, event: Event) -> Step {
    let event = match event {
        Event::Retrieved(Retrieval::Authentic { seq, .. }) => {
            Event::Retrieved(Retrieval::Authentic { instance: session.instance, seq })
        }
        other => other,
    };
    apply(session, peer, event)
}

fn confirms_ahead(session: Session, peer: Peer, event: Event) -> Step {
    let step = apply(session, peer, event);
    let Event::Retrieved(Retrieval::Authentic { instance, seq }) = event else {
        return step;
    };
    if session.is_fresh || instance != session.instance || seq <= peer.sent_seq {
        return step;
    }
    let peer = Peer { state: PeerState::Committed, committed_seq: seq, ..step.peer };
    Step { session, peer, action: Action::None }
}

fn never_blocks(session: Session, peer: Peer, event: Event) -> Step {
    let step = apply(session, peer, event);
    Step { session, ..step }
}

fn stale_lowers(session: Session, peer: Peer, event: Event) -> Step {
    let step = apply(session, peer, event);
    match event {
        Event::Retrieved(Retrieval::Authentic { seq, .. })
            if step.peer.state == PeerState::Stale =>
        {
            Step { peer: Peer { committed_seq: seq, ..step.peer }, ..step }
        }
        _ => step,
    }
}

fn forgiven(state: PeerState, step: Step, strikes: u32) -> Step {
    let is_forgiven = step.peer.state == state;
    let strikes = if is_forgiven { strikes } else { step.peer.strikes };
    Step { peer: Peer { strikes, ..step.peer }, ..step }
}

fn stale_forgiven(session: Session, peer: Peer, event: Event) -> Step {
    forgiven(PeerState::Stale, apply(session, peer, event), peer.strikes)
}

fn loss_forgiven(session: Session, peer: Peer, event: Event) -> Step {
    forgiven(PeerState::Lost, apply(session, peer, event), peer.strikes)
}

fn lagging_strikes(session: Session, peer: Peer, event: Event) -> Step {
    let step = apply(session, peer, event);
    let strikes = u32::from(is_authentic(event) && step.peer.state == PeerState::Lagging);
    Step { peer: Peer { strikes: step.peer.strikes + strikes, ..step.peer }, ..step }
}

fn eager_deadline(session: Session, peer: Peer, event: Event) -> Step {
    let is_deadline = event == Event::Deadline;
    let state = if is_deadline { PeerState::Hold } else { peer.state };
    apply(session, Peer { state, ..peer }, event)
}

fn idles_at_disconnect(session: Session, peer: Peer, event: Event) -> Step {
    let step = apply(session, peer, event);
    let idles = event == Event::Disconnected && peer.state == PeerState::Hold;
    let state = if idles && peer.sent_seq == 0 { PeerState::Idle } else { step.peer.state };
    Step { peer: Peer { state, ..step.peer }, ..step }
}

fn ahead_on(peer: Peer) -> Peer {
    let after = acknowledge_peer(peer);
    let was_ahead = peer.state == PeerState::Ahead;
    Peer { state: if was_ahead { PeerState::Ahead } else { after.state }, ..after }
}

fn same(session: Session) -> Session {
    session
}

fn refreshed(session: Session) -> Session {
    Session { is_fresh: true, ..acknowledge_session(session) }
}

fn lifts_hold(peer: Peer) -> Peer {
    let peer = acknowledge_peer(peer);
    let is_held = peer.state == PeerState::Hold;
    Peer { state: if is_held { PeerState::Clear } else { peer.state }, ..peer }
}

fn protects_on(peer: Peer) -> Peer {
    Peer { is_protected: peer.is_protected, ..acknowledge_peer(peer) }
}

fn unreadable_on(peer: Peer) -> Peer {
    let after = acknowledge_peer(peer);
    let was_unreadable = peer.state == PeerState::Unreadable;
    Peer { state: if was_unreadable { PeerState::Unreadable } else { after.state }, ..after }
}
