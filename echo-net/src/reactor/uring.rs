//! The reactor on Linux `io_uring`: multishot accept and receive into shared provided buffers,
//! so that one system call covers many connections. Nanosecond timeouts, like
//! [`epoll`](super::epoll).
//!
//! Sends are plain `send` calls, issued at once. On loopback that call is nearly all the cost
//! of a message, submitting it as a request saves nothing (measured), and a timestamp taken
//! before it is the time of the write. Unsent bytes are sent when the socket is writable again;
//! so there is at most one send in progress, and no request refers to memory that might be
//! freed.
//!
//! A socket is closed after its last request has completed: until then its descriptor must not
//! be reused, and the peer would not see the FIN.
//!
//! Requests can be left to a [`KernelThread`]. Then they complete at any time, so that input can be
//! on its way from a socket to its handler: [`settle`](ServingReactor::settle) holds it still.

use std::collections::HashMap;
use std::fmt;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::event::PollFlags;
use rustix::net::Shutdown;
use slotmap::SlotMap;

use super::{Event, Handler, Key, Reactor, ServingReactor, Waker};
use crate::address::Transport;
use crate::clock::{self, Nanos};
use crate::listener::Listener;
use crate::socket::{self, ConnectOptions};
use crate::stamps::{self, StampClock};
use crate::unread::{self, Unread};

mod accepting;
mod buffers;
mod completing;
mod completion;
mod connection;
pub mod kernel_thread;
mod queues;
mod ring;
mod settling;
mod stamped;
mod subject;
mod unavailable;

use accepting::Acceptor;
use completion::Completion;
use connection::{Request, UringSocket};
pub use kernel_thread::KernelThread;
use queues::Queues;
use ring::Ring;
use subject::Subject;
pub use unavailable::Unavailable;

/// Maximum number of completions processed per turn.
const EVENTS_PER_LOOK: usize = 1024;

/// See the [module](self). Should be dropped when its thread ends: the kernel tears a ring down
/// as task work of that thread, which interrupts its system calls.
pub struct UringReactor {
    // First: its drop ends all requests, and sockets are closed only after that.
    ring: Ring,
    connections: SlotMap<Key, UringSocket>,
    /// Closed connections with outstanding completions.
    closing: HashMap<Key, UringSocket>,
    acceptors: Vec<Acceptor>,
    waker: Waker,
    /// Resumed connections with data held back.
    resumed: Vec<Key>,
    /// Connections whose send failed and whose handler was not notified yet.
    failures: Vec<(Key, io::Error)>,
    /// How often data arrived while all buffers were in use.
    starved: u64,
    /// Nothing is received or accepted until the next turn.
    is_still: bool,
    stamp_clock: StampClock,
    /// When that which the handler is being given arrived.
    arrival: Option<Nanos>,
}

impl fmt::Debug for UringReactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UringReactor")
            .field("connections", &self.connections.len())
            .field("acceptors", &self.acceptors)
            .field("starved", &self.starved)
            .field("overflows", &self.ring.overflows)
            .finish_non_exhaustive()
    }
}

impl UringReactor {
    /// A reactor that receives at most `read_buffer` bytes at a time, for use on this thread.
    ///
    /// # Errors
    /// When the kernel or a sandbox denies what is needed.
    pub fn new(read_buffer: usize) -> Result<Self, Unavailable> {
        Self::on(Ring::new(read_buffer, None, Queues::FULL)?)
    }

    /// The same, whose requests a thread of the kernel submits and completes.
    ///
    /// # Errors
    /// As of [`new`](Self::new).
    pub fn served_by(thread: &KernelThread, read_buffer: usize) -> Result<Self, Unavailable> {
        Self::on(Ring::new(read_buffer, Some(thread), Queues::FULL)?)
    }

