//! What a reactor on readiness offers: it is a [`Reactor`] and a [`ServingReactor`].

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::net::Shutdown;
use slotmap::KeyData;

use super::{FIRST_LISTENER, PolledSocket, ReadinessReactor, Selector, WAKER, listener_number};
use crate::address::Transport;
use crate::clock::{self, Nanos};
use crate::listener::Listener;
use crate::reactor::listening::Listening;
use crate::reactor::{Handler, Key, Reactor, ServingReactor, Waker};
use crate::socket::{self, ConnectOptions};
use crate::stamps;
use crate::unread::{self, Unread};

impl<S: Selector> Reactor for ReadinessReactor<S> {
    #[inline]
    fn now(&self) -> Nanos {
        clock::now()
    }

    fn connect(&mut self, options: &ConnectOptions) -> io::Result<Key> {
        let socket = socket::begin_connect(options)?;
        let stamped = options.stamps
            && options.target.transport() == Transport::Tcp
            && stamps::ask(socket.as_fd()).is_ok();
        self.insert(PolledSocket::new(socket, true, stamped))
    }

    fn send(&mut self, key: Key, bytes: &[u8]) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        let socket = connection.socket.as_fd();
        match connection.queue.send(bytes, |bytes| socket::send_now(socket, bytes)) {
            Ok(()) if connection.queue.is_empty() => {}
            Ok(()) => self.update_interest(key),
            Err(error) => self.failures.push((key, error)),
        }
    }

    fn unsent(&self, key: Key) -> usize {
        self.connections.get(key).map_or(0, |connection| connection.queue.len())
    }

    fn held(&self, key: Key) -> usize {
        self.connections.get(key).map_or(0, |connection| connection.queue.capacity())
    }

    fn pause(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key) {
            connection.paused = true;
            self.update_interest(key);
        }
    }

    fn resume(&mut self, key: Key) {
        if let Some(connection) = self.connections.get_mut(key)
            && connection.paused
        {
            connection.paused = false;
            self.update_interest(key);
        }
    }

    fn finish(&mut self, key: Key) {
        let Some(connection) = self.connections.get_mut(key) else { return };
        connection.finish_when_sent = !connection.queue.is_empty();
        if !connection.finish_when_sent {
            // Fails only if the connection broke, which is reported as an event.
            let _ = rustix::net::shutdown(&connection.socket, Shutdown::Write);
        }
    }

    fn close(&mut self, key: Key) {
        self.forget(key);
    }

    fn socket(&self, key: Key) -> Option<BorrowedFd<'_>> {
        self.connections.get(key).map(|connection| connection.socket.as_fd())
    }

    fn arrival(&self) -> Option<Nanos> {
        self.arrival
    }

    fn turn(
        &mut self,
        until: Option<Nanos>,
        handler: &mut impl Handler<Self>,
    ) -> io::Result<()> {
        self.report_failures(handler);
        self.resume_accepting()?;
        self.wait(until)?;
        // Listeners first: connections in the backlog have timers running.
        let mut place = 0;
        while let Some((number, _)) = self.selector.ready(place) {
            place += 1;
            if let Some(number) = listener_number(number) {
                self.accept_all(number, handler);
            }
        }
        place = 0;
        while let Some((number, flags)) = self.selector.ready(place) {
            place += 1;
            if number == WAKER {
                self.waker.reset();
                handler.woken(self);
            } else if listener_number(number).is_none() {
                let key = Key::from(KeyData::from_ffi(number));
                self.dispatch(key, flags, handler);
                self.after_event(key);
            }
        }
        self.report_failures(handler);
        Ok(())
    }
}

impl<S: Selector> ServingReactor for ReadinessReactor<S> {
    fn listen(&mut self, listener: impl Into<Listener>) -> io::Result<()> {
        let listener = listener.into();
        let number = FIRST_LISTENER + self.listening.len() as u64;
        self.selector.add(listener.as_fd(), number, self.listener_interest)?;
        self.listening.push(Listening::new(listener));
        Ok(())
    }

    fn resume_listening(&mut self) {
        self.listening.iter_mut().for_each(Listening::hurry);
    }

    fn stop_listening(&mut self) {
        for listening in self.listening.drain(..) {
            // Another worker may have the same listener open, which keeps it in this selector.
            self.selector.remove(listening.listener.as_fd());
        }
    }

    fn adopt(&mut self, socket: OwnedFd) -> io::Result<Key> {
        self.insert(PolledSocket::new(socket, false, false))
    }

    fn unread(&self, key: Key) -> Unread {
        let socket = self.connections.get(key).map(|connection| connection.socket.as_fd());
        // If the query fails the socket is broken and holds nothing to serve.
        socket.and_then(|socket| unread::read(socket).ok()).unwrap_or_default()
    }

    fn waker(&self) -> Waker {
        self.waker.clone()
    }
}
