//! A server that runs out of descriptors or threads: it waits without using the CPU, goes on as
//! soon as it can, and does not pretend to be ready.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Output;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use echo_net::fd_limit;
use echo_server::model::ModelKind;
use echo_test_support::deadline::{PATIENCE, wait_until};
use echo_test_support::program::{own_program, run, tell_skipped, third_party_or_skip};
use echo_test_support::running_server::{RunningServer, each_model};
use rustix::process::{Pid, Resource, Rlimit, Signal, prlimit};

/// Descriptors that the server may have from some moment on.
const FEW: u64 = 64;

/// Connections that use them all up.
const IDLE: usize = 80;

/// Connections that wait for them.
const WAITING: usize = 1500;

/// The longest pause of a server that can't accept.
const PAUSE: Duration = Duration::from_millis(100);

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("the backlog has room");
    stream.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
    stream
}

/// Sets the limit of descriptors of all its processes.
fn allow(server: &RunningServer, limit: Rlimit) {
    for pid in server.processes() {
        prlimit(Pid::from_raw(pid.cast_signed()), Resource::Nofile, limit)
            .expect("the child's limits may be lowered");
    }
}

/// poll(2) refuses to look at more descriptors than the process may open.
#[test]
fn connections_that_are_open_are_served_on_when_fewer_descriptors_are_allowed() {
    let few = Rlimit { current: Some(24), maximum: Some(24) };
    each_model(|model| {
        let mut server = RunningServer::start(model, &["--workers", "1"]);
        let mut clients: Vec<_> = (0..40).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.exchange(b"x\n", b"ECHO: x\n");
        }
        allow(&server, few);
        for client in &mut clients {
            client.exchange(b"y\n", b"ECHO: y\n");
        }
        let begin = server.cpu_time();
        std::thread::sleep(Duration::from_millis(200));
        let used = server.cpu_time().saturating_sub(begin);
        assert!(used < Duration::from_millis(100), "it used the CPU for {used:?} to wait");
        assert!(server.is_running());
        drop(clients);
        server.stop();
    });
}

#[test]
fn who_waits_for_a_descriptor_is_served_as_soon_as_one_is_free() {
    if fd_limit::raise() < (IDLE + WAITING + 100) as u64 {
        let test = "who_waits_for_a_descriptor_is_served_as_soon_as_one_is_free";
        return tell_skipped(test, "the open files limit is too low");
    }
    each_model(|model| {
        if model == ModelKind::Uring {
            // An accept that is armed keeps the limit that it began with.
            let test = "who_waits_for_a_descriptor_is_served_as_soon_as_one_is_free";
            return tell_skipped(
                test,
                "with io_uring, a limit that is lowered has no effect yet",
            );
        }
        // Each process has descriptors of its own.
        let workers = if model.has_processes() { "1" } else { "2" };
        let mut server = RunningServer::start(model, &["--workers", workers]);
        allow(&server, Rlimit { current: Some(FEW), maximum: Some(FEW) });
        let idle: Vec<_> = (0..IDLE).map(|_| connect(server.address())).collect();
        wait_until("its descriptors are used up", || {
            server.said_so_far().contains("accepting a connection failed")
        });
        let mut waiting: Vec<_> = (0..WAITING).map(|_| connect(server.address())).collect();
        for stream in &mut waiting {
            stream.write_all(b"x\n").expect("the connection is established");
            stream.shutdown(Shutdown::Write).expect("it is open");
        }
        let (begin, used) = (Instant::now(), server.cpu_time());
        while begin.elapsed() < Duration::from_secs(1) {
            assert!(server.is_running());
            std::thread::sleep(Duration::from_millis(50));
        }
        let used = server.cpu_time().saturating_sub(used);
        assert!(used * 20 < begin.elapsed(), "it used the CPU for {used:?} to wait");
        let most = server.processes().len() * FEW as usize + 1;
        assert!(server.descriptors() <= most, "more than it may have");
        let begin = Instant::now();
        drop(idle);
        for mut stream in waiting {
            let mut reply = Vec::new();
            stream.read_to_end(&mut reply).expect("no reset");
            assert_eq!(reply, b"ECHO: x\n");
        }
        // Not a pause for each time that the descriptors are used up again.
        let pauses = u32::try_from(WAITING / FEW as usize).expect("a few");
        let taken = begin.elapsed();
        assert!(taken < PAUSE * pauses / 2, "the last was served after {taken:?}");
        server.signal(Signal::TERM);
        assert_eq!(server.wait_exit(PATIENCE).code, Some(0));
    });
}

