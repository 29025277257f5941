//! A connection's thread where output can come from other connections (chat). It can't block in
//! a read or a write, so [`Polling`] waits for the socket and a [`ThreadWaker`] together
//! (poll(2)).

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::task::Wake;
use std::time::Duration;

use echo_net::clock;
use echo_net::reactor::Waker;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use socket2::Socket;

use crate::context::Context;
use crate::counters::WorkerCounters;
use crate::driver::{Closed, Driver, Interest, QueuedSocket, Readiness, Scratch};
use crate::session::NEVER;

/// Wakes a thread.
#[derive(Debug)]
pub(super) struct ThreadWaker(Waker);

impl ThreadWaker {
    /// A new waker.
    ///
    /// # Errors
    /// When no descriptor is available.
    pub(super) fn new() -> io::Result<Self> {
        Waker::new().map(Self)
    }
}

impl Wake for ThreadWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.wake();
    }
}

/// A connection on its thread.
pub(super) struct Polling<'a> {
    socket: QueuedSocket<&'a Socket>,
    waker: Arc<ThreadWaker>,
    driver: Driver,
    context: &'a Context,
    scratch: Scratch<&'a WorkerCounters>,
    stopping: bool,
}

impl Drop for Polling<'_> {
    fn drop(&mut self) {
        self.driver.closes(&mut self.socket);
    }
}

impl<'a> Polling<'a> {
    /// The socket must be non-blocking; the waker also signals a stop.
    pub(super) fn new(
        stream: &'a Socket,
        waker: Arc<ThreadWaker>,
        driver: Driver,
        context: &'a Context,
        scratch: Scratch<&'a WorkerCounters>,
    ) -> Self {
        driver.wake_for_mail(&Arc::clone(&waker).into());
        let socket = QueuedSocket::new(stream);
        Self { socket, waker, driver, context, scratch, stopping: false }
    }

    /// Serves until the connection ends.
    pub(super) fn serve(mut self) -> Result<Infallible, Closed> {
        let mut buffer = vec![0; self.context.config.read_buffer];
        let Self { socket, driver, scratch, .. } = &mut self;
        let mut interest = driver.proceed(clock::now(), socket, scratch)?;
        loop {
            if self.context.is_forced() {
                return Err(Closed);
            }
            if !self.stopping && self.context.is_stopping() {
                self.stopping = true;
                let Self { socket, driver, scratch, .. } = &mut self;
                interest = driver.stop(clock::now(), socket, scratch)?;
            }
            let readiness = self.wait(interest).map_err(|error| self.driver.broken(&error))?;
            let Self { socket, driver, scratch, .. } = &mut self;
            let now = clock::now();
            interest = driver.ready(now, readiness, &mut buffer, socket, scratch)?;
            if now >= interest.deadline {
                interest = driver.expire(now, socket, scratch)?;
            }
        }
    }

    /// Waits for the socket, the waker or the deadline; returns the readiness of the socket.
    fn wait(&self, interest: Interest) -> io::Result<Readiness> {
        let Interest { read, write, deadline } = interest;
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::IN, read);
        wanted.set(PollFlags::OUT, write);
        let mut waited_for = [
            PollFd::new(&self.socket.socket, wanted),
            PollFd::new(&self.waker.0, PollFlags::IN),
        ];
        let left = (deadline != NEVER).then(|| deadline.saturating_sub(clock::now()));
        let left = left.and_then(|left| Timespec::try_from(Duration::from_nanos(left)).ok());
        match poll(&mut waited_for, left.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(Readiness::Writable),
            Err(error) => return Err(error.into()),
        }
        let [socket, waker] = waited_for.map(|waited_for| waited_for.revents());
        if !waker.is_empty() {
            self.waker.0.reset();
        }
        let broken = socket.intersects(PollFlags::ERR | PollFlags::HUP);
        Ok(Readiness::new(read, socket.contains(PollFlags::IN), broken))
    }
}
