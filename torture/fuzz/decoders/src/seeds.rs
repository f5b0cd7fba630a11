//! Seeds: the rows of a sound store, and what the formats' own writers make. `LNKEEP_FUZZ_SEEDS` is
//! the folder that they are written to, one folder for each target.

use std::path::PathBuf;

use crate::backup::htlcs::{BackupHtlc, CommitmentPoint, HtlcKey, HtlcSet};
use crate::backup::roster::{Roster, RosterPeer, join};
use crate::backup::share::{Share, ShareHeader, encode};
use crate::backup::stripe::Code;
use crate::foreign::{cln, ldk, lnd};
use crate::store::heads::Heads;
use crate::store::page_file::PageFile;
use crate::store::record::seal;
use crate::store::tables::{KeyBytes, Table};
use crate::store::walk::{References, walk};
use crate::types::{ChannelId, NodeId, PaymentHash, Preimage};

#[derive(Default)]
struct Folder {
    written: std::collections::BTreeMap<String, usize>,
}

/// Seeds of one target: more of them say little that is new.
const SEEDS_MAX: usize = 64;

impl Folder {
    fn add(&mut self, target: &str, seed: &[u8]) {
        let number = self.written.entry(target.to_owned()).or_default();
        if *number >= SEEDS_MAX || seed.len() > 8_192 {
            return;
        }
        let root = std::env::var_os("LNKEEP_FUZZ_SEEDS").map(PathBuf::from);
        let folder = root.expect("LNKEEP_FUZZ_SEEDS is a folder").join(target);
        std::fs::create_dir_all(&folder).expect("a folder of seeds");
        std::fs::write(folder.join(format!("seed-{number}")), seed).expect("writing a seed");
        *number += 1;
    }

    fn chosen(&mut self, target: &str, choice: u8, body: &[u8]) {
        self.add(target, &[&[choice], body].concat());
    }
}

impl References for Folder {
    fn row(&mut self, table: Table, key: &[u8], body: &[u8]) -> Option<String> {
        match table {
            Table::Attempts => self.add("attempts", body),
            Table::Namespaces => self.chosen("attempt_index", 0, body),
            Table::AttemptsRetained => self.chosen("attempt_index", 1, body),
            Table::Events => self.chosen("events", 0, body),
            Table::EventCursors => self.chosen("events", 1, body),
            Table::Payments => self.chosen("payment_heads", 0, body),
            Table::PaymentHashes => self.chosen("payment_heads", 1, body),
            Table::PaymentKeys => self.chosen("payment_heads", 2, body),
            Table::PaymentDetails => self.add("payment_details", body),
            Table::PaymentAttempts => {
                self.chosen("payment_heads", 3, key);
                self.add("payment_attempts", body);
            }
            Table::PaymentOutcomes => self.add("payment_outcomes", body),
            Table::MonitorsState => self.chosen("monitors", 0, body),
            Table::Monitors => self.chosen("monitors", 1, body),
            Table::MonitorOutputs => self.chosen("monitors", 2, body),
            Table::MonitorUpdates => self.chosen("monitors", 3, key),
            Table::ResourcesState => self.add("resources_state", body),
            Table::ResourcesChannels => self.add("resources_channels", body),
            Table::ResourcesJournal => self.add("resources_journal", body),
            Table::PeerRecords => self.add("peer_records", body),
            Table::BackupState if body.len() == 72 => self.chosen("backup_rows", 0, body),
            Table::BackupState => {
                self.chosen("stripe_rows", 0, body);
                // Its first generation lies after the head.
                self.chosen("stripe_rows", 1, &body[16..][..104.min(body.len() - 16)]);
            }
            Table::BackupPeers => {
                self.chosen("backup_rows", 1, body);
                self.chosen("backup_rows", 2, &body[96..120]);
                self.chosen("backup_rows", 3, &body[160..184]);
            }
            Table::Blobs => self.add("blob_pointers", body),
            _ => {}
        }
        self.keyed(table, key, body);
        None
    }
    fn damaged(&mut self, _table: Table, _key: &[u8]) {}
    fn disagreements(&mut self, _heads: &Heads) -> Vec<(Table, Vec<u8>, String)> {
        Vec::new()
    }
}

impl Folder {
    /// A row with its table and key, for the targets that choose them.
    fn keyed(&mut self, table: Table, key: &[u8], body: &[u8]) {
        let mut head = vec![table as u8];
        if let KeyBytes::Between(low, _) = table.spec().key {
            head.push((key.len() - low) as u8);
        }
        head.extend(key);
        if body.len() < 500 && (key.last().is_some_and(|last| last % 4 == 1) || table as u8 > 9) {
            let row = seal(table, key, body);
            self.chosen("row_envelopes", table as u8 % 2, &[&head[..], &row].concat());
            let one = [&head[..], body].concat();
            self.add("references", &[&(one.len() as u16).to_le_bytes()[..], &one].concat());
        }
    }
}

