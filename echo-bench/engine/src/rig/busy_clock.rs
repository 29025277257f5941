//! How busy a generator thread is, and how long it was kept from working: [`BusyClock`].

use std::collections::BTreeSet;
use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;

use echo_net::Nanos;
use echo_net::clock::MILLISECOND;
use echo_net::cpu::thread_cpu_ns;

/// How often the thread's accounts are read.
const LOOK_EVERY: Nanos = 50 * MILLISECOND;

/// A wait that ends so much later than it was to end was not the timer's imprecision.
const OVERSLEPT: Nanos = 10 * MILLISECOND;

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Nanos,
    cpu: Nanos,
    spun: Nanos,
    /// How long the thread was ready to run and did not.
    delayed: Option<Nanos>,
}

/// The time of the calling thread within the measured window.
#[derive(Debug, Default)]
pub(super) struct BusyClock {
    first: Option<Look>,
    last: Option<Look>,
    closed: bool,
    /// The kernel's account of the thread's waits for a CPU; `None` where it keeps none.
    schedstat: Option<File>,
    /// How long the thread stood still although it was neither asleep by its own wish, nor
    /// running, nor queued for a CPU: stopped by a signal, or with the whole machine.
    frozen: Nanos,
    /// The CPUs that it was seen on.
    cpus: BTreeSet<usize>,
}

impl BusyClock {
    /// Of the calling thread.
    pub(super) fn new() -> Self {
        Self { schedstat: File::open("/proc/thread-self/schedstat").ok(), ..Self::default() }
    }

    /// Reads the accounts at the edges of the window and now and then within it; `spun` is how
    /// long the thread has spun so far for want of events.
    pub(super) fn observe(&mut self, now: Nanos, spun: Nanos, window: &Range<Nanos>) {
        let recent = self.last.is_some_and(|last| now < (last.at + LOOK_EVERY).min(window.end));
        if now < window.start || self.closed || recent {
            return;
        }
        let look = self.look(now, spun);
        self.cpus.insert(rustix::thread::sched_getcpu());
        self.first.get_or_insert(look);
        self.last = Some(look);
        self.closed = now >= window.end;
    }

    /// A wait that was to end at `until` has ended by `now`.
    #[inline]
    pub(super) fn waited(&mut self, until: Nanos, now: Nanos) {
        if now > until.saturating_add(OVERSLEPT) {
            self.overslept(now - until, now);
        }
    }

    #[cold]
    fn overslept(&mut self, beyond: Nanos, now: Nanos) {
        let Some(before) = self.last.filter(|_| !self.closed) else { return };
        let look = self.look(now, before.spun);
        // It may have worked through a long batch of events, or waited for a CPU.
        let explained = look.cpu.saturating_sub(before.cpu)
            + look
                .delayed
                .zip(before.delayed)
                .map_or(0, |(now, then)| now.saturating_sub(then));
        self.frozen += beyond.saturating_sub(explained);
    }

    /// The CPUs that the thread was seen on.
    pub(super) fn cpus(&self) -> Vec<usize> {
        self.cpus.iter().copied().collect()
    }

    fn look(&self, at: Nanos, spun: Nanos) -> Look {
        Look { at, cpu: thread_cpu_ns(), spun, delayed: self.delayed() }
    }

    /// Nanoseconds on the run queue without running: the second number of schedstat
    /// (Documentation/scheduler/sched-stats.rst).
    fn delayed(&self) -> Option<Nanos> {
        let mut text = [0; 64];
        let length = self.schedstat.as_ref()?.read_at(&mut text, 0).ok()?;
        let text = std::str::from_utf8(&text[..length]).ok()?;
        text.split_ascii_whitespace().nth(1)?.parse().ok()
    }

    /// The share of the time in which the thread worked; `None` if it was never seen to.
    pub(super) fn share(&self) -> Option<f64> {
        let (first, last) = (self.first?, self.last?);
        let worked = (last.cpu - first.cpu).saturating_sub(last.spun - first.spun);
        (last.at > first.at).then(|| worked as f64 / (last.at - first.at) as f64)
    }

    /// The share of the time in which the thread wanted to run and did not: it was queued for
    /// a CPU, out of its quota, or stopped.
    pub(super) fn denied_share(&self) -> Option<f64> {
        let (first, last) = (self.first?, self.last?);
        let queued = last.delayed.zip(first.delayed).map(|(last, first)| last - first);
        // The kernel counts a wait when it ends: one that began before the first look is in it whole.
        let denied = (queued.unwrap_or(0) + self.frozen).min(last.at - first.at);
        (last.at > first.at).then(|| denied as f64 / (last.at - first.at) as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_that_is_stopped_is_seen_to_stand_still() {
        let mut clock = BusyClock::new();
        let window = 1000..2_000_000_000;
        clock.observe(1000, 0, &window);
        clock.waited(50_000_000, 50_100_000);
        assert!(clock.frozen == 0, "the timer's imprecision");
        clock.waited(100_000_000, 900_000_000);
        clock.observe(1_000_001_000, 0, &window);
        let denied = clock.denied_share().unwrap();
        assert!((0.7..0.9).contains(&denied), "{denied}");
    }
}
