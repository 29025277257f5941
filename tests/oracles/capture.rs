//! A packet capture of the loopback as the judge: tcpdump writes it, a Python script that shares
//! no code with ours reads it, and the report agrees with what was on the wire.

use std::fs::{self, File};
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use echo_server::model::ModelKind;
use echo_test_support::bench_process::{BenchProcess, each_engine};
use echo_test_support::deadline::{PATIENCE, wait_for, wait_until};
use echo_test_support::program::{run, tell_skipped, third_party_or_skip};
use echo_test_support::running_server::RunningServer;
use echo_test_support::turn::turn;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

/// Length of each message in bytes, so that its end is known without reading any payload.
const SIZE: &str = "64";

/// Sent on a connection of its own when the run is over: all before it is then in the file.
const END: &[u8] = b"the capture ends here";

/// How far our instants may lie from those of the capture. `written` is read before the call
/// that writes, and the packet's time is taken within it; unoptimised code is slow to get there.
const NEAR_NS: f64 = if cfg!(debug_assertions) { 40_000.0 } else { 10_000.0 };

/// Other load on the machine moves the clocks apart, an error of ours does so in every run.
const ATTEMPTS: usize = 6;

/// A running tcpdump; killed when dropped.
struct Capture {
    tcpdump: Child,
    folder: TempDir,
}

