//! One blocking thread per connection: [`Threads`]. The kernel does all the waiting; the
//! price is a thread for every client, busy or not.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use echo_net::Nanos;
use echo_net::clock;
use echo_net::interrupt::Interruptible;
use echo_net::stop::Stage;
use echo_net::tcp_info::end_acknowledged;
use echo_net::unread;
use echo_proto::Replies;
use slotmap::{DefaultKey, SlotMap};
use tracing::debug;

use super::acceptor::{self, Doorway};
use super::threads_mail::{Bell, Mailed};
use super::{Capacity, Model};
use crate::admission::Permit;
use crate::config::Config;
use crate::connection::Connection;
use crate::context::Context;
use crate::counters::Served;
use crate::session::{NEVER, Next};
use crate::thread_budget;

/// Stack of a connection's thread. The session needs little of it, and only pages that are
/// touched cost memory.
const STACK_BYTES: usize = 128 * 1024;

/// How long a forced stop waits for threads to notice.
const FORCED_PATIENCE: Duration = Duration::from_millis(300);

/// How often the wait for all threads looks whether it is to give up.
const NOTICE_FORCE: Duration = Duration::from_millis(20);

/// After how long threads that have not noticed a stop are interrupted again. It doubles each
/// time: a write that is interrupted waits anew, and is to time out in the end.
const INTERRUPT_AGAIN: Duration = Duration::from_millis(20);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Threads;

impl Model for Threads {
    fn capacity(&self) -> Option<Capacity> {
        thread_budget::budget()
    }

    fn descriptors(&self, config: &Config) -> u64 {
        if config.protocol.is_chat() { 2 } else { 1 }
    }

    fn serve(&self, listeners: Vec<Vec<TcpListener>>, context: &Context) -> io::Result<()> {
        let open = Arc::new(Open::default());
        let sockets = Arc::clone(&open);
        context.stop.on_advance(move |stage| sockets.interrupt(stage));
        let mut starter = Starter { context, open: Arc::clone(&open), started: 0 };
        acceptor::accept(listeners, context, &mut starter)?;
        open.wait_until_empty(context);
        Ok(())
    }
}

/// All live threads.
#[derive(Debug, Default)]
struct Open {
    threads: Mutex<SlotMap<DefaultKey, Interrupt>>,
    emptied: Condvar,
}

/// What a thread waits for.
#[derive(Debug, Clone)]
enum Interrupt {
    Thread(Arc<Waiting>),
    Bell(Arc<Bell>),
}

/// A thread that waits for a socket alone.
#[derive(Debug)]
struct Waiting {
    socket: Arc<TcpStream>,
    thread: Interruptible,
}

impl Open {
    fn lock(&self) -> MutexGuard<'_, SlotMap<DefaultKey, Interrupt>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self, key: DefaultKey) {
        let mut threads = self.lock();
        threads.remove(key);
        if threads.is_empty() {
            self.emptied.notify_all();
        }
    }

    /// Wakes every thread, so that it sees the stage.
    fn interrupt(&self, stage: Stage) {
        for thread in self.lock().values() {
            match thread {
                Interrupt::Thread(waiting) if stage == Stage::Forced => {
                    // Fails only for a connection that broke, and its thread with it.
                    let _ = waiting.socket.shutdown(Shutdown::Both);
                }
                Interrupt::Thread(waiting) => waiting.thread.interrupt(),
                Interrupt::Bell(bell) => bell.ring(),
            }
        }
    }

    fn wait_until_empty(&self, context: &Context) {
        let mut threads = self.lock();
        let mut give_up_at = None;
        let mut pause = clock::nanos(INTERRUPT_AGAIN);
        let mut interrupt_at = clock::now() + pause;
        while !threads.is_empty() {
            let now = clock::now();
            if context.is_forced()
                && now > *give_up_at.get_or_insert(now + clock::nanos(FORCED_PATIENCE))
            {
                return;
            }
            let woken = self.emptied.wait_timeout(threads, NOTICE_FORCE);
            threads = woken.unwrap_or_else(PoisonError::into_inner).0;
            if clock::now() < interrupt_at {
                continue;
            }
            pause *= 2;
            interrupt_at = clock::now() + pause;
            for thread in threads.values() {
                if let Interrupt::Thread(waiting) = thread {
                    waiting.thread.interrupt();
                }
            }
        }
    }
}

/// Starts a thread for every socket that comes in.
struct Starter<'a> {
    context: &'a Context,
    open: Arc<Open>,
    started: usize,
}

