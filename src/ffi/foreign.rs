//! Backups of other software: pure calls without a handle.
//!
//! X1 to X4 of the module above hold. FX1 what is returned is one allocation to its owner: one call frees the
//! structure, the arrays and the text, and zeroizes the text. FX2 views lead into the text: nothing secret is
//! copied. FX3 the arrays of a hostile text take at most a fixed multiple of its bytes.

use zeroize::Zeroize;

use super::args::{self, Output, first};
use super::guard::guarded_done;
use super::status::lnkeep_status;
use super::types::*;
use crate::error::Result;
use crate::foreign::{cln, ldk, lightning_kmp, lnd};

fn view(bytes: &[u8]) -> lnkeep_bytes {
    lnkeep_bytes { ptr: first(bytes), len: bytes.len() }
}

/// # Safety
/// A pointer that is not NULL points to 32 readable bytes.
pub(super) unsafe fn key_of<T>(key: *const u8, make: impl FnOnce([u8; 32]) -> T) -> Result<T> {
    // SAFETY: promised by the caller; bytes need no alignment.
    let mut bytes = *unsafe { args::input(key.cast::<[u8; 32]>(), "key") }?;
    let made = make(bytes);
    bytes.zeroize();
    Ok(made)
}

/// Makes the key that lnkeep_foreign_ldk_open takes from the seed of an LDK node with the stock KeysManager.
/// A node with a signer of its own gives get_peer_storage_key() of it instead.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT.
/// In: seed, 32 bytes.
/// Out: key, 32 bytes, which the caller wipes.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_foreign_ldk_key(
    seed: *const u8,
    key: *mut u8,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(key.cast::<[u8; 32]>(), "key")?;
            let seed = args::input(seed.cast::<[u8; 32]>(), "seed")?;
            output.set(*ldk::StorageKey::from_seed(seed)?.expose());
            Ok(())
        })
    }
}

/// Makes the key that lnkeep_foreign_cln_open takes from the secret of a Core Lightning node. A running node
/// gives the same by its command makesecret with the string "scb secret".
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT, also for a secret of another length.
/// In: hsm_secret, borrowed: the 32 bytes of a file hsm_secret that is not encrypted, or the 64-byte BIP39
///   seed of a node that was made from a mnemonic.
/// Out: key, 32 bytes, which the caller wipes.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_foreign_cln_key(
    hsm_secret: lnkeep_bytes,
    key: *mut u8,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(key.cast::<[u8; 32]>(), "key")?;
            let secret = args::bytes(hsm_secret, "hsm_secret")?;
            output.set(*cln::ScbKey::from_hsm_secret(secret)?.expose());
            Ok(())
        })
    }
}

/// Makes the key that lnkeep_foreign_lnd_open takes: SHA-256 of a public key.
///
/// Returns: LNKEEP_DONE; LNKEEP_INVALID_ARGUMENT.
/// In: public_key, 33 bytes: the compressed key at lnd's key family 7, index 0, as secret as the file.
/// Out: key, 32 bytes, which the caller wipes.
/// Threads: any.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_foreign_lnd_key(
    public_key: *const u8,
    key: *mut u8,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(key.cast::<[u8; 32]>(), "key")?;
            let public_key = args::input(public_key.cast::<[u8; 33]>(), "public_key")?;
            output.set(*lnd::BackupKey::from_public_key(public_key).expose());
            Ok(())
        })
    }
}

/// A blob of LDK's handed to C with the memory that its pointers lead to; the structure comes first.
#[repr(C)]
struct OwnedLdk {
    face: lnkeep_foreign_ldk,
    monitors: Vec<lnkeep_foreign_monitor>,
    source: ldk::Opened,
}

fn owned_ldk(source: ldk::Opened) -> *mut lnkeep_foreign_ldk {
    let monitors: Vec<_> = source
        .monitors()
        .map(|monitor| lnkeep_foreign_monitor {
            channel_id: monitor.channel_id.0,
            counterparty: monitor.counterparty.0,
            reserved_bytes: [0; 7],
            min_seen_secret: monitor.min_seen_secret,
            monitor: view(monitor.monitor),
        })
        .collect();
    let face = lnkeep_foreign_ldk {
        size: std::mem::size_of::<lnkeep_foreign_ldk>(),
        monitor_stride: std::mem::size_of::<lnkeep_foreign_monitor>(),
        monitors: first(&monitors),
        monitors_len: monitors.len(),
        nonce: source.nonce(),
        reserved: 0,
    };
    let owned = OwnedLdk { face, monitors, source };
    debug_assert_eq!(owned.monitors.len(), owned.source.monitors().count());
    debug_assert_eq!(owned.monitors.len(), owned.face.monitors_len);
    Box::into_raw(Box::new(owned)).cast()
}

