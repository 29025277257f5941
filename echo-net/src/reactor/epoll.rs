//! The reactor on Linux `epoll`, level-triggered, with nanosecond timeouts (`epoll_pwait2`).
//! One read per readiness event, an immediate write, and no `epoll_ctl` per message: interest
//! changes only when the send buffer is full or reading is paused.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};

use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::net::{Shutdown, SocketFlags};
use rustix::time::Timespec;
use slotmap::{Key as _, KeyData, SlotMap};

use super::listening::{self, Listening};
use super::{Event, Handler, Key, Reactor, ServingReactor, Waker};
use crate::clock::{self, Nanos, SECOND};
use crate::socket::{self, ConnectOptions};
use crate::stamps::{self, StampClock};
use crate::tcp_info::{self, TcpInfo};
use crate::unread::{self, Unread};

mod connection;

use connection::EpollSocket;

/// Event data of the waker and of the first listener; further listeners follow. They never
/// collide with slot map keys, whose upper half is never zero.
const WAKER: u64 = 0;
const FIRST_LISTENER: u64 = 1;

/// Maximum number of events per turn.
const EVENTS_PER_TURN: usize = 1024;

/// Maximum number of connections accepted per turn, so that a connection flood can't starve the
/// others; as large as any backlog, so that one turn empties it.
const ACCEPTS_PER_TURN: usize = 4096;

/// See the [module](self).
pub struct EpollReactor {
    epoll: OwnedFd,
    connections: SlotMap<Key, EpollSocket>,
    listening: Vec<Listening>,
    waker: Waker,
    events: Vec<epoll::Event>,
    /// Read buffer, shared by all connections.
    buffer: Vec<u8>,
    /// Connections whose send failed and whose handler was not notified yet.
    failures: Vec<(Key, io::Error)>,
    stamp_clock: StampClock,
    /// When that which the handler is being given arrived.
    arrival: Option<Nanos>,
}

impl fmt::Debug for EpollReactor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EpollReactor")
            .field("connections", &self.connections.len())
            .field("listening", &self.listening)
            .finish_non_exhaustive()
    }
}

