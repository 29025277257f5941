//! The schedule of requests, and those waiting for a reply: [`Sequence`]. Pure: the time is
//! passed in.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// A request that is later than this, and than one interval, is skipped: a program that was
/// suspended for an hour must not send a burst.
const CATCH_UP: Duration = Duration::from_millis(20);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Sequence {
    /// Zero: the next request is due when none is pending.
    interval: Duration,
    count: Option<u64>,
    next_due: Instant,
    /// The number of the last request.
    last: u64,
    /// Sent and unanswered, oldest first. Those counted as lost stay: their reply may still
    /// arrive, and must not be matched to another request.
    unanswered: VecDeque<Request>,
    waiting: usize,
}

#[derive(Debug)]
struct Request {
    number: u64,
    sent: Instant,
    given_up: bool,
}

/// An answered request.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) number: u64,
    pub(super) round_trip: Duration,
    /// Whether it had been counted as lost.
    pub(super) late: bool,
}

impl Sequence {
    pub(super) fn new(interval: Duration, count: Option<u64>, start: Instant) -> Self {
        Self {
            interval,
            count,
            next_due: start,
            last: 0,
            unanswered: VecDeque::new(),
            waiting: 0,
        }
    }

    /// When the next request is due; `None` if there is none, or if it waits for a reply.
    pub(super) fn next_due(&self) -> Option<Instant> {
        let ended = self.count.is_some_and(|count| self.last >= count);
        let held_back = self.interval.is_zero() && self.waiting > 0;
        (!ended && !held_back).then_some(self.next_due)
    }

    /// Like [`next_due`](Self::next_due), with a fixed interval.
    pub(super) fn next_on_grid(&self) -> Option<Instant> {
        self.next_due().filter(|_| !self.interval.is_zero())
    }

    /// The number of the request that is due, if any. The next one is due a whole number of
    /// intervals after the first, however late this one is.
    pub(super) fn take(&mut self, now: Instant) -> Option<u64> {
        let due = self.next_due().filter(|&due| due <= now)?;
        self.last += 1;
        self.next_due = due + self.interval;
        let late = now.saturating_duration_since(self.next_due);
        if !self.interval.is_zero() && late > self.interval.max(CATCH_UP) {
            let missed = late.as_nanos() / self.interval.as_nanos();
            // In range: the interval is at least a millisecond, and u32::MAX of those is 49
            // days of standstill.
            let missed = u32::try_from(missed).unwrap_or(u32::MAX);
            self.next_due += self.interval * missed;
        }
        Some(self.last)
    }

    /// A request that was taken has been sent.
    pub(super) fn sent(&mut self, number: u64, now: Instant) {
        self.unanswered.push_back(Request { number, sent: now, given_up: false });
        self.waiting += 1;
    }

    /// A reply has arrived: to the oldest request without one.
    pub(super) fn answered(&mut self, now: Instant) -> Option<Answered> {
        let Request { number, sent, given_up: late } = self.unanswered.pop_front()?;
        self.waiting -= usize::from(!late);
        Some(Answered { number, round_trip: now.saturating_duration_since(sent), late })
    }

    /// Times out requests that have waited for `timeout`; returns their numbers.
    pub(super) fn expire(&mut self, now: Instant, timeout: Duration) -> Vec<u64> {
        let waited =
            |request: &&mut Request| now.saturating_duration_since(request.sent) >= timeout;
        let old = self.unanswered.iter_mut().take_while(waited);
        let expired: Vec<u64> = old
            .filter(|request| !request.given_up)
            .map(|request| {
                request.given_up = true;
                request.number
            })
            .collect();
        self.waiting -= expired.len();
        expired
    }

    /// The connection has broken; returns the numbers of pending requests.
    pub(super) fn abandon(&mut self) -> Vec<u64> {
        self.waiting = 0;
        let gone = self.unanswered.drain(..);
        gone.filter(|request| !request.given_up).map(|request| request.number).collect()
    }

    /// Time of the next event: a request or a timeout.
    pub(super) fn next_event(&self, timeout: Duration) -> Option<Instant> {
        let oldest = self.unanswered.iter().find(|request| !request.given_up);
        // A timeout that overflows never comes.
        let given_up = oldest.and_then(|oldest| oldest.sent.checked_add(timeout));
        [self.next_due(), given_up].into_iter().flatten().min()
    }

