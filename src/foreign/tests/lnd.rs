//! lnd: versions, closing transactions, and what does not decode (FD1 to FD3, FE1 to FE3).

use super::super::lnd::{BLOB_BYTES_MIN, BackupKey, Channel, KeyLocator, Opened, open, seal_text};
use super::{ForeignFault, authenticates};

fn key() -> BackupKey {
    BackupKey::new([9; 32])
}

const IPV4: [u8; 7] = [1, 127, 0, 0, 1, 0x26, 0x07];

/// What all versions begin with.
fn common(addresses: &[u8], root: [u8; 33]) -> Vec<u8> {
    let mut bytes = vec![1];
    bytes.extend_from_slice(&[0x11; 32]);
    bytes.extend_from_slice(&[0x12; 32]);
    bytes.extend_from_slice(&[0x01, 0x02]);
    bytes.extend_from_slice(&0x000a_0000_0b00_000c_u64.to_be_bytes());
    bytes.extend_from_slice(&[2; 33]);
    bytes.extend_from_slice(&u16::try_from(addresses.len()).unwrap().to_be_bytes());
    bytes.extend_from_slice(addresses);
    bytes.extend_from_slice(&1_000_000_u64.to_be_bytes());
    bytes.extend_from_slice(&144_u16.to_be_bytes());
    for family in 0..5_u32 {
        bytes.extend_from_slice(&family.to_be_bytes());
        bytes.extend_from_slice(&(family + 100).to_be_bytes());
    }
    bytes.extend_from_slice(&720_u16.to_be_bytes());
    for key in 0x21..0x26 {
        bytes.extend_from_slice(&[key; 33]);
    }
    bytes.extend_from_slice(&root);
    bytes.extend_from_slice(&[0, 0, 0, 5, 0, 0, 0, 9]);
    bytes
}

/// A commitment with one input and two outputs.
fn transaction() -> Vec<u8> {
    let input = [&[7; 36][..], &[0], &[0xff; 4]].concat();
    let output = [&[8; 8][..], &[34], &[9; 34]].concat();
    [&[2, 0, 0, 0, 1][..], &input, &[2], &output, &output, &[1, 2, 3, 0x20]].concat()
}

fn witnessed(witness: &[u8]) -> Vec<u8> {
    let input = [&[7; 36][..], &[0], &[0xff; 4]].concat();
    let output = [&[8; 8][..], &[34], &[9; 34]].concat();
    [&[2, 0, 0, 0, 0, 1, 1][..], &input, &[1], &output, witness, &[1, 2, 3, 0x20]].concat()
}

fn close(version: u8, transaction: &[u8]) -> Vec<u8> {
    let mut bytes = [transaction, &[0, 70], &[0x30; 70]].concat();
    if (5..=7).contains(&version) {
        bytes.extend_from_slice(&41_u64.to_be_bytes());
    }
    if version == 6 {
        bytes.extend_from_slice(&[0x66; 32]);
    }
    bytes
}

fn body(version: u8, with_close: bool) -> Vec<u8> {
    let mut bytes = common(&IPV4, [0; 33]);
    if version == 4 {
        bytes.extend_from_slice(&800_000_u32.to_be_bytes());
    }
    if with_close {
        bytes.extend_from_slice(&close(version, &transaction()));
    }
    bytes
}

