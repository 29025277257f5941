//! A kernel that denies `io_uring`, as in a container: programs that need it report it with the
//! remedy and exit; all others work.

use std::process::Command;

use echo_test_support::bench_process::BenchProcess;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, run, third_party_or_skip};

/// Runs a program with a seccomp(2) filter in which `io_uring_setup` fails with EPERM, as in
/// the default profiles of containers. 425 is its number on every architecture.
const REFUSING: &str = r#"
import ctypes, os, struct, sys
libc = ctypes.CDLL(None, use_errno=True)
LOAD_NUMBER, IF_EQUAL, RETURN = 0x20, 0x15, 0x06
FAIL_WITH_EPERM, ALLOW = 0x00050001, 0x7FFF0000
rules = b"".join(struct.pack("HBBI", *rule) for rule in [
    (LOAD_NUMBER, 0, 0, 0),
    (IF_EQUAL, 0, 1, 425),
    (RETURN, 0, 0, FAIL_WITH_EPERM),
    (RETURN, 0, 0, ALLOW),
])
kept = ctypes.create_string_buffer(rules)
class Filter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("rules", ctypes.c_void_p)]
filter = Filter(len(rules) // 8, ctypes.addressof(kept))
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
for arguments in [
    (PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0),
    (PR_SET_SECCOMP, SECCOMP_MODE_FILTER, ctypes.byref(filter), 0, 0),
]:
    if libc.prctl(*arguments) != 0:
        sys.exit(f"prctl: {os.strerror(ctypes.get_errno())}")
os.execv(sys.argv[1], sys.argv[1:])
"#;

/// A command that runs one of our programs without `io_uring`, if possible here.
fn refused(test: &str, program: &str) -> Option<Command> {
    let mut command = third_party_or_skip(test, "python3")?;
    command.args(["-c", REFUSING]).arg(own_program(program));
    Some(command)
}

/// It is reported once, with cause and remedy.
#[track_caller]
fn assert_told(stderr: &str, remedy: &str) {
    for part in
        [remedy, "io_uring_setup", "not permitted", "kernel.io_uring_disabled", "seccomp"]
    {
        assert_eq!(stderr.matches(part).count(), 1, "{part} in: {stderr}");
    }
}

#[test]
fn a_server_that_can_have_no_ring_names_the_cause_and_another_model() {
    let test = "a_server_that_can_have_no_ring_names_the_cause_and_another_model";
    let Some(mut server) = refused(test, "echo-server") else { return };
    let output = run(server.args(["127.0.0.1:0", "--model", "uring"]), b"", PATIENCE);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.is_empty(), "it was never ready: {output:?}");
    assert_told(&String::from_utf8_lossy(&output.stderr), "try --model epoll");
}

#[test]
fn a_generator_that_can_have_no_ring_names_the_cause_and_another_engine() {
    let test = "a_generator_that_can_have_no_ring_names_the_cause_and_another_engine";
    for (flags, remedy) in [
        (&["--engine=uring"][..], "try --engine epoll"),
        (&["--engine=uring", "--protocol=chat", "--rate=1"], "try --engine epoll"),
        (&["--model=uring"], "try --model epoll"),
    ] {
        let Some(mut command) = refused(test, "echo-bench") else { return };
        let finished = BenchProcess::start_as(&mut command, flags).finish(PATIENCE);
        assert_eq!(finished.code, Some(1), "{flags:?}: {finished:?}");
        assert_told(&finished.stderr, remedy);
        assert!(!finished.has_report() && finished.stdout.is_empty(), "{finished:?}");
    }
}

#[test]
fn what_needs_no_ring_works_without() {
    let Some(mut command) = refused("what_needs_no_ring_works_without", "echo-bench") else {
        return;
    };
    let flags = ["--model=epoll", "--engine=epoll", "--requests=100", "--warmup=0"];
    let finished = BenchProcess::start_as(&mut command, &flags).finish(PATIENCE);
    assert_eq!((finished.code, finished.requests("ok")), (Some(0), 100), "{finished:?}");
}
