//! One epoll instance shared by all workers: [`SharedEpoll`], with its connections. Each event
//! goes to a single worker (`EPOLLONESHOT`), which owns the connection while it holds the
//! [`Claimed`], and rearms it afterwards.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use echo_net::Nanos;
use echo_net::clock;
use echo_net::reactor::Waker;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use slotmap::{DefaultKey, Key as _, KeyData, SlotMap};

use crate::counters::Count;
use crate::deadline_sweep::DeadlineSweep;
use crate::driver::{Closed, Driver, Interest, QueuedSocket, Readiness, Scratch};
use crate::model::mail_list::MailList;

/// Event data of the descriptors for stop and mail. They never collide with slot map keys,
/// whose version (the upper half) is odd for valid keys.
const END: u64 = 0;
const MAIL: u64 = 1;

type Connections = SlotMap<DefaultKey, Arc<Mutex<PooledConnection>>>;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct SharedEpoll {
    epoll: OwnedFd,
    end: OwnedFd,
    /// Connections with mail.
    mail: Arc<MailList<DefaultKey>>,
    connections: RwLock<Connections>,
    sweep: DeadlineSweep,
    waker: OnceLock<Waker>,
}

#[derive(Debug)]
struct PooledConnection {
    socket: QueuedSocket<OwnedFd>,
    driver: Driver,
    /// Whether input is wanted.
    reads: bool,
    closed: bool,
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        self.driver.closes(&mut self.socket);
    }
}

/// A worker's next action.
pub(super) enum Ready {
    /// Serve this connection.
    Connection(DefaultKey, EventFlags),
    /// Wait again.
    Nothing,
    /// Exit.
    End,
}

