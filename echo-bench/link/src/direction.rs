//! What one direction of a link does to packets: [`Direction`]. It moves no bytes and reads no
//! clock: it is told when a packet arrives, and says when which is due.
//!
//! A packet that arrives waits for those before it, takes its size by the rate to be sent, and
//! then the delay to the other end. One that finds the queue full is dropped. One that is lost by
//! chance is lost on the way: it takes its time on the link as any other.

use std::collections::VecDeque;

use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

use echo_net::Nanos;

use crate::counts::DirectionCounts;
use crate::jitter::Jitter;
use crate::spec::LinkSpec;

/// Most memory of packets on the way, whatever the link: more are dropped as by a full queue.
const MOST_ON_THE_WAY: u64 = 256 << 20;

/// Memory that a packet takes at least.
const LEAST_MEMORY: u32 = 2048;

/// Picoseconds in a nanosecond. A byte at 1000 Gbit/s takes 8 ps.
const PICOS: u128 = 1_000;

/// Bits of a byte x picoseconds of a second.
const BYTE_PICOS: u128 = 8 * 1_000_000_000_000;

/// A packet that does not arrive at the other end; its buffer is given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped<P> {
    /// By chance.
    Lost(P),
    /// The queue was full.
    Full(P),
}

/// See the module.
#[derive(Debug)]
pub struct Direction<P> {
    spec: LinkSpec,
    /// One number a packet, whatever becomes of it, so that the fate of the n-th is that of its
    /// number alone.
    losses: Xoshiro256PlusPlus,
    jitter: Jitter,
    /// When the last packet that was taken has been sent, in picoseconds: at a high rate a
    /// nanosecond would be too coarse to add up.
    free_ps: u128,
    /// Packets are not reordered, not even by the rounding of jitter.
    last_due: Nanos,
    on_the_way: VecDeque<OnTheWay<P>>,
    bytes_on_the_way: u64,
    counts: DirectionCounts,
}

#[derive(Debug)]
struct OnTheWay<P> {
    due: Nanos,
    size: u32,
    packet: P,
}

impl<P> Direction<P> {
    /// A direction without a packet. The same seed loses the same packets.
    pub fn new(spec: LinkSpec, seed: u64) -> Self {
        Self {
            spec,
            losses: Xoshiro256PlusPlus::seed_from_u64(seed),
            jitter: Jitter::new(spec.jitter_ns(), seed),
            free_ps: 0,
            last_due: 0,
            on_the_way: VecDeque::new(),
            bytes_on_the_way: 0,
            counts: DirectionCounts::default(),
        }
    }

    /// Takes a packet of `size` bytes that arrived at `now`; when it is due at the other end.
    ///
    /// # Errors
    /// The packet, if it is dropped.
    pub fn offer(&mut self, now: Nanos, size: u32, packet: P) -> Result<Nanos, Dropped<P>> {
        self.counts.packets += 1;
        self.counts.bytes += u64::from(size);
        let is_lost =
            self.losses.random_range(0..1_000_000_000) < self.spec.loss().billionths();
        if !self.has_room(now, size) {
            self.counts.dropped_queue_full += 1;
            return Err(Dropped::Full(packet));
        }
        let sent_ps = self.send(now, size);
        if is_lost {
            self.counts.lost += 1;
            return Err(Dropped::Lost(packet));
        }
        let sent = u64::try_from(sent_ps.div_ceil(PICOS)).unwrap_or(u64::MAX);
        let due = self.jitter.delayed(sent, self.spec.delay_ns()).max(self.last_due);
        self.last_due = due;
        self.bytes_on_the_way += memory(size);
        self.on_the_way.push_back(OnTheWay { due, size, packet });
        Ok(due)
    }

    /// Whether a packet may wait for the link. An idle link takes any.
    fn has_room(&self, now: Nanos, size: u32) -> bool {
        if self.bytes_on_the_way + memory(size) > MOST_ON_THE_WAY {
            return false;
        }
        let (Some(rate), Some(queue)) = (self.spec.rate(), self.spec.queue_bytes()) else {
            return true;
        };
        let waiting_ps = self.free_ps.saturating_sub(u128::from(now) * PICOS);
        let waiting = (waiting_ps * u128::from(rate.per_second())).div_ceil(BYTE_PICOS);
        waiting == 0 || waiting + u128::from(size) <= u128::from(queue)
    }

    /// When the last bit of a packet has left, in picoseconds.
    fn send(&mut self, now: Nanos, size: u32) -> u128 {
        let begin = self.free_ps.max(u128::from(now) * PICOS);
        let Some(rate) = self.spec.rate() else { return begin };
        self.free_ps = begin + u128::from(size) * BYTE_PICOS / u128::from(rate.per_second());
        self.free_ps
    }

    /// When the next packet is due.
    pub fn next_due(&self) -> Option<Nanos> {
        self.on_the_way.front().map(|first| first.due)
    }

    /// The next packet, if it is due by `now`, and when it was due.
    pub fn take(&mut self, now: Nanos) -> Option<(P, Nanos)> {
        if self.next_due()? > now {
            return None;
        }
        let OnTheWay { due, size, packet } = self.on_the_way.pop_front()?;
        self.bytes_on_the_way -= memory(size);
        self.counts.delivered += 1;
        Some((packet, due))
    }

    /// The packet that was taken last could not be sent.
    pub fn fail(&mut self) {
        self.counts.delivered = self.counts.delivered.saturating_sub(1);
    }

    /// What became of packets so far.
    pub fn counts(&self) -> DirectionCounts {
        self.counts
    }
}

/// The memory that a packet of `size` bytes takes.
fn memory(size: u32) -> u64 {
    size.max(LEAST_MEMORY).into()
}

#[cfg(test)]
mod tests;