/// Opens what a peer kept for an LDK node (its peer storage), and takes it apart. With it channels are closed
/// and swept; none is continued.
///
/// Returns: LNKEEP_DONE; LNKEEP_BAD_FOREIGN, err.value one of LNKEEP_FOREIGN_*, the first that holds;
///   LNKEEP_INVALID_ARGUMENT.
/// In: key, 32 bytes, see lnkeep_foreign_ldk_key; blob, borrowed.
/// Out: opened.
/// Threads: any.
/// Ownership: free it with lnkeep_foreign_ldk_free, which wipes it.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_foreign_ldk_open(
    key: *const u8,
    blob: lnkeep_bytes,
    opened: *mut *mut lnkeep_foreign_ldk,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(opened, "opened")?;
            let key = key_of(key, ldk::StorageKey::new)?;
            output.set(owned_ldk(ldk::open(&key, args::bytes(blob, "blob")?)?));
            Ok(())
        })
    }
}

/// Frees an opened blob of LDK's; its text is zeroized. NULL is allowed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_foreign_ldk_free(opened: *mut lnkeep_foreign_ldk) {
    if !opened.is_null() {
        // SAFETY: made by `owned_ldk` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(opened.cast::<OwnedLdk>()) });
    }
}

/// A backup of Core Lightning's handed to C with the memory that its pointers lead to; the structure comes
/// first.
#[repr(C)]
struct OwnedCln {
    face: lnkeep_foreign_cln,
    channels: Vec<lnkeep_foreign_cln_channel>,
    source: cln::Opened,
}

fn owned_cln(source: cln::Opened) -> *mut lnkeep_foreign_cln {
    let channels: Vec<_> = source.channels().map(|channel| c_cln_channel(&channel)).collect();
    let face = lnkeep_foreign_cln {
        size: std::mem::size_of::<lnkeep_foreign_cln>(),
        channel_stride: std::mem::size_of::<lnkeep_foreign_cln_channel>(),
        channels: first(&channels),
        channels_len: channels.len(),
        version: source.version(),
        timestamp_unix_secs: source.timestamp_secs(),
        format: u32::from(source.format().number()),
    };
    let owned = OwnedCln { face, channels, source };
    debug_assert_eq!(owned.channels.len(), owned.source.channels().count());
    debug_assert_eq!(owned.channels.len(), owned.face.channels_len);
    Box::into_raw(Box::new(owned)).cast()
}

fn flag(is_set: bool, bit: u32) -> u32 {
    if is_set { bit } else { 0 }
}

fn c_cln_channel(channel: &cln::Channel<'_>) -> lnkeep_foreign_cln_channel {
    let points = channel.basepoints;
    let point = |of: fn(&cln::Basepoints) -> [u8; 33]| points.as_ref().map_or([0; 33], of);
    lnkeep_foreign_cln_channel {
        dbid: channel.dbid,
        funding_sats: channel.funding_sats,
        shachain_min_index: channel.shachain.map_or(0, |chain| chain.min_index),
        address: view(channel.address),
        channel_type: view(channel.channel_type),
        shachain: view(channel.shachain.as_ref().map_or(&[], cln::Shachain::bytes)),
        channel_id: channel.channel_id.0,
        funding_txid: channel.funding_txid,
        node_id: channel.node_id.0,
        revocation_basepoint: point(|points| points.revocation),
        payment_basepoint: point(|points| points.payment),
        htlc_basepoint: point(|points| points.htlc),
        delayed_payment_basepoint: point(|points| points.delayed_payment),
        reserved_bytes: [0; 3],
        funding_vout: channel.funding_vout,
        opener: channel.opener.map_or(0, u32::from),
        to_self_delay_blocks: channel.to_self_delay_blocks.map_or(0, u32::from),
        flags: flag(channel.shachain.is_some(), LNKEEP_FOREIGN_CLN_HAS_SHACHAIN)
            | flag(points.is_some(), LNKEEP_FOREIGN_CLN_HAS_BASEPOINTS)
            | flag(channel.opener.is_some(), LNKEEP_FOREIGN_CLN_HAS_OPENER)
            | flag(channel.to_self_delay_blocks.is_some(), LNKEEP_FOREIGN_CLN_HAS_TO_SELF_DELAY),
    }
}

