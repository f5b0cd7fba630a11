//! What our own blobs carry: HTLCs, journals, rosters, objects, shares.

use crate::backup::envelope::{Header, SizeClass, seal};
use crate::backup::htlcs::{HtlcDiff, HtlcSet};
use crate::backup::journal::JournalContent;
use crate::backup::keys::{BackupKeys, Secret};
use crate::backup::object::{join_object, split_object};
use crate::backup::roster::{self, Roster};
use crate::backup::share;
use crate::backup::stripe::Code;
use crate::bounds::{Form, bounded, check};
use crate::recovery::contents;
use crate::recovery::journal::head_of;
use crate::types::NodeId;

pub fn htlcs(data: &[u8]) {
    let diff = check(
        Form::Exact,
        data,
        |bytes| HtlcDiff::decode(bytes).ok(),
        |diff| diff.encode().expect("a difference that was read").to_vec(),
    );
    let set = check(
        Form::Exact,
        data,
        |bytes| HtlcSet::decode(bytes).ok(),
        |set| set.encode().expect("a set that was read").to_vec(),
    );
    let takes_away = diff.as_ref().is_some_and(HtlcDiff::takes_away);
    assert_eq!(set.is_some(), diff.is_some() && !takes_away);
    if let Some(diff) = diff {
        assert_eq!(diff.bytes(), data.len());
    }
}

pub fn journals(data: &[u8]) {
    let encode = |journal: &JournalContent| {
        let mut bytes = journal.base_set_id.to_vec();
        bytes.extend(journal.base_generation.to_be_bytes());
        bytes.extend(journal.uncovered_count.to_be_bytes());
        bytes.extend(journal.uncovered_msat.to_be_bytes());
        bytes.extend_from_slice(&journal.diff.encode().expect("a difference that was read"));
        bytes
    };
    let journal = check(Form::Exact, data, |bytes| JournalContent::decode(bytes).ok(), encode);
    let head = head_of(data).ok();
    assert_eq!(head.is_some(), journal.is_some());
    if let (Some(journal), Some(head)) = (journal, head) {
        assert_eq!(head.base.is_none(), journal.base_generation == 0);
        let is_whole = !journal.diff.takes_away() && journal.base_set_id == [0; 16];
        assert!(head.base.is_some() || is_whole, "it takes away from nothing");
    }
}

pub fn rosters(data: &[u8]) {
    let encode = |roster: &Roster| roster.encode_within(usize::MAX);
    if data.len() <= usize::from(u16::MAX) {
        check(Form::Exact, data, |bytes| Roster::decode(bytes).ok(), encode);
    }
    let Some((flags, payload)) = data.split_first_chunk::<2>() else { return };
    let flags = u16::from_be_bytes(*flags);
    match bounded(payload.len(), || roster::split(flags, payload)) {
        Ok((content, Some(roster))) => {
            assert_eq!(roster::join(content, &encode(&roster))[..], *payload);
        }
        Ok((content, None)) => assert_eq!(content, payload),
        Err(_) => {}
    }
}

pub fn objects(data: &[u8]) {
    let found = bounded(data.len(), || split_object(data));
    let stated = data.last_chunk::<4>().map(|tail| u32::from_be_bytes(*tail) as usize);
    assert_eq!(found.is_ok(), stated.is_some_and(|stated| stated + 4 <= data.len()));
    if let Ok((payload, snapshot)) = found {
        assert_eq!(Some(snapshot.len()), stated);
        assert_eq!(join_object(payload, snapshot).expect("an object that was read")[..], *data);
    }
}

pub fn shares(data: &[u8]) {
    let Ok(shares) = bounded(data.len(), || share::decode(data)) else { return };
    assert_eq!(share::encode(&shares).expect("shares that were read")[..], *data);
    for one in &shares {
        assert_eq!(one.bytes.len(), one.header.share_bytes());
    }
    for more in [0, 1, 0xff] {
        assert!(share::decode(&[data, &[more]].concat()).is_err(), "a byte after its end");
    }
    assert!(share::decode(&data[..data.len() - 1]).is_err(), "a byte less");
}

/// Any k shares of an object, in any order, give it back; a share of another length is refused.
pub fn codes(data: &[u8]) {
    let Some(([need, shares, first, cut], object)) = data.split_first_chunk::<4>() else { return };
    let Ok(code) = Code::new(usize::from(need % 33), usize::from(shares % 33)) else { return };
    let all = code.encode(object);
    assert_eq!(all.len(), code.shares());
    let index = |place: usize| (usize::from(*first) + place) % code.shares();
    let mut chosen: Vec<(usize, &[u8])> =
        (0..code.data_shares()).map(|place| (index(place), &all[index(place)][..])).collect();
    let whole = code.decode(object.len(), &chosen).expect("as many shares as it takes");
    assert_eq!(whole[..], *object);
    if let Some((_, share)) = chosen.first_mut() {
        let bytes = usize::from(*cut) % (share.len() + 1);
        let is_whole = bytes == share.len();
        *share = &share[..bytes];
        assert_eq!(
            code.decode(object.len(), &chosen).is_ok(),
            is_whole,
            "a share of another length"
        );
    }
    chosen.pop();
    if let Ok(object) = code.decode(object.len(), &chosen) {
        assert!(object.is_empty() && code.data_shares() == 0, "restored from too few shares");
    }
}

/// Whatever a blob of ours carries, a recovery reads it, and takes nothing of an unknown kind.
pub fn contents(data: &[u8]) {
    let Some(([kind, high, low], payload)) = data.split_first_chunk::<3>() else { return };
    let keys = BackupKeys::new(&Secret::new([7; 32])).peer(NodeId([2; 33]));
    let header = Header {
        kind: *kind,
        flags: u16::from_be_bytes([*high, *low]),
        seq: 5,
        created_unix_secs: 6,
        block_height: 7,
        instance: [8; 16],
        set_id: [9; 16],
    };
    let class = SizeClass::Bytes4096;
    let Ok(blob) = seal(&keys, &header, payload, class, [1; 16]) else { return };
    let reading = bounded(blob.len(), || contents::read(&keys, &blob)).expect("our own blob");
    assert_eq!(reading.seq, 5);
    let Ok((found, roster)) = reading.contents else { return };
    assert!(*kind <= 2, "kind {kind} was read");
    let (content, again) = roster::split(header.flags, payload).expect("its roster was read");
    assert_eq!(roster.is_some(), again.is_some());
    match kind {
        1 => assert_eq!(found.pieces.len(), share::decode(content).expect("shares").len()),
        2 => assert_eq!(found.journal, head_of(content).ok()),
        _ => assert!(found.pieces.len() <= 1 && found.journal.is_none()),
    }
}
