//! Sweeps against a running server: which runs are measured, which are reused, and what is
//! reported.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use echo_server::model::ModelKind;
use serde_json::Value;

use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, run};
use echo_test_support::running_server::RunningServer;

/// Two cells of fifty requests, stored in `room/kept`, or in the same with a number.
fn sweep(room: &Path, flags: &[&str]) -> Output {
    let mut command = Command::new(own_program("echo-bench"));
    command.current_dir(room).arg("sweep").args(flags);
    command.args(["--conns=1,2", "--requests=50", "--warmup=0s", "--repeat=1", "--dir=kept"]);
    run(&mut command, b"", PATIENCE)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("it is text")
}

/// When the run of a cell started, and which process it measured.
fn run_of(room: &Path, folder: &str, cell: u32) -> (String, u64) {
    let file = room.join(folder).join(format!("cell00{cell}-repeat01.json"));
    let report = fs::read(&file).expect("the cell was measured");
    let report: Value = serde_json::from_slice(&report).expect("it is JSON");
    let started = report["started_at"].as_str().expect("it began").to_owned();
    (started, report["server"]["pid"].as_u64().unwrap_or_default())
}

/// Leaves a folder like a sweep that was interrupted after its first cell.
fn cut(room: &Path, folder: &str) {
    fs::remove_file(room.join(folder).join("sweep.json")).expect("it was finished");
    fs::remove_file(room.join(folder).join("cell002-repeat01.json")).expect("it was measured");
}

#[test]
fn a_finished_sweep_is_measured_anew_unless_it_is_asked_for() {
    let room = tempfile::tempdir().expect("there is room for files");
    let room = room.path();
    let server = RunningServer::start(ModelKind::Epoll, &[]);
    // The server instead of a plan file, as in a run.
    let target = server.address().to_string();
    let first = sweep(room, &[&target]);
    assert_eq!(first.status.code(), Some(0), "{}", text(&first.stderr));
    assert!(!text(&first.stdout).contains("reused"), "{}", text(&first.stdout));
    let old = run_of(room, "kept", 1);
    assert_eq!(old.1, u64::from(server.pid()));

    let again = sweep(room, &[&target]);
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    assert!(!text(&again.stdout).contains("reused"), "{}", text(&again.stdout));
    assert!(text(&again.stderr).contains("--resume"), "{}", text(&again.stderr));
    let new = run_of(room, "kept-2", 1);
    assert!(new.0 > old.0, "measured anew: {new:?} {old:?}");
    assert_eq!(run_of(room, "kept", 1), old, "and the old runs are still there");

    let resumed = sweep(room, &["--resume", &target]);
    let told = text(&resumed.stdout);
    assert_eq!(resumed.status.code(), Some(0), "{told}");
    assert!(told.contains("reused-runs: 2 runs of a finished sweep are reused"), "{told}");
    assert!(told.contains("s old"), "the age is told: {told}");
    assert_eq!(run_of(room, "kept-2", 1), new);
}

#[test]
fn a_sweep_that_was_cut_goes_on_and_says_so_unless_the_server_was_replaced() {
    let room = tempfile::tempdir().expect("there is room for files");
    let room = room.path();
    let server = RunningServer::start(ModelKind::Epoll, &[]);
    let address = server.address().to_string();
    let target = format!("--target={address}");
    sweep(room, &[&target]);
    let old = run_of(room, "kept", 1);

    cut(room, "kept");
    let continued = sweep(room, &[&target]);
    let told = text(&continued.stdout);
    assert_eq!(continued.status.code(), Some(0), "{}", text(&continued.stderr));
    assert!(told.contains("reused-runs: 1 run of an unfinished sweep is reused"), "{told}");
    assert_eq!(run_of(room, "kept", 1), old, "what was measured is kept");
    assert_eq!(run_of(room, "kept", 2).1, u64::from(server.pid()));

    cut(room, "kept");
    drop(server);
    let stopped = sweep(room, &[&target]);
    assert_eq!(stopped.status.code(), Some(1), "no server: {}", text(&stopped.stdout));
    let server = RunningServer::start_at(&address, ModelKind::Threads, &[]);
    let replaced = sweep(room, &[&target]);
    let told = text(&replaced.stdout);
    assert_eq!(replaced.status.code(), Some(0), "{}", text(&replaced.stderr));
    assert!(!told.contains("reused"), "{told}");
    for cell in [1, 2] {
        let newest = if room.join("kept-3").exists() { "kept-3" } else { "kept-2" };
        assert_eq!(run_of(room, newest, cell).1, u64::from(server.pid()), "{newest}");
    }
    assert_eq!(run_of(room, "kept", 1), old, "and the old runs are still there");
}
