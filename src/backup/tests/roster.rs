//! The roster: it takes no room from others (BN1) and is no longer than what it came from (BN2).

use proptest::prelude::*;

use crate::Status;
use crate::backup::roster::{
    ENTRY_HEAD_BYTES, FLAG_ROSTER, FLAG_SNAPSHOT, ROSTER_HEAD_BYTES, ROSTER_TAIL_BYTES, Roster,
    RosterFault, RosterPeer, flag_of, join, split,
};
use crate::error::Error;
use crate::types::NodeId;

fn peer(byte: u8, index: Option<u8>, address: &[u8]) -> RosterPeer {
    RosterPeer { node: NodeId([byte; 33]), index, address: address.to_vec() }
}

fn roster() -> Roster {
    let peers = vec![
        peer(2, Some(0), &[1, 127, 0, 0, 1, 0x26, 0x07]),
        peer(3, Some(31), &[]),
        peer(4, None, b"\x05\x03a.bc\x26\x07"),
    ];
    Roster { generation: 0x0102_0304_0506_0708, peers }
}

fn joined(content: &[u8], roster: &Roster) -> Vec<u8> {
    join(content, &roster.encode_within(usize::MAX)).to_vec()
}

#[test]
fn a_roster_has_the_bytes_of_the_format() {
    let mut expected = b"content".to_vec();
    expected.extend_from_slice(&[1, 2, 3, 4, 5, 6, 7, 8, 0, 3]);
    expected.extend_from_slice(&[2; 33]);
    expected.extend_from_slice(&[0, 7, 1, 127, 0, 0, 1, 0x26, 0x07]);
    expected.extend_from_slice(&[3; 33]);
    expected.extend_from_slice(&[31, 0]);
    expected.extend_from_slice(&[4; 33]);
    expected.extend_from_slice(&[255, 8]);
    expected.extend_from_slice(b"\x05\x03a.bc\x26\x07");
    let roster_bytes = expected.len() - 7;
    expected.extend_from_slice(&(roster_bytes as u16).to_be_bytes());
    assert_eq!(joined(b"content", &roster()), expected);
    assert_eq!(split(FLAG_ROSTER, &expected), Ok((&b"content"[..], Some(roster()))));
}

#[test]
fn without_its_flag_a_payload_is_content_alone() {
    let payload = joined(b"content", &roster());
    for flags in [0, FLAG_SNAPSHOT] {
        assert_eq!(split(flags, &payload), Ok((&payload[..], None)));
        assert_eq!(split(flags, b""), Ok((&b""[..], None)));
    }
    for flags in [FLAG_ROSTER, FLAG_ROSTER | FLAG_SNAPSHOT] {
        assert_eq!(split(flags, &payload), Ok((&b"content"[..], Some(roster()))));
    }
}

#[test]
fn flags_of_the_future_are_refused() {
    let payload = joined(b"content", &roster());
    for bit in 2..16 {
        for known in 0..4 {
            assert_eq!(split(1 << bit | known, &payload), Err(RosterFault::BadFlags), "{bit}");
        }
    }
}

#[test]
fn entries_that_do_not_fit_are_left_out_and_those_before_them_are_not() {
    let roster = roster();
    let lengths = [10, 10 + 42, 10 + 42 + 35, 10 + 42 + 35 + 43];
    for bytes_max in 0..150 {
        let bytes = roster.encode_within(bytes_max);
        assert!(bytes.len() <= bytes_max);
        let fitting = lengths.iter().rposition(|bytes| *bytes <= bytes_max);
        let Some(count) = fitting else {
            assert!(bytes.is_empty(), "{bytes_max}");
            continue;
        };
        assert_eq!(bytes.len(), lengths[count]);
        let payload = join(b"", &bytes);
        let (content, found) = split(flag_of(&bytes), &payload).unwrap();
        assert!(content.is_empty());
        assert_eq!(found.unwrap().peers, roster.peers[..count]);
    }
}

#[test]
fn the_length_of_a_roster_is_never_exceeded() {
    let peers = vec![peer(2, Some(1), &[7; 255]); 300];
    let bytes = Roster { generation: 1, peers }.encode_within(usize::MAX);
    let count = (usize::from(u16::MAX) - ROSTER_HEAD_BYTES) / (ENTRY_HEAD_BYTES + 255);
    assert_eq!(bytes.len(), ROSTER_HEAD_BYTES + count * (ENTRY_HEAD_BYTES + 255));
    let payload = join(b"c", &bytes);
    let (content, found) = split(flag_of(&bytes), &payload).unwrap();
    assert_eq!((content, found.unwrap().peers.len()), (&b"c"[..], count));
}

