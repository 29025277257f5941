//! The selftest as a user starts it: it passes here, and fails where its server lies.

use std::process::Command;
use std::time::Duration;

use echo_test_support::bench_process::each_engine;
use echo_test_support::program::{own_program, run};
use echo_test_support::turn::turn;
use serde_json::Value;

const PATIENCE: Duration = Duration::from_mins(3);

/// The exit code and the document.
fn selftest(flags: &[&str]) -> (Option<i32>, Value) {
    let data = tempfile::tempdir().expect("there is room for files");
    let mut command = Command::new(own_program("echo-bench"));
    command.args(["selftest", "--quick", "--format=json", "-q"]).args(flags);
    command.env("XDG_DATA_HOME", data.path());
    let output = run(&mut command, b"", PATIENCE);
    let document: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {output:?}"));
    let kept = data.path().join("echo-bench/noise-floor.json").is_file();
    // That of a machine which did not pass would excuse too much.
    let is_worth = output.status.success() && document["noise_floor"].is_object();
    assert_eq!(kept, is_worth, "{output:?}");
    (output.status.code(), document)
}

fn outcomes(document: &Value, outcome: &str) -> Vec<String> {
    let checks = document["checks"].as_array().expect("by the schema").iter();
    let found = checks.filter(|check| check["outcome"] == outcome);
    found.map(|check| check["name"].as_str().expect("by the schema").to_owned()).collect()
}

/// Everything passes, but for what this skips. Once more if a busy machine was in the way.
#[track_caller]
fn assert_passes(flags: &[&str], skipped: &[&str]) {
    let mut found = selftest(flags);
    if found.0 != Some(0) {
        eprintln!("{flags:?} tested again: {:?} failed", outcomes(&found.1, "failed"));
        found = selftest(flags);
    }
    let (code, document) = found;
    assert_eq!(code, Some(0), "{flags:?}: {document:#}");
    assert_eq!(outcomes(&document, "skipped"), skipped, "{flags:?}");
    assert!(document["noise_floor"]["p50_ns"].as_u64() > Some(0), "{document:#}");
}

#[test]
fn a_selftest_passes_with_every_engine() {
    let _turn = turn();
    each_engine(|engine| assert_passes(&[engine], &[]));
}

#[test]
fn a_selftest_of_a_pool_passes() {
    let _turn = turn();
    assert_passes(&["--pool=2", "--protocol=frame", "--idle=sleep"], &["starved"]);
}

#[test]
fn a_selftest_of_a_chat_checks_what_applies() {
    let _turn = turn();
    let of_the_fault_server = [
        "fixed-delay",
        "arrivals",
        "closed-loop",
        "stall",
        "starved",
        "drop",
        "corrupt",
        "duplicate",
    ];
    assert_passes(&["--protocol=chat"], &of_the_fault_server);
}

#[test]
fn a_server_that_lies_by_ten_percent_fails_the_selftest() {
    let _turn = turn();
    let (code, document) = selftest(&["--lie=0.1"]);
    assert_eq!(code, Some(4), "{document:#}");
    let failed = outcomes(&document, "failed");
    for name in ["fixed-delay", "arrivals", "closed-loop", "stall"] {
        assert!(failed.iter().any(|one| one == name), "{name} is not among {failed:?}");
    }
    for name in ["drop", "corrupt", "duplicate"] {
        assert!(!failed.iter().any(|one| one == name), "{name} has no times: {failed:?}");
    }
}
