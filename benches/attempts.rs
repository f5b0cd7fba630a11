//! init, store and get through the Rust API and the C ABI, beside the same rows put by hand in bare
//! LMDB: what lnkeep itself costs. Interleaved in one run, and quoted as ratios within a round. Other
//! engines, and many callers of init, are in `compare`.
#![allow(missing_docs)]

mod common;

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use common::Settings;
use common::bare::{ByHand, Flush};
use common::faces::{BULK, CFace, Face, Ids, RustFace, preload};
use common::measure::{Contestant, Round, Series, Spread, compare, interleave, print_table};
use common::sample::Row;

const MANY: usize = 16;
/// Ids made ready for a round of settles: more than one thread, or many, use up in half a second.
const READY_ONE: u64 = 8 * BULK;
const READY_MANY: u64 = 48 * BULK;

/// A store with ids to use up.
struct Filled<T> {
    store: T,
    ids: Ids,
    preloaded: u64,
}

impl<T> Filled<T> {
    fn new(store: T, preloaded: u64) -> Filled<T> {
        Filled { store, ids: Ids::after(preloaded), preloaded }
    }

    /// Some preloaded id.
    fn any(&self) -> u64 {
        static TURN: AtomicU64 = AtomicU64::new(0);
        thread_local! {
            static NEXT: std::cell::Cell<u64> =
                std::cell::Cell::new(TURN.fetch_add(1 << 32, Ordering::Relaxed));
        }
        let number = NEXT.replace(NEXT.get() + 1);
        common::scatter(number) % self.preloaded + 1
    }
}

/// Everything that takes part.
struct Field {
    c: Filled<CFace>,
    rust: Filled<RustFace>,
    by_hand: Filled<ByHand>,
    one_row: Filled<ByHand>,
    flush: Flush,
}

impl Field {
    fn set_up(folder: &Path, settings: &Settings) -> Field {
        let count = settings.preload;
        let path = |name: &str| folder.join(name);
        let rust = RustFace::open(&path("rust"));
        let preloaded = preload(&rust, count, |_| true);
        // The C ABI's store is filled through the Rust face too, so that both start with the same file.
        let filler = RustFace::open(&path("c"));
        preload(&filler, count, |_| true);
        filler.store.close().expect("close");
        drop(filler);
        let by_hand = ByHand::open(&path("by-hand"));
        by_hand.preload(preloaded);
        let one_row = ByHand::open(&path("one-row"));
        one_row.preload(preloaded);
        Field {
            c: Filled::new(CFace::open(&path("c")), preloaded),
            rust: Filled::new(rust, preloaded),
            by_hand: Filled::new(by_hand, preloaded),
            one_row: Filled::new(one_row, preloaded),
            flush: Flush::create(folder),
        }
    }
}

impl<F: Face> Filled<F> {
    fn inits(&self, name: &'static str) -> Contestant<'_> {
        Contestant::new(name, 1, || {
            self.store.init(self.ids.fresh(1));
            1
        })
    }

    fn bulk_inits(&self, name: &'static str) -> Contestant<'_> {
        Contestant::new(name, 1, || {
            self.store.init_bulk(self.ids.fresh(BULK));
            BULK
        })
    }

    fn settles(&self, name: &'static str, threads: usize) -> Contestant<'_> {
        let ready = if threads == 1 { READY_ONE } else { READY_MANY };
        let settle_one = || match self.ids.ready() {
            Some(id) => {
                self.store.settle(id);
                1
            }
            None => 0,
        };
        Contestant::new(name, threads, settle_one)
            .prepared(move || self.ids.make_ready(ready, |first| self.store.init_bulk(first)))
    }

    fn gets(&self, name: &'static str, threads: usize) -> Contestant<'_> {
        Contestant::new(name, threads, || {
            self.store.get(self.any());
            1
        })
    }
}

const C: &str = "lnkeep, C ABI";
const RUST: &str = "lnkeep, Rust";
const BY_HAND: &str = "same rows by hand, bare LMDB";

fn inits(field: &Field) -> Vec<Contestant<'_>> {
    vec![
        field.c.inits(C),
        field.rust.inits(RUST),
        field.by_hand.inits(BY_HAND),
        Contestant::new("one row by hand, bare LMDB", 1, || {
            field.one_row.store.put_one_row(field.one_row.ids.fresh(1));
            1
        }),
        Contestant::new("flush alone: 4 KiB, fdatasync", 1, || {
            field.flush.fdatasync();
            1
        }),
        Contestant::new("flush alone: 4 KiB, O_DSYNC", 1, || {
            field.flush.dsync_write();
            1
        }),
    ]
}

fn settles(field: &Field) -> Vec<Contestant<'_>> {
    vec![
        field.c.settles(C, 1),
        field.rust.settles(RUST, 1),
        field.by_hand.settles(BY_HAND, 1),
        field.c.settles(C, MANY),
        field.rust.settles(RUST, MANY),
        field.by_hand.settles(BY_HAND, MANY),
    ]
}

fn bulks(field: &Field) -> Vec<Contestant<'_>> {
    vec![field.c.bulk_inits(C), field.rust.bulk_inits(RUST), field.by_hand.bulk_inits(BY_HAND)]
}

/// By hand, each get has a read transaction of its own.
fn gets(field: &Field) -> Vec<Contestant<'_>> {
    vec![
        field.c.gets(C, 1),
        field.rust.gets(RUST, 1),
        field.by_hand.gets(BY_HAND, 1),
        field.c.gets(C, MANY),
        field.rust.gets(RUST, MANY),
        field.by_hand.gets(BY_HAND, MANY),
    ]
}