    fn on(mut ring: Ring) -> Result<Self, Unavailable> {
        let waker =
            Waker::new().map_err(|reason| Unavailable { asked: "an eventfd", reason })?;
        ring.watch(Subject::Waker, waker.0.as_fd(), PollFlags::IN, true);
        Ok(Self {
            ring,
            connections: SlotMap::with_key(),
            closing: HashMap::new(),
            acceptors: Vec::new(),
            waker,
            resumed: Vec::new(),
            failures: Vec::new(),
            starved: 0,
            is_still: false,
            stamp_clock: StampClock::default(),
            arrival: None,
        })
    }

    /// Checks whether a reactor can be created on this machine.
    ///
    /// # Errors
    /// Those of [`new`](Self::new).
    pub fn probe() -> Result<(), Unavailable> {
        // On a separate thread: the kernel tears the ring down later as task work of the thread
        // that created it, which interrupts its system calls.
        let made = std::thread::Builder::new()
            .name("probe-uring".into())
            .spawn(|| Self::new(1).map(drop))
            .map(std::thread::JoinHandle::join);
        match made {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => {
                Err(Unavailable { asked: "a ring", reason: io::ErrorKind::Other.into() })
            }
            Err(reason) => Err(Unavailable { asked: "a thread", reason }),
        }
    }

    /// Submits and cancels requests so that the kernel has those that are wanted.
    fn update(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let receives = connection.wants_to_receive() && !self.is_still;
        match (connection.receiving, receives) {
            (Request::None, true) => {
                if connection.stamped {
                    self.ring.receive_stamped(connection.socket.as_fd(), key);
                } else {
                    self.ring.receive(connection.socket.as_fd(), key);
                }
                connection.receiving = Request::Made;
            }
            (Request::Made, false) => {
                self.ring.cancel(Subject::Receive(key));
                connection.receiving = Request::Cancelled;
            }
            _ => {}
        }
        if connection.watching == Request::None && connection.wants_to_watch() {
            // Errors and hang-ups are always reported. Only changes are reported in multishot
            // mode; otherwise the end of input would be reported forever.
            let (socket, multi) = (connection.socket.as_fd(), !connection.connecting);
            self.ring.watch(Subject::Watch(key), socket, PollFlags::OUT, multi);
            connection.watching = Request::Made;
        }
    }

    fn insert(&mut self, connection: UringSocket) -> Key {
        let key = self.connections.insert(connection);
        self.update(key);
        key
    }

    /// Removes a connection from the map; whether it was there.
    fn remove(&mut self, key: Key) -> bool {
        let Some(mut connection) = self.connections.remove(key) else { return false };
        if connection.has_requests() {
            for (request, subject) in [
                (&mut connection.receiving, Subject::Receive(key)),
                (&mut connection.watching, Subject::Watch(key)),
            ] {
                if *request == Request::Made {
                    self.ring.cancel(subject);
                    *request = Request::Cancelled;
                }
            }
            self.closing.insert(key, connection);
        }
        true
    }

    fn fail(&mut self, key: Key, error: io::Error, handler: &mut impl Handler<Self>) {
        if self.remove(key) {
            handler.event(self, key, Event::Failed(error));
        }
    }

    fn report_failures(&mut self, handler: &mut impl Handler<Self>) {
        while let Some((key, error)) = self.failures.pop() {
            self.fail_to_send(key, error, handler);
        }
    }

    /// Submits requests and waits; does not wait if events are pending.
    fn wait(&mut self, until: Option<Nanos>, told: bool) -> io::Result<()> {
        let accept_again = self.acceptors.iter().filter_map(Acceptor::paused_until);
        let until = accept_again.chain(until).min();
        // An instant in the past needs no clock reading.
        let left = until.map(|until| match until {
            0 => 0,
            until => until.saturating_sub(clock::now()),
        });
        let nothing_to_tell = !told && self.ring.completions().is_empty();
        self.ring.enter(if nothing_to_tell { left } else { Some(0) })
    }
}

impl Reactor for UringReactor {
    #[inline]
    fn now(&self) -> Nanos {
        clock::now()
    }

