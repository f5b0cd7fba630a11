//! The pure half of the consumer: keys, envelope, and what is concluded about peers.

#[path = "../../../src/backup/content.rs"]
mod content;
#[path = "../../../src/backup/envelope.rs"]
pub mod envelope;
#[path = "../../../src/backup/keys.rs"]
pub mod keys;
#[path = "../../../src/backup/object.rs"]
mod object;
#[path = "../../../src/backup/record.rs"]
mod record;
#[path = "../../../src/backup/roster.rs"]
mod roster;
#[path = "../../../src/backup/rules.rs"]
pub mod rules;
#[path = "../../../src/backup/score.rs"]
mod score;
#[path = "../../../src/backup/share.rs"]
mod share;
#[path = "../../../src/backup/stripe.rs"]
mod stripe;
#[path = "../../../src/backup/uptime.rs"]
mod uptime;

/// What a content names of journals.
mod journal {
    pub const KIND_JOURNAL: u8 = 2;
}

/// Rows of a damaged file: what is accepted is exactly what would have been written.
pub fn read_rows(body: &[u8]) {
    if let Some(state) = record::State::decode(body) {
        assert_eq!(state.encode()[..], *body, "two encodings of one state");
    }
    if let Some((peer, sent)) = record::decode_peer(body) {
        assert_eq!(record::encode_peer(&peer, &sent)[..], *body, "two encodings of one peer");
    }
}

/// What an authentic blob may carry, as its bytes say: whatever is accepted is exactly what would be written.
pub fn read_contents(body: &[u8]) {
    if let Ok(shares) = share::decode(body) {
        let again = share::encode(&shares).expect("shares that were read");
        assert_eq!(again[..], *body, "two encodings of shares");
        for one in &shares {
            assert_eq!(one.bytes.len(), one.header.share_bytes());
        }
    }
    if let Ok((content, Some(found))) = roster::split(roster::FLAG_ROSTER, body) {
        let again = roster::join(content, &found.encode_within(usize::MAX));
        assert_eq!(again[..], *body, "two encodings of a roster");
    }
    if let Ok((payload, snapshot)) = object::split_object(body) {
        let again = object::join_object(payload, snapshot).expect("an object that was read");
        assert_eq!(again[..], *body, "two encodings of an object");
    }
}
