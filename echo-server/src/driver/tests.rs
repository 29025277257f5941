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
use crate::session::{HIGH_MARK, NEVER};

/// A socket whose kernel takes at most `room` bytes.
#[derive(Debug, Default)]
struct Scripted {
    room: usize,
    sent: Vec<u8>,
    queue: Vec<u8>,
    unread: Unread,
    finished: bool,
    broken: bool,
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

    fn is_end_acknowledged(&self) -> bool {
        true
    }
}

fn context() -> Context {
    let config = Arc::new(Config::default());
    let (stop, counters) = (Stop::new(), Arc::new(Counters::new(1)));
    Context {
        admission: Arc::new(Admission::new(Arc::clone(&config), stop.clone(), 8)),
        hub: Hub::new(config.chat_queue, Arc::clone(counters.chat())),
        counters,
        config,
        stop,
    }
}

fn driver(context: &Context) -> (Driver, Scratch<Served>) {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = SocketAddr::from(([127, 0, 0, 1], 1));
    let permit = context.admission.admit(socket.as_fd(), peer).unwrap();
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
