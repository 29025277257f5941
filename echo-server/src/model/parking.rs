//! Connections that wait in one shared epoll until they are ready: [`Parking`]. Each is
//! told to one worker only (`EPOLLONESHOT`) and parked again at the end of the [`Visit`].

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use echo_net::Nanos;
use echo_net::clock;
use echo_net::reactor::Waker;
use echo_net::send_queue::SendQueue;
use echo_net::tcp_info::end_acknowledged;
use echo_net::unread;
use echo_proto::Replies;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::event::{EventfdFlags, eventfd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, Shutdown};
use slotmap::{DefaultKey, Key as _, KeyData, SlotMap};

use super::mail_list::MailList;
use crate::connection::Connection;
use crate::counters::Served;
use crate::session::Next;
use crate::sweep::Sweep;

/// Event data of the descriptors that end the workers, and that tell of mail; no slot map
/// makes these keys, whose version (the upper half) is odd where they name something.
const END: u64 = 0;
const MAIL: u64 = 1;

type Places = SlotMap<DefaultKey, Arc<Mutex<Parked>>>;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Parking {
    epoll: OwnedFd,
    end: OwnedFd,
    /// Connections that have mail.
    mail: Arc<MailList<DefaultKey>>,
    places: RwLock<Places>,
    sweep: Sweep,
    waker: OnceLock<Waker>,
}

#[derive(Debug)]
struct Parked {
    socket: OwnedFd,
    queue: SendQueue,
    connection: Connection,
    /// Whether input is wanted.
    reads: bool,
    closed: bool,
}

/// What a worker is to do.
pub(super) enum Ready {
    /// Visit this connection.
    Connection(DefaultKey, EventFlags),
    /// Wait again.
    Nothing,
    /// Go home.
    End,
}