impl EpollReactor {
    /// A reactor that reads at most `read_buffer` bytes at a time.
    ///
    /// # Errors
    /// When the epoll instance or the waker can't be created.
    pub fn new(read_buffer: usize) -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let waker = Waker::new()?;
        epoll::add(&epoll, waker.0.as_fd(), EventData::new_u64(WAKER), EventFlags::IN)?;
        Ok(Self {
            epoll,
            connections: SlotMap::with_key(),
            listening: Vec::new(),
            waker,
            events: Vec::with_capacity(EVENTS_PER_TURN),
            buffer: vec![0; read_buffer.max(1)],
            failures: Vec::new(),
            stamp_clock: StampClock::default(),
            arrival: None,
        })
    }

    fn insert(&mut self, mut connection: EpollSocket) -> io::Result<Key> {
        connection.interest = connection.wanted_interest();
        let mut added = Ok(());
        let epoll = &self.epoll;
        let key = self.connections.insert_with_key(|key| {
            let data = EventData::new_u64(key.data().as_ffi());
            added = epoll::add(epoll, &connection.socket, data, connection.interest);
            connection
        });
        if let Err(error) = added {
            self.connections.remove(key);
            return Err(error.into());
        }
        Ok(key)
    }

    /// Updates the epoll interest if it has changed.
    fn update_interest(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let wanted = connection.wanted_interest();
        if wanted == connection.interest {
            return;
        }
        connection.interest = wanted;
        let data = EventData::new_u64(key.data().as_ffi());
        if let Err(error) = epoll::modify(&self.epoll, &connection.socket, data, wanted) {
            self.failures.push((key, error.into()));
        }
    }

    fn dispatch(&mut self, event: epoll::Event, handler: &mut impl Handler<Self>) {
        let key = Key::from(KeyData::from_ffi(event.data.u64()));
        let Some(connection) = self.connections.get_mut(key) else { return };
        let flags = event.flags; // A copy: the kernel's structure is packed.
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
            self.read(key, handler);
            return;
        }
        if flags.contains(EventFlags::OUT) {
            self.flush(key, handler);
        }
        let Some(connection) = self.connections.get(key) else { return };
        let reads = !connection.paused && !connection.ended;
        if reads && (broken || flags.contains(EventFlags::IN)) {
            self.read(key, handler);
        } else if broken {
            self.report_broken(key, handler);
        }
    }

    /// Handles an error on a connection that is not being read; level-triggered epoll would
    /// report it forever.
    fn report_broken(&mut self, key: Key, handler: &mut impl Handler<Self>) {
        let Some(connection) = self.connections.get(key) else { return };
        let error = socket::broken_by(connection.socket.as_fd());
        self.fail(key, error, handler);
    }

    /// One read.
    fn read(&mut self, key: Key, handler: &mut impl Handler<Self>) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let received = connection.receive(&mut self.buffer);
        match received {
            Ok((0, _)) => {
                connection.ended = true;
                self.update_interest(key);
                handler.event(self, key, Event::EndOfInput);
            }
            Ok((length, stamp)) => {
                self.arrival = stamp.and_then(|stamp| self.stamp_clock.instant(stamp));
                // Taken out during the call, since the handler borrows the reactor.
                let buffer = std::mem::take(&mut self.buffer);
                handler.event(self, key, Event::Received(&buffer[..length]));
                self.buffer = buffer;
            }
            Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => {}
            Err(error) => self.fail(key, error.into(), handler),
        }
        self.arrival = None;
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
            Err(error) => self.fail(key, error, handler),
        }
    }

    fn fail(&mut self, key: Key, error: io::Error, handler: &mut impl Handler<Self>) {
        if self.connections.remove(key).is_some() {
            handler.event(self, key, Event::Failed(error));
        }
    }

    fn report_failures(&mut self, handler: &mut impl Handler<Self>) {
        while let Some((key, error)) = self.failures.pop() {
            self.fail(key, error, handler);
        }
    }

    fn accept_all(&mut self, number: usize, handler: &mut impl Handler<Self>) {
        for _ in 0..ACCEPTS_PER_TURN {
            // Looked up each time: the handler may stop listening.
            let Some(listening) = self.listening.get_mut(number) else { return };
            let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
            match rustix::net::acceptfrom_with(&listening.listener, flags) {
                Ok((socket, peer)) => {
                    let peer = listening::peer(peer);
                    handler.accepted(self, socket, peer);
                }
                Err(rustix::io::Errno::AGAIN) => return,
                Err(error) if socket::is_peers_fault(&error.into()) => {}
                Err(error) => {
                    listening.pause();
                    let _ = epoll::delete(&self.epoll, &listening.listener);
                    handler.accept_failed(self, error.into());
                    return;
                }
            }
        }
    }

    /// Resumes accepting after a pause.
    fn resume_accepting(&mut self) -> io::Result<()> {
        for (number, listening) in self.listening.iter_mut().enumerate() {
            if listening.resume() {
                watch_listener(&self.epoll, &listening.listener, number)?;
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
        self.events.clear();
        let room = rustix::buffer::spare_capacity(&mut self.events);
        match epoll::wait(&self.epoll, room, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

fn watch_listener(epoll: &OwnedFd, listener: &TcpListener, number: usize) -> io::Result<()> {
    let data = EventData::new_u64(FIRST_LISTENER + number as u64);
    Ok(epoll::add(epoll, listener, data, EventFlags::IN)?)
}

/// The listener that an event belongs to, if any.
fn listener_number(event: epoll::Event) -> Option<usize> {
    let number = event.data.u64().checked_sub(FIRST_LISTENER)?;
    u32::try_from(number).ok().map(|number| number as usize)
}

impl Reactor for EpollReactor {
    #[inline]
    fn now(&self) -> Nanos {
        clock::now()
    }

    fn connect(&mut self, options: &ConnectOptions) -> io::Result<Key> {
        let socket = socket::begin_connect(options)?;
        let stamped = options.stamps && stamps::ask(socket.as_fd()).is_ok();
        self.insert(EpollSocket::new(socket, true, stamped))
    }

    fn send(&mut self, key: Key, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let socket = connection.socket.as_fd();
        match connection.queue.send(bytes, |bytes| socket::send_now(socket, bytes)) {
            Ok(()) if connection.queue.is_empty() => {}
            Ok(()) => self.update_interest(key),
            Err(error) => self.failures.push((key, error)),
        }
    }

    fn unsent(&self, key: Key) -> usize {
        self.connections.get(key).map_or(0, |connection| connection.queue.len())
    }

    fn pause(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.paused = true;
            self.update_interest(key);
        }
    }

    fn resume(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key)
            && connection.paused
        {
            connection.paused = false;
            self.update_interest(key);
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
        self.connections.remove(key);
    }

    fn tcp_info(&self, key: Key) -> Option<TcpInfo> {
        tcp_info::read(self.connections.get(key)?.socket.as_fd()).ok()
    }

    fn arrival(&self) -> Option<Nanos> {
        self.arrival
    }

    fn buffer_sizes(&self, key: Key) -> Option<(usize, usize)> {
        socket::buffer_sizes(self.connections.get(key)?.socket.as_fd()).ok()
    }

    fn turn(
        &mut self,
        until: Option<Nanos>,
        handler: &mut impl Handler<Self>,
    ) -> io::Result<()> {
        self.report_failures(handler);
        self.resume_accepting()?;
        self.wait(until)?;
        // Taken out during the call, since the handler borrows the reactor.
        let mut events = std::mem::take(&mut self.events);
        // Listeners first: connections in the backlog have timers running.
        for event in &events {
            if let Some(number) = listener_number(*event) {
                self.accept_all(number, handler);
            }
        }
        for event in &events {
            if event.data.u64() == WAKER {
                self.waker.reset();
                handler.woken(self);
            } else if listener_number(*event).is_none() {
                self.dispatch(*event, handler);
            }
        }
        events.clear();
        self.events = events;
        self.report_failures(handler);
        Ok(())
    }
}

impl ServingReactor for EpollReactor {
    fn listen(&mut self, listener: TcpListener) -> io::Result<()> {
        watch_listener(&self.epoll, &listener, self.listening.len())?;
        self.listening.push(Listening::new(listener));
        Ok(())
    }

    fn stop_listening(&mut self) {
        self.listening.clear();
    }

    fn adopt(&mut self, socket: OwnedFd) -> io::Result<Key> {
        self.insert(EpollSocket::new(socket, false, false))
    }

    fn unread(&self, key: Key) -> Unread {
        let socket = self.connections.get(key).map(|connection| connection.socket.as_fd());
        // If the query fails the socket is broken and holds nothing to serve.
        socket.and_then(|socket| unread::read(socket).ok()).unwrap_or_default()
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }
}
