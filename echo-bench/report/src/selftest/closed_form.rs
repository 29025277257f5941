//! What runs against a server of known behaviour must measure, in closed form. Times in
//! nanoseconds.

use std::time::Duration;

/// The quantile of the responses to a batch of `depth` requests, sent at once to so many servers
/// that each take `delay` per request, one after the other: the j-th takes ceil(j / servers) *
/// delay.
pub(super) fn batch_ns(quantile: f64, depth: u32, servers: u32, delay: Duration) -> f64 {
    let place = (quantile * f64::from(depth)).ceil().clamp(1.0, f64::from(depth.max(1)));
    (place / f64::from(servers.max(1))).ceil() * delay.as_nanos() as f64
}

/// Its mean.
pub(super) fn batch_mean_ns(depth: u32, servers: u32, delay: Duration) -> f64 {
    let servers = servers.max(1);
    let rounds: u64 = (1..=depth).map(|place| u64::from(place.div_ceil(servers))).sum();
    rounds as f64 / f64::from(depth.max(1)) * delay.as_nanos() as f64
}

/// The quantile of the responses to a constant rate over `window` whose server stalls once and
/// then serves at once what has queued (Tene 2013). Only from 1 - stall / window on.
pub(super) fn stall_ns(quantile: f64, stall: Duration, window: Duration) -> f64 {
    stall.as_nanos() as f64 - (1.0 - quantile) * window.as_nanos() as f64
}

/// Requests per second that so many servers answer, each without a pause.
pub(super) fn rate_per_s(servers: u32, delay: Duration) -> f64 {
    f64::from(servers) / delay.as_secs_f64()
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELAY: Duration = Duration::from_millis(10);

    #[test]
    fn a_batch_is_served_in_turn_by_each_server() {
        for (quantile, servers, ms) in
            [(0.0, 1, 10.0), (0.5, 1, 80.0), (1.0, 1, 160.0), (0.5, 4, 20.0), (1.0, 4, 40.0)]
        {
            let expected = batch_ns(quantile, 16, servers, DELAY) / 1e6;
            assert!((expected - ms).abs() < 1e-9, "{quantile} {servers}: {expected}");
        }
        assert!((batch_mean_ns(16, 1, DELAY) / 1e6 - 85.0).abs() < 1e-9);
        assert!((batch_mean_ns(16, 16, DELAY) / 1e6 - 10.0).abs() < 1e-9);
    }

    #[test]
    fn a_stall_and_a_rate() {
        let (stall, window) = (Duration::from_millis(400), Duration::from_secs(2));
        assert!((stall_ns(0.9, stall, window) / 1e6 - 200.0).abs() < 1e-6);
        assert!((rate_per_s(8, DELAY) - 800.0).abs() < 1e-9);
    }
}
