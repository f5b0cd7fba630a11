//! The store's own bytes: rows in their envelopes, meta and heads, the owner's file, pages, and what a check
//! makes of rows.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::LazyLock;

use crate::attempts::record::{Attempt, NamespaceRow};
use crate::attempts::table::decode_retained;
use crate::backup::generation::{STRIPE_KEY, Stripe};
use crate::backup::record as backup_record;
use crate::bounds::{Form, bounded, check, choice};
use crate::error::Status;
use crate::events::record::Event;
use crate::maintenance::AllReferences;
use crate::payments::record::{HashRow, Head, KeyRow, are_details};
use crate::store::heads::Heads;
use crate::store::meta::Meta;
use crate::store::page_file::PageFile;
use crate::store::pages::{META_BYTES, MetaPage, Node, Page, Tree};
use crate::store::place::{decode_owner, encode_owner};
use crate::store::record::{Damage, checksum, correction, digest_share, open, seal};
use crate::store::tables::{KeyBytes, SPECS, Table};
use crate::store::walk::{stored_meta, walk};
use crate::types::AttemptKey;

/// A table, a key of a length that it allows, and the rest.
fn row(data: &[u8]) -> (Table, Vec<u8>, &[u8]) {
    let (number, rest) = choice(data);
    let spec = &SPECS[usize::from(number) % SPECS.len()];
    let (bytes, rest) = match spec.key {
        KeyBytes::Exactly(bytes) => (bytes, rest),
        KeyBytes::Between(low, high) => {
            let (length, rest) = choice(rest);
            (low + usize::from(length) % (high + 1 - low), rest)
        }
    };
    let (key, rest) = rest.split_at(bytes.min(rest.len()));
    let mut key = key.to_vec();
    key.resize(bytes, 0);
    (spec.table, key, rest)
}

/// Whether a row opens depends on its checksum, then on its version; a checksum is mended first by choice.
pub fn row_envelopes(data: &[u8]) {
    let (mend, rest) = choice(data);
    let (table, key, row) = row(rest);
    let mut row = row.to_vec();
    if mend % 2 == 1 && row.len() >= 6 {
        let crc = checksum(table, &key, [row[0], row[1]], &row[6..]);
        row[2..6].copy_from_slice(&crc.to_le_bytes());
    }
    digest_share(table, &key, &row);
    let by = correction(table, &key, &row);
    match open(table, &key, &row) {
        Ok(body) => {
            assert_eq!((row[0], body), (1, &row[6..]));
            assert_eq!(by, Some(0), "a right checksum needs no correction");
            if row[1] == 0 {
                assert_eq!(seal(table, &key, body), row);
            }
        }
        Err(Damage::TooShort) => assert!(row.len() < 6),
        Err(Damage::UnknownVersion(version)) => assert!(version == row[0] && version != 1),
        Err(Damage::Checksum) => assert!(mend % 2 == 0, "a right checksum was refused"),
    }
}

pub fn meta(data: &[u8]) {
    let (choice, body) = choice(data);
    if choice % 2 == 0 {
        check(Form::Growing, body, Heads::decode, Heads::encode);
        return;
    }
    check(Form::Open, body, |body| Meta::decode(body).ok(), Meta::encode);
    if let Err(error) = Meta::decode(body) {
        assert!([Status::CorruptStore, Status::FormatTooNew].contains(&error.status()));
        assert!(!error.to_string().is_empty());
    }
}

/// The file's checksum is mended first by choice.
pub fn owner(data: &[u8]) {
    let (mend, bytes) = choice(data);
    let mut bytes = bytes.to_vec();
    if mend % 2 == 1 && bytes.len() >= 28 {
        let crc = crc32c::crc32c(&bytes[..24]);
        bytes[24..28].copy_from_slice(&crc.to_le_bytes());
    }
    let encode = |owner: &([u8; 16], u64)| encode_owner(owner.0, owner.1).to_vec();
    check(Form::Exact, &bytes, decode_owner, encode);
}

/// A sound store's file, from the environment: what an input changes in it is put back afterwards.
static STORE: LazyLock<(PathBuf, File, Vec<u8>)> = LazyLock::new(|| {
    let path = std::env::var_os("LNKEEP_FUZZ_STORE").map(PathBuf::from);
    let path = path.expect("LNKEEP_FUZZ_STORE is a copy of a store's data.mdb");
    let bytes = std::fs::read(&path).expect("reading the store");
    let file = File::options().write(true).open(&path).expect("opening the store");
    (path, file, bytes)
});

