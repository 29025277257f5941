//! `compare`, `merge`, `report` and baselines as a user meets them, on reports made up here.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

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
fn a_gate_that_can_compare_nothing_fails_with_the_reason_and_both_values() {
    let room = tempfile::tempdir().unwrap();
    side(&room.path().join("base"), 1, 1, 100, same);
    side(&room.path().join("new"), 2, 1, 100, short(2, 19_100));
    let gate = |format| {
        let args = ["compare", "base", "new", "--fail-on", "worse", "--format", format];
        let output = echo_bench(room.path(), &args);
        let (text, told) = [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8(bytes).unwrap())
            .into();
        assert_eq!(output.status.code(), Some(4), "191 times as slow: {text}{told}");
        assert!(told.contains("no latency was compared"), "{told}");
        assert!(told.contains("one run of 2 intervals"), "the reason: {told}");
        text
    };
    let comparison: Value = serde_json::from_str(&gate("json")).unwrap();
    let p50 = metric(&comparison, "p50");
    let ratio = p50["candidate"].as_f64().unwrap() / p50["base"].as_f64().unwrap();
    assert!((180.0..200.0).contains(&ratio), "{p50}");
    assert!((180.0..200.0).contains(&p50["ratio"].as_f64().unwrap()), "{p50}");
    let max = metric(&comparison, "max");
    assert!(max["base"].as_f64() > Some(1e5) && max["candidate"].as_f64() > Some(1e7), "{max}");
    for format in ["text", "markdown", "html"] {
        let shown = gate(format).replace('\u{202f}', " ").replace('µ', "u");
        assert!(
            (shown.contains("100 us") || shown.contains("101 us")) && shown.contains("19.2 ms"),
            "{format}: {shown}"
        );
        assert!(shown.contains("single run: run-to-run variance unknown"), "{format}: {shown}");
    }
}

#[test]
fn a_gate_that_passes_names_the_percentiles_that_it_did_not_judge() {
    let room = tempfile::tempdir().unwrap();
    let shape = Shape { intervals: 10, answers: 50, spread: 101 };
    let few = |number| move |report: &mut Value| *report = made_up::report(shape, number, 100);
    side(&room.path().join("base"), 1, 1, 100, few(1));
    side(&room.path().join("new"), 2, 1, 100, few(2));
    let gate = |args: &[&str]| {
        let output = echo_bench(room.path(), &[&["compare", "base", "new"], args].concat());
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{told}");
        told
    };
    let told = gate(&["--fail-on", "worse"]);
    assert!(told.contains("--fail-on did not judge p99.9:"), "{told}");
    assert_eq!(gate(&[]), "", "without a gate nothing is judged");
}

#[test]
fn what_was_made_of_reports_may_lie_beside_them() {
    let room = tempfile::tempdir().unwrap();
    side(&room.path().join("base"), 1, 3, 100, same);
    side(&room.path().join("new"), 2, 3, 100, same);
    stdout(echo_bench(room.path(), &["compare", "base", "new", "-o", "new/comparison.json"]));
    std::fs::write(room.path().join("new/sweep.json"), r#"{"schema":"echo-bench.sweep/1"}"#)
        .unwrap();
    let text = stdout(echo_bench(room.path(), &["compare", "base", "new"]));
    assert!(text.contains("new        new (3 runs)"), "{text}");
    stdout(echo_bench(room.path(), &["merge", "new", "-o", "merged.json"]));
    std::fs::create_dir(room.path().join("none")).unwrap();
    std::fs::copy(room.path().join("new/sweep.json"), room.path().join("none/sweep.json"))
        .unwrap();
    let refused = echo_bench(room.path(), &["compare", "base", "none"]);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("none holds no report"));
}

#[test]
fn a_gate_fails_where_a_side_measured_nothing() {
    let room = tempfile::tempdir().unwrap();
    side(&room.path().join("base"), 1, 3, 100, same);
    side(&room.path().join("dead"), 2, 3, 100, unanswered);
    for (args, whose) in [(["base", "dead"], "candidate"), (["dead", "base"], "base")] {
        let args = [&["compare", "--fail-on", "worse"][..], &args].concat();
        let output = echo_bench(room.path(), &args);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{args:?}: {told}");
        let reason = format!("3 of 3 runs of the {whose} have no successful reply");
        assert!(told.contains(&reason), "{args:?}: {told}");
    }
}

#[test]
fn a_gate_fails_where_runs_are_invalid_by_their_own_report() {
    let room = tempfile::tempdir().unwrap();
    let invalid = |report: &mut Value| report["verdict"] = "invalid".into();
    side(&room.path().join("good"), 1, 3, 100, same);
    side(&room.path().join("invalid"), 2, 3, 100, invalid);
    for (args, whose) in [(["good", "invalid"], "candidate"), (["invalid", "good"], "base")] {
        let gate = [&["compare", "--fail-on", "worse"][..], &args].concat();
        let output = echo_bench(room.path(), &gate);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{args:?}: {told}");
        let reason = format!("3 of 3 runs of the {whose} are invalid by their own report");
        assert!(told.contains(&reason), "{args:?}: {told}");
    }
}