#[test]
fn a_server_that_is_full_for_lack_of_descriptors_tells_everyone_at_once() {
    let test = "a_server_that_is_full_for_lack_of_descriptors_tells_everyone_at_once";
    if fd_limit::raise() < (WAITING + 200) as u64 {
        return tell_skipped(test, "the open files limit is too low");
    }
    each_model(|model| {
        let Some(mut command) = third_party_or_skip(test, "prlimit") else { return };
        // Those that the server keeps for itself, and a few more.
        let (most, limit) = (FEW + 36, format!("--nofile={0}:{0}", FEW + 36));
        command.arg(limit).arg(own_program("echo-server")).arg("0");
        let mut server = RunningServer::start_as(&mut command, model, &["--workers", "2"]);
        let mut clients: Vec<_> =
            (0..most - fd_limit::RESERVE).map(|_| server.connect()).collect();
        for client in &mut clients {
            client.exchange(b"x\n", b"ECHO: x\n");
        }
        let begin = Instant::now();
        let others: Vec<_> = (0..WAITING).map(|_| connect(server.address())).collect();
        for mut other in others {
            let mut told = Vec::new();
            other.read_to_end(&mut told).expect("no reset");
            assert_eq!(told, b"ERROR: server full\n");
        }
        let pauses = u32::try_from(WAITING / FEW as usize).expect("a few");
        let taken = begin.elapsed();
        assert!(taken < PAUSE * pauses / 2, "the last was told after {taken:?}");
        drop(clients);
        server.signal(Signal::TERM);
        assert_eq!(server.wait_exit(PATIENCE).code, Some(0));
    });
}

/// How many users without processes there were. Processes that have ended but were not waited for
/// count for none but their own.
static USERS: AtomicU32 = AtomicU32::new(0);

/// Runs one of our programs as a user who may have so many processes and threads, and has no
/// others; `None`, with a note, where that is impossible.
fn run_with_few_threads(
    test: &str,
    most: u32,
    program: &str,
    flags: &[&str],
) -> Option<Output> {
    if !rustix::process::geteuid().is_root() {
        tell_skipped(test, "only root can become a user without processes");
        return None;
    }
    let mut command = third_party_or_skip(test, "setpriv")?;
    third_party_or_skip(test, "prlimit")?;
    let folder = tempfile::tempdir().expect("a folder");
    let copy: PathBuf = folder.path().join(program);
    std::fs::copy(own_program(program), &copy).expect("it can be copied");
    for path in [folder.path(), copy.as_path()] {
        let readable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(path, readable).expect("it is ours");
    }
    // Nobody else has this number.
    let user = 1_000_000 + std::process::id() * 64 + USERS.fetch_add(1, Ordering::Relaxed) % 64;
    command
        .args([&format!("--reuid={user}"), "--clear-groups", "prlimit"])
        .arg(format!("--nproc={most}"))
        .arg(copy)
        .args(flags)
        .current_dir(folder.path())
        .env("HOME", folder.path());
    Some(run(&mut command, b"", PATIENCE))
}

#[test]
fn a_server_without_enough_threads_says_so_and_is_not_ready() {
    let test = "a_server_without_enough_threads_says_so_and_is_not_ready";
    each_model(|model| {
        if model == ModelKind::Threads {
            // It starts threads when there are connections.
            return;
        }
        let worker = if model.has_processes() { "worker process" } else { "worker thread" };
        let model = model.to_string();
        let flags = ["0", "--workers", "16", "--model", &model];
        for most in [2, 5, 9] {
            let Some(output) = run_with_few_threads(test, most, "echo-server", &flags) else {
                return;
            };
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{most}: {said}");
            assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{most}: it is not ready");
            assert!(!said.contains("panicked"), "{most}: {said}");
            if most > 2 {
                assert!(said.contains(worker), "{most}: {said}");
                assert!(said.contains("--workers"), "{most}: {said}");
            }
        }
    });
}

#[test]
fn a_generator_without_enough_threads_says_so() {
    let test = "a_generator_without_enough_threads_says_so";
    let server = RunningServer::start(ModelKind::Epoll, &[]);
    let target = server.address().to_string();
    let flags =
        ["--target", &target, "--threads=16", "--conns=16", "--duration=1s", "--no-report"];
    let Some(output) = run_with_few_threads(test, 8, "echo-bench", &flags) else { return };
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("generator thread"), "{said}");
    assert!(said.contains("--threads"), "{said}");
    assert!(!said.contains("panicked"), "{said}");
}
