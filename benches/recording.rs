//! Cost of recording one latency sample, which the generator does for every reply: from 1 ns to
//! 1 h with three significant digits.

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hdrhistogram::Histogram;

const HOUR_NS: u64 = 3_600_000_000_000;
const SAMPLES: usize = 4096;

fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, HOUR_NS, 3).expect("the bounds are fit")
}

/// Latencies similar to a loopback's, with one in 64 a thousand times as long, so that the
/// counts are not all in one cache line. A fixed-seed xorshift, so all runs are identical.
fn samples() -> Vec<u64> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        let latency_ns = 20_000 + state % 80_000;
        if state >> 58 == 0 { latency_ns * 1000 } else { latency_ns }
    };
    (0..SAMPLES).map(|_| next()).collect()
}

fn recording(criterion: &mut Criterion) {
    let samples = samples();
    let mut group = criterion.benchmark_group("record");
    group.throughput(Throughput::Elements(1));
    group.bench_function("one sample", |bencher| {
        let mut histogram = histogram();
        let mut each = samples.iter().copied().cycle();
        bencher.iter(|| {
            let latency_ns = each.next().unwrap_or(1);
            histogram.record(black_box(latency_ns))
        });
    });
    group.throughput(Throughput::Elements(SAMPLES as u64));
    group.bench_function("4096 samples", |bencher| {
        let mut histogram = histogram();
        bencher.iter(|| {
            for &latency_ns in &samples {
                histogram.record(black_box(latency_ns)).expect("below an hour");
            }
        });
    });
    group.finish();
}

/// Once per interval and worker, and once per worker at the end.
fn merging(criterion: &mut Criterion) {
    let mut interval = histogram();
    for latency_ns in samples() {
        interval.record(latency_ns).expect("below an hour");
    }
    let mut total = histogram();
    criterion.bench_function("merge one interval", |bencher| {
        bencher.iter(|| total.add(black_box(&interval)));
    });
}

criterion_group!(benches, recording, merging);
criterion_main!(benches);
