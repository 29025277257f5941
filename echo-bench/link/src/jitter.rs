//! How the delay of a link varies over time: [`Jitter`]. The deviation is a line between random
//! points, so far apart that a packet never overtakes the one before it. So the mean delay is as
//! asked for, however dense the packets are: drawing one deviation per packet, and keeping the order
//! by waiting for the latest, would delay dense packets by nearly the maximum.

use echo_net::Nanos;
use rand::{RngExt as _, SeedableRng as _};
use rand_xoshiro::Xoshiro256PlusPlus;

/// See the [module](self).
#[derive(Debug, Clone, Copy)]
pub(crate) struct Jitter {
    most: Nanos,
    seed: u64,
}

impl Jitter {
    /// Deviations of at most `most` nanoseconds, those of this seed.
    pub(crate) fn new(most: Nanos, seed: u64) -> Self {
        Self { most, seed }
    }

    /// `at` with the delay of that instant, which is `delay` on the average and at least `most`.
    pub(crate) fn delayed(&self, at: Nanos, delay: Nanos) -> Nanos {
        if self.most == 0 {
            return at.saturating_add(delay);
        }
        // Between two points the deviation changes by at most what passes meanwhile.
        let apart = self.most.saturating_mul(2);
        let (point, since) = (at / apart, at % apart);
        let [from, to] = [point, point.wrapping_add(1)].map(|point| self.shift(point));
        let between = (to - from) * i128::from(since) / i128::from(apart);
        let delayed = i128::from(at) + i128::from(delay) + from + between;
        Nanos::try_from(delayed).unwrap_or(Nanos::MAX)
    }

    /// The deviation at a point.
    fn shift(&self, point: u64) -> i128 {
        let own = self.seed ^ point.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let drawn = Xoshiro256PlusPlus::seed_from_u64(own).random_range(0..=2 * self.most);
        i128::from(drawn) - i128::from(self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Nanos = 1_000_000;

    #[test]
    fn the_mean_delay_is_as_asked_however_dense_the_packets_are() {
        for spacing in [MS / 100, MS, 20 * MS] {
            let jitter = Jitter::new(2 * MS, 7);
            let packets = (80_000 * MS / spacing).min(200_000);
            let delay =
                |packet: u64| jitter.delayed(packet * spacing, 10 * MS) - packet * spacing;
            let delays: Vec<u64> = (0..packets).map(delay).collect();
            let mean = delays.iter().sum::<u64>() as f64 / packets as f64;
            assert!((mean - 10e6).abs() < 0.2e6, "{spacing}: {mean}");
            let (least, most) = (delays.iter().min().unwrap(), delays.iter().max().unwrap());
            assert!((8 * MS..=9 * MS).contains(least), "{spacing}: {least}");
            assert!((11 * MS..=12 * MS).contains(most), "{spacing}: {most}");
        }
    }

    #[test]
    fn packets_are_not_reordered_and_seeds_differ() {
        let jitter = Jitter::new(MS, 1);
        let due: Vec<u64> = (0..200_000).map(|step| jitter.delayed(step * 777, MS)).collect();
        assert!(due.is_sorted());
        assert_ne!(due[100_000], Jitter::new(MS, 2).delayed(100_000 * 777, MS));
        assert_eq!(Jitter::new(0, 1).delayed(5, 6), 11);
    }
}
