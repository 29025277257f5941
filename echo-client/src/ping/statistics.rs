//! Statistics of a ping: [`Statistics`].

use std::fmt;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::{PingEvent, Said};
use crate::brief::Brief;

/// A percentile, and the number of replies that it requires.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Percentile {
    /// Its name.
    pub name: &'static str,
    /// From 0 to 1.
    pub quantile: f64,
    /// With fewer independent samples there is no 95 % order-statistic interval around it.
    pub needs: u64,
}

/// The percentiles of a summary: `needs` is ln 0.025 / ln quantile, rounded up.
pub const PERCENTILES: [Percentile; 3] = [
    Percentile { name: "p50", quantile: 0.5, needs: 6 },
    Percentile { name: "p90", quantile: 0.9, needs: 36 },
    Percentile { name: "p99", quantile: 0.99, needs: 368 },
];

/// The largest recorded round-trip time, and the significant digits.
const HIGHEST_NS: u64 = 3_600_000_000_000;
const DIGITS: u8 = 3;

/// Statistics of a ping.
pub struct Statistics {
    round_trips: Histogram<u64>,
    lost: u64,
    /// Replies to requests that had already been counted as lost.
    pub late: u64,
    /// Correct echoes, including late ones.
    pub echoes: u64,
    /// Error replies.
    pub errors: u64,
    /// Other replies.
    pub wrong: u64,
    /// Reconnects.
    pub reconnects: u64,
}

impl Default for Statistics {
    fn default() -> Self {
        let round_trips = Histogram::new_with_bounds(1, HIGHEST_NS, DIGITS)
            .expect("the bounds and digits are constants that the crate accepts");
        Self { round_trips, lost: 0, late: 0, echoes: 0, errors: 0, wrong: 0, reconnects: 0 }
    }
}

impl fmt::Debug for Statistics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { round_trips, lost, late, echoes, errors, wrong, reconnects } = self;
        f.debug_struct("Statistics")
            .field("round_trips", &Brief(round_trips))
            .field("lost", lost)
            .field("late", late)
            .field("echoes", echoes)
            .field("errors", errors)
            .field("wrong", wrong)
            .field("reconnects", reconnects)
            .finish()
    }
}

impl Statistics {
    /// Counts an event.
    pub fn count(&mut self, event: &PingEvent<'_>) {
        match event {
            PingEvent::Reply { round_trip, late, instead, .. } => {
                match instead {
                    None => self.echoes += 1,
                    Some(Said { is_error: true, .. }) => self.errors += 1,
                    Some(_) => self.wrong += 1,
                }
                if *late {
                    self.late += 1;
                } else {
                    let ns = u64::try_from(round_trip.as_nanos()).unwrap_or(HIGHEST_NS);
                    self.round_trips.saturating_record(ns);
                }
            }
            PingEvent::Lost(..) => self.lost += 1,
            PingEvent::Reconnected(..) => self.reconnects += 1,
            PingEvent::Connected(..)
            | PingEvent::Unasked(_)
            | PingEvent::Broken(_)
            | PingEvent::Failed(_) => {}
        }
    }

    /// Requests answered in time.
    pub fn answered(&self) -> u64 {
        self.round_trips.len()
    }

    /// Requests lost.
    pub fn lost(&self) -> u64 {
        self.lost
    }

    /// The share of requests lost; `None` before the first has ended.
    pub fn loss(&self) -> Option<f64> {
        let ended = self.answered() + self.lost;
        (ended > 0).then(|| self.lost as f64 / ended as f64)
    }

    /// Minimum, mean, maximum and standard deviation; `None` without a reply.
    pub fn spread(&self) -> Option<[Duration; 4]> {
        let times = &self.round_trips;
        let nanos = |ns: f64| Duration::from_nanos(ns as u64);
        (!times.is_empty()).then(|| {
            let (least, greatest) = (times.min(), times.max());
            [
                Duration::from_nanos(least),
                nanos(times.mean()),
                Duration::from_nanos(greatest),
                nanos(times.stdev()),
            ]
        })
    }

    /// The round-trip time at a percentile; `None` if there are too few samples.
    pub fn at(&self, percentile: Percentile) -> Option<Duration> {
        (self.answered() >= percentile.needs).then(|| {
            Duration::from_nanos(self.round_trips.value_at_quantile(percentile.quantile))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ping::Loss;

    fn reply(number: u64, late: bool, instead: Option<&[u8]>) -> PingEvent<'_> {
        let round_trip = Duration::from_micros(number);
        let said = |body| Said { is_error: false, status: None, prefix: b"", body };
        let instead = instead.map(said);
        PingEvent::Reply { number, bytes: 1, round_trip, late, instead }
    }

    #[test]
    fn a_percentile_is_said_from_as_many_replies_on_as_it_needs() {
        let mut statistics = Statistics::default();
        for number in 1..=367 {
            statistics.count(&reply(number, false, None));
        }
        let [p50, p90, p99] = PERCENTILES.map(|percentile| statistics.at(percentile));
        assert_eq!(p50.unwrap().as_micros(), 184);
        assert_eq!(p90.unwrap().as_micros(), 331);
        assert_eq!(p99, None);
        statistics.count(&reply(368, false, None));
        assert!(statistics.at(PERCENTILES[2]).is_some());
    }

    #[test]
    fn a_late_reply_stays_lost_and_is_not_in_the_times() {
        let mut statistics = Statistics::default();
        assert_eq!((statistics.loss(), statistics.spread()), (None, None));
        statistics.count(&PingEvent::Lost(1, Loss::Timeout));
        statistics.count(&reply(1, true, None));
        statistics.count(&reply(2, false, Some(b"no")));
        assert_eq!((statistics.answered(), statistics.lost()), (1, 1));
        assert_eq!((statistics.late, statistics.wrong, statistics.echoes), (1, 1, 1));
        assert_eq!(statistics.loss(), Some(0.5));
        let [least, _, greatest, _] = statistics.spread().unwrap();
        assert_eq!((least.as_micros(), greatest.as_micros()), (2, 2));
    }

    #[test]
    fn statistics_are_shown_in_a_few_lines() {
        let shown = format!("{:?}", Statistics::default());
        assert!(shown.len() < 300 && shown.contains("count: 0"), "{} bytes", shown.len());
    }
}
