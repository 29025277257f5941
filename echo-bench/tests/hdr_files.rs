//! Files for other HDR histogram tools say what the report says, in the form that those tools
//! read.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, SystemTime};

use echo_bench_report::report::{LatencySummary, Report, store};
use hdrhistogram::serialization::interval_log::{IntervalLogIterator, LogEntry};

fn echo_bench(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_echo-bench"))
        .args(["-c2", "--model=epoll", "--quiet", "--no-report", "--output=report.json"])
        .args(["--timeout=30s"])
        .args(args)
        .current_dir(folder)
        .output()
        .unwrap()
}

fn report(folder: &Path) -> Report {
    store::load(&folder.join("report.json")).unwrap()
}

fn seconds(time: &str) -> f64 {
    let time = humantime::parse_rfc3339(time).unwrap();
    time.duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
}

#[test]
fn the_interval_log_begins_with_the_window_and_with_what_other_readers_ask_for() {
    let folder = tempfile::tempdir().unwrap();
    let args = ["--warmup=1s", "--duration=600ms", "--interval=200ms", "--hlog=run.hlog"];
    echo_bench(folder.path(), &args);
    let report = report(folder.path());
    let log = std::fs::read_to_string(folder.path().join("run.hlog")).unwrap();
    // The C library reads the version from the header and refuses a log without one; the
    // first line that is no comment ends its header.
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!(lines[0], "#[Histogram log format version 1.3]");
    let header = lines.iter().take_while(|line| line.starts_with('#')).count();
    assert!(lines[header].starts_with("\"StartTimestamp\",\"Interval_Length\","), "{log}");
    assert!(lines[header + 1..].iter().all(|line| {
        line.trim_start_matches("Tag=drain,").starts_with(|c: char| c.is_ascii_digit())
    }));
    assert!(lines[..header].iter().all(|line| line.len() < 128), "{log}");

    let window = seconds(report.window_started_at.as_ref().unwrap());
    assert!(window - seconds(&report.started_at) >= 1.0, "the warm-up is before the window");
    let (mut starts, mut next, mut values) = (0, Duration::ZERO, 0);
    for entry in IntervalLogIterator::new(log.as_bytes()) {
        match entry.unwrap() {
            LogEntry::StartTime(time) | LogEntry::BaseTime(time) => {
                starts += 1;
                assert!((time.as_secs_f64() - window).abs() < 0.002, "{time:?} {window}");
            }
            LogEntry::Interval(interval) => {
                assert_eq!(interval.start_timestamp(), next);
                next += interval.duration();
                // What ended in the drain is of no interval.
                values += usize::from(interval.tag().is_none());
            }
        }
    }
    assert_eq!((starts, values), (2, report.intervals.len()));
}

#[test]
fn every_line_of_the_percentile_distribution_is_a_percentile_of_the_report() {
    let folder = tempfile::tempdir().unwrap();
    // Quantiles of this many requests fall on whole ranks.
    echo_bench(folder.path(), &["-n1000", "--warmup=0", "--hgrm=run.hgrm"]);
    let report = report(folder.path());
    let response = report.summary.latency.response.as_ref().unwrap();
    let histogram = response.histogram().unwrap();
    let distribution = std::fs::read_to_string(folder.path().join("run.hgrm")).unwrap();
    let mut lines = 0;
    let mut of_the_report: Vec<u64> = Vec::new();
    for line in distribution.lines().skip(2).filter(|line| !line.starts_with('#')) {
        let numbers: Vec<f64> = line.split_whitespace().map(|n| n.parse().unwrap()).collect();
        let value = (numbers[0] * 1e6).round() as u64;
        assert_eq!(value, histogram.value_at_quantile(numbers[1]), "{line}");
        assert_eq!(numbers[2] as u64, histogram.count_between(0, value), "{line}");
        of_the_report.push(value);
        lines += 1;
    }
    assert!(lines > 20, "{distribution}");
    let LatencySummary { p50_ns, p90_ns, max_ns, .. } = response;
    for percentile in [p50_ns, p90_ns, max_ns] {
        assert!(of_the_report.contains(percentile), "{percentile} in {distribution}");
    }
}

#[test]
fn messages_from_crlf_lines_are_sent_without_the_cr_and_that_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let note = "CRLF lines; they are sent without the CR";
    for (lines, crlf) in [("one\r\ntwo\r\n", true), ("one\ntwo\n", false)] {
        std::fs::write(folder.path().join("lines"), lines).unwrap();
        let args = ["-n20", "--warmup=0", "--message-file=lines"];
        let Output { status, stdout, stderr } = echo_bench(folder.path(), &args);
        let [stdout, stderr] = [stdout, stderr].map(|text| String::from_utf8(text).unwrap());
        assert_eq!(status.code(), Some(0), "{stderr}");
        assert_eq!(stderr.contains(note), crlf, "{stderr}");
        assert_eq!(stdout.contains("sent without CR"), crlf, "{stdout}");
        let plan = serde_json::to_value(&report(folder.path()).plan).unwrap();
        assert_eq!(plan["messages"]["texts"], serde_json::json!(["one", "two"]));
        assert_eq!(plan["messages"]["crlf"], crlf);
    }
}
