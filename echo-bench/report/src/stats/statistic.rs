//! Statistics of merged units: [`Statistic`], evaluated for any number of times that each
//! unit counts. A percentile is that of the merged histogram, never a mean of percentiles.

/// A number that units (runs or intervals) give together.
#[derive(Debug, Clone)]
pub(crate) enum Statistic {
    /// The percentile of the merged histograms.
    Quantile(MergedQuantile),
    /// The sum of one thing by the sum of another: a rate, a cost, a share.
    Ratio {
        /// What is counted, by unit.
        of: Vec<f64>,
        /// By what it is divided, by unit.
        by: Vec<f64>,
    },
    /// The geometric mean of a value that can't be merged.
    GeometricMean(Vec<f64>),
}

impl Statistic {
    /// Its value if each unit counts as often as `weights` says; NaN if there is none.
    pub(crate) fn value(&self, weights: &[u32]) -> f64 {
        match self {
            Self::Quantile(quantile) => quantile.value(weights),
            Self::Ratio { of, by } => {
                let divisor = weighted(by, weights);
                if divisor > 0.0 { weighted(of, weights) / divisor } else { f64::NAN }
            }
            Self::GeometricMean(values) => {
                let count: u32 = weights.iter().sum();
                let logs = values.iter().zip(weights);
                let sum: f64 = logs.map(|(value, &n)| f64::from(n) * value.ln()).sum();
                (sum / f64::from(count)).exp()
            }
        }
    }

    /// How much each unit pulls the value away from where it is. Their autocorrelation is
    /// that of the statistic.
    pub(crate) fn pulls(&self) -> Vec<f64> {
        match self {
            Self::Quantile(quantile) => quantile.pulls(),
            Self::Ratio { of, by } => {
                let whole = self.value(&vec![1; of.len()]);
                of.iter().zip(by).map(|(of, by)| of - whole * by).collect()
            }
            Self::GeometricMean(values) => values.iter().map(|value| value.ln()).collect(),
        }
    }
}

fn weighted(values: &[f64], weights: &[u32]) -> f64 {
    values.iter().zip(weights).map(|(value, &n)| f64::from(n) * value).sum()
}

/// The counts of a unit: values in rising order, each with how often it occurred.
pub(crate) type Counts = [(u64, u64)];

/// A percentile of units merged, without merging them: a table of how many values of each
/// unit lie at or below each candidate.
#[derive(Debug, Clone)]
pub(crate) struct MergedQuantile {
    quantile: f64,
    /// The values that a merged percentile can take. It lies between the least and the
    /// greatest percentile of the units, so nothing beyond them is kept.
    candidates: Vec<u64>,
    /// For each candidate, by unit, how many values are not above it.
    below: Vec<u64>,
    totals: Vec<u64>,
}

impl MergedQuantile {
    /// The `quantile` of `units`; `None` if all of them are empty.
    pub(crate) fn new(quantile: f64, units: &[&Counts]) -> Option<Self> {
        let own: Vec<_> =
            units.iter().filter_map(|unit| own_quantile(quantile, unit)).collect();
        let (least, greatest) = (*own.iter().min()?, *own.iter().max()?);
        let mut candidates: Vec<u64> = units
            .iter()
            .flat_map(|unit| unit.iter().map(|&(value, _)| value))
            .filter(|value| (least..=greatest).contains(value))
            .collect();
        candidates.sort_unstable();
        candidates.dedup();
        let mut below = vec![0; candidates.len() * units.len()];
        for (column, unit) in units.iter().enumerate() {
            let (mut place, mut sum) = (0, 0);
            for (row, candidate) in candidates.iter().enumerate() {
                while let Some(&(value, count)) = unit.get(place)
                    && value <= *candidate
                {
                    sum += count;
                    place += 1;
                }
                below[row * units.len() + column] = sum;
            }
        }
        let totals = units.iter().map(|unit| total(unit)).collect();
        Some(Self { quantile, candidates, below, totals })
    }

    fn below(&self, candidate: usize) -> &[u64] {
        let units = self.totals.len();
        &self.below[candidate * units..(candidate + 1) * units]
    }

