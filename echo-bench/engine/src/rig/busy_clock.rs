//! How busy a generator thread is: [`BusyClock`].

use std::ops::Range;

use echo_net::Nanos;
use echo_net::clock::MILLISECOND;
use echo_net::cpu::thread_cpu_ns;

/// How often the thread's CPU clock is read.
const LOOK_EVERY: Nanos = 50 * MILLISECOND;

#[derive(Debug, Clone, Copy)]
struct Look {
    at: Nanos,
    cpu: Nanos,
    spun: Nanos,
}

/// CPU time of the calling thread within the measured window.
#[derive(Debug, Default)]
pub(super) struct BusyClock {
    first: Option<Look>,
    last: Option<Look>,
    closed: bool,
}

impl BusyClock {
    /// Reads the clock at the edges of the window and now and then within it; `spun` is how
    /// long the thread has spun so far for want of events.
    pub(super) fn observe(&mut self, now: Nanos, spun: Nanos, window: &Range<Nanos>) {
        let recent = self.last.is_some_and(|last| now < (last.at + LOOK_EVERY).min(window.end));
        if now < window.start || self.closed || recent {
            return;
        }
        let look = Look { at: now, cpu: thread_cpu_ns(), spun };
        self.first.get_or_insert(look);
        self.last = Some(look);
        self.closed = now >= window.end;
    }

    /// The share of the time in which the thread worked; `None` if it was never seen to.
    pub(super) fn share(&self) -> Option<f64> {
        let (first, last) = (self.first?, self.last?);
        let worked = (last.cpu - first.cpu).saturating_sub(last.spun - first.spun);
        (last.at > first.at).then(|| worked as f64 / (last.at - first.at) as f64)
    }
}
