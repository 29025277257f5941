//! Accepting: in bulk while there are descriptors for a whole backlog (a multishot request: the
//! kernel accepts on its own), one at a time when they are scarce (a poll, then accept4). In
//! bulk the kernel takes every descriptor that is left before one connection can be refused.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::event::PollFlags;

use super::UringReactor;
use super::completion::Completion;
use super::connection::{self, Request};
use super::kernel_thread::LAG;
use super::queues::Queues;
use super::subject::Subject;
use crate::clock::{self, MILLISECOND, Nanos};
use crate::fd_limit;
use crate::listener::Listener;
use crate::reactor::listening::{Accepted, Listening};
use crate::reactor::{ACCEPTS_PER_TURN, Handler};
use crate::socket;

/// Free descriptors below which connections are accepted one at a time: as many as any backlog.
const SCARCE: u64 = 4096;

/// The same where a kernel thread accepts on while nobody looks: until its queue is full.
const SCARCE_IF_POLLED: u64 = Queues::FULL.completions as u64;

/// Free descriptors above which they are accepted in bulk again, where they are scarce below
/// `scarce`. The distance avoids switching back and forth.
fn ample(scarce: u64) -> u64 {
    scarce + scarce / 2
}

/// How long closing waits until the kernel no longer accepts.
const CLOSING: Nanos = 10 * MILLISECOND;

/// A listener and its request.
#[derive(Debug)]
pub(super) struct Acceptor {
    /// `None` once it is closed, which is not before its last request has completed.
    listening: Option<Listening>,
    pub(super) request: Request,
    /// What the last request was.
    asked: Subject,
    /// Accept one at a time, from the next request on.
    singly: bool,
    closing: bool,
}

impl Acceptor {
    fn new(listener: Listener, scarce: u64) -> Self {
        read_limit();
        let singly = free(listener.as_fd(), scarce) < scarce;
        let listening = Some(Listening::new(listener));
        let (request, asked) = (Request::None, Subject::Accept(0));
        Self { listening, request, asked, singly, closing: false }
    }

    pub(super) fn paused_until(&self) -> Option<Nanos> {
        self.listening.as_ref().and_then(Listening::paused_until)
    }

    /// Whether the kernel has no request for it, and connections may be accepted.
    pub(super) fn can_accept(&self) -> bool {
        self.request == Request::None && !self.closing && self.paused_until().is_none()
    }

    /// Its request has completed for the last time.
    fn completed(&mut self) {
        self.request = Request::None;
        if self.closing {
            self.listening = None;
        }
    }
}

/// The limit of descriptors when it was last read, which is a system call.
static LIMIT: AtomicU64 = AtomicU64::new(0);

fn read_limit() -> u64 {
    let limit = fd_limit::current();
    LIMIT.store(limit, Ordering::Relaxed);
    limit
}

/// The most descriptors that can be free, given the newest one and the sockets of all reactors:
/// the kernel assigns the lowest number. The limit is read again where they may be fewer than
/// `scarce`.
fn free(newest: BorrowedFd<'_>, scarce: u64) -> u64 {
    let used = u64::from(newest.as_raw_fd().unsigned_abs()).max(connection::open());
    let free = LIMIT.load(Ordering::Relaxed).saturating_sub(used);
    if free > ample(scarce) { free } else { read_limit().saturating_sub(used) }
}

impl UringReactor {
    /// Free descriptors below which connections are accepted one at a time.
    fn scarce(&self) -> u64 {
        if self.ring.is_polled() { SCARCE_IF_POLLED } else { SCARCE }
    }

    /// Starts to accept on one more listener.
    pub(super) fn add_listener(&mut self, listener: Listener) {
        self.acceptors.push(Acceptor::new(listener, self.scarce()));
        self.accept(self.acceptors.len() - 1);
    }

    /// The same with a first request that has failed.
    #[cfg(test)]
    pub(super) fn add_failing(
        &mut self,
        listener: Listener,
        error: io::Error,
        handler: &mut impl Handler<Self>,
    ) {
        let mut acceptor = Acceptor::new(listener, self.scarce());
        acceptor.request = Request::Made;
        self.acceptors.push(acceptor);
        self.accepted(self.acceptors.len() - 1, Err(error), false, handler);
    }

    /// Starts to accept on a listener, unless it already does or must not.
    fn accept(&mut self, number: usize) {
        let Some(acceptor) = self.acceptors.get_mut(number) else { return };
        if self.is_still || !acceptor.can_accept() {
            return;
        }
        let Some(listening) = &acceptor.listening else { return };
        let (listener, id) = (listening.listener.as_fd(), number as u32);
        if acceptor.singly {
            acceptor.asked = Subject::Listener(id);
            self.ring.watch(acceptor.asked, listener, PollFlags::IN, false);
        } else {
            acceptor.asked = Subject::Accept(id);
            self.ring.accept(id, listener);
        }
        acceptor.request = Request::Made;
    }

    /// Starts to accept on all listeners that can.
    pub(super) fn accept_on_all(&mut self) {
        for number in 0..self.acceptors.len() {
            self.accept(number);
        }
    }

    /// Cancels the requests of all listeners.
    pub(super) fn cancel_accepting(&mut self) {
        for acceptor in &mut self.acceptors {
            if acceptor.request == Request::Made {
                self.ring.cancel(acceptor.asked);
                acceptor.request = Request::Cancelled;
            }
        }
    }

