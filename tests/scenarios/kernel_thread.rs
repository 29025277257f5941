//! `--uring-sqpoll`: a kernel thread serves the rings of the model uring, on a CPU that the workers
//! leave, and its cost is the server's.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use echo_net::reactor::uring::kernel_thread;
use echo_proto::Service;
use echo_server::model::{self, ModelKind};
use echo_test_support::bench_process::BenchProcess;
use echo_test_support::deadline::{PATIENCE, wait_until};
use echo_test_support::program::tell_skipped;
use echo_test_support::running_server::RunningServer;
use strum::VariantArray;

const FLAGS: [&str; 3] = ["--uring-sqpoll", "--workers", "1"];

/// Whether this machine can have one, beside a worker; says so if not.
fn is_available(test: &str) -> bool {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let reason = if cores < 2 {
        Some("no CPU is left for a kernel thread".to_owned())
    } else {
        let checked = model::check(ModelKind::Uring);
        checked.and_then(|()| Ok(kernel_thread::probe()?)).err().map(|error| error.to_string())
    };
    if let Some(reason) = &reason {
        tell_skipped(test, reason);
    }
    reason.is_none()
}

/// Where the kernel shows the kernel threads of a process.
fn kernel_threads(server: &RunningServer) -> Vec<PathBuf> {
    let tasks = fs::read_dir(format!("/proc/{}/task", server.pid())).expect("it runs");
    let named = tasks.flatten().map(|task| task.path()).filter(|task| {
        let name = fs::read_to_string(task.join("comm")).unwrap_or_default();
        name.starts_with("iou-sqp-")
    });
    named.collect()
}

fn cpu_time(thread: &Path) -> Duration {
    let text = fs::read_to_string(thread.join("schedstat")).expect("it runs");
    let ns = text.split(' ').next().and_then(|ns| ns.parse().ok());
    Duration::from_nanos(ns.expect("sched-stats.rst"))
}

/// CPU time of the thread and of the whole server while `meanwhile` runs.
fn used(
    server: &RunningServer,
    thread: &Path,
    meanwhile: impl FnOnce(),
) -> (Duration, Duration) {
    let before = (cpu_time(thread), server.cpu_time());
    meanwhile();
    (cpu_time(thread).saturating_sub(before.0), server.cpu_time().saturating_sub(before.1))
}

#[test]
fn it_spins_only_while_there_is_something_to_do_and_nothing_is_left_of_connections() {
    let test = "it_spins_only_while_there_is_something_to_do";
    if !is_available(test) {
        return;
    }
    let mut server = RunningServer::start(ModelKind::Uring, &FLAGS);
    // That of the check whether there can be one ends a little later.
    wait_until("one kernel thread is left", || kernel_threads(&server).len() == 1);
    let thread = &kernel_threads(&server)[0];
    let rest = || std::thread::sleep(2 * kernel_thread::IDLE);
    wait_until("it rests", || used(&server, thread, rest).0 == Duration::ZERO);
    let before = (server.threads(), server.descriptors());
    let mut clients: Vec<_> = (0..100).map(|_| server.connect()).collect();
    for client in &mut clients {
        client.exchange(b"hello\n", b"ECHO: hello\n");
    }
    // The kernel counts the time of a process in hundredths of a second.
    wait_until("it spins while messages come, which is CPU time of the server", || {
        let (of_thread, of_server) = used(&server, thread, || {
            for _ in 0..20 {
                clients[0].exchange(b"x\n", b"ECHO: x\n");
                std::thread::sleep(kernel_thread::IDLE / 10);
            }
        });
        let tick = Duration::from_millis(20);
        of_thread > Duration::from_millis(40) && of_server + tick >= of_thread
    });
    drop(clients);
    wait_until("threads and descriptors are as before", || {
        (server.threads(), server.descriptors()) == before
    });
    wait_until("it rests again", || used(&server, thread, rest).0 == Duration::ZERO);
    let said = server.stop();
    assert!(said.contains("kernel thread of io_uring: on CPU"), "{said}");
}

#[test]
fn every_protocol_gets_correct_replies_with_and_without_tls() {
    let test = "every_protocol_gets_correct_replies_with_and_without_tls";
    if !is_available(test) {
        return;
    }
    for protocol in Service::VARIANTS {
        for tls in [&[][..], &["--tls", "--insecure"]] {
            let is_chat = protocol.is_chat();
            let protocol = format!("--protocol={protocol}");
            // Members speak on a schedule.
            let rate = if is_chat { &["--rate=200"][..] } else { &[] };
            let flags = [
                "--model=uring",
                "--server-uring-sqpoll",
                "--server-workers=1",
                "--duration=200ms",
                "--warmup=0",
                "--conns=4",
                &protocol,
            ];
            let finished =
                BenchProcess::start(&[&flags[..], tls, rate].concat()).finish(PATIENCE);
            assert_eq!(finished.code, Some(0), "{protocol} {tls:?}: {}", finished.stderr);
            assert!(finished.requests("ok") > 0, "{protocol} {tls:?}");
        }
    }
}

#[test]
fn the_report_has_its_cost_and_says_that_it_is_the_server_s() {
    let test = "the_report_has_its_cost_and_says_that_it_is_the_server_s";
    if !is_available(test) {
        return;
    }
    let flags = [
        "--model=uring",
        "--server-uring-sqpoll",
        "--server-workers=1",
        "--duration=300ms",
        "--warmup=50ms",
        "--conns=6",
    ];
    let finished = BenchProcess::start(&flags).finish(PATIENCE);
    assert_eq!(finished.code, Some(0), "{}", finished.stderr);
    assert!(finished.requests("ok") > 0);
    let report = finished.report();
    let thread = &report["summary"]["server_side"]["kernel_thread"];
    assert!(thread["cpu_time_ns"].as_u64() > Some(0), "{thread}");
    assert!(thread["cpu"].is_u64(), "{thread}");
    let typed = report["plan"]["target"]["server"].to_string();
    assert!(typed.contains("--uring-sqpoll"), "{typed}");
    let told = &finished.stdout;
    assert!(
        told.contains("kernel thread") && told.contains("of the server's CPU time"),
        "{told}"
    );
}
