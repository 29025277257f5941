//! A reactor on readiness: [`ReadinessReactor`], for each way to wait, which is a [`Selector`].
//! Without one that says otherwise there is one read per event, an immediate write, and no change
//! of interest per message: interest changes only when the send buffer is full or reading is
//! paused.

use std::fmt;
use std::io;
use std::os::fd::AsFd;

use rustix::event::epoll::EventFlags;
use rustix::time::Timespec;
use slotmap::{Key as _, SlotMap};

use super::listening::{Accepted, Listening};
use super::{ACCEPTS_PER_TURN, Event, Handler, Key, Reactor, Waker};
use crate::clock::{self, Nanos, SECOND};
use crate::socket;
use crate::stamps::StampClock;

mod connection;
mod faces;
mod selector;

use connection::PolledSocket;
pub(super) use selector::Selector;

/// Event data of the waker and of the first listener; further listeners follow. They never
/// collide with slot map keys, whose upper half is never zero.
const WAKER: u64 = 0;
const FIRST_LISTENER: u64 = 1;

/// Maximum number of reads of one connection before others have their turn, where an event is
/// told once.
const READS_PER_EVENT: usize = 16;

/// What one read has brought.
enum Outcome {
    /// As much as there was room for.
    Full,
    /// Less.
    Short,
    /// Nothing: no bytes, the end, or an error.
    Nothing,
}

/// See the [module](self).
pub struct ReadinessReactor<S> {
    selector: S,
    connections: SlotMap<Key, PolledSocket>,
    listening: Vec<Listening>,
    /// The interest in a listener.
    listener_interest: EventFlags,
    waker: Waker,
    /// Read buffer, shared by all connections.
    buffer: Vec<u8>,
    /// Connections whose send failed and whose handler was not notified yet.
    failures: Vec<(Key, io::Error)>,
    stamp_clock: StampClock,
    /// When that which the handler is being given arrived.
    arrival: Option<Nanos>,
}

impl<S: Selector> fmt::Debug for ReadinessReactor<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadinessReactor")
            .field("selector", &self.selector)
            .field("connections", &self.connections.len())
            .field("listening", &self.listening)
            .finish_non_exhaustive()
    }
}

impl<S: Selector> ReadinessReactor<S> {
    pub(super) fn with_selector(read_buffer: usize) -> io::Result<Self> {
        let mut selector = S::new()?;
        let waker = Waker::new()?;
        selector.add(waker.0.as_fd(), WAKER, EventFlags::IN)?;
        Ok(Self {
            selector,
            connections: SlotMap::with_key(),
            listening: Vec::new(),
            listener_interest: EventFlags::IN,
            waker,
            buffer: vec![0; read_buffer.max(1)],
            failures: Vec::new(),
            stamp_clock: StampClock::default(),
            arrival: None,
        })
    }

    /// Watches listeners that are added from now on with this interest.
    pub(super) fn listen_with(&mut self, interest: EventFlags) {
        self.listener_interest = interest;
    }

    fn insert(&mut self, mut connection: PolledSocket) -> io::Result<Key> {
        connection.interest = connection.wanted_interest();
        let mut added = Ok(());
        let selector = &mut self.selector;
        let key = self.connections.insert_with_key(|key| {
            let interest = connection.interest | S::OF_CONNECTIONS;
            added = selector.add(connection.socket.as_fd(), key.data().as_ffi(), interest);
            connection
        });
        if let Err(error) = added {
            self.connections.remove(key);
            return Err(error);
        }
        Ok(key)
    }

    /// Updates the interest if it has changed.
    fn update_interest(&mut self, key: Key) {
        let Some(connection) = self.connections.get(key) else { return };
        if connection.wanted_interest() != connection.interest {
            self.renew_interest(key);
        }
    }

    /// Sets the interest, so that what is ready is reported again.
    fn renew_interest(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.interest = connection.wanted_interest();
        let interest = connection.interest | S::OF_CONNECTIONS;
        let socket = connection.socket.as_fd();
        if let Err(error) = self.selector.modify(socket, key.data().as_ffi(), interest) {
            self.failures.push((key, error));
        }
    }