    /// The place of the merged percentile among the candidates.
    fn place(&self, weights: &[u32]) -> Option<usize> {
        let count = weighted_count(&self.totals, weights);
        let rank = rank(self.quantile, count)?;
        let (mut low, mut high) = (0, self.candidates.len() - 1);
        while low < high {
            let middle = usize::midpoint(low, high);
            if weighted_count(self.below(middle), weights) >= rank {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        Some(low)
    }

    fn value(&self, weights: &[u32]) -> f64 {
        self.place(weights).map_or(f64::NAN, |place| self.candidates[place] as f64)
    }

    fn pulls(&self) -> Vec<f64> {
        let Some(place) = self.place(&vec![1; self.totals.len()]) else { return Vec::new() };
        let below = self.below(place);
        let share =
            below.iter().sum::<u64>() as f64 / self.totals.iter().sum::<u64>().max(1) as f64;
        let units = below.iter().zip(&self.totals);
        units.map(|(&below, &total)| below as f64 - share * total as f64).collect()
    }
}

fn weighted_count(counts: &[u64], weights: &[u32]) -> u64 {
    counts.iter().zip(weights).map(|(count, &n)| count * u64::from(n)).sum()
}

fn total(counts: &Counts) -> u64 {
    counts.iter().map(|(_, count)| count).sum()
}

/// The rank of the quantile among `count` values, from 1, as HDR histograms have it.
fn rank(quantile: f64, count: u64) -> Option<u64> {
    // A product that is a whole number must not be rounded up for its last binary digit.
    let rank = (quantile * count as f64 * (1.0 - f64::EPSILON)).ceil() as u64;
    (count > 0).then(|| rank.clamp(1, count))
}

fn own_quantile(quantile: f64, unit: &Counts) -> Option<u64> {
    let rank = rank(quantile, total(unit))?;
    let mut sum = 0;
    unit.iter().find_map(|&(value, count)| {
        sum += count;
        (sum >= rank).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use echo_bench_engine::record::Latency;
    use proptest::prelude::*;

    fn counts(latency: &Latency) -> Vec<(u64, u64)> {
        let recorded = latency.histogram().iter_recorded();
        recorded.map(|v| (v.value_iterated_to(), v.count_at_value())).collect()
    }

    proptest! {
        #[test]
        fn is_the_percentile_of_the_histograms_merged(
            units in prop::collection::vec(prop::collection::vec(1u64..1_000_000, 0..60), 1..6),
            weights in prop::collection::vec(0u32..4, 6),
            quantile in prop::sample::select(vec![0.5, 0.9, 0.99, 0.999]),
        ) {
            let mut merged = Latency::default();
            let units: Vec<_> = units.iter().zip(&weights).map(|(values, &weight)| {
                let mut unit = Latency::default();
                for &value in values { unit.record(value); }
                for _ in 0..weight { merged += &unit; }
                counts(&unit)
            }).collect();
            let units: Vec<&Counts> = units.iter().map(Vec::as_slice).collect();
            let found = MergedQuantile::new(quantile, &units)
                .map_or(f64::NAN, |merged| merged.value(&weights[..units.len()]));
            if merged.count() == 0 {
                prop_assert!(found.is_nan());
            } else {
                prop_assert_eq!(found as u64, merged.histogram().value_at_quantile(quantile));
            }
        }
    }

    #[test]
    fn rates_and_means_count_units_as_often_as_drawn() {
        let rate = Statistic::Ratio { of: vec![10.0, 40.0], by: vec![1.0, 2.0] };
        assert!((rate.value(&[1, 1]) - 50.0 / 3.0).abs() < 1e-12);
        assert!((rate.value(&[2, 0]) - 10.0).abs() < 1e-12);
        assert!(rate.value(&[0, 0]).is_nan());
        let most = Statistic::GeometricMean(vec![1.0, 100.0]);
        assert!((most.value(&[1, 1]) - 10.0).abs() < 1e-9);
    }

    #[test]
    fn pulls_add_up_to_nothing() {
        let units: [&Counts; 2] = [&[(1, 5), (2, 5)], &[(1, 2), (3, 8)]];
        let quantile = Statistic::Quantile(MergedQuantile::new(0.5, &units).unwrap());
        let rate = Statistic::Ratio { of: vec![10.0, 40.0], by: vec![1.0, 2.0] };
        for statistic in [quantile, rate] {
            let pulls = statistic.pulls();
            assert!(pulls.iter().sum::<f64>().abs() < 1e-9);
            assert!(pulls[0].abs() > 0.1);
        }
    }
}
