//! Backpressure of one mailbox: [`Pressure`]. From the moment it is half full its member has a
//! [`MOMENT`] to read, and senders are paced so that it can't be full before the end of that.
//! Only fast senders wait. No clock: instants are passed in.

use std::task::Waker;

use echo_net::Nanos;
use echo_net::clock::SECOND;

/// Maximum time that senders wait for one member. It is enough for a reader at network speed,
/// even if its process was not scheduled for a while.
pub(super) const MOMENT: Nanos = SECOND;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Pressure {
    state: Patience,
    /// Woken once there is room.
    waiting: Vec<Waker>,
}

#[derive(Debug, Default, Clone, Copy)]
enum Patience {
    #[default]
    None,
    /// Above half full, start time not recorded yet.
    Noticed,
    Since(Nanos),
    /// The time is up and the member has not read enough: senders no longer wait for it.
    GivenUp,
}

impl Pressure {
    /// The mailbox has become more than half full.
    pub(super) fn rise(&mut self) {
        if matches!(self.state, Patience::None) {
            self.state = Patience::Noticed;
        }
    }

    /// The mailbox has room again; returns the senders to wake.
    #[must_use]
    pub(super) fn fall(&mut self) -> Vec<Waker> {
        self.state = Patience::None;
        std::mem::take(&mut self.waiting)
    }

    /// Whether further senders must wait.
    pub(super) fn is_felt(&self) -> bool {
        matches!(self.state, Patience::Noticed | Patience::Since(_))
    }

    /// Until when a sender must wait, if at all, with `bytes` queued out of `limit`; `waker` is
    /// called if it may resume sooner.
    pub(super) fn wait(
        &mut self,
        now: Nanos,
        bytes: usize,
        limit: usize,
        waker: Option<&Waker>,
    ) -> Option<Nanos> {
        let since = match self.state {
            Patience::None | Patience::GivenUp => return None,
            Patience::Noticed => now,
            Patience::Since(since) => since,
        };
        self.state = Patience::Since(since);
        if now >= since.saturating_add(MOMENT) {
            // Other senders notice at their own deadlines.
            self.waiting = Vec::new();
            self.state = Patience::GivenUp;
            return None;
        }
        let half = limit / 2;
        let over = bytes.saturating_sub(half) as u64;
        let share = MOMENT.saturating_mul(over) / (half as u64).max(1);
        let until = since.saturating_add(share.min(MOMENT));
        if now >= until {
            return None;
        }
        if let Some(waker) = waker
            && !self.waiting.iter().any(|known| known.will_wake(waker))
        {
            self.waiting.push(waker.clone());
        }
        Some(until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_does_not_read_is_waited_for_once_until_it_does() {
        let mut pressure = Pressure::default();
        assert_eq!(pressure.wait(0, 100, 100, None), None);
        pressure.rise();
        assert_eq!(pressure.wait(7, 100, 100, Some(Waker::noop())), Some(7 + MOMENT));
        pressure.rise();
        assert_eq!(pressure.wait(8, 900, 100, Some(Waker::noop())), Some(7 + MOMENT));
        assert_eq!(pressure.wait(7 + MOMENT, 100, 100, None), None);
        pressure.rise();
        assert!(!pressure.is_felt(), "it had its moment");
        assert!(pressure.fall().is_empty(), "all have been told");
        pressure.rise();
        assert!(pressure.is_felt(), "it has read since");
    }

    #[test]
    fn who_does_not_fill_it_within_the_moment_does_not_wait() {
        let mut pressure = Pressure::default();
        pressure.rise();
        assert_eq!(pressure.wait(0, 50, 100, None), None);
        for tenth in 1..10 {
            let now = MOMENT / 10 * tenth;
            let bytes = 50 + 5 * usize::try_from(tenth).unwrap();
            assert_eq!(pressure.wait(now, bytes, 100, None), None);
            assert_eq!(pressure.wait(now, bytes + 5, 100, None), Some(now + MOMENT / 10));
        }
    }

    #[test]
    fn who_waits_is_woken_once_when_there_is_room() {
        struct Nobody;
        impl std::task::Wake for Nobody {
            fn wake(self: std::sync::Arc<Self>) {}
        }
        // As a mailbox passes it. The first clone may differ from the others in an irrelevant
        // way.
        let waker = Waker::from(std::sync::Arc::new(Nobody)).clone();
        let mut pressure = Pressure::default();
        for _ in 0..2 {
            pressure.rise();
            for _ in 0..2 {
                assert!(pressure.wait(0, 100, 100, Some(&waker.clone())).is_some());
            }
            assert_eq!(pressure.fall().len(), 1);
            assert!(!pressure.is_felt());
        }
    }
}
