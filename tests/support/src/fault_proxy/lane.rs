//! What happens to the bytes of one direction, and when: [`Lane`], without sockets. Time is an
//! argument.

use std::time::{Duration, Instant};

/// A fault of one direction of a connection. Positions count the bytes of that direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Every byte arrives this much later; the rate stays.
    Delay(Duration),
    /// At most this many bytes per second.
    Throttle(u32),
    /// Pieces of at most `size` bytes, one every `pause`.
    Slice {
        /// Bytes per piece.
        size: usize,
        /// Between two pieces.
        pause: Duration,
    },
    /// Both sides see a reset after this many bytes.
    ResetAfter(u64),
    /// The receiver sees the end (FIN) after this many bytes. What the sender adds is
    /// discarded.
    HalfCloseAfter(u64),
    /// The receiver sees nothing more after this many bytes, not even the end; the sender
    /// does not notice.
    BlackholeAfter(u64),
    /// This byte, counted from 0, arrives with all its bits inverted.
    Corrupt(u64),
}

/// What to do at an instant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Send these bytes.
    Send(Vec<u8>),
    /// Half-close.
    End,
    /// Reset both connections.
    Reset,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Lane {
    faults: Vec<Fault>,
    /// Bytes taken so far.
    position: u64,
    /// When the next piece may be sent, before any delay.
    free_at: Instant,
    is_over: bool,
    /// Faults injected that happen at one byte.
    pub(super) injected: u64,
}

impl Lane {
    pub(super) fn new(faults: &[Fault], now: Instant) -> Self {
        let faults = faults.to_vec();
        Self { faults, position: 0, free_at: now, is_over: false, injected: 0 }
    }

    /// Whether the receiver will see nothing more.
    pub(super) fn is_over(&self) -> bool {
        self.is_over
    }

    /// Takes bytes from the sender.
    pub(super) fn take(&mut self, mut bytes: Vec<u8>, now: Instant) -> Vec<(Instant, Step)> {
        if self.is_over {
            return Vec::new();
        }
        let ending = self.ending().filter(|(at, _)| *at <= self.position + bytes.len() as u64);
        if let Some((at, _)) = ending {
            bytes.truncate((at - self.position) as usize);
        }
        self.corrupt(&mut bytes);
        self.position += bytes.len() as u64;
        let size = self.piece_size();
        let mut steps: Vec<_> = bytes
            .chunks(size)
            .map(|piece| (self.schedule(piece.len(), now), Step::Send(piece.to_vec())))
            .collect();
        if let Some((_, step)) = ending {
            self.is_over = true;
            self.injected += 1;
            steps.extend(step.map(|step| (self.schedule(0, now), step)));
        }
        steps
    }

    /// Takes the sender's end.
    pub(super) fn take_end(&mut self, now: Instant) -> Option<(Instant, Step)> {
        let passes = !self.is_over;
        self.is_over = true;
        passes.then(|| (self.schedule(0, now), Step::End))
    }

    /// The first fault that ends this direction, by its position.
    fn ending(&self) -> Option<(u64, Option<Step>)> {
        let endings = self.faults.iter().filter_map(|fault| match *fault {
            Fault::ResetAfter(at) => Some((at, Some(Step::Reset))),
            Fault::HalfCloseAfter(at) => Some((at, Some(Step::End))),
            Fault::BlackholeAfter(at) => Some((at, None)),
            _ => None,
        });
        endings.min_by_key(|(at, _)| *at)
    }

    fn corrupt(&mut self, bytes: &mut [u8]) {
        for fault in &self.faults {
            if let Fault::Corrupt(at) = *fault
                && let Some(offset) = at.checked_sub(self.position)
                && let Some(byte) = bytes.get_mut(offset as usize)
            {
                *byte = !*byte;
                self.injected += 1;
            }
        }
    }

    fn piece_size(&self) -> usize {
        let sizes = self.faults.iter().filter_map(|fault| match *fault {
            Fault::Slice { size, .. } => Some(size),
            // 50 pieces per second are a smooth stream to its reader.
            Fault::Throttle(per_second) => Some(per_second as usize / 50),
            _ => None,
        });
        sizes.min().unwrap_or(usize::MAX).max(1)
    }