/// Opens a static channel backup of Core Lightning's, as its peers keep it and its file emergency.recover has
/// it, and takes it apart. With it channels are closed and swept; none is continued.
///
/// Returns: LNKEEP_DONE; LNKEEP_BAD_FOREIGN, err.value one of LNKEEP_FOREIGN_*, the first that holds;
///   LNKEEP_INVALID_ARGUMENT.
/// In: key, 32 bytes, see lnkeep_foreign_cln_key; blob, borrowed.
/// Out: opened.
/// Threads: any.
/// Ownership: free it with lnkeep_foreign_cln_free, which wipes it.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_foreign_cln_open(
    key: *const u8,
    blob: lnkeep_bytes,
    opened: *mut *mut lnkeep_foreign_cln,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(opened, "opened")?;
            let key = key_of(key, cln::ScbKey::new)?;
            output.set(owned_cln(cln::open(&key, args::bytes(blob, "blob")?)?));
            Ok(())
        })
    }
}

/// Frees an opened backup of Core Lightning's; its text is zeroized. NULL is allowed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_foreign_cln_free(opened: *mut lnkeep_foreign_cln) {
    if !opened.is_null() {
        // SAFETY: made by `owned_cln` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(opened.cast::<OwnedCln>()) });
    }
}

/// A blob of lightning-kmp's handed to C with the memory that its pointer leads to; the structure is first.
#[repr(C)]
struct OwnedKmp {
    face: lnkeep_foreign_lightning_kmp,
    source: lightning_kmp::Opened,
}

/// Opens what a peer keeps for a lightning-kmp node, such as Phoenix: the states of its channels.
///
/// Returns: LNKEEP_DONE; LNKEEP_BAD_FOREIGN, err.value one of LNKEEP_FOREIGN_*, the first that holds;
///   LNKEEP_INVALID_ARGUMENT.
/// In: key, the private key of the node, 32 bytes; blob, borrowed.
/// Out: opened.
/// Threads: any.
/// Ownership: free it with lnkeep_foreign_lightning_kmp_free, which wipes it.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_foreign_lightning_kmp_open(
    key: *const u8,
    blob: lnkeep_bytes,
    opened: *mut *mut lnkeep_foreign_lightning_kmp,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(opened, "opened")?;
            let key = key_of(key, lightning_kmp::NodeKey::new)?;
            let source = lightning_kmp::open(&key, args::bytes(blob, "blob")?)?;
            let face = lnkeep_foreign_lightning_kmp {
                size: std::mem::size_of::<lnkeep_foreign_lightning_kmp>(),
                payload: view(source.payload()),
                version: u32::from(source.version()),
                reserved: 0,
            };
            let owned = OwnedKmp { face, source };
            debug_assert_eq!(owned.source.payload().len(), owned.face.payload.len);
            output.set(Box::into_raw(Box::new(owned)).cast());
            Ok(())
        })
    }
}

/// Frees an opened blob of lightning-kmp's; its payload is zeroized. NULL is allowed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_foreign_lightning_kmp_free(
    opened: *mut lnkeep_foreign_lightning_kmp,
) {
    if !opened.is_null() {
        // SAFETY: made by `lnkeep_foreign_lightning_kmp_open` from this type, and freed once.
        drop(unsafe { Box::from_raw(opened.cast::<OwnedKmp>()) });
    }
}

/// lnd's file handed to C with the memory that its pointers lead to; the structure comes first.
#[repr(C)]
struct OwnedLnd {
    face: lnkeep_foreign_lnd,
    singles: Vec<lnkeep_foreign_lnd_single>,
    channels: Vec<lnkeep_foreign_lnd_channel>,
    addresses: Vec<lnkeep_bytes>,
    source: lnd::Opened,
}

fn owned_lnd(source: lnd::Opened) -> *mut lnkeep_foreign_lnd {
    let decoded = || source.singles().filter_map(|single| single.channel);
    let addresses: Vec<_> =
        decoded().flat_map(|channel| channel.addresses.iter().map(view)).collect();
    let mut unclaimed = &addresses[..];
    let mut channels = Vec::new();
    for channel in decoded() {
        let count = channel.addresses.iter().count().min(unclaimed.len());
        let (own, rest) = unclaimed.split_at(count);
        unclaimed = rest;
        channels.push(c_lnd_channel(&channel, own));
    }
    let mut unclaimed = channels.iter();
    let mut singles = Vec::new();
    for single in source.singles() {
        let channel = single.channel.and_then(|_| unclaimed.next());
        singles.push(lnkeep_foreign_lnd_single {
            bytes: view(single.bytes.0),
            channel: channel.map_or(std::ptr::null(), std::ptr::from_ref),
            version: u32::from(single.version),
            has_close_tx: u32::from(single.has_close_tx),
        });
    }
    let face = lnkeep_foreign_lnd {
        size: std::mem::size_of::<lnkeep_foreign_lnd>(),
        single_stride: std::mem::size_of::<lnkeep_foreign_lnd_single>(),
        singles: first(&singles),
        singles_len: singles.len(),
        plaintext: view(source.plaintext()),
        rest: view(source.rest()),
        version: u32::from(source.version()),
        count: source.count(),
    };
    let owned = OwnedLnd { face, singles, channels, addresses, source };
    debug_assert_eq!(owned.singles.len(), owned.face.singles_len);
    debug_assert!(owned.channels.len() <= owned.singles.len());
    debug_assert!(owned.addresses.len() <= owned.source.plaintext().len());
    Box::into_raw(Box::new(owned)).cast()
}

