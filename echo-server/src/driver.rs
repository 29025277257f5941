//! A connection as every concurrency model drives it: [`Driver`], a session and its permit, on
//! a [`Transport`] (a socket and its send queue).
//!
//! A model calls the driver on every event: input or its end has arrived, the socket is ready,
//! the model was woken, the deadline has passed, the server stops. The driver passes it to the
//! session, counts and sends the replies, and returns what the connection waits for, an
//! [`Interest`], or that it is [`Closed`]. It never blocks, unless sending on its transport
//! does. The transport is passed to each call, not owned: a reactor keeps the sockets and send
//! queues of all its connections.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::task::Waker;

use echo_net::Nanos;
use echo_net::address::PeerAddress;
use echo_proto::Replies;

use crate::admission::Permit;
use crate::buffered::{Share, Verdict};
use crate::connection_log::Life;
use crate::counters::{Count, Served, WorkerCounters};
use crate::ending::Ending;
use crate::limits::Limit;
use crate::response_times::ResponseTimer;
use crate::session::{Next, Session};

#[cfg(test)]
mod tests;
mod transport;

pub(crate) use transport::{NonBlocking, QueuedSocket, Readiness, Transport, acknowledged};

/// Per-thread state that drivers use during calls.
#[derive(Debug)]
pub(crate) struct Scratch<C> {
    replies: Replies,
    /// The counters to update.
    pub(crate) counts: C,
    /// The worker that this thread is.
    worker: Option<Arc<WorkerCounters>>,
    timer: ResponseTimer,
}

impl<C> Drop for Scratch<C> {
    fn drop(&mut self) {
        if let Some(worker) = &self.worker {
            worker.response_times().leave(&self.timer);
        }
    }
}

impl<C: Count> Scratch<C> {
    /// Replies are collected in `replies` and counted in `counts`.
    pub(crate) fn new(replies: Replies, counts: C) -> Self {
        Self { replies, counts, worker: None, timer: ResponseTimer::default() }
    }

    /// Connections and response times count as those of `worker`.
    #[must_use]
    pub(crate) fn of_worker(mut self, worker: Arc<WorkerCounters>) -> Self {
        self.timer = worker.response_times().begin();
        self.worker = Some(worker);
        self
    }

    /// The replies to a read that [began](ResponseTimer::begin) are sent. A chat's lines are
    /// sent on other connections, so each read counts as one message.
    #[inline]
    fn responded(&mut self, began: Option<Nanos>, is_chat: bool) {
        let messages = if is_chat { 1 } else { self.replies.messages() };
        if let Some(timed) = self.timer.end(began, messages)
            && let Some(worker) = &self.worker
        {
            worker.response_times().add(timed);
        }
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
    /// What is buffered for the connection.
    share: Share,
    /// The peer did not receive all of the output.
    cut_short: bool,
    /// When the connection was accepted.
    since: Nanos,
    served: Served,
    /// The first worker that served it.
    worker: Option<Arc<WorkerCounters>>,
    /// Why its socket broke.
    broken: Cell<Option<Ending>>,
}

impl Driver {
    /// A driver for a connection that was admitted or refused at `now`.
    pub(crate) fn new(session: Session, permit: Permit, now: Nanos) -> Self {
        let share = permit.share();
        Self {
            session,
            permit,
            share,
            cut_short: false,
            since: now,
            served: Served::default(),
            worker: None,
            broken: Cell::new(None),
        }
    }

    /// Counts the connection as one of the first worker that serves it.
    #[inline]
    fn enter(&mut self, scratch: &Scratch<impl Count>) {
        if self.worker.is_none()
            && !self.permit.is_turned_away()
            && let Some(worker) = &scratch.worker
        {
            worker.begin_connection();
            self.worker = Some(Arc::clone(worker));
        }
    }

    /// The peer's address.
    pub(crate) fn peer(&self) -> PeerAddress {
        self.permit.peer()
    }

