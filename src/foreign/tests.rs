//! What other software writes comes out, and what it never writes neither opens nor costs (FR1 to FR4).

mod cln;
mod hostile;
mod ldk;
mod lightning_kmp;
mod lnd;

use super::*;
use crate::error::{Error, Status};

/// A BOLT 1 record with a short value.
fn record(number: u8, value: &[u8]) -> Vec<u8> {
    [&[number, u8::try_from(value.len()).unwrap()], value].concat()
}

/// Opens no changed bit and no other length; `short` is the length below which a blob is too short.
fn authenticates<T>(blob: &[u8], short: usize, open: impl Fn(&[u8]) -> Result<T, ForeignFault>) {
    assert!(open(blob).is_ok(), "the whole blob opens");
    for bit in 0..blob.len() * 8 {
        let mut changed = blob.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(open(&changed).err(), Some(ForeignFault::AuthFailed), "bit {bit}");
    }
    for length in 0..blob.len() {
        let is_short = length < short;
        let fault = if is_short { ForeignFault::TooShort } else { ForeignFault::AuthFailed };
        assert_eq!(open(&blob[..length]).err(), Some(fault), "first {length}");
        assert_eq!(open(&blob[blob.len() - length..]).err(), Some(fault), "last {length}");
    }
    assert_eq!(open(&[blob, &[0]].concat()).err(), Some(ForeignFault::AuthFailed));
}

#[test]
fn every_fault_has_its_number_and_its_status() {
    let all = [
        ForeignFault::TooShort,
        ForeignFault::AuthFailed,
        ForeignFault::BadPayload,
        ForeignFault::BadVersion,
        ForeignFault::UnknownVersion(6),
    ];
    let mut messages = std::collections::BTreeSet::new();
    for (number, fault) in (1..).zip(all) {
        assert_eq!(fault.number(), number);
        let error = Error::from(fault);
        assert_eq!((error.status(), error.value()), (Status::BadForeign, Some(number)));
        assert!(messages.insert(error.message().to_owned()), "{fault:?} has the text of another");
        assert!(messages.insert(fault.name().to_owned()), "{fault:?} has the name of another");
    }
    assert!(Error::from(ForeignFault::UnknownVersion(6)).message().ends_with("version 6"));
}

#[test]
fn a_blob_is_found_by_the_key_that_opens_it() {
    let key = [7; 32];
    let keys = || ForeignKeys {
        ldk: Some(super::ldk::StorageKey::new(key)),
        cln: Some(super::cln::ScbKey::new(key)),
        lightning_kmp: Some(super::lightning_kmp::NodeKey::new(key)),
        lnd: Some(super::lnd::BackupKey::new(key)),
    };
    let found = |blob: &[u8]| match detect(&keys(), blob) {
        Ok(Foreign::Ldk(_)) => Ok("ldk"),
        Ok(Foreign::Cln(_)) => Ok("cln"),
        Ok(Foreign::LightningKmp(_)) => Ok("kmp"),
        Ok(Foreign::Lnd(_)) => Ok("lnd"),
        Err(fault) => Err(fault),
    };
    // The same key for all four: only the format tells them apart.
    let of_ldk = super::ldk::seal_text(&super::ldk::StorageKey::new(key), [1; 32], &[0, 0]);
    let of_cln = cln::sealed_with(key, &cln::head(6137, 1, 0));
    let of_kmp = lightning_kmp::sealed_with(key, 4, b"states");
    let of_lnd = super::lnd::seal_text(&super::lnd::BackupKey::new(key), [1; 24], &[0; 5]);
    assert_eq!(found(&of_ldk), Ok("ldk"));
    assert_eq!(found(&of_cln), Ok("cln"));
    assert_eq!(found(&of_kmp), Ok("kmp"));
    assert_eq!(found(&of_lnd), Ok("lnd"));
    // Authentic and wrong: said by whose key opens it, not hidden behind the others' failures.
    let bad = super::ldk::seal_text(&super::ldk::StorageKey::new(key), [1; 32], &[]);
    assert_eq!(found(&bad), Err(ForeignFault::BadPayload));
    let future = lightning_kmp::sealed_with(key, 6, b"states");
    assert_eq!(found(&future), Err(ForeignFault::UnknownVersion(6)));
    assert_eq!(found(&[0; 28]), Err(ForeignFault::TooShort));
    assert_eq!(found(&[0; 29]), Err(ForeignFault::AuthFailed));
    assert_eq!(detect(&ForeignKeys::default(), &of_ldk).err(), Some(ForeignFault::TooShort));
    let only_cln = ForeignKeys { cln: keys().cln, ..ForeignKeys::default() };
    assert_eq!(detect(&only_cln, &of_ldk).err(), Some(ForeignFault::AuthFailed));
    assert!(matches!(detect(&only_cln, &of_cln), Ok(Foreign::Cln(_))));
}

#[test]
fn no_key_and_no_text_shows_in_debug() {
    let keys = ForeignKeys {
        ldk: Some(super::ldk::StorageKey::new([0xab; 32])),
        lnd: Some(super::lnd::BackupKey::new([0xab; 32])),
        ..ForeignKeys::default()
    };
    let shown = format!("{keys:?}");
    assert!(
        shown.contains("StorageKey(Key(..))") && shown.contains("BackupKey(Key(..))"),
        "{shown}"
    );
    let key = keys.ldk.as_ref().unwrap();
    let text = [&[0, 1][..], &ldk::holder(b"monitor of 0xab")].concat();
    let opened = super::ldk::open(key, &super::ldk::seal_text(key, [1; 32], &text)).unwrap();
    let monitor = opened.monitors().next().unwrap();
    let channel = "03".repeat(32);
    assert_eq!(format!("{monitor:?}"), format!("Monitor(of channel {channel}, 15 bytes)"));
    assert_eq!(format!("{opened:?}"), format!("Opened(1 monitors, text of {} bytes)", text.len()));
}
