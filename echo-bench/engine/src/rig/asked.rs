//! A request as the rig sees it, [`Asked`], and the ways in which it ends without success,
//! [`Ending`].

use echo_net::Nanos;

use crate::record::Tally;

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Asked {
    /// When it was due; in a closed loop, when it was written.
    pub(crate) intended: Nanos,
    /// From when on nothing but the generator held it up: when it was due, or when its slot
    /// became free, if that was later.
    pub(crate) ready: Nanos,
    /// When it was written, if it was.
    pub(crate) written: Option<Nanos>,
    /// Whether it belongs to the measured window.
    pub(crate) measured: bool,
}

impl Asked {
    /// How long it was held up by the generator alone, as of `at` if it was not written.
    pub(super) fn late(&self, at: Nanos) -> Nanos {
        self.written.unwrap_or(at).saturating_sub(self.ready)
    }
}

/// Successful replies to one actor whose requests were due and written at one instant.
#[derive(Debug, Clone, Copy)]
pub(super) struct Alike {
    pub(super) actor: u32,
    pub(super) asked: Asked,
    pub(super) at: Nanos,
    pub(super) count: u64,
}

/// How a request ends without success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    /// Answered, and not with its own reply.
    Mismatch,
    /// Never answered, as far as can be told: a later one was answered in its place, or what
    /// came is no reply.
    Unmatched,
    /// Answered with an error of the protocol.
    Error,
    /// Not answered in time.
    Timeout,
    /// Lost with a connection that broke.
    Reset,
    /// Never sent: its connection could not be made.
    Refused,
    /// Lost with a connection that the server closed.
    Closed,
    /// Never sent: no slot became free.
    Unsent,
    /// Not answered when the drain ended.
    InFlight,
}

impl Ending {
    pub(super) fn count(self, tally: &mut Tally) -> &mut u64 {
        match self {
            Self::Mismatch | Self::Unmatched => &mut tally.mismatch,
            Self::Error => &mut tally.error,
            Self::Timeout => &mut tally.timeout,
            Self::Reset => &mut tally.reset,
            Self::Refused => &mut tally.refused,
            Self::Closed => &mut tally.closed,
            Self::Unsent => &mut tally.unsent,
            Self::InFlight => &mut tally.in_flight,
        }
    }

    /// Whether a reply came. It was no success, so its latency says nothing about successes;
    /// a request without a reply enters the percentiles with its age, as a lower bound.
    pub(super) fn was_answered(self) -> bool {
        matches!(self, Self::Mismatch | Self::Error)
    }
}