impl Capture {
    /// Captures what passes this port of the loopback, where the machine permits that.
    fn start_or_skip(test: &str, mut tcpdump: Command, port: u16) -> Option<Self> {
        let folder = tempfile::tempdir().expect("there is room for files");
        let said = File::create(folder.path().join("said")).expect("the folder is new");
        let tcpdump = tcpdump
            .args(["-i", "lo", "-s", "128", "-B", "32768", "-U", "--immediate-mode"])
            .args(["--time-stamp-precision=nano", "-w"])
            .arg(folder.path().join("capture"))
            .args(["tcp", "port", &port.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(said)
            .spawn()
            .expect("the program can be started");
        let mut capture = Self { tcpdump, folder };
        let is_capturing = wait_for("tcpdump listens, or ends", || {
            let has_ended = capture.tcpdump.try_wait().expect("it was started").is_some();
            (capture.said().contains("listening on") || has_ended).then_some(!has_ended)
        });
        if !is_capturing {
            tell_skipped(test, capture.said().trim());
        }
        is_capturing.then_some(capture)
    }

    fn said(&self) -> String {
        fs::read_to_string(self.folder.path().join("said")).expect("created above")
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("capture")
    }

    /// What the script finds in the capture, which lacks nothing of what was sent so far.
    fn evaluated(mut self, server: SocketAddr) -> Value {
        let mut marker = TcpStream::connect(server).expect("the server still runs");
        marker.write_all(END).expect("a new connection takes a few bytes");
        wait_until("the capture has the marker", || {
            let bytes = fs::read(self.file()).unwrap_or_default();
            bytes.windows(END.len()).rev().any(|bytes| bytes == END)
        });
        let pid = Pid::from_raw(self.tcpdump.id().cast_signed()).expect("a child has an id");
        kill_process(pid, Signal::INT).expect("the child has not been waited for");
        let status = self.tcpdump.wait().expect("it was started");
        assert!(status.success(), "{}", self.said());
        assert!(self.said().contains("\n0 packets dropped by kernel"), "{}", self.said());
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/oracles/capture.py");
        let mut python = Command::new("python3");
        python.arg(script).arg(self.file()).args([&server.port().to_string(), SIZE]);
        let output = run(&mut python, b"", PATIENCE);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        serde_json::from_slice(&output.stdout).expect("the script prints JSON")
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.tcpdump.kill();
        let _ = self.tcpdump.wait();
    }
}

/// A run and the capture of it.
struct Judged {
    report: Value,
    wire: Value,
}

impl Judged {
    /// Makes a run against a server of its own while tcpdump captures.
    fn new_or_skip(test: &str, arguments: &[&str]) -> Option<Self> {
        third_party_or_skip(test, "python3")?;
        let tcpdump = third_party_or_skip(test, "tcpdump")?;
        let mut server = RunningServer::start(ModelKind::Epoll, &["--protocol=raw"]);
        let address = server.address();
        let capture = Capture::start_or_skip(test, tcpdump, address.port())?;
        let target = address.to_string();
        let usual = [&*target, "--protocol=raw", "--size", SIZE, "--warmup=0", "--quiet"];
        let arguments = [&usual[..], &["--stamps=all"], arguments].concat();
        let finished = BenchProcess::start(&arguments).finish(PATIENCE);
        let wire = capture.evaluated(address);
        server.stop();
        let judged = Self { report: finished.report().clone(), wire };
        judged.counts_agree();
        Some(judged)
    }

    /// What was counted is what was on the wire, exactly.
    fn counts_agree(&self) {
        let summary = &self.report["summary"];
        assert_eq!(summary["requests"]["scheduled"], self.wire["requests"], "{}", self.wire);
        assert_eq!(summary["requests"]["ok"], self.wire["replies"], "{}", self.wire);
        let connections = &summary["connections"]["established"];
        assert_eq!(*connections, self.wire["connections"], "{}", summary["connections"]);
        let stamped = &summary["latency"]["path"]["count"];
        assert_eq!(*stamped, self.wire["replies"], "every reply has a stamp");
    }

    fn ours(&self, clock: &str, percentile: &str) -> f64 {
        let value = &self.report["summary"]["latency"][clock][percentile];
        value.as_f64().unwrap_or_else(|| panic!("{clock} {percentile}: {value}"))
    }

    fn wire(&self, percentile: &str) -> f64 {
        self.wire[percentile].as_f64().expect("a time")
    }
}

/// Finds a run out of several in which `agrees` returns nothing to object to.
#[track_caller]
fn one_agrees(test: &str, arguments: &[&str], agrees: impl Fn(&Judged) -> Option<String>) {
    let mut objections = Vec::new();
    for _ in 0..ATTEMPTS {
        let Some(judged) = Judged::new_or_skip(test, arguments) else { return };
        let Some(objection) = agrees(&judged) else { return };
        objections.push(objection);
    }
    panic!("no run agrees with its capture: {objections:#?}");
}

#[test]
fn counts_and_instants_are_those_of_a_packet_capture() {
    let _turn = turn();
    let test = "counts_and_instants_are_those_of_a_packet_capture";
    each_engine(|engine| {
        let arguments = [engine, "--conns=4", "--rate=5k", "--requests=5000"];
        one_agrees(test, &arguments, |judged| {
            let apart = |percentile| {
                let wire = judged.wire(&format!("path_{percentile}"));
                let apart = judged.ours("path", percentile) - wire;
                // A histogram has three digits.
                (apart.abs() > NEAR_NS + wire * 0.001)
                    .then(|| format!("path {percentile}: {wire} ns on the wire, {apart} apart"))
            };
            apart("p50_ns").or_else(|| apart("p99_ns"))
        });
    });
}

/// The queue before the generator is its own: what remains is what the wire shows.
#[test]
fn the_share_of_a_saturated_generator_is_that_of_a_packet_capture() {
    let _turn = turn();
    let test = "the_share_of_a_saturated_generator_is_that_of_a_packet_capture";
    one_agrees(test, &["--conns=200", "--requests=20k"], |judged| {
        let (wire, printed) = (judged.wire("path_p50_ns"), judged.ours("response", "p50_ns"));
        let path = judged.ours("path", "p50_ns");
        let expected = 100.0 * (1.0 - wire / printed);
        let share = &judged.report["summary"]["generator_share"]["quantiles"]["p50"]["share"];
        let share = share.as_f64().expect("every reply has a stamp") * 100.0;
        let is_near =
            (path - wire).abs() < 0.15 * wire + NEAR_NS && (share - expected).abs() < 5.0;
        (!is_near).then(|| {
            format!(
                "path {path} ns and {share:.1} %, by the wire {wire} ns and {expected:.1} %"
            )
        })
    });
}
