//! What a simulated network does to connections: [`Conditions`], and how often each [`Fault`]
//! occurred: [`Faults`].

use std::fmt;
use std::ops::AddAssign;

use strum::VariantArray as _;

use crate::Nanos;
use crate::clock::MILLISECOND;

/// Properties of a simulated network. Odds are "once in so many"; 0 is never.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Conditions {
    /// Least delay of a segment in one direction.
    pub delay: Nanos,
    /// Maximum random extra delay.
    pub jitter: Nanos,
    /// Maximum bytes per segment; each has a random length up to it.
    pub segment: usize,
    /// Capacity in bytes of each socket's send buffer.
    pub send_buffer: usize,
    /// Capacity in bytes of each socket's receive buffer.
    pub receive_buffer: usize,
    /// Odds, per segment, that it and all behind it are late by `stall`.
    pub stalls: u64,
    /// See `stalls`.
    pub stall: Nanos,
    /// Odds, per segment, that both ends get a reset instead of it.
    pub resets: u64,
    /// Odds, per segment, that its direction ends after it, as by a middlebox.
    pub half_closes: u64,
    /// Odds, per connection attempt, that it is refused.
    pub refusals: u64,
    /// Odds, per connection attempt, that nothing answers it.
    pub unanswered: u64,
    /// Odds, per connection attempt, that there is no socket for it.
    pub no_sockets: u64,
    /// Odds, per accepted connection, that accepting fails first.
    pub accept_failures: u64,
    /// Odds, per advance of the clock, that it jumps ahead by `jump`, as after a suspension.
    pub jumps: u64,
    /// See `jumps`.
    pub jump: Nanos,
}

impl Conditions {
    /// A network on which nothing goes wrong.
    pub const FAIR: Self = Self {
        delay: MILLISECOND / 20,
        jitter: 0,
        segment: usize::MAX,
        send_buffer: 1 << 20,
        receive_buffer: 1 << 20,
        stalls: 0,
        stall: 100 * MILLISECOND,
        resets: 0,
        half_closes: 0,
        refusals: 0,
        unanswered: 0,
        no_sockets: 0,
        accept_failures: 0,
        jumps: 0,
        jump: 100 * MILLISECOND,
    };
}

/// What can go wrong on a simulated network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::VariantArray)]
#[strum(serialize_all = "kebab-case")]
pub enum Fault {
    /// A send was split, since the send buffer was full.
    FullSendBuffer,
    /// Bytes waited, since the receive buffer was full.
    FullReceiveBuffer,
    /// Bytes sent together arrived in pieces.
    Split,
    /// A segment was late.
    Stall,
    /// A connection was reset.
    Reset,
    /// One direction of a connection was ended.
    HalfClose,
    /// A connection attempt was refused.
    Refusal,
    /// A connection attempt was not answered.
    Unanswered,
    /// There was no socket for a connection attempt.
    NoSocket,
    /// Accepting a connection failed.
    AcceptFailure,
    /// The clock jumped ahead.
    Jump,
}

/// How often each fault occurred.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Faults([u64; Fault::VARIANTS.len()]);

impl Faults {
    /// Counts one.
    pub fn count(&mut self, fault: Fault) {
        self.0[fault as usize] += 1;
    }

    /// How often `fault` occurred.
    pub fn of(&self, fault: Fault) -> u64 {
        self.0[fault as usize]
    }
}

impl AddAssign for Faults {
    fn add_assign(&mut self, more: Self) {
        for (sum, more) in self.0.iter_mut().zip(more.0) {
            *sum += more;
        }
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, fault) in Fault::VARIANTS.iter().enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            write!(f, "{comma}{} {fault}", self.of(*fault))?;
        }
        Ok(())
    }
}
