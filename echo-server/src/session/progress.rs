//! Whether a peer takes the output: [`Progress`]. That the kernel accepts no more says little: its
//! send buffer holds megabytes, for which a slow reader needs minutes. So the judge is what the
//! peer has acknowledged, and it is asked only when it is due.

use echo_net::Nanos;
use echo_net::delivery::Delivery;

/// What a peer has acknowledged of the output, or, of a unix-domain socket, read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Acknowledged {
    /// A number that grows with each byte.
    pub(crate) bytes: u64,
    /// Everything that the kernel has accepted, the end included.
    pub(crate) all: bool,
}

impl Acknowledged {
    /// Of a socket that broke or does not say: waiting is useless.
    pub(crate) const ALL: Self = Self { bytes: 0, all: true };
}

impl From<Delivery> for Acknowledged {
    fn from(delivery: Delivery) -> Self {
        // Whenever the kernel has accepted more, a look begins anew.
        Self { bytes: delivery.progress(0), all: delivery.all }
    }
}

/// How many times per timeout the peer's progress is looked at.
const LOOKS: Nanos = 4;

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Progress {
    /// The last time that there was some, or that output became pending.
    at: Nanos,
    /// The last look, and what was acknowledged then.
    looked_at: Nanos,
    seen: Option<u64>,
}

impl Progress {
    /// Nothing is pending.
    pub(crate) fn new(now: Nanos) -> Self {
        Self { at: now, looked_at: now, seen: None }
    }

    /// The kernel has accepted output, or some became pending.
    #[inline]
    pub(crate) fn made(&mut self, now: Nanos) {
        self.at = now;
        self.seen = None;
    }

    /// When to look next, if the peer may make none for `timeout`.
    #[inline]
    pub(crate) fn look_at(&self, timeout: Nanos) -> Nanos {
        let next = self.at.max(self.looked_at).saturating_add((timeout / LOOKS).max(1));
        next.min(self.at.saturating_add(timeout))
    }

    /// Looks at it: whether the peer has made none for `timeout`.
    pub(crate) fn has_stalled(
        &mut self,
        now: Nanos,
        timeout: Nanos,
        acknowledged: u64,
    ) -> bool {
        if self.has_grown(now, acknowledged) == Some(true) {
            self.at = now;
        }
        now >= self.at.saturating_add(timeout)
    }

    /// Whether more is acknowledged than at the last look; `None` if this is the first.
    pub(crate) fn has_grown(&mut self, now: Nanos, acknowledged: u64) -> Option<bool> {
        self.looked_at = now;
        let before = self.seen.replace(acknowledged);
        before.map(|before| acknowledged > before)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Looks whenever it is due, until it has stalled or `end`.
    fn stalled_at(
        mut progress: Progress,
        end: Nanos,
        acknowledged: impl Fn(Nanos) -> u64,
    ) -> Nanos {
        loop {
            let now = progress.look_at(100);
            if now >= end || progress.has_stalled(now, 100, acknowledged(now)) {
                return now;
            }
        }
    }

    #[test]
    fn a_peer_that_acknowledges_nothing_has_stalled_exactly_after_the_timeout() {
        assert_eq!(stalled_at(Progress::new(7), 10_000, |_| 500), 107);
        let mut progress = Progress::new(0);
        progress.made(50);
        assert_eq!(stalled_at(progress, 10_000, |_| 500), 150);
    }

    #[test]
    fn one_that_acknowledges_a_little_has_not() {
        assert_eq!(stalled_at(Progress::new(0), 10_000, |now| now / 90), 10_000);
        let ended = stalled_at(Progress::new(0), 10_000, |now| now.min(1000));
        assert!((1100..1130).contains(&ended), "{ended}");
    }
}
