//! Cost of generating a message, and of verifying an echo, which the generator does for every
//! request and every reply.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use echo_bench_engine::messages::{Messages, Verify};

fn messages(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("messages");
    group.throughput(Throughput::Elements(1));
    for size in [16, 64, 1024, 16 * 1024] {
        let messages = Messages::generated(size, size, 0, Verify::Full);
        let mut text = Vec::new();
        group.bench_function(BenchmarkId::new("write", size), |bencher| {
            let mut request = 0;
            bencher.iter(|| {
                request += 1;
                messages.write(black_box(7), request, &mut text);
                black_box(&mut text);
            });
        });
        group.bench_function(BenchmarkId::new("check", size), |bencher| {
            messages.write(7, 3, &mut text);
            bencher.iter(|| messages.check(black_box(7), black_box(3), &text).is_ok());
        });
    }
    group.finish();
}

criterion_group!(benches, messages);
criterion_main!(benches);
