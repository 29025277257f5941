//! Commands on stored reports: `list`, `rerun`, `baseline list` and `baseline rm`.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use echo_test_support::made_up::{self, Shape};
use serde_json::Value;
use tempfile::TempDir;

const SHORT: [&str; 5] = ["-c2", "-d300ms", "-w0", "-q", "-t1"];

struct Room(TempDir);

impl Room {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn bench(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_echo-bench"));
        command.args(arguments).current_dir(self.0.path()).env("XDG_DATA_HOME", self.0.path());
        command.stdin(Stdio::null()).output().unwrap()
    }

    /// Stdout of a command that goes well.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.bench(arguments);
        assert!(output.status.success(), "{arguments:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Stderr of a command that ends with this code.
    fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.bench(arguments);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {output:?}");
        String::from_utf8(output.stderr).unwrap()
    }

    fn json(&self, name: &str) -> Value {
        serde_json::from_slice(&fs::read(self.0.path().join(name)).unwrap()).unwrap()
    }

    fn kept(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.0.path().join("reports/runs")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }
}

/// A short run with more flags.
fn run<'a>(flags: &[&'a str]) -> Vec<&'a str> {
    SHORT.into_iter().chain(flags.iter().copied()).collect()
}

#[test]
fn a_run_is_made_again_with_the_same_plan_and_schedule() {
    let room = Room::new();
    room.done(&run(&["-R500", "--model=epoll", "--slo=p50<5s", "--no-report", "-ofirst.json"]));
    room.done(&["rerun", "first.json", "-osecond.json", "--no-report", "-q"]);
    let (mut first, mut second) = (room.json("first.json"), room.json("second.json"));
    assert!(first["plan"]["schedule_digest"].is_string());
    assert_eq!(first["plan"], second["plan"], "seed and schedule are the same");
    assert_eq!(second["slos"][0]["slo"], "p50<5s", "objectives are kept");
    let [first, second] = [&mut first, &mut second].map(|report| report["command"].take());
    assert_eq!(first[0], "echo-bench");
    assert!(first.as_array().unwrap().contains(&"--model=epoll".into()), "{first}");
    assert_eq!(second[1], "rerun");
}

#[test]
fn a_run_is_made_again_on_another_target() {
    let room = Room::new();
    room.done(&run(&["--no-report", "-ofirst.json"]));
    let nobody = "127.0.0.1:1";
    let told = room.fails(1, &["rerun", "first.json", nobody, "--no-report", "-q"]);
    assert!(told.contains(nobody) && told.contains("refused"), "{told}");
    let told = room.fails(2, &["rerun", "first.json", "http://127.0.0.1/", "--no-report"]);
    assert!(told.contains("HOST:PORT"), "{told}");
    room.done(&run(&["--tls", "--no-report", "-otls.json"]));
    let told = room.fails(2, &["rerun", "tls.json", nobody, "--no-report"]);
    assert!(told.contains("--cacert"), "{told}");
    let told = room.fails(1, &["rerun", "missing.json"]);
    assert!(told.contains("missing.json"), "{told}");
}

#[test]
fn repeats_and_sweeps_are_made_again_whole() {
    let room = Room::new();
    let report = "-otwice.json";
    room.done(&run(&["--repeat=2", "--model=epoll", "--no-report", report]));
    room.done(&["rerun", "twice.json", "--no-report", "-oagain.json", "-q"]);
    let (before, after) = (room.json("twice.json"), room.json("again.json"));
    assert_eq!(before["plan"], after["plan"]);
    assert_eq!(after["cells"][0]["runs"].as_array().unwrap().len(), 2);

    let judged = ["rerun", "twice.json", "--no-report", "-q", "--slo=p50<1ns", "--label=a=b"];
    room.fails(3, &[&judged[..], &["-ojudged.json"]].concat());
    let judged = room.json("judged.json");
    assert_eq!(judged["cells"][0]["runs"][0]["labels"]["a"], "b");
    // Another server is not started, whatever the report says.
    let elsewhere = ["rerun", "twice.json", "127.0.0.1:1", "--no-report", "-q"];
    assert!(room.fails(1, &elsewhere).contains("refused"));

    let sweep = ["sweep", "--conns=1,2", "-d100ms", "-w0", "--repeat=1", "-q", "-oswept.json"];
    room.done(&sweep);
    room.done(&["rerun", "swept.json", "-oagain.json", "-q"]);
    let (before, after) = (room.json("swept.json"), room.json("again.json"));
    assert_eq!(before["plan"], after["plan"]);
    assert_eq!(after["cells"].as_array().unwrap().len(), 2);
    let started = |sweep: &Value| sweep["cells"][0]["runs"][0]["started_at"].clone();
    assert_ne!(started(&before), started(&after), "measured anew, not reused");
    // Nothing that was typed is dropped, gates least of all.
    for (flag, words) in [
        ("--label=a=b", "--label"),
        ("--no-report", "--no-report"),
        ("--threshold=5%", "--threshold"),
        ("--strict", "--strict"),
        ("127.0.0.1:1", "--target"),
    ] {
        let told = room.fails(2, &["rerun", "swept.json", flag]);
        assert!(told.contains(words), "{told}");
    }
}

