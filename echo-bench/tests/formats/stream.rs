//! `--stream`: the lines of a run while it goes, and of each run of a sweep.

use std::fs;
use std::io::{BufRead, BufReader};

use super::*;

/// The lines of a stream, each of which must be JSON of its shape.
fn lines(text: &str) -> Vec<Value> {
    assert!(text.ends_with('\n'), "{text}");
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        assert_eq!(line["schema"], "echo-bench.stream/1", "{line}");
        assert!(line["written_at"].as_str().unwrap().ends_with('Z'), "{line}");
    }
    lines
}

fn types(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["type"].as_str().unwrap()).collect()
}

#[test]
fn a_run_says_its_plan_its_intervals_and_what_they_come_to() {
    let room = tempfile::tempdir().unwrap();
    let more = ["--interval=100ms", "--stream=lines.jsonl", "--label=a=b", "--report-dir=kept"];
    let output = echo_bench(room.path(), &[&RUN[..], &more].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = lines(&fs::read_to_string(room.path().join("lines.jsonl")).unwrap());
    let types = types(&lines);
    assert_eq!(types[0], "plan");
    assert_eq!(types.last(), Some(&"summary"));
    let between = &types[1..types.len() - 1];
    assert!(between.len() >= 5 && between.iter().all(|name| *name == "interval"), "{types:?}");
    assert_eq!(
        (&lines[0]["labels"]["a"], &lines[0]["plan"]["connections"]),
        (&"b".into(), &2.into())
    );
    let (first, last) = (&lines[1], lines.last().unwrap());
    assert!(first["response"]["p99_ns"].as_u64() > Some(0), "{first}");
    assert_eq!(first["length_s"], 0.1);
    let answered: u64 = lines.iter().filter_map(|line| line["answered"].as_u64()).sum();
    let stored = fs::read_dir(room.path().join("kept")).unwrap().next().unwrap().unwrap();
    let stored: Value = serde_json::from_slice(&fs::read(stored.path()).unwrap()).unwrap();
    assert_eq!(stored["summary"]["answered_in_window"], answered);
    assert_eq!(last["requests"], stored["summary"]["requests"]);
    assert_eq!((&last["verdict"], &last["lines_left_out"]), (&stored["verdict"], &0.into()));
}

#[test]
fn stdout_has_nothing_but_lines_and_they_come_while_the_run_goes() {
    let room = tempfile::tempdir().unwrap();
    let run =
        ["--conns=2", "-d60s", "-w0", "-q", "--no-report", "--stream=-", "--interval=100ms"];
    let mut child = command(room.path(), &run).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let next = |lines: &mut dyn Iterator<Item = std::io::Result<String>>| -> Value {
        serde_json::from_str(&lines.next().unwrap().unwrap()).unwrap()
    };
    assert_eq!(next(&mut lines)["type"], "plan");
    assert_eq!(next(&mut lines)["index"], 0);
    assert_eq!(next(&mut lines)["index"], 1);
    assert!(child.try_wait().unwrap().is_none(), "it goes on");
    // Nobody reads any more, and the run goes on.
    drop(lines);
    let pid = rustix_pid(&child);
    let words = BufReader::new(child.stderr.take().unwrap());
    let said = words.lines().map(Result::unwrap).find(|line| line.contains("--stream"));
    assert_eq!(said.unwrap(), "note: nobody reads --stream stdout any more; the run goes on");
    assert!(child.try_wait().unwrap().is_none(), "it goes on");
    kill(pid);
    assert_eq!(child.wait().unwrap().code(), Some(130));
}

#[test]
fn the_intervals_of_a_run_that_is_stopped_are_as_long_together_as_its_window() {
    let room = tempfile::tempdir().unwrap();
    let run =
        ["--conns=2", "-d60s", "-w0", "-q", "--no-report", "--stream=-", "--interval=100ms"];
    let mut child = command(room.path(), &run).spawn().unwrap();
    let pid = rustix_pid(&child);
    let mut length_s = 0.0;
    let mut summary = Value::Null;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line: Value = serde_json::from_str(&line.unwrap()).unwrap();
        if line["index"] == 1 {
            kill(pid);
        }
        length_s += line["length_s"].as_f64().unwrap_or(0.0);
        summary = line;
    }
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let measured_s = summary["measured_s"].as_f64().unwrap();
    assert!((length_s - measured_s).abs() < 1e-6, "{length_s} s, and not {measured_s} s");
}

