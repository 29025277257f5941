//! A connection as every concurrency model drives it: [`Driver`], a session and its permit, on
//! a [`Transport`] (a socket and its send queue).
//!
//! A model calls the driver on every event: input or its end has arrived, the socket is ready,
//! the model was woken, the deadline has passed, the server stops. The driver passes it to the
//! session, counts and sends the replies, and returns what the connection waits for, an
//! [`Interest`], or that it is [`Closed`]. It never blocks, unless sending on its transport
//! does. The transport is passed to each call, not owned: a reactor keeps the sockets and send
//! queues of all its connections.

use std::io;
use std::net::SocketAddr;
use std::task::Waker;

use echo_net::Nanos;
use echo_proto::Replies;
use tracing::debug;

use crate::admission::Permit;
use crate::counters::{Count, Served};
use crate::session::{Next, Session};

#[cfg(test)]
mod tests;
mod transport;

pub(crate) use transport::{NonBlocking, QueuedSocket, Readiness, Transport};

/// Per-thread state that drivers use during calls.
#[derive(Debug)]
pub(crate) struct Scratch<C> {
    replies: Replies,
    /// The counters to update.
    pub(crate) counts: C,
}

impl<C: Count> Scratch<C> {
    /// Replies are collected in `replies` and counted in `counts`.
    pub(crate) fn new(replies: Replies, counts: C) -> Self {
        Self { replies, counts }
    }
}

/// What an open connection waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interest {
    /// Read input.
    pub(crate) read: bool,
    /// Output is queued until the socket is writable.
    pub(crate) write: bool,
    /// When to call [`Driver::expire`]. It moves with every byte.
    pub(crate) deadline: Nanos,
}

/// The connection is over; its socket must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Closed;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Driver {
    session: Session,
    permit: Permit,
    /// The peer did not receive all of the output.
    cut_short: bool,
}

impl Driver {
    /// A driver for an admitted or refused connection.
    pub(crate) fn new(session: Session, permit: Permit) -> Self {
        Self { session, permit, cut_short: false }
    }

