//! However a run or its server ends, nothing of the server is left, and what happened is told.

use std::time::Duration;

use echo_test_support::deadline::{PATIENCE, wait_for};
use echo_test_support::program::third_party_or_skip;
use rustix::process::{Pid, Signal, kill_process};

use super::marked::Marked;
use super::{echo_server, load, python, says};

/// A server that is as hard to get rid of as this in Python: it is in a session of its own, its
/// parents have ended, it ignores SIGTERM, and it has a child of its own.
const DAEMON: &str = "
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
if os.fork() == 0: time.sleep(1000)
";

#[test]
fn a_server_that_dies_in_the_middle_is_told_and_what_was_measured_is_kept() {
    let marked = Marked::new();
    let dies = format!(
        "sh -c '{} & echo $$ started; sleep 1.5; echo out of memory; kill -9 $! $$'",
        echo_server()
    );
    let exec = format!("--exec={dies}");
    let run =
        marked.start(&[&exec, "--conns=2", "--duration=3s", "--warmup=0", "--timeout=300ms"]);
    let finished = run.finish(PATIENCE);
    marked.nothing_is_left();
    says(&finished, 1, &["the server ended during the run (signal 9", "  out of memory"]);
    let warnings = finished.report()["warnings"].to_string();
    assert!(warnings.contains("server-ended") && warnings.contains("signal 9"), "{warnings}");
    assert!(finished.requests("ok") > 0, "{finished:#?}");
}

#[test]
fn a_server_that_ignores_sigterm_is_killed_and_the_report_says_so() {
    let test = "a_server_that_ignores_sigterm_is_killed_and_the_report_says_so";
    if third_party_or_skip(test, "python3").is_none() {
        return;
    }
    let (marked, folder) = (Marked::new(), tempfile::tempdir().expect("there is room"));
    let command = python(folder.path(), "signal.signal(signal.SIGTERM, signal.SIG_IGN)");
    let finished = load(&marked, &command, &["--protocol=raw"]);
    assert_eq!(finished.requests("ok"), 200, "{finished:#?}");
    let warnings = finished.report()["warnings"].to_string();
    assert!(warnings.contains("server-not-stopped"), "{warnings}");
    says(&finished, 0, &["did not stop within 2s of SIGTERM; it was killed"]);
    assert!(finished.took > Duration::from_secs(2), "it has its time: {finished:#?}");
}

/// The server sends the signal itself once it is asked to stop, which it does not.
#[test]
fn a_run_against_another_protocol_is_interrupted_while_its_server_stops() {
    let test = "a_run_against_another_protocol_is_interrupted_while_its_server_stops";
    if third_party_or_skip(test, "python3").is_none() {
        return;
    }
    let (marked, folder) = (Marked::new(), tempfile::tempdir().expect("there is room"));
    let of_run = folder.path().join("pid");
    let before = format!(
        "
def serve(client):
    client.sendall(b'HTTP/1.1 400 Bad Request' + bytes([13, 10, 13, 10]))
def interrupt(*_):
    while not os.path.exists('{0}'): time.sleep(0.01)
    os.kill(int(open('{0}').read()), signal.SIGINT)
signal.signal(signal.SIGTERM, interrupt)
",
        of_run.display()
    );
    let exec = format!("--exec={}", python(folder.path(), &before));
    let run = marked.start(&[&exec, "--conns=2", "--duration=60s", "--warmup=0"]);
    let written = folder.path().join("written");
    std::fs::write(&written, run.pid().as_raw_nonzero().to_string()).expect("there is room");
    std::fs::rename(&written, &of_run).expect("in the same folder");
    let finished = run.finish(PATIENCE);
    marked.nothing_is_left();
    says(&finished, 130, &["the server speaks http, not line"]);
    assert!(!finished.has_report(), "{finished:#?}");
}

#[test]
fn what_a_server_leaves_behind_ends_with_the_run() {
    let marked = Marked::new();
    let leaves = format!("sh -c 'sleep 1000 & setsid sleep 1000 & exec {}'", echo_server());
    let finished = load(&marked, &leaves, &[]);
    assert_eq!(finished.requests("ok"), 200, "{finished:#?}");
    assert!(
        finished.took < Duration::from_secs(5),
        "all of it stops when asked: {finished:#?}"
    );
}

