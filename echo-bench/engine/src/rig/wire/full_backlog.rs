//! Links that wait for room in the backlog of a unix-domain listener: [`FullBacklog`]. For TCP the
//! kernel waits, and sends its SYN again; here a connect fails at once, and is tried again until
//! the link is given up like any other that is not made in time.

use std::collections::VecDeque;
use std::io;

use echo_net::Nanos;
use echo_net::address::Transport;
use echo_net::clock::MILLISECOND;
use echo_net::reactor::Reactor;

use super::{Ledger, State, Wire};
use crate::rig::loss::kind_of_unmade;

/// Pause between attempts.
const PAUSE: Nanos = MILLISECOND;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct FullBacklog {
    waiting: VecDeque<u32>,
    /// When the first of them is tried again.
    next: Nanos,
}

impl Wire {
    /// Whether a connect failed because the backlog is full.
    pub(super) fn is_backlog_full(&self, link: u32, error: &io::Error) -> bool {
        error.kind() == io::ErrorKind::WouldBlock
            && self.links[link as usize].target.transport() == Transport::Unix
    }

    /// Has a link that is being dialled wait for room.
    pub(super) fn wait_for_room(&mut self, link: u32, now: Nanos) {
        self.full.waiting.push_back(link);
        self.full.next = now + PAUSE;
    }

    /// When links that wait for room are tried again, if there are any.
    pub(in crate::rig) fn next_try(&self) -> Option<Nanos> {
        (!self.full.waiting.is_empty()).then_some(self.full.next)
    }

    /// Tries links again that wait for room, in order, until there is none; those that can't be
    /// made for another reason.
    pub(in crate::rig) fn try_again<R: Reactor>(
        &mut self,
        reactor: &mut R,
        ledger: &mut Ledger,
        now: Nanos,
    ) -> Vec<u32> {
        let mut unmade = Vec::new();
        if self.next_try().is_none_or(|next| next > now) {
            return unmade;
        }
        while let Some(link) = self.full.waiting.pop_front() {
            // It may have been given up meanwhile.
            let place = &self.links[link as usize];
            if place.key.is_some() || !matches!(place.state, State::Dialling(_)) {
                continue;
            }
            match reactor.connect(&self.connect_options(link)) {
                Ok(key) => self.has_socket(link, key),
                Err(error) if self.is_backlog_full(link, &error) => {
                    self.full.waiting.push_front(link);
                    self.full.next = now + PAUSE;
                    break;
                }
                Err(error) => {
                    self.forget(link);
                    self.dialling -= 1;
                    let kind = kind_of_unmade(&error);
                    if !self.not_connected(reactor, ledger, link, kind, error) {
                        unmade.push(link);
                    }
                }
            }
        }
        unmade
    }
}
