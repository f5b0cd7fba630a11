//! libFuzzer's targets for every decoder of lnkeep, one each. What decodes encodes to the same bytes, or
//! to bytes that read the same; a byte more or less is refused; no memory is taken for what is only stated.
//!
//! The environment says which target runs, and which planted error is armed: `LNKEEP_FUZZ_TARGET=events
//! LNKEEP_FUZZ_PLANT=events PROGRAM -max_total_time=60 FOLDER`. See tests/fuzz_test.sh; decoders.txt says
//! which decoder of the source is whose.

#![no_main]
#![deny(unsafe_code)]
#![allow(dead_code, dropping_copy_types)]

include!(concat!(env!("OUT_DIR"), "/root.rs"));

pub mod arm;
mod bounds;
#[allow(unsafe_code)]
mod entry;
mod plants;
mod seeds;
mod targets;

/// What a target does with one input.
pub type Target = fn(&[u8]);

use targets::{carried, files, foreign_blobs, resumed, rows};

/// Every target; the last writes seeds for the others.
pub const TARGETS: [(&str, Target); 33] = [
    ("attempts", rows::attempts),
    ("attempt_index", rows::attempt_index),
    ("reasons", rows::reasons),
    ("events", rows::events),
    ("payment_heads", rows::payment_heads),
    ("payment_details", rows::payment_details),
    ("payment_attempts", rows::payment_attempts),
    ("payment_outcomes", rows::payment_outcomes),
    ("monitors", rows::monitors),
    ("resources_state", rows::resources_state),
    ("resources_channels", rows::resources_channels),
    ("resources_journal", rows::resources_journal),
    ("peer_records", rows::peer_records),
    ("backup_rows", rows::backup_rows),
    ("stripe_rows", rows::stripe_rows),
    ("blob_pointers", rows::blob_pointers),
    ("row_envelopes", files::row_envelopes),
    ("meta", files::meta),
    ("owner", files::owner),
    ("pages", files::pages),
    ("references", files::references),
    ("htlcs", carried::htlcs),
    ("journals", carried::journals),
    ("rosters", carried::rosters),
    ("objects", carried::objects),
    ("shares", carried::shares),
    ("codes", carried::codes),
    ("contents", carried::contents),
    ("foreign_ldk", foreign_blobs::ldk),
    ("foreign_cln", foreign_blobs::cln),
    ("foreign_lnd", foreign_blobs::lnd),
    ("foreign_kmp", foreign_blobs::kmp),
    ("exports", resumed::exports),
];
