//! The row that says what a store is: format, identity, epoch, modes, flags.
//!
//! M1 the epoch rises by one at each open, durably, before the open answers anything.
//! M2 `clean` is set by the last commit of a close and cleared by the first commit of an open.
//! M3 a newer major format is refused and nothing is written.

use super::bytes::Reader;
use crate::error::{Error, Result, Status};
use crate::os::FileIdentity;

/// Key of the row in `meta`.
pub(crate) const META_KEY: &[u8] = b"store";
const MAGIC: [u8; 8] = *b"lnkeep\0\x01";
/// Files of a newer major version are refused.
pub(crate) const FORMAT_MAJOR: u16 = 1;
/// Additions that an older reader of the same major version may ignore.
pub(crate) const FORMAT_MINOR: u16 = 0;
/// Modes that this version knows; others are refused.
const MODES_KNOWN: u32 = Modes::LND_COMPAT;

/// Choices made when the store was created.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Modes(pub(crate) u32);

impl Modes {
    pub(crate) const LND_COMPAT: u32 = 1;

    pub(crate) fn lnd_compat(self) -> bool {
        self.0 & Self::LND_COMPAT != 0
    }
}

/// What a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Meta {
    pub(crate) format_minor: u16,
    pub(crate) store_id: [u8; 16],
    pub(crate) epoch: u64,
    pub(crate) clean: bool,
    /// The files were put in place of newer ones; set by restore until acknowledged.
    pub(crate) restored: bool,
    /// The files are not the ones last written here; until acknowledged.
    pub(crate) copied: bool,
    pub(crate) modes: Modes,
    pub(crate) identity: FileIdentity,
    /// Records of earlier epochs may be older than what a lost, newer store knew: an intent among them may
    /// have left after all. 0 when the files were never restored or copied.
    pub(crate) doubt_below_epoch: u64,
}

impl Meta {
    const CLEAN: u32 = 1;
    const RESTORED: u32 = 2;
    const COPIED: u32 = 4;

    pub(crate) fn new(store_id: [u8; 16], modes: Modes) -> Meta {
        Meta {
            format_minor: FORMAT_MINOR,
            store_id,
            epoch: 0,
            clean: true,
            restored: false,
            copied: false,
            modes,
            identity: FileIdentity::default(),
            doubt_below_epoch: 0,
        }
    }

    /// Whether new attempts and payments wait for an acknowledgement.
    pub(crate) fn needs_acknowledgement(&self) -> bool {
        self.restored || self.copied
    }

    /// Whether the file at hand is the one last written. The birth time tells a copy wherever it is
    /// recorded; device numbers may change when a machine restarts, so they count only without it.
    pub(crate) fn is_same_file(&self, now: FileIdentity) -> bool {
        let known = self.identity;
        if known == FileIdentity::default() {
            return true;
        }
        if known.birth_ns != 0 && now.birth_ns != 0 {
            return known.inode == now.inode && known.birth_ns == now.birth_ns;
        }
        known.inode == now.inode && known.device == now.device
    }

    pub(crate) fn encode(&self) -> Vec<u8> {
        let flag = |set: bool, bit: u32| if set { bit } else { 0 };
        let flags = flag(self.clean, Self::CLEAN)
            | flag(self.restored, Self::RESTORED)
            | flag(self.copied, Self::COPIED);
        let mut body = Vec::with_capacity(80);
        body.extend_from_slice(&MAGIC);
        body.extend_from_slice(&FORMAT_MAJOR.to_le_bytes());
        body.extend_from_slice(&self.format_minor.to_le_bytes());
        body.extend_from_slice(&flags.to_le_bytes());
        body.extend_from_slice(&self.modes.0.to_le_bytes());
        body.extend_from_slice(&self.store_id);
        body.extend_from_slice(&self.epoch.to_le_bytes());
        body.extend_from_slice(&self.identity.device.to_le_bytes());
        body.extend_from_slice(&self.identity.inode.to_le_bytes());
        body.extend_from_slice(&self.identity.birth_ns.to_le_bytes());
        body.extend_from_slice(&self.doubt_below_epoch.to_le_bytes());
        body
    }

    pub(crate) fn decode(body: &[u8]) -> Result<Meta> {
        let damaged = || Error::new(Status::CorruptStore, "the meta row does not decode");
        let mut reader = Reader::new(body);
        if reader.array() != Some(MAGIC) {
            return Err(Error::new(Status::CorruptStore, "the file is not a store of lnkeep"));
        }
        let major = reader.u16().ok_or_else(damaged)?;
        if major > FORMAT_MAJOR {
            return Err(Error::new(
                Status::FormatTooNew,
                format!("format {major} is newer than {FORMAT_MAJOR}; use a newer lnkeep"),
            ));
        }
        let meta = Self::decode_fields(&mut reader).ok_or_else(damaged)?;
        if meta.modes.0 & !MODES_KNOWN != 0 {
            return Err(Error::new(Status::FormatTooNew, "the store uses an unknown mode"));
        }
        Ok(meta)
    }

    fn decode_fields(reader: &mut Reader<'_>) -> Option<Meta> {
        let format_minor = reader.u16()?;
        let flags = reader.u32()?;
        Some(Meta {
            format_minor,
            clean: flags & Self::CLEAN != 0,
            restored: flags & Self::RESTORED != 0,
            copied: flags & Self::COPIED != 0,
            modes: Modes(reader.u32()?),
            store_id: reader.array()?,
            epoch: reader.u64()?,
            identity: FileIdentity {
                device: reader.u64()?,
                inode: reader.u64()?,
                birth_ns: reader.u64()?,
            },
            doubt_below_epoch: reader.u64()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meta_reads_back_and_a_newer_major_format_is_refused() {
        let mut meta = Meta::new([7; 16], Modes(Modes::LND_COMPAT));
        meta.epoch = 9;
        meta.copied = true;
        let mut body = meta.encode();
        assert_eq!(Meta::decode(&body).unwrap(), meta);
        body[8] = 2;
        assert_eq!(Meta::decode(&body).unwrap_err().status(), Status::FormatTooNew);
        body[0] = b'x';
        assert_eq!(Meta::decode(&body).unwrap_err().status(), Status::CorruptStore);
    }

    #[test]
    fn a_changed_device_number_alone_is_not_a_copy() {
        let mut meta = Meta::new([7; 16], Modes::default());
        meta.identity = FileIdentity { device: 1, inode: 2, birth_ns: 3 };
        assert!(meta.is_same_file(FileIdentity { device: 9, inode: 2, birth_ns: 3 }));
        assert!(!meta.is_same_file(FileIdentity { device: 1, inode: 2, birth_ns: 4 }));
        assert!(!meta.is_same_file(FileIdentity { device: 9, inode: 2, birth_ns: 0 }));
    }
}
