//! A limit on the bytes that all connections together buffer: the [`Budget`], and a connection's
//! [`Share`] of it. Counted are unfinished messages, output that the kernel did not accept, as it
//! is allocated, and input that was received and not read yet, in size classes, so that the
//! shared counters change only when a connection enters another class.
//!
//! Above the limit the largest are cut, and who grows waits until they are gone. Who is among
//! the largest and grows is cut at once, so that those that came first are kept.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use echo_net::Nanos;
use echo_net::clock::{MILLISECOND, SECOND};
use echo_net::memory;

use crate::occupied::{self, Occupied};
use crate::session::NEVER;

/// Less than this per connection is not counted: every connection may have it.
const LEAST: usize = 4096;

/// Classes per doubling, as a power of two: a share is counted to a quarter exactly.
const FRACTION_BITS: u32 = 2;

/// Enough for any number of bytes.
const CLASSES: usize = ((usize::BITS - LEAST.ilog2()) << FRACTION_BITS) as usize + 1;

const _: () = assert!(CLASSES <= occupied::CLASSES);

/// How often a counted connection checks whether it must be cut, while more than half of the
/// limit is used.
pub(crate) const LOOK: Nanos = 100 * MILLISECOND;

/// The same below that: whoever fills the rest meanwhile waits so long at most. Each check makes
/// a worker look at all its connections.
const CALM_LOOK: Nanos = 2 * SECOND;

/// The part of the usable memory that is the default limit.
const PART_OF_MEMORY: u64 = 4;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Budget {
    most: usize,
    /// In all processes of the server.
    occupied: Arc<Occupied>,
}

/// The class of `bytes`; 0 is not counted.
#[inline]
fn class_of(bytes: usize) -> usize {
    if bytes < LEAST {
        return 0;
    }
    let exponent = bytes.ilog2();
    let fraction = (bytes >> (exponent - FRACTION_BITS)) & ((1 << FRACTION_BITS) - 1);
    (((exponent - LEAST.ilog2()) << FRACTION_BITS) as usize | fraction) + 1
}

/// The least number of bytes of a class.
fn weight(class: usize) -> usize {
    let Some(class) = class.checked_sub(1) else { return 0 };
    let exponent = (class >> FRACTION_BITS) as u32 + LEAST.ilog2();
    let fraction = class & ((1 << FRACTION_BITS) - 1);
    (1 << exponent) | (fraction << (exponent - FRACTION_BITS))
}

/// A quarter of the memory that this process may use, in bytes.
pub(crate) fn most_by_default() -> usize {
    let quarter = memory::usable().map_or(u64::MAX, |bytes| bytes / PART_OF_MEMORY);
    usize::try_from(quarter).unwrap_or(usize::MAX)
}

impl Budget {
    /// At most `most` bytes; without it [`most_by_default`].
    pub(crate) fn new(most: Option<usize>, occupied: Arc<Occupied>) -> Arc<Self> {
        Arc::new(Self { most: most.unwrap_or_else(most_by_default), occupied })
    }

    /// Bytes that all connections buffer, to a quarter exactly.
    pub(crate) fn total(&self) -> usize {
        usize::try_from(self.occupied.buffered().load(Ordering::Relaxed)).unwrap_or(usize::MAX)
    }

    fn enter(&self, class: usize) {
        if class > 0 {
            self.occupied.classes()[class].fetch_add(1, Ordering::Relaxed);
            self.occupied.buffered().fetch_add(weight(class) as u64, Ordering::Relaxed);
        }
    }

    fn leave(&self, class: usize) {
        if class > 0 {
            self.occupied.classes()[class].fetch_sub(1, Ordering::Relaxed);
            self.occupied.buffered().fetch_sub(weight(class) as u64, Ordering::Relaxed);
        }
    }

    /// How often counted connections are judged again.
    fn look_every(&self) -> Nanos {
        if self.total() > self.most / 2 { LOOK } else { CALM_LOOK }
    }

    /// What becomes of a connection of this class.
    fn judge(&self, class: usize) -> Verdict {
        let over = self.total().saturating_sub(self.most);
        if over == 0 || class == 0 {
            return Verdict::Fits;
        }
        let held = |class: usize| {
            let count = self.occupied.classes()[class].load(Ordering::Relaxed);
            usize::try_from(count).unwrap_or(usize::MAX).saturating_mul(weight(class))
        };
        let larger = (class + 1..CLASSES).map(held).fold(0, usize::saturating_add);
        if larger >= over { Verdict::Waits } else { Verdict::Cut }
    }
}

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is room.
    Fits,
    /// No more is read until larger ones are cut.
    Waits,
    /// It is among the largest.
    Cut,
}

/// What one connection buffers; released when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    class: usize,
    verdict: Verdict,
    look_at: Nanos,
}

impl Share {
    /// Nothing is buffered.
    pub(crate) fn new(budget: &Arc<Budget>) -> Self {
        let (budget, verdict) = (Arc::clone(budget), Verdict::Fits);
        Self { budget, class: 0, verdict, look_at: NEVER }
    }

