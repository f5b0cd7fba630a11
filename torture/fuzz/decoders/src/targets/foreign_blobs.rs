//! Backups of other software: any text, sealed with a key that is known, and the input itself as a blob,
//! which nobody sealed.

use crate::bounds::bounded;
use crate::foreign::{
    ForeignFault, cln as cln_format, ldk as ldk_format, lightning_kmp, lnd as lnd_format,
};

fn assert_not_opened<T>(opened: Result<T, ForeignFault>) {
    let fault = opened.err().expect("nobody sealed it");
    assert!([ForeignFault::TooShort, ForeignFault::AuthFailed].contains(&fault));
}

pub fn ldk(text: &[u8]) {
    let key = ldk_format::StorageKey::new([3; 32]);
    assert_not_opened(ldk_format::open(&key, text));
    let blob = ldk_format::seal_text(&key, [4; 32], text);
    let Ok(opened) = bounded(blob.len(), || ldk_format::open(&key, &blob)) else { return };
    let bytes: usize = opened.monitors().map(|monitor| monitor.monitor.len() + 33 + 32 + 8).sum();
    assert!(bytes <= text.len(), "more came out than went in");
    assert_eq!(opened.monitors().count() as u64, opened.count, "a monitor got lost");
}

pub fn cln(text: &[u8]) {
    let key = cln_format::ScbKey::new([3; 32]);
    assert_not_opened(cln_format::open(&key, text));
    let blob = cln_format::seal_text(&key, [4; 24], 0, text);
    let Ok(opened) = bounded(blob.len(), || cln_format::open(&key, &blob)) else { return };
    assert_eq!(opened.format().number().to_be_bytes(), text[..2]);
    assert_eq!(opened.version().to_be_bytes(), text[2..10]);
    assert_eq!(opened.version() & 0x5555_5555_5555_5555, 1, "a version that cannot be read");
    assert_eq!(opened.channels().count(), usize::from(opened.count), "a channel got lost");
    for channel in opened.channels() {
        let entries = channel.shachain.map_or(0, |chain| {
            assert_eq!(chain.entries().count(), chain.len());
            chain.bytes().len()
        });
        assert!(entries + channel.address.len() + channel.channel_type.len() <= text.len());
    }
}

pub fn lnd(text: &[u8]) {
    let key = lnd_format::BackupKey::new([3; 32]);
    assert_not_opened(lnd_format::open(&key, text));
    let blob = lnd_format::seal_text(&key, [4; 24], text);
    let Ok(opened) = bounded(blob.len(), || lnd_format::open(&key, &blob)) else {
        return assert!(text.len() < 5);
    };
    // Frames and the rest are the whole file: nothing is hidden.
    let mut again = text[..5].to_vec();
    for single in opened.singles() {
        again.push(single.version | u8::from(single.has_close_tx) << 7);
        again.extend((single.bytes.0.len() as u16).to_be_bytes());
        again.extend(single.bytes.0);
        if let Some(channel) = single.channel {
            let addresses: usize = channel.addresses.iter().map(<[u8]>::len).sum();
            assert!(addresses <= channel.addresses.bytes().len());
            assert!(channel.close_tx.is_some() == single.has_close_tx);
        }
    }
    again.extend(opened.rest());
    assert_eq!(again, text);
}

pub fn kmp(text: &[u8]) {
    use chacha20poly1305::{AeadInOut, ChaCha20Poly1305, KeyInit};
    let key = lightning_kmp::NodeKey::new([3; 32]);
    assert_not_opened(lightning_kmp::open(&key, text));
    let (version, payload) = crate::bounds::choice(text);
    let mut blob = [&[version], payload].concat();
    let cipher = ChaCha20Poly1305::new((&[3; 32]).into());
    let sealed = cipher.encrypt_inout_detached((&[6; 12]).into(), &[], (&mut blob[1..]).into());
    blob.extend([6; 12]);
    blob.extend_from_slice(&sealed.expect("the text fits the cipher"));
    match bounded(blob.len(), || lightning_kmp::open(&key, &blob)) {
        Ok(opened) => {
            assert!([4, 5].contains(&version), "version {version} is not known");
            assert_eq!((opened.version(), opened.payload()), (version, payload));
        }
        Err(fault) => assert_eq!(fault, ForeignFault::UnknownVersion(version)),
    }
}
