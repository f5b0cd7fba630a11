//! Peers, their blobs, a plain file that is written with the same flushes, and what this process holds of the
//! machine's memory: what the parts of the bench of peer storage share.

use std::fs::{File, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use lnkeep::limits::PEER_BLOB_BYTES_MAX;
use lnkeep::peer_storage::{Claims, PeerStorage, PeerStorageOptions};
use lnkeep::{NodeId, Store};

use super::common::measure::Spread;
use super::common::{Settings, malloc_bytes, scatter};

pub const HEIGHT: u32 = 900_000;
/// The host's time when a bench begins: 0 would count as a time that was never told.
pub const START_MS: u64 = 1_700_000_000_000;
/// What a commit writes last.
const META_BYTES: usize = 4_096;

/// Ids in no order, as those of real peers.
pub fn node(number: u64) -> NodeId {
    let mut id = [2; 33];
    id[1..9].copy_from_slice(&scatter(number).to_be_bytes());
    id[9..17].copy_from_slice(&number.to_be_bytes());
    NodeId(id)
}

/// Peer storage whose peers of these numbers have a channel each.
pub fn open_with_channels(
    store: &Arc<Store>,
    options: PeerStorageOptions,
    numbers: Range<u64>,
) -> PeerStorage {
    let peers = PeerStorage::open(store, options).expect("peer storage");
    let one_channel = |number| Claims {
        peer: node(number),
        open_channels: 1,
        pending_channels: 0,
        is_allowed: false,
    };
    let claims: Vec<_> = numbers.map(one_channel).collect();
    peers.claims_complete(&claims, HEIGHT).expect("claims");
    peers
}

/// A blob of the greatest length, which nothing can compress.
pub struct Blob(Vec<u8>);

impl Blob {
    pub fn new() -> Blob {
        let words = (0..PEER_BLOB_BYTES_MAX as u64 / 8 + 1).map(scatter);
        let mut bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        bytes.truncate(PEER_BLOB_BYTES_MAX);
        Blob(bytes)
    }

    /// Another blob for each number.
    pub fn numbered(&mut self, number: u64) -> &[u8] {
        self.0[..8].copy_from_slice(&number.to_le_bytes());
        &self.0
    }
}

/// The same bytes without anything around them.
pub struct Plain {
    file: File,
    blob: Blob,
}

impl Plain {
    pub fn create(path: &Path) -> Plain {
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(path);
        Plain { file: file.expect("file"), blob: Blob::new() }
    }

    fn at(number: u64) -> u64 {
        META_BYTES as u64 + number * PEER_BLOB_BYTES_MAX as u64
    }

    /// Writes blobs of these peers in so many parts. As a commit of LMDB does, each part flushes twice: what
    /// it wrote, and then a page that says so.
    pub fn write(&mut self, numbers: Range<u64>, version: u64, parts: u64) {
        let each = (numbers.end - numbers.start).div_ceil(parts.max(1));
        for first in numbers.clone().step_by(each as usize) {
            for number in first..(first + each).min(numbers.end) {
                let bytes = self.blob.numbered(version << 32 | number);
                self.file.write_all_at(bytes, Plain::at(number)).expect("write");
            }
            self.file.sync_data().expect("flush");
            self.file.write_all_at(&[version as u8; META_BYTES], 0).expect("write");
            self.file.sync_data().expect("flush");
        }
    }

    pub fn read(&self, number: u64) -> Vec<u8> {
        let mut bytes = vec![0; PEER_BLOB_BYTES_MAX];
        self.file.read_exact_at(&mut bytes, Plain::at(number)).expect("read");
        bytes
    }
}

/// What this process holds. Pages of the store's file that were read are the kernel's to take back.
#[derive(Clone, Copy)]
pub struct Memory {
    /// Resident, of no file.
    pub anonymous: Option<u64>,
    /// Resident, of files.
    of_files: Option<u64>,
    /// Given out by the C library.
    pub heap: Option<usize>,
}

impl Memory {
    pub fn now() -> Memory {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
            Some(kib << 10)
        };
        Memory { anonymous: field("RssAnon:"), of_files: field("RssFile:"), heap: malloc_bytes() }
    }
}

fn mib(bytes: Option<u64>) -> String {
    bytes.map_or("unknown".to_string(), |bytes| format!("{:.1}", bytes as f64 / 1048576.0))
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let heap = mib(self.heap.map(|bytes| bytes as u64));
        let (anonymous, of_files) = (mib(self.anonymous), mib(self.of_files));
        write!(f, "MiB: anonymous {anonymous}, heap {heap}, pages of files {of_files}")
    }
}

/// Prints a ratio beside its target.
pub fn at_most(what: &str, figure: Spread, bound: f64) {
    let verdict = match (Settings::from_env().brief, figure.median <= bound) {
        (true, _) => "not judged",
        (false, true) => "met",
        (false, false) => "MISSED",
    };
    println!("  {what:<66} {figure}   target <= {bound}: {verdict}");
}
