//! The pure half of the consumer: keys, envelope, and what is concluded about peers.

#[path = "../../../src/backup/envelope.rs"]
pub mod envelope;
#[path = "../../../src/backup/keys.rs"]
pub mod keys;
#[path = "../../../src/backup/record.rs"]
mod record;
#[path = "../../../src/backup/rules.rs"]
pub mod rules;

/// Rows of a damaged file: what is accepted is exactly what would have been written.
pub fn read_rows(body: &[u8]) {
    if let Some(state) = record::State::decode(body) {
        assert_eq!(state.encode()[..], *body, "two encodings of one state");
    }
    if let Some((peer, sent)) = record::decode_peer(body) {
        assert_eq!(record::encode_peer(&peer, &sent)[..], *body, "two encodings of one peer");
    }
}
