//! How many requests are outstanding, over time: [`Occupancy`]. Kept apart from the latency
//! clocks, so that Little's law (mean in flight = rate x mean latency, Little 1961) can
//! check the one against the other.

use echo_net::Nanos;

/// The area under the number of outstanding requests, within the measured window.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Occupancy {
    level: u64,
    since: Nanos,
    window_start: Nanos,
    area: u128,
}

impl Occupancy {
    pub(super) fn new(window_start: Nanos) -> Self {
        Self { level: 0, since: 0, window_start, area: 0 }
    }

    /// Requests were added at `now`.
    pub(super) fn add(&mut self, requests: u64, now: Nanos, window_end: Nanos) {
        self.advance(now, window_end);
        self.level += requests;
    }

    /// Requests ended at `now`.
    pub(super) fn remove(&mut self, requests: u64, now: Nanos, window_end: Nanos) {
        self.advance(now, window_end);
        self.level -= requests.min(self.level);
    }

    /// Requests waited, without being counted as outstanding, from one instant to another.
    pub(super) fn waited(
        &mut self,
        requests: u64,
        from: Nanos,
        until: Nanos,
        window_end: Nanos,
    ) {
        let within = |at: Nanos| at.clamp(self.window_start, window_end.max(self.window_start));
        let waited = within(until).saturating_sub(within(from));
        self.area += u128::from(requests) * u128::from(waited);
    }

    /// The area in request-nanoseconds up to `now`.
    pub(super) fn area(&mut self, now: Nanos, window_end: Nanos) -> u128 {
        self.advance(now, window_end);
        self.area
    }

    fn advance(&mut self, now: Nanos, window_end: Nanos) {
        let within = |at: Nanos| at.clamp(self.window_start, window_end.max(self.window_start));
        let elapsed = within(now).saturating_sub(within(self.since));
        self.area += u128::from(self.level) * u128::from(elapsed);
        self.since = self.since.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_window_counts() {
        let mut occupancy = Occupancy::new(100);
        occupancy.add(2, 50, 200);
        occupancy.add(1, 150, 200);
        occupancy.remove(3, 300, 200);
        occupancy.waited(2, 90, 110, 200);
        occupancy.waited(1, 190, 300, 200);
        assert_eq!(occupancy.area(400, 200), 2 * 50 + 3 * 50 + 2 * 10 + 10);
    }
}
