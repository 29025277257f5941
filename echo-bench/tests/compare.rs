//! `compare`, `merge`, `report` and baselines as a user meets them, on reports made up here.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use echo_bench::record::Latency;
use echo_bench::report::LatencySummary;

/// A report of ten intervals whose latencies are about `level_us`.
fn report(number: u64, level_us: u64) -> Value {
    let mut whole = Latency::default();
    let mut intervals = Vec::new();
    for interval in 0..10 {
        let mut piece = Latency::default();
        for k in 0..500 {
            let wobble = (k * 7919 + interval * 31 + number * 17) % 101;
            piece.record(level_us * 1000 * (950 + wobble + number % 5) / 1000);
        }
        whole += &piece;
        intervals.push(json!({
            "at_s": interval, "length_s": 1.0, "ok": 500, "errors": 0, "achieved_per_s": 500.0,
            "response": LatencySummary::new(&piece, &[]),
            "client_us_per_message": 3.0, "server_us_per_message": null,
        }));
    }
    let response = LatencySummary::new(&whole, &[]);
    let requests = json!({
        "scheduled": 5000, "ok": 5000, "mismatch": 0, "error": 0, "timeout": 0, "reset": 0,
        "refused": 0, "closed": 0, "shed": 0, "unsent": 0, "in_flight": 0,
    });
    json!({
        "schema": "echo-bench.report/1",
        "tool": {"name": "echo-bench", "version": "0.1.0", "revision": null},
        "started_at": format!("2026-01-01T00:{number:02}:00Z"),
        "labels": {},
        "plan": {
            "target": {"kind": "embedded", "server": ["--model", "tokio"]},
            "connections": 10, "threads": 1, "load": {"model": "closed", "pipeline": 1},
            "stop": {"kind": "duration", "duration_ns": 10_000_000_000_u64},
            "warmup_ns": 0, "timeout_ns": 1_000_000_000, "drain_ns": 1_000_000_000,
            "interval_ns": 1_000_000_000, "protocol": "line",
            "messages": {"kind": "generated", "min_bytes": 64, "max_bytes": 64},
            "verify": "full", "split_writes": 1,
            "socket": {"nodelay": true, "send_buffer": null, "recv_buffer": null, "sources": []},
            "idle": "sleep", "engine": "epoll", "seed": number, "schedule_digest": null,
        },
        "environment": {"kernel": "Linux 6.1", "loopback": true},
        "summary": {
            "measured_s": 10.0, "answered_in_window": 5000, "offered_per_s": null, "achieved_per_s": 500.0 + number as f64,
            "requests": requests, "bytes": {"sent": 1, "received": 1},
            "connections": {
                "requested": 10, "established": 10, "alive_at_end": 10, "reconnects": 0,
                "connect_phase_ns": 1000,
            },
            "latency": {
                "connect": null, "tls": null, "wait": null, "service": response.clone(),
                "response": response,
            },
            "send_lateness": null, "in_flight_mean": 1.0,
            "cpu": {
                "client_us_per_message": 3.0, "server_us_per_message": null,
                "client_busy": null, "server_busy": null, "client_context_switches": null,
                "server_context_switches": null, "client_peak_rss_bytes": null,
                "server_peak_rss_bytes": null,
            },
            "tcp": null,
        },
        "intervals": intervals, "threads": [], "errors": [], "warnings": [],
        "verdict": "valid", "interrupted": false, "slos": [],
    })
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

fn verdict<'a>(comparison: &'a Value, metric: &str) -> &'a str {
    let metrics = comparison["candidates"][0]["cases"][0]["metrics"].as_array().unwrap();
    let found = metrics.iter().find(|known| known["metric"] == metric).unwrap();
    found["verdict"].as_str().unwrap()
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
    assert!(printed.starts_with("base ") && !printed.contains("<!doctype"), "{printed}");
    assert!(std::fs::read_to_string(room.path().join("c.html")).unwrap().starts_with("<!doc"));
    assert_eq!(stdout(echo_bench(room.path(), &["report", "c.html"])), printed);
    stdout(echo_bench(room.path(), &["compare", "base", "new", "-o", "c.json"]));
    let shown = |args: &[&str]| stdout(echo_bench(room.path(), &[&["report"], args].concat()));
    let of_page = shown(&["c.html", "--format", "json"]);
    assert_eq!(of_page, shown(&["c.json", "--format", "json"]));
    assert!(shown(&["c.html", "--format", "markdown"]).starts_with("### new"));
    let page = ["compare", "base", "new", "--format", "html"];
    let page = stdout(echo_bench(room.path(), &page));
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
    assert!(text.contains("connections=10 (2 + 2 runs"), "{text}");
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
