//! A connection's thread with blocking reads and writes: [`Blocking`]. A stop interrupts it.

use std::convert::Infallible;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use echo_net::Nanos;
use echo_net::clock;
use echo_net::interrupt::Interruptible;
use echo_net::tcp_info::end_acknowledged;
use echo_net::unread::{self, Unread};

use crate::context::Context;
use crate::counters::WorkerCounters;
use crate::driver::{Closed, Driver, Scratch, Transport};
use crate::session::NEVER;

/// A thread that waits for a socket only.
#[derive(Debug)]
pub(super) struct BlockedThread {
    socket: Arc<TcpStream>,
    thread: Interruptible,
}

impl BlockedThread {
    /// No thread waits yet.
    pub(super) fn new(socket: Arc<TcpStream>) -> Self {
        Self { socket, thread: Interruptible::new() }
    }

    /// Interrupts the thread, so that it sees a stop; must be repeated until it has.
    pub(super) fn interrupt(&self) {
        self.thread.interrupt();
    }

    /// Aborts whatever the thread waits for.
    pub(super) fn cut(&self) {
        // Fails only if the connection, and its thread, have ended.
        let _ = self.socket.shutdown(Shutdown::Both);
    }
}

/// A blocking socket: a write waits until the kernel has accepted everything.
struct BlockingSocket<'a> {
    stream: &'a TcpStream,
    /// The write side is shut down.
    finished: bool,
}

impl Transport for BlockingSocket<'_> {
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        // The kernel's timeout counts from the last accepted byte.
        self.stream.write_all(bytes)
    }

    fn unsent(&self) -> usize {
        0
    }

    fn finish(&mut self) -> io::Result<()> {
        self.finished = true;
        self.stream.shutdown(Shutdown::Write)
    }

    fn unread(&self) -> Unread {
        // If the query fails the socket is broken and holds nothing to serve.
        unread::read(self.stream.as_fd()).unwrap_or_default()
    }

    fn is_end_acknowledged(&self) -> bool {
        end_acknowledged(self.stream.as_fd())
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
    /// Maximum read timeout while the peer's acknowledgement is polled.
    lingers: bool,
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
        let socket = BlockingSocket { stream: socket, finished: false };
        Self { socket, thread, driver, context, scratch, stopping: false, lingers: false }
    }

    /// Serves until the connection ends.
    pub(super) fn serve(mut self) -> Result<Infallible, Closed> {
        self.set_up().map_err(|error| self.driver.broken(&error))?;
        let mut buffer = vec![0; self.context.config.read_buffer];
        let Self { socket, driver, scratch, .. } = &mut self;
        driver.proceed(clock::now(), socket, scratch)?;
        loop {
            if !self.stopping && self.context.is_stopping() {
                self.stopping = true;
                self.thread.leave();
                let Self { socket, driver, scratch, .. } = &mut self;
                driver.stop(clock::now(), socket, scratch)?;
            }
            if self.socket.finished && self.context.is_forced() {
                // A blocking write has passed everything to the kernel, which does not mean
                // that the peer has received it.
                if !self.socket.is_end_acknowledged() {
                    self.driver.cut_short();
                }
                return Err(Closed);
            }
            if self.socket.finished && !self.lingers {
                self.lingers = true;
                self.limit_reading()?;
            }
            self.step(&mut buffer)?;
        }
    }

    fn set_up(&self) -> io::Result<()> {
        let stream = self.socket.stream;
        stream.set_nonblocking(false)?;
        stream.set_write_timeout(Some(self.context.config.write_timeout))?;
        stream.set_read_timeout(self.time_left())
    }

    /// One read and the replies to it.
    fn step(&mut self, buffer: &mut [u8]) -> Result<(), Closed> {
        let Self { socket, driver, scratch, .. } = self;
        let received = socket.stream.read(buffer);
        let now = clock::now();
        match received {
            // A forced stop shuts the socket down; that is not the peer's half-close.
            Ok(0) if socket.finished && self.context.is_forced() => {}
            Ok(0) => {
                driver.end_of_input(now, socket, scratch)?;
            }
            Ok(length) => {
                let interest = driver.received(now, &buffer[..length], socket, scratch)?;
                // A peer that never pauses must not hide the deadline.
                if now >= interest.deadline {
                    driver.expire(now, socket, scratch)?;
                }
            }
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::Interrupted | io::ErrorKind::WouldBlock
                ) =>
            {
                driver.expire(now, socket, scratch)?;
                self.limit_reading()?;
            }
            Err(error) => return Err(driver.broken(&error)),
        }
        Ok(())
    }

    /// Sets the read timeout to the deadline.
    fn limit_reading(&self) -> Result<(), Closed> {
        let limited = self.socket.stream.set_read_timeout(self.time_left());
        limited.map_err(|error| self.driver.broken(&error))
    }

    fn time_left(&self) -> Option<Duration> {
        let deadline = self.driver.deadline();
        (deadline != NEVER).then(|| {
            // Zero would mean no timeout.
            Duration::from_nanos(deadline.saturating_sub(clock::now()))
                .max(Duration::from_millis(1))
        })
    }
}

impl Drop for Blocking<'_> {
    fn drop(&mut self) {
        self.thread.leave();
    }
}
