//! Handling of completions.

use std::io;
use std::os::fd::AsFd;

use rustix::event::PollFlags;

use super::buffers::Lease;
use super::completion::Completion;
use super::connection::{Arrival, Request};
use super::kernel_thread::LAG;
use super::subject::Subject;
use super::{Key, UringReactor};
use crate::clock::{self, MILLISECOND};
use crate::reactor::{Event, Handler, Reactor};
use crate::socket;

impl UringReactor {
    /// Delivers data that was held back on resumed connections; whether there was any.
    pub(super) fn tell_held_back(&mut self, handler: &mut impl Handler<Self>) -> bool {
        let mut told = false;
        // Connections resumed meanwhile are handled in the next turn.
        for key in std::mem::take(&mut self.resumed) {
            // Looked up each time: the handler may pause or close.
            while let Some(connection) = self.connections.get_mut(key)
                && !connection.paused
                && let Some(arrival) = connection.release()
            {
                told = true;
                match arrival {
                    Arrival::Bytes(bytes) => handler.event(self, key, Event::Received(&bytes)),
                    Arrival::End => {
                        connection.ended = true;
                        handler.event(self, key, Event::EndOfInput);
                    }
                }
            }
            self.update(key);
        }
        told
    }

    /// Handles all completions so far; returns their number.
    pub(super) fn complete(&mut self, handler: &mut impl Handler<Self>) -> usize {
        let present = self.ring.completions().len();
        for _ in 0..present {
            let Some(completion) = self.ring.next() else { break };
            match completion {
                Completion::Received { key, result, more } => {
                    self.received(key, result, more, handler);
                }
                Completion::Watched { key, result, more } => {
                    self.watched(key, result, more, handler);
                }
                Completion::Accepted { number, result, more } => {
                    self.accepted(number as usize, result, more, handler);
                }
                Completion::Pending { number } => self.pending(number as usize, handler),
                Completion::Woken { more } => {
                    self.waker.reset();
                    if !more {
                        let waker = self.waker.0.as_fd();
                        self.ring.watch(Subject::Waker, waker, PollFlags::IN, true);
                    }
                    handler.woken(self);
                }
                // One that was no longer waited for.
                Completion::Fenced => {}
                Completion::NotCancelled(subject) => self.cancel_again(subject),
            }
        }
        present
    }

    fn received(
        &mut self,
        key: Key,
        result: io::Result<Option<Lease>>,
        more: bool,
        handler: &mut impl Handler<Self>,
    ) {
        let Some(connection) = self.connections.get_mut(key) else {
            return self.completed_while_closing(key, more, |closed| &mut closed.receiving);
        };
        if !more {
            connection.receiving = Request::None;
        }
        let mut stamp = None;
        let result = if connection.stamped {
            result.and_then(|lease| self.ring.message.unpack(lease)).map(|(lease, read)| {
                stamp = read;
                lease
            })
        } else {
            result
        };
        match result {
            Ok(received) => {
                if connection.paused || connection.holds_back() {
                    connection.hold_back(received.as_ref());
                } else if let Some(bytes) = received {
                    self.arrival = stamp.and_then(|stamp| self.stamp_clock.instant(stamp));
                    handler.event(self, key, Event::Received(&bytes));
                    self.arrival = None;
                } else {
                    connection.ended = true;
                    self.update(key);
                    return handler.event(self, key, Event::EndOfInput);
                }
            }
            Err(error) => match error.raw_os_error() {
                // The receive request is repeated below. The buffers are returned before the
                // kernel sees it.
                Some(libc::ENOBUFS) => self.starved += 1,
                Some(libc::EINTR | libc::EAGAIN) => {}
                Some(libc::ECANCELED) if !connection.broken => {}
                Some(libc::ECANCELED) => return self.report_broken(key, handler),
                _ => return self.fail(key, error, handler),
            },
        }
        if !more {
            self.update(key);
        }
    }