fn c_lnd_channel(
    channel: &lnd::Channel<'_>,
    addresses: &[lnkeep_bytes],
) -> lnkeep_foreign_lnd_channel {
    let locator =
        |key: lnd::KeyLocator| lnkeep_key_locator { family: key.family, index: key.index };
    let (keys, close) = (channel.remote_keys, channel.close_tx);
    let height = close.and_then(|close| close.commit_height);
    let root = close.and_then(|close| close.tapscript_root);
    lnkeep_foreign_lnd_channel {
        capacity_sat: channel.capacity_sat,
        short_channel_id: channel.short_channel_id.0,
        commit_height: height.unwrap_or(0),
        addresses: first(addresses),
        addresses_len: addresses.len(),
        commit_tx: view(close.map_or(&[], |close| close.commit_tx)),
        commit_signature: view(close.map_or(&[], |close| close.commit_signature)),
        chain_hash: channel.chain_hash,
        funding_txid: channel.funding_txid,
        tapscript_root: root.unwrap_or([0; 32]),
        node_id: channel.node_id.0,
        remote_multisig: keys.multisig,
        remote_revocation: keys.revocation,
        remote_payment: keys.payment,
        remote_delayed_payment: keys.delayed_payment,
        remote_htlc: keys.htlc,
        shachain_root: channel.shachain_root.unwrap_or([0; 33]),
        reserved_bytes: [0; 1],
        local_keys: channel.local_keys.map(locator),
        shachain_root_locator: locator(channel.shachain_root_locator),
        funding_vout: u32::from(channel.funding_vout),
        local_csv_delay_blocks: u32::from(channel.local_csv_delay_blocks),
        remote_csv_delay_blocks: u32::from(channel.remote_csv_delay_blocks),
        lease_expiry_height: channel.lease_expiry_height.unwrap_or(0),
        flags: flag(channel.is_initiator, LNKEEP_FOREIGN_LND_INITIATOR)
            | flag(channel.shachain_root.is_some(), LNKEEP_FOREIGN_LND_HAS_SHACHAIN_ROOT)
            | flag(channel.lease_expiry_height.is_some(), LNKEEP_FOREIGN_LND_HAS_LEASE)
            | flag(close.is_some(), LNKEEP_FOREIGN_LND_HAS_CLOSE_TX)
            | flag(height.is_some(), LNKEEP_FOREIGN_LND_HAS_COMMIT_HEIGHT)
            | flag(root.is_some(), LNKEEP_FOREIGN_LND_HAS_TAPSCRIPT_ROOT),
        reserved: 0,
    }
}

/// Opens lnd's file channel.backup and takes it apart. With it channels are closed and swept; none is
/// continued. A channel that does not decode does not hide the others: it is given as bytes.
///
/// Returns: LNKEEP_DONE; LNKEEP_BAD_FOREIGN, err.value one of LNKEEP_FOREIGN_*, the first that holds;
///   LNKEEP_INVALID_ARGUMENT.
/// In: key, 32 bytes, see lnkeep_foreign_lnd_key; file, borrowed.
/// Out: opened.
/// Threads: any.
/// Ownership: free it with lnkeep_foreign_lnd_free, which wipes it.
#[must_use]
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_foreign_lnd_open(
    key: *const u8,
    file: lnkeep_bytes,
    opened: *mut *mut lnkeep_foreign_lnd,
    err: *mut lnkeep_error,
) -> lnkeep_status {
    // SAFETY: pointers are the caller's, as the header says; each is checked before it is used.
    unsafe {
        guarded_done(err, || {
            let output = Output::required(opened, "opened")?;
            let key = key_of(key, lnd::BackupKey::new)?;
            output.set(owned_lnd(lnd::open(&key, args::bytes(file, "file")?)?));
            Ok(())
        })
    }
}

/// Frees lnd's file that was opened; its text is zeroized. NULL is allowed.
///
/// Threads: any.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn lnkeep_foreign_lnd_free(opened: *mut lnkeep_foreign_lnd) {
    if !opened.is_null() {
        // SAFETY: made by `owned_lnd` from this type, and freed once, as the header says.
        drop(unsafe { Box::from_raw(opened.cast::<OwnedLnd>()) });
    }
}
