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
    assert_eq!(LNKEEP_EVENT_PEER_BLOB_CORRUPT, EventKind::PeerBlobCorrupt as u32);
    assert_eq!(LNKEEP_EVENT_BACKUP_STRIKE, EventKind::BackupStrike as u32);
}

#[test]
fn numbers_of_storage_are_those_of_their_constants() {
    use crate::peer_storage::ClaimChange;
    use crate::wire::{Malformed, MessageKind, TlvFault};
    let kinds = [
        (LNKEEP_WIRE_PEER_STORAGE, MessageKind::PeerStorage),
        (LNKEEP_WIRE_PEER_STORAGE_RETRIEVAL, MessageKind::PeerStorageRetrieval),
    ];
    kinds.into_iter().for_each(|(number, kind)| assert_eq!(number, u32::from(kind.number())));
    let faults = [
        (LNKEEP_WIRE_MESSAGE_TOO_LONG, Malformed::MessageTooLong),
        (LNKEEP_WIRE_TRUNCATED_TYPE, Malformed::TruncatedType),
        (LNKEEP_WIRE_UNKNOWN_TYPE, Malformed::UnknownType { number: 0 }),
        (LNKEEP_WIRE_TRUNCATED_LENGTH, Malformed::TruncatedLength),
        (LNKEEP_WIRE_TRUNCATED_BLOB, Malformed::TruncatedBlob { declared: 0, available: 0 }),
        (LNKEEP_WIRE_TLV_TRUNCATED, Malformed::BadExtension(TlvFault::Truncated)),
        (LNKEEP_WIRE_TLV_NON_MINIMAL, Malformed::BadExtension(TlvFault::NonMinimal)),
        (LNKEEP_WIRE_TLV_ORDER, Malformed::BadExtension(TlvFault::Order)),
        (LNKEEP_WIRE_TLV_UNKNOWN_EVEN, Malformed::BadExtension(TlvFault::UnknownEven)),
    ];
    faults.into_iter().for_each(|(number, fault)| assert_eq!(u64::from(number), fault.number()));
    let changes = [
        (LNKEEP_CLAIM_PENDING_CHANNEL, ClaimChange::PendingChannel),
        (LNKEEP_CLAIM_OPEN_CHANNEL, ClaimChange::OpenChannel),
        (LNKEEP_CLAIM_CLOSED_CHANNEL, ClaimChange::ClosedChannel),
        (LNKEEP_CLAIM_FAILED_CHANNEL, ClaimChange::FailedChannel),
        (LNKEEP_CLAIM_ALLOWED, ClaimChange::Allowed),
        (LNKEEP_CLAIM_DISALLOWED, ClaimChange::Disallowed),
    ];
    changes.into_iter().for_each(|(number, change)| assert_eq!(number, change as u32));
}

#[cfg(feature = "backup")]
#[test]
fn numbers_of_the_recovery_are_those_of_their_constants() {
    use crate::recovery::crawl::PeerResult;
    use crate::recovery::shares::RecoveryStatus;
    let statuses = [
        (LNKEEP_RECOVERY_EMPTY, RecoveryStatus::Empty),
        (LNKEEP_RECOVERY_COLLECTING, RecoveryStatus::Collecting),
        (LNKEEP_RECOVERY_COMPLETE_OLDER, RecoveryStatus::CompleteOlder),
        (LNKEEP_RECOVERY_COMPLETE, RecoveryStatus::Complete),
        (LNKEEP_RECOVERY_COMPLETE_FINAL, RecoveryStatus::CompleteFinal),
    ];
    assert_eq!(statuses.len(), RecoveryStatus::ALL.len());
    statuses.into_iter().for_each(|(number, status)| assert_eq!(number, status as u32));
    let results = [
        (LNKEEP_RECOVERY_PEER_CONNECTED, PeerResult::Connected),
        (LNKEEP_RECOVERY_PEER_FAILED, PeerResult::Failed),
        (LNKEEP_RECOVERY_PEER_NO_STORAGE, PeerResult::NoStorage),
        (LNKEEP_RECOVERY_PEER_NO_BLOB, PeerResult::NoBlob),
    ];
    assert_eq!(results.len(), PeerResult::ALL.len());
    for (number, result) in results {
        assert_eq!(number, result as u32);
        assert_eq!(PeerResult::ALL[number as usize], result);
    }
}

