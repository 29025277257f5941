//! Stored documents are a stranger's: whatever is changed in one, reading it, showing it,
//! comparing, merging and analysing it ends with a result or a refusal, and with memory in
//! proportion.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod mutation;
mod originals;
mod texts;
mod uses;

use std::alloc::System;
use std::sync::{Mutex, MutexGuard, PoisonError};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use mutation::Mutation;
use originals::{ORIGINALS, Original};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Set to a number of cases to try more of them.
const CASES: &str = "ECHO_BENCH_FUZZ_CASES";

/// Most that reading a document of a test may allocate in total: a few times its text, and one
/// inflated histogram after the other.
const MOST_TO_READ: usize = 64 << 20;

/// One test at a time: what is allocated is counted for the whole process.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn cases() -> u32 {
    std::env::var(CASES).ok().and_then(|cases| cases.parse().ok()).unwrap_or(64)
}

/// How much was allocated in between, freed or not.
fn allocated<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let region = Region::new(ALLOCATOR);
    let done = work();
    (done, region.change().bytes_allocated)
}

fn fuzz(original: &Original) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("document.json");
    let mutations = prop::collection::vec(any::<Mutation>(), 1..4);
    let mut runner =
        TestRunner::new(Config { failure_persistence: None, ..Config::with_cases(cases()) });
    let read = std::cell::Cell::new(0);
    let outcome = runner.run(&mutations, |mutations| {
        let mut document = original.document();
        for mutation in &mutations {
            mutation.apply(&mut document);
        }
        std::fs::write(&path, mutation::text(&document)).unwrap();
        let (valid, bytes) = allocated(|| original.kind.read(&path));
        prop_assert!(bytes < MOST_TO_READ, "{bytes} bytes to read it");
        if let Some(valid) = valid {
            read.set(read.get() + 1);
            valid.used(original);
        }
        Ok(())
    });
    outcome.unwrap_or_else(|error| panic!("{}: {error}", original.name));
    assert!(read.get() > 0, "{}: some changes do no harm", original.name);
}

#[test]
fn any_change_of_a_document_is_used_or_refused() {
    let _turn = turn();
    for original in ORIGINALS.iter() {
        fuzz(original);
    }
}

#[test]
fn documents_of_older_versions_are_read() {
    let _turn = turn();
    let reports = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../reports");
    let mut found = 0;
    for study in std::fs::read_dir(reports).unwrap() {
        let sweep = study.unwrap().path().join("sweep.json");
        if sweep.is_file() {
            let read: echo_bench_report::sweep::Sweep =
                echo_bench_report::report::store::open(&sweep).unwrap().parse().unwrap();
            assert!(read.finished() > 0);
            found += 1;
        }
    }
    assert!(found >= 5, "the published studies are there");
}