/// The series of a name and a number of threads.
fn of<'a>(all: &'a [Series], name: &str, threads: usize) -> &'a Series {
    all.iter()
        .find(|series| series.name.starts_with(name) && series.threads == threads)
        .expect("a contestant was renamed")
}

fn print_ratio(what: &str, ratio: Spread, target: &str) {
    println!("  {what:<66} x {ratio}   {target}");
}

fn rates(a: &Round, b: &Round) -> f64 {
    a.per_second() / b.per_second()
}

fn times(a: &Round, b: &Round) -> f64 {
    a.percentile_us(50) / b.percentile_us(50)
}

fn print_flush(all: &[Series]) {
    println!(
        "\nflush of this disk, {} us of it added: fdatasync {:.0} us, O_DSYNC write {:.0} us;\n\
         a commit of LMDB has one of each, and needs both",
        common::flush_delay_us(),
        of(all, "flush alone: 4 KiB, fdatasync", 1).p50_us(),
        of(all, "flush alone: 4 KiB, O_DSYNC", 1).p50_us(),
    );
}

fn print_init_ratios(all: &[Series]) {
    println!("\nratios within a round, median [range]");
    for name in [C, RUST] {
        let ours = of(all, name, 1);
        let by_hand = of(all, BY_HAND, 1);
        let beyond = compare(ours, by_hand, |a, b| a.percentile_us(50) - 1.1 * b.percentile_us(50));
        let label = |versus: &str| format!("{name}: {versus}");
        print_ratio(
            &label("1 thread, time / same rows by hand"),
            compare(ours, by_hand, times),
            "",
        );
        println!(
            "  {:<66}   {beyond} us   target <= 30 us",
            label("1 thread, time beyond 1.10x of the same rows")
        );
        let one_row = of(all, "one row", 1);
        print_ratio(&label("1 thread, time / one row by hand"), compare(ours, one_row, times), "");
    }
}

fn print_settle_ratios(all: &[Series]) {
    println!("\nratios within a round, median [range]");
    for name in [C, RUST] {
        let (ours, by_hand) = (of(all, name, 1), of(all, BY_HAND, 1));
        let what = format!("{name}: 1 thread, time / same rows by hand");
        print_ratio(&what, compare(ours, by_hand, times), "");
        let (ours, by_hand) = (of(all, name, MANY), of(all, BY_HAND, MANY));
        let what = format!("{name}: 16 threads, rate / same rows by hand");
        print_ratio(&what, compare(ours, by_hand, rates), "");
    }
}

fn print_get_ratios(all: &[Series]) {
    println!("\nratios within a round, median [range]");
    for threads in [1, MANY] {
        for name in [C, RUST] {
            let (ours, by_hand) = (of(all, name, threads), of(all, BY_HAND, threads));
            let what = format!("{name}: {threads} threads, rate / by hand");
            let target = if threads == 1 { "target: p50 <= 3 us" } else { "" };
            print_ratio(&what, compare(ours, by_hand, rates), target);
        }
    }
}

fn print_bulk_ratios(all: &[Series]) {
    println!("\nratios within a round, median [range]");
    for name in [C, RUST] {
        let (ours, by_hand) = (of(all, name, 1), of(all, BY_HAND, 1));
        let cpu = |a: &Round, b: &Round| a.cpu_us_per_operation() / b.cpu_us_per_operation();
        let what = format!("{name}: processor time / same rows by hand");
        print_ratio(&what, compare(ours, by_hand, cpu), "");
    }
}

fn print_rows(what: &str, rows: &[Row]) {
    let bytes = |row: &Row| match &row.value {
        Some(_) => format!("{} put {}", table_of(row), row.bytes()),
        None => format!("{} delete", table_of(row)),
    };
    let rows: Vec<String> = rows.iter().map(bytes).collect();
    println!("rows of one {what}, key and value bytes: {}", rows.join(", "));
}

fn table_of(row: &Row) -> &'static str {
    lnkeep::store::tables::SPECS[row.table].name
}

fn main() {
    let settings = Settings::from_env();
    let folder = common::folder();
    let field = Field::set_up(folder.path(), &settings);
    let measure = |contestants: &[Contestant<'_>], length: Duration| {
        interleave(contestants, settings.rounds, length)
    };
    println!(
        "{} rounds of {:?}, interleaved; {} settled attempts in each store; medians of rounds",
        settings.rounds, settings.round, field.c.preloaded
    );
    print_rows("init", &field.by_hand.store.samples().init);
    print_rows("settle", &field.by_hand.store.samples().settle);

    let all = measure(&inits(&field), settings.round);
    print_table("init", &all);
    print_flush(&all);
    print_init_ratios(&all);

    let all = measure(&settles(&field), settings.round);
    print_table("store_result (settle)", &all);
    print_settle_ratios(&all);

    let all = measure(&bulks(&field), settings.round);
    print_table("1,024 inits in one commit (p50 is of 1,024)", &all);
    print_bulk_ratios(&all);

    // Reads do not flush.
    if common::flush_delay_us() == 0 {
        let all = measure(&gets(&field), settings.round);
        print_table("get", &all);
        print_get_ratios(&all);
    }
}