    /// When a piece of this length is sent; it occupies the direction for its time.
    fn schedule(&mut self, length: usize, now: Instant) -> Instant {
        let (mut delay, mut occupied) = (Duration::ZERO, Duration::ZERO);
        for fault in &self.faults {
            match *fault {
                Fault::Delay(time) => delay += time,
                Fault::Slice { pause, .. } if length > 0 => occupied += pause,
                Fault::Throttle(per_second) => {
                    occupied += Duration::from_secs_f64(length as f64 / f64::from(per_second));
                }
                _ => {}
            }
        }
        let start = self.free_at.max(now);
        self.free_at = start + occupied;
        start + delay
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    /// What `faults` make of `pieces` that all come at one instant, with times since then.
    fn through(faults: &[Fault], pieces: &[&[u8]]) -> Vec<(Duration, Step)> {
        let now = Instant::now();
        let mut lane = Lane::new(faults, now);
        let mut steps: Vec<_> =
            pieces.iter().flat_map(|piece| lane.take(piece.to_vec(), now)).collect();
        steps.extend(lane.take_end(now));
        steps.into_iter().map(|(at, step)| (at - now, step)).collect()
    }

    fn send(bytes: &[u8]) -> Step {
        Step::Send(bytes.to_vec())
    }

    #[test]
    fn without_faults_everything_passes_at_once() {
        let steps = through(&[], &[b"ab", b"c"]);
        let at_once = |step| (Duration::ZERO, step);
        assert_eq!(steps, [send(b"ab"), send(b"c"), Step::End].map(at_once));
    }

    #[test]
    fn a_delay_moves_everything_and_does_not_add_up() {
        let steps = through(&[Fault::Delay(ms(5))], &[b"a", b"b"]);
        assert_eq!(steps, [send(b"a"), send(b"b"), Step::End].map(|step| (ms(5), step)));
    }

    #[test]
    fn slices_and_a_rate_add_up() {
        let slice = Fault::Slice { size: 2, pause: ms(3) };
        let steps = through(&[slice], &[b"abc"]);
        assert_eq!(steps, [(ms(0), send(b"ab")), (ms(3), send(b"c")), (ms(6), Step::End)]);
        let steps = through(&[Fault::Throttle(100)], &[b"abc"]);
        assert_eq!(steps, [(ms(0), send(b"ab")), (ms(20), send(b"c")), (ms(30), Step::End)]);
    }

    #[test]
    fn an_ending_comes_at_its_byte_and_nothing_follows() {
        for (fault, ending) in [
            (Fault::ResetAfter(3), Some(Step::Reset)),
            (Fault::HalfCloseAfter(3), Some(Step::End)),
            (Fault::BlackholeAfter(3), None),
        ] {
            let steps = through(&[fault], &[b"ab", b"cd", b"e"]);
            let expected = [send(b"ab"), send(b"c")].into_iter().chain(ending);
            let steps: Vec<_> = steps.into_iter().map(|(_, step)| step).collect();
            assert_eq!(steps, expected.collect::<Vec<_>>(), "{fault:?}");
        }
    }

    #[test]
    fn an_ending_at_the_start_needs_no_byte() {
        let now = Instant::now();
        let mut lane = Lane::new(&[Fault::ResetAfter(0)], now);
        assert_eq!(lane.take(Vec::new(), now), [(now, Step::Reset)]);
        assert_eq!((lane.is_over(), lane.injected), (true, 1));
    }

    #[test]
    fn one_byte_is_inverted_wherever_the_stream_is_cut() {
        for pieces in [&[&b"abc"[..]][..], &[b"ab", b"c"], &[b"abc", b"d"]] {
            let steps = through(&[Fault::Corrupt(2)], pieces);
            let bytes: Vec<u8> = steps
                .into_iter()
                .flat_map(|(_, step)| if let Step::Send(bytes) = step { bytes } else { vec![] })
                .collect();
            assert_eq!(bytes[..3], [b'a', b'b', !b'c'], "{pieces:?}");
        }
    }
}