    /// As in [`Interest`].
    #[inline]
    pub(crate) fn deadline(&self) -> Nanos {
        self.session.deadline().min(self.share.look_at())
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

    /// Records that the connection broke.
    pub(crate) fn broken(&self, error: &io::Error) -> Closed {
        self.broken.set(Some(Ending::of(error)));
        self.permit.log().broken(self.peer(), error);
        Closed
    }

    /// Ends the connection at a limit that the model watches.
    pub(crate) fn end_by(&mut self, limit: Limit) -> Closed {
        self.session.end_by(limit);
        Closed
    }

    /// To be called before the socket is closed, whatever the reason: if the peer lacks output,
    /// the close becomes a reset, since a plain end would look complete.
    pub(crate) fn closes(&mut self, transport: &mut impl Transport) {
        if self.permit.is_turned_away() {
            return;
        }
        if self.session.is_lingering() && self.permit.is_forced() {
            self.cut_short = !transport.acknowledged().all;
        }
        let ended_by = self.session.ended_by();
        let is_slow = self.session.ending() == Some(Ending::SlowReader);
        let is_cut = self.cut_short || is_slow || ended_by.is_some_and(Limit::cuts);
        if is_cut || self.session.is_owed() {
            transport.reset_on_close();
        }
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
        let began = scratch.timer.begin();
        self.session.received(now, input, &mut scratch.replies);
        let served = self.send(input.len(), transport, scratch)?;
        scratch.responded(began, self.session.gets_mail());
        let text = (!self.session.is_encrypted()).then_some(input);
        self.permit.log().message(self.peer(), served, text);
        self.proceed(transport.after_sending(now), transport, scratch)
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
        self.share.look(now);
        self.session.expire(now, &mut scratch.replies, || transport.acknowledged());
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
        self.enter(scratch);
        while self.session.gets_mail()
            && self.session.mail(now, transport.unsent(), &mut scratch.replies)
        {
            self.send(0, transport, scratch)?;
        }
        let unsent = transport.unsent();
        let verdict = self.share.set(now, self.session.unfinished() + transport.held());
        if verdict == Verdict::Cut {
            return Err(self.end_by(Limit::Buffered));
        }
        let read = match self.session.next(now, unsent) {
            Next::Read => true,
            Next::Hold => false,
            Next::HalfClose => {
                transport.finish().map_err(|error| self.broken(&error))?;
                true
            }
            Next::Close => return Err(Closed),
        };
        let read = read && verdict == Verdict::Fits;
        Ok(Interest { read, write: unsent > 0, deadline: self.deadline() })
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
        self.enter(scratch);
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
        &mut self,
        received: usize,
        transport: &mut impl Transport,
        scratch: &mut Scratch<impl Count>,
    ) -> Result<Served, Closed> {
        let served = Served::by(received, &scratch.replies);
        self.served += served;
        scratch.counts.count(served);
        for bytes in scratch.replies.writes() {
            transport.send(bytes).map_err(|error| self.broken(&error))?;
        }
        Ok(served)
    }

    /// Why the connection has ended, which is now.
    fn ending(&self, cut_short: bool) -> Ending {
        if let Some(limit) = self.session.ended_by() {
            return Ending::at(limit);
        }
        let (broken, ended) = (self.broken.get(), self.session.ending());
        // Whatever happens after the last reply was sent is not the cause.
        let cause = if cut_short { broken.or(ended) } else { ended.or(broken) };
        match cause {
            _ if cut_short && self.permit.is_forced() => Ending::Aborted,
            Some(cause) => cause,
            None => Ending::Failed,
        }
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let cut_short = self.cut_short || self.session.is_owed();
        match self.session.ended_by() {
            Some(limit) => self.permit.ends_by(limit),
            None if cut_short => self.permit.ends_early(),
            None => {}
        }
        if let Some(worker) = &self.worker {
            worker.end_connection();
        }
        if !self.permit.is_turned_away() {
            if let Some(fault) = self.session.refusal() {
                self.permit.log().refused(self.permit.peer(), fault);
            }
            let Self { since, served, .. } = *self;
            self.permit.ended(&Life { since, served, ending: self.ending(cut_short) });
        }
    }
}