    /// Resumes accepting where a pause is over.
    pub(super) fn accept_again(&mut self) {
        for number in 0..self.acceptors.len() {
            let listening = self.acceptors[number].listening.as_mut();
            if listening.is_some_and(Listening::resume) {
                self.accept(number);
            }
        }
    }

    /// Makes all pauses due.
    pub(super) fn hurry_accepting(&mut self) {
        let acceptors = self.acceptors.iter_mut();
        acceptors.filter_map(|acceptor| acceptor.listening.as_mut()).for_each(Listening::hurry);
    }

    /// The kernel has accepted a connection, or failed to.
    pub(super) fn accepted(
        &mut self,
        number: usize,
        result: io::Result<OwnedFd>,
        more: bool,
        handler: &mut impl Handler<Self>,
    ) {
        let Some(acceptor) = self.acceptors.get_mut(number) else { return };
        if !more {
            acceptor.completed();
        }
        let Some(listening) = &mut acceptor.listening else { return };
        if acceptor.closing {
            // Reset, as the kernel does with those that are still in the backlog.
            let _ = result.map(|socket| socket::reset_on_close(socket.as_fd()));
            return;
        }
        match result {
            Ok(socket) => {
                listening.succeeded();
                let said = || {
                    let peer = rustix::net::getpeername(&socket).ok().flatten();
                    peer.and_then(|peer| SocketAddr::try_from(peer).ok())
                };
                let peer = listening.listener.peer(socket.as_fd(), said);
                self.adapt(number, socket.as_fd());
                handler.accepted(self, socket, peer);
            }
            Err(error) if error.raw_os_error() == Some(libc::ECANCELED) => {}
            Err(error) if socket::is_peers_fault(&error) => {}
            Err(error) => {
                listening.pause();
                // The estimate was wrong: numbers below the newest are taken, too.
                acceptor.singly = true;
                read_limit();
                handler.accept_failed(self, error);
            }
        }
        self.accept(number);
    }

    /// Connections are pending on a listener.
    pub(super) fn pending(&mut self, number: usize, handler: &mut impl Handler<Self>) {
        let Some(acceptor) = self.acceptors.get_mut(number) else { return };
        acceptor.completed();
        for _ in 0..ACCEPTS_PER_TURN {
            // Looked up each time: the handler may stop listening.
            let Some(acceptor) = self.acceptors.get_mut(number) else { return };
            let Some(listening) = acceptor.listening.as_mut().filter(|_| !acceptor.closing)
            else {
                return;
            };
            match listening.accept() {
                Accepted::Socket(socket, peer) => {
                    self.adapt(number, socket.as_fd());
                    handler.accepted(self, socket, peer);
                }
                Accepted::Gone => {}
                Accepted::Nothing => break,
                Accepted::Failed(error) => {
                    handler.accept_failed(self, error);
                    break;
                }
            }
        }
        self.accept(number);
    }

    /// Accepts one at a time if descriptors have become scarce, in bulk if they are ample again.
    fn adapt(&mut self, number: usize, newest: BorrowedFd<'_>) {
        let scarce = self.scarce();
        let free = free(newest, scarce);
        let Some(acceptor) = self.acceptors.get_mut(number) else { return };
        if acceptor.singly {
            acceptor.singly = free <= ample(scarce);
        } else if free < scarce {
            if acceptor.request == Request::Made {
                self.ring.cancel(acceptor.asked);
                acceptor.request = Request::Cancelled;
            }
            acceptor.singly = true;
        }
    }

    /// Cancels a listener's request again, if it still has to be.
    pub(super) fn cancel_accepting_again(&mut self, number: u32) {
        let Some(acceptor) = self.acceptors.get(number as usize) else { return };
        if acceptor.request == Request::Cancelled {
            self.ring.cancel(acceptor.asked);
        }
    }

    /// Ends accepting and closes the listeners: each when its request has completed, since until
    /// then the kernel accepts, and its descriptor must not become another file.
    pub(super) fn close_listeners(&mut self) {
        self.cancel_accepting();
        for acceptor in &mut self.acceptors {
            acceptor.closing = true;
        }
        let until = clock::now() + if self.ring.is_polled() { LAG } else { CLOSING };
        while self.acceptors.iter().any(|acceptor| acceptor.request != Request::None)
            && clock::now() < until
            && self.ring.enter(Some(MILLISECOND)).is_ok()
        {
            self.take_last_accepts();
        }
        self.ring.fence();
        // What takes longer happens in later turns.
        for acceptor in &mut self.acceptors {
            if acceptor.request == Request::None {
                acceptor.listening = None;
            }
        }
    }

    /// Takes the completions of closing listeners out of those that are pending.
    fn take_last_accepts(&mut self) {
        let (acceptors, mut missed) = (&mut self.acceptors, Vec::new());
        let mut completed = |number: u32| {
            if let Some(acceptor) = acceptors.get_mut(number as usize) {
                acceptor.request = Request::None;
            }
        };
        self.ring.retain(|completion| match completion {
            Completion::Accepted { number, result, more } => {
                if let Ok(socket) = result {
                    let _ = socket::reset_on_close(socket.as_fd());
                }
                if !more {
                    completed(*number);
                }
                false
            }
            Completion::Pending { number } => {
                completed(*number);
                false
            }
            Completion::NotCancelled(Subject::CancelAccept(number)) => {
                missed.push(*number);
                false
            }
            _ => true,
        });
        for number in missed {
            self.cancel_accepting_again(number);
        }
    }
}
