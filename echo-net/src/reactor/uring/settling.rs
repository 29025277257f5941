//! Holding input still where a kernel thread receives and accepts at any time, so that what has
//! arrived can be counted: nothing is then between a socket and its handler.

use std::io;

use super::connection::Request;
use super::kernel_thread::LAG;
use super::{Key, UringReactor};
use crate::clock::{self, MILLISECOND};
use crate::reactor::Handler;

impl UringReactor {
    /// Ends receiving and accepting until the next turn, passes on what was received and accepted
    /// until then, and the connections that are pending.
    pub(super) fn hold_still(&mut self, handler: &mut impl Handler<Self>) -> io::Result<()> {
        self.is_still = true;
        self.update_all();
        self.cancel_accepting();
        let until = clock::now() + LAG;
        self.ring.enter(Some(0))?;
        self.complete(handler);
        while self.is_taking_input() && clock::now() < until {
            self.ring.enter(Some(MILLISECOND))?;
            self.complete(handler);
        }
        for number in 0..self.acceptors.len() {
            if self.acceptors[number].can_accept() {
                self.pending(number, handler);
            }
        }
        Ok(())
    }

    /// Receives and accepts again.
    pub(super) fn go_on(&mut self) {
        if std::mem::take(&mut self.is_still) {
            self.update_all();
            self.accept_on_all();
        }
    }

    fn update_all(&mut self) {
        let keys: Vec<Key> = self.connections.keys().collect();
        for key in keys {
            self.update(key);
        }
    }

    /// Whether the kernel receives or accepts.
    fn is_taking_input(&self) -> bool {
        self.connections.values().any(|connection| connection.receiving != Request::None)
            || self.acceptors.iter().any(|acceptor| acceptor.request != Request::None)
    }
}
