//! One event loop per worker, on any reactor. Each worker owns its connections and shares
//! nothing with the others while it serves.
//!
//! With one group of listeners the first worker accepts and distributes the sockets in
//! rotation; with one per worker, or where all share one, each accepts for itself.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use echo_net::Nanos;
use echo_net::address::PeerAddress;
use echo_net::listener::Listener;
use echo_net::reactor::{Event, Handler, Key, ServingReactor};
use echo_net::stop::Stage;
use echo_net::unread::Unread;
use slotmap::SecondaryMap;

use super::mail_list::MailList;
use crate::admission::Permit;
use crate::context::Context;
use crate::counters::Served;
use crate::deadline_sweep::DeadlineSweep;
use crate::driver::{Closed, Driver, Interest, Scratch, Transport};
use crate::session::{Acknowledged, NEVER};

mod handoff;

pub(super) use handoff::Handoff;

/// Serves with one reactor per worker, created on the thread that uses it.
pub(super) fn serve<R: ServingReactor>(
    listeners: Vec<Vec<Listener>>,
    context: &Context,
    make: impl Fn() -> io::Result<R> + Sync,
) -> io::Result<()> {
    let listeners = super::listeners_of_workers(listeners, &context.config)?;
    let handoff = Handoff::new(context.config.workers, listeners.len());
    let mut listeners = listeners.into_iter();
    context.readiness.expect(context.config.workers);
    std::thread::scope(|scope| {
        let workers = (0..context.config.workers).map(|number| {
            let (handoff, make, group) =
                (&handoff, &make, listeners.next().unwrap_or_default());
            super::start_worker(scope, number, context, move || {
                EventLoop::run(number, group, handoff, context, make)
            })
        });
        super::join_all(workers.collect())
    })
}

pub(super) struct EventLoop<'a> {
    number: usize,
    handoff: &'a Handoff,
    context: &'a Context,
    connections: SecondaryMap<Key, Driver>,
    scratch: Scratch<Served>,
    sweep: DeadlineSweep,
    /// Connections with mail.
    mail: Arc<MailList<Key>>,
    /// The worker that receives the next socket.
    turn: usize,
    listening: bool,
    /// Wakeups after a shortage of descriptors that were noticed.
    accept_wakeups_seen: u64,
    draining: bool,
    /// Time of the turn's first event; one clock reading per turn suffices.
    now: Option<Nanos>,
}

