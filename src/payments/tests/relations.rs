//! A check of the file finds every way in which rows of payments can contradict each other.

use super::super::record::*;
use super::*;
use crate::store::batch::Rows as _;

/// Payment 1: attempts 1 (in flight) and 2 (failed). Payment 2: paid with attempt 3. Payment 3: deleted, and
/// the rows of its attempt 4 wait for a purge.
fn node_of(world: &World) -> Node {
    let node = world.open();
    node.payments.init(PaymentInit::new(hash(1), 1_000)).unwrap();
    for id in [1, 2] {
        node.payments.register(hash(1), part(id, 100, 1_000)).unwrap();
    }
    node.fail_attempt(1, 2).unwrap();
    node.succeed(2, 3);
    node.fail(3, 4);
    let delete = node.payments.command(Operation::Delete(hash(3), Retain::Tombstone)).unwrap();
    node.store().submit(vec![delete], Grouping::Independent).unwrap();
    world.check_sound();
    node
}

fn faults(world: &World) -> Vec<String> {
    let report = crate::maintenance::check(world.path()).unwrap();
    let told = report.findings.iter();
    told.map(|finding| format!("{}: {}", finding.table, finding.fault)).collect()
}

fn seq(sequence: u64) -> Vec<u8> {
    sequence.to_be_bytes().to_vec()
}

fn attempt_row(sequence: u64, id: u64) -> Vec<u8> {
    attempt_row_key(sequence, key(id)).to_vec()
}

fn id_row(sequence: u64, id: u64) -> Vec<u8> {
    id_row_key(sequence, key(id)).to_vec()
}

fn head(node: &Node, byte: u8, change: fn(&mut Head)) -> Rows {
    let payment = node.payments.fetch(hash(byte)).unwrap();
    let mut head = Head::of(&payment);
    change(&mut head);
    vec![(Table::Payments, seq(payment.sequence), Some(head.encode().to_vec()))]
}

