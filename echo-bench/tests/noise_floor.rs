//! What a run says of the noise floor that a selftest has left.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::path::Path;
use std::process::Command;

use echo_bench_engine::plan::{EngineKind, IdleStrategy};
use echo_bench_report::report::{Environment, Machine, NoiseFloor, NoiseFloors, store};
use serde_json::Value;

/// The report of a short run with this data directory.
fn run(data: &Path) -> Value {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo-bench"));
    command.args([
        "-c1",
        "-t1",
        "-n",
        "200",
        "-w0",
        "--idle=sleep",
        "--pin=off",
        "-q",
        "--no-report",
    ]);
    command.args(["--format", "json"]).env("XDG_DATA_HOME", data);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn note(report: &Value) -> Option<&str> {
    let mut warnings = report["warnings"].as_array().unwrap().iter();
    warnings.find(|warning| warning["code"] == "near-noise-floor")?["message"].as_str()
}

#[test]
fn a_run_near_the_noise_floor_says_so_and_is_no_worse_for_it() {
    let data = tempfile::tempdir().unwrap();
    assert_eq!(note(&run(data.path())), None, "none is stored");
    let directory = data.path().join("echo-bench");
    std::fs::create_dir(&directory).unwrap();
    let keep = |p50_ns, machine: Machine| {
        let mut floors = NoiseFloors::of(machine);
        floors.put(NoiseFloor {
            engine: EngineKind::Epoll,
            idle: IdleStrategy::Sleep,
            measured_at: "2026-01-02T03:04:05.678Z".into(),
            p50_ns,
            p99_ns: p50_ns,
        });
        std::fs::write(directory.join("noise-floor.json"), store::to_json(&floors)).unwrap();
    };
    let here = || Machine::of(&Environment::read(true));
    // A day, so that any latency is near it.
    let far_above = 24 * 3600 * 1_000_000_000;
    keep(far_above, here());
    let report = run(data.path());
    let said = note(&report).unwrap();
    assert!(said.contains("below this machine's noise floor"), "{said}");
    assert!(said.contains("selftest of 2026-01-02"), "{said}");
    keep(1, here());
    assert_eq!(note(&run(data.path())), None, "far above it");
    keep(far_above, Machine { kernel: Some("another".into()), ..here() });
    assert_eq!(note(&run(data.path())), None, "of another machine");
    std::fs::write(directory.join("noise-floor.json"), "{").unwrap();
    assert_eq!(note(&run(data.path())), None, "damaged");
}
