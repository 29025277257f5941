//! Every model, driven as a library over real sockets: what a peer sees is the same.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use echo_net::socket::{SocketOptions, listen};
use echo_net::stop::Stop;
use echo_proto::{ProtocolKind, Service, WriteMode};
use echo_server::{Config, ModelKind, ServerSummary, run};
use strum::VariantArray;
use subject::Subject;

mod drips;
mod limits;
mod quitting;
mod slow_peers;
mod stopping;
mod subject;
mod tls;
mod tuning;
mod unix;

/// How long anything may take that has no time of its own.
const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    stop: Stop,
    thread: JoinHandle<io::Result<ServerSummary>>,
}

impl Server {
    fn start(config: Config) -> Self {
        Self::on(vec![vec![listener(0, false)]], config)
    }

    fn on(listeners: Vec<Vec<TcpListener>>, config: Config) -> Self {
        let address = listeners[0][0].local_addr().unwrap();
        let stop = Stop::new();
        let asked = stop.clone();
        let thread = thread::spawn(move || run(listeners, config, &asked));
        Self { address, stop, thread }
    }

    fn connect(&self) -> TcpStream {
        connect(&self.address)
    }

    /// Asks to stop, unless that was done, and waits.
    fn stop(self) -> ServerSummary {
        if self.stop.stage() == echo_net::stop::Stage::Running {
            self.stop.ask();
        }
        self.thread.join().unwrap().unwrap()
    }
}

fn connect(address: &SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn listener(port: u16, reuse_port: bool) -> TcpListener {
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    listen(address, 1024, reuse_port, &SocketOptions::default()).unwrap()
}

fn config(model: impl Into<Subject>) -> Config {
    model.into().config()
}

fn for_each_model(test: impl Fn(Subject)) {
    for model in Subject::wanted() {
        println!("model {model}");
        match model.check() {
            Ok(()) => test(model),
            Err(reason) => {
                let thread = thread::current();
                let name = thread.name().unwrap_or_default();
                // Past the capture of the test harness, so that it is seen.
                let _ = writeln!(io::stderr(), "skipped: {name}: --model {model}: {reason}");
            }
        }
    }
}

fn ask(stream: &mut TcpStream, request: &[u8], reply: &[u8]) {
    stream.write_all(request).unwrap();
    let mut got = vec![0; reply.len()];
    stream.read_exact(&mut got).unwrap();
    assert_eq!(got, reply);
}

/// Everything until the server's end; a reset fails the test.
fn rest(mut stream: TcpStream) -> Vec<u8> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    rest
}

/// What arrives until the server's end, and whether that was a reset.
fn rest_or_reset(mut stream: TcpStream) -> (Vec<u8>, bool) {
    stream.set_nonblocking(false).unwrap();
    let mut rest = Vec::new();
    match stream.read_to_end(&mut rest) {
        Ok(_) => (rest, false),
        Err(error) if error.kind() == io::ErrorKind::ConnectionReset => (rest, true),
        Err(error) => panic!("{error}"),
    }
}

