//! Who is told how a run goes: [`Observer`].

use echo_net::Nanos;

use crate::handshakes::Handshakes;
use crate::pulse::Beat;
use crate::record::{Interval, Latency, Packed};

/// Hears how a run goes, while it goes.
pub trait Observer {
    /// The connections are made, as far as they can be.
    fn connected(&mut self, connected: &Connected<'_>);
    /// When the load is to begin, now that the connections are made; at once unless it says
    /// otherwise. An instant of the past is at once.
    fn begins_at(&mut self) -> Nanos {
        0
    }
    /// An interval is over, after so long: the last one may be shorter than planned. How long that
    /// was is not known where a number of requests has ended it: the last reply may have come long
    /// before.
    fn interval(&mut self, interval: &Interval, lasted_ns: Option<Nanos>);
    /// How the run stands, ten times a second from its first connection on. It is told on the
    /// thread that gathers, which no request waits for.
    fn beat(&mut self, _beat: &Beat) {}
    /// Whether enough is known after an interval, so that the window may end with the next. It
    /// is asked on the thread that gathers, which no request waits for.
    fn is_enough(&mut self, _so_far: &SoFar<'_>) -> bool {
        false
    }
}

/// The measured window so far.
#[derive(Debug, Clone, Copy)]
pub struct SoFar<'a> {
    /// Its length: a whole number of intervals.
    pub measured_ns: Nanos,
    /// Response latencies.
    pub response: &'a Latency,
    /// The same in pieces of the window, in order.
    pub pieces: &'a [Packed],
}

/// For who does not care how a run goes.
impl Observer for () {
    fn connected(&mut self, _connected: &Connected<'_>) {}
    fn interval(&mut self, _interval: &Interval, _lasted_ns: Option<Nanos>) {}
}

/// The connections that a load begins with.
#[derive(Debug, Clone, Copy)]
pub struct Connected<'a> {
    /// How many were made.
    pub established: u32,
    /// From the first attempt until all were made or had failed.
    pub phase_ns: Nanos,
    /// Time to make each.
    pub connect: &'a Latency,
    /// Their TLS handshakes.
    pub handshakes: &'a Handshakes,
}
