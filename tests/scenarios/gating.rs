//! Runs gated by a baseline.

use std::path::Path;
use std::process::Command;

use echo_test_support::bench_process::{BenchProcess, Finished};
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::own_program;

/// A run of one interval, with its baselines in `room`.
fn run(room: &Path, flags: &[&str]) -> Finished {
    let mut command = Command::new(own_program("echo-bench"));
    let common = ["--conns=2", "--requests=2000", "--warmup=0s"];
    BenchProcess::start_as(command.env("XDG_DATA_HOME", room), &[&common, flags].concat())
        .finish(PATIENCE)
}

#[test]
fn a_run_that_is_too_short_to_be_judged_does_not_pass_its_baseline() {
    let room = tempfile::tempdir().expect("there is room for files");
    let saved = run(room.path(), &["--save-baseline=main"]);
    assert_eq!(saved.code, Some(0), "{saved:#?}");
    let gated = run(room.path(), &["--baseline=main", "--fail-on=worse"]);
    assert_eq!(gated.code, Some(4), "{gated:#?}");
    assert!(
        gated.stderr.contains("no latency was compared: one run of 1 interval "),
        "{gated:#?}"
    );
    assert!(gated.stdout.contains("single run: run-to-run variance unknown"), "{gated:#?}");
    let row = gated.stdout.lines().find(|line| line.ends_with("not compared"));
    let row = row.expect("the metrics are shown").to_owned();
    assert!(
        row.starts_with("requests/s")
            && row.split_whitespace().filter(|word| *word == "-").count() == 1,
        "{row}"
    );
}
