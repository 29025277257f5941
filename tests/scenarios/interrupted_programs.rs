//! Generator and client whose system calls are interrupted, injected by strace(1) from their
//! start: every request is answered, none twice.

use std::process::Command;

use echo_server::model::ModelKind;
use echo_test_support::bench_process::{BenchProcess, each_engine};
use echo_test_support::client::Text;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, run};
use echo_test_support::running_server::RunningServer;
use echo_test_support::syscall_faults::{injected, strace_or_skip};
use echo_test_support::turn::turn;

use crate::lines::numbered;

/// Calls by which programs wait, receive and send.
const CALLS: &str = "epoll_wait,epoll_pwait,epoll_pwait2,io_uring_enter,recvfrom,sendto,recvmsg,\
    sendmsg,readv,writev";

const FAULT: &str = "error=EINTR:when=1+3";

/// strace with these faults, and the log that it writes.
fn interrupted(test: &str) -> Option<(Command, tempfile::NamedTempFile)> {
    let log = tempfile::NamedTempFile::new().expect("room for a file");
    let strace = strace_or_skip(test, CALLS, FAULT, log.path())?;
    Some((strace, log))
}

#[test]
fn a_generator_whose_calls_are_interrupted_loses_no_request() {
    let test = "a_generator_whose_calls_are_interrupted_loses_no_request";
    let _turn = turn();
    let server = RunningServer::start(ModelKind::default(), &[]);
    let address = server.address().to_string();
    each_engine(|engine| {
        for load in ["--pipeline=4", "--rate=1000"] {
            let Some((mut strace, log)) = interrupted(test) else { return };
            let run = [&address, engine, "--conns=4", "--requests=600", "--warmup=0", load];
            let strace = strace.arg(own_program("echo-bench"));
            let finished = BenchProcess::start_as(strace, &run).finish(PATIENCE);
            assert_eq!(finished.code, Some(0), "{engine} {load}: {finished:#?}");
            let counted = ["scheduled", "ok"].map(|kind| finished.requests(kind));
            assert_eq!(counted, [600; 2], "{engine} {load}");
            assert!(injected(log.path()) > 20, "{engine} {load}: no call was interrupted");
        }
    });
}

#[test]
fn a_client_whose_calls_are_interrupted_gets_every_reply() {
    let test = "a_client_whose_calls_are_interrupted_gets_every_reply";
    let _turn = turn();
    let server = RunningServer::start(ModelKind::default(), &[]);
    let Some((mut strace, log)) = interrupted(test) else { return };
    strace.arg(own_program("echo-client")).arg(server.address().to_string());
    let output = run(&mut strace, &numbered("", 0..3000), PATIENCE);
    assert_eq!(Text(&output.stdout), Text(&numbered("ECHO: ", 0..3000)));
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(injected(log.path()) > 0, "no call was interrupted");
}
