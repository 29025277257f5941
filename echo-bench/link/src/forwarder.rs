//! The loop that moves packets from each end of a link to the other when they are due:
//! [`forward`]. What packets come from and go to is behind [`PacketEnd`], so that it runs on
//! scripted ends and a manual clock, too.

use std::io;

use echo_net::Nanos;
use hdrhistogram::Histogram;

use crate::counts::{Lateness, LinkCounts};
use crate::direction::{Direction, Dropped};
use crate::spec::LinkSpec;

/// Most packets that are read of one end before the other has its turn.
const BATCH: usize = 64;

/// Room for a packet with its Ethernet header.
const LONGEST: usize = 2048;

/// Maximum of the lateness histogram, in nanoseconds: one minute. Larger values are recorded as it.
const LATEST: Nanos = 60_000_000_000;

/// One end of a link: where packets enter it and leave it.
pub trait PacketEnd {
    /// Reads a packet if there is one: its length, and when it arrived.
    ///
    /// # Errors
    /// `WouldBlock` if there is none; else why nothing can be read any more.
    fn receive(&mut self, buffer: &mut [u8]) -> io::Result<(usize, Nanos)>;

    /// Sends a packet.
    ///
    /// # Errors
    /// When it can't be sent.
    fn send(&mut self, packet: &[u8]) -> io::Result<()>;

    /// Packets that were lost before they could be read, since the last call.
    fn overrun(&mut self) -> u64;
}

/// The clock, and how to wait.
pub trait Wait<E> {
    /// The present instant.
    fn now(&mut self) -> Nanos;

    /// Waits until an end has packets, or until `until`; `false` once the link should stop.
    ///
    /// # Errors
    /// When it can't wait.
    fn wait(&mut self, ends: [&E; 2], until: Option<Nanos>) -> io::Result<bool>;
}

/// Moves packets until the end is asked for. `ends` are the generator's and the server's.
///
/// # Errors
/// When an end can't be read, or waiting fails.
pub fn forward<E: PacketEnd>(
    spec: LinkSpec,
    seed: u64,
    ends: [E; 2],
    wait: &mut impl Wait<E>,
) -> io::Result<LinkCounts> {
    let mut forwarder = Forwarder::new(spec, seed, ends)?;
    let begin = wait.now();
    loop {
        forwarder.deliver(wait);
        let is_more = forwarder.collect()?;
        forwarder.deliver(wait);
        let until = if is_more { Some(0) } else { forwarder.next_due() };
        if !wait.wait([&forwarder.ends[0], &forwarder.ends[1]], until)? {
            break;
        }
    }
    let elapsed_ns = wait.now().saturating_sub(begin);
    Ok(LinkCounts { elapsed_ns, ..forwarder.counts() })
}

struct Forwarder<E> {
    ends: [E; 2],
    /// From the first end to the second, and back.
    directions: [Direction<Vec<u8>>; 2],
    /// Buffers without a packet. They grow to the most that were ever on the way.
    free: Vec<Vec<u8>>,
    late: Histogram<u64>,
    lost: u64,
}

impl<E: PacketEnd> Forwarder<E> {
    fn new(spec: LinkSpec, seed: u64, ends: [E; 2]) -> io::Result<Self> {
        // Each direction has numbers of its own.
        let directions = [Direction::new(spec, seed), Direction::new(spec, !seed)];
        let late = Histogram::new_with_max(LATEST, 3).map_err(io::Error::other)?;
        Ok(Self { ends, directions, free: Vec::new(), late, lost: 0 })
    }

    /// Sends what is due.
    fn deliver(&mut self, clock: &mut impl Wait<E>) {
        for (direction, to) in self.directions.iter_mut().zip([1, 0]) {
            // Most of the time there is nothing, and the clock need not be read.
            while direction.next_due().is_some() {
                let now = clock.now();
                let Some((packet, due)) = direction.take(now) else { break };
                self.late.saturating_record(now.saturating_sub(due));
                if self.ends[to].send(&packet).is_err() {
                    direction.fail();
                    self.lost += 1;
                }
                self.free.push(packet);
            }
        }
    }

    /// Reads what has arrived; whether there may be more.
    fn collect(&mut self) -> io::Result<bool> {
        let mut is_more = false;
        for (end, direction) in self.ends.iter_mut().zip(&mut self.directions) {
            let mut count = 0;
            while count < BATCH {
                let mut packet = self.free.pop().unwrap_or_default();
                packet.resize(LONGEST, 0);
                let (length, at) = match end.receive(&mut packet) {
                    Ok(received) => received,
                    Err(error) => {
                        self.free.push(packet);
                        if error.kind() == io::ErrorKind::WouldBlock {
                            break;
                        }
                        return Err(error);
                    }
                };
                count += 1;
                packet.truncate(length);
                let Some(size) = counted_bytes(&packet) else {
                    self.free.push(packet);
                    continue;
                };
                if let Err(Dropped::Lost(packet) | Dropped::Full(packet)) =
                    direction.offer(at, size, packet)
                {
                    self.free.push(packet);
                }
            }
            is_more |= count == BATCH;
        }
        Ok(is_more)
    }

    fn next_due(&self) -> Option<Nanos> {
        self.directions.iter().filter_map(Direction::next_due).min()
    }

    fn counts(&mut self) -> LinkCounts {
        let overrun: u64 = self.ends.iter_mut().map(PacketEnd::overrun).sum();
        LinkCounts {
            to_server: self.directions[0].counts(),
            to_generator: self.directions[1].counts(),
            lost_by_forwarder: self.lost + overrun,
            lateness: Lateness::of(&self.late),
            ..LinkCounts::default()
        }
    }
}

/// The bytes of an Ethernet frame that the rate counts: what IP carries. So a segment takes the
/// same time with either version of IP. `None` of what is no packet between the two ends, as the
/// kernel's own multicasts.
fn counted_bytes(frame: &[u8]) -> Option<u32> {
    const ETHERNET: usize = 14;
    let is_multicast = frame.first()? & 1 == 1;
    let header = match frame.get(12..ETHERNET)? {
        [0x08, 0x00] => usize::from(frame.get(ETHERNET)? & 0x0f) * 4,
        [0x86, 0xdd] => 40,
        _ => return None,
    };
    let size = frame.len().checked_sub(ETHERNET + header)?;
    (!is_multicast).then_some(size as u32)
}

#[cfg(test)]
mod tests;
