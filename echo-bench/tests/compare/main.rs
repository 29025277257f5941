//! `compare`, `merge`, `report` and baselines as a user meets them, on reports made up here.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod baselines;
mod gates;
mod own_share;

use std::path::Path;
use std::process::{Command, Output};

use echo_test_support::made_up::{self, Shape};
use serde_json::{Value, json};

use echo_bench_engine::record::Latency;
use echo_bench_report::report::LatencySummary;

/// Ten intervals of close latencies.
fn report(number: u64, level_us: u64) -> Value {
    made_up::report(Shape { intervals: 10, answers: 500, spread: 101 }, number, level_us)
}

/// Writes a side of `runs` reports; the runs of two sides take turns by their numbers.
fn side(place: &Path, first: u64, runs: u64, level_us: u64, change: impl Fn(&mut Value)) {
    std::fs::create_dir_all(place).unwrap();
    for run in 0..runs {
        let number = first + 2 * run;
        let mut report = report(number, level_us);
        change(&mut report);
        std::fs::write(place.join(format!("{number}.json")), report.to_string()).unwrap();
    }
}

fn same(_: &mut Value) {}

/// Makes a report one of so few intervals that a single run of it can't be judged.
fn short(number: u64, level_us: u64) -> impl Fn(&mut Value) {
    move |report| {
        let shape = Shape { intervals: 2, answers: 500, spread: 101 };
        *report = made_up::report(shape, number, level_us);
    }
}

/// Makes a report one of a server that never answered.
fn unanswered(report: &mut Value) {
    let summary = &mut report["summary"];
    summary["requests"]["reset"] = summary["requests"]["ok"].take();
    summary["requests"]["ok"] = 0.into();
    summary["answered_in_window"] = 0.into();
    summary["latency"]["response"] = Value::Null;
    summary["latency"]["service"] = Value::Null;
    for interval in report["intervals"].as_array_mut().unwrap() {
        interval["errors"] = interval["ok"].take();
        interval["ok"] = 0.into();
        interval["response"] = Value::Null;
    }
}

fn echo_bench(directory: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_echo-bench"))
        .args(args)
        .current_dir(directory)
        .env("XDG_DATA_HOME", directory)
        .output()
        .unwrap()
}

fn stdout(output: Output) -> String {
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{told}");
    String::from_utf8(output.stdout).unwrap()
}

/// The metrics of the only case, by name.
fn metric<'a>(comparison: &'a Value, name: &str) -> &'a Value {
    let metrics = comparison["candidates"][0]["cases"][0]["metrics"].as_array().unwrap();
    metrics.iter().find(|known| known["metric"] == name).unwrap()
}

fn verdict<'a>(comparison: &'a Value, metric: &str) -> &'a str {
    self::metric(comparison, metric)["verdict"].as_str().unwrap()
}

#[test]
fn an_interval_and_its_verdict_agree() {
    let room = tempfile::tempdir().unwrap();
    side(&room.path().join("base"), 1, 3, 1000, same);
    // Differences from none to plain: somewhere between them nine questions are too many.
    for level in (1000..=1100).step_by(10) {
        let new = format!("new{level}");
        let noisy = |report: &mut Value| {
            let number = report["plan"]["seed"].as_u64().unwrap();
            *report = self::report(number, level + 8 * (number % 3));
        };
        side(&room.path().join(&new), 2, 3, level, noisy);
        let args = ["compare", "base", &new, "--resamples", "200", "-o", "comparison.json"];
        let text = stdout(echo_bench(room.path(), &args));
        let stored = std::fs::read_to_string(room.path().join("comparison.json")).unwrap();
        let comparison: Value = serde_json::from_str(&stored).unwrap();
        let metrics = comparison["candidates"][0]["cases"][0]["metrics"].as_array().unwrap();
        for found in metrics.iter().filter(|found| found["ratio"].is_f64()) {
            let [low, high] = [0, 1].map(|end| found["interval_holm"][end].as_f64().unwrap());
            let beyond = low > 1.01 || high < 1.0 / 1.01;
            let called = found["verdict"] == "better" || found["verdict"] == "worse";
            assert_eq!(beyond, called, "{level}: {found}");
        }
        let open = |row: &&str| row.ends_with("no evidence of a difference");
        for row in text.lines().filter(open).filter(|row| !row.starts_with("errors")) {
            let interval = row.split_whitespace().find(|word| word.contains("..")).unwrap();
            let (low, high) = interval.split_once("..").unwrap();
            let [low, high] = [low, high].map(|end| end.parse::<f64>().unwrap());
            assert!(low <= 1.0 && high >= 1.0, "{row}");
        }
    }
}