/// Sends until the server stops reading, and never reads.
fn stuff(stream: &TcpStream) {
    stream.set_nonblocking(true).unwrap();
    let mut full_since = None;
    let line = [b"x".repeat(999), b"\n".to_vec()].concat();
    loop {
        match (&mut &*stream).write(&line) {
            Ok(_) => full_since = None,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // A buffer that stays full shows that nobody reads the replies.
                let since = *full_since.get_or_insert_with(Instant::now);
                if since.elapsed() > Duration::from_secs(1) {
                    return;
                }
                thread::sleep(Duration::from_millis(1));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn half_close_answers_everything_and_ends() {
    for_each_model(|model| {
        let server = Server::start(config(model));
        let mut stream = server.connect();
        stream.write_all(b"a\nb\r\n\n\xff\x00\nlast").unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        assert_eq!(rest(stream), b"ECHO: a\nECHO: b\nECHO: \nECHO: \xff\x00\nECHO: last\n");
        let outcome = server.stop();
        assert_eq!((outcome.connections, outcome.refused, outcome.cut), (1, 0, 0));
        assert_eq!((outcome.served.messages, outcome.served.errors), (5, 0));
        assert_eq!((outcome.served.bytes_in, outcome.served.bytes_out), (13, 43));
    });
}

#[test]
fn many_connections_at_once_are_all_served() {
    for_each_model(|model| {
        let server = Server::start(Config { workers: model.workers(3), ..config(model) });
        let mut streams: Vec<_> = (0..200).map(|_| server.connect()).collect();
        for (number, stream) in streams.iter_mut().enumerate() {
            let (request, reply) = (format!("{number}\n"), format!("ECHO: {number}\n"));
            ask(stream, request.as_bytes(), reply.as_bytes());
        }
        drop(streams);
        assert_eq!(server.stop().connections, 200);
    });
}

#[test]
fn one_listener_per_worker_serves_too() {
    for_each_model(|model| {
        if !model.shares_listeners() || config(model).workers < 2 {
            return;
        }
        let first = listener(0, true);
        let port = first.local_addr().unwrap().port();
        let server = Server::on(vec![vec![first], vec![listener(port, true)]], config(model));
        let mut streams: Vec<_> = (0..50).map(|_| server.connect()).collect();
        for stream in &mut streams {
            ask(stream, b"x\n", b"ECHO: x\n");
        }
        drop(streams);
        assert_eq!(server.stop().connections, 50);
    });
}

#[test]
fn write_modes_change_no_byte() {
    for_each_model(|model| {
        for &write_mode in WriteMode::VARIANTS {
            let server = Server::start(Config { write_mode, ..config(model) });
            ask(&mut server.connect(), b"a\nb\n", b"ECHO: a\nECHO: b\n");
            server.stop();
        }
    });
}

#[test]
fn every_address_of_a_group_is_served_until_the_stop() {
    for_each_model(|model| {
        let group = vec![listener(0, false), listener(0, false), listener(0, false)];
        let addresses: Vec<_> = group.iter().map(|one| one.local_addr().unwrap()).collect();
        let server = Server::on(vec![group], config(model));
        let mut streams: Vec<_> = addresses.iter().cycle().take(30).map(connect).collect();
        for stream in &mut streams {
            ask(stream, b"x\n", b"ECHO: x\n");
        }
        drop(streams);
        assert_eq!(server.stop().connections, 30);
        for address in addresses {
            assert!(TcpStream::connect(address).is_err(), "{address} is still open");
        }
    });
}

#[test]
fn a_slow_reader_gets_every_byte_in_order() {
    // More than the kernel buffers of both sides can hold.
    let bytes: Arc<[u8]> = (0..32 << 20_u32).map(|n| (n >> 8 ^ n) as u8).collect();
    for_each_model(|model| {
        let server =
            Server::start(Config { protocol: ProtocolKind::Raw.into(), ..config(model) });
        let stream = server.connect();
        let (mut sender, sent) = (stream.try_clone().unwrap(), Arc::clone(&bytes));
        let sending = thread::spawn(move || {
            sender.write_all(&sent).unwrap();
            sender.shutdown(Shutdown::Write).unwrap();
        });
        // The server can't keep all that: it stops reading until this side reads.
        thread::sleep(Duration::from_millis(100));
        assert!(!sending.is_finished(), "the server has read what it could not send");
        assert!(rest(stream) == *bytes, "not the bytes that were sent");
        sending.join().unwrap();
        server.stop();
    });
}

#[test]
fn a_reset_by_the_peer_harms_nobody_else() {
    for_each_model(|model| {
        let server = Server::start(config(model));
        let mut other = server.connect();
        for _ in 0..20 {
            let mut stream = server.connect();
            stream.write_all(b"half a li").unwrap();
            socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
        }
        ask(&mut other, b"x\n", b"ECHO: x\n");
        drop(other);
        assert_eq!(server.stop().connections, 21);
    });
}

#[test]
fn busy_polling_answers_and_ends_all_the_same() {
    for_each_model(|model| {
        if !model.can_busy_poll() {
            return;
        }
        let server = Server::start(Config { busy_poll: true, ..config(model) });
        for _ in 0..3 {
            let mut stream = server.connect();
            ask(&mut stream, b"x\n", b"ECHO: x\n");
            stream.shutdown(Shutdown::Write).unwrap();
            assert_eq!(rest(stream), b"");
        }
        let mut open = server.connect();
        ask(&mut open, b"x\n", b"ECHO: x\n");
        server.stop.ask();
        assert_eq!(rest(open), b"");
        assert_eq!(server.stop().cut, 0);
    });
}

#[test]
fn who_has_connected_before_the_server_runs_has_all_options() {
    for_each_model(|model| {
        // With the options of the system, unlike those of a server.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let mut early = connect(&listener.local_addr().unwrap());
        let server = Server::on(vec![vec![listener]], config(model));
        ask(&mut early, b"x\n", b"ECHO: x\n");
        drop(early);
        let socket = server.stop().socket.unwrap();
        assert_eq!((socket.changed, socket.effective.nodelay), (vec![], Some(true)));
    });
}
