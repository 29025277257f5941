//! Who is told how a run goes: [`Observer`].

use echo_net::Nanos;

use crate::handshakes::Handshakes;
use crate::record::{Interval, Latency};

/// Hears how a run goes, while it goes.
pub trait Observer {
    /// The connections are made, as far as they can be.
    fn connected(&mut self, connected: &Connected<'_>);
    /// An interval is whole.
    fn interval(&mut self, interval: &Interval);
}

/// For who does not care how a run goes.
impl Observer for () {
    fn connected(&mut self, _connected: &Connected<'_>) {}
    fn interval(&mut self, _interval: &Interval) {}
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