#[cfg(feature = "backup")]
#[test]
fn numbers_of_the_backup_are_those_of_their_constants() {
    use crate::backup::envelope::EnvelopeFault;
    use crate::backup::{Action, Copy, PeerState};
    let states = [
        (LNKEEP_BACKUP_STATE_IDLE, PeerState::Idle),
        (LNKEEP_BACKUP_STATE_HOLD, PeerState::Hold),
        (LNKEEP_BACKUP_STATE_CLEAR, PeerState::Clear),
        (LNKEEP_BACKUP_STATE_SENT, PeerState::Sent),
        (LNKEEP_BACKUP_STATE_COMMITTED, PeerState::Committed),
        (LNKEEP_BACKUP_STATE_LAGGING, PeerState::Lagging),
        (LNKEEP_BACKUP_STATE_STALE, PeerState::Stale),
        (LNKEEP_BACKUP_STATE_LOST, PeerState::Lost),
        (LNKEEP_BACKUP_STATE_CORRUPT, PeerState::Corrupt),
        (LNKEEP_BACKUP_STATE_UNCONFIRMED, PeerState::Unconfirmed),
        (LNKEEP_BACKUP_STATE_AHEAD, PeerState::Ahead),
        (LNKEEP_BACKUP_STATE_UNREADABLE, PeerState::Unreadable),
        (LNKEEP_BACKUP_STATE_UNSUPPORTED, PeerState::Unsupported),
    ];
    assert_eq!(states.len(), PeerState::ALL.len());
    states.into_iter().for_each(|(number, state)| assert_eq!(number, u32::from(state.number())));
    let actions = [
        (LNKEEP_BACKUP_ACTION_NONE, Action::None),
        (LNKEEP_BACKUP_ACTION_FIRST_SEND_ALLOWED, Action::FirstSendAllowed),
        (LNKEEP_BACKUP_ACTION_RESEND, Action::Resend),
        (LNKEEP_BACKUP_ACTION_ALERT_UNREADABLE, Action::AlertUnreadable),
        (LNKEEP_BACKUP_ACTION_ALERT_STATE_LOSS, Action::AlertStateLoss),
        (LNKEEP_BACKUP_ACTION_SEND, Action::Send),
    ];
    assert_eq!(actions.len(), Action::ALL.len());
    actions.into_iter().for_each(|(number, action)| assert_eq!(number, u32::from(action.number())));
    let faults = [
        (LNKEEP_ENVELOPE_TOO_SHORT, EnvelopeFault::TooShort),
        (LNKEEP_ENVELOPE_AUTH_FAILED, EnvelopeFault::AuthFailed),
        (LNKEEP_ENVELOPE_BAD_VERSION, EnvelopeFault::BadVersion),
        (LNKEEP_ENVELOPE_BAD_LENGTH, EnvelopeFault::BadLength),
        (LNKEEP_ENVELOPE_BAD_CHECKSUM, EnvelopeFault::BadChecksum),
        (LNKEEP_ENVELOPE_BAD_PADDING, EnvelopeFault::BadPadding),
    ];
    assert_eq!(faults.len(), EnvelopeFault::ALL.len());
    faults.into_iter().for_each(|(number, fault)| assert_eq!(u64::from(number), fault.number()));
    let copies = [
        (LNKEEP_COPY_NONE, Copy::None),
        (LNKEEP_COPY_UNCONFIRMED, Copy::Unconfirmed),
        (LNKEEP_COPY_CONFIRMED, Copy::Confirmed),
    ];
    copies.into_iter().for_each(|(number, copy)| assert_eq!(number, copy as u32));
}

#[cfg(feature = "backup")]
#[test]
fn numbers_of_foreign_backups_are_those_of_their_constants() {
    use crate::foreign::{ForeignFault, cln::Format};
    let faults = [
        (LNKEEP_FOREIGN_TOO_SHORT, ForeignFault::TooShort),
        (LNKEEP_FOREIGN_AUTH_FAILED, ForeignFault::AuthFailed),
        (LNKEEP_FOREIGN_BAD_PAYLOAD, ForeignFault::BadPayload),
        (LNKEEP_FOREIGN_BAD_VERSION, ForeignFault::BadVersion),
        (LNKEEP_FOREIGN_UNKNOWN_VERSION, ForeignFault::UnknownVersion(9)),
    ];
    faults.into_iter().for_each(|(number, fault)| assert_eq!(u64::from(number), fault.number()));
    let formats = [
        (LNKEEP_FOREIGN_CLN_CHANNELS, Format::StaticChanBackup),
        (LNKEEP_FOREIGN_CLN_CHANNELS_WITH_TLVS, Format::StaticChanBackupWithTlvs),
    ];
    formats.into_iter().for_each(|(number, format)| assert_eq!(number, u32::from(format.number())));
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
