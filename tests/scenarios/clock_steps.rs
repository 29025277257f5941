//! A wall clock that is set: `TIME` follows it, timeouts do not.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use echo_server::model::ModelKind;
use echo_test_support::bench_process::BenchProcess;
use echo_test_support::client::Client;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{faketime_or_skip, own_program, run};
use echo_test_support::running_server::{RunningServer, each_model_at_once};

const IDLE: Duration = Duration::from_millis(800);

/// A program whose wall clock is off by what stands in `offset`.
fn command(program: &str, library: &Path, offset: &Path) -> Command {
    let mut command = Command::new(own_program(program));
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME_TIMESTAMP_FILE", offset)
        .env("FAKETIME_NO_CACHE", "1")
        .env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
    command
}

/// The hour of the day that the server tells.
fn hour(client: &mut Client) -> u32 {
    let reply = String::from_utf8(client.try_line(b"TIME\n")).expect("text");
    let hour = reply.split_once('T').and_then(|(_, time)| time.get(..2)?.parse().ok());
    hour.unwrap_or_else(|| panic!("no time: {reply}"))
}

#[test]
fn a_clock_that_is_set_changes_the_time_and_no_timeout() {
    let test = "a_clock_that_is_set_changes_the_time_and_no_timeout";
    let Some(library) = faketime_or_skip(test) else { return };
    let folder = tempfile::tempdir().expect("room for a folder");
    each_model_at_once(|model| {
        let offset = folder.path().join(model.to_string());
        let set = |text: &str| std::fs::write(&offset, text).expect("room for a file");
        set("+0");
        let timeout = format!("{}ms", IDLE.as_millis());
        // The library opens the file with the offset again and again.
        let flags = ["--protocol", "command", "--idle-timeout", &timeout, "--no-sandbox"];
        let mut command = command("echo-server", &library, &offset);
        let mut server = RunningServer::start_as(command.arg("127.0.0.1:0"), model, &flags);
        let mut client = server.connect();
        let first = hour(&mut client);
        for (step, hours) in [("+6h", 6), ("-6h", 18)] {
            let mut idle = server.connect();
            idle.exchange(b"ECHO x\n", b"ECHO: x\n");
            let started = Instant::now();
            set(step);
            let told = hour(&mut client);
            // The hour may have passed since the first look.
            let expected = [0, 1].map(|late| (first + hours + late) % 24);
            assert!(expected.contains(&told), "{step}: {told}, not one of {expected:?}");
            assert!(!idle.is_ended_within(IDLE / 2), "{step} is taken for idling");
            hour(&mut client);
            assert!(idle.is_ended_within(PATIENCE), "{step}: the idle timeout never comes");
            let took = started.elapsed();
            assert!(took >= IDLE * 9 / 10 && took < IDLE * 4, "{step}: idle for {took:?}");
            client = server.connect();
        }
        drop(client);
        server.stop();
    });
}

/// A file with an offset that is changed while a program runs.
struct Offset(PathBuf);

impl Offset {
    fn new(folder: &Path, name: &str) -> Self {
        let offset = Self(folder.join(name));
        offset.set("+0");
        offset
    }

    fn set(&self, step: &str) {
        std::fs::write(&self.0, step).expect("room for a file");
    }
}

fn bench_while_the_clock_is_set(address: &str, library: &Path, offset: &Offset, step: &str) {
    let flags = [address, "--conns=2", "--rate=200", "--duration=2s", "--warmup=0"];
    let mut command = command("echo-bench", library, &offset.0);
    let mut bench = BenchProcess::start_as(&mut command, &flags);
    bench.wait_until_measuring();
    offset.set(step);
    let finished = bench.finish(PATIENCE);
    assert_eq!(finished.code, Some(0), "{step}: {finished:#?}");
    let summary = &finished.report()["summary"];
    let measured_s = summary["measured_s"].as_f64().expect("by the schema");
    assert!((1.9..4.0).contains(&measured_s), "{step}: {summary:#}");
    assert_eq!(finished.requests("scheduled"), finished.requests("ok"), "{step}");
    let max_ns = summary["latency"]["response"]["max_ns"].as_u64();
    assert!((Some(1)..Some(4_000_000_000)).contains(&max_ns), "{step}: {summary:#}");
}

fn ping_while_the_clock_is_set(address: &str, library: &Path, offset: &Offset, step: &str) {
    let mut ping = command("echo-client", library, &offset.0);
    ping.args(["ping", "-c", "20", "-i", "50ms", address]);
    let output = thread::scope(|scope| {
        let pinging = scope.spawn(|| run(&mut ping, b"", PATIENCE));
        // Half of the time that the pings take.
        thread::sleep(Duration::from_millis(500));
        offset.set(step);
        pinging.join().expect("it ends")
    });
    let seen = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{step}: {seen}");
    assert!(seen.contains("20 answered, 0 lost (0 %)"), "{step}: {seen}");
}

#[test]
fn a_clock_that_is_set_changes_no_measurement() {
    let test = "a_clock_that_is_set_changes_no_measurement";
    let Some(library) = faketime_or_skip(test) else { return };
    let folder = tempfile::tempdir().expect("room for a folder");
    let server = RunningServer::start(ModelKind::default(), &[]);
    let (address, folder) = (&server.address().to_string(), folder.path());
    thread::scope(|scope| {
        for step in ["+6h", "-6h"] {
            let library = &library;
            scope.spawn(move || {
                let offset = Offset::new(folder, &format!("bench{step}"));
                bench_while_the_clock_is_set(address, library, &offset, step);
            });
            scope.spawn(move || {
                let offset = Offset::new(folder, &format!("ping{step}"));
                ping_while_the_clock_is_set(address, library, &offset, step);
            });
        }
    });
}
