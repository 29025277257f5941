//! Response times: [`ResponseTimes`], a histogram per worker, and [`ResponseTimer`], which
//! selects the reads that are timed.
//!
//! The response time of a message is the time from when the read that completed it returned
//! until its reply was handed to the kernel, or queued where the kernel accepts no more. Timing
//! every read would cost about 1 % of a message, so on average one read in 16 is timed, at
//! random, and stands for all messages since the one before. A worker's first reads are all
//! timed, so that a server with few messages has response times too. A thread that ends leaves
//! its state to the next one of the same worker: it may serve a single short connection.

use std::ops::AddAssign;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use echo_metrics::Times;
use echo_net::{Nanos, clock};

/// Upper bounds of the buckets, 1 us to 10 s; one more bucket has no bound.
pub(crate) const BOUNDS: [Nanos; 22] = [
    1_000,
    2_000,
    5_000,
    10_000,
    20_000,
    50_000,
    100_000,
    200_000,
    500_000,
    1_000_000,
    2_000_000,
    5_000_000,
    10_000_000,
    20_000_000,
    50_000_000,
    100_000_000,
    200_000_000,
    500_000_000,
    1_000_000_000,
    2_000_000_000,
    5_000_000_000,
    10_000_000_000,
];

const BUCKETS: usize = BOUNDS.len() + 1;

/// Reads of a worker that are all timed.
const FIRST: u32 = 64;

/// A histogram that is updated without a lock.
#[derive(Debug, Default)]
pub(crate) struct ResponseTimes {
    messages: [AtomicU64; BUCKETS],
    sum_ns: AtomicU64,
    /// The timer of threads that have ended.
    left: Mutex<ResponseTimer>,
}

impl ResponseTimes {
    /// The timer of a thread that begins; it goes on where others have [left](Self::leave) off.
    pub(crate) fn begin(&self) -> ResponseTimer {
        let mut left = self.left();
        let begun = left.clone();
        left.messages = 0;
        // Threads at the same time time different reads.
        left.draw();
        begun
    }

    /// A thread ends, or goes on with another worker.
    pub(crate) fn leave(&self, timer: &ResponseTimer) {
        let mut left = self.left();
        left.messages += timer.messages;
        left.skip = timer.skip;
        left.first = left.first.min(timer.first);
    }

    fn left(&self) -> MutexGuard<'_, ResponseTimer> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a timed read.
    pub(crate) fn add(&self, timed: Timed) {
        let Timed { time, messages } = timed;
        let bucket = BOUNDS.partition_point(|&bound| bound < time);
        self.messages[bucket].fetch_add(messages, Ordering::Relaxed);
        self.sum_ns.fetch_add(time.saturating_mul(messages), Ordering::Relaxed);
    }

    /// The times so far.
    pub(crate) fn read(&self) -> Distribution {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Distribution {
            messages: self.messages.each_ref().map(read),
            sum_ns: read(&self.sum_ns),
        }
    }
}

/// A histogram that was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Distribution {
    messages: [u64; BUCKETS],
    sum_ns: u64,
}

impl Distribution {
    /// Messages in all buckets.
    pub(crate) fn count(&self) -> u64 {
        self.messages.iter().sum()
    }

    /// The same for an endpoint.
    pub(crate) fn times(&self) -> Times {
        Times { sum_ns: self.sum_ns as f64, buckets: self.buckets().collect() }
    }

    /// The mean response time; `None` without messages.
    pub(crate) fn mean_ns(&self) -> Option<u64> {
        self.sum_ns.checked_div(self.count())
    }

    /// Each bucket: its upper bound, `None` for the last, and its messages.
    pub(crate) fn buckets(&self) -> impl Iterator<Item = (Option<Nanos>, u64)> {
        let bounds = BOUNDS.into_iter().map(Some).chain([None]);
        bounds.zip(self.messages)
    }
}

impl AddAssign for Distribution {
    fn add_assign(&mut self, more: Self) {
        for (messages, more) in self.messages.iter_mut().zip(more.messages) {
            *messages += more;
        }
        self.sum_ns += more.sum_ns;
    }
}

/// A read that was timed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timed {
    /// From its return to its last reply.
    pub(crate) time: Nanos,
    /// The messages that it stands for.
    pub(crate) messages: u64,
}

/// Selects the reads of a thread that are timed.
#[derive(Debug, Clone)]
pub(crate) struct ResponseTimer {
    /// Reads left before the next one that is timed.
    skip: u32,
    /// Messages since the last one.
    messages: u64,
    /// How many of the first reads are left.
    first: u32,
    /// State of the xorshift generator (Marsaglia 2003), never 0. Fixed steps could fall in
    /// with a pattern of the connections.
    random: u32,
}