impl<'a> EventLoop<'a> {
    fn run<R: ServingReactor>(
        number: usize,
        listeners: Vec<Listener>,
        handoff: &'a Handoff,
        context: &'a Context,
        make: impl Fn() -> io::Result<R>,
    ) -> io::Result<()> {
        context.pin_worker(number);
        let mut reactor = make()?;
        let mut event_loop =
            Self::new(number, !listeners.is_empty(), handoff, context, &reactor);
        for listener in listeners {
            reactor.listen(listener)?;
        }
        context.readiness.serves();
        event_loop.woken(&mut reactor);
        // What a panic cuts short ends with a reset, too. No message is served afterwards.
        let outcome = catch_unwind(AssertUnwindSafe(|| event_loop.serve(&mut reactor)));
        event_loop.close_all(&mut reactor);
        event_loop.add_counts();
        outcome.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// The event loop of worker `number`, which is `listening` or gets its sockets from others.
    pub(super) fn new<R: ServingReactor>(
        number: usize,
        listening: bool,
        handoff: &'a Handoff,
        context: &'a Context,
        reactor: &R,
    ) -> Self {
        let waker = reactor.waker();
        handoff.inboxes[number].wake_with(waker.clone());
        context.stop.on_advance(move |_| waker.wake());
        if listening {
            let waker = reactor.waker();
            context.admission.accept_wakeups().register(move || waker.wake());
        }
        Self {
            number,
            handoff,
            context,
            connections: SecondaryMap::new(),
            scratch: context.scratch(number, Served::default()),
            sweep: DeadlineSweep::new(),
            mail: MailList::new(reactor.waker()),
            turn: number,
            listening,
            accept_wakeups_seen: 0,
            draining: false,
            now: None,
        }
    }

    fn serve<R: ServingReactor>(&mut self, reactor: &mut R) -> io::Result<()> {
        while !self.step(reactor)? {}
        Ok(())
    }

    /// One turn and what follows from it; whether the worker has ended.
    pub(super) fn step<R: ServingReactor>(&mut self, reactor: &mut R) -> io::Result<bool> {
        self.now = None;
        let until = self.sweep.at();
        let spins = self.context.config.busy_poll && !self.connections.is_empty();
        let wait = if spins { Some(0) } else { (until != NEVER).then_some(until) };
        reactor.turn(wait, self)?;
        self.add_counts();
        if until != NEVER {
            self.check_deadlines(reactor);
        }
        match self.context.stop.stage() {
            Stage::Draining if !self.draining => {
                // Connections already in the backlog are served: closing the listener would
                // reset them.
                reactor.settle(self)?;
                self.begin_draining(reactor);
            }
            Stage::Running | Stage::Draining => {}
            Stage::Forced => return Ok(true),
        }
        Ok(self.draining && self.has_ended())
    }

    /// Passes the counts on.
    pub(super) fn add_counts(&mut self) {
        if self.scratch.counts != Served::default() {
            let counts = std::mem::take(&mut self.scratch.counts);
            self.context.counters.worker(self.number).add(counts);
        }
    }

    /// When there is something to do although nothing arrives; [`NEVER`] for never.
    #[cfg(feature = "simulation")]
    pub(super) fn next_deadline(&self) -> Nanos {
        self.sweep.at()
    }

    fn now<R: ServingReactor>(&mut self, reactor: &R) -> Nanos {
        *self.now.get_or_insert_with(|| reactor.now())
    }

    /// Nothing is open here, and no other worker can pass on a connection.
    fn has_ended(&self) -> bool {
        // In this order: a worker that has stopped accepting has already filled the inboxes.
        self.connections.is_empty()
            && self.handoff.accepting.load(Ordering::Acquire) == 0
            && self.handoff.inboxes[self.number].is_empty()
    }

    fn begin_draining<R: ServingReactor>(&mut self, reactor: &mut R) {
        self.draining = true;
        if std::mem::take(&mut self.listening) {
            reactor.stop_listening();
            self.handoff.accepting.fetch_sub(1, Ordering::Release);
            for inbox in &self.handoff.inboxes {
                inbox.wake();
            }
        }
        let open: Vec<Key> = self.connections.keys().collect();
        for key in open {
            self.drive(reactor, key, Driver::stop);
        }
    }

    fn open<R: ServingReactor>(&mut self, reactor: &mut R, socket: OwnedFd, permit: Permit) {
        match reactor.adopt(socket) {
            Ok(key) => {
                let driver = self.context.driver_at(permit, self.now(reactor));
                if driver.gets_mail() {
                    driver.wake_for_mail(&self.mail.waker(key));
                }
                self.connections.insert(key, driver);
                let begin = if self.draining { Driver::stop } else { Driver::proceed };
                self.drive(reactor, key, begin);
            }
            Err(error) => self.context.admission.log_accept_failure(&error),
        }
    }

    /// Calls a connection's driver on an event and applies the interest that it returns.
    #[inline]
    fn drive<'r, R: ServingReactor>(
        &mut self,
        reactor: &'r mut R,
        key: Key,
        tell: impl FnOnce(
            &mut Driver,
            Nanos,
            &mut OnReactor<'r, R>,
            &mut Scratch<Served>,
        ) -> Result<Interest, Closed>,
    ) {
        let now = self.now(reactor);
        let Some(driver) = self.connections.get_mut(key) else { return };
        let mut transport = OnReactor { reactor, key };
        let interest = tell(driver, now, &mut transport, &mut self.scratch);
        // The reactor handles queued output.
        let Ok(Interest { read, deadline, .. }) = interest else {
            driver.closes(&mut transport);
            transport.reactor.close(key);
            self.connections.remove(key);
            return;
        };
        let OnReactor { reactor, .. } = transport;
        if read {
            reactor.resume(key);
        } else {
            reactor.pause(key);
        }
        self.sweep.expect(deadline);
    }

