//! Backups of other software, opened and decoded: LDK, Core Lightning, lightning-kmp and lnd.
//!
//! FR1 nothing is decoded before it is authenticated. FR2 what a hostile, authentic text costs has a bound:
//! no memory is taken for what is counted or stated but only for what is there, and every loop ends where
//! the bytes end. FR3 nothing is copied out of a text: a channel borrows from it, and the one buffer that
//! holds secrets is zeroized when it is dropped. FR4 no key, no secret and no text is shown by `Debug` or
//! stands in an error. FR5 what was decoded only serves to close channels and to sweep: it is no state to
//! continue a channel from.
//! Formats: [`ldk`], [`cln`], [`lightning_kmp`], [`lnd`]; docs/import.md is the page for users.
//! Pure: no clock, no I/O, no randomness. Called by `ffi` and Rust hosts.

mod address;
pub mod cln;
mod fault;
mod key;
pub mod ldk;
pub mod lightning_kmp;
pub mod lnd;
mod lnd_single;
mod read;
mod scalar;
mod secretstream;
#[cfg(test)]
mod tests;

pub use self::fault::ForeignFault;

/// What a host can open other software's backups with: the keys that it has.
#[derive(Debug, Default)]
pub struct ForeignKeys {
    /// LDK's key for peer storage.
    pub ldk: Option<ldk::StorageKey>,
    /// Core Lightning's key of static channel backups.
    pub cln: Option<cln::ScbKey>,
    /// The private key of a lightning-kmp node.
    pub lightning_kmp: Option<lightning_kmp::NodeKey>,
    /// The key of lnd's `channel.backup`.
    pub lnd: Option<lnd::BackupKey>,
}

/// A backup of other software that was opened.
#[derive(Debug)]
pub enum Foreign {
    /// Channel monitors of LDK.
    Ldk(ldk::Opened),
    /// Static channel backup of Core Lightning.
    Cln(cln::Opened),
    /// Channel states of lightning-kmp.
    LightningKmp(lightning_kmp::Opened),
    /// Static channel backup of lnd.
    Lnd(lnd::Opened),
}

/// Software whose backups can be opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum Software {
    /// LDK.
    Ldk = 1,
    /// Core Lightning.
    Cln = 2,
    /// lightning-kmp, which Phoenix is built on.
    LightningKmp = 3,
    /// lnd.
    Lnd = 4,
}

impl Software {
    /// The number in the C ABI.
    pub fn number(self) -> u32 {
        self as u32
    }
}

impl Foreign {
    /// What made it.
    pub fn software(&self) -> Software {
        match self {
            Foreign::Ldk(_) => Software::Ldk,
            Foreign::Cln(_) => Software::Cln,
            Foreign::LightningKmp(_) => Software::LightningKmp,
            Foreign::Lnd(_) => Software::Lnd,
        }
    }
}

/// Finds out what made a blob, by opening it with each key in turn. All four are authenticated: a key that
/// does not belong to the blob does not open it.
///
/// # Errors
/// What is wrong with a blob that one of the keys authenticates; else [`ForeignFault::AuthFailed`], or
/// [`ForeignFault::TooShort`] when it is too short for each of the keys, or no key is given.
pub fn detect(keys: &ForeignKeys, blob: &[u8]) -> Result<Foreign, ForeignFault> {
    let ldk = || keys.ldk.as_ref().map(|key| ldk::open(key, blob).map(Foreign::Ldk));
    let cln = || keys.cln.as_ref().map(|key| cln::open(key, blob).map(Foreign::Cln));
    let kmp = || {
        let key = keys.lightning_kmp.as_ref();
        key.map(|key| lightning_kmp::open(key, blob).map(Foreign::LightningKmp))
    };
    let lnd = || keys.lnd.as_ref().map(|key| lnd::open(key, blob).map(Foreign::Lnd));
    let attempts: [&dyn Fn() -> Option<Result<Foreign, ForeignFault>>; 4] =
        [&ldk, &cln, &kmp, &lnd];
    let mut fault = ForeignFault::TooShort;
    for attempt in attempts {
        match attempt() {
            None | Some(Err(ForeignFault::TooShort)) => {}
            Some(Err(ForeignFault::AuthFailed)) => fault = ForeignFault::AuthFailed,
            Some(found) => return found,
        }
    }
    Err(fault)
}
