//! What the bytes of each protocol cost: one message, and 64 pipelined, of 64 bytes. The
//! client's encoding and decoding are costs of the instrument; the server's `receive` is
//! the floor under every model.

use std::hint::black_box;
use std::time::SystemTime;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use echo_proto::{ProtocolKind, Replies, Request, Requester, Respond, WriteMode};
use strum::VariantArray;

const PAYLOAD: [u8; 64] = [b'x'; 64];
const MAX_MESSAGE: usize = 64 * 1024;
const PIPELINES: [u64; 2] = [1, 64];

/// Appends `pipeline` requests to `wire`.
fn encode(requester: &mut Requester, pipeline: u64, wire: &mut Vec<u8>) {
    for number in 0..pipeline {
        requester.encode(number, black_box(&PAYLOAD), wire);
    }
}

/// The replies of a server to the requests in `wire`.
fn replies_to(kind: ProtocolKind, wire: &[u8]) -> Vec<u8> {
    let mut replies = Replies::new(WriteMode::Whole);
    let _ = kind.responder(MAX_MESSAGE, SystemTime::now).receive(wire, &mut replies);
    replies.bytes().to_vec()
}

/// Runs `bench` for every protocol and pipeline, with the payload as throughput.
fn each(
    criterion: &mut Criterion,
    group: &str,
    mut bench: impl FnMut(&mut criterion::Bencher<'_>, ProtocolKind, u64),
) {
    let mut group = criterion.benchmark_group(group);
    for &kind in ProtocolKind::VARIANTS {
        for pipeline in PIPELINES {
            group.throughput(Throughput::Bytes(pipeline * PAYLOAD.len() as u64));
            let id = BenchmarkId::new(kind.to_string(), pipeline);
            group.bench_function(id, |bencher| bench(bencher, kind, pipeline));
        }
    }
    group.finish();
}

/// A new requester for each round, as one that is never answered would grow; so the first
/// allocation of one that remembers what it waits for is in these rows.
fn encoding(criterion: &mut Criterion) {
    each(criterion, "encode", |bencher, kind, pipeline| {
        let mut wire = Vec::new();
        bencher.iter_batched_ref(
            || kind.requester(MAX_MESSAGE),
            |requester| {
                wire.clear();
                encode(requester, pipeline, &mut wire);
                black_box(wire.len())
            },
            criterion::BatchSize::SmallInput,
        );
    });
}

fn decoding(criterion: &mut Criterion) {
    each(criterion, "decode", |bencher, kind, pipeline| {
        let mut wire = Vec::new();
        encode(&mut kind.requester(MAX_MESSAGE), pipeline, &mut wire);
        let replies = replies_to(kind, &wire);
        bencher.iter_batched_ref(
            || {
                let mut requester = kind.requester(MAX_MESSAGE);
                wire.clear();
                encode(&mut requester, pipeline, &mut wire);
                requester
            },
            |requester| {
                let mut bytes = 0;
                let decoded =
                    requester.decode(black_box(&replies), |reply| bytes += reply.body.len());
                assert!(decoded.is_ok() && bytes as u64 == pipeline * PAYLOAD.len() as u64);
            },
            criterion::BatchSize::SmallInput,
        );
    });
}

fn serving(criterion: &mut Criterion) {
    each(criterion, "receive", |bencher, kind, pipeline| {
        let mut wire = Vec::new();
        encode(&mut kind.requester(MAX_MESSAGE), pipeline, &mut wire);
        let mut responder = kind.responder(MAX_MESSAGE, SystemTime::now);
        let mut replies = Replies::new(WriteMode::Whole);
        bencher.iter(|| {
            replies.clear();
            let flow = responder.receive(black_box(&wire), &mut replies);
            black_box((flow, replies.bytes().len()))
        });
    });
}

criterion_group!(benches, encoding, decoding, serving);
criterion_main!(benches);
