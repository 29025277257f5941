//! Signals while `echo-bench` and `echo-client` start.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use echo_server::model::ModelKind;
use echo_test_support::deadline::{PATIENCE, wait_for, wait_until};
use echo_test_support::program::{own_program, wait};
use echo_test_support::running_server::RunningServer;
use echo_test_support::syscall_faults::strace_or_skip;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::NamedTempFile;

/// A variable by which the processes of one run are known.
const MARK: &str = "ECHO_TEST_STARTED_BY";

/// Ends the program `delay` after its start; whatever it has started ends with it.
fn end_while_it_starts(program: &str, arguments: &[&str], delay: Duration) {
    let mark = format!("{}-{program}-{}", std::process::id(), delay.as_micros());
    let mut child = Command::new(own_program(program))
        .args(arguments)
        .env(MARK, &mark)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("the program can be started");
    // The moment is under test.
    thread::sleep(delay);
    kill_process(Pid::from_child(&child), Signal::TERM).expect("it has not been waited for");
    let Some(status) = wait(&mut child, PATIENCE) else {
        let _ = child.kill();
        panic!("{program} still runs after a signal at {delay:?}");
    };
    let ended = status.code() == Some(143) || status.signal() == Some(Signal::TERM.as_raw());
    assert!(ended, "{program}: {status} after a signal at {delay:?}");
    wait_until("what it has started is gone", || !is_running(&format!("{MARK}={mark}")));
}

/// Whether a process has this variable. One that is a zombie has none.
fn is_running(variable: &str) -> bool {
    let processes = std::fs::read_dir("/proc").expect("Linux has it").flatten();
    processes.filter_map(|process| std::fs::read(process.path().join("environ")).ok()).any(
        |variables| variables.split(|&byte| byte == 0).any(|one| one == variable.as_bytes()),
    )
}

#[test]
fn a_signal_during_the_start_of_a_generator_leaves_no_server_behind() {
    let arguments = ["--conns=2", "--duration=20s", "--warmup=0", "--no-report", "--pin=off"];
    thread::scope(|scope| {
        for part in 0..4 {
            scope.spawn(move || {
                for number in 0..5 {
                    let delay = Duration::from_millis(1 + 4 * part + 16 * number);
                    end_while_it_starts("echo-bench", &arguments, delay);
                }
            });
        }
    });
}

#[test]
fn a_signal_during_the_start_of_a_client_ends_it() {
    let server = RunningServer::start(ModelKind::default(), &[]);
    for delay_ms in 0..12 {
        let address = server.address().to_string();
        end_while_it_starts("echo-client", &[&address], Duration::from_millis(delay_ms));
    }
}

/// The process that strace has started, once it catches SIGTERM.
fn catching_term(strace: &Child) -> Pid {
    let pid = strace.id();
    wait_for("the program catches SIGTERM", || {
        let children =
            std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
        let traced: i32 = children.split_whitespace().next()?.parse().ok()?;
        let status = std::fs::read_to_string(format!("/proc/{traced}/status")).ok()?;
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
        let caught = u64::from_str_radix(caught.trim(), 16).ok()?;
        let is_caught = caught >> (Signal::TERM.as_raw() - 1) & 1 == 1;
        is_caught.then_some(Pid::from_raw(traced)?)
    })
}

/// The library installs a handler before it knows what to call: what came in between was lost, and
/// the program ran on.
#[test]
fn a_signal_while_the_handlers_are_installed_is_heard() {
    let test = "a_signal_while_the_handlers_are_installed_is_heard";
    let (file, port) = (NamedTempFile::new().expect("room for a file"), "127.0.0.1:0");
    let balance = ["balance", port, "--backend=127.0.0.1:9"];
    let load = ["--conns=1", "--duration=20s", "--no-report", "--quiet", "--pin=off"];
    for (program, arguments) in
        [("echo-server", &[port][..]), ("echo-server", &balance), ("echo-bench", &load)]
    {
        // Each of a few dozen calls takes as long; the one under test is stopped in it.
        let late = "delay_exit=50000";
        let strace = strace_or_skip(test, "rt_sigaction", late, file.path());
        let Some(mut strace) = strace else { return };
        strace.arg(own_program(program)).args(arguments);
        let quiet = strace.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut strace = quiet.spawn().expect("it is installed");
        let traced = catching_term(&strace);
        kill_process(traced, Signal::TERM).expect("it has not been waited for");
        let ended = wait(&mut strace, PATIENCE);
        if ended.is_none() {
            let _ = kill_process(traced, Signal::KILL);
            let _ = strace.wait();
        }
        assert!(ended.is_some(), "{program} {arguments:?} still runs");
    }
}