    fn dispatch(&mut self, key: Key, flags: EventFlags, handler: &mut impl Handler<Self>) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let broken = flags.intersects(EventFlags::ERR | EventFlags::HUP);
        if connection.connecting {
            match socket::finish_connect(connection.socket.as_fd()) {
                Ok(()) => {
                    connection.connecting = false;
                    self.update_interest(key);
                    handler.event(self, key, Event::Connected);
                }
                Err(error) => self.fail(key, error, handler),
            }
            return;
        }
        // The common case.
        if flags == EventFlags::IN && !connection.paused && !connection.ended {
            self.read_ready(key, flags, handler);
            return;
        }
        if flags.contains(EventFlags::OUT) {
            self.flush(key, handler);
        }
        let Some(connection) = self.connections.get(key) else { return };
        let reads = !connection.paused && !connection.ended;
        if reads && (broken || flags.contains(EventFlags::IN)) {
            self.read_ready(key, flags, handler);
        } else if broken {
            self.report_broken(key, handler);
        }
    }

    /// Handles an error on a connection that is not being read, which may be reported forever.
    fn report_broken(&mut self, key: Key, handler: &mut impl Handler<Self>) {
        let Some(connection) = self.connections.get(key) else { return };
        let error = socket::broken_by(connection.socket.as_fd());
        self.fail(key, error, handler);
    }

    /// Reads what an event was about: once, or, where it is told once, all that is there.
    #[inline]
    fn read_ready(&mut self, key: Key, flags: EventFlags, handler: &mut impl Handler<Self>) {
        if !S::TELLS_ONCE {
            self.read(key, handler);
            return;
        }
        // A short read has emptied the socket (epoll(7)), but for the end that follows.
        let ends = flags.intersects(EventFlags::RDHUP | EventFlags::HUP | EventFlags::ERR);
        for _ in 0..READS_PER_EVENT {
            match self.read(key, handler) {
                Outcome::Full => {}
                Outcome::Short if ends => {}
                Outcome::Short | Outcome::Nothing => return,
            }
            let Some(connection) = self.connections.get(key) else { return };
            if connection.paused || connection.ended {
                return;
            }
        }
        self.renew_interest(key);
    }

    /// One read.
    #[inline]
    fn read(&mut self, key: Key, handler: &mut impl Handler<Self>) -> Outcome {
        let Some(connection) = self.connections.get_mut(key) else { return Outcome::Nothing };
        let received = connection.receive(&mut self.buffer);
        let mut outcome = Outcome::Nothing;
        match received {
            Ok((0, _)) => {
                connection.ended = true;
                self.update_interest(key);
                handler.event(self, key, Event::EndOfInput);
            }
            Ok((length, stamp)) => {
                self.arrival = stamp.and_then(|stamp| self.stamp_clock.instant(stamp));
                let is_full = self.received(key, length, handler);
                outcome = if is_full { Outcome::Full } else { Outcome::Short };
            }
            Err(rustix::io::Errno::AGAIN) => {}
            Err(rustix::io::Errno::INTR) => outcome = Outcome::Full,
            Err(error) => self.fail(key, error.into(), handler),
        }
        self.arrival = None;
        outcome
    }

    /// Passes on what is in the buffer; whether that is full.
    #[inline]
    fn received(&mut self, key: Key, length: usize, handler: &mut impl Handler<Self>) -> bool {
        // Taken out during the call, since the handler borrows the reactor.
        let buffer = std::mem::take(&mut self.buffer);
        handler.event(self, key, Event::Received(&buffer[..length]));
        let is_full = length == buffer.len();
        self.buffer = buffer;
        is_full
    }

    /// Sending has failed.
    fn fail_to_send(&mut self, key: Key, error: io::Error, handler: &mut impl Handler<Self>) {
        let reads = if handler.reads_before_failure() { READS_PER_EVENT } else { 0 };
        for _ in 0..reads {
            let connection = self.connections.get_mut(key);
            let Some(connection) = connection.filter(|it| !it.paused && !it.ended) else {
                break;
            };
            // An end, or another error, is no cause.
            let Ok((length @ 1.., _)) = connection.receive(&mut self.buffer) else { break };
            self.received(key, length, handler);
        }
        self.fail(key, error, handler);
    }

    fn flush(&mut self, key: Key, handler: &mut impl Handler<Self>) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let socket = connection.socket.as_fd();
        match connection.queue.flush(|bytes| socket::send_now(socket, bytes)) {
            Ok(false) => {}
            Ok(true) => {
                let finish = connection.finish_when_sent;
                self.update_interest(key);
                if finish {
                    self.finish(key);
                }
                handler.event(self, key, Event::Sent);
            }
            Err(error) => self.fail_to_send(key, error, handler),
        }
    }

    fn fail(&mut self, key: Key, error: io::Error, handler: &mut impl Handler<Self>) {
        if self.forget(key) {
            handler.event(self, key, Event::Failed(error));
        }
    }

    /// Closes a connection; whether there was one.
    fn forget(&mut self, key: Key) -> bool {
        let Some(connection) = self.connections.remove(key) else { return false };
        self.selector.closes(connection.socket.as_fd());
        true
    }

    fn report_failures(&mut self, handler: &mut impl Handler<Self>) {
        while let Some((key, error)) = self.failures.pop() {
            self.fail_to_send(key, error, handler);
        }
    }

    fn accept_all(&mut self, number: usize, handler: &mut impl Handler<Self>) {
        for _ in 0..ACCEPTS_PER_TURN {
            // Looked up each time: the handler may stop listening.
            let Some(listening) = self.listening.get_mut(number) else { return };
            match listening.accept() {
                Accepted::Socket(socket, peer) => handler.accepted(self, socket, peer),
                Accepted::Gone => {}
                Accepted::Nothing => return,
                Accepted::Failed(error) => {
                    self.selector.remove(listening.listener.as_fd());
                    return handler.accept_failed(self, error);
                }
            }
        }
    }

    /// Resumes accepting after a pause.
    fn resume_accepting(&mut self) -> io::Result<()> {
        for (number, listening) in self.listening.iter_mut().enumerate() {
            if listening.resume() {
                let number = FIRST_LISTENER + number as u64;
                self.selector.add(
                    listening.listener.as_fd(),
                    number,
                    self.listener_interest,
                )?;
            }
        }
        Ok(())
    }

    fn wait(&mut self, until: Option<Nanos>) -> io::Result<()> {
        let accept_again = self.listening.iter().filter_map(Listening::paused_until);
        let until = accept_again.chain(until).min();
        // An instant in the past needs no clock reading.
        let left = until.map(|until| match until {
            0 => 0,
            until => until.saturating_sub(clock::now()),
        });
        let timeout = left.map(|left| Timespec {
            tv_sec: (left / SECOND).cast_signed(),
            tv_nsec: (left % SECOND).cast_signed(),
        });
        self.selector.wait(timeout.as_ref())
    }

    /// The interest that an event has ended, where it does.
    #[inline]
    fn after_event(&mut self, key: Key) {
        if S::MUST_RENEW {
            self.renew_interest(key);
        }
    }
}

/// The listener that an event belongs to, if any.
fn listener_number(number: u64) -> Option<usize> {
    let number = number.checked_sub(FIRST_LISTENER)?;
    u32::try_from(number).ok().map(|number| number as usize)
}