pub fn write() {
    let path = std::env::var_os("LNKEEP_FUZZ_STORE").expect("LNKEEP_FUZZ_STORE is a data.mdb");
    let pages = PageFile::open(path.as_ref()).expect("a sound store");
    let mut folder = Folder::default();
    let walked = walk(&pages, &mut folder).expect("a sound store");
    folder.chosen("meta", 0, &walked.heads.expect("its heads").encode());
    let meta = walked.meta.expect("its meta row");
    folder.chosen("meta", 1, &meta.encode());
    let owner = crate::store::place::encode_owner(meta.store_id, meta.epoch);
    folder.chosen("owner", 0, &owner);
    folder.chosen("owner", 1, &owner);
    // The number of a page's kind, a node's offset, a row's first byte.
    folder.add("pages", &[0, 16, 10, 2, 0]);
    folder.add("pages", &[0, 32, 16, 0xff, 0x0f, 0, 64, 0]);
    folder.add("reasons", &crate::attempts::classify::local_failure_reason(0x1007));
    carried(&mut folder);
    foreign_texts(&mut folder);
    folder.add("exports", &crate::targets::resumed::seed(&[]));
    folder.add("exports", &crate::targets::resumed::seed(&[b"one"]));
    folder.add("exports", &crate::targets::resumed::seed(&[b"one", b"two", b"three"]));
}

fn carried(folder: &mut Folder) {
    let mut set = HtlcSet::default();
    let base = set.clone();
    for number in 0..3_u8 {
        let channel_id = ChannelId([number; 32]);
        let key = HtlcKey { channel_id, is_incoming: number == 1, htlc_id: u64::from(number) };
        let preimage = Some(Preimage::new([number; 32])).filter(|_| number == 1);
        let payment_hash = match &preimage {
            Some(preimage) => preimage.payment_hash(),
            None => PaymentHash([number; 32]),
        };
        let output_index = Some(4).filter(|_| number == 2);
        let htlc =
            BackupHtlc { payment_hash, amount_msat: 5, cltv_expiry: 6, preimage, output_index };
        set.put(key, htlc).expect("room for it");
        set.set_point(channel_id, CommitmentPoint([2; 33])).expect("room for it");
    }
    let (grown, gone) = (set.diff(&base), base.diff(&set));
    for (generation, diff) in [(0_u64, &grown), (3, &gone), (0, &base.diff(&base))] {
        let bytes = diff.encode().expect("a small difference");
        folder.add("htlcs", &bytes);
        let set_id = if generation == 0 { [0; 16] } else { [1; 16] };
        let head = [&set_id[..], &generation.to_be_bytes(), &[0; 12]].concat();
        let journal = [&head[..], &bytes].concat();
        folder.add("journals", &journal);
        folder.add("contents", &[&[2, 0, 0], &journal[..]].concat());
    }
    let peer = |number: u8| RosterPeer {
        node: NodeId([number; 33]),
        index: Some(number).filter(|number| *number < 5),
        address: vec![1; usize::from(number)],
    };
    let roster = Roster { generation: 9, peers: (0..7).map(peer).collect() }.encode_within(1_000);
    folder.add("rosters", &roster);
    let payload = join(b"content", &roster);
    folder.add("rosters", &[&[0, 1][..], &payload].concat());
    folder.add("contents", &[&[0, 0, 1][..], &payload].concat());
    let object = crate::backup::object::join_object(b"payload", b"snapshot").expect("small");
    folder.add("objects", &object);
    folder.add("contents", &[&[0, 0, 2][..], &object].concat());
    let code = Code::new(2, 4).expect("a code");
    let pieces = code.encode(&object);
    let share = |index: u8| Share {
        header: ShareHeader {
            generation: 5,
            code,
            index,
            object_bytes: object.len() as u32,
            object_sha256: [4; 32],
        },
        bytes: &pieces[usize::from(index)],
    };
    for shares in [&[share(0)][..], &[share(1), share(3)]] {
        let bytes = encode(shares).expect("whole shares");
        folder.add("shares", &bytes);
        folder.add("contents", &[&[1, 0, 0][..], &bytes].concat());
    }
    folder.add("codes", &[&[3, 8, 5, 200][..], b"an object that is striped"].concat());
    folder.add("codes", &[&[20, 32, 9, 0][..], &[7; 300]].concat());
}

/// Texts of the vectors' blobs, opened with the vectors' keys.
fn foreign_texts(folder: &mut Folder) {
    folder.add("foreign_kmp", &[5, 1, 2, 3]);
    folder.add("foreign_kmp", &[4]);
    let Some(vectors) = std::env::var_os("LNKEEP_FUZZ_VECTORS").map(PathBuf::from) else { return };
    each_blob(&vectors.join("foreign_ldk.jsonl"), "key", |key, blob| {
        if let Ok(opened) = ldk::open(&ldk::StorageKey::new(key), blob) {
            folder.add("foreign_ldk", &opened.text);
        }
    });
    each_blob(&vectors.join("foreign_cln.jsonl"), "scb_key", |key, blob| {
        if let Ok(opened) = cln::open(&cln::ScbKey::new(key), blob) {
            folder.add("foreign_cln", &opened.text);
        }
    });
    each_blob(&vectors.join("foreign_lnd_scb.jsonl"), "key", |key, blob| {
        if let Ok(opened) = lnd::open(&lnd::BackupKey::new(key), blob) {
            folder.add("foreign_lnd", &opened.text);
        }
    });
}

fn each_blob(path: &std::path::Path, name: &str, mut found: impl FnMut([u8; 32], &[u8])) {
    for line in std::fs::read_to_string(path).expect("the vectors").lines() {
        let member = |name: &str| {
            let (_, rest) = line.split_once(&format!("\"{name}\":\""))?;
            let digits = rest.split_once('"')?.0.as_bytes();
            let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
            digits.chunks(2).map(byte).collect::<Option<Vec<u8>>>()
        };
        if let (Some(key), Some(blob)) = (member(name), member("blob")) {
            if let Ok(key) = key.try_into() {
                found(key, &blob);
            }
        }
    }
}