    fn watched(
        &mut self,
        key: Key,
        result: io::Result<PollFlags>,
        more: bool,
        handler: &mut impl Handler<Self>,
    ) {
        let Some(connection) = self.connections.get_mut(key) else {
            return self.completed_while_closing(key, more, |closed| &mut closed.watching);
        };
        if !more {
            connection.watching = Request::None;
        }
        let seen = match result {
            Ok(seen) => seen,
            Err(error) => return self.fail(key, error, handler),
        };
        if connection.connecting {
            return match socket::finish_connect(connection.socket.as_fd()) {
                Ok(()) => {
                    connection.connecting = false;
                    self.update(key);
                    handler.event(self, key, Event::Connected);
                }
                Err(error) => self.fail(key, error, handler),
            };
        }
        connection.broken |= seen.intersects(PollFlags::ERR | PollFlags::HUP);
        if !connection.queue.is_empty() {
            self.flush(key, handler);
        }
        let Some(connection) = self.connections.get(key) else { return };
        // While reading is active the receive reports it, after earlier data.
        if connection.broken && connection.receiving == Request::None {
            self.report_broken(key, handler);
        } else if !more {
            self.update(key);
        }
    }

    fn flush(&mut self, key: Key, handler: &mut impl Handler<Self>) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let socket = connection.socket.as_fd();
        match connection.queue.flush(|bytes| socket::send_now(socket, bytes)) {
            Ok(false) => {}
            Ok(true) => {
                if connection.finish_when_sent {
                    self.finish(key);
                }
                handler.event(self, key, Event::Sent);
            }
            Err(error) => self.fail_to_send(key, error, handler),
        }
    }

    /// Sending has failed.
    pub(super) fn fail_to_send(
        &mut self,
        key: Key,
        error: io::Error,
        handler: &mut impl Handler<Self>,
    ) {
        if handler.reads_before_failure() {
            self.receive_the_last(key, handler);
        }
        self.fail(key, error, handler);
    }

    /// Has what has arrived complete the receive of a connection. If that can't be seen in time,
    /// the error of the send stands.
    fn receive_the_last(&mut self, key: Key, handler: &mut impl Handler<Self>) {
        // Without a kernel thread one look suffices.
        let is_polled = self.ring.is_polled();
        let (wait, until) = if is_polled { (MILLISECOND, clock::now() + LAG) } else { (0, 0) };
        let receives =
            |it: &Self| it.connections.get(key).is_some_and(|it| it.receiving != Request::None);
        while receives(self) && self.ring.enter(Some(wait)).is_ok() {
            self.complete(handler);
            if !is_polled || clock::now() > until {
                return;
            }
        }
    }

    /// Handles an error on a connection that is not being read.
    fn report_broken(&mut self, key: Key, handler: &mut impl Handler<Self>) {
        if let Some(connection) = self.connections.get(key) {
            let error = socket::broken_by(connection.socket.as_fd());
            self.fail(key, error, handler);
        }
    }

    /// A closed connection is removed after its last completion.
    fn completed_while_closing(
        &mut self,
        key: Key,
        more: bool,
        request: impl Fn(&mut super::UringSocket) -> &mut Request,
    ) {
        if !more && let Some(closed) = self.closing.get_mut(&key) {
            *request(closed) = Request::None;
            if !closed.has_requests() {
                self.closing.remove(&key);
                self.hurry_accepting();
            }
        }
    }

    /// A request that was not found either has completed, or is about to continue and will be
    /// found the next time.
    fn cancel_again(&mut self, cancelling: Subject) {
        let state = |key| self.connections.get(key).or_else(|| self.closing.get(&key));
        let (subject, request) = match cancelling {
            Subject::CancelReceive(key) => {
                (Subject::Receive(key), state(key).map(|of| of.receiving))
            }
            Subject::CancelWatch(key) => {
                (Subject::Watch(key), state(key).map(|of| of.watching))
            }
            Subject::CancelAccept(number) => return self.cancel_accepting_again(number),
            // Only these are ever cancelled.
            _ => return,
        };
        if request == Some(Request::Cancelled) {
            self.ring.cancel(subject);
        }
    }
}
