//! How often a node gets its backup back, by the availability of its peers: a simulation with sealed blobs
//! and real recovery sessions, printed next to the exact figures. `--nocapture` shows the table.
//!
//! The exact figure is the chance that at least k of n independent peers answer, which is what the choice of
//! k and n rests on; a code or a session that lost shares, or restored from fewer, would not meet it.

#![cfg(feature = "backup")]

use lnkeep::NodeId;
use lnkeep::backup::envelope::{Header, SizeClass, seal};
use lnkeep::backup::keys::{BackupKeys, SET_CHANNELS, Secret};
use lnkeep::backup::object::join_object;
use lnkeep::backup::share::{KIND_SHARES, Share, ShareHeader, encode};
use lnkeep::backup::stripe::Code;
use lnkeep::recovery::{Recovery, RecoveryOptions};
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// Rows and columns of the table in the specification of peer storage, 4.1.
const CODES: [(usize, usize); 6] = [(1, 2), (1, 4), (2, 5), (2, 6), (3, 8), (4, 10)];
const AVAILABILITY_PERCENT: [u64; 4] = [60, 80, 90, 95];
/// What that table prints.
const PRINTED: [[f64; 4]; 6] = [
    [0.84, 0.96, 0.99, 0.9975],
    [0.9744, 0.9984, 0.9999, 0.999994],
    [0.913, 0.9933, 0.99954, 0.99997],
    [0.959, 0.9984, 0.99995, 0.999998],
    [0.950, 0.99877, 0.99998, 1.0],
    [0.945, 0.99914, 0.99999, 1.0],
];
const TRIALS: u64 = 1_000;
/// Of a hundred peers that answer, so many lie: they return an old blob or one that does not open.
const LIARS_PERCENT: u64 = 10;
const SEED: u64 = 4_242;

/// A node's object over n peers: the newest blob of each, and the one before.
struct Striped {
    code: Code,
    payload: Vec<u8>,
    newest: Vec<Vec<u8>>,
    older: Vec<Vec<u8>>,
}

fn node(number: usize) -> NodeId {
    let mut id = [3; 33];
    id[1] = number as u8;
    NodeId(id)
}

fn secret() -> Secret {
    Secret::new([0xa5; 32])
}

fn striped((data_shares, shares): (usize, usize)) -> Striped {
    let code = Code::new(data_shares, shares).expect("a code of the table");
    let payload_of = |generation: u64| -> Vec<u8> {
        (0..700_u64).map(|at| (at * generation % 251) as u8).collect()
    };
    let blobs = |generation: u64| -> Vec<Vec<u8>> {
        let object = join_object(&payload_of(generation), &[]).expect("small");
        (0..shares).map(|index| blob(code, index, generation, &object)).collect()
    };
    Striped { code, payload: payload_of(200), newest: blobs(200), older: blobs(100) }
}

fn blob(code: Code, index: usize, generation: u64, object: &[u8]) -> Vec<u8> {
    let keys = BackupKeys::new(&secret());
    let share = code.share(object, index).expect("an index below n");
    let header = ShareHeader {
        generation,
        code,
        index: index as u8,
        object_bytes: object.len() as u32,
        object_sha256: Sha256::digest(object).into(),
    };
    let content = encode(&[Share { header, bytes: &share }]).expect("a share of its code");
    let header = Header {
        kind: KIND_SHARES,
        seq: generation + 1 + index as u64,
        set_id: keys.set_id(SET_CHANNELS, 0),
        ..Header::default()
    };
    seal(&keys.peer(node(index)), &header, &content, SizeClass::Bytes1024, [9; 16]).expect("small")
}

/// Whether one draw of who answers, and of who lies, gives the newest payload back.
fn restores(striped: &Striped, dice: &mut ChaCha20Rng, percent: u64, liars: u64) -> bool {
    let mut recovery = Recovery::begin(&secret(), RecoveryOptions::default()).expect("begins");
    for peer in 0..striped.code.shares() {
        let (answers, lies) = (dice.next_u64() % 100 < percent, dice.next_u64() % 100 < liars);
        if !answers {
            continue;
        }
        let mut blob =
            if lies { striped.older[peer].clone() } else { striped.newest[peer].clone() };
        if lies && dice.next_u64().is_multiple_of(2) {
            blob[100] ^= 1;
        }
        recovery.feed(node(peer), &blob).expect("as long as a message carries");
    }
    match recovery.payload(true) {
        Ok(found) if found.version.generation == 200 => {
            assert_eq!(found.payload(), striped.payload, "restored, and not what was sent");
            true
        }
        _ => false,
    }
}

fn measured(striped: &Striped, percent: u64, liars: u64) -> f64 {
    let mut dice = ChaCha20Rng::seed_from_u64(SEED + percent + 1_000 * liars);
    let restored = (0..TRIALS).filter(|_| restores(striped, &mut dice, percent, liars)).count();
    restored as f64 / TRIALS as f64
}

/// The chance that at least k of n peers answer, each with this chance of its own.
fn exact((data_shares, shares): (usize, usize), chance: f64) -> f64 {
    let mut exactly = vec![1.0];
    for _ in 0..shares {
        let mut next = vec![0.0; exactly.len() + 1];
        for (count, weight) in exactly.iter().enumerate() {
            next[count] += weight * (1.0 - chance);
            next[count + 1] += weight * chance;
        }
        exactly = next;
    }
    exactly[data_shares..].iter().sum()
}

fn standard_error(chance: f64) -> f64 {
    (chance * (1.0 - chance) / TRIALS as f64).sqrt()
}

/// Within four standard errors, or one trial where the error is next to nothing.
fn agrees(measured: f64, exact: f64) -> bool {
    (measured - exact).abs() <= 4.0 * standard_error(exact) + 1.0 / TRIALS as f64
}

#[test]
fn the_chance_of_a_restore_is_what_the_choice_of_codes_rests_on() {
    println!(
        "k,n    p     table     exact     measured  +-        with {LIARS_PERCENT} % liars, exact"
    );
    for (code, printed) in CODES.into_iter().zip(PRINTED) {
        let striped = striped(code);
        for (percent, printed) in AVAILABILITY_PERCENT.into_iter().zip(printed) {
            let chance = percent as f64 / 100.0;
            let exact_honest = exact(code, chance);
            let honest = measured(&striped, percent, 0);
            let exact_lied = exact(code, chance * (100 - LIARS_PERCENT) as f64 / 100.0);
            let lied = measured(&striped, percent, LIARS_PERCENT);
            println!(
                "{},{:<4} {chance:.2}  {printed:.6}  {exact_honest:.6}  {honest:.6}  {:.6}  {lied:.6}, \
                 {exact_lied:.6}",
                code.0,
                code.1,
                standard_error(exact_honest),
            );
            assert!((printed - exact_honest).abs() < 0.001, "the table has {printed}");
            assert!(agrees(honest, exact_honest), "{code:?} at {chance}: {honest}");
            assert!(agrees(lied, exact_lied), "{code:?} at {chance} with liars: {lied}");
        }
    }
}
