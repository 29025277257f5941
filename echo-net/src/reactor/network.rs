//! A simulated network with a reactor at each end: [`Network`] and [`NetworkReactor`]. Client
//! and server both run their real code, on one thread and a manual clock, and whatever happens
//! follows from a seed.
//!
//! In contrast to the [`simulated`](super::simulated) reactor, whose peers are scripts, bytes
//! pass through two send buffers, two receive buffers and a wire between them, and
//! [`Conditions`] say what goes wrong there. One reactor leads: its turns advance the clock, and
//! run the other side at each step. Accepted sockets are real but unconnected ones, so that
//! options can be set on them.

use std::cell::{RefCell, RefMut};
use std::rc::Rc;

use crate::Nanos;

mod conditions;
mod end;
mod socket;
mod state;
#[cfg(test)]
mod tests;

pub use conditions::{Conditions, Fault, Faults};
pub use end::{FarSide, NetworkReactor, Refusals};
pub use socket::{Both, Closing, Link, Side};

use state::State;

/// See the [module](self). Clones share it.
#[derive(Debug, Clone)]
pub struct Network(Rc<RefCell<State>>);

impl Network {
    /// A network without connections, whose clock starts at `start`.
    pub fn new(start: Nanos, seed: u64, conditions: Conditions) -> Self {
        Self(Rc::new(RefCell::new(State::new(start, seed, conditions))))
    }

    fn state(&self) -> RefMut<'_, State> {
        self.0.borrow_mut()
    }

    /// The current time.
    pub fn now(&self) -> Nanos {
        self.state().now
    }

    /// When the next segment arrives, if any is on its way.
    pub fn next_at(&self) -> Option<Nanos> {
        self.state().next_at()
    }

    /// Sets the clock to `at` and delivers what has arrived by then.
    pub fn advance(&self, at: Nanos) {
        self.state().advance(at);
    }

    /// Changes the conditions from now on.
    pub fn set_conditions(&self, conditions: Conditions) {
        self.state().conditions = conditions;
    }

    /// How often each fault has occurred so far.
    pub fn faults(&self) -> Faults {
        self.state().faults
    }

    /// Shows all connections so far, in the order of their attempts.
    pub fn inspect<T>(&self, look: impl FnOnce(&[Link]) -> T) -> T {
        look(&self.state().links)
    }

    /// Bytes that have arrived at a side of a connection and were not read.
    pub fn unread(&self, link: usize, side: Side) -> usize {
        self.state().links[link].sockets[side].unread
    }
}
