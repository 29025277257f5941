//! One event loop per worker, on any reactor. Each worker owns its connections and shares
//! nothing with the others while it serves.
//!
//! With one group of listeners the first worker accepts and distributes the sockets in
//! rotation; with one per worker each accepts for itself.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use echo_net::Nanos;
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
use crate::session::NEVER;

mod handoff;

use handoff::Handoff;

/// Serves with one reactor per worker, created on the thread that uses it.
pub(super) fn serve<R: ServingReactor>(
    listeners: Vec<Vec<TcpListener>>,
    context: &Context,
    make: impl Fn() -> io::Result<R> + Sync,
) -> io::Result<()> {
    super::check_listeners(&listeners, context.config.workers)?;
    let handoff = Handoff::new(context.config.workers, listeners.len());
    let mut listeners = listeners.into_iter();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..context.config.workers)
            .map(|number| {
                let (handoff, make, group) =
                    (&handoff, &make, listeners.next().unwrap_or_default());
                let name = format!("worker-{number}");
                std::thread::Builder::new().name(name).spawn_scoped(scope, move || {
                    context
                        .force_on_error(EventLoop::run(number, group, handoff, context, make))
                })
            })
            .map(|thread| context.force_on_error(thread))
            .collect();
        super::join_all(threads)
    })
}

struct EventLoop<'a> {
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
    draining: bool,
    /// Time of the turn's first event; one clock reading per turn suffices.
    now: Option<Nanos>,
}

impl<'a> EventLoop<'a> {
    fn run<R: ServingReactor>(
        number: usize,
        listeners: Vec<TcpListener>,
        handoff: &'a Handoff,
        context: &'a Context,
        make: impl Fn() -> io::Result<R>,
    ) -> io::Result<()> {
        context.pin_worker(number);
        let mut reactor = make()?;
        let waker = reactor.waker();
        handoff.inboxes[number].wake_with(waker.clone());
        context.stop.on_advance(move |_| waker.wake());
        let mut event_loop = Self {
            number,
            handoff,
            context,
            connections: SecondaryMap::new(),
            scratch: Scratch::new(context.config.replies(), Served::default()),
            sweep: DeadlineSweep::new(),
            mail: MailList::new(reactor.waker()),
            turn: number,
            listening: !listeners.is_empty(),
            draining: false,
            now: None,
        };
        for listener in listeners {
            reactor.listen(listener)?;
        }
        event_loop.woken(&mut reactor);
        let outcome = event_loop.serve(&mut reactor);
        // Time of the last turn.
        context.counters.worker(number).add(event_loop.scratch.counts);
        outcome
    }

    fn serve<R: ServingReactor>(&mut self, reactor: &mut R) -> io::Result<()> {
        let counters = self.context.counters.worker(self.number);
        loop {
            self.now = None;
            let until = self.sweep.at();
            let spins = self.context.config.busy_poll && !self.connections.is_empty();
            let wait = if spins { Some(0) } else { (until != NEVER).then_some(until) };
            reactor.turn(wait, self)?;
            if self.scratch.counts != Served::default() {
                counters.add(std::mem::take(&mut self.scratch.counts));
            }
            if until != NEVER {
                self.check_deadlines(reactor);
            }
            match self.context.stop.stage() {
                Stage::Draining if !self.draining => {
                    // Connections already in the backlog are served: closing the listener would
                    // reset them.
                    reactor.turn(Some(0), self)?;
                    self.begin_draining(reactor);
                }
                Stage::Running | Stage::Draining => {}
                Stage::Forced => return Ok(()),
            }
            if self.draining && self.has_ended() {
                return Ok(());
            }
        }
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
                let driver = self.context.driver(permit);
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
        let OnReactor { reactor, .. } = transport;
        // The reactor handles queued output.
        let Ok(Interest { read, deadline, .. }) = interest else {
            reactor.close(key);
            self.connections.remove(key);
            return;
        };
        if read {
            reactor.resume(key);
        } else {
            reactor.pause(key);
        }
        self.sweep.expect(deadline);
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

    fn finish(&mut self) -> io::Result<()> {
        self.reactor.finish(self.key);
        Ok(())
    }

    fn unread(&self) -> Unread {
        self.reactor.unread(self.key)
    }

    fn is_end_acknowledged(&self) -> bool {
        // In the simulation, sent bytes have arrived.
        self.reactor.tcp_info(self.key).is_none_or(|info| !info.end_unacknowledged)
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

    fn accepted(&mut self, reactor: &mut R, socket: OwnedFd, peer: SocketAddr) {
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
        self.context.admission.log_accept_failure(&error);
    }

    fn woken(&mut self, reactor: &mut R) {
        for (socket, permit) in self.handoff.inboxes[self.number].take() {
            self.open(reactor, socket, permit);
        }
        for key in self.mail.take() {
            self.drive(reactor, key, Driver::proceed);
        }
    }
}