#[test]
fn a_gate_fails_where_the_candidate_lacks_a_case() {
    let room = tempfile::tempdir().unwrap();
    let conns =
        |count: u64| move |report: &mut Value| report["plan"]["connections"] = count.into();
    for (side_name, first, counts) in [("a", 1, [1, 10]), ("b", 2, [10, 10])] {
        for (place, count) in counts.into_iter().enumerate() {
            let first = first + 10 * place as u64;
            side(&room.path().join(side_name), first, 2, 100, conns(count));
        }
    }
    let gate = |base, new| {
        let output = echo_bench(room.path(), &["compare", base, new, "--fail-on", "worse"]);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, told) = gate("a", "b");
    assert_eq!(code, Some(4), "{told}");
    assert!(told.contains("only in base: connections=1"), "{told}");
    assert_eq!(gate("b", "a").0, Some(0), "a new case takes nothing from the old ones");
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
        printed.starts_with("new against base\n") && !printed.contains("<!doctype"),
        "{printed}"
    );
    assert!(std::fs::read_to_string(room.path().join("c.html")).unwrap().starts_with("<!doc"));
    assert_eq!(stdout(echo_bench(room.path(), &["report", "c.html"])), printed);
    stdout(echo_bench(room.path(), &["compare", "base", "new", "-o", "c.json"]));
    let shown = |args: &[&str]| stdout(echo_bench(room.path(), &[&["report"], args].concat()));
    let of_page = shown(&["c.html", "--format", "json"]);
    assert_eq!(of_page, shown(&["c.json", "--format", "json"]));
    assert!(shown(&["c.html", "--format", "markdown"]).starts_with("### new"));
    let page = ["compare", "base", "new", "--format", "html"];
    let page = stdout(echo_bench(room.path(), &page));
    shown(&["c.json", "-o", "again.html"]);
    assert_eq!(std::fs::read_to_string(room.path().join("again.html")).unwrap(), page);
    assert_eq!(page, shown(&["c.json", "--format", "html"]), "a page depends on its data only");
    let refused = echo_bench(room.path(), &["report", "c.html", "--format", "csv"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("--format json"));
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
fn a_baseline_is_saved_and_compared_with() {
    let room = tempfile::tempdir().unwrap();
    side(&room.path().join("base"), 1, 5, 100, same);
    side(&room.path().join("new"), 2, 1, 200, same);
    let missing = echo_bench(room.path(), &["compare", "--baseline", "main", "new"]);
    assert!(String::from_utf8(missing.stderr).unwrap().contains("--save-baseline main"));
    stdout(echo_bench(room.path(), &["compare", "--save-baseline", "main", "--new", "base"]));
    assert!(room.path().join("echo-bench/baselines/main/0005.json").exists());
    let args = ["compare", "--baseline", "main", "new", "--fail-on", "worse"];
    let output = echo_bench(room.path(), &args);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("run-to-run-borrowed"), "{text}");
    let outside = echo_bench(room.path(), &["compare", "--save-baseline", "../x", "base"]);
    assert_eq!(outside.status.code(), Some(1), "a name is no path");
}

#[test]
fn a_run_that_is_no_reference_does_not_replace_a_baseline() {
    let room = tempfile::tempdir().unwrap();
    side(&room.path().join("good"), 1, 2, 100, same);
    side(&room.path().join("cut"), 1, 2, 200, |report| report["interrupted"] = true.into());
    side(&room.path().join("invalid"), 1, 2, 200, |report| {
        report["verdict"] = "invalid".into();
    });
    let save = |side: &str| {
        echo_bench(room.path(), &["compare", "--save-baseline", "main", "--new", side])
    };
    stdout(save("good"));
    let saved = room.path().join("echo-bench/baselines/main/0001.json");
    let before = std::fs::read(&saved).unwrap();
    for (side, reason) in [("cut", "was interrupted"), ("invalid", "is invalid")] {
        let refused = save(side);
        let told = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{told}");
        assert!(told.contains("`main` was not saved") && told.contains(reason), "{told}");
    }
    assert_eq!(std::fs::read(&saved).unwrap(), before);
}

#[test]
fn merging_loses_nothing_and_refuses_what_is_not_one_plan() {
    let room = tempfile::tempdir().unwrap();
    side(&room.path().join("a"), 1, 3, 100, same);
    stdout(echo_bench(room.path(), &["merge", "a", "-o", "merged.json"]));
    let text = stdout(echo_bench(room.path(), &["report", "merged.json", "--format", "json"]));
    let merged: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(merged["summary"]["requests"]["ok"], 15_000);
    assert_eq!(merged["summary"]["measured_s"], 30.0);
    assert_eq!(merged["intervals"].as_array().unwrap().len(), 30);
    let response: LatencySummary =
        serde_json::from_value(merged["summary"]["latency"]["response"].clone()).unwrap();
    let mut right = Latency::default();
    for number in [1, 3, 5] {
        let own = report(number, 100)["summary"]["latency"]["response"].clone();
        let own: LatencySummary = serde_json::from_value(own).unwrap();
        right += &own.latency().unwrap();
    }
    assert_eq!(response.histogram().unwrap(), *right.histogram());
    assert!(stdout(echo_bench(room.path(), &["report", "merged.json"])).contains("15 000"));

    side(&room.path().join("b"), 2, 1, 100, |report| report["plan"]["connections"] = 7.into());
    side(&room.path().join("c"), 1, 1, 100, same);
    for (with, reason) in [("b", "connections (10 and 7)"), ("c", "overlap")] {
        let refused = echo_bench(room.path(), &["merge", "a", with]);
        assert_eq!(refused.status.code(), Some(1));
        let told = String::from_utf8(refused.stderr).unwrap();
        assert!(told.contains(reason), "{told}");
    }
}