#[test]
fn a_server_that_daemonises_is_measured_and_ended() {
    let test = "a_server_that_daemonises_is_measured_and_ended";
    if third_party_or_skip(test, "python3").is_none() {
        return;
    }
    let (marked, folder) = (Marked::new(), tempfile::tempdir().expect("there is room"));
    let daemon = DAEMON.replace("signal.SIG_IGN", "signal.SIG_DFL");
    let finished = load(&marked, &python(folder.path(), &daemon), &["--protocol=raw"]);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(finished.requests("ok"), 200, "{finished:#?}");
    let cost = finished.report()["summary"]["cpu"]["server_us_per_message"].as_f64();
    assert!(cost > Some(0.0), "{cost:?}");
    assert!(finished.report()["server"]["pid"].is_u64(), "{finished:#?}");
}

/// A marked process whose command line holds `part`, and is not that of the run.
fn process(marked: &Marked, part: &str) -> Pid {
    let pid = wait_for(part, || {
        let mut others = marked.processes().into_iter().filter(|(_, l)| !l.contains("--exec="));
        let found = others.find(|(_, line)| line.contains(part));
        found.map(|(pid, _)| pid)
    });
    Pid::from_raw(pid).expect("a process")
}

#[test]
fn whatever_kills_the_run_nothing_is_left_of_its_server() {
    let test = "whatever_kills_the_run_nothing_is_left_of_its_server";
    if third_party_or_skip(test, "python3").is_none() {
        return;
    }
    let folder = tempfile::tempdir().expect("there is room");
    let exec = format!("--exec={}", python(folder.path(), DAEMON));
    let flags = [&*exec, "--protocol=raw", "--duration=60s", "--warmup=0"];
    for how in ["killed", "asked twice", "asked once", "supervisor killed"] {
        let marked = Marked::new();
        let mut run = marked.start(&flags);
        run.wait_until_measuring();
        match how {
            "killed" => run.signal(Signal::KILL),
            "asked twice" => {
                run.signal(Signal::INT);
                // Signals of one kind that are pending are one.
                std::thread::sleep(Duration::from_millis(300));
                run.signal(Signal::INT);
            }
            "asked once" => run.signal(Signal::INT),
            _ => {
                let supervisor = process(&marked, " supervise ");
                kill_process(supervisor, Signal::KILL).expect("it runs");
                run.signal(Signal::INT);
            }
        }
        if how == "killed" {
            drop(run);
        } else {
            let finished = run.finish(PATIENCE);
            assert_eq!(finished.code, Some(130), "{how}: {finished:#?}");
            assert!(finished.requests("ok") > 0, "{how}: {finished:#?}");
            let told = finished.stderr.contains("its supervisor was killed");
            assert_eq!(told, how == "supervisor killed", "{finished:#?}");
            let waited = finished.stderr.contains("did not stop within 500ms of SIGTERM");
            assert_eq!(waited, how == "asked once", "{finished:#?}");
        }
        marked.nothing_is_left();
    }
}

#[test]
fn a_signal_before_the_server_is_ready_ends_both() {
    let marked = Marked::new();
    let run = marked.start(&["--exec=sh -c 'sleep 1000' {port}", "--exec-timeout=60s"]);
    process(&marked, "sleep 1000");
    run.signal(Signal::TERM);
    let finished = run.finish(PATIENCE);
    says(&finished, 143, &["interrupted before the server was ready"]);
    marked.nothing_is_left();
}

#[test]
fn a_simple_server_ends_with_a_supervisor_that_is_killed_with_its_run() {
    let marked = Marked::new();
    let exec = format!("--exec={}", echo_server());
    let mut run = marked.start(&[&exec, "--duration=60s", "--warmup=0"]);
    run.wait_until_measuring();
    let supervisor = process(&marked, " supervise ");
    run.signal(Signal::KILL);
    kill_process(supervisor, Signal::KILL).expect("it runs");
    drop(run);
    marked.nothing_is_left();
}
