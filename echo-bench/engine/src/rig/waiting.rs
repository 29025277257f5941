//! How long a generator thread waits, and how: [`Waiting`].

use echo_net::Nanos;

use crate::plan::IdleStrategy;

/// How long before a due instant a hybrid wait stops sleeping: longer than the kernel takes
/// to wake a thread.
const SPIN_BEFORE_DUE: Nanos = 100_000;

/// A wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Waiting {
    /// When it ends at the latest; 0 only looks.
    pub(super) until: Nanos,
    /// Whether the thread does not sleep.
    pub(super) spins: bool,
}

impl Waiting {
    /// Until the next request is `due`, or one of the `edges` is reached that are still to
    /// come, or `latest`.
    pub(super) fn new(
        idle: IdleStrategy,
        now: Nanos,
        due: Option<Nanos>,
        edges: &[Nanos],
        latest: Nanos,
    ) -> Self {
        // An edge that has passed must not keep the thread awake.
        let edges = edges.iter().copied().filter(|&edge| edge > now);
        let mut until = edges.fold(latest, Nanos::min);
        let spins = match (idle, due) {
            (IdleStrategy::Spin, _) => true,
            (IdleStrategy::Hybrid, Some(due)) => {
                until = until.min(due.saturating_sub(SPIN_BEFORE_DUE));
                until <= now
            }
            (_, due) => {
                until = until.min(due.unwrap_or(until));
                false
            }
        };
        Self { until: if spins { 0 } else { until }, spins }
    }
}