impl SharedEpoll {
    /// Without connections.
    pub(super) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let end = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &end, EventData::new_u64(END), EventFlags::IN)?;
        let mail_waker = Waker::new()?;
        epoll::add(&epoll, &mail_waker, EventData::new_u64(MAIL), EventFlags::IN)?;
        let mail = MailList::new(mail_waker);
        let (connections, sweep, waker) =
            (RwLock::default(), DeadlineSweep::new(), OnceLock::new());
        Ok(Self { epoll, end, mail, connections, sweep, waker })
    }

    /// Calls `waker` whenever the next deadline sweep becomes earlier.
    pub(super) fn wake_for_deadlines(&self, waker: Waker) {
        let _ = self.waker.set(waker);
    }

    /// The schedule of deadline sweeps.
    pub(super) fn sweep(&self) -> &DeadlineSweep {
        &self.sweep
    }

    /// Stops all workers.
    pub(super) fn end_workers(&self) {
        // The only possible failure is a full counter, which also stops them.
        let _ = rustix::io::write(&self.end, &1_u64.to_ne_bytes());
    }

    /// Registers a new connection.
    pub(super) fn add(&self, socket: OwnedFd, driver: Driver) -> io::Result<()> {
        self.expect(driver.deadline());
        let socket = QueuedSocket::new(socket);
        let connection = PooledConnection { socket, driver, reads: true, closed: false };
        let shared = Arc::new(Mutex::new(connection));
        let key = self.connections_mut().insert(Arc::clone(&shared));
        let connection = lock(&shared);
        let data = EventData::new_u64(key.data().as_ffi());
        let flags = EventFlags::IN | EventFlags::ONESHOT;
        if let Err(error) = epoll::add(&self.epoll, &connection.socket.socket, data, flags) {
            self.connections_mut().remove(key);
            return Err(error.into());
        }
        if connection.driver.gets_mail() {
            connection.driver.wake_for_mail(&self.mail.waker(key));
            // Chat has mail before the peer sends anything.
            self.mail.put(key);
        }
        Ok(())
    }

    /// Waits until a connection is ready.
    pub(super) fn wait(&self) -> io::Result<Ready> {
        let mut events =
            [epoll::Event { flags: EventFlags::empty(), data: EventData::new_u64(END) }];
        match epoll::wait(&self.epoll, &mut events, None) {
            Ok(0) | Err(Errno::INTR) => Ok(Ready::Nothing),
            Ok(_) => Ok(match events[0].data.u64() {
                END => Ready::End,
                MAIL => self
                    .mail
                    .take_one()
                    .map_or(Ready::Nothing, |key| Ready::Connection(key, EventFlags::empty())),
                key => Ready::Connection(KeyData::from_ffi(key).into(), events[0].flags),
            }),
            Err(error) => Err(error.into()),
        }
    }

    /// Calls `serve` with one connection, unless it is closed.
    pub(super) fn claim(&self, key: DefaultKey, serve: impl FnOnce(Claimed<'_>)) {
        let shared = self.connections().get(key).cloned();
        let Some(shared) = shared else { return };
        let Ok(connection) = shared.lock() else {
            // A panic left it in the middle of a message. Dropping it resets the connection.
            self.connections_mut().remove(key);
            return;
        };
        if !connection.closed {
            serve(Claimed { shared: self, key, connection });
        }
    }

    /// Calls `serve` with every connection.
    pub(super) fn claim_all(&self, mut serve: impl FnMut(Claimed<'_>)) {
        let keys: Vec<_> = self.connections().keys().collect();
        for key in keys {
            self.claim(key, &mut serve);
        }
    }

    /// Whether no connection is left.
    pub(super) fn is_empty(&self) -> bool {
        self.connections().is_empty()
    }

    fn expect(&self, deadline: Nanos) {
        if self.sweep.expect(deadline) {
            self.waker.get().inspect(|waker| waker.wake());
        }
    }

    fn connections(&self) -> std::sync::RwLockReadGuard<'_, Connections> {
        self.connections.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn connections_mut(&self) -> std::sync::RwLockWriteGuard<'_, Connections> {
        self.connections.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock(connection: &Mutex<PooledConnection>) -> MutexGuard<'_, PooledConnection> {
    connection.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A connection owned by this thread for now.
pub(super) struct Claimed<'a> {
    shared: &'a SharedEpoll,
    key: DefaultKey,
    connection: MutexGuard<'a, PooledConnection>,
}

impl Claimed<'_> {
    /// Handles a ready socket, and rearms it.
    pub(super) fn serve(
        mut self,
        flags: EventFlags,
        buffer: &mut [u8],
        scratch: &mut Scratch<impl Count>,
    ) {
        let PooledConnection { socket, driver, reads, .. } = &mut *self.connection;
        let broken = flags.intersects(EventFlags::ERR | EventFlags::HUP);
        let readiness = Readiness::new(*reads, flags.contains(EventFlags::IN), broken);
        let interest = driver.ready(clock::now(), readiness, buffer, socket, scratch);
        self.rearm(interest);
    }

    /// Starts a graceful stop.
    pub(super) fn stop(mut self, scratch: &mut Scratch<impl Count>) {
        let PooledConnection { socket, driver, .. } = &mut *self.connection;
        let interest = driver.stop(clock::now(), socket, scratch);
        self.rearm(interest);
    }

    /// Handles the deadline, if it has passed.
    pub(super) fn expire(mut self, now: Nanos, scratch: &mut Scratch<impl Count>) {
        let PooledConnection { socket, driver, .. } = &mut *self.connection;
        let deadline = driver.deadline();
        if deadline > now {
            self.shared.expect(deadline);
        } else {
            let interest = driver.expire(now, socket, scratch);
            self.rearm(interest);
        }
    }

    /// Rearms the connection for what the driver wants, or removes it.
    fn rearm(&mut self, interest: Result<Interest, Closed>) {
        let waiting = interest.and_then(|interest| self.wait_for(interest));
        if waiting == Err(Closed) {
            self.connection.closed = true;
            self.shared.connections_mut().remove(self.key);
        }
    }

    fn wait_for(&mut self, interest: Interest) -> Result<(), Closed> {
        let Interest { read, write, deadline } = interest;
        self.shared.expect(deadline);
        let PooledConnection { socket, driver, reads, .. } = &mut *self.connection;
        *reads = read;
        let mut flags = EventFlags::ONESHOT;
        flags.set(EventFlags::IN, read);
        flags.set(EventFlags::OUT, write);
        let data = EventData::new_u64(self.key.data().as_ffi());
        epoll::modify(&self.shared.epoll, &socket.socket, data, flags)
            .map_err(|error| driver.broken(&error.into()))
    }
}
