//! Whether a server keeps up at a rate: [`Backlog`], what fell due within the windows less what
//! ended in them.

use crate::report::{Report, Requests};
use crate::stats::looks;

/// A backlog that grows by so small a share of the requests is what a clock and a window cut off.
const SMALL: f64 = 0.01;

/// A rate passes only where it is sure that no backlog grows by more than this. It is more than the
/// share above, since to tell 1 % takes minutes over a long way, with many requests in flight.
const MOST: f64 = 0.05;

/// By how much the backlog grew within the windows.
///
/// Requests that time out leave it, and were not served: a backlog that they keep from growing is
/// as long as the timeout. So they are counted beside what is in flight, and what varies by chance
/// there is not allowed for them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Backlog {
    scheduled: f64,
    /// By how many requests more are in flight at the ends of the windows than at their beginnings.
    in_flight: f64,
    /// By how much that varies by chance.
    by_chance: f64,
    timeouts: f64,
}

impl Backlog {
    /// That of so many runs together; `None` if nothing fell due.
    ///
    /// What is in flight varies as counts do (Poisson), at either end of a window, and near the
    /// limit of a server as its queue does: half of the mean is allowed for that. In the middle of a
    /// backlog that grows, half of it is in flight, so that three quarters of it are beyond that.
    pub(super) fn of(merged: &Report, runs: usize) -> Option<Self> {
        let summary = &merged.summary;
        // What was answered wrongly, or lost with its connection, waits for nothing.
        let Requests { scheduled, mismatch, error, timeout, reset, closed, refused, .. } =
            summary.requests;
        let ended =
            summary.answered_in_window + mismatch + error + timeout + reset + closed + refused;
        let mean = summary.in_flight_mean.unwrap_or(0.0);
        let deviation = (2.0 * runs as f64 * (mean + 1.0)).sqrt();
        (scheduled > 0).then(|| Self {
            scheduled: scheduled as f64,
            in_flight: scheduled as f64 - ended as f64,
            by_chance: mean / 2.0 + looks::deviations() * deviation,
            timeouts: timeout as f64,
        })
    }

    /// By what share of what fell due it grew: the 95 % interval of a look.
    pub(super) fn growth(&self) -> [f64; 2] {
        self.growth_but(0.0)
    }

    fn growth_but(&self, excused: f64) -> [f64; 2] {
        let chance = looks::deviations() * self.timeouts.sqrt();
        [-1.0, 1.0].map(|side| {
            let waiting = (self.in_flight + side * self.by_chance).max(0.0);
            let timeouts = (self.timeouts + side * chance).max(0.0);
            ((waiting + timeouts - excused) / self.scheduled).max(0.0)
        })
    }

    /// Requests that fell due and were not answered, where the backlog grows.
    pub(super) fn grown(&self) -> Option<u64> {
        self.grows().then_some((self.in_flight.max(0.0) + self.timeouts) as u64)
    }

    /// Whether it grows.
    pub(super) fn grows(&self) -> bool {
        self.grows_but(0.0)
    }

    /// Whether it grows also without so many requests, which others than the server held up.
    pub(super) fn grows_but(&self, excused: f64) -> bool {
        self.growth_but(excused)[0] > SMALL
    }

    /// Whether it grows only if what timed out is counted.
    pub(super) fn grows_by_timeouts(&self) -> bool {
        self.grows() && !Self { timeouts: 0.0, ..*self }.grows()
    }

    /// Whether it may grow by more than a rate that passes may have.
    pub(super) fn may_grow(&self) -> bool {
        self.growth()[1] > MOST
    }
}