#[test]
fn no_rate_is_said_of_an_interval_that_a_number_of_requests_has_ended() {
    let room = tempfile::tempdir().unwrap();
    let run = ["--conns=2", "--requests=100", "-w0", "-q", "--no-report", "--stream=l"];
    let output = echo_bench(room.path(), &[&run[..], &["--interval=1m"]].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = lines(&fs::read_to_string(room.path().join("l")).unwrap());
    let [_, interval, _] = &lines[..] else { panic!("{lines:?}") };
    assert_eq!(
        (&interval["answered"], &interval["achieved_per_s"]),
        (&100.into(), &Value::Null)
    );
}

fn rustix_pid(child: &std::process::Child) -> rustix::process::Pid {
    rustix::process::Pid::from_child(child)
}

fn kill(pid: rustix::process::Pid) {
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
}

#[test]
fn a_full_disk_is_said_once_and_the_report_is_written() {
    let room = tempfile::tempdir().unwrap();
    let more = ["--interval=50ms", "--stream=/dev/full", "--no-report", "-o", "report.json"];
    let output = echo_bench(room.path(), &[&RUN[..], &more].concat());
    let said = text(&output.stderr);
    assert_eq!(said.matches("/dev/full").count(), 1, "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(room.path().join("report.json").is_file());
}

#[test]
fn what_ends_without_a_report_says_why() {
    let room = tempfile::tempdir().unwrap();
    let output =
        echo_bench(room.path(), &["127.0.0.1:1", "-d1s", "--no-report", "--stream=l", "-q"]);
    assert!(!output.status.success());
    let lines = lines(&fs::read_to_string(room.path().join("l")).unwrap());
    let last = lines.last().unwrap();
    assert_eq!(last["type"], "failed");
    assert!(last["reason"].as_str().unwrap().contains("127.0.0.1:1"), "{last}");
}

#[test]
fn each_run_of_a_sweep_has_its_lines() {
    let room = tempfile::tempdir().unwrap();
    let sweep = ["sweep", "--conns=1,2", "--repeat=1", "-d200ms", "-w0", "-q", "--dir=swept"];
    let more = ["--interval=100ms", "--stream=-", "-o", "sweep.csv"];
    let output = echo_bench(room.path(), &[&sweep[..], &more].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let lines = lines(text(&output.stdout));
    let types = types(&lines);
    let runs = ["run", "plan", "interval", "interval", "summary"];
    assert_eq!(types, [&runs[..], &runs[..], &["end"][..]].concat());
    assert_eq!((&lines[0]["number"], &lines[0]["of"]), (&1.into(), &2.into()));
    let names: Vec<&Value> = [0, 5].map(|line| &lines[line]["name"]).to_vec();
    assert!(names.contains(&&"conns=1, repeat 1".into()), "{names:?}");
    let csv = fs::read_to_string(room.path().join("sweep.csv")).unwrap();
    assert_eq!(csv.lines().count(), 3, "{csv}");
    assert!(csv.starts_with("conns,runs,failures,rank,throughput,throughput_low"), "{csv}");
}

#[test]
fn two_results_for_stdout_and_several_processes_are_refused() {
    let room = tempfile::tempdir().unwrap();
    for (arguments, words) in [
        (&["--stream=-", "--format=json"][..], "both write to stdout"),
        (&["--stream=-", "-o-"], "both write to stdout"),
        (&["--stream=a.json", "-o", "a.json"], "both write to a.json"),
        (&["--stream=a", "--agents=2", "--local"], "--stream is not supported with --agents"),
        (
            &["sweep", "--conns=1,2", "--stream=-", "--format=csv"],
            "--stream - has stdout for itself",
        ),
    ] {
        let output = echo_bench(room.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output.stderr));
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
    }
}
