//! What programs read: lines of a run while it goes, results as CSV, BMF, `JUnit`, annotations and
//! metrics, runs over time, and the action that compares two commits.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod action;
mod files;
mod history;
mod live_metrics;
mod stream;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use echo_test_support::made_up::{self, Shape};
use serde_json::Value;

/// How long anything here may take on a machine that has much to do.
const PATIENCE: Duration = Duration::from_mins(2);

/// A short run.
const RUN: [&str; 6] =
    ["--conns=2", "--duration=500ms", "--warmup=0", "--quiet", "--threads=1", "--pin=off"];

fn command(room: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo-bench"));
    command.args(arguments).current_dir(room).env("XDG_DATA_HOME", room);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn echo_bench(room: &Path, arguments: &[&str]) -> Output {
    command(room, arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// A made-up report; `number` decides when it began.
fn report(number: u64, level_us: u64) -> Value {
    made_up::report(Shape { intervals: 10, answers: 500, spread: 101 }, number, level_us)
}

/// Writes reports into a folder, the first of `number`.
fn write(folder: &Path, first: u64, levels_us: &[u64], change: impl Fn(&mut Value)) {
    std::fs::create_dir_all(folder).unwrap();
    for (number, level) in (first..).zip(levels_us) {
        let mut report = report(number, *level);
        change(&mut report);
        std::fs::write(folder.join(format!("{number:03}.json")), report.to_string()).unwrap();
    }
}
