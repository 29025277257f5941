//! Objectives of sweeps and of runs in every format, as their user meets them.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::path::Path;
use std::process::{Command, Output};

fn echo_bench(folder: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_echo-bench"))
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap();
    (status.code(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

const RUN: [&str; 7] =
    ["-c1", "-n200", "--warmup=0", "--model=epoll", "--quiet", "--no-report", "--timeout=30s"];

#[test]
fn a_missed_objective_is_exit_3_and_says_why_in_every_format() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["text", "markdown", "csv", "json", "html"] {
        let format = format!("--format={format}");
        let args = [&RUN[..], &["--slo=p50<1ns", &format]].concat();
        let (code, stdout, stderr) = echo_bench(folder.path(), &args);
        assert_eq!(code, Some(3), "{format}: {stderr}");
        let told = if format.ends_with("text") { &stdout } else { &stderr };
        assert!(told.contains("p50<1ns: MISSED, measured "), "{format}: {told}");
        assert_eq!(told.matches("p50<1ns: MISSED").count(), 1, "{format}: {told}");
    }
    let args = [&RUN[..], &["--slo=p50<1ns", "-o", "-"]].concat();
    let (code, _, stderr) = echo_bench(folder.path(), &args);
    assert!(code == Some(3) && stderr.contains("MISSED"), "{stderr}");
}

#[test]
fn an_undecided_objective_is_told_and_exit_4_only_if_strict() {
    let folder = tempfile::tempdir().unwrap();
    // 200 requests say too little of the p99.9, however fast they are.
    let args = [&RUN[..], &["--slo=p99.9<1h"]].concat();
    let (code, stdout, _) = echo_bench(folder.path(), &args);
    assert_eq!(code, Some(0), "{stdout}");
    let line = stdout.lines().find(|line| line.starts_with("slo ")).unwrap();
    assert!(line.contains("p99.9<1h: undecided, measured ~"), "{line}");
    assert!(line.contains("(p99.9 needs 3 688)"), "{line}");
    let (code, ..) = echo_bench(folder.path(), &[&args[..], &["--strict"]].concat());
    assert_eq!(code, Some(4));
    // What is missed is missed.
    let args = [&args[..], &["--slo=p50<1ns"]].concat();
    assert_eq!(echo_bench(folder.path(), &args).0, Some(3));
}

#[test]
fn a_limit_without_a_unit_is_refused_with_the_remedy() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = ["sweep", "--conns=1,2", "--duration=100ms"];
    for command in [&["run"][..], &sweep] {
        let args = [command, &["--slo=p99<5"]].concat();
        let (code, _, stderr) = echo_bench(folder.path(), &args);
        assert_eq!(code, Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains("write `5ms` or `5s`"), "{args:?}: {stderr}");
    }
}

#[test]
fn a_sweep_judges_every_cell_and_a_missed_objective_is_exit_3() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = [
        "sweep",
        "--conns=1,2",
        "--repeat=2",
        "--requests=200",
        "--warmup=0",
        "--model=epoll",
        "--quiet",
        "--resamples=100",
        "--slo=p50<1ns",
        "--slo=p50<1h",
    ];
    let missed_in = |told: &str| {
        // Markdown escapes what it would take for markup.
        let told = told.replace('\\', "");
        for cell in ["conns=1", "conns=2"] {
            let words = |line: &str| -> Vec<String> {
                line.split_whitespace().filter(|word| *word != "|").map(str::to_owned).collect()
            };
            let mut rows = told.lines().map(words);
            let row =
                rows.find(|row| row.starts_with(&[cell.to_owned(), "p50<1ns".to_owned()]));
            let row = row.unwrap_or_else(|| panic!("no objective of {cell}: {told}"));
            // Missed, undecided, runs.
            assert!(row.join(" ").ends_with("MISSED 2 0 2"), "{cell}: {told}");
        }
    };
    let (code, stdout, _) = echo_bench(folder.path(), &[&sweep[..], &["--dir=one"]].concat());
    assert_eq!(code, Some(3), "{stdout}");
    missed_in(&stdout);
    let json = [&sweep[..], &["--dir=two", "--format=json"]].concat();
    let (code, stdout, stderr) = echo_bench(folder.path(), &json);
    assert_eq!(code, Some(3), "{stderr}");
    for cell in ["conns=1", "conns=2"] {
        let missed = format!("{cell}: p50<1ns: MISSED, measured ");
        let line = stderr.lines().find(|line| line.contains(&missed)).unwrap_or_default();
        assert!(line.ends_with("2 of 2 runs missed"), "{cell}: {stderr}");
    }
    let show = |format| echo_bench(folder.path(), &["report", "two/sweep.json", format]).1;
    missed_in(&show("--format=markdown"));
    assert!(show("--format=html").contains("title-objectives"));
    let sweep: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    let slos = sweep["analysis"]["slos"].as_array().unwrap();
    let outcomes: Vec<&str> = slos.iter().map(|slo| slo["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["missed", "met", "missed", "met"]);
}
