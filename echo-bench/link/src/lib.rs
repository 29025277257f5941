//! An emulated network link below TCP, for tests of one machine: [`LinkSpec`] says what it does
//! to packets, [`Direction`] does it without a socket and without a clock, and [`forward`] is the
//! loop that moves packets between the two ends of [`echo_net::cable`].
//!
//! Every TCP segment crosses it as a packet of its own, so round trips, losses, a bottleneck and
//! its queue act on the kernel's TCP as those of a network do.

mod counts;
mod direction;
mod forwarder;
mod jitter;
mod preset;
mod shell;
mod spec;

pub use counts::{DirectionCounts, Lateness, LinkCounts};
pub use direction::{Direction, Dropped};
pub use forwarder::{PacketEnd, Wait, forward};
pub use preset::Preset;
pub use shell::forward_until_closed;
pub use spec::{InvalidLink, IpVersion, LinkSpec};
