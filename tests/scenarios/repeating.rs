//! `--repeat`: several runs of one plan, how much they vary, and what takes such a report.

use std::path::Path;
use std::process::{Command, Output};

use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, run};
use serde_json::Value;

fn bench(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(own_program("echo-bench"));
    run(command.current_dir(folder).args(arguments), b"", PATIENCE)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

/// Not pinned, since tests run side by side.
const SHORT: [&str; 7] =
    ["-c2", "-d300ms", "-w0s", "--interval=100ms", "--pin=off", "--seed=7", "--slo=errors<50%"];

#[test]
fn runs_vary_from_run_to_run_and_each_has_a_server_of_its_own() {
    let folder = tempfile::tempdir().expect("there is room for files");
    let repeat = [&SHORT[..], &["--repeat=3", "--model=epoll", "-o", "runs.json"]].concat();
    let output = bench(folder.path(), &repeat);
    let (shown, told) = (text(&output.stdout), text(&output.stderr));
    assert_eq!(output.status.code(), Some(0), "{shown}{told}");
    assert!(told.contains("[  3/3] run 3: "), "{told}");
    for line in
        ["embedded echo-server, model epoll", "3 runs, closed loop", "requests/s", "p99"]
    {
        assert!(shown.contains(line), "{line} in {shown}");
    }
    assert!(shown.contains("95 % run to run"), "{shown}");
    let stored = std::fs::read_to_string(folder.path().join("runs.json")).expect("written");
    let stored: Value = serde_json::from_str(&stored).expect("JSON");
    let runs = stored["cells"][0]["runs"].as_array().expect("runs");
    let seeds: Vec<_> = runs.iter().filter_map(|run| run["plan"]["seed"].as_u64()).collect();
    assert_eq!(seeds, [7, 8, 9]);
    let mut servers: Vec<_> = runs.iter().filter_map(|r| r["server"]["pid"].as_u64()).collect();
    servers.dedup();
    assert_eq!(servers.len(), 3, "one server per run");
    // One report, and nothing else.
    let kept = std::fs::read_dir(folder.path().join("reports/runs")).expect("reports are kept");
    assert_eq!(kept.count(), 1);

    let shown_again = bench(folder.path(), &["report", "runs.json"]);
    assert_eq!(text(&shown_again.stdout), shown);
    for (format, part) in [("markdown", "- requests/s: "), ("html", "95")] {
        let output = bench(folder.path(), &["report", "runs.json", "--format", format]);
        assert!(text(&output.stdout).contains(part), "{format}");
    }
    let compared = bench(folder.path(), &["compare", "runs.json", "reports/runs"]);
    let told = text(&compared.stdout);
    assert!(told.contains("3 + 3 runs, intervals from run-to-run variance"), "{told}");
    let merged = bench(folder.path(), &["merge", "runs.json", "--format", "text"]);
    assert_eq!(merged.status.code(), Some(0), "{}", text(&merged.stderr));
}

#[test]
fn a_run_that_measures_nothing_is_said_and_decides_how_it_ends() {
    let folder = tempfile::tempdir().expect("there is room for files");
    let nobody = [&SHORT[..], &["--repeat=2", "127.0.0.1:1"]].concat();
    let output = bench(folder.path(), &nobody);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("connecting to 127.0.0.1:1"), "{output:?}");
    let missed = [&SHORT[..5], &["--repeat=2", "--slo=p50<1ns"]].concat();
    let output = bench(folder.path(), &missed);
    // Undecided, where a busy machine leaves too few values.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{output:?}");
    assert!(text(&output.stdout).contains("in the worst of 2 runs, "), "{output:?}");
}

#[test]
fn what_can_not_be_repeated_is_refused() {
    let folder = tempfile::tempdir().expect("there is room for files");
    for (flags, told) in [
        (&["--repeat=1"][..], "--repeat must be at least 2"),
        (&["--repeat=2", "--hgrm=-"], "--hgrm"),
        (&["--repeat=2", "--message-file=-"], "--message-file - is read once"),
        (&["--repeat=2", "--conns=0"], "--conns"),
    ] {
        let output = bench(folder.path(), flags);
        assert_eq!(output.status.code(), Some(2), "{flags:?}");
        assert!(text(&output.stderr).contains(told), "{flags:?}: {}", text(&output.stderr));
    }
}

#[test]
fn a_plan_is_compared_with_itself() {
    let folder = tempfile::tempdir().expect("there is room for files");
    let check = ["compare", "--self-check", "--runs=2", "--comparisons=2", "--resamples=200"];
    let short = ["--", "-c2", "-d300ms", "-w0s", "--pin=off", "--model=epoll"];
    let output = bench(folder.path(), &[&check[..], &short].concat());
    let (shown, told) = (text(&output.stdout), text(&output.stderr));
    assert!(matches!(output.status.code(), Some(0 | 4)), "{shown}{told}");
    assert!(told.contains("[  8/8] run 8: "), "{told}");
    for part in
        ["A against A: embedded echo-server, model epoll", "of 4 comparisons", "requests/s"]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}