#[test]
fn what_is_typed_wrongly_is_a_usage_error_before_anything_is_read() {
    let room = tempfile::tempdir().unwrap();
    for (args, way_out) in [
        (&["compare"][..], "name a base and a new side"),
        (&["compare", "a.json"], "name a base and a new side"),
        (&["compare", "--fail-on", "worse"], "name a base and a new side"),
        (&["compare", "--new", "a.json"], "--base"),
        (&["compare", "a.json", "b.json", "--new", "c.json"], "--base"),
        (&["compare", "a.json", "b.json", "--resamples", "7"], "--resamples"),
        (&["compare", "a.json", "b.json", "--resamples", "9999999999"], "--resamples"),
        (&["compare", "a.json", "b.json", "c.json", "--save-baseline", "x"], "--new"),
    ] {
        let output = echo_bench(room.path(), args);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?}: {told}");
        assert!(told.contains(way_out), "{args:?}: {told}");
    }
    let missing = echo_bench(room.path(), &["compare", "a.json", "b.json"]);
    assert_eq!(missing.status.code(), Some(1), "a file that is not there is no usage error");
}

#[test]
fn sides_that_differ_are_told_with_what_else_differs_first() {
    let room = tempfile::tempdir().unwrap();
    side(&room.path().join("base"), 1, 5, 100, same);
    side(&room.path().join("new"), 2, 5, 200, |report| {
        report["plan"]["socket"]["nodelay"] = false.into();
        report["environment"]["kernel"] = "Linux 6.2".into();
    });
    let text = stdout(echo_bench(room.path(), &["compare", "base", "new"]));
    insta::assert_snapshot!("text", text);
    let args = ["compare", "base", "new", "--format", "markdown"];
    insta::assert_snapshot!("markdown", stdout(echo_bench(room.path(), &args)));
    let failed = echo_bench(room.path(), &["compare", "base", "new", "--fail-on", "worse"]);
    assert_eq!(failed.status.code(), Some(3));
    let better = echo_bench(room.path(), &["compare", "new", "base", "--fail-on", "worse"]);
    assert_eq!(better.status.code(), Some(0), "better is no failure");
}

