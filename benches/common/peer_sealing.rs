//! The consumer's end: envelopes beside the cipher alone, and seals that are durable beside a flush.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use chacha20poly1305::{AeadInOut, KeyInit, XChaCha20Poly1305, XNonce};
use lnkeep::backup::envelope::{self, Header, NONCE_BYTES, SizeClass, TAG_BYTES};
use lnkeep::backup::keys::{BackupKeys, PeerKeys, Secret};
use lnkeep::backup::rules::Action;
use lnkeep::backup::{Backup, BackupOptions};
use lnkeep::{Store, StoreOptions};

use super::common::Settings;
use super::common::bare::Flush;
use super::common::measure::{Contestant, Series, Spread, compare, interleave, print_table};
use super::peer_load::{HEIGHT, START_MS, node};

/// Envelopes between two looks at the clock.
const BATCH: u64 = 8;
/// Callers of seal at once, each for other peers than the others at that moment.
const CALLERS: usize = 16;
const PEERS: u64 = 1_024;
/// The version, and the peer's id.
const ASSOCIATED: [u8; 34] = [1; 34];

/// One size class: what is sealed, and the cipher alone with as long a text.
struct Case {
    class: SizeClass,
    keys: PeerKeys,
    payload: Vec<u8>,
    blob: Vec<u8>,
    cipher: XChaCha20Poly1305,
    text: Vec<u8>,
    sealed: Vec<u8>,
    tag: [u8; TAG_BYTES],
}

impl Case {
    fn new(class: SizeClass) -> Case {
        let keys = BackupKeys::new(&Secret::new([7; 32])).peer(node(1));
        let payload = vec![9; class.payload_max()];
        let blob = seal(&keys, &payload, class);
        let cipher = XChaCha20Poly1305::new(&[7; 32].into());
        let text = vec![9; class.bytes() - NONCE_BYTES - TAG_BYTES];
        let (sealed, tag) = encrypt(&cipher, &text);
        Case { class, keys, payload, blob, cipher, text, sealed, tag }
    }

    fn contestants(&self) -> [Contestant<'_>; 4] {
        let seal = || drop(std::hint::black_box(seal(&self.keys, &self.payload, self.class)));
        let encrypt = || drop(std::hint::black_box(encrypt(&self.cipher, &self.text)));
        let open = || {
            let opened = envelope::open(&self.keys, &self.blob).expect("open");
            assert_eq!(opened.payload().len(), self.payload.len());
        };
        let decrypt = || {
            let mut text = self.sealed.clone();
            let (nonce, tag) = (XNonce::from([0; NONCE_BYTES]), self.tag.into());
            let buffer = text.as_mut_slice().into();
            self.cipher.decrypt_inout_detached(&nonce, &ASSOCIATED, buffer, &tag).expect("open");
            std::hint::black_box(text);
        };
        [
            Contestant::new("seal", 1, repeated(seal)),
            Contestant::new("encrypt", 1, repeated(encrypt)),
            Contestant::new("open", 1, repeated(open)),
            Contestant::new("decrypt", 1, repeated(decrypt)),
        ]
    }
}

fn repeated(work: impl Fn() + Sync) -> impl Fn() -> u64 + Sync {
    move || {
        (0..BATCH).for_each(|_| work());
        BATCH
    }
}

fn seal(keys: &PeerKeys, payload: &[u8], class: SizeClass) -> Vec<u8> {
    let header = Header { seq: 1, block_height: HEIGHT, ..Header::default() };
    envelope::seal(keys, &header, payload, class, [3; 16]).expect("seal")
}

/// The cipher alone, in a buffer of its own as an envelope needs one too.
fn encrypt(cipher: &XChaCha20Poly1305, text: &[u8]) -> (Vec<u8>, [u8; TAG_BYTES]) {
    let mut sealed = text.to_vec();
    let (nonce, buffer) = (XNonce::from([0; NONCE_BYTES]), sealed.as_mut_slice().into());
    let tag = cipher.encrypt_inout_detached(&nonce, &ASSOCIATED, buffer).expect("encrypt");
    (sealed, tag.into())
}

/// Time of sealing and opening each size class, beside the cipher alone.
pub fn envelopes(settings: &Settings) {
    let cases = SizeClass::ALL.map(Case::new);
    let contestants: Vec<_> = cases.iter().flat_map(Case::contestants).collect();
    let all = interleave(&contestants, settings.rounds, settings.round / 3);
    println!("\nenvelopes and the cipher alone on as long a text: us, median [range] of rounds");
    for (case, series) in cases.iter().zip(all.chunks(4)) {
        let us = |one: &Series| Spread::of(one.rounds.iter().map(|round| 1e6 / round.per_second()));
        for pair in series.chunks(2) {
            let times = compare(&pair[0], &pair[1], |a, b| b.per_second() / a.per_second());
            println!(
                "  {:>6} bytes: {:<5} {:<24} {:<8} {:<24} ratio {times}",
                case.class.bytes(),
                pair[0].name,
                us(&pair[0]).to_string(),
                pair[1].name,
                us(&pair[1]).to_string(),
            );
        }
    }
}

/// Blobs per second whose sequence number is durable before they are handed out.
pub fn durable(settings: &Settings, folder: &Path) {
    let store = Store::open(folder.join("backup"), &StoreOptions::default()).expect("open");
    let secret = Secret::new([7; 32]);
    let options = BackupOptions { entropy: Some([1; 32]), ..BackupOptions::default() };
    let payload = vec![9; options.size_class.payload_max()];
    let backup = Backup::open(&store, &secret, options).expect("backup");
    backup.set_payload(&payload).expect("payload");
    for number in 0..PEERS {
        backup.connected(START_MS, node(number), true).expect("connected");
        let allowed = backup.reestablish_begun(START_MS, node(number)).expect("reestablish");
        assert_eq!(allowed.action, Action::FirstSendAllowed);
    }
    let next = AtomicU64::new(0);
    let seal = || {
        let number = next.fetch_add(1, Ordering::Relaxed) % PEERS;
        let sealed = backup.seal(START_MS, node(number), HEIGHT).expect("seal");
        assert_eq!(sealed.blob.len(), SizeClass::Bytes65531.bytes());
        1
    };
    let flush = Flush::create(folder);
    let one_flush = || {
        flush.fdatasync();
        1
    };
    let contestants = [
        Contestant::new("flush alone: 4 KiB, fdatasync", 1, one_flush),
        Contestant::new("durable seal of 65,531 bytes", 1, seal),
        Contestant::new("durable seal of 65,531 bytes", CALLERS, seal),
    ];
    let all = interleave(&contestants, settings.rounds, settings.round);
    print_table("seals", &all);
    let p50 = compare(&all[1], &all[0], |a, b| a.percentile_us(50) / b.percentile_us(50));
    println!("  p50 of one caller over that of a flush, of which a commit makes two: {p50}");
    let rate = compare(&all[2], &all[1], |a, b| a.per_second() / b.per_second());
    println!("  rate of {CALLERS} callers over that of one: {rate}");
    drop(contestants);
    drop(backup);
    store.close().expect("close");
}
