//! init, store and get under criterion, to compare one build with another: `cargo bench --bench calls --
//! --save-baseline NAME`, then `--baseline NAME`. What to compare with other engines is in `attempts`.
#![allow(missing_docs)]

mod common;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use common::faces::{CFace, Face, Ids, RustFace, preload};
use common::{Settings, folder, scatter};
use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion};

/// Runs `work` about `times` times on some threads and answers the time all of them took, as criterion
/// wants it: for `times` calls.
fn spread(threads: u64, times: u64, work: impl Fn() + Sync) -> Duration {
    let each = times.div_ceil(threads);
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..each).for_each(|_| work()));
        }
    });
    started.elapsed().mul_f64(times as f64 / (each * threads) as f64)
}

fn bench_face(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, face: &impl Face, count: u64) {
    let ids = Ids::after(count);
    let turn = AtomicU64::new(0);
    for threads in [1, 16] {
        let id = |call: &str| BenchmarkId::new(format!("{call}, {name}"), threads);
        group.bench_function(id("init"), |bencher| {
            bencher.iter_custom(|times| spread(threads, times, || face.init(ids.fresh(1))));
        });
        group.bench_function(id("store_result"), |bencher| {
            bencher.iter_custom(|times| {
                ids.make_ready(times + threads, |first| face.init_bulk(first));
                spread(threads, times, || face.settle(ids.ready().expect("enough ids")))
            });
        });
        group.bench_function(id("get"), |bencher| {
            bencher.iter_custom(|times| {
                spread(threads, times, || {
                    face.get(scatter(turn.fetch_add(1, Ordering::Relaxed)) % count + 1);
                })
            });
        });
    }
}

fn main() {
    let settings = Settings::from_env();
    let folder = folder();
    let rust = RustFace::open(&folder.path().join("rust"));
    let count = preload(&rust, settings.preload, |_| true);
    let c_folder = folder.path().join("c");
    let filler = RustFace::open(&c_folder);
    preload(&filler, settings.preload, |_| true);
    filler.store.close().expect("close");
    drop(filler);

    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("attempts");
    group.sample_size(20);
    group.warm_up_time(Duration::from_millis(500));
    group.measurement_time(Duration::from_secs(2));
    bench_face(&mut group, "C ABI", &CFace::open(&c_folder), count);
    bench_face(&mut group, "Rust", &rust, count);
    group.finish();
    criterion.final_summary();
}
