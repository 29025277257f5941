//! A round of load and faults, all at the same time: [`Round`].

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use echo_server::model::ModelKind;
use echo_test_support::bench_process::BenchProcess;
use echo_test_support::client::Client;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::fault_proxy::{Fault, FaultProxy, Faults};
use echo_test_support::running_server::RunningServer;
use rustix::process::Signal;

use super::subject::{Kind, Subject};
use crate::lines::numbered;

/// How long the generators of a round load.
const LOAD: &str = "--duration=3s";

/// See the [module](self).
pub(super) struct Round<'a> {
    pub(super) model: ModelKind,
    pub(super) number: u32,
    pub(super) subjects: &'a [Subject],
}

impl Round<'_> {
    /// Ends when all of it has ended; panics at a wrong byte.
    pub(super) fn run(&self) {
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            let _over = SetAtEnd(&is_over);
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    self.subjects.iter().for_each(Subject::watch);
                    thread::sleep(Duration::from_millis(50));
                }
            });
            thread::scope(|scope| {
                for Subject { kind, server, .. } in self.subjects {
                    scope.spawn(|| load(*kind, server));
                    scope.spawn(|| reset(server));
                    scope.spawn(|| crowd(server));
                    scope.spawn(|| fall_silent(server));
                }
                let line = self.server_of(Kind::Line);
                scope.spawn(|| do_not_read(line));
                scope.spawn(|| do_not_read(self.server_of(Kind::Chat)));
                scope.spawn(|| go_slowly(line));
                scope.spawn(|| half_close(line));
                scope.spawn(|| pause(line));
                scope.spawn(|| speak_no_tls(self.server_of(Kind::Tls)));
                scope.spawn(|| start_and_stop(self.model, self.number));
            });
        });
    }

    fn server_of(&self, kind: Kind) -> &RunningServer {
        let subject = self.subjects.iter().find(|subject| subject.kind == kind);
        &subject.expect("there is one of each kind").server
    }
}

/// Also where a fault has failed: its thread would be waited for in vain.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The generator, with reconnects. Faults of others may cost it requests, but no byte is wrong.
fn load(kind: Kind, server: &RunningServer) {
    let address = server.address().to_string();
    let common = [&address, LOAD, "--warmup=0", "--threads=1", "--timeout=2s", "--quiet"];
    let own: &[&str] = match kind {
        Kind::Line => &["--conns=8", "--pipeline=4", "--reconnect-after=50"],
        Kind::Tls => {
            &["--protocol=frame", "--tls", "--insecure", "--conns=4", "--reconnect-after=20"]
        }
        Kind::Chat => &["--protocol=chat", "--conns=6", "--chat-deaf=1", "--rate=100"],
    };
    let finished = BenchProcess::start(&[&common[..], own].concat()).finish(3 * PATIENCE);
    if finished.has_report() {
        assert_eq!(finished.requests("mismatch"), 0, "{kind}: {finished:#?}");
    }
}

/// Clients that reset, in the middle of a message and without one.
fn reset(server: &RunningServer) {
    for _ in 0..50 {
        let Ok(client) = Client::try_connect(server.address()) else { continue };
        let _ = client.sender().write_all(b"half a mess");
        client.reset();
    }
}

/// More clients than the server takes.
fn crowd(server: &RunningServer) {
    let crowd: Vec<_> = (0..200).map(|_| Client::try_connect(server.address())).collect();
    thread::sleep(Duration::from_millis(200));
    drop(crowd);
}

/// Clients beyond a black hole, which the server lets go at its idle timeout.
fn fall_silent(server: &RunningServer) {
    let black_hole = Faults::both(&[Fault::BlackholeAfter(4)]);
    let proxy = FaultProxy::start(server.address(), &black_hole);
    let clients: Vec<_> = (0..5).map(|_| Client::try_connect(proxy.address())).collect();
    for client in clients.iter().flatten() {
        let _ = client.sender().write_all(b"/nick x\n");
    }
    thread::sleep(Duration::from_millis(3500));
}

/// Clients that send and never read.
fn do_not_read(server: &RunningServer) {
    let clients: Vec<_> = (0..5).map(|_| Client::try_connect(server.address())).collect();
    let line = [&[b'x'; 1023][..], b"\n"].concat();
    for client in clients.iter().flatten() {
        let mut sender = client.sender();
        let _ = sender.set_write_timeout(Some(Duration::from_millis(100)));
        while sender.write_all(&line).is_ok() {}
    }
    thread::sleep(Duration::from_millis(500));
}

/// A client over a slow network in pieces: every byte is right.
fn go_slowly(server: &RunningServer) {
    let slices = Fault::Slice { size: 11, pause: Duration::from_micros(200) };
    let faults = Faults::both(&[slices, Fault::Throttle(50_000)]);
    let proxy = FaultProxy::start(server.address(), &faults);
    answered_or_refused(proxy.address(), 2000);
}

fn half_close(server: &RunningServer) {
    for _ in 0..50 {
        answered_or_refused(server.address(), 20);
    }
}

/// Every line is answered, unless the crowd has taken all places.
fn answered_or_refused(address: std::net::SocketAddr, lines: usize) {
    let Ok(mut client) = Client::try_connect(address) else { return };
    let seen = client.try_converse(&numbered("", 0..lines));
    let refused = seen.as_ref().map_or(true, |seen| seen == b"ERROR: server full\n");
    if !refused {
        assert!(seen.unwrap_or_default() == numbered("ECHO: ", 0..lines), "not the lines sent");
    }
}

fn pause(server: &RunningServer) {
    for _ in 0..5 {
        thread::sleep(Duration::from_millis(400));
        server.signal(Signal::STOP);
        thread::sleep(Duration::from_millis(100));
        server.signal(Signal::CONT);
    }
}

/// Plaintext, a piece of a hello, and silence, until the server ends them.
fn speak_no_tls(server: &RunningServer) {
    for opening in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\x16\x03\x01", b""] {
        let Ok(client) = Client::try_connect(server.address()) else { continue };
        let _ = client.sender().write_all(opening);
        thread::sleep(Duration::from_millis(300));
    }
}

/// A server of its own that is stopped under load, in one round of two by force.
fn start_and_stop(model: ModelKind, number: u32) {
    let mut server = RunningServer::start(model, &["--drain-timeout=2s"]);
    let address = server.address().to_string();
    let run = [&address, "--conns=4", LOAD, "--warmup=0", "--timeout=1s", "--quiet"];
    let run = BenchProcess::start(&run);
    thread::sleep(Duration::from_secs(1));
    server.signal(Signal::TERM);
    if number % 2 == 1 {
        server.signal(Signal::INT);
    }
    let exit = server.wait_exit(PATIENCE);
    assert_eq!(exit.code, Some(0), "{exit:?}");
    run.signal(Signal::INT);
    let _ = run.finish(PATIENCE);
}