type Rows = Vec<(Table, Vec<u8>, Option<Vec<u8>>)>;
type Break = (&'static str, fn(&Node) -> Rows);

const INDEXES: [Break; 6] = [
    ("payments: the payment is unfinished and the index lacks it", |_| {
        vec![(Table::PaymentsUnfinished, seq(1), None)]
    }),
    ("payments_unfinished: the index lists a payment that is not unfinished", |_| {
        vec![(Table::PaymentsUnfinished, seq(2), Some(vec![]))]
    }),
    ("payments_unfinished: the index lists a payment that is not unfinished", |_| {
        vec![(Table::PaymentsUnfinished, seq(77), Some(vec![]))]
    }),
    ("payment_attempt_ids: only one of the attempt and its row by id is there", |_| {
        vec![(Table::PaymentAttemptIds, id_row(1, 1), None)]
    }),
    ("payment_attempt_ids: only one of the attempt and its row by id is there", |_| {
        vec![(Table::PaymentAttemptIds, id_row(1, 99), Some(vec![]))]
    }),
    ("payments_doomed: the payment is there and queued for removal", |_| {
        vec![(Table::PaymentsDoomed, seq(1), Some(vec![]))]
    }),
];

const HASHES: [Break; 4] = [
    ("payment_hashes: the hash leads to no payment", |_| {
        vec![(Table::PaymentHashes, hash(9).0.to_vec(), Some(HashRow::Live(99).encode().to_vec()))]
    }),
    ("payment_hashes: the hash leads to no payment", |_| {
        vec![(Table::PaymentHashes, hash(3).0.to_vec(), Some(HashRow::Live(3).encode().to_vec()))]
    }),
    ("payments: the row of its hash does not lead to the payment", |_| {
        vec![(Table::PaymentHashes, hash(1).0.to_vec(), None)]
    }),
    ("payments: the row of its hash does not lead to the payment", |_| {
        vec![(Table::PaymentHashes, hash(1).0.to_vec(), Some(HashRow::Live(2).encode().to_vec()))]
    }),
];

const HEADS: [Break; 9] = [
    ("payments: the payment counts", |node| head(node, 1, |head| head.attempts[0] += 1)),
    ("payments: the payment counts", |node| head(node, 2, |head| head.attempts = [1, 0, 0])),
    ("payments: the payment is Failed and should be", |node| {
        head(node, 2, |head| head.status = PaymentStatus::Failed)
    }),
    ("payments: the payment counts", |_| {
        let rows = [Table::PaymentAttempts, Table::PaymentOutcomes]
            .map(|table| (table, attempt_row(1, 2), None));
        let id = (Table::PaymentAttemptIds, id_row(1, 2), None);
        rows.into_iter().chain([id]).collect()
    }),
    ("payments: the payment counts", |_| vec![(Table::PaymentOutcomes, attempt_row(2, 3), None)]),
    ("payments: the payment has no details", |_| vec![(Table::PaymentDetails, seq(1), None)]),
    ("payment_attempts: rows of no payment", |_| {
        let paid = HashRow::Tombstone { quarantined: false, unix_ms: 0 }.encode().to_vec();
        vec![
            (Table::Payments, seq(2), None),
            (Table::PaymentDetails, seq(2), None),
            (Table::PaymentHashes, hash(2).0.to_vec(), Some(paid)),
        ]
    }),
    ("payment_attempts: rows of no payment", |_| vec![(Table::PaymentsDoomed, seq(3), None)]),
    ("payment_attempts: rows of no payment", |_| {
        vec![(Table::PaymentDetails, seq(77), encode_details(&PaymentInit::new(hash(1), 1)).ok())]
    }),
];

const BYTES: [Break; 6] = [
    ("payments: the payment does not decode", |_| vec![(Table::Payments, seq(1), nonsense())]),
    ("payment_details: the row does not decode", |_| {
        vec![(Table::PaymentDetails, seq(1), nonsense())]
    }),
    ("payment_attempts: the row does not decode", |_| {
        vec![(Table::PaymentAttempts, attempt_row(1, 1), nonsense())]
    }),
    ("payment_outcomes: the row does not decode", |_| {
        vec![(Table::PaymentOutcomes, attempt_row(1, 2), nonsense())]
    }),
    ("payment_hashes: the row does not decode", |_| {
        vec![(Table::PaymentHashes, hash(1).0.to_vec(), nonsense())]
    }),
    ("payment_keys: the row does not decode", |_| {
        vec![(Table::PaymentKeys, b"key".to_vec(), nonsense())]
    }),
];

fn nonsense() -> Option<Vec<u8>> {
    Some(b"nonsense".to_vec())
}

/// Each break is found for what it is, with a finding of the row alone, and the store still opens.
fn check_breaks(breaks: &[Break]) {
    for (place, (expected, rows)) in breaks.iter().enumerate() {
        let world = World::new();
        let node = node_of(&world);
        let rows = rows(&node);
        node.store().submit_one(Rewrite(rows)).unwrap();
        let found = faults(&world);
        assert!(
            found.iter().any(|fault| fault.starts_with(expected)),
            "break {place}: {found:?} lacks {expected:?}"
        );
        node.store().crash();
        drop(node);
        world.open();
    }
}

#[test]
fn indexes_that_contradict_their_payments_are_found() {
    check_breaks(&INDEXES);
}

#[test]
fn hashes_that_lead_astray_are_found() {
    check_breaks(&HASHES);
}

#[test]
fn heads_that_contradict_their_rows_are_found() {
    check_breaks(&HEADS);
}

#[test]
fn rows_that_mean_nothing_are_found() {
    check_breaks(&BYTES);
}

#[test]
fn two_hashes_of_one_payment_are_found_in_either_order() {
    for byte in 10..20 {
        let world = World::new();
        let node = node_of(&world);
        let row = HashRow::Live(1).encode();
        let rewrite = Rewrite::put(Table::PaymentHashes, &hash(byte).0, &row);
        node.store().submit_one(rewrite).unwrap();
        assert!(!faults(&world).is_empty(), "hash {byte} leads to another one's payment");
    }
}

#[test]
fn a_payment_that_is_queued_for_removal_by_mistake_keeps_its_attempts() {
    let world = World::new();
    let node = node_of(&world);
    let before = node.payments.fetch(hash(1)).unwrap();
    let row = Rewrite::put(Table::PaymentsDoomed, &seq(1), &[]);
    node.store().submit_one(row).unwrap();
    while node.payments.sweep().unwrap() != 0 {}
    assert_eq!(node.payments.fetch(hash(1)).unwrap(), before);
    assert_eq!(node.payments.counts().unwrap().doomed, 0);
    world.check_sound();
}

#[test]
fn a_row_whose_checksum_fails_is_blamed_alone() {
    let rows: [(Table, Vec<u8>); 8] = [
        (Table::Payments, seq(1)),
        (Table::PaymentDetails, seq(1)),
        (Table::PaymentAttempts, attempt_row(1, 1)),
        (Table::PaymentOutcomes, attempt_row(1, 2)),
        (Table::PaymentAttemptIds, id_row(1, 1)),
        (Table::PaymentHashes, hash(1).0.to_vec()),
        (Table::PaymentsUnfinished, seq(1)),
        (Table::PaymentsDoomed, seq(3)),
    ];
    for (table, row) in rows {
        let world = World::new();
        let node = node_of(&world);
        node.payments.write_raw(table, &row, b"garbage").unwrap();
        let report = crate::maintenance::check(world.path()).unwrap();
        let blamed: Vec<_> =
            report.findings.iter().map(|found| (found.table, &found.key)).collect();
        assert_eq!(blamed, [(table.spec().name, &row)], "{report:?}");
        assert!(report.can_be_opened());
    }
}

/// Between payments that are there lies one that was deleted.
#[test]
fn a_payment_behind_a_gap_that_is_queued_for_removal_is_found() {
    let world = World::new();
    let node = world.open();
    for byte in 1..=3 {
        node.fail(byte, byte.into());
    }
    node.payments.delete(hash(2), Retain::Forget).unwrap();
    node.store().submit_one(Rewrite::put(Table::PaymentsDoomed, &seq(3), &[])).unwrap();
    let found = faults(&world);
    assert!(found.len() == 1 && found[0].contains("is there and queued for removal"), "{found:?}");
}

#[test]
fn details_of_a_payment_that_is_queued_for_removal_are_found() {
    let world = World::new();
    let node = world.open();
    node.fail(1, 1);
    let details = node.store().read(|view| view.row(Table::PaymentDetails, &seq(1))).unwrap();
    let rows = vec![
        (Table::PaymentsDoomed, seq(9), Some(Vec::new())),
        (Table::PaymentDetails, seq(9), Some(details.unwrap().to_vec())),
    ];
    node.store().submit_one(Rewrite(rows)).unwrap();
    let found = faults(&world);
    assert!(found.len() == 1 && found[0].contains("its details are there"), "{found:?}");
}

#[test]
fn hashes_that_lead_to_each_others_payments_are_found() {
    let world = World::new();
    let node = node_of(&world);
    let rows = [(1, 2), (2, 1)].map(|(byte, sequence)| {
        let row = HashRow::Live(sequence).encode().to_vec();
        (Table::PaymentHashes, hash(byte).0.to_vec(), Some(row))
    });
    node.store().submit_one(Rewrite(rows.to_vec())).unwrap();
    let found = faults(&world);
    let expected = "payments: the row of its hash does not lead to the payment";
    assert_eq!(found, [expected, expected]);
}