#[test]
fn a_page_of_a_comparison_is_written_and_shown_again() {
    let room = tempfile::tempdir().unwrap();
    side(&room.path().join("base"), 1, 3, 100, same);
    side(&room.path().join("new"), 2, 3, 200, same);
    let printed = stdout(echo_bench(room.path(), &["compare", "base", "new", "-o", "c.html"]));
    assert!(
        printed.contains("\nnew against base\n") && !printed.contains("<!doctype"),
        "{printed}"
    );
    assert!(std::fs::read_to_string(room.path().join("c.html")).unwrap().starts_with("<!doc"));
    assert_eq!(stdout(echo_bench(room.path(), &["report", "c.html"])), printed);
    stdout(echo_bench(room.path(), &["compare", "base", "new", "-o", "c.json"]));
    let shown = |args: &[&str]| stdout(echo_bench(room.path(), &[&["report"], args].concat()));
    let of_page = shown(&["c.html", "--format", "json"]);
    assert_eq!(of_page, shown(&["c.json", "--format", "json"]));
    assert!(shown(&["c.html", "--format", "markdown"]).contains("\n### new"));
    let page = ["compare", "base", "new", "--format", "html"];
    let page = stdout(echo_bench(room.path(), &page));
    shown(&["c.json", "-o", "again.html"]);
    assert_eq!(std::fs::read_to_string(room.path().join("again.html")).unwrap(), page);
    assert_eq!(page, shown(&["c.json", "--format", "html"]), "a page depends on its data only");
    let refused = echo_bench(room.path(), &["report", "c.html", "--format", "openmetrics"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("use --format text, json"));
}

#[test]
fn equal_sides_are_no_evidence_and_a_threshold_hides_what_is_small() {
    let room = tempfile::tempdir().unwrap();
    for (name, first, level) in [("a", 1, 1000), ("b", 2, 1000), ("c", 2, 1030)] {
        side(&room.path().join(name), first, 5, level, same);
    }
    let compared = |args: &[&str]| -> Value {
        let args = [&["compare", "--format", "json"], args].concat();
        serde_json::from_str(&stdout(echo_bench(room.path(), &args))).unwrap()
    };
    let equal = compared(&["a", "b"]);
    assert_eq!(equal["schema"], "echo-bench.comparison/1");
    for metric in ["throughput", "p50", "p90", "p99", "p99.9", "max", "client_cpu", "errors"] {
        assert_eq!(verdict(&equal, metric), "no_evidence", "{metric}");
    }
    assert_eq!(verdict(&equal, "server_cpu"), "not_compared");
    assert_eq!(verdict(&compared(&["a", "c"]), "p50"), "worse");
    assert_eq!(verdict(&compared(&["a", "c", "--threshold", "5%"]), "p50"), "no_evidence");
}

#[test]
fn load_models_are_not_mixed_unless_by_force() {
    let room = tempfile::tempdir().unwrap();
    side(&room.path().join("closed"), 1, 2, 100, same);
    side(&room.path().join("open"), 2, 2, 100, |report| {
        report["plan"]["load"] = json!({
            "model": "open", "rate_per_s": 500.0, "arrival": "constant", "pipeline": 64,
        });
    });
    let refused = echo_bench(room.path(), &["compare", "closed", "open"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("--force"));
    stdout(echo_bench(room.path(), &["compare", "closed", "open", "--force"]));
}

#[test]
fn cases_are_matched_and_missing_ones_are_listed() {
    let room = tempfile::tempdir().unwrap();
    let conns =
        |count: u64| move |report: &mut Value| report["plan"]["connections"] = count.into();
    let nodelay = |count: u64| {
        move |report: &mut Value| {
            conns(count)(report);
            report["plan"]["socket"]["nodelay"] = false.into();
        }
    };
    side(&room.path().join("a"), 1, 2, 100, conns(1));
    side(&room.path().join("a"), 11, 2, 100, conns(10));
    side(&room.path().join("b"), 2, 2, 100, nodelay(10));
    side(&room.path().join("b"), 12, 2, 100, nodelay(100));
    let text = stdout(echo_bench(room.path(), &["compare", "a", "b"]));
    assert!(text.contains("connections=10, 2 + 2 runs"), "{text}");
    assert!(text.contains("only in base: connections=1\n"), "{text}");
    assert!(text.contains("only in new: connections=100\n"), "{text}");
}

#[test]
fn sides_that_were_placed_otherwise_are_told_apart() {
    let room = tempfile::tempdir().unwrap();
    let placed = |pin: Value, server: u64| {
        move |report: &mut Value| {
            report["plan"]["pin"] = pin.clone();
            report["summary"]["surroundings"] =
                json!({"generator_cpus": [0], "server_cpus": [server]});
        }
    };
    let apart = json!({"asked": "auto", "generator": [0], "server": [1], "unpinned": null});
    side(&room.path().join("base"), 1, 2, 1000, placed(apart, 1));
    let off = json!({"asked": "off", "generator": [], "server": [], "unpinned": null});
    side(&room.path().join("new"), 2, 2, 1000, placed(off, 0));
    let told = stdout(echo_bench(room.path(), &["compare", "base", "new"]));
    let caution = "placement-differs: generator and server ran on the same CPUs in 2 of 2 runs of \
                   the candidate and in none of the base";
    for part in [caution, "UNEXPECTED measurement pin.generator"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let alike = stdout(echo_bench(room.path(), &["compare", "base", "base"]));
    assert!(!alike.contains("placement-differs") && !alike.contains("pin."), "{alike}");
}
