//! A connection's thread with blocking reads and writes: [`Blocking`]. A stop interrupts it.

use std::convert::Infallible;
use std::io::{self, Read};
use std::net::Shutdown;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use echo_net::Nanos;
use echo_net::clock::{self, MILLISECOND};
use echo_net::delivery;
use echo_net::interrupt::Interruptible;
use echo_net::socket::reset_on_close;
use echo_net::unread::{self, Unread};
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use socket2::Socket;

use crate::buffered::{Share, Verdict};
use crate::context::Context;
use crate::counters::WorkerCounters;
use crate::driver::{Closed, Driver, Interest, Scratch, Transport, acknowledged};
use crate::limits::Limit;
use crate::session::{Acknowledged, NEVER, Progress};

/// A thread that waits for a socket only.
#[derive(Debug)]
pub(super) struct BlockedThread {
    socket: Arc<Socket>,
    thread: Interruptible,
}

impl BlockedThread {
    /// No thread waits yet.
    pub(super) fn new(socket: Arc<Socket>) -> Self {
        Self { socket, thread: Interruptible::new() }
    }

    /// Interrupts the thread, so that it sees a stop; must be repeated until it has.
    pub(super) fn interrupt(&self) {
        self.thread.interrupt();
    }

    /// Aborts the connection under a thread that has not noticed a forced stop.
    pub(super) fn abort(&self) {
        // These fail only if the connection, and its thread, have ended.
        let _ = reset_on_close(self.socket.as_fd());
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// The longest time in one system call while a peer does not take output, so that limits are
/// checked.
const LOOK: Duration = Duration::from_millis(250);

/// The same while no input is wanted.
const PAUSE: Duration = Duration::from_millis(20);

/// A blocking socket: a write waits until the kernel has accepted everything.
struct BlockingSocket<'a> {
    stream: &'a Socket,
    context: &'a Context,
    /// The limit at which a write was given up.
    given_up: Option<Limit>,
}

impl BlockingSocket<'_> {
    /// Waits for a peer that does not take all at once. A write that was interrupted, or took a
    /// part, is no evidence that the peer lives.
    fn send_slowly(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        let timeout = clock::nanos(self.context.config.write_timeout);
        let mut now = clock::now();
        let (all, mut progress) = (bytes.len(), Progress::new(now));
        let mut share = Share::new(self.context.admission.budget());
        while !bytes.is_empty() {
            if self.context.is_forced() {
                return Err(io::ErrorKind::ConnectionAborted.into());
            }
            share.look(now);
            if share.set(now, bytes.len()) == Verdict::Cut {
                return Err(self.give_up(Limit::Buffered));
            }
            if now >= progress.look_at(timeout)
                && progress.has_stalled(
                    now,
                    timeout,
                    self.delivered((all - bytes.len()) as u64),
                )
            {
                return Err(self.give_up(Limit::WriteTimeout));
            }
            match send(self.stream, bytes, SendFlags::NOSIGNAL) {
                Ok(sent) => bytes = &bytes[sent..],
                Err(Errno::AGAIN | Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            now = clock::now();
        }
        Ok(())
    }

    /// How far the peer is, when the kernel has accepted so many bytes.
    fn delivered(&self, accepted: u64) -> u64 {
        delivery::read(self.stream.as_fd()).map_or(0, |delivery| delivery.progress(accepted))
    }

    fn give_up(&mut self, limit: Limit) -> io::Error {
        self.given_up = Some(limit);
        io::ErrorKind::TimedOut.into()
    }
}

impl Transport for BlockingSocket<'_> {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        // No clock is read unless the peer is slow.
        match send(self.stream, bytes, SendFlags::NOSIGNAL | SendFlags::DONTWAIT) {
            Ok(sent) if sent == bytes.len() => Ok(()),
            Ok(sent) => self.send_slowly(&bytes[sent..]),
            Err(Errno::AGAIN | Errno::INTR) => self.send_slowly(bytes),
            Err(error) => Err(error.into()),
        }
    }

    fn unsent(&self) -> usize {
        0
    }

    fn finish(&mut self) -> io::Result<()> {
        self.stream.shutdown(Shutdown::Write)
    }

    fn unread(&self) -> Unread {
        // If the query fails the socket is broken and holds nothing to serve.
        unread::read(self.stream.as_fd()).unwrap_or_default()
    }

    fn acknowledged(&self) -> Acknowledged {
        acknowledged(self.stream.as_fd())
    }

    fn reset_on_close(&mut self) {
        // Fails only for what is no socket.
        let _ = reset_on_close(self.stream.as_fd());
    }

    fn after_sending(&self, _now: Nanos) -> Nanos {
        clock::now()
    }
}