#[test]
fn a_payload_without_a_roster_says_so() {
    for roster in [vec![], vec![0; usize::from(u16::MAX) + 1]] {
        assert_eq!(flag_of(&roster), 0);
        assert_eq!(*join(b"content", &roster), b"content");
    }
    assert_eq!(flag_of(&roster().encode_within(ROSTER_HEAD_BYTES)), FLAG_ROSTER);
}

#[test]
fn what_an_entry_cannot_say_is_left_out_of_it() {
    let far = Roster { generation: 1, peers: vec![peer(2, Some(32), &[7; 256])] };
    let found = split(FLAG_ROSTER, &joined(b"", &far)).unwrap().1.unwrap();
    assert_eq!(found.peers, [peer(2, None, &[])]);
    let near = Roster { generation: 1, peers: vec![peer(2, Some(31), &[7; 255])] };
    assert_eq!(split(FLAG_ROSTER, &joined(b"", &near)).unwrap().1.unwrap(), near);
}

#[test]
fn a_roster_that_was_cut_or_grew_is_refused() {
    let roster = roster().encode_within(usize::MAX);
    for bytes in 0..roster.len() {
        let cut = [&roster[..bytes], &(bytes as u16).to_be_bytes()].concat();
        assert_eq!(split(FLAG_ROSTER, &cut), Err(RosterFault::Truncated), "{bytes}");
    }
    let grown = join(b"", &[&roster[..], &[0]].concat());
    assert_eq!(split(FLAG_ROSTER, &grown), Err(RosterFault::TrailingBytes));
    for payload in [&b""[..], b"\0", b"\0\x01", b"abc\0\x04", b"abc\xff\xff"] {
        assert_eq!(split(FLAG_ROSTER, payload), Err(RosterFault::Truncated));
    }
}

#[test]
fn an_index_is_below_32_or_none() {
    let mut roster = Roster { generation: 1, peers: vec![peer(2, None, &[])] }.encode_within(99);
    for index in 0..=255_u8 {
        roster[ROSTER_HEAD_BYTES + 33] = index;
        let payload = join(b"", &roster);
        let found = split(FLAG_ROSTER, &payload).map(|(_, roster)| roster.unwrap().peers[0].index);
        let expected = match index {
            0..32 => Ok(Some(index)),
            255 => Ok(None),
            _ => Err(RosterFault::BadIndex),
        };
        assert_eq!(found, expected);
    }
}

#[test]
fn faults_have_numbers_and_names_of_their_own() {
    for (at, fault) in RosterFault::ALL.into_iter().enumerate() {
        let error = Error::from(fault);
        assert_eq!((error.status(), error.value()), (Status::BadShare, Some(at as u64 + 16)));
    }
    let names: std::collections::BTreeSet<_> = RosterFault::ALL.map(RosterFault::name).into();
    assert_eq!(names.len(), RosterFault::ALL.len());
}

fn any_peer() -> impl Strategy<Value = RosterPeer> {
    let address = prop::collection::vec(any::<u8>(), 0..60);
    (any::<u8>(), prop::option::of(0..32_u8), address)
        .prop_map(|(byte, index, address)| peer(byte, index, &address))
}

fn any_roster() -> impl Strategy<Value = Roster> {
    (any::<u64>(), prop::collection::vec(any_peer(), 0..8))
        .prop_map(|(generation, peers)| Roster { generation, peers })
}

proptest! {
    #[test]
    fn what_was_joined_is_split(
        content in prop::collection::vec(any::<u8>(), 0..100), roster in any_roster(),
    ) {
        let payload = joined(&content, &roster);
        prop_assert_eq!(split(FLAG_ROSTER, &payload), Ok((&content[..], Some(roster))));
    }

    #[test]
    fn what_is_split_joins_to_the_same_bytes(
        roster in any_roster(), changes in prop::collection::vec((0..99_usize, any::<u8>()), 0..3),
    ) {
        let mut payload = joined(b"content", &roster);
        for (at, byte) in changes {
            if let Some(place) = payload.get_mut(at) {
                *place = byte;
            }
        }
        if let Ok((content, Some(roster))) = split(FLAG_ROSTER, &payload) {
            prop_assert_eq!(joined(content, &roster), payload);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(
        flags in 0..4_u16, body in prop::collection::vec(any::<u8>(), 0..200), length in 0..220_u16,
    ) {
        let payload = [&body[..], &length.to_be_bytes()].concat();
        if let Ok((content, Some(roster))) = split(flags, &payload) {
            let least = roster.peers.len() * ENTRY_HEAD_BYTES + ROSTER_HEAD_BYTES;
            prop_assert!(content.len() + least + ROSTER_TAIL_BYTES <= payload.len());
        }
    }
}
