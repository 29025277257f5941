//! Requests waiting for their reply: [`InFlight`]. No socket, no clock.

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, Instant};

/// How many requests were sent, and how many of them were answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Requests sent.
    pub requested: u64,
    /// Requests answered.
    pub answered: u64,
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.requested {
            0 => f.write_str("no request was pending"),
            requested => write!(f, "{} of {requested} requests answered", self.answered),
        }
    }
}

/// Pending requests in sending order, with their send times.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    tally: Tally,
    /// One entry per write and not per request, so that a million small requests need little
    /// memory.
    writes: VecDeque<(Instant, u64)>,
    /// When something was last received while a reply was pending.
    quiet_since: Option<Instant>,
}

impl InFlight {
    /// `count` requests are being written at once.
    pub(crate) fn sent(&mut self, now: Instant, count: u64) {
        if count == 0 {
            return;
        }
        self.tally.requested += count;
        self.writes.push_back((now, count));
        self.quiet_since.get_or_insert(now);
    }

    /// Bytes have arrived.
    pub(crate) fn progressed(&mut self, now: Instant) {
        self.quiet_since = (!self.is_empty()).then_some(now);
    }

    /// The oldest request was answered; returns its round-trip time. `None` if the reply is
    /// unsolicited.
    pub(crate) fn answered(&mut self, now: Instant) -> Option<Duration> {
        let (sent, count) = self.writes.front_mut()?;
        let round_trip = now.saturating_duration_since(*sent);
        *count -= 1;
        if *count == 0 {
            self.writes.pop_front();
        }
        self.tally.answered += 1;
        Some(round_trip)
    }

    /// Whether every request is answered.
    pub(crate) fn is_empty(&self) -> bool {
        self.writes.is_empty()
    }

    /// Since when nothing has arrived while a reply is pending; `None` if none is.
    pub(crate) fn quiet_since(&self) -> Option<Instant> {
        self.quiet_since
    }

    /// How many were sent and answered so far.
    pub(crate) fn tally(&self) -> Tally {
        self.tally
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reply_is_timed_from_its_own_request() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut in_flight = InFlight::default();
        in_flight.sent(at(0), 2);
        in_flight.sent(at(10), 1);
        assert_eq!(in_flight.answered(at(15)), Some(Duration::from_millis(15)));
        assert_eq!(in_flight.answered(at(20)), Some(Duration::from_millis(20)));
        assert!(!in_flight.is_empty());
        assert_eq!(in_flight.answered(at(20)), Some(Duration::from_millis(10)));
        assert_eq!(in_flight.answered(at(20)), None, "nobody asked");
        assert_eq!(in_flight.tally(), Tally { requested: 3, answered: 3 });
        assert!(in_flight.is_empty());
    }

    #[test]
    fn quiet_counts_from_the_last_byte_while_a_reply_is_due() {
        let start = Instant::now();
        let at = |ms| start + Duration::from_millis(ms);
        let mut in_flight = InFlight::default();
        assert_eq!(in_flight.quiet_since(), None);
        in_flight.sent(at(0), 1);
        in_flight.sent(at(5), 1);
        assert_eq!(in_flight.quiet_since(), Some(at(0)), "more requests are no sign of life");
        in_flight.answered(at(7));
        in_flight.progressed(at(7));
        assert_eq!(in_flight.quiet_since(), Some(at(7)));
        in_flight.answered(at(8));
        in_flight.progressed(at(8));
        assert_eq!(in_flight.quiet_since(), None);
        in_flight.sent(at(9), 1);
        assert_eq!(in_flight.quiet_since(), Some(at(9)));
    }
}