impl Default for ResponseTimer {
    fn default() -> Self {
        Self { skip: 0, messages: 0, first: FIRST, random: 0x9e37_79b9 }
    }
}

impl ResponseTimer {
    /// A read has returned; the time, if it is timed.
    #[inline]
    pub(crate) fn begin(&self) -> Option<Nanos> {
        (self.skip == 0).then(clock::now)
    }

    /// The replies to that read are sent: so many `messages`.
    #[inline]
    pub(crate) fn end(&mut self, began: Option<Nanos>, messages: u64) -> Option<Timed> {
        self.messages += messages;
        match began {
            None => {
                self.skip = self.skip.saturating_sub(1);
                None
            }
            // Part of a message; the read that completes it is timed instead.
            Some(_) if messages == 0 => None,
            Some(began) => Some(self.timed(began)),
        }
    }

    fn timed(&mut self, began: Nanos) -> Timed {
        self.first = self.first.saturating_sub(1);
        if self.first == 0 {
            self.draw();
        }
        let time = clock::now().saturating_sub(began);
        Timed { time, messages: std::mem::take(&mut self.messages) }
    }

    /// Draws how many reads are not timed, once the first ones are over.
    fn draw(&mut self) {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        if self.first == 0 {
            // 0 to 30, 15 on average.
            self.skip = self.random % 31;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_serve_a_few_reads_each_are_one_sample_and_lose_no_message() {
        let shared = ResponseTimes::default();
        let (mut sampled, threads, reads) = (0, 2000, 5);
        for _ in 0..threads {
            let mut timer = shared.begin();
            for _ in 0..reads {
                let read = timer.end(timer.begin(), 1);
                sampled += u64::from(read.is_some());
                if let Some(read) = read {
                    shared.add(read);
                }
            }
            shared.leave(&timer);
        }
        let all = threads * reads;
        let count = shared.read().count();
        assert!((all - 31..=all).contains(&count), "{count} of {all}");
        let expected = u64::from(FIRST) + all / 16;
        assert!(
            (expected / 2..expected * 2).contains(&sampled),
            "{sampled} of {all} were timed"
        );
    }

    #[test]
    fn a_time_falls_into_the_bucket_that_ends_at_or_above_it() {
        let times = ResponseTimes::default();
        for time in [0, 1_000, 1_001, 10_000_000_000, 10_000_000_001, Nanos::MAX] {
            times.add(Timed { time, messages: 1 });
        }
        let read = times.read();
        let filled: Vec<_> = read.buckets().filter(|(_, messages)| *messages > 0).collect();
        assert_eq!(
            filled,
            [(Some(1_000), 2), (Some(2_000), 1), (Some(10_000_000_000), 1), (None, 2)]
        );
        assert_eq!(read.count(), 6);
    }

    #[test]
    fn the_mean_is_that_of_messages_over_all_workers() {
        let mut all = Distribution::default();
        assert_eq!(all.mean_ns(), None);
        for timed in [Timed { time: 100, messages: 3 }, Timed { time: 500, messages: 1 }] {
            let worker = ResponseTimes::default();
            worker.add(timed);
            all += worker.read();
        }
        assert_eq!(all.mean_ns(), Some(200));
    }

    #[test]
    fn the_first_reads_are_all_timed_and_then_one_in_16() {
        let mut timer = ResponseTimer::default();
        let (mut reads, mut messages) = (0, 0);
        let mut read = |timer: &mut ResponseTimer| {
            let began = timer.begin();
            if let Some(read) = timer.end(began, 2) {
                reads += 1;
                messages += read.messages;
            }
            (reads, messages)
        };
        for number in 1..u64::from(FIRST) {
            assert_eq!(read(&mut timer), (number, 2 * number));
        }
        let (before, _) = read(&mut timer);
        for _ in 0..16_000 {
            read(&mut timer);
        }
        let (reads, messages) = read(&mut timer);
        assert!((900..1100).contains(&(reads - before)), "{reads}");
        assert!((32_000 + 64..=32_000 + 130).contains(&messages), "{messages}");
    }

    #[test]
    fn a_read_without_a_complete_message_is_no_response() {
        let mut timer = ResponseTimer::default();
        let began = timer.begin();
        assert!(began.is_some());
        assert_eq!(timer.end(began, 0), None);
        let began = timer.begin();
        assert_eq!(timer.end(began, 1).map(|timed| timed.messages), Some(1));
    }
}
