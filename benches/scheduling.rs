//! Cost of computing when the next request is due, which an open-loop run does for every
//! request.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use echo_bench_engine::schedule::{Arrival, ArrivalStream};
use strum::VariantArray;

const CONNECTIONS: u32 = 50;

fn scheduling(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("schedule");
    group.throughput(Throughput::Elements(1));
    for &arrival in Arrival::VARIANTS {
        group.bench_function(BenchmarkId::new("next due instant", arrival), |bencher| {
            let mut due = ArrivalStream::new(1, 20_000.0, arrival, 7, CONNECTIONS);
            bencher.iter(|| black_box(due.next()));
        });
    }
    group.finish();
}

criterion_group!(benches, scheduling);
criterion_main!(benches);