#[test]
fn a_search_for_capacity_is_made_again_with_its_axes() {
    let room = Room::new();
    let search = [
        "--slo=p50<1s",
        "--conns=1,2",
        "--in-step=nodelay,server-nodelay",
        "--nodelay=on,off",
        "--server-nodelay=on,off",
        "--max-rate=200",
        "-d300ms",
        "-w0",
        "-q",
    ];
    room.done(&[&["capacity", "--report-dir=kept", "-ofirst.json"], &search[..]].concat());
    room.done(&["rerun", "first.json", "-osecond.json", "-q", "--no-report"]);
    let (first, second) = (room.json("first.json"), room.json("second.json"));
    assert_eq!(first["plan"], second["plan"]);
    assert_ne!(first["started_at"], second["started_at"]);
    let mut kept = fs::read_dir(room.0.path().join("kept")).unwrap();
    let name = kept.next().unwrap().unwrap().file_name().into_string().unwrap();
    assert!(name.ends_with("4-levels-line-c1-capacity.json"), "{name}");
    for (flag, words) in [("--label=a=b", "--label"), ("--pin=off", "--pin")] {
        let told = room.fails(2, &["rerun", "first.json", flag]);
        assert!(told.contains(words), "{told}");
    }
}

/// A report may come from anybody, and none of what it names may be run or read unasked.
#[test]
fn a_report_that_smuggles_in_a_command_is_refused() {
    let room = Room::new();
    room.done(&run(&["--repeat=2", "--model=epoll", "--no-report", "-otwice.json"]));
    let command = "sh -c 'touch PWNED; exit 1' {port}";
    for (flag, value) in [
        ("exec", command.to_owned()),
        (&*format!("exec={command}"), String::new()),
        (&*format!("prepare={command}"), String::new()),
        ("message-file", "/etc/hostname".to_owned()),
        ("message-file=/etc/hostname", String::new()),
        ("size", "file:/etc/hostname".to_owned()),
    ] {
        let mut report = room.json("twice.json");
        let fixed = serde_json::json!({ "flag": flag, "value": value });
        report["plan"]["fixed"].as_array_mut().unwrap().push(fixed);
        fs::write(room.0.path().join("evil.json"), report.to_string()).unwrap();
        for again in [["rerun", "evil.json"], ["sweep", "evil.json"]] {
            room.fails(2, &again);
            assert!(!room.0.path().join("PWNED").exists(), "{flag} {again:?}");
        }
    }
}

#[test]
fn stored_reports_are_listed_the_newest_last() {
    let room = Room::new();
    room.done(&run(&["--model=epoll", "--label=build=old one"]));
    room.done(&run(&["-R300", "--model=threads"]));
    room.done(&["sweep", "--conns=1,2", "-d100ms", "-w0", "--repeat=1", "-q"]);
    fs::write(room.0.path().join("reports/runs/other.json"), "{}").unwrap();
    let output = room.bench(&["list"]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains("other.json"), "{told}");
    let listed = String::from_utf8(output.stdout).unwrap();
    let place = |words: &str| listed.find(words).unwrap_or_else(|| panic!("{words}: {listed}"));
    assert!(place("epoll line c2") < place("threads line c2 R300"), "{listed}");
    assert!(place("threads line c2 R300") < place("sweep: conns(2)"), "{listed}");
    place("build=old one");
    let names: Vec<_> = room.kept().iter().map(|path| path.display().to_string()).collect();
    assert!(
        names.iter().any(|name| name.ends_with("-epoll-line-c2-old-one.json")),
        "{names:?}"
    );
    let newest: Value =
        serde_json::from_str(&room.done(&["list", "-n1", "--format=json"])).unwrap();
    assert_eq!(newest.as_array().unwrap().len(), 1);
    assert_eq!(newest[0]["kind"], "sweep");
    let told = room.fails(1, &["list", "nowhere"]);
    assert!(told.contains("nowhere"), "{told}");
}

#[test]
fn baselines_are_listed_and_removed_by_name() {
    let room = Room::new();
    let told = room.bench(&["baseline", "list"]);
    assert!(String::from_utf8_lossy(&told.stderr).contains("no baseline"), "{told:?}");
    // Not of real runs, which are no baselines if the machine is too busy.
    let shape = Shape { intervals: 4, answers: 500, spread: 101 };
    for (name, runs) in [("main", 1), ("next", 2)] {
        let place = room.0.path().join("echo-bench/baselines").join(name);
        fs::create_dir_all(&place).unwrap();
        for number in 0..runs {
            let report = made_up::report(shape, number, 100).to_string();
            fs::write(place.join(format!("{number}.json")), report).unwrap();
        }
    }
    let listed = room.done(&["baseline", "list"]);
    assert!(listed.contains("main") && listed.contains(" 2 x "), "{listed}");
    let told = room.fails(1, &["baseline", "rm", "main", "absent"]);
    assert!(told.contains("absent"), "{told}");
    assert!(room.done(&["baseline", "list"]).contains("main"), "nothing was removed");
    room.done(&["baseline", "rm", "main"]);
    let listed = room.done(&["baseline", "list"]);
    assert!(!listed.contains("main") && listed.contains("next"), "{listed}");
    room.fails(1, &["baseline", "rm", "../next"]);
}