    /// The peer's address.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.permit.peer()
    }

    /// As in [`Interest`].
    #[inline]
    pub(crate) fn deadline(&self) -> Nanos {
        self.session.deadline()
    }

    /// Whether there can be output without input on this connection.
    #[inline]
    pub(crate) fn gets_mail(&self) -> bool {
        self.session.gets_mail()
    }

    /// From now on `waker` is called when [`proceed`](Self::proceed) has mail to send.
    #[inline]
    pub(crate) fn wake_for_mail(&self, waker: &Waker) {
        self.session.wake_for_mail(waker);
    }

    /// Logs that the connection broke.
    pub(crate) fn broken(&self, error: &io::Error) -> Closed {
        debug!(peer = %self.peer(), %error, "connection broke");
        Closed
    }

    /// The socket is closed before the peer has acknowledged all of the output.
    pub(crate) fn cut_short(&mut self) {
        self.cut_short = true;
    }

    /// Handles received bytes.
    #[inline]
    pub(crate) fn received(
        &mut self,
        now: Nanos,
        input: &[u8],
        transport: &mut impl Transport,
        scratch: &mut Scratch<impl Count>,
    ) -> Result<Interest, Closed> {
        self.session.received(now, input, &mut scratch.replies);
        self.answer(now, input.len(), transport, scratch)
    }

    /// Handles the peer's half-close.
    pub(crate) fn end_of_input(
        &mut self,
        now: Nanos,
        transport: &mut impl Transport,
        scratch: &mut Scratch<impl Count>,
    ) -> Result<Interest, Closed> {
        self.session.end_of_input(now, &mut scratch.replies);
        self.answer(now, 0, transport, scratch)
    }

    /// Starts a graceful stop.
    pub(crate) fn stop(
        &mut self,
        now: Nanos,
        transport: &mut impl Transport,
        scratch: &mut Scratch<impl Count>,
    ) -> Result<Interest, Closed> {
        self.session.stop(now, transport.unread(), &mut scratch.replies);
        self.answer(now, 0, transport, scratch)
    }

    /// Handles the deadline, if it has passed.
    pub(crate) fn expire(
        &mut self,
        now: Nanos,
        transport: &mut impl Transport,
        scratch: &mut Scratch<impl Count>,
    ) -> Result<Interest, Closed> {
        // Output sent meanwhile may have moved the deadline.
        self.proceed(now, transport, scratch)?;
        self.session.expire(now, &mut scratch.replies, || transport.is_end_acknowledged());
        self.answer(now, 0, transport, scratch)
    }

    /// Continues without input: at the start of the connection, when queued output was sent and
    /// when there may be mail.
    #[inline]
    pub(crate) fn proceed(
        &mut self,
        now: Nanos,
        transport: &mut impl Transport,
        scratch: &mut Scratch<impl Count>,
    ) -> Result<Interest, Closed> {
        while self.session.gets_mail()
            && self.session.mail(now, transport.unsent(), &mut scratch.replies)
        {
            self.send(0, transport, scratch)?;
        }
        let unsent = transport.unsent();
        let read = match self.session.next(now, unsent) {
            Next::Read => true,
            Next::Hold => false,
            Next::HalfClose => {
                transport.finish().map_err(|error| self.broken(&error))?;
                true
            }
            Next::Close => return Err(Closed),
        };
        Ok(Interest { read, write: unsent > 0, deadline: self.session.deadline() })
    }

    /// Handles a writable socket or a wake-up.
    pub(crate) fn writable<S: NonBlocking>(
        &mut self,
        now: Nanos,
        socket: &mut QueuedSocket<S>,
        scratch: &mut Scratch<impl Count>,
    ) -> Result<Interest, Closed> {
        socket.flush().map_err(|error| self.broken(&error))?;
        self.proceed(now, socket, scratch)
    }

    /// Handles a ready socket: sends what is queued, and reads once into `buffer` if there is
    /// input.
    pub(crate) fn ready<S: NonBlocking>(
        &mut self,
        now: Nanos,
        readiness: Readiness,
        buffer: &mut [u8],
        socket: &mut QueuedSocket<S>,
        scratch: &mut Scratch<impl Count>,
    ) -> Result<Interest, Closed> {
        match readiness {
            Readiness::Writable => return self.writable(now, socket, scratch),
            Readiness::Broken => {
                return Err(self.broken(&io::ErrorKind::ConnectionReset.into()));
            }
            Readiness::Readable => {}
        }
        socket.flush().map_err(|error| self.broken(&error))?;
        match socket.receive(buffer).map_err(|error| self.broken(&error))? {
            None => self.proceed(now, socket, scratch),
            Some(0) => self.end_of_input(now, socket, scratch),
            Some(length) => self.received(now, &buffer[..length], socket, scratch),
        }
    }

    #[inline]
    fn answer(
        &mut self,
        now: Nanos,
        received: usize,
        transport: &mut impl Transport,
        scratch: &mut Scratch<impl Count>,
    ) -> Result<Interest, Closed> {
        self.send(received, transport, scratch)?;
        self.proceed(transport.after_sending(now), transport, scratch)
    }

    /// Counts received bytes and their replies, whether they can be sent or not, and sends
    /// them.
    #[inline]
    fn send(
        &self,
        received: usize,
        transport: &mut impl Transport,
        scratch: &mut Scratch<impl Count>,
    ) -> Result<(), Closed> {
        scratch.counts.count(Served::by(received, &scratch.replies));
        for bytes in scratch.replies.writes() {
            transport.send(bytes).map_err(|error| self.broken(&error))?;
        }
        Ok(())
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        if self.cut_short || self.session.is_owed() {
            self.permit.ends_early();
        }
        if !self.permit.is_turned_away() {
            debug!(peer = %self.peer(), "disconnected");
        }
    }
}
