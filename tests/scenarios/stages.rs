//! Load in stages, at recorded instants and with a think time, over real sockets.

use std::path::Path;
use std::process::{Command, Output};

use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, run};
use serde_json::Value;

fn bench(folder: &Path, arguments: &[&str], input: &str) -> Output {
    let mut command = Command::new(own_program("echo-bench"));
    let arguments = [arguments, &["-q", "--no-report"]].concat();
    run(command.current_dir(folder).args(arguments), input.as_bytes(), PATIENCE)
}

fn json(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
}

/// Not pinned, since tests run side by side.
const SHORT: [&str; 5] = ["-c3", "-w300ms", "--interval=100ms", "--pin=off", "--format=json"];

#[test]
fn each_stage_is_reported_and_the_run_has_no_percentile_of_all() {
    let folder = tempfile::tempdir().expect("there is room for files");
    let stages = ["--stage=100:500ms", "--ramp=100..500:500ms", "--stage=500:500ms"];
    let objective = ["--slo=p50<60s"];
    let output = bench(folder.path(), &[&SHORT[..], &stages, &objective].concat(), "");
    let report = json(&output);
    let stages = report["stages"].as_array().expect("stages");
    let scheduled: Vec<_> =
        stages.iter().map(|stage| stage["requests"]["scheduled"].as_u64()).collect();
    assert_eq!(scheduled, [Some(50), Some(150), Some(250)]);
    let has_p50: Vec<_> =
        stages.iter().map(|stage| stage["latency"]["response"]["p50_ns"].is_u64()).collect();
    assert_eq!(has_p50, [true, false, true], "a ramp has none");
    assert!(report["summary"]["latency"]["response"].is_null());
    let judged: Vec<_> =
        report["slos"].as_array().expect("slos").iter().map(|slo| &slo["stage"]).collect();
    assert_eq!(judged, [1, 3]);

    let stored = folder.path().join("staged.json");
    std::fs::write(&stored, &output.stdout).expect("written");
    let shown = bench_report(folder.path(), &["report", "staged.json"]);
    for part in ["stages 100:500ms 100..500:500ms 500:500ms", "2 100..500:500ms", "in stage 3"]
    {
        assert!(shown.contains(part), "{part} in {shown}");
    }
    for format in ["markdown", "html", "csv"] {
        let shown = bench_report(folder.path(), &["report", "staged.json", "--format", format]);
        assert!(shown.contains("stage"), "{format}");
    }
    let compared = bench_report(folder.path(), &["compare", "staged.json", "staged.json"]);
    for stage in ["stage 1 (100:500ms)", "stage 3 (500:500ms)"] {
        assert!(compared.contains(stage), "{stage} in {compared}");
    }
}

fn bench_report(folder: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new(own_program("echo-bench"));
    let output = run(command.current_dir(folder).args(arguments), b"", PATIENCE);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let shown = String::from_utf8(output.stdout).expect("text");
    assert!(!shown.is_empty(), "{told}");
    shown
}

#[test]
fn recorded_instants_come_from_stdin_and_are_all_asked_for() {
    let folder = tempfile::tempdir().expect("there is room for files");
    let instants: Vec<_> = (0..40).map(|k| format!("{}ms # {k}", k / 4 * 20)).collect();
    let output =
        bench(folder.path(), &[&SHORT[..], &["--arrivals=-"]].concat(), &instants.join("\n"));
    let report = json(&output);
    assert_eq!(report["summary"]["requests"]["scheduled"], 40);
    assert_eq!(report["stages"][0]["kind"], "recorded");
    assert_eq!(report["plan"]["load"]["arrivals"]["instants_ns"][39], 180_000_000);
}

#[test]
fn users_who_think_ask_no_faster_than_they_think() {
    let folder = tempfile::tempdir().expect("there is room for files");
    let output = bench(folder.path(), &[&SHORT[..], &["--think=50ms", "-d1s"]].concat(), "");
    let report = json(&output);
    let asked = report["summary"]["requests"]["scheduled"].as_u64().expect("a count");
    assert!((3..=60).contains(&asked), "three users, at most 20 a second each: {asked}");
    assert_eq!(report["plan"]["think"]["mean_ns"], 50_000_000);
}

#[test]
fn repeats_of_a_load_in_stages_keep_the_order_of_its_flags() {
    let folder = tempfile::tempdir().expect("there is room for files");
    let stages = ["--ramp=50..200:300ms", "--stage=200:300ms", "--stage=50:300ms"];
    let repeated = [&SHORT[..], &stages, &["--repeat=2"]].concat();
    let report = json(&bench(folder.path(), &repeated, ""));
    let runs = report["cells"][0]["runs"].as_array().expect("runs");
    assert_eq!(runs.len(), 2);
    for run in runs {
        let names: Vec<_> =
            run["stages"].as_array().expect("stages").iter().map(|s| &s["name"]).collect();
        assert_eq!(names, ["50..200:300ms", "200:300ms", "50:300ms"]);
    }
}
