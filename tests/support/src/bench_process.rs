//! A run of `echo-bench` as a user starts it: [`BenchProcess`], and its result: [`Finished`],
//! whose report conforms to the committed schema and adds up.

use std::error::Error;
use std::io::{BufRead, BufReader, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use echo_bench_engine::plan::EngineKind;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use strum::VariantArray;
use tempfile::TempDir;

use crate::deadline::PATIENCE;
use crate::program::{own_program, tell_skipped, wait};

/// Runs `scenario` for each engine available on this machine, continuing after failures, and
/// names those that fail. Unavailable ones are reported.
pub fn each_engine(scenario: impl Fn(&str)) {
    let is_usable = |engine: &EngineKind| {
        let usable = echo_bench_engine::check(*engine);
        if let Err(reason) = &usable {
            let (thread, cause) = (thread::current(), reason.source());
            let cause = cause.map(ToString::to_string).unwrap_or_default();
            let test = thread.name().unwrap_or_default();
            tell_skipped(test, format_args!("{reason}: {cause}"));
        }
        usable.is_ok()
    };
    let flags = EngineKind::VARIANTS.iter().copied().filter(is_usable);
    let failed: Vec<String> = flags
        .map(|engine| format!("--engine={engine}"))
        .filter(|flag| catch_unwind(AssertUnwindSafe(|| scenario(flag))).is_err())
        .collect();
    assert!(failed.is_empty(), "fails with {}", failed.join(", "));
}

/// A started run; killed when dropped.
#[derive(Debug)]
pub struct BenchProcess {
    child: Child,
    started: Instant,
    results: TempDir,
    stdout: Option<JoinHandle<String>>,
    progress: Receiver<String>,
    said: Vec<String>,
}

/// Result of a run.
#[derive(Debug)]
pub struct Finished {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    /// Wall time of the process.
    pub took: Duration,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
    report: Option<Value>,
}

impl BenchProcess {
    /// Starts `echo-bench` with its results in a temporary folder.
    pub fn start(arguments: &[&str]) -> Self {
        Self::start_as(&mut Command::new(own_program("echo-bench")), arguments)
    }

    /// Like [`start`](Self::start), with a command that executes `echo-bench`.
    pub fn start_as(command: &mut Command, arguments: &[&str]) -> Self {
        let results = tempfile::tempdir().expect("there is room for files");
        // Tests run side by side: pinned, their threads would wait for one CPU while another
        // is free.
        // A noise floor that a selftest has left would add a note to every report.
        if !command.get_envs().any(|(name, _)| name == "XDG_DATA_HOME") {
            command.env("XDG_DATA_HOME", "/nonexistent");
        }
        let is_placed = arguments.iter().any(|argument| argument.starts_with("--pin"));
        let mut child = command
            .args(arguments)
            .args((!is_placed).then_some("--pin=off"))
            .arg("--report-dir")
            .arg(results.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program can be started");
        let mut stdout = child.stdout.take().expect("piped");
        let stdout = thread::spawn(move || {
            let mut text = String::new();
            let _ = stdout.read_to_string(&mut text);
            text
        });
        let stderr = BufReader::new(child.stderr.take().expect("piped"));
        let (lines, progress) = channel();
        thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        let (started, said) = (Instant::now(), Vec::new());
        Self { child, started, results, stdout: Some(stdout), progress, said }
    }

    /// Waits until the first second of the measurement window is reported.
    #[track_caller]
    pub fn wait_until_measuring(&mut self) {
        self.wait_until_told("1.0 s", |line| {
            // Of several processes together the first may be passed over.
            let told = line.split_once(" s ").and_then(|(seconds, _)| seconds.parse().ok());
            told.is_some_and(|seconds: f64| seconds >= 1.0)
        });
    }

    /// Waits for a line of its standard error that begins so, whatever it is indented by.
    #[track_caller]
    pub fn wait_until_said(&mut self, beginning: &str) {
        self.wait_until_told(beginning, |line| line.starts_with(beginning));
    }

    #[track_caller]
    fn wait_until_told(&mut self, what: &str, is_it: impl Fn(&str) -> bool) {
        loop {
            let Ok(line) = self.progress.recv_timeout(PATIENCE) else {
                panic!("no `{what}` is told after {:#?}", self.said);
            };
            let is_told = is_it(line.trim_start());
            self.said.push(line);
            if is_told {
                return;
            }
        }
    }

    /// Sends a signal to the process.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).expect("the child has not been waited for");
    }

    /// The process.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed()).expect("a child has an id")
    }

    /// Waits for the run to end on its own.
    #[track_caller]
    pub fn finish(mut self, at_most: Duration) -> Finished {
        let status = wait(&mut self.child, at_most);
        let took = self.started.elapsed();
        let Some(status) = status else {
            let said: Vec<String> = self.progress.try_iter().collect();
            panic!("echo-bench still runs after {at_most:?}: {:#?}{said:#?}", self.said);
        };
        self.said.extend(self.progress.iter());
        let stdout = self.stdout.take().map(|reading| reading.join().expect("no panic"));
        let finished = Finished {
            code: status.code(),
            took,
            stdout: stdout.unwrap_or_default(),
            stderr: self.said.join("\n"),
            report: only_report_in(self.results.path()),
        };
        assert!(!finished.stderr.contains("panicked at"), "echo-bench panicked: {finished:?}");
        finished
    }
}

impl Drop for BenchProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn only_report_in(folder: &Path) -> Option<Value> {
    let entries = std::fs::read_dir(folder).expect("made by this test");
    // What a killed run leaves has another ending, and need not be whole.
    let is_report = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "json");
    let paths: Vec<_> =
        entries.map(|entry| entry.expect("readable").path()).filter(is_report).collect();
    assert!(paths.len() <= 1, "one run, several reports: {paths:?}");
    let text = std::fs::read_to_string(paths.first()?).expect("just written");
    Some(serde_json::from_str(&text).expect("a report is JSON"))
}

impl Finished {
    /// Whether it stored a report.
    pub fn has_report(&self) -> bool {
        self.report.is_some()
    }

    /// The report, which conforms to the schema and accounts for every request.
    #[track_caller]
    pub fn report(&self) -> &Value {
        let Some(report) = &self.report else { panic!("no report: {self:#?}") };
        let schema = serde_json::from_str(&committed_schema()).expect("the schema is JSON");
        let validator = jsonschema::validator_for(&schema).expect("the schema is one");
        let faults: Vec<String> =
            validator.iter_errors(report).map(|fault| fault.to_string()).collect();
        assert!(faults.is_empty(), "the report fails its schema: {faults:#?}");

        let requests = report["summary"]["requests"].as_object().expect("by the schema");
        let count = |name: &str| requests[name].as_u64().expect("by the schema");
        let ended: u64 =
            requests.keys().filter(|name| *name != "scheduled").map(|name| count(name)).sum();
        assert_eq!(count("scheduled"), ended, "requests vanish: {requests:?}");
        report
    }

    /// A count of the report's requests.
    #[track_caller]
    pub fn requests(&self, kind: &str) -> u64 {
        let count = &self.report()["summary"]["requests"][kind];
        count.as_u64().unwrap_or_else(|| panic!("no count of {kind}: {count}"))
    }
}

/// The published schema.
pub fn committed_schema() -> String {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../reports/echo-bench.report.schema.json");
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}
