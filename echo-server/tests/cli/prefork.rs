//! A process per worker: together they are one server, in its statistics, its limits and its end.

use super::*;

use std::collections::BTreeSet;

use echo_net::process_tree::descendants;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server of two processes, which the kernel chooses by a hash, so that both get connections.
const TWO: [&str; 4] = ["0", "--model=prefork", "--workers=2", "--accept=reuseport"];

/// Killed when dropped.
struct Server {
    child: Child,
    ready: Value,
    stdout: BufReader<std::process::ChildStdout>,
}

impl Server {
    fn start(flags: &[&str]) -> Self {
        let mut command = command();
        command.args(TWO).arg("--summary-on-stdout").args(flags);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let ready = serde_json::from_str(&line).unwrap_or_default();
        Self { child, ready, stdout }
    }

    fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.ready["addr"].as_str().unwrap()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    /// One connection to each worker at least, all answered.
    fn on_both_workers(&self) -> Vec<TcpStream> {
        // With 40, a worker without any is one in 2^39.
        let mut streams: Vec<_> = (0..40).map(|_| self.connect()).collect();
        streams.iter_mut().for_each(answered);
        streams
    }

    fn workers(&self) -> BTreeSet<u32> {
        descendants(self.child.id()).into_iter().collect()
    }

    /// Its exit code, its statistics, and what it said, after its end.
    fn ended(mut self) -> (Option<i32>, Value, String) {
        let begin = Instant::now();
        while self.child.try_wait().unwrap().is_none() {
            assert!(begin.elapsed() < PATIENCE, "it goes on");
            std::thread::sleep(Duration::from_millis(1));
        }
        let mut rest = String::new();
        self.stdout.read_to_string(&mut rest).unwrap();
        let code = self.child.wait().unwrap().code();
        let summary = serde_json::from_str(&rest).unwrap_or_default();
        (code, summary, stderr_of(&mut self.child))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn answered(stream: &mut TcpStream) {
    stream.write_all(b"x\n").unwrap();
    let mut reply = [0; 8];
    stream.read_exact(&mut reply).unwrap();
    assert_eq!(&reply, b"ECHO: x\n");
}

fn send(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

/// Whether the process runs: one that has ended and was not waited for does not.
fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

fn wait_until_gone(pids: impl IntoIterator<Item = u32>) {
    let begin = Instant::now();
    for pid in pids {
        while runs(pid) {
            assert!(begin.elapsed() < PATIENCE, "process {pid} is left");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

#[test]
fn statistics_are_the_sum_over_all_processes() {
    let server = Server::start(&["-q"]);
    assert_eq!(
        (&server.ready["workers"], &server.ready["model"]),
        (&2.into(), &"prefork".into())
    );
    assert_eq!(server.ready["pid"], server.child.id());
    let workers = server.workers();
    assert_eq!(workers.len(), 2);
    drop(server.on_both_workers());
    terminate(&server.child);
    let (code, summary, told) = server.ended();
    assert_eq!((code, told.as_str()), (Some(0), ""));
    assert_eq!((&summary["connections"], &summary["messages"]), (&40.into(), &40.into()));
    assert_eq!((&summary["bytes_in"], &summary["bytes_out"]), (&80.into(), &320.into()));
    let each = summary["per_worker"].as_array().unwrap();
    let connections = each.iter().map(|worker| worker["connections"].as_u64().unwrap());
    let connections: Vec<u64> = connections.collect();
    assert!(connections.len() == 2 && !connections.contains(&0), "{connections:?}");
    assert_eq!(connections.iter().sum::<u64>(), 40);
    assert!(!workers.into_iter().any(runs), "none is left");
}

/// How many of 40 clients at the same time are served.
fn served_at_once(server: &Server) -> usize {
    let mut streams: Vec<_> = (0..40).map(|_| server.connect()).collect();
    let is_served = |stream: &mut TcpStream| {
        // One that was refused may be reset when it sends something.
        let _ = stream.write_all(b"x\n");
        let mut reply = [0; 8];
        stream.read_exact(&mut reply).is_ok() && &reply == b"ECHO: x\n"
    };
    streams.iter_mut().map(is_served).filter(|served| *served).count()
}

#[test]
fn limits_hold_for_all_processes_together_and_places_are_free_again() {
    let server = Server::start(&["--max-conns=30"]);
    assert_eq!(served_at_once(&server), 30);
    // A worker sees the end of a connection a little later than its client.
    let begin = Instant::now();
    loop {
        let at_once = served_at_once(&server);
        assert!(at_once <= 30, "{at_once}");
        if at_once == 30 {
            break;
        }
        assert!(begin.elapsed() < PATIENCE, "places are not given back");
    }
    terminate(&server.child);
    let (code, summary, _) = server.ended();
    assert_eq!(code, Some(0));
    assert!(summary["refused"].as_u64() >= Some(2 * 10), "{summary}");
    // Of 40, a hash gives more than 30 to one of two workers hardly ever.
    let each = summary["per_worker"].as_array().unwrap();
    assert!(each.iter().all(|worker| worker["connections"] != 0), "{summary}");
}

#[test]
fn a_worker_that_is_killed_ends_the_server_with_the_cause_and_statistics() {
    let server = Server::start(&["-q"]);
    let streams = server.on_both_workers();
    let workers = server.workers();
    let killed = *workers.first().unwrap();
    send(killed, Signal::KILL);
    wait_until_gone(workers);
    let (code, summary, told) = server.ended();
    assert_eq!(code, Some(1), "{told}");
    let cause =
        format!("(process {killed}) has ended: signal: 9 (SIGKILL), so the server has stopped");
    assert!(
        told.starts_with("echo-server: serving: worker ") && told.contains(&cause),
        "{told}"
    );
    assert_eq!(told.lines().count(), 1, "{told}");
    // The other one could say what it has counted.
    assert!(summary["messages"].as_u64() > Some(0), "{summary}");
    for mut stream in streams {
        // The end or a reset, but not silence.
        let end = stream.read(&mut [0; 8]);
        assert!(!end.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
    }
}

#[test]
fn a_worker_that_is_stopped_does_not_keep_the_server_from_its_end() {
    let server = Server::start(&["-q", "--drain-timeout=1h"]);
    drop(server.on_both_workers());
    let workers = server.workers();
    let stopped = *workers.first().unwrap();
    send(stopped, Signal::STOP);
    terminate(&server.child);
    let begin = Instant::now();
    // The other one ends.
    while server.workers().len() > 1 {
        assert!(begin.elapsed() < PATIENCE, "it goes on");
        std::thread::sleep(Duration::from_millis(1));
    }
    terminate(&server.child);
    let (code, summary, told) = server.ended();
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains(&format!("(process {stopped}) does not exit")), "{told}");
    assert!(summary["connections"].as_u64() > Some(0), "{summary}");
    wait_until_gone(workers);
}

#[test]
fn a_supervisor_that_is_killed_leaves_no_worker() {
    let server = Server::start(&["-q"]);
    let mut stream = server.connect();
    answered(&mut stream);
    let workers = server.workers();
    assert_eq!(workers.len(), 2);
    send(server.child.id(), Signal::KILL);
    wait_until_gone(workers);
    let end = stream.read(&mut [0; 8]);
    assert!(!end.is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock));
    assert_eq!(server.ended().0, None);
}

/// How many clients there are that hold up a graceful stop.
const UNREAD: usize = 20;

/// Clients that do not read their replies, which the server has to keep.
fn unread(server: &Server) -> Vec<TcpStream> {
    let one = |_| {
        let mut stream = server.connect();
        socket2::SockRef::from(&stream).set_recv_buffer_size(4096).unwrap();
        answered(&mut stream);
        // Less than a server queues before it reads no more, and more than the kernels hold.
        let line = [b"x".repeat(999), b"\n".to_vec()].concat();
        stream.write_all(&line.repeat(60)).unwrap();
        stream
    };
    (0..UNREAD).map(one).collect()
}

#[test]
fn signals_to_workers_do_nothing_and_a_second_one_to_the_server_forces_all() {
    let server = Server::start(&["--drain-timeout=1h", "--send-buffer=8K"]);
    let streams = unread(&server);
    for worker in server.workers() {
        for signal in [Signal::INT, Signal::TERM, Signal::HUP, Signal::USR1, Signal::USR2] {
            send(worker, signal);
        }
    }
    server.on_both_workers();
    let address = server.ready["addr"].as_str().unwrap().to_owned();
    terminate(&server.child);
    let begin = Instant::now();
    while TcpStream::connect(&address).is_ok() {
        assert!(begin.elapsed() < PATIENCE, "it still listens");
    }
    assert_eq!(server.workers().len(), 2, "they wait for the clients");
    terminate(&server.child);
    let (code, summary, _) = server.ended();
    assert_eq!((code, &summary["cut"]), (Some(0), &UNREAD.into()));
    drop(streams);
}

#[test]
fn the_drain_timeout_is_said_once_and_cuts_the_connections_of_all() {
    let server =
        Server::start(&["--drain-timeout=100ms", "--send-buffer=8K", "--log-format=json"]);
    let streams = unread(&server);
    terminate(&server.child);
    let (code, summary, told) = server.ended();
    assert_eq!((code, &summary["cut"]), (Some(0), &UNREAD.into()));
    assert_eq!(told.matches("drain timeout of 100ms reached").count(), 1, "{told}");
    drop(streams);
}

#[test]
fn a_chat_has_one_process_or_is_refused_with_the_remedy() {
    let chat = ["0", "--model=prefork", "-p=chat", "-q"];
    let refused = command().args(chat).arg("--workers=2").output().unwrap();
    let told = String::from_utf8(refused.stderr).unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert!(told.contains("--workers must be 1 for a chat with --model prefork"), "{told}");
    let (mut child, line) = started(&chat);
    let ready: Value = serde_json::from_str(&line).unwrap();
    terminate(&child);
    assert_eq!((child.wait().unwrap().code(), &ready["workers"]), (Some(0), &1.into()));
}

#[test]
fn an_environment_that_makes_it_a_worker_by_mistake_is_one_clear_error() {
    for value in ["1", "0,1,0,1", "0,1,77,78,79"] {
        let mut command = command();
        let output =
            command.args(["0", "-q"]).env("ECHO_SERVER_WORKER", value).output().unwrap();
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains("ECHO_SERVER_WORKER") && told.contains("(unset it)"), "{told}");
        assert_eq!((told.lines().count(), output.stdout.len()), (1, 0));
    }
}
