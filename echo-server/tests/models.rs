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
use echo_server::{Config, ModelKind, Outcome, model, run};
use strum::VariantArray;

/// How long anything may take that has no time of its own.
const PATIENCE: Duration = Duration::from_secs(20);

struct Server {
    address: SocketAddr,
    stop: Stop,
    thread: JoinHandle<io::Result<Outcome>>,
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
    fn stop(self) -> Outcome {
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

fn config(model: ModelKind) -> Config {
    Config { model, workers: 2, drain_timeout: PATIENCE, ..Config::default() }
}

fn for_each_model(test: impl Fn(ModelKind)) {
    for &model in ModelKind::VARIANTS {
        println!("model {model}");
        match model::build(model).check() {
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

/// Sends until the server stops reading, and never reads.
fn stuff(stream: &TcpStream) {
    stream.set_nonblocking(true).unwrap();
    let mut full_since = None;
    let line = [b"x".repeat(999), b"\n".to_vec()].concat();
    loop {
        match (&mut &*stream).write(&line) {
            Ok(_) => full_since = None,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // Full for a while is full for good: nobody takes the replies.
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
        let server = Server::start(Config { workers: 3, ..config(model) });
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
        if !model.shares_listeners() {
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
fn a_line_over_the_limit_is_told_so_and_the_rest_discarded() {
    for_each_model(|model| {
        let server = Server::start(Config { max_message: 100, ..config(model) });
        let exact = [b"x".repeat(100), b"\r\n".to_vec()].concat();
        let reply = [b"ECHO: ".to_vec(), b"x".repeat(100), b"\n".to_vec()].concat();
        let mut stream = server.connect();
        ask(&mut stream, &exact, &reply);
        // More than the server reads at once: a plain close would reset the connection.
        stream.write_all(&b"y".repeat(100_000)).unwrap();
        assert_eq!(rest(stream), b"ERROR: line too long (limit 100 bytes)\n");
        assert_eq!(server.stop().served.errors, 1);
    });
}

#[test]
fn lingering_ends_although_the_peer_goes_on_sending() {
    for_each_model(|model| {
        let server = Server::start(Config { max_message: 1, ..config(model) });
        let mut stream = server.connect();
        stream.write_all(b"too long\n").unwrap();
        let begin = Instant::now();
        while stream.write_all(b"and on\n").is_ok() {
            assert!(begin.elapsed() < PATIENCE, "never closed");
            thread::sleep(Duration::from_millis(5));
        }
        server.stop();
    });
}

#[test]
fn one_connection_too_many_is_told_so_and_a_place_that_is_left_is_taken() {
    for_each_model(|model| {
        let server = Server::start(Config { max_conns: Some(1), ..config(model) });
        let mut first = server.connect();
        ask(&mut first, b"x\n", b"ECHO: x\n");
        let mut second = server.connect();
        second.write_all(b"what a peer sends before it reads\n").unwrap();
        assert_eq!(rest(second), b"ERROR: server full\n");
        drop(first);
        let begin = Instant::now();
        loop {
            let mut third = server.connect();
            third.write_all(b"y\n").unwrap();
            third.shutdown(Shutdown::Write).unwrap();
            if rest(third) == b"ECHO: y\n" {
                break;
            }
            assert!(begin.elapsed() < PATIENCE, "the place stays taken");
        }
        assert!(server.stop().refused >= 1);
    });
}

#[test]
fn a_full_server_says_so_in_the_words_of_the_protocol_whatever_the_peer_sends_meanwhile() {
    for_each_model(|model| {
        for &protocol in Service::VARIANTS {
            let server =
                Server::start(Config { protocol, max_conns: Some(1), ..config(model) });
            let first = server.connect();
            let begin = Instant::now();
            // The other one may be accepted first where both have come.
            loop {
                let mut second = server.connect();
                // More than a kernel holds: it is read and discarded, or the peer gets a reset.
                let sent = second.write_all(&b"GET".repeat(3 << 20));
                let _ = second.shutdown(Shutdown::Write);
                let told = rest(second);
                if sent.is_ok() && told == words(protocol) {
                    break;
                }
                assert!(begin.elapsed() < PATIENCE, "{protocol}: {}", told.escape_ascii());
            }
            drop(first);
            assert!(server.stop().refused >= 1);
        }
    });
}

/// As the protocols have it, written out.
fn words(protocol: Service) -> &'static [u8] {
    match protocol {
        Service::Chat | Service::Echo(ProtocolKind::Line | ProtocolKind::Command) => {
            b"ERROR: server full\n"
        }
        Service::Echo(ProtocolKind::Frame) => b"\0\0\0\x12ERROR: server full",
        Service::Echo(ProtocolKind::Mux) => b"\0\0\0\0\0\0\0\x12ERROR: server full",
        Service::Echo(ProtocolKind::Resp) => b"-ERR max number of clients reached\r\n",
        Service::Echo(ProtocolKind::Http) => {
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n\
              Content-Length: 18\r\nConnection: close\r\n\r\nERROR: server full"
        }
        Service::Echo(ProtocolKind::Raw) => b"",
    }
}

#[test]
fn who_was_turned_away_and_stays_is_let_go_and_does_not_keep_a_place() {
    for_each_model(|model| {
        let server = Server::start(Config { max_conns: Some(1), ..config(model) });
        let mut first = server.connect();
        ask(&mut first, b"x\n", b"ECHO: x\n");
        let mut second = server.connect();
        assert_eq!(rest(second.try_clone().unwrap()), b"ERROR: server full\n");
        drop(first);
        let begin = Instant::now();
        while second.write_all(b"still here\n").is_ok() {
            assert!(begin.elapsed() < PATIENCE, "never closed");
            thread::sleep(Duration::from_millis(5));
        }
        let mut third = server.connect();
        ask(&mut third, b"y\n", b"ECHO: y\n");
        drop(third);
        let outcome = server.stop();
        assert_eq!((outcome.connections, outcome.refused, outcome.cut), (2, 1, 0));
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
fn an_idle_connection_is_ended_and_a_busy_one_is_not() {
    for_each_model(|model| {
        let idle = Duration::from_millis(400);
        let server = Server::start(Config { idle_timeout: Some(idle), ..config(model) });
        let (quiet, mut busy) = (server.connect(), server.connect());
        let begin = Instant::now();
        while begin.elapsed() < 2 * idle {
            ask(&mut busy, b"x\n", b"ECHO: x\n");
            thread::sleep(idle / 8);
        }
        assert_eq!(rest(quiet), b"");
        ask(&mut busy, b"still here\n", b"ECHO: still here\n");
        drop(busy);
        server.stop();
    });
}

#[test]
fn a_peer_that_takes_nothing_is_cut_off() {
    for_each_model(|model| {
        let write_timeout = Duration::from_millis(200);
        let server = Server::start(Config { write_timeout, ..config(model) });
        let stream = server.connect();
        stream.set_nonblocking(true).unwrap();
        let line = [b"x".repeat(999), b"\n".to_vec()].concat();
        let begin = Instant::now();
        // Not `stuff`: it takes a cut for a failure, and on a busy machine
        // the cut comes while it still waits for the buffers to stay full.
        loop {
            match (&stream).write(&line) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    thread::sleep(Duration::from_millis(5));
                }
                Err(_) => break,
            }
            assert!(begin.elapsed() < PATIENCE, "still open");
        }
        assert!(begin.elapsed() >= write_timeout, "cut off too early");
        server.stop();
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
fn a_graceful_stop_answers_what_was_received_and_refuses_what_is_new() {
    for_each_model(|model| {
        let server = Server::start(config(model));
        let (mut idle, mut busy) = (server.connect(), server.connect());
        ask(&mut idle, b"x\n", b"ECHO: x\n");
        ask(&mut busy, b"x\n", b"ECHO: x\n");
        let (request, reply): (String, String) =
            (0..2000).map(|n| (format!("{n}\n"), format!("ECHO: {n}\n"))).unzip();
        busy.write_all(request.as_bytes()).unwrap();
        busy.write_all(b"unfinished").unwrap();
        server.stop.ask();
        assert_eq!(rest(busy), reply.as_bytes());
        assert_eq!(rest(idle), b"");
        let begin = Instant::now();
        while TcpStream::connect(server.address).is_ok() {
            assert!(begin.elapsed() < PATIENCE, "still accepts");
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(server.stop().cut, 0);
    });
}

#[test]
fn a_stop_is_forced_at_the_drain_deadline_and_tells_how_many_were_cut() {
    for_each_model(|model| {
        let drain_timeout = Duration::from_millis(100);
        let server = Server::start(Config { drain_timeout, ..config(model) });
        let stream = server.connect();
        stuff(&stream);
        let outcome = server.stop();
        assert_eq!(outcome.cut, 1);
    });
}

#[test]
fn asking_twice_stops_at_once() {
    for_each_model(|model| {
        let server = Server::start(config(model));
        let stream = server.connect();
        stuff(&stream);
        let begin = Instant::now();
        server.stop.ask();
        server.stop.ask();
        assert_eq!(server.stop().cut, 1);
        assert!(begin.elapsed() < PATIENCE, "waited for the drain deadline");
    });
}

#[test]
fn a_stop_before_the_first_accept_still_answers_who_is_connected() {
    for_each_model(|model| {
        let listener = listener(0, false);
        let address = listener.local_addr().unwrap();
        let streams: Vec<_> = (0..20)
            .map(|_| {
                let mut stream = TcpStream::connect(address).unwrap();
                stream.set_read_timeout(Some(PATIENCE)).unwrap();
                stream.write_all(b"a\nb\n").unwrap();
                stream
            })
            .collect();
        let stop = Stop::new();
        stop.ask();
        let server = thread::spawn(move || run(vec![vec![listener]], config(model), &stop));
        for stream in streams {
            assert_eq!(rest(stream), b"ECHO: a\nECHO: b\n");
        }
        assert_eq!(server.join().unwrap().unwrap().connections, 20);
    });
}

#[test]
fn more_listeners_than_can_be_served_are_refused() {
    for_each_model(|model| {
        let listeners = (0..3).map(|_| vec![listener(0, false)]).collect();
        let outcome = run(listeners, Config { workers: 2, ..config(model) }, &Stop::new());
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    });
    assert!(run(Vec::new(), Config::default(), &Stop::new()).is_err());
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
