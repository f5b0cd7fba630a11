//! A consumer and three peers that connect, leave, return blobs of every kind and are sent some: what is
//! concluded must be what a reference of the rules concludes, and nothing may be sent that must not.

use super::consumer_reference::{Reference, Returned};
use super::envelope::{KEYS, PEERS};
use crate::backup::envelope::{Header, Opened, SizeClass, open, seal};
use crate::backup::rules::{
    Event, Peer, PeerState, Retrieval, Session, Step, acknowledge_peer, acknowledge_session, apply,
    send,
};
use crate::backup::{read_contents, read_rows};
use crate::input::Input;

const OURS: [u8; 16] = [1; 16];
const EVENTS_MAX: usize = 64;

pub fn run(data: &[u8]) {
    read_rows(data);
    read_contents(data);
    let mut input = Input::new(data);
    let is_fresh = input.flag();
    let mut world = World {
        session: Session { is_fresh, ..Session::new(OURS) },
        peers: Default::default(),
        reference: Reference::new(is_fresh),
        last_blobs: Default::default(),
        next_seq: 1,
    };
    for _ in 0..EVENTS_MAX {
        if input.is_at_end() {
            break;
        }
        world.step(&mut input);
    }
}

struct World {
    session: Session,
    peers: [Peer; PEERS.len()],
    reference: Reference,
    /// What each peer was really sent last.
    last_blobs: [Vec<u8>; PEERS.len()],
    next_seq: u64,
}

impl World {
    fn step(&mut self, input: &mut Input<'_>) {
        let who = usize::from(input.below(PEERS.len() as u8));
        match input.below(8) {
            0 | 1 => {
                let offers_storage = !input.flag();
                let action = self.reference.connected(who, offers_storage);
                self.apply(who, Event::Connected { offers_storage }, action);
            }
            2 => {
                let action = self.reference.disconnected(who);
                self.apply(who, Event::Disconnected, action);
            }
            3 => {
                let action = self.reference.deadline(who);
                self.apply(who, Event::Deadline, action);
            }
            4 => self.send(who, input),
            5 => self.acknowledge(),
            6 => self.returned(who, &self.last_blobs[who].clone()),
            _ => {
                let blob = self.made_up(who, input);
                self.returned(who, &blob);
            }
        }
    }

    fn apply(&mut self, who: usize, event: Event, expected: &str) {
        let Step { session, peer, action } = apply(self.session, self.peers[who], event);
        (self.session, self.peers[who]) = (session, peer);
        assert_eq!(action.name(), expected, "{event:?}");
        self.compare();
    }

    fn send(&mut self, who: usize, input: &mut Input<'_>) {
        let seq = match input.below(4) {
            0 => input.number(),
            1 => self.peers[who].sent_seq,
            _ => self.next_seq,
        };
        let (session, before) = (self.session, self.peers[who]);
        let expected = self.reference.send(who, seq);
        match send(session, before, seq) {
            Err(refusal) => assert_eq!(expected, format!("refused:{}", refusal.name())),
            Ok(step) => {
                assert_eq!(expected, step.action.name());
                let may_send = before.is_connected && before.offers_storage;
                assert!(may_send && !session.is_blocked && !before.is_protected);
                assert!(before.state != PeerState::Hold && seq > before.sent_seq);
                (self.session, self.peers[who]) = (step.session, step.peer);
                self.next_seq = self.next_seq.max(seq).saturating_add(1);
                self.last_blobs[who] = sealed(who, OURS, seq);
            }
        }
        self.compare();
    }

    fn acknowledge(&mut self) {
        self.session = acknowledge_session(self.session);
        self.peers = self.peers.map(acknowledge_peer);
        self.reference.acknowledge();
        self.compare();
    }

    /// A blob of a hostile or forgetful peer.
    fn made_up(&self, who: usize, input: &mut Input<'_>) -> Vec<u8> {
        let known = self.peers[who];
        let seq = match input.below(6) {
            0 => input.number(),
            1 => known.committed_seq.saturating_sub(1),
            2 => known.committed_seq,
            3 => known.sent_seq.saturating_sub(1),
            4 => known.sent_seq.saturating_add(1),
            _ => known.sent_seq,
        };
        match input.below(8) {
            0 => input.bytes(200).to_vec(),
            1 => sealed(who, [2; 16], seq),
            2 => sealed(usize::from(input.below(KEYS.len() as u8)), OURS, seq),
            3 => {
                let mut blob = sealed(who, OURS, seq);
                let place = usize::from(input.byte()) * 4;
                blob[place] ^= input.byte();
                blob
            }
            4 => {
                let mut blob = sealed(who, OURS, seq);
                blob.truncate(usize::from(input.byte()) * 5);
                blob
            }
            _ => sealed(who, OURS, seq),
        }
    }

    fn returned(&mut self, who: usize, blob: &[u8]) {
        let opened = open(&KEYS[who], blob);
        let retrieval =
            opened.as_ref().map_or(Retrieval::Unauthentic, |Opened { header, .. }| {
                Retrieval::Authentic { instance: header.instance, seq: header.seq }
            });
        let returned = match &opened {
            Err(_) => Returned::Garbage,
            Ok(Opened { header, .. }) if header.instance != OURS => Returned::OfAnotherInstance,
            Ok(Opened { header, .. }) => Returned::OfOurs { seq: header.seq },
        };
        let action = self.reference.returned(who, returned);
        self.apply(who, Event::Retrieved(retrieval), action);
    }

    fn compare(&self) {
        let Reference { is_fresh, is_blocked, peers } = &self.reference;
        assert_eq!((self.session.is_fresh, self.session.is_blocked), (*is_fresh, *is_blocked));
        for (peer, expected) in self.peers.iter().zip(peers) {
            assert_eq!(peer.state.name(), expected.state);
            assert_eq!((peer.sent_seq, peer.committed_seq), (expected.sent, expected.committed));
            assert_eq!(
                (peer.strikes, peer.is_protected),
                (expected.strikes, expected.is_protected)
            );
            assert!(peer.committed_seq <= peer.sent_seq);
        }
    }
}

fn sealed(keys: usize, instance: [u8; 16], seq: u64) -> Vec<u8> {
    let header = Header { seq, instance, ..Header::default() };
    seal(&KEYS[keys], &header, b"state", SizeClass::Bytes1024, [0; 16])
        .expect("a payload that fits")
}