/// One page as it is, then a store's file with some of its bytes changed, walked.
pub fn pages(data: &[u8]) {
    one_page(data);
    let (path, file, sound) = &*STORE;
    let mut changed = Vec::new();
    for change in data.chunks(8).take(8).filter(|change| change.len() > 3) {
        let at =
            usize::from(change[0]) << 16 | usize::from(change[1]) << 8 | usize::from(change[2]);
        let at = at % sound.len();
        let bytes = &change[3..][..(change.len() - 3).min(sound.len() - at)];
        file.write_all_at(bytes, at as u64).expect("changing the store");
        changed.push((at, bytes.len()));
    }
    if let Ok(pages) = PageFile::open(path) {
        let _ = stored_meta(&pages);
        let mut references = AllReferences::boxed();
        let walked = bounded(sound.len(), || walk(&pages, references.as_mut()));
        for finding in walked.expect("the file can be read").findings {
            assert!(!finding.fault.is_empty());
            assert!(!finding.row_only || !finding.table.is_empty(), "no table: {finding:?}");
            assert!(!finding.row_only || !finding.key.is_empty(), "no key: {finding:?}");
        }
    }
    for (at, bytes) in changed {
        file.write_all_at(&sound[at..at + bytes], at as u64).expect("mending the store");
    }
}

fn one_page(data: &[u8]) {
    if let Some(bytes) = data.first_chunk::<META_BYTES>() {
        let meta = MetaPage::parse(bytes);
        assert!(meta.is_none_or(|meta| meta.page_bytes.is_power_of_two()));
    }
    assert_eq!(Tree::parse(data).is_some(), data.len() == 48);
    if let Some(node) = Node::parse(data) {
        assert!(node.key.len() + 8 <= data.len());
        node.value();
    }
    let page = Page(data);
    if let Some(nodes) = page.nodes() {
        bounded(data.len(), || page.is_packed(nodes));
        (0..nodes).for_each(|index| drop(page.node(index)));
    }
}

/// Rows as a check of the whole file meets them: it complains of those that their decoder refuses.
pub fn references(data: &[u8]) {
    let mut references = AllReferences::boxed();
    let mut rest = data;
    for _ in 0..16 {
        let Some((length, after)) = rest.split_first_chunk::<2>() else { break };
        let bytes = usize::from(u16::from_le_bytes(*length)).min(after.len());
        let (one, next) = after.split_at(bytes);
        rest = next;
        let (table, key, body) = row(one);
        let fault = bounded(one.len(), || references.row(table, &key, body));
        assert!(fault.as_ref().is_none_or(|fault| !fault.is_empty()));
        if let Some(decodes) = decodes(table, &key, body) {
            assert!(decodes || fault.is_some(), "no complaint about a row of {table:?}");
        }
    }
    for (_, key, fault) in references.disagreements(&Heads::default()) {
        assert!(!key.is_empty() && !fault.is_empty());
    }
}

fn decodes(table: Table, key: &[u8], body: &[u8]) -> Option<bool> {
    Some(match table {
        Table::Events => Event::decode(1, body).is_some(),
        Table::Namespaces => NamespaceRow::decode(body).is_some(),
        Table::Attempts => {
            let key = AttemptKey::from_bytes(key.try_into().ok()?);
            Attempt::parse(key, body).is_some()
        }
        Table::AttemptsRetained => decode_retained(body).is_some(),
        Table::Payments => Head::decode(body).is_some(),
        Table::PaymentDetails => are_details(body),
        Table::PaymentHashes => HashRow::decode(body).is_some(),
        Table::PaymentKeys => KeyRow::decode(body).is_some(),
        Table::Monitors => crate::monitors::record::ChannelRow::decode(body).is_some(),
        Table::ResourcesChannels => crate::resources::record::ChannelRow::decode(body).is_some(),
        Table::ResourcesJournal => crate::resources::record::decode_block(body).is_some(),
        Table::PeerRecords => crate::peer_storage::record::Record::decode(body).is_some(),
        Table::BackupState if key == STRIPE_KEY => Stripe::decode(body).is_some(),
        Table::BackupPeers => backup_record::decode_peer(body).is_some(),
        _ => return None,
    })
}
