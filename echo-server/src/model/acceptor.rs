//! A thread that only accepts, for the models whose workers do not: [`accept`] hands every
//! socket that has a permit to a [`Doorway`].

use std::collections::VecDeque;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsFd, OwnedFd};

use echo_net::Nanos;
use echo_net::clock;
use echo_net::reactor::epoll::EpollReactor;
use echo_net::reactor::{Event, Handler, Key, Reactor, ServingReactor, Waker};

use crate::admission::Permit;
use crate::context::Context;
use crate::session::NEVER;

/// Most sockets that are handed on before the next look at the backlog. To start a thread
/// for each takes longer than it takes peers to connect, and a backlog that overflows makes
/// them wait for a second (`tcp_syn_retries`).
const ENTRIES: usize = 16;

/// Where accepted sockets go.
pub(super) trait Doorway {
    /// Accepting begins; `waker` brings the next look at deadlines forward.
    fn open(&mut self, waker: Waker) {
        let _ = waker;
    }

    /// A non-blocking socket has a permit.
    fn enter(&mut self, socket: OwnedFd, permit: Permit);

    /// Looks after deadlines; the instant of the next look, [`NEVER`] for none.
    fn look_after(&mut self, now: Nanos) -> Nanos {
        let _ = now;
        NEVER
    }
}

/// Accepts on the calling thread until a stop is asked for; then the listeners are closed.
///
/// # Errors
/// Also when there is not exactly one group of listeners.
pub(super) fn accept(
    listeners: Vec<Vec<TcpListener>>,
    context: &Context,
    doorway: &mut impl Doorway,
) -> io::Result<()> {
    let Ok([group]) = <[Vec<TcpListener>; 1]>::try_from(listeners) else {
        let reason = format!("the model {} accepts on one thread", context.config.model);
        return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    };
    // It never reads: the smallest buffer will do.
    let mut reactor = EpollReactor::new(1)?;
    let waker = reactor.waker();
    doorway.open(waker.clone());
    context.stop.on_advance(move |_| waker.wake());
    for listener in group {
        reactor.listen(listener)?;
    }
    let mut acceptor = Acceptor { context, doorway, accepted: VecDeque::new() };
    while !context.is_stopping() {
        let until = acceptor.doorway.look_after(clock::now());
        let until = if acceptor.accepted.is_empty() { until } else { 0 };
        reactor.turn((until != NEVER).then_some(until), &mut acceptor)?;
        acceptor.hand_on(ENTRIES);
    }
    // What the kernel has accepted is received: closing the listener would reset it.
    reactor.turn(Some(0), &mut acceptor)?;
    acceptor.hand_on(usize::MAX);
    Ok(())
}

struct Acceptor<'a, D> {
    context: &'a Context,
    doorway: &'a mut D,
    /// Those that have a permit and were not handed on yet.
    accepted: VecDeque<(OwnedFd, Permit)>,
}

impl<D: Doorway> Acceptor<'_, D> {
    fn hand_on(&mut self, most: usize) {
        for _ in 0..most {
            let Some((socket, permit)) = self.accepted.pop_front() else { return };
            self.doorway.enter(socket, permit);
        }
    }
}

impl<D: Doorway> Handler<EpollReactor> for Acceptor<'_, D> {
    fn event(&mut self, _reactor: &mut EpollReactor, _key: Key, _event: Event<'_>) {}

    fn accepted(&mut self, _reactor: &mut EpollReactor, socket: OwnedFd, peer: SocketAddr) {
        let permit = self.context.admission.admit(socket.as_fd(), peer);
        self.accepted.extend(permit.map(|permit| (socket, permit)));
    }

    fn accept_failed(&mut self, _reactor: &mut EpollReactor, error: io::Error) {
        self.context.admission.accept_failed(&error);
    }
}