    fn connect(&mut self, options: &ConnectOptions) -> io::Result<Key> {
        let socket = socket::begin_connect(options)?;
        let stamped = options.stamps
            && options.target.transport() == Transport::Tcp
            && self.ring.can_stamp()
            && stamps::ask(socket.as_fd()).is_ok();
        Ok(self.insert(UringSocket::new(socket, true, stamped)))
    }

    fn send(&mut self, key: Key, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let socket = connection.socket.as_fd();
        match connection.queue.send(bytes, |bytes| socket::send_now(socket, bytes)) {
            Ok(()) if connection.queue.is_empty() => {}
            Ok(()) => self.update(key),
            Err(error) => self.failures.push((key, error)),
        }
    }

    fn unsent(&self, key: Key) -> usize {
        self.connections.get(key).map_or(0, |connection| connection.queue.len())
    }

    fn held(&self, key: Key) -> usize {
        self.connections
            .get(key)
            .map_or(0, |connection| connection.queue.capacity() + connection.held_back().bytes)
    }

    fn pause(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key)
            && !connection.paused
        {
            connection.paused = true;
            self.update(key);
        }
    }

    fn resume(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key)
            && connection.paused
        {
            connection.paused = false;
            if connection.holds_back() {
                self.resumed.push(key);
            }
            self.update(key);
        }
    }

    fn finish(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.finish_when_sent = !connection.queue.is_empty();
        if !connection.finish_when_sent {
            // Fails only if the connection broke, which is reported as an event.
            let _ = rustix::net::shutdown(&connection.socket, Shutdown::Write);
        }
    }

    fn close(&mut self, key: Key) {
        self.remove(key);
    }

    fn socket(&self, key: Key) -> Option<BorrowedFd<'_>> {
        self.connections.get(key).map(|connection| connection.socket.as_fd())
    }

    fn arrival(&self) -> Option<Nanos> {
        self.arrival
    }

    fn turn(
        &mut self,
        until: Option<Nanos>,
        handler: &mut impl Handler<Self>,
    ) -> io::Result<()> {
        self.go_on();
        self.report_failures(handler);
        self.accept_again();
        let told = self.tell_held_back(handler);
        self.wait(until, told)?;
        let mut completed = self.complete(handler);
        // A poll handles everything that is ready; a wait returns to it anyway. The kernel may
        // say that there is more and have nothing, for ever: then the poll is over, too.
        while until == Some(0) && self.ring.has_more() && completed < EVENTS_PER_LOOK {
            self.ring.enter(Some(0))?;
            let more = self.complete(handler);
            if more == 0 {
                break;
            }
            completed += more;
        }
        self.report_failures(handler);
        Ok(())
    }
}

impl ServingReactor for UringReactor {
    fn listen(&mut self, listener: impl Into<Listener>) -> io::Result<()> {
        self.add_listener(listener.into());
        Ok(())
    }

    fn resume_listening(&mut self) {
        self.hurry_accepting();
    }

    fn stop_listening(&mut self) {
        self.close_listeners();
    }

    fn settle(&mut self, handler: &mut impl Handler<Self>) -> io::Result<()> {
        if self.ring.is_polled() {
            self.hold_still(handler)
        } else {
            self.turn(Some(0), handler)
        }
    }

    fn adopt(&mut self, socket: OwnedFd) -> io::Result<Key> {
        Ok(self.insert(UringSocket::new(socket, false, false)))
    }

    fn unread(&self, key: Key) -> Unread {
        let Some(connection) = self.connections.get(key) else { return Unread::default() };
        // If the query fails the socket is broken and holds nothing to serve.
        let mut unread = unread::read(connection.socket.as_fd()).unwrap_or_default();
        let held_back = connection.held_back();
        unread.bytes = unread.bytes.saturating_add(held_back.bytes);
        unread.ended |= held_back.ended;
        for completion in self.ring.completions() {
            match completion {
                Completion::Received { key: of, result: Ok(received), .. } if *of == key => {
                    match received {
                        Some(bytes) => unread.bytes += bytes.len(),
                        None => unread.ended = true,
                    }
                }
                _ => {}
            }
        }
        unread
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }
}

#[cfg(test)]
mod tests;
