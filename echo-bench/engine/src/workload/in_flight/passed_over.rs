//! Requests that were passed over: later ones of their stream were answered first. Their own
//! replies may be late or lost, which only time shows. [`PassedOver`] keeps the last few.

use std::collections::VecDeque;

use echo_net::Nanos;

use super::Slot;
use crate::record::FirstOffender;

/// How many are kept: a server that loses replies must not make the list grow.
const MOST: usize = 64;

/// A request that was passed over.
#[derive(Debug)]
pub(super) struct Passed {
    pub(super) request: u64,
    pub(super) slot: Slot,
    /// What is said of it if its reply is lost; `None` once it has ended.
    pub(super) first: Option<Box<FirstOffender>>,
}

/// One that has not ended.
type Open = (Slot, Box<FirstOffender>);

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct PassedOver {
    /// In the order in which they were passed over.
    list: VecDeque<Passed>,
    open: u32,
}

impl PassedOver {
    /// Those that have not ended.
    pub(super) fn open(&self) -> u32 {
        self.open
    }

    /// Adds one; the one that is forgotten for it, if that has not ended.
    pub(super) fn push(&mut self, passed: Passed) -> Option<Open> {
        let forgotten = if self.list.len() < MOST { None } else { self.list.pop_front() };
        self.open += u32::from(passed.first.is_some());
        self.list.push_back(passed);
        let Passed { slot, first, .. } = forgotten?;
        let first = first?;
        self.open -= 1;
        Some((slot, first))
    }

    /// Removes a request whose reply has come after all.
    pub(super) fn take(&mut self, request: u64) -> Option<Passed> {
        let place = self.list.iter().position(|passed| passed.request == request)?;
        let passed = self.list.remove(place)?;
        self.open -= u32::from(passed.first.is_some());
        Some(passed)
    }

    /// The next one that was written at `before` or earlier and has not ended, which it now
    /// has. It stays known, for its reply may still come.
    pub(super) fn expire(&mut self, before: Nanos) -> Option<Open> {
        if self.open == 0 {
            return None;
        }
        let due =
            |passed: &&mut Passed| passed.first.is_some() && passed.slot.written <= before;
        let passed = self.list.iter_mut().find(due)?;
        self.open -= 1;
        Some((passed.slot, passed.first.take()?))
    }

    /// When the oldest that has not ended was written.
    pub(super) fn oldest_written(&self) -> Option<Nanos> {
        let open = self.list.iter().filter(|passed| passed.first.is_some());
        open.map(|passed| passed.slot.written).min()
    }

    /// Forgets all, which have ended.
    pub(super) fn clear(&mut self) {
        debug_assert_eq!(self.open, 0, "requests of a connection end with it");
        self.list.clear();
    }
}
