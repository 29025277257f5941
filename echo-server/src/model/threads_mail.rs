//! A connection's thread where others can have something to say to its peer: [`Mailed`]. It
//! can't sit in a read then, nor in a write, so it waits for the socket and for a
//! [`Bell`] at once (poll(2)); everything else is as in [`threads`](super::threads).

use std::io;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::sync::Arc;
use std::task::Wake;
use std::time::Duration;

use echo_net::clock;
use echo_net::reactor::Waker;
use echo_net::send_queue::SendQueue;
use echo_net::tcp_info::end_acknowledged;
use echo_net::unread;
use echo_proto::Replies;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::connection::Connection;
use crate::context::Context;
use crate::counters::Served;
use crate::session::{NEVER, Next};

/// Calls a thread away from its wait.
#[derive(Debug)]
pub(super) struct Bell(Waker);

impl Bell {
    /// Nobody has rung it.
    ///
    /// # Errors
    /// When no descriptor is left.
    pub(super) fn new() -> io::Result<Self> {
        Waker::new().map(Self)
    }

    /// Calls.
    pub(super) fn ring(&self) {
        self.0.wake();
    }
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.ring();
    }
}

/// One connection on its thread.
pub(super) struct Mailed<'a> {
    stream: &'a TcpStream,
    bell: Arc<Bell>,
    connection: Connection,
    context: &'a Context,
    number: usize,
    replies: Replies,
    queue: SendQueue,
    stopping: bool,
}

impl<'a> Mailed<'a> {
    /// The socket must be non-blocking; the bell is rung for a stop, too.
    pub(super) fn new(
        stream: &'a TcpStream,
        bell: Arc<Bell>,
        connection: Connection,
        context: &'a Context,
        number: usize,
    ) -> Self {
        connection.wake_for_mail(&Arc::clone(&bell).into());
        let (replies, queue) = (context.config.replies(), SendQueue::default());
        Self { stream, bell, connection, context, number, replies, queue, stopping: false }
    }

    /// Serves until the connection ends.
    ///
    /// # Errors
    /// When it breaks.
    pub(super) fn serve(mut self) -> io::Result<()> {
        let mut buffer = vec![0; self.context.config.read_buffer];
        while !self.context.is_forced() {
            if !self.stopping && self.context.is_stopping() {
                self.stopping = true;
                let unread = unread::read(self.stream.as_fd())?;
                self.connection.stop(clock::now(), unread, &mut self.replies);
                self.answer(0)?;
            }
            while self.connection.mail(clock::now(), self.queue.len(), &mut self.replies) {
                self.answer(0)?;
            }
            let reads = match self.connection.next(clock::now(), self.queue.len()) {
                Next::Read => true,
                Next::Hold => false,
                Next::HalfClose => {
                    self.stream.shutdown(Shutdown::Write)?;
                    true
                }
                Next::Close => return Ok(()),
            };
            let events = self.wait(reads)?;
            self.move_bytes(events, reads, &mut buffer)?;
            self.expire()?;
        }
        Ok(())
    }

    /// Waits for the socket, the bell or the deadline; what the socket is ready for.
    fn wait(&self, reads: bool) -> io::Result<PollFlags> {
        let mut wanted = PollFlags::empty();
        wanted.set(PollFlags::IN, reads);
        wanted.set(PollFlags::OUT, !self.queue.is_empty());
        let mut waited_for =
            [PollFd::new(self.stream, wanted), PollFd::new(&self.bell.0, PollFlags::IN)];
        let deadline = self.connection.deadline();
        let left = (deadline != NEVER).then(|| deadline.saturating_sub(clock::now()));
        let left = left.and_then(|left| Timespec::try_from(Duration::from_nanos(left)).ok());
        match poll(&mut waited_for, left.as_ref()) {
            Ok(_) => {}
            Err(Errno::INTR) => return Ok(PollFlags::empty()),
            Err(error) => return Err(error.into()),
        }
        let [socket, bell] = waited_for.map(|waited_for| waited_for.revents());
        if !bell.is_empty() {
            self.bell.0.reset();
        }
        Ok(socket)
    }

    fn move_bytes(
        &mut self,
        events: PollFlags,
        reads: bool,
        buffer: &mut [u8],
    ) -> io::Result<()> {
        let broken = events.intersects(PollFlags::ERR | PollFlags::HUP);
        if broken && !reads {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if events.contains(PollFlags::OUT) {
            let stream = self.stream;
            self.queue.flush(|bytes| write(stream, bytes))?;
        }
        if !(broken || events.contains(PollFlags::IN)) {
            return Ok(());
        }
        let length = match recv(self.stream, &mut *buffer, RecvFlags::empty()) {
            Ok((length, _)) => length,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        let now = clock::now();
        match length {
            0 => self.connection.end_of_input(now, &mut self.replies),
            _ => self.connection.received(now, &buffer[..length], &mut self.replies),
        }
        self.answer(length)
    }

    fn answer(&mut self, received: usize) -> io::Result<()> {
        let served = Served::by(received, &self.replies);
        self.context.counters.worker(self.number).add(served);
        let stream = self.stream;
        for bytes in self.replies.writes() {
            self.queue.send(bytes, |bytes| write(stream, bytes))?;
        }
        Ok(())
    }

    fn expire(&mut self) -> io::Result<()> {
        let now = clock::now();
        if now < self.connection.deadline() {
            return Ok(());
        }
        // First told what was taken meanwhile, which may move the deadline.
        if self.connection.next(now, self.queue.len()) == Next::HalfClose {
            self.stream.shutdown(Shutdown::Write)?;
        }
        let socket = self.stream.as_fd();
        self.connection.expire(now, &mut self.replies, || end_acknowledged(socket));
        self.answer(0)
    }
}

fn write(stream: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    Ok(send(stream, bytes, SendFlags::NOSIGNAL)?)
}
