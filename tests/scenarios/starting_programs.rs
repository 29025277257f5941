//! Signals while `echo-bench` and `echo-client` start.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use echo_server::model::ModelKind;
use echo_test_support::deadline::{PATIENCE, wait_until};
use echo_test_support::program::{own_program, wait};
use echo_test_support::running_server::RunningServer;
use rustix::process::{Pid, Signal, kill_process};

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