fn single(version: u8, bytes: &[u8]) -> Vec<u8> {
    [&[version][..], &u16::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
}

fn file(count: u32, singles: &[u8]) -> Vec<u8> {
    [&[0][..], &count.to_be_bytes(), singles].concat()
}

fn opened(text: &[u8]) -> Opened {
    open(&key(), &seal_text(&key(), [3; 24], text)).unwrap()
}

fn decodes(version: u8, bytes: &[u8]) -> bool {
    let opened = opened(&file(1, &single(version, bytes)));
    assert!(opened.rest().is_empty());
    let found = opened.singles().next().unwrap();
    assert_eq!(found.bytes.0, bytes);
    found.channel.is_some()
}

#[test]
fn a_file_opens_whole_unchanged_and_with_its_key_only() {
    let blob = seal_text(&key(), [3; 24], &file(0, &[]));
    assert_eq!(blob.len(), 45);
    authenticates(&blob, BLOB_BYTES_MIN, |blob| open(&key(), blob));
    assert_eq!(open(&BackupKey::new([8; 32]), &blob).err(), Some(ForeignFault::AuthFailed));
    for length in 0..5 {
        let blob = seal_text(&key(), [3; 24], &[0; 5][..length]);
        assert_eq!(open(&key(), &blob).err(), Some(ForeignFault::BadPayload), "{length} bytes");
    }
}

#[test]
fn a_key_is_the_hash_of_a_public_key() {
    // SHA-256 of 33 bytes of 2.
    let hex: String =
        BackupKey::from_public_key(&[2; 33]).expose().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(hex, "7f2f54ff94459f3ac4d19d3219ce6ef06868eb8c72e6d84cc358bc769b23113a");
}

#[test]
fn every_field_of_a_channel_comes_out() {
    let opened = opened(&file(1, &single(0, &body(0, false))));
    assert_eq!((opened.version(), opened.count()), (0, 1));
    let single = opened.singles().next().unwrap();
    assert_eq!((single.version, single.has_close_tx), (0, false));
    let channel = single.channel.unwrap();
    assert!(channel.is_initiator);
    assert_eq!((channel.chain_hash, channel.funding_txid), ([0x11; 32], [0x12; 32]));
    assert_eq!(channel.funding_vout, 0x0102);
    assert_eq!(channel.short_channel_id.0, 0x000a_0000_0b00_000c);
    assert_eq!(channel.node_id.0, [2; 33]);
    assert_eq!(channel.addresses.iter().collect::<Vec<_>>(), [IPV4]);
    assert_eq!(channel.capacity_sat, 1_000_000);
    assert_eq!((channel.local_csv_delay_blocks, channel.remote_csv_delay_blocks), (144, 720));
    for (family, key) in (0..).zip(channel.local_keys) {
        assert_eq!(key, KeyLocator { family, index: family + 100 });
    }
    let keys = channel.remote_keys;
    let all = [keys.multisig, keys.revocation, keys.payment, keys.delayed_payment, keys.htlc];
    assert_eq!(all, [[0x21; 33], [0x22; 33], [0x23; 33], [0x24; 33], [0x25; 33]]);
    assert_eq!(channel.shachain_root, None);
    assert_eq!(channel.shachain_root_locator, KeyLocator { family: 5, index: 9 });
    assert!(channel.lease_expiry_height.is_none() && channel.close_tx.is_none());
    let rooted = common(&[], [3; 33]);
    let root = Channel::read(0, false, &rooted).unwrap();
    assert_eq!(root.shachain_root, Some([3; 33]));
    assert_eq!(root.addresses.iter().count(), 0);
}

#[test]
fn every_version_has_its_fields_with_and_without_a_closing_transaction() {
    for version in 0..8 {
        for with_close in [false, true] {
            let byte = version | if with_close { 0x80 } else { 0 };
            let bytes = body(version, with_close);
            let opened = opened(&file(1, &single(byte, &bytes)));
            let single = opened.singles().next().unwrap();
            assert_eq!((single.version, single.has_close_tx), (version, with_close));
            let channel = single.channel.expect("a version that is known");
            assert_eq!(channel.lease_expiry_height, (version == 4).then_some(800_000));
            assert_eq!(channel.close_tx.is_some(), with_close);
            if let Some(close) = channel.close_tx {
                assert_eq!(close.commit_tx, transaction());
                assert_eq!(close.commit_signature, [0x30; 70]);
                assert_eq!(close.commit_height, (5..8).contains(&version).then_some(41));
                assert_eq!(close.tapscript_root, (version == 6).then_some([0x66; 32]));
                assert!(!format!("{single:?}").contains("48, 48"), "the signature is shown");
            }
            for length in 0..bytes.len() {
                assert!(!decodes(byte, &bytes[..length]), "version {version} cut at {length}");
            }
            assert!(!decodes(byte, &[&bytes[..], &[0]].concat()), "a byte more");
        }
    }
    for version in [8, 0x7f] {
        assert!(!decodes(version, &body(0, false)));
        assert!(!decodes(version | 0x80, &body(0, true)));
    }
}

#[test]
fn closing_transactions_end_where_they_end() {
    let with = |transaction: &[u8]| [common(&[], [0; 33]), close(0, transaction)].concat();
    assert!(decodes(0x80, &with(&transaction())));
    assert!(decodes(0x80, &with(&witnessed(&[2, 1, 0xaa, 0]))));
    assert!(!decodes(0x80, &with(&witnessed(&[2, 1, 0xaa]))), "a witness of an item less");
    let flag = |byte| [&[2, 0, 0, 0, 0, byte][..], &[0; 60]].concat();
    assert!(!decodes(0x80, &with(&flag(2))), "an unknown mark");
    for count in [[0xfd, 0xff, 0xff].to_vec(), [&[0xff][..], &[0xff; 8]].concat()] {
        let endless = [&[2, 0, 0, 0][..], &count, &[0; 60]].concat();
        assert!(!decodes(0x80, &with(&endless)), "more inputs than bytes");
    }
    let long_form = transaction();
    let wide = [&long_form[..4], &[0xfd, 1, 0], &long_form[5..]].concat();
    assert!(!decodes(0x80, &with(&wide)), "a count longer than needed");
}

#[test]
fn addresses_are_split_as_lnd_splits_them() {
    let of = |kind: u8, bytes: usize| [&[kind][..], &vec![kind; bytes]].concat();
    let name = [&[5, 3][..], b"abc", &[0, 80]].concat();
    let known = [of(1, 6), of(2, 18), of(3, 12), of(4, 37), name];
    let listed = |bytes: &[u8]| -> Option<Vec<Vec<u8>>> {
        let bytes = common(bytes, [0; 33]);
        let channel = Channel::read(0, false, &bytes).ok()?;
        Some(channel.addresses.iter().map(<[u8]>::to_vec).collect())
    };
    assert_eq!(listed(&known.concat()), Some(known.to_vec()));
    let padded = [&[0][..], &known[0], &[0, 0], &known[1], &[0]].concat();
    assert_eq!(listed(&padded), Some(known[..2].to_vec()));
    let unknown = [&known[0][..], &[9, 1, 2, 3]].concat();
    assert_eq!(listed(&unknown), Some(vec![known[0].clone(), vec![9, 1, 2, 3]]));
    for address in &known {
        assert_eq!(listed(&address[..address.len() - 1]), None, "cut: {address:?}");
    }
    assert_eq!(listed(&[5]), None);
}

#[test]
fn what_does_not_decode_does_not_hide_the_others() {
    let good = single(0, &body(0, false));
    let text = file(4, &[&good[..], &single(9, b"later"), &single(0, b"junk"), &good].concat());
    let opened = opened(&text);
    let singles: Vec<_> = opened.singles().collect();
    let decoded: Vec<bool> = singles.iter().map(|single| single.channel.is_some()).collect();
    assert_eq!(decoded, [true, false, false, true]);
    assert_eq!((singles[1].version, singles[1].bytes.0), (9, &b"later"[..]));
    assert!(opened.rest().is_empty());
    assert_eq!(opened.plaintext(), text);
}

#[test]
fn what_no_frame_holds_is_the_rest() {
    let good = single(0, &body(0, false));
    let cut = opened(&file(2, &[&good[..], &[0, 1, 2, 3]].concat()));
    assert_eq!((cut.count(), cut.singles().count(), cut.rest()), (2, 1, &[0, 1, 2, 3][..]));
    let more = opened(&file(1, &[&good[..], b"more"].concat()));
    assert_eq!((more.singles().count(), more.rest()), (1, &b"more"[..]));
    let fewer = opened(&file(u32::MAX, &good));
    assert_eq!((fewer.count(), fewer.singles().count(), fewer.rest().len()), (u32::MAX, 1, 0));
    let later = opened(&[&[1, 0, 0, 0, 1][..], &good].concat());
    assert_eq!((later.version(), later.count(), later.singles().count()), (1, 1, 0));
    assert_eq!(later.rest(), good);
}

/// A text with everything in it.
pub(super) fn sample() -> Vec<u8> {
    file(2, &[single(0x86, &body(6, true)), single(4, &body(4, false))].concat())
}
