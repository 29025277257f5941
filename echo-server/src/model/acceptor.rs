//! A dedicated accept thread, for models whose workers do not accept: [`accept`] passes every
//! socket with a permit to an [`AcceptHandler`].

use std::collections::VecDeque;
use std::io;
use std::os::fd::{AsFd, OwnedFd};

use echo_net::Nanos;
use echo_net::address::PeerAddress;
use echo_net::clock;
use echo_net::listener::Listener;
use echo_net::reactor::epoll::EpollReactor;
use echo_net::reactor::{Event, Handler, Key, Reactor, ServingReactor, Waker};

use crate::admission::Permit;
use crate::context::Context;
use crate::session::NEVER;

/// Maximum number of sockets passed on before the backlog is checked again. Starting a thread
/// takes longer than peers take to connect, and a backlog overflow delays them by a second (SYN
/// retransmission).
const BATCH: usize = 16;

/// Receives accepted sockets.
pub(super) trait AcceptHandler {
    /// Called at the start; `waker` triggers the next deadline check immediately.
    fn started(&mut self, waker: Waker) {
        let _ = waker;
    }

    /// Receives a non-blocking socket and its permit.
    fn accepted(&mut self, socket: OwnedFd, permit: Permit);

    /// Checks deadlines; returns the time of the next check, [`NEVER`] for none.
    fn check_deadlines(&mut self, now: Nanos) -> Nanos {
        let _ = now;
        NEVER
    }
}

/// Accepts on the calling thread until a stop is requested, then closes the listeners.
///
/// # Errors
/// Also when there is not exactly one group of listeners.
pub(super) fn accept(
    listeners: Vec<Vec<Listener>>,
    context: &Context,
    handler: &mut impl AcceptHandler,
) -> io::Result<()> {
    let Ok([group]) = <[Vec<Listener>; 1]>::try_from(listeners) else {
        let reason = format!("the model {} accepts on one thread", context.config.model);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    };
    // It never reads, so the smallest buffer suffices.
    let mut reactor = EpollReactor::new(1)?;
    let waker = reactor.waker();
    handler.started(waker.clone());
    let stopped = waker.clone();
    context.stop.on_advance(move |_| stopped.wake());
    context.admission.accept_wakeups().register(move || waker.wake());
    for listener in group {
        reactor.listen(listener)?;
    }
    context.readiness.serves();
    let mut acceptor =
        Acceptor { context, handler, accepted: VecDeque::new(), accept_wakeups_seen: 0 };
    while !context.is_stopping() {
        let until = acceptor.handler.check_deadlines(clock::now());
        let until = if acceptor.accepted.is_empty() { until } else { 0 };
        reactor.turn((until != NEVER).then_some(until), &mut acceptor)?;
        acceptor.pass_on(BATCH);
    }
    // Connections already in the backlog are served: closing the listener would reset them.
    reactor.turn(Some(0), &mut acceptor)?;
    // Before they are passed on, which takes longer: nobody must connect in vain meanwhile.
    reactor.stop_listening();
    acceptor.pass_on(usize::MAX);
    Ok(())
}

struct Acceptor<'a, H> {
    context: &'a Context,
    handler: &'a mut H,
    /// Sockets with a permit that were not passed on yet.
    accepted: VecDeque<(OwnedFd, Permit)>,
    /// Wakeups after a shortage of descriptors that were noticed.
    accept_wakeups_seen: u64,
}

impl<H: AcceptHandler> Acceptor<'_, H> {
    fn pass_on(&mut self, most: usize) {
        for _ in 0..most {
            let Some((socket, permit)) = self.accepted.pop_front() else { return };
            self.handler.accepted(socket, permit);
        }
    }
}

impl<H: AcceptHandler> Handler<EpollReactor> for Acceptor<'_, H> {
    fn event(&mut self, _reactor: &mut EpollReactor, _key: Key, _event: Event<'_>) {}

    fn accepted(&mut self, _reactor: &mut EpollReactor, socket: OwnedFd, peer: PeerAddress) {
        let permit = self.context.admission.admit(socket.as_fd(), peer);
        self.accepted.extend(permit.map(|permit| (socket, permit)));
    }

    fn accept_failed(&mut self, _reactor: &mut EpollReactor, error: io::Error) {
        self.context.admission.accept_failed(&error);
    }

    fn woken(&mut self, reactor: &mut EpollReactor) {
        if self.context.admission.accept_wakeups().notified_since(&mut self.accept_wakeups_seen)
        {
            reactor.resume_listening();
        }
    }
}
