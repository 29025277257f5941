//! Cost of each protocol's encoding and decoding: one message, and 64 pipelined, of 16 bytes to
//! 16 KiB. Throughput is in messages and in payload. The client's side is overhead of the
//! generator; the server's `receive` is the lower bound for every model.

use std::hint::black_box;
use std::time::SystemTime;

use criterion::{
    BatchSize, Bencher, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
};
use echo_proto::{ProtocolKind, Replies, Request, Requester, Respond, WriteMode};
use strum::VariantArray;

const SIZES: [usize; 4] = [16, 64, 1024, 16 * 1024];
const PIPELINES: [u64; 2] = [1, 64];
const MAX_MESSAGE: usize = 64 * 1024;

/// Input of one iteration.
struct Batch {
    kind: ProtocolKind,
    payload: Vec<u8>,
    pipeline: u64,
}

impl Batch {
    fn requester(&self) -> Requester {
        self.kind.requester(MAX_MESSAGE)
    }

    /// Encodes the requests into `wire`.
    fn encode(&self, requester: &mut Requester, wire: &mut Vec<u8>) {
        wire.clear();
        for number in 0..self.pipeline {
            requester.encode(number, black_box(&self.payload), wire);
        }
    }

    fn requests(&self) -> Vec<u8> {
        let mut wire = Vec::new();
        self.encode(&mut self.requester(), &mut wire);
        wire
    }

    /// A server's replies to the requests.
    fn replies(&self) -> Vec<u8> {
        let mut replies = Replies::new(WriteMode::Whole);
        let mut responder = self.kind.responder(MAX_MESSAGE, SystemTime::now);
        let _ = responder.receive(&self.requests(), &mut replies);
        replies.bytes().to_vec()
    }

    fn payload_bytes(&self) -> u64 {
        self.pipeline * self.payload.len() as u64
    }
}

/// Runs `bench` for every protocol, size and pipeline.
fn each(criterion: &mut Criterion, group: &str, bench: impl Fn(&mut Bencher<'_>, &Batch)) {
    let mut group = criterion.benchmark_group(group);
    for &kind in ProtocolKind::VARIANTS {
        for size in SIZES {
            for pipeline in PIPELINES {
                let batch = Batch { kind, payload: vec![b'x'; size], pipeline };
                let bytes = batch.payload_bytes();
                group.throughput(Throughput::ElementsAndBytes { elements: pipeline, bytes });
                let id = BenchmarkId::new(format!("{kind} {size} B"), pipeline);
                group.bench_function(id, |bencher| bench(bencher, &batch));
            }
        }
    }
    group.finish();
}

/// A new requester per iteration, as an unanswered one would grow; so these rows include the
/// first allocation of requesters that track requests.
fn encoding(criterion: &mut Criterion) {
    each(criterion, "encode", |bencher, batch| {
        let mut wire = Vec::new();
        bencher.iter_batched_ref(
            || batch.requester(),
            |requester| {
                batch.encode(requester, &mut wire);
                black_box(wire.len())
            },
            BatchSize::SmallInput,
        );
    });
}

fn decoding(criterion: &mut Criterion) {
    each(criterion, "decode", |bencher, batch| {
        let mut wire = Vec::new();
        let replies = batch.replies();
        bencher.iter_batched_ref(
            || {
                let mut requester = batch.requester();
                batch.encode(&mut requester, &mut wire);
                requester
            },
            |requester| {
                let mut bytes = 0;
                let decoded =
                    requester.decode(black_box(&replies), |reply| bytes += reply.body.len());
                assert!(decoded.is_ok() && bytes as u64 == batch.payload_bytes());
            },
            BatchSize::SmallInput,
        );
    });
}

fn serving(criterion: &mut Criterion) {
    each(criterion, "receive", |bencher, batch| {
        let (mut requester, mut wire) = (batch.requester(), Vec::new());
        let mut responder = batch.kind.responder(MAX_MESSAGE, SystemTime::now);
        let mut replies = Replies::new(WriteMode::Whole);
        // The first requests begin with what opens a connection.
        batch.encode(&mut requester, &mut wire);
        let _ = responder.receive(&wire, &mut replies);
        batch.encode(&mut requester, &mut wire);
        bencher.iter(|| {
            replies.clear();
            let flow = responder.receive(black_box(&wire), &mut replies);
            black_box((flow, replies.bytes().len()))
        });
    });
}

criterion_group!(benches, encoding, decoding, serving);
criterion_main!(benches);
