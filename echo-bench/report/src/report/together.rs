//! How the runs that are merged lie in time: [`Together`], and what follows from it for lengths,
//! sums and the worth of a sample. One after the other, as repeats of a run do, or at once, as the
//! parts of a plan do.

/// See the [module](self).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Together {
    /// One after the other: their windows are laid end to end.
    InTurn,
    /// At once: they have one window.
    AtOnce,
}

impl Together {
    /// The length of the window of all.
    pub(crate) fn length(self, lengths: impl Iterator<Item = f64>) -> f64 {
        match self {
            Self::InTurn => lengths.sum(),
            Self::AtOnce => lengths.fold(0.0, f64::max),
        }
    }

    /// A level like that of cores that are busy, given each with the length of its window: its mean
    /// over time, or the sum of all. `None` if one of them is not known.
    pub(crate) fn level(
        self,
        levels: impl Iterator<Item = (Option<f64>, f64)> + Clone,
    ) -> Option<f64> {
        let length_s = self.length(levels.clone().map(|(_, length_s)| length_s));
        let areas: Option<f64> = levels.map(|(level, length_s)| Some(level? * length_s)).sum();
        areas.filter(|_| length_s > 0.0).map(|area| area / length_s)
    }

    /// What so many runs have used of something like memory, each of its own.
    pub(crate) fn used(self, each: impl Iterator<Item = u64>) -> Option<u64> {
        each.reduce(|a, b| match self {
            Self::InTurn => a.max(b),
            Self::AtOnce => a.saturating_add(b),
        })
    }

    /// How many independent values samples are worth together, each given as its count and its
    /// worth.
    ///
    /// Runs in turn are independent of each other. Those at once see the same server: what makes
    /// the values of one alike may make those of all alike. The design effect of a cluster sample
    /// is 1 + (m-1)r (Kish 1965), so that what it exceeds 1 by grows with the values that a moment
    /// brings: the parts' excesses add up. Values that are independent in every part stay so.
    pub(crate) fn worth(self, samples: impl Iterator<Item = (u64, u64)>) -> u64 {
        match self {
            Self::InTurn => samples.map(|(_, worth)| worth).fold(0, u64::saturating_add),
            Self::AtOnce => {
                let (mut values, mut excess) = (0_u64, 0.0);
                for (count, worth) in samples.filter(|(count, _)| *count > 0) {
                    if worth == 0 {
                        return 0;
                    }
                    values = values.saturating_add(count);
                    excess += (count as f64 / worth as f64 - 1.0).max(0.0);
                }
                (values as f64 / (1.0 + excess)) as u64
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_in_turn_add_up_and_those_at_once_are_one() {
        let lengths = [10.0, 9.0];
        assert!((Together::InTurn.length(lengths.into_iter()) - 19.0).abs() < 1e-9);
        assert!((Together::AtOnce.length(lengths.into_iter()) - 10.0).abs() < 1e-9);
        let levels = [(Some(0.5), 10.0), (Some(0.3), 10.0)];
        let level = |together: Together| together.level(levels.into_iter()).unwrap();
        assert!((level(Together::InTurn) - 0.4).abs() < 1e-9);
        assert!((level(Together::AtOnce) - 0.8).abs() < 1e-9);
        assert_eq!(Together::AtOnce.level([(None, 1.0), (Some(1.0), 1.0)].into_iter()), None);
    }

    #[test]
    fn what_makes_the_values_of_each_part_alike_may_be_common_to_all() {
        let worth = |samples: &[(u64, u64)]| Together::AtOnce.worth(samples.iter().copied());
        assert_eq!(worth(&[(1000, 1000), (1000, 1000)]), 2000, "independent in each part");
        let alike = worth(&[(1000, 100), (1000, 100)]);
        assert!((100..=110).contains(&alike), "{alike}: hardly more than one part is worth");
        assert_eq!(worth(&[(1000, 0), (1000, 1000)]), 0, "nothing is known of one");
        assert_eq!(worth(&[(0, 0), (1000, 1000)]), 1000, "a part without values");
        assert_eq!(Together::InTurn.worth([(1000, 100), (1000, 100)].into_iter()), 200);
    }
}