    /// `bytes` are buffered now.
    #[inline]
    pub(crate) fn set(&mut self, now: Nanos, bytes: usize) -> Verdict {
        let class = class_of(bytes);
        if class != self.class && self.verdict != Verdict::Cut {
            self.change(now, class);
        }
        self.verdict
    }

    fn change(&mut self, now: Nanos, class: usize) {
        let grows = class > self.class;
        self.budget.enter(class);
        self.budget.leave(self.class);
        self.class = class;
        self.look_at =
            if class == 0 { NEVER } else { now.saturating_add(self.budget.look_every()) };
        self.judge(grows);
    }

    /// Judges it again, if that is due.
    pub(crate) fn look(&mut self, now: Nanos) {
        if now >= self.look_at {
            self.look_at = now.saturating_add(self.budget.look_every());
            self.judge(true);
        }
    }

    fn judge(&mut self, strictly: bool) {
        self.verdict = match self.budget.judge(self.class) {
            // It has become smaller, so others are judged first.
            Verdict::Cut if !strictly => Verdict::Waits,
            verdict => verdict,
        };
        if self.verdict == Verdict::Cut {
            // At once, so that no other is cut for the same bytes.
            self.budget.leave(self.class);
            (self.class, self.look_at) = (0, NEVER);
        }
    }

    /// When to [look](Self::look) next; [`NEVER`] for never.
    #[inline]
    pub(crate) fn look_at(&self) -> Nanos {
        self.look_at
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.budget.leave(self.class);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MIB: usize = 1 << 20;

    proptest! {
        #[test]
        fn a_share_is_counted_to_a_quarter_and_never_with_more_than_it_is(
            bytes in any::<usize>(), shift in 0..usize::BITS,
        ) {
            let bytes = bytes >> shift;
            let counted = weight(class_of(bytes));
            prop_assert!(counted <= bytes);
            prop_assert!(bytes < LEAST || bytes - counted <= bytes / 4, "{counted} of {bytes}");
        }
    }

    #[test]
    fn nothing_small_is_counted_and_everything_is_released() {
        let budget = Budget::new(Some(MIB), Arc::default());
        let mut share = Share::new(&budget);
        assert_eq!((share.set(1, LEAST - 1), share.look_at()), (Verdict::Fits, NEVER));
        assert_eq!(budget.total(), 0);
        assert_eq!((share.set(1, LEAST), share.look_at()), (Verdict::Fits, 1 + CALM_LOOK));
        assert_eq!(budget.total(), LEAST);
        share.set(2, 3 * LEAST);
        assert_eq!(budget.total(), 3 * LEAST);
        share.set(3, 0);
        assert_eq!((budget.total(), share.look_at()), (0, NEVER));
        share.set(4, MIB);
        assert_eq!(share.look_at(), 4 + LOOK, "little is left");
        assert_eq!(share.set(4, MIB), Verdict::Fits, "exactly the limit");
        drop(share);
        assert_eq!(budget.total(), 0);
    }

    #[test]
    fn the_last_of_equals_is_cut_and_those_before_are_kept() {
        let budget = Budget::new(Some(4 * MIB), Arc::default());
        let mut shares: Vec<_> = (0..5).map(|_| Share::new(&budget)).collect();
        for share in &mut shares[..4] {
            assert_eq!(share.set(0, MIB), Verdict::Fits);
        }
        assert_eq!(shares[4].set(0, MIB), Verdict::Cut);
        for share in &mut shares[..4] {
            share.look(LOOK);
            assert_eq!(share.set(LOOK, MIB), Verdict::Fits);
        }
        assert_eq!(budget.total(), 4 * MIB);
    }

    #[test]
    fn one_that_grows_waits_until_a_larger_one_is_cut() {
        let budget = Budget::new(Some(2 * MIB), Arc::default());
        let (mut large, mut small) = (Share::new(&budget), Share::new(&budget));
        assert_eq!(large.set(0, 2 * MIB), Verdict::Fits);
        assert_eq!(small.set(5, 2 * LEAST), Verdict::Waits);
        large.look(LOOK - 1);
        assert_eq!(large.set(LOOK - 1, 2 * MIB), Verdict::Fits, "it is not due");
        large.look(LOOK);
        assert_eq!(large.verdict, Verdict::Cut);
        small.look(5 + LOOK);
        assert_eq!(small.set(5 + LOOK, 2 * LEAST), Verdict::Fits);
        assert_eq!(budget.total(), 2 * LEAST);
    }

    #[test]
    fn one_that_becomes_smaller_is_not_cut_for_that() {
        let budget = Budget::new(Some(MIB), Arc::default());
        let (mut first, mut second) = (Share::new(&budget), Share::new(&budget));
        assert_eq!(first.set(0, MIB), Verdict::Fits);
        second.class = class_of(MIB);
        budget.enter(second.class);
        assert_eq!(second.set(0, MIB / 2), Verdict::Waits);
        assert_eq!(second.set(0, 0), Verdict::Fits);
    }
}
