//! Whether a mailbox fills faster than it is read, and how long those who speak wait for
//! that to change: [`Pressure`]. From the instant at which it is half full its member has a
//! [`MOMENT`] to read, and meanwhile it may fill no faster than to be full at the end of that:
//! so a talk goes on as ever, and only fast senders wait. Knows no clock; every
//! instant is handed in.

use std::task::Waker;

use echo_net::Nanos;
use echo_net::clock::SECOND;

/// How long speakers wait at most for one member to read. By then most of what waits is taken
/// by who reads as fast as a network, also by one whose process had no core for a while.
pub(super) const MOMENT: Nanos = SECOND;

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Pressure {
    state: Patience,
    /// Who is to be woken once there is room.
    waiting: Vec<Waker>,
}

#[derive(Debug, Default, Clone, Copy)]
enum Patience {
    #[default]
    None,
    /// There is, and nobody has looked at the clock yet.
    Noticed,
    Since(Nanos),
    /// The member had its moment and has not read enough: nobody waits for it before it has.
    GivenUp,
}

impl Pressure {
    /// The mailbox is more than half full.
    pub(super) fn rise(&mut self) {
        if matches!(self.state, Patience::None) {
            self.state = Patience::Noticed;
        }
    }

    /// The mailbox has room again; who waited for it.
    #[must_use]
    pub(super) fn fall(&mut self) -> Vec<Waker> {
        self.state = Patience::None;
        std::mem::take(&mut self.waiting)
    }

    /// Whether whoever goes on to speak is to wait.
    pub(super) fn is_felt(&self) -> bool {
        matches!(self.state, Patience::Noticed | Patience::Since(_))
    }

    /// Until when a speaker is to wait, if it is, while `bytes` wait where there is room for
    /// `limit`; `waker` is used when that is over sooner.
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
            // The others see that at their own deadlines.
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
        // As a mailbox hands it out. The first one may differ from its copies in a way that
        // means nothing.
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
