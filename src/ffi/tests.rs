//! What C tests cannot see: that the constants are the enum's numbers, and that panics stay inside.

use super::guard::guarded;
use super::status::*;
use super::types::*;
use crate::attempts::State;
use crate::error::{Class, Status};
use crate::events::EventKind;
use crate::monitors::{Damage, Stage};

#[test]
fn every_status_constant_is_the_number_of_its_status() {
    let source = include_str!("status.rs");
    let mut declared = 0;
    for line in source.lines().filter_map(|line| line.strip_prefix("pub const LNKEEP_")) {
        let Some((name, number)) = line.split_once(": i32 = ") else {
            continue;
        };
        let number: i32 = number.trim_end_matches(';').parse().unwrap();
        let status = Status::from_number(number).expect(name);
        assert_eq!(status.name(), name);
        declared += 1;
    }
    assert_eq!(declared, Status::ALL.len());
    assert_eq!(LNKEEP_CLASS_FATAL, Class::Fatal as u32);
    assert_eq!(LNKEEP_CLASS_UNKNOWN, Class::Unknown as u32);
}

#[test]
fn states_and_kinds_have_the_numbers_of_their_constants() {
    assert_eq!(LNKEEP_STATE_INTENT, State::Intent as u32);
    assert_eq!(LNKEEP_STATE_DELETED, State::Deleted as u32);
    assert_eq!(LNKEEP_STAGE_ACTIVE, Stage::Active as u32);
    assert_eq!(LNKEEP_STAGE_ARCHIVED, Stage::Archived as u32);
    let damages = [
        (LNKEEP_DAMAGE_UPDATE_GAP, Damage::UpdateGap),
        (LNKEEP_DAMAGE_ORPHAN_UPDATE, Damage::OrphanUpdate),
        (LNKEEP_DAMAGE_CHECKSUM, Damage::Checksum),
        (LNKEEP_DAMAGE_MISSING_SNAPSHOT, Damage::MissingSnapshot),
    ];
    damages.into_iter().for_each(|(number, damage)| assert_eq!(number, damage as u32));
    assert_eq!(LNKEEP_EVENT_ATTEMPT_CORRUPT, EventKind::AttemptCorrupt as u32);
    assert_eq!(LNKEEP_EVENT_ATTEMPT_CONFLICT, EventKind::AttemptConflict as u32);
}

#[test]
fn a_panic_becomes_a_status_and_prints_nothing() {
    let mut error = lnkeep_error {
        size: std::mem::size_of::<lnkeep_error>(),
        status: 0,
        os_errno: 0,
        message: [0; 240],
        value: 0,
        present: 0,
        reserved: 0,
        channel_id: [0; 32],
    };
    // SAFETY: `error` is a valid lnkeep_error on this stack.
    let status = unsafe { guarded(&mut error, || panic!("must not be seen")) };
    assert_eq!(status, LNKEEP_INTERNAL);
    assert_eq!(error.status, LNKEEP_INTERNAL);
    assert_ne!(error.message[0], 0);
}

#[test]
fn the_abi_number_of_the_header_is_the_crates() {
    assert_eq!(super::store::LNKEEP_ABI_VERSION, crate::ABI_VERSION);
}
