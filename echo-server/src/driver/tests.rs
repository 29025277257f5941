use std::net::{SocketAddr, TcpListener};
use std::os::fd::AsFd;
use std::sync::Arc;

use echo_net::clock::SECOND;
use echo_net::stop::{Stage, Stop};
use echo_net::unread::Unread;
use echo_proto::WriteMode;

use super::*;
use crate::admission::Admission;
use crate::chat::Hub;
use crate::config::Config;
use crate::context::Context;
use crate::counters::Counters;
use crate::handshakes::Handshakes;
use crate::session::{Acknowledged, HIGH_MARK, NEVER};

/// A socket whose kernel takes at most `room` bytes.
#[derive(Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "independent facts about a socket")]
struct Scripted {
    room: usize,
    sent: Vec<u8>,
    queue: Vec<u8>,
    unread: Unread,
    finished: bool,
    broken: bool,
    /// Whether the close is to be a reset.
    reset: bool,
    /// Whether the peer lacks output that the kernel has accepted.
    unacknowledged: bool,
}

impl Scripted {
    fn take(&mut self, room: usize) {
        let room = room.min(self.queue.len());
        self.sent.extend(self.queue.drain(..room));
    }
}

impl Transport for Scripted {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.broken {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.queue.extend_from_slice(bytes);
        let room = self.room.saturating_sub(self.sent.len());
        self.take(room);
        Ok(())
    }

    fn unsent(&self) -> usize {
        self.queue.len()
    }

    fn finish(&mut self) -> io::Result<()> {
        assert!(self.queue.is_empty(), "the end goes after all output");
        self.finished = true;
        Ok(())
    }

    fn unread(&self) -> Unread {
        self.unread
    }

    fn acknowledged(&self) -> Acknowledged {
        Acknowledged { bytes: 0, all: !self.unacknowledged }
    }

    fn reset_on_close(&mut self) {
        self.reset = true;
    }
}

fn context() -> Context {
    context_of(Config::default())
}

fn context_of(config: Config) -> Context {
    let config = Arc::new(config);
    let (stop, counters) = (Stop::new(), Arc::new(Counters::new(1)));
    Context {
        admission: Arc::new(Admission::new(
            Arc::clone(&config),
            stop.clone(),
            8,
            Arc::default(),
        )),
        handshakes: Handshakes::new(8),
        hub: Hub::new(config.chat_queue, config.chat_room_queue, Arc::clone(counters.chat())),
        counters,
        config,
        stop,
        readiness: Arc::default(),
        panic: Arc::default(),
        sqpoll: crate::sqpoll::Sqpoll::default(),
        processes: None,
    }
}

fn driver(context: &Context) -> (Driver, Scratch<Served>) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    let permit = context.admission.admit(socket.as_fd(), peer.into()).unwrap();
    (
        context.driver(permit),
        Scratch::new(Replies::new(WriteMode::default()), Served::default()),
    )
}

#[test]
fn answers_with_what_it_waits_for_and_counts() {
    let context = context();
    let ((mut driver, mut scratch), mut socket) = (driver(&context), Scripted::default());
    let reply = b"ECHO: hello\n".len();
    socket.room = 5;
    let interest = driver.received(SECOND, b"hello\n", &mut socket, &mut scratch).unwrap();
    assert_eq!((interest.read, interest.write), (true, true));
    assert_eq!(interest.deadline, driver.deadline());
    assert_ne!(interest.deadline, NEVER, "the peer has to take it");
    socket.take(reply);
    let interest = driver.proceed(SECOND, &mut socket, &mut scratch).unwrap();
    assert_eq!((interest.read, interest.write), (true, false));
    assert_eq!(socket.sent, b"ECHO: hello\n");
    let counts = Served { messages: 1, bytes_in: 6, bytes_out: reply as u64, errors: 0 };
    assert_eq!(scratch.counts, counts);
}

#[test]
fn reads_no_more_while_much_is_unsent() {
    let context = context();
    let ((mut driver, mut scratch), mut socket) = (driver(&context), Scripted::default());
    let line = [b"x".repeat(HIGH_MARK / 2), b"\n".to_vec()].concat();
    let mut reads =
        (0..3).map(|_| driver.received(SECOND, &line, &mut socket, &mut scratch).unwrap().read);
    assert_eq!([(); 3].map(|()| reads.next().unwrap()), [true, false, false]);
}

#[test]
fn a_stop_serves_what_has_arrived_and_then_half_closes() {
    let context = context();
    let ((mut driver, mut scratch), mut socket) = (driver(&context), Scripted::default());
    socket.room = usize::MAX;
    socket.unread = Unread { bytes: 3, ended: false };
    assert!(driver.stop(SECOND, &mut socket, &mut scratch).is_ok_and(|waits| waits.read));
    assert!(!socket.finished);
    assert!(driver.received(SECOND, b"ab\n", &mut socket, &mut scratch).is_ok());
    assert_eq!(socket.sent, b"ECHO: ab\n");
    assert!(socket.finished);
    assert_eq!(driver.end_of_input(SECOND, &mut socket, &mut scratch), Err(Closed));
}

#[test]
fn a_deadline_closes_a_connection_that_has_lingered() {
    let context = context();
    let ((mut driver, mut scratch), mut socket) = (driver(&context), Scripted::default());
    let interest = driver.stop(SECOND, &mut socket, &mut scratch).unwrap();
    let early = driver.expire(interest.deadline - 1, &mut socket, &mut scratch);
    assert_eq!(early, Ok(interest));
    assert_eq!(driver.expire(interest.deadline, &mut socket, &mut scratch), Err(Closed));
}

