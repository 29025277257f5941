//! The clocks that the view shows, one at a time: [`Clock`].

use echo_bench_engine::record::{Interval, Latency};
use strum::{Display, EnumCount, VariantArray};

/// See the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Display, EnumCount, VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub(super) enum Clock {
    /// From the due instant to the reply.
    #[default]
    Response,
    /// From the write to the reply.
    Service,
    /// From the due instant to the write.
    Wait,
    /// How late requests were written by the generator's own fault.
    Lateness,
}

impl Clock {
    /// What it is from and to.
    pub(super) fn span(self) -> &'static str {
        match self {
            Self::Response => "due instant to reply",
            Self::Service => "write to reply",
            Self::Wait => "due instant to write",
            Self::Lateness => "due instant to write, generator's fault",
        }
    }

    /// Its values in an interval; none of an open loop's in a closed loop.
    pub(super) fn of(self, interval: &Interval) -> Option<&Latency> {
        let open = interval.latencies.open.as_deref();
        match self {
            Self::Response => Some(&interval.latencies.response),
            Self::Service => open.map(|open| &open.service),
            Self::Wait => open.map(|open| &open.wait),
            Self::Lateness => open.map(|open| &open.lateness),
        }
    }

    /// The clock after it.
    pub(super) fn next(self) -> Self {
        let place = (self as usize + 1) % Self::COUNT;
        Self::VARIANTS.get(place).copied().unwrap_or_default()
    }
}