/// A connection on its thread.
pub(super) struct Blocking<'a> {
    socket: BlockingSocket<'a>,
    thread: &'a Interruptible,
    driver: Driver,
    context: &'a Context,
    scratch: Scratch<&'a WorkerCounters>,
    stopping: bool,
    /// The read timeout, [`NEVER`] for none; `None` if it must be set anew.
    armed: Option<Nanos>,
}

impl<'a> Blocking<'a> {
    /// For the calling thread, which can be interrupted from now on.
    pub(super) fn new(
        blocked: &'a BlockedThread,
        driver: Driver,
        context: &'a Context,
        scratch: Scratch<&'a WorkerCounters>,
    ) -> Self {
        let BlockedThread { socket, thread } = blocked;
        thread.enter();
        let socket = BlockingSocket { stream: socket, context, given_up: None };
        Self { socket, thread, driver, context, scratch, stopping: false, armed: None }
    }

    /// Serves until the connection ends.
    pub(super) fn serve(mut self) -> Result<Infallible, Closed> {
        self.set_up().map_err(|error| self.driver.broken(&error))?;
        let mut buffer = vec![0; self.context.config.read_buffer];
        let mut now = clock::now();
        let Self { socket, driver, scratch, .. } = &mut self;
        let mut interest = driver.proceed(now, socket, scratch)?;
        loop {
            if !self.stopping && self.context.is_stopping() {
                self.stopping = true;
                now = clock::now();
                let Self { socket, driver, scratch, .. } = &mut self;
                interest = driver.stop(now, socket, scratch)?;
            }
            if self.context.is_forced() {
                return Err(Closed);
            }
            (now, interest) = if interest.read {
                self.limit_reading(now, interest.deadline)?;
                self.step(&mut buffer)?
            } else {
                self.wait(now, interest.deadline)?
            };
        }
    }

    fn set_up(&self) -> io::Result<()> {
        let stream = self.socket.stream;
        stream.set_nonblocking(false)?;
        let write_timeout = self.context.config.write_timeout;
        // Zero would mean no timeout.
        let look = (write_timeout / 4).clamp(Duration::from_millis(1), LOOK);
        stream.set_write_timeout(Some(look))
    }

    /// One read and the replies to it.
    fn step(&mut self, buffer: &mut [u8]) -> Result<(Nanos, Interest), Closed> {
        let Self { socket, driver, scratch, .. } = self;
        let mut stream = socket.stream;
        let received = stream.read(buffer);
        let now = clock::now();
        let interest = match received {
            Ok(0) => driver.end_of_input(now, socket, scratch)?,
            Ok(length) => {
                let interest = driver.received(now, &buffer[..length], socket, scratch)?;
                // A peer that never pauses must not hide the deadline.
                if now < interest.deadline {
                    interest
                } else {
                    driver.expire(now, socket, scratch)?
                }
            }
            Err(error) => match error.kind() {
                io::ErrorKind::Interrupted => driver.expire(now, socket, scratch)?,
                io::ErrorKind::WouldBlock => {
                    self.armed = None;
                    driver.expire(now, socket, scratch)?
                }
                _ => return Err(driver.broken(&error)),
            },
        };
        Ok((now, interest))
    }

    /// Reads nothing for a while.
    fn wait(&mut self, now: Nanos, deadline: Nanos) -> Result<(Nanos, Interest), Closed> {
        std::thread::sleep(Duration::from_nanos(deadline.saturating_sub(now)).min(PAUSE));
        let Self { socket, driver, scratch, .. } = self;
        let now = clock::now();
        Ok((now, driver.expire(now, socket, scratch)?))
    }

    /// Sets the read timeout, unless the one that is set ends in time. A timeout that is too
    /// short does no harm, and is not set anew for each message.
    fn limit_reading(&mut self, now: Nanos, deadline: Nanos) -> Result<(), Closed> {
        let left = if deadline == NEVER { NEVER } else { deadline.saturating_sub(now) };
        if self.armed.is_some_and(|armed| left >= armed - armed / 8) {
            return Ok(());
        }
        self.armed = Some(left);
        // Zero would mean no timeout.
        let timeout = (left != NEVER).then(|| Duration::from_nanos(left.max(MILLISECOND)));
        let limited = self.socket.stream.set_read_timeout(timeout);
        limited.map_err(|error| self.driver.broken(&error))
    }
}

impl Drop for Blocking<'_> {
    fn drop(&mut self) {
        self.thread.leave();
        if let Some(limit) = self.socket.given_up {
            let Closed = self.driver.end_by(limit);
        }
        self.driver.closes(&mut self.socket);
    }
}
