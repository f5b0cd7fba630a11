//! Whether every subscription of a race had the present first and then every change once, in order.

use std::collections::BTreeMap;
use std::sync::Arc;

use lnkeep::PaymentHash;
use lnkeep::payments::{Next, Payment, PaymentStatus, Payments};

use crate::history::{Change, History, Range, Told};
use crate::racers::Asked;
use crate::reference::is_finished;

/// What a stream gave until it was empty.
struct Read {
    views: Vec<Arc<Payment>>,
    closed: bool,
}

fn read(payments: &Payments, id: u64) -> Read {
    let mut views = Vec::new();
    loop {
        match payments.next(id) {
            Next::View(view) => views.push(view),
            Next::Missed(missed) => panic!("subscription {id} missed {missed} views"),
            Next::Waiting => return Read { views, closed: false },
            Next::Closed => return Read { views, closed: true },
        }
    }
}

/// Checks the streams that the racers opened and the one that was there before them.
pub fn check_all(
    history: &History,
    changes: &[Change],
    payments: &Payments,
    everybody: u64,
    lnd: bool,
) {
    let read_by_all = read(payments, everybody);
    assert!(!read_by_all.closed);
    check_of_everybody(changes, &read_by_all);
    for call in &history.others {
        let (Asked::Watch(of), Told::Watching(id)) = (&call.asked, &call.told) else { continue };
        let range = history.range(call);
        let told = read(payments, *id);
        match of {
            Some(hash) => check_of_one(changes, *hash, &range, &told, lnd),
            None => check_of_all(changes, &range, &told),
        }
        payments.unsubscribe(*id).unwrap();
    }
}

/// A stream that was there before the race has the views of all changes and nothing else.
fn check_of_everybody(changes: &[Change], read: &Read) {
    let first = changes.iter().find_map(|change| change.view.as_ref());
    let from = first.map_or(0, |first| first.sequence);
    // It began with what earlier rounds had left unfinished.
    let old = read.views.iter().take_while(|view| view.sequence < from).count();
    let expected: Vec<_> = changes.iter().filter_map(|change| change.view.clone()).collect();
    assert_eq!(versions(&read.views[old..]), versions(&expected), "a stream of all payments");
    assert_eq!(read.views[old..], expected[..]);
}

/// Views in short, so that a failure can be read.
fn versions(views: &[Arc<Payment>]) -> Vec<(u64, u64, PaymentStatus)> {
    views.iter().map(|view| (view.sequence, view.revision, view.status)).collect()
}

fn of_hash(changes: &[Change], hash: PaymentHash) -> Vec<&Change> {
    changes.iter().filter(|change| change.hash == hash).collect()
}

/// The present of some place in the range, then every change up to the end of this payment.
fn check_of_one(changes: &[Change], hash: PaymentHash, range: &Range, read: &Read, lnd: bool) {
    let changes = of_hash(changes, hash);
    let first = read.views.first().expect("a stream begins with the present");
    let start = changes.iter().position(|change| change.view.as_ref() == Some(first));
    let start = start.unwrap_or_else(|| panic!("{first:?} was never the present"));
    let next = changes.get(start + 1).map_or(usize::MAX, |change| change.place);
    let shown_in_range = changes[start].place < *range.end() && next >= *range.start();
    assert!(shown_in_range, "{first:?} was not the present when the stream began");
    let mut expected = vec![Arc::clone(first)];
    let mut closed = is_finished(first);
    for change in &changes[start + 1..] {
        if closed {
            break;
        }
        // Under lnd's rules a deletion leaves the stream open for the next life of the hash.
        closed = change.view.as_deref().map_or(!lnd, is_finished);
        expected.extend(change.view.clone());
    }
    assert_eq!(versions(&read.views), versions(&expected), "a stream of {hash:?}");
    assert_eq!(read.views, expected, "a stream of one payment");
    assert_eq!(read.closed, closed, "after {:?}", expected.last());
}

/// Of each payment a run of its changes without a gap up to the last, beginning in time.
fn check_of_all(changes: &[Change], range: &Range, read: &Read) {
    assert!(!read.closed);
    let mut by_hash: BTreeMap<[u8; 32], Vec<Arc<Payment>>> = BTreeMap::new();
    for view in &read.views {
        by_hash.entry(view.hash().0).or_default().push(Arc::clone(view));
    }
    let mut hashes: Vec<PaymentHash> = changes.iter().map(|change| change.hash).collect();
    hashes.sort_by_key(|hash| hash.0);
    hashes.dedup();
    for hash in hashes {
        let views = by_hash.remove(&hash.0).unwrap_or_default();
        let announced: Vec<_> =
            of_hash(changes, hash).into_iter().filter(|change| change.view.is_some()).collect();
        let start = announced.len().checked_sub(views.len());
        let start = start.unwrap_or_else(|| panic!("{hash:?} has more views than changes"));
        let expected: Vec<_> = announced[start..].iter().flat_map(|one| one.view.clone()).collect();
        assert_eq!(versions(&views), versions(&expected), "{hash:?} in a stream of all payments");
        assert_eq!(views, expected, "a stream of all payments");
        let missed = announced[..start].last().filter(|change| change.place >= *range.end());
        assert!(missed.is_none(), "a change after the stream began was not told");
    }
    for (hash, views) in by_hash {
        assert_eq!(views.len(), 1, "{hash:?} of an earlier round changed");
    }
}
