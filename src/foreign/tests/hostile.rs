//! Texts that only the owner of a key can make, and that nobody's software writes (FR2).

use proptest::prelude::*;

use super::super::{ForeignFault, cln, ldk, lnd};

fn opened_ldk(text: &[u8]) -> Result<(), ForeignFault> {
    let key = ldk::StorageKey::new([1; 32]);
    let opened = ldk::open(&key, &ldk::seal_text(&key, [2; 32], text))?;
    let held: usize = opened.monitors().map(|monitor| monitor.monitor.len() + 32 + 33 + 8).sum();
    assert!(held <= text.len(), "more than the text came out");
    Ok(())
}

fn opened_cln(text: &[u8]) -> Result<(), ForeignFault> {
    let key = cln::ScbKey::new([1; 32]);
    let opened = cln::open(&key, &cln::seal_text(&key, [2; 24], 0, text))?;
    let mut held = 0;
    for channel in opened.channels() {
        let secrets = channel.shachain.map_or(0, |chain| chain.entries().count() * 40);
        held += channel.address.len() + channel.channel_type.len() + secrets;
    }
    assert!(held <= text.len(), "more than the text came out");
    Ok(())
}

fn opened_lnd(text: &[u8]) -> Result<(), ForeignFault> {
    let key = lnd::BackupKey::new([1; 32]);
    let opened = lnd::open(&key, &lnd::seal_text(&key, [2; 24], text))?;
    let singles: usize = opened.singles().map(|single| 3 + single.bytes.0.len()).sum();
    assert_eq!(5 + singles + opened.rest().len(), text.len(), "a byte was lost or came twice");
    Ok(())
}

#[test]
fn the_greatest_counts_end_where_the_bytes_do() {
    for bytes in [0, 1, 100, 65_000] {
        let tail = vec![0; bytes];
        let of_ldk = [&[0xff; 10][..], &tail].concat();
        assert_eq!(opened_ldk(&of_ldk), Err(ForeignFault::BadPayload));
        let nearly = [&[0xff, 0xff][..], &(u64::MAX - 0xffff).to_be_bytes(), &tail].concat();
        assert_eq!(opened_ldk(&nearly), Err(ForeignFault::BadPayload));
        let mut of_cln = [&6137_u16.to_be_bytes()[..], &1_u64.to_be_bytes(), &[0; 4]].concat();
        of_cln.extend_from_slice(&[0xff, 0xff]);
        of_cln.extend_from_slice(&tail);
        assert_eq!(opened_cln(&of_cln), Err(ForeignFault::BadPayload));
        assert_eq!(opened_lnd(&[&[0, 0xff, 0xff, 0xff, 0xff][..], &tail].concat()), Ok(()));
    }
}

/// A well-formed text with some bytes changed, cut or added.
fn spoiled(good: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let length = good.len();
    let changes = prop::collection::vec((0..length, any::<u8>()), 0..4);
    (changes, 0..length + 1, prop::collection::vec(any::<u8>(), 0..40), any::<bool>()).prop_map(
        move |(changes, cut, tail, keeps)| {
            let mut text = good.clone();
            changes.into_iter().for_each(|(at, byte)| text[at] = byte);
            text.truncate(if keeps { length } else { cut });
            text.extend(tail);
            text
        },
    )
}

fn texts() -> impl Strategy<Value = (Vec<u8>, Vec<u8>, Vec<u8>)> {
    let of_ldk = [&[0, 2][..], &super::ldk::holder(b"m"), &super::ldk::holder(&[7; 99])].concat();
    (spoiled(of_ldk), spoiled(super::cln::sample()), spoiled(super::lnd::sample()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn spoiled_texts_open_or_are_bad((ldk, cln, lnd) in texts()) {
        for found in [opened_ldk(&ldk), opened_lnd(&lnd)] {
            prop_assert!(matches!(found, Ok(()) | Err(ForeignFault::BadPayload)));
        }
        let judged = [Ok(()), Err(ForeignFault::BadPayload), Err(ForeignFault::BadVersion)];
        prop_assert!(judged.contains(&opened_cln(&cln)));
    }

    #[test]
    fn random_texts_and_blobs_never_panic(text in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = (opened_ldk(&text), opened_cln(&text), opened_lnd(&text));
        let keys = super::super::ForeignKeys {
            ldk: Some(ldk::StorageKey::new([1; 32])),
            cln: Some(cln::ScbKey::new([1; 32])),
            lightning_kmp: Some(super::super::lightning_kmp::NodeKey::new([1; 32])),
            lnd: Some(lnd::BackupKey::new([1; 32])),
        };
        prop_assert!(super::super::detect(&keys, &text).is_err());
    }
}