impl Doorway for Starter<'_> {
    fn enter(&mut self, socket: OwnedFd, permit: Permit) {
        let socket = Arc::new(TcpStream::from(socket));
        let turned_away = permit.is_turned_away();
        let connection = self.context.connection(permit);
        let interrupt = match interrupt(&socket, &connection) {
            Ok(interrupt) => interrupt,
            Err(error) => return self.context.admission.accept_failed(&error),
        };
        let key = self.open.lock().insert(interrupt.clone());
        let number = self.started;
        self.started += 1;
        let (open, context) = (Arc::clone(&self.open), self.context.clone());
        let (stream, peer) = (Arc::clone(&socket), connection.peer());
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
            context.pin_worker(number);
            let served = match interrupt {
                Interrupt::Thread(waiting) => {
                    waiting.thread.enter();
                    let served = Serving::new(&waiting, connection, &context, number).serve();
                    waiting.thread.leave();
                    served
                }
                Interrupt::Bell(bell) => {
                    Mailed::new(&stream, bell, connection, &context, number).serve()
                }
            };
            if let Err(error) = served {
                debug!(%peer, %error, "connection broke");
            }
            open.remove(key);
        });
        if let Err(error) = thread {
            self.open.remove(key);
            if !turned_away {
                let reason = format!("can't start a thread: {error}");
                self.context.admission.refuse(socket.as_fd(), &reason);
            }
        }
    }
}

/// How to wake the thread of a connection.
fn interrupt(socket: &Arc<TcpStream>, connection: &Connection) -> io::Result<Interrupt> {
    if connection.gets_mail() {
        return Bell::new().map(Arc::new).map(Interrupt::Bell);
    }
    let waiting = Waiting { socket: Arc::clone(socket), thread: Interruptible::new() };
    Ok(Interrupt::Thread(Arc::new(waiting)))
}

/// One connection on its thread.
struct Serving<'a> {
    stream: &'a TcpStream,
    thread: &'a Interruptible,
    connection: Connection,
    context: &'a Context,
    number: usize,
    replies: Replies,
    stopping: bool,
    half_closed: bool,
}

impl<'a> Serving<'a> {
    fn new(
        waiting: &'a Waiting,
        connection: Connection,
        context: &'a Context,
        number: usize,
    ) -> Self {
        let replies = context.config.replies();
        Self {
            stream: &waiting.socket,
            thread: &waiting.thread,
            connection,
            context,
            number,
            replies,
            stopping: false,
            half_closed: false,
        }
    }

    fn serve(mut self) -> io::Result<()> {
        self.stream.set_nonblocking(false)?;
        self.stream.set_write_timeout(Some(self.context.config.write_timeout))?;
        self.limit_reading()?;
        let mut buffer = vec![0; self.context.config.read_buffer];
        loop {
            if !self.stopping && self.context.is_stopping() {
                self.stopping = true;
                self.thread.leave();
                let unread = unread::read(self.stream.as_fd())?;
                self.connection.stop(clock::now(), unread, &mut self.replies);
                self.answer(0)?;
            }
            // All that was replied is written: a blocking write takes everything.
            match self.connection.next(clock::now(), 0) {
                Next::Read | Next::Hold => {}
                Next::HalfClose => {
                    self.stream.shutdown(Shutdown::Write)?;
                    self.half_closed = true;
                    self.limit_reading()?;
                }
                Next::Close => return Ok(()),
            }
            if self.half_closed && self.context.is_forced() {
                // A blocking write has given everything to the kernel, which is no proof
                // that the peer has any of it.
                if !end_acknowledged(self.stream.as_fd()) {
                    self.connection.cut_short();
                }
                return Ok(());
            }
            self.step(&mut buffer)?;
        }
    }

    /// One read and the replies to it.
    fn step(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        let received = self.stream.read(buffer);
        let now = clock::now();
        match received {
            // The end that a forced stop makes is not the peer's.
            Ok(0) if self.half_closed && self.context.is_forced() => Ok(()),
            Ok(0) => {
                self.connection.end_of_input(now, &mut self.replies);
                self.answer(0)
            }
            Ok(length) => {
                self.connection.received(now, &buffer[..length], &mut self.replies);
                self.answer(length)?;
                // A peer that never pauses must not keep the deadline from being seen.
                self.expire(now)
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
                ) =>
            {
                self.expire(now)?;
                self.limit_reading()
            }
            Err(error) => Err(error),
        }
    }

    fn answer(&mut self, received: usize) -> io::Result<()> {
        let served = Served::by(received, &self.replies);
        self.context.counters.worker(self.number).add(served);
        for write in self.replies.writes() {
            // The kernel's time-out counts from the last byte that was taken.
            let mut stream = self.stream;
            stream.write_all(write)?;
        }
        Ok(())
    }

    /// Lets a read wait until the session's deadline and no longer.
    fn limit_reading(&self) -> io::Result<()> {
        let deadline = self.connection.deadline();
        let left = (deadline != NEVER).then(|| {
            // Zero would mean for ever.
            Duration::from_nanos(deadline.saturating_sub(clock::now()))
                .max(Duration::from_millis(1))
        });
        self.stream.set_read_timeout(left)
    }

    fn expire(&mut self, now: Nanos) -> io::Result<()> {
        if now < self.connection.deadline() {
            return Ok(());
        }
        let socket = self.stream.as_fd();
        self.connection.expire(now, &mut self.replies, || end_acknowledged(socket));
        self.answer(0)
    }
}