#[test]
fn replies_to_a_connection_that_broke_are_counted_and_it_as_cut() {
    let context = context();
    let ((mut driver, mut scratch), mut socket) = (driver(&context), Scripted::default());
    socket.broken = true;
    let ended = driver.received(SECOND, b"a\n", &mut socket, &mut scratch);
    assert_eq!(ended, Err(Closed));
    assert_eq!(scratch.counts.messages, 1);
    context.stop.advance(Stage::Forced);
    drop(driver);
    assert_eq!((context.admission.active(), context.admission.cut()), (0, 1));
}

#[test]
fn what_is_cut_short_is_reset_and_what_is_complete_is_not() {
    for (unacknowledged, forced, reset) in
        [(false, false, false), (false, true, false), (true, false, false), (true, true, true)]
    {
        let context = context();
        let ((mut driver, mut scratch), mut socket) = (driver(&context), Scripted::default());
        (socket.room, socket.unacknowledged) = (usize::MAX, unacknowledged);
        assert!(driver.received(SECOND, b"a\n", &mut socket, &mut scratch).is_ok());
        // All of it is in the kernel's hands, and the end behind it.
        assert!(driver.stop(SECOND, &mut socket, &mut scratch).is_ok());
        assert!(socket.finished);
        if forced {
            context.stop.advance(Stage::Forced);
        }
        driver.closes(&mut socket);
        drop(driver);
        assert_eq!((socket.reset, context.admission.cut()), (reset, reset.into()));
    }
}

#[test]
fn a_peer_that_takes_nothing_is_reset_and_counted_by_its_cause() {
    let context = context();
    let ((mut driver, mut scratch), mut socket) = (driver(&context), Scripted::default());
    let now = echo_net::clock::now();
    let mut waits = driver.received(now, b"hello\n", &mut socket, &mut scratch).unwrap();
    let mut times = 0;
    let at = loop {
        let at = waits.deadline;
        match driver.expire(at, &mut socket, &mut scratch) {
            Ok(next) => waits = next,
            Err(Closed) => break at,
        }
        times += 1;
        assert!(times < 10);
    };
    assert_eq!(at, now + echo_net::clock::nanos(context.config.write_timeout));
    driver.closes(&mut socket);
    drop(driver);
    assert!(socket.reset);
    assert_eq!(context.admission.limits().read().write_timeout, 1);
    assert_eq!(context.admission.cut(), 0);
}

#[test]
fn the_largest_are_cut_when_all_together_buffer_too_much_and_the_smaller_go_on() {
    const MIB: usize = 1 << 20;
    let most = 4 * MIB;
    let context =
        context_of(Config { max_message: MIB, max_buffered: Some(most), ..Config::default() });
    let begun = vec![b'x'; MIB - 1];
    let mut open: Vec<_> = (0..8).map(|_| (driver(&context), Scripted::default())).collect();
    let mut cut = 0;
    open.retain_mut(|((driver, scratch), socket)| {
        let waits = driver.received(SECOND, &begun, socket, scratch);
        if waits.is_err() {
            driver.closes(socket);
            assert!(socket.reset);
            cut += 1;
        }
        waits.is_ok()
    });
    assert!((4..=5).contains(&open.len()), "{} are left", open.len());
    assert!(context.admission.budget().total() <= most);
    assert_eq!(context.admission.limits().read().buffered, cut);
    // Those that came first are complete in the end, and make room.
    for ((driver, scratch), socket) in &mut open {
        socket.room = usize::MAX;
        assert!(driver.received(SECOND, b"\n", socket, scratch).is_ok());
        assert_eq!(socket.sent.len(), MIB + b"ECHO: ".len());
    }
    assert_eq!(context.admission.budget().total(), 0);
}

#[test]
fn unsent_output_counts_as_buffered_and_one_that_grows_waits_for_room() {
    const KIB: usize = 1024;
    let context = context_of(Config { max_buffered: Some(64 * KIB), ..Config::default() });
    let mut deaf = (driver(&context), Scripted::default());
    let mut small = (driver(&context), Scripted::default());
    small.1.room = usize::MAX;
    let ((driver, scratch), socket) = &mut deaf;
    let line = [&vec![b'x'; 60 * KIB][..], b"\n"].concat();
    assert!(driver.received(SECOND, &line, socket, scratch).is_ok());
    let ((driver, scratch), socket) = &mut small;
    let waits = driver.received(SECOND, &line[..20 * KIB], socket, scratch).unwrap();
    assert!(!waits.read, "there is no room yet");
    // The large one is due first.
    let ((driver, scratch), socket) = &mut deaf;
    assert_eq!(driver.expire(waits.deadline, socket, scratch), Err(Closed));
    let ((driver, scratch), socket) = &mut small;
    let waits = driver.expire(waits.deadline, socket, scratch).unwrap();
    assert!(waits.read);
    assert!(driver.received(SECOND, &line[20 * KIB..], socket, scratch).is_ok());
    assert_eq!(socket.sent.len(), line.len() + b"ECHO: ".len());
    assert_eq!(context.admission.limits().read().buffered, 0, "counted when it is closed");
    drop(deaf);
    assert_eq!(context.admission.limits().read().buffered, 1);
}

#[test]
fn sockets_are_read_only_if_input_is_wanted() {
    use Readiness::{Broken, Readable, Writable};
    let mut told = Vec::new();
    for wanted in [false, true] {
        for (input, broken) in [(false, false), (true, false), (false, true)] {
            told.push(Readiness::new(wanted, input, broken));
        }
    }
    assert_eq!(told, [Writable, Writable, Broken, Writable, Readable, Readable]);
}