    /// Whatever is still open ends with the reactor.
    pub(super) fn close_all<R: ServingReactor>(&mut self, reactor: &mut R) {
        for (key, driver) in &mut self.connections {
            driver.closes(&mut OnReactor { reactor, key });
        }
    }

    fn check_deadlines<R: ServingReactor>(&mut self, reactor: &mut R) {
        let now = self.now(reactor);
        if !self.sweep.is_due(now) {
            return;
        }
        let mut expired = Vec::new();
        for (key, driver) in &mut self.connections {
            if driver.deadline() <= now {
                expired.push(key);
            } else {
                self.sweep.expect(driver.deadline());
            }
        }
        for key in expired {
            self.drive(reactor, key, Driver::expire);
        }
    }
}

/// A connection of a reactor, which owns its socket and send queue.
struct OnReactor<'a, R> {
    reactor: &'a mut R,
    key: Key,
}

impl<R: ServingReactor> Transport for OnReactor<'_, R> {
    #[inline]
    fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.reactor.send(self.key, bytes);
        Ok(())
    }

    #[inline]
    fn unsent(&self) -> usize {
        self.reactor.unsent(self.key)
    }

    #[inline]
    fn held(&self) -> usize {
        self.reactor.held(self.key)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.reactor.finish(self.key);
        Ok(())
    }

    fn unread(&self) -> Unread {
        self.reactor.unread(self.key)
    }

    fn acknowledged(&self) -> Acknowledged {
        // In the simulation, sent bytes have arrived.
        self.reactor.delivery(self.key).map_or(Acknowledged::ALL, Acknowledged::from)
    }

    fn reset_on_close(&mut self) {
        self.reactor.reset_on_close(self.key);
    }
}

impl<R: ServingReactor> Handler<R> for EventLoop<'_> {
    fn event(&mut self, reactor: &mut R, key: Key, event: Event<'_>) {
        match event {
            Event::Received(bytes) => {
                self.drive(reactor, key, |driver, now, transport, scratch| {
                    driver.received(now, bytes, transport, scratch)
                });
            }
            Event::EndOfInput => self.drive(reactor, key, Driver::end_of_input),
            Event::Sent => self.drive(reactor, key, Driver::proceed),
            Event::Connected => {}
            Event::Failed(error) => {
                if let Some(driver) = self.connections.remove(key) {
                    let Closed = driver.broken(&error);
                }
            }
        }
    }

    fn accepted(&mut self, reactor: &mut R, socket: OwnedFd, peer: PeerAddress) {
        let Some(permit) = self.context.admission.admit(socket.as_fd(), peer) else { return };
        let owner = if self.handoff.keep_own { self.number } else { self.turn };
        self.turn = (self.turn + 1) % self.handoff.inboxes.len();
        if owner == self.number {
            self.open(reactor, socket, permit);
        } else {
            self.handoff.inboxes[owner].put(socket, permit);
        }
    }

    fn accept_failed(&mut self, _reactor: &mut R, error: io::Error) {
        self.context.admission.accept_failed(&error);
    }

    fn woken(&mut self, reactor: &mut R) {
        if self.context.admission.accept_wakeups().notified_since(&mut self.accept_wakeups_seen)
        {
            reactor.resume_listening();
        }
        for (socket, permit) in self.handoff.inboxes[self.number].take() {
            self.open(reactor, socket, permit);
        }
        for key in self.mail.take() {
            self.drive(reactor, key, Driver::proceed);
        }
    }
}