impl Parking {
    /// Empty.
    pub(super) fn new() -> io::Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        let end = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        epoll::add(&epoll, &end, EventData::new_u64(END), EventFlags::IN)?;
        let told = Waker::new()?;
        epoll::add(&epoll, &told, EventData::new_u64(MAIL), EventFlags::IN)?;
        let mail = MailList::new(told);
        let (places, sweep, waker) = (RwLock::default(), Sweep::new(), OnceLock::new());
        Ok(Self { epoll, end, mail, places, sweep, waker })
    }

    /// Uses `waker` whenever the next look at all deadlines becomes sooner.
    pub(super) fn wake_for_deadlines(&self, waker: Waker) {
        let _ = self.waker.set(waker);
    }

    /// When to look at all deadlines.
    pub(super) fn sweep(&self) -> &Sweep {
        &self.sweep
    }

    /// Ends all workers.
    pub(super) fn end_workers(&self) {
        // The only possible failure is a counter that is full: it ends them all the same.
        let _ = rustix::io::write(&self.end, &1_u64.to_ne_bytes());
    }

    /// Parks a new connection.
    pub(super) fn park(&self, socket: OwnedFd, connection: Connection) -> io::Result<()> {
        self.expect(connection.deadline());
        let queue = SendQueue::default();
        let parked = Parked { socket, queue, connection, reads: true, closed: false };
        let place = Arc::new(Mutex::new(parked));
        let key = self.places_mut().insert(Arc::clone(&place));
        let parked = lock(&place);
        let data = EventData::new_u64(key.data().as_ffi());
        let added =
            epoll::add(&self.epoll, &parked.socket, data, EventFlags::IN | EventFlags::ONESHOT);
        if let Err(error) = added {
            self.places_mut().remove(key);
            return Err(error.into());
        }
        if parked.connection.gets_mail() {
            parked.connection.wake_for_mail(&self.mail.waker(key));
            // There may be some before the peer says a word.
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

    /// Gives one connection to `visitor`, unless it is gone.
    pub(super) fn visit(&self, key: DefaultKey, visitor: impl FnOnce(Visit<'_>)) {
        let place = self.places().get(key).cloned();
        let Some(place) = place else { return };
        let parked = lock(&place);
        if !parked.closed {
            visitor(Visit { parking: self, key, parked });
        }
    }

    /// Gives every connection to `visitor`.
    pub(super) fn visit_all(&self, mut visitor: impl FnMut(Visit<'_>)) {
        let keys: Vec<_> = self.places().keys().collect();
        for key in keys {
            self.visit(key, &mut visitor);
        }
    }

    /// Whether no connection is left.
    pub(super) fn is_empty(&self) -> bool {
        self.places().is_empty()
    }

    fn expect(&self, deadline: Nanos) {
        if self.sweep.expect(deadline) {
            self.waker.get().inspect(|waker| waker.wake());
        }
    }

    fn places(&self) -> std::sync::RwLockReadGuard<'_, Places> {
        self.places.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn places_mut(&self) -> std::sync::RwLockWriteGuard<'_, Places> {
        self.places.write().unwrap_or_else(PoisonError::into_inner)
    }
}

fn lock(place: &Mutex<Parked>) -> MutexGuard<'_, Parked> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

fn write(socket: &OwnedFd, bytes: &[u8]) -> io::Result<usize> {
    Ok(rustix::net::send(socket, bytes, SendFlags::NOSIGNAL)?)
}

/// One connection in the hands of one thread.
pub(super) struct Visit<'a> {
    parking: &'a Parking,
    key: DefaultKey,
    parked: MutexGuard<'a, Parked>,
}

impl Visit<'_> {
    /// Does what the socket is ready for, and parks the connection again.
    pub(super) fn serve(
        &mut self,
        flags: EventFlags,
        buffer: &mut [u8],
        replies: &mut Replies,
    ) -> Served {
        let now = clock::now();
        let mut served = Served::default();
        match self.move_bytes(now, flags, buffer, replies, &mut served) {
            Ok(()) => self.park_again(now, replies, &mut served),
            Err(error) => self.break_off(&error),
        }
        served
    }

    /// The server is stopping.
    pub(super) fn stop(&mut self, replies: &mut Replies) -> Served {
        // A socket that can't tell is broken, and holds nothing to serve.
        let unread = unread::read(self.parked.socket.as_fd()).unwrap_or_default();
        let now = clock::now();
        self.parked.connection.stop(now, unread, replies);
        self.answer(now, replies)
    }

    /// Gives up waiting if the deadline has passed.
    pub(super) fn expire(&mut self, now: Nanos, replies: &mut Replies) -> Served {
        let Parked { socket, connection, .. } = &mut *self.parked;
        let mut served = Served::default();
        if connection.deadline() <= now {
            connection.expire(now, replies, || end_acknowledged(socket.as_fd()));
            served = self.answer(now, replies);
        }
        if !self.parked.closed {
            self.parking.expect(self.parked.connection.deadline());
        }
        served
    }

    /// Sends the replies and parks the connection again.
    fn answer(&mut self, now: Nanos, replies: &mut Replies) -> Served {
        let mut served = Served::default();
        match self.send(0, replies, &mut served) {
            Ok(()) => self.park_again(now, replies, &mut served),
            Err(error) => self.break_off(&error),
        }
        served
    }

    /// Sends the mail, as far as there is room for it.
    fn mail(
        &mut self,
        now: Nanos,
        replies: &mut Replies,
        served: &mut Served,
    ) -> io::Result<()> {
        loop {
            let Parked { queue, connection, .. } = &mut *self.parked;
            if !connection.mail(now, queue.len(), replies) {
                return Ok(());
            }
            self.send(0, replies, served)?;
        }
    }

    /// Counts what was received and the replies to it, whether they can be sent or not, and
    /// sends them.
    fn send(
        &mut self,
        received: usize,
        replies: &Replies,
        served: &mut Served,
    ) -> io::Result<()> {
        *served += Served::by(received, replies);
        let Parked { socket, queue, .. } = &mut *self.parked;
        for bytes in replies.writes() {
            queue.send(bytes, |bytes| write(socket, bytes))?;
        }
        Ok(())
    }

    fn break_off(&mut self, error: &io::Error) {
        self.parked.connection.broke(error);
        self.close();
    }

    fn move_bytes(
        &mut self,
        now: Nanos,
        flags: EventFlags,
        buffer: &mut [u8],
        replies: &mut Replies,
        served: &mut Served,
    ) -> io::Result<()> {
        let Parked { socket, queue, connection, reads, .. } = &mut *self.parked;
        let broken = flags.intersects(EventFlags::ERR | EventFlags::HUP);
        if !queue.is_empty() {
            queue.flush(|bytes| write(socket, bytes))?;
        }
        if !*reads && broken {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if !*reads || !(broken || flags.contains(EventFlags::IN)) {
            return Ok(());
        }
        let length = match rustix::net::recv(&*socket, &mut *buffer, RecvFlags::empty()) {
            Ok((length, _)) => length,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        match length {
            0 => connection.end_of_input(now, replies),
            _ => connection.received(now, &buffer[..length], replies),
        }
        self.send(length, replies, served)
    }

    fn park_again(&mut self, now: Nanos, replies: &mut Replies, served: &mut Served) {
        match self.mail(now, replies, served) {
            Ok(()) => self.wait_for_socket(now),
            Err(error) => self.break_off(&error),
        }
    }

    fn wait_for_socket(&mut self, now: Nanos) {
        let Parked { socket, queue, connection, reads, .. } = &mut *self.parked;
        match connection.next(now, queue.len()) {
            Next::Read => *reads = true,
            Next::Hold => {
                *reads = false;
                self.parking.expect(connection.deadline());
            }
            Next::HalfClose => {
                *reads = true;
                // Fails only for a connection that broke, which shows as an event anyway.
                let _ = rustix::net::shutdown(&*socket, Shutdown::Write);
                self.parking.expect(connection.deadline());
            }
            Next::Close => {
                self.close();
                return;
            }
        }
        let mut flags = EventFlags::ONESHOT;
        flags.set(EventFlags::IN, *reads);
        if !queue.is_empty() {
            flags |= EventFlags::OUT;
            self.parking.expect(connection.deadline());
        }
        let data = EventData::new_u64(self.key.data().as_ffi());
        if let Err(error) = epoll::modify(&self.parking.epoll, &*socket, data, flags) {
            connection.broke(&error.into());
            self.close();
        }
    }

    fn close(&mut self) {
        self.parked.closed = true;
        self.parking.places_mut().remove(self.key);
    }
}
