//! Cost of a comparison: two sides of 50 reports with 30 intervals each, 10,000 resamples, on
//! one thread and on one per core. The ratio is the parallel speedup.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use echo_bench_report::compare::{Input, Options, Side, compare};
use echo_test_support::made_up::{self, Shape};

const REPORTS: u64 = 50;
const SHAPE: Shape = Shape { intervals: 30, answers: 5000, spread: 4001 };

fn side(name: &str, first: u64, level_us: u64) -> Side {
    let input = |run| {
        let report = made_up::report(SHAPE, first + 2 * run, level_us);
        let report = serde_json::from_value(report).expect("made up as reports are");
        Input { source: format!("{name}/{run}.json"), report }
    };
    Side { name: name.into(), inputs: (0..REPORTS).map(input).collect() }
}

fn comparing(criterion: &mut Criterion) {
    let (base, candidate) = (side("base", 0, 100), [side("candidate", 1, 101)]);
    let mut group = criterion.benchmark_group("compare 50 + 50 reports");
    group.sample_size(10);
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    for threads in [1, cores] {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(threads)
            .build()
            .expect("a pool of few threads");
        group.bench_function(BenchmarkId::new("threads", threads), |bencher| {
            bencher.iter(|| {
                pool.install(|| compare(black_box(&base), &candidate, Options::default()))
            });
        });
    }
    group.finish();
}

criterion_group!(benches, comparing);
criterion_main!(benches);