    /// Requests that were sent on this connection and have no reply.
    pub(super) fn unanswered(&self) -> usize {
        self.unanswered.len()
    }

    /// Whether all requests have ended.
    pub(super) fn is_over(&self) -> bool {
        self.count.is_some_and(|count| self.last >= count) && self.waiting == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn taken(sequence: &mut Sequence, now: Instant) -> Vec<u64> {
        std::iter::from_fn(|| sequence.take(now)).collect()
    }

    #[test]
    fn the_grid_does_not_drift_with_late_calls() {
        let start = Instant::now();
        let mut sequence = Sequence::new(100 * MS, Some(3), start);
        assert_eq!(sequence.take(start + 7 * MS), Some(1));
        assert_eq!(sequence.take(start + 99 * MS), None);
        assert_eq!(sequence.next_due(), Some(start + 100 * MS));
        assert_eq!(sequence.take(start + 133 * MS), Some(2));
        assert_eq!(sequence.next_due(), Some(start + 200 * MS));
        assert_eq!(sequence.take(start + 200 * MS), Some(3));
        assert_eq!(sequence.next_due(), None, "the count is reached");
        assert!(sequence.is_over());
    }

    #[test]
    fn a_standstill_is_no_reason_for_a_burst_and_the_grid_is_kept() {
        let start = Instant::now();
        let mut sequence = Sequence::new(100 * MS, None, start);
        assert_eq!(taken(&mut sequence, start), [1]);
        let late = taken(&mut sequence, start + 10_050 * MS);
        assert!(late.len() <= 2, "{late:?}");
        assert_eq!(sequence.next_due(), Some(start + 10_100 * MS));
    }

    #[test]
    fn without_an_interval_each_waits_for_the_one_before_it() {
        let start = Instant::now();
        let mut sequence = Sequence::new(Duration::ZERO, None, start);
        assert_eq!(sequence.take(start), Some(1));
        sequence.sent(1, start);
        assert_eq!(sequence.take(start + MS), None);
        sequence.answered(start + MS);
        assert_eq!(sequence.take(start + MS), Some(2));
        sequence.sent(2, start + MS);
        assert_eq!(sequence.expire(start + 6 * MS, 5 * MS), [2]);
        assert_eq!(sequence.take(start + 6 * MS), Some(3));
    }

    #[test]
    fn a_late_reply_is_its_own_request_s_and_not_the_next_one_s() {
        let start = Instant::now();
        let mut sequence = Sequence::new(10 * MS, Some(2), start);
        sequence.take(start);
        sequence.sent(1, start);
        assert_eq!(sequence.next_event(50 * MS), Some(start + 10 * MS));
        sequence.take(start + 10 * MS);
        sequence.sent(2, start + 10 * MS);
        assert_eq!(sequence.next_event(50 * MS), Some(start + 50 * MS));
        assert_eq!(sequence.expire(start + 49 * MS, 50 * MS), [0; 0]);
        assert_eq!(sequence.expire(start + 50 * MS, 50 * MS), [1]);
        let first = Answered { number: 1, round_trip: 55 * MS, late: true };
        assert_eq!(sequence.answered(start + 55 * MS), Some(first));
        assert!(!sequence.is_over());
        let second = Answered { number: 2, round_trip: 46 * MS, late: false };
        assert_eq!(sequence.answered(start + 56 * MS), Some(second));
        assert!(sequence.is_over());
        assert_eq!(sequence.answered(start + 57 * MS), None);
    }

    #[test]
    fn a_broken_connection_takes_with_it_what_waits() {
        let start = Instant::now();
        let mut sequence = Sequence::new(10 * MS, None, start);
        for number in 1..=3 {
            sequence.take(start + 30 * MS);
            sequence.sent(number, start + u32::try_from(number).unwrap() * MS);
        }
        assert_eq!(sequence.expire(start + 11 * MS, 10 * MS), [1]);
        assert_eq!(sequence.abandon(), [2, 3]);
        assert_eq!((sequence.unanswered(), sequence.answered(start)), (0, None));
    }
}
