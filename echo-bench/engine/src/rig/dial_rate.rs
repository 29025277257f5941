//! When connections may be begun before the load: [`DialRate`]. Pure: no clock, no socket.

use echo_net::Nanos;
use echo_net::clock::SECOND;

use crate::plan::Plan;

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub(super) struct DialRate {
    begin: Nanos,
    /// Connections per second of this worker; `None`: as fast as they are made.
    per_second: Option<f64>,
}

impl DialRate {
    /// For a worker with so many of the plan's connections that begins now.
    pub(super) fn new(plan: &Plan, connections: usize, begin: Nanos) -> Self {
        let share = connections as f64 / f64::from(plan.connections.max(1));
        Self { begin, per_second: plan.connect_rate_per_s.map(|rate| rate * share) }
    }

    /// How many may have been begun by now, the first at once.
    pub(super) fn allowed(&self, now: Nanos) -> usize {
        let since = now.saturating_sub(self.begin) as f64 / SECOND as f64;
        let begun = |rate| ((since * rate) as usize).saturating_add(1);
        self.per_second.map_or(usize::MAX, begun)
    }

    /// When the one after the first `begun` may be; `None` where nothing is waited for.
    pub(super) fn next(&self, begun: usize) -> Option<Nanos> {
        let rate = self.per_second?;
        // Rounded up: an instant before it, it would not be allowed.
        let after = (begun as f64 / rate * SECOND as f64).ceil() as Nanos;
        Some(self.begin.saturating_add(after).saturating_add(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::plan_with;

    #[test]
    fn connections_are_spread_evenly_and_none_is_late() {
        let with_rate =
            |rate| plan_with(|plan| (plan.connections, plan.connect_rate_per_s) = (300, rate));
        // A third of them, at a third of the rate.
        let rate = DialRate::new(&with_rate(Some(1000.0)), 100, SECOND);
        assert_eq!(rate.allowed(SECOND), 1);
        for begun in 1..100 {
            let next = rate.next(begun).unwrap();
            assert_eq!(rate.allowed(next), begun + 1, "the {begun}th");
            assert_eq!(rate.allowed(next - 1000), begun, "the {begun}th");
        }
        assert_eq!(rate.next(100).unwrap() / 1_000_000, 1300);
        let rate = DialRate::new(&with_rate(None), 100, SECOND);
        assert_eq!((rate.allowed(SECOND), rate.next(1)), (usize::MAX, None));
    }
}
