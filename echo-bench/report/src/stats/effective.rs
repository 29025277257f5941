//! How many independent values a run is worth: [`sizes`]. Requests that follow each other are
//! alike, so a sample counts as a smaller, independent one.
//!
//! For each quantile the share of values at or below it varies from piece to piece of the run.
//! The pieces are put together in batches of at least five correlation times
//! ([`correlation`]), whose shares are nearly independent; how much they vary gives the
//! variance of the whole share (batch means: Alexopoulos and Seila, *Handbook of Simulation*,
//! 1998, chapter 7), and that of a sample of independent values with this variance its size.
//! The size is lowered for what few batches can't say (Student's distribution in place of the
//! normal one) and for what batches lack of the long-run variance.
//!
//! Without enough such batches, or if the rarer side of the quantile has only a few
//! bursts, the size is below what the quantile needs: no interval is better than one that is
//! narrow and wrong.

use hdrhistogram::Histogram;

use super::contrast;
use super::correlation::{self, Batches, LEAST_BATCHES};
use super::order::{self, MISS};

/// Maximum number of pieces analysed; beyond it, neighbouring pieces are merged.
const MOST_PIECES: usize = 256;

/// What a run is worth that is too short to be cut into [`LEAST_BATCHES`] pieces: so few
/// values that the interval of its median is nearly the whole range, and no other quantile
/// has one.
pub(crate) const TOO_SHORT: u64 = 6;

/// Fewer bursts on the rarer side of a quantile say nothing of how often they come.
const LEAST_BURSTS: f64 = 4.0;

/// How many independent values say as much about each of the `quantiles` as all of `whole`,
/// given the pieces of the run that add up to it, in the order of time. Of the pieces there
/// may be very many, so they are looked at one by one. Without pieces the values are no
/// series, and all of them count.
pub(crate) fn sizes(
    whole: &Histogram<u64>,
    pieces: impl IntoIterator<Item = Histogram<u64>>,
    quantiles: &[f64],
) -> Vec<u64> {
    let mut median = Mark::new(whole, 0.5);
    let mut marks: Vec<Mark> = quantiles.iter().map(|&q| Mark::new(whole, q)).collect();
    let (counts, filled) = count(pieces, marks.iter_mut().chain([&mut median]).collect());
    if counts.is_empty() {
        return vec![whole.len(); quantiles.len()];
    }
    if filled < LEAST_BATCHES {
        return vec![whole.len().min(TOO_SHORT); quantiles.len()];
    }
    sizes_of(whole.len(), &counts, &median, &marks)
}

/// Counts at the marks the values of each piece; how many values each has, and how many pieces
/// have any.
fn count(
    pieces: impl IntoIterator<Item = Histogram<u64>>,
    mut marks: Vec<&mut Mark>,
) -> (Vec<f64>, usize) {
    let (mut counts, mut filled) = (Vec::new(), 0);
    for piece in pieces {
        counts.push(piece.len() as f64);
        filled += usize::from(!piece.is_empty());
        for mark in &mut marks {
            let below = piece.quantile_below(mark.value).clamp(0.0, 1.0);
            mark.below.push(if piece.is_empty() { 0.0 } else { below * piece.len() as f64 });
        }
    }
    (counts, filled)
}

/// How long a run would have to be for the interval of a quantile, as far as one that is too
/// short can tell. Both as shares of the length that it has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Length {
    /// Over how long its values are correlated; 0 if they are not.
    pub(crate) correlated: f64,
    /// The length that would do.
    pub(crate) needed: f64,
}

/// Times what is expected to do: a short run sees less of its correlation than there is.
const RESERVE: f64 = 2.0;

/// The length that the `quantile` of `whole` would need, with pieces as in [`sizes`]; `None`
/// where there are too few of them to tell.
pub(crate) fn length(
    whole: &Histogram<u64>,
    pieces: impl IntoIterator<Item = Histogram<u64>>,
    quantile: f64,
) -> Option<Length> {
    let mut marks = [Mark::new(whole, 0.5), Mark::new(whole, quantile)];
    let (counts, filled) = count(pieces, marks.iter_mut().collect());
    if filled < LEAST_BATCHES {
        return None;
    }
    let counts = together(&counts);
    let [median, own] = marks.map(|mark| mark.series(&counts));
    let [of_run, of_own] = [&median, &own].map(|series| correlation::memory(&series.pulls));
    let expected = own.share * (1.0 - own.share) * own.total;
    let squares: f64 =
        correlation::sums(&own.pulls, LEAST_BATCHES).iter().map(|sum| sum.powi(2)).sum();
    let inflation = if expected > 0.0 { (squares / expected).max(1.0) } else { 1.0 };
    let wider = contrast::student_beyond((LEAST_BATCHES - 1) as f64, MISS) / order::DEVIATE;
    let values = order::needed(quantile) as f64 * inflation * wider.powi(2);
    let batches = LEAST_BATCHES as f64 * of_run.batch.max(of_own.batch) / counts.len() as f64;
    let needed =
        batches.max(values / whole.len().max(1) as f64).max(LEAST_BURSTS / bursts(&own.rare));
    let correlated = of_run.time.max(of_own.time) / counts.len() as f64;
    Some(Length { correlated, needed: needed * RESERVE })
}

/// The sizes at `marks` of a run of so many values, whose pieces have these `counts`.
fn sizes_of(values: u64, counts: &[f64], median: &Mark, marks: &[Mark]) -> Vec<u64> {
    let counts = together(counts);
    let run = correlation::batches(&median.series(&counts).pulls);
    marks.iter().map(|mark| mark.series(&counts).size(mark.quantile, run, values)).collect()
}

/// At most [`MOST_PIECES`] sums of neighbours.
fn together(values: &[f64]) -> Vec<f64> {
    let group = values.len().div_ceil(MOST_PIECES).max(1);
    values.chunks(group).map(|group| group.iter().sum()).collect()
}

/// A quantile of the whole, and how many values of each piece lie at or below it.
struct Mark {
    quantile: f64,
    value: u64,
    below: Vec<f64>,
}

impl Mark {
    fn new(whole: &Histogram<u64>, quantile: f64) -> Self {
        let value = whole.value_at_quantile(quantile);
        // No value is above the greatest, in no piece. What pieces differ in is how many are
        // below it.
        let value = if whole.quantile_below(value) < 1.0 {
            value
        } else {
            whole.lowest_equivalent(value).saturating_sub(1)
        };
        Self { quantile, value, below: Vec::new() }
    }

    fn series(&self, counts: &[f64]) -> Series {
        let below = together(&self.below);
        let (all, total) = (below.iter().sum::<f64>(), counts.iter().sum::<f64>());
        // Values are grouped into buckets, so this is not exactly the quantile.
        let share = if total > 0.0 { all / total } else { 0.0 };
        let both = || below.iter().zip(counts);
        let pulls = both().map(|(below, count)| below - share * count).collect();
        let rare = if share >= 0.5 {
            both().map(|(below, count)| (count - below).max(0.0)).collect()
        } else {
            below.clone()
        };
        Series { share, total, pulls, rare }
    }
}

/// What the pieces of a run say of a quantile.
struct Series {
    /// The share of values at or below it.
    share: f64,
    total: f64,
    /// By how much each piece pulls the share up, in values.
    pulls: Vec<f64>,
    /// Values of each piece on the rarer side of it.
    rare: Vec<f64>,
}

impl Series {
    /// What the `count` values are worth, where the median allows `run` as batches. Bulk and
    /// tail share the machine that they run on, and the tail alone shows less of how long it
    /// remembers.
    fn size(&self, quantile: f64, run: Result<Batches, Batches>, count: u64) -> u64 {
        let expected = self.share * (1.0 - self.share) * self.total;
        if expected <= 0.0 {
            return count;
        }
        let own = correlation::batches(&self.pulls);
        let (Ok(cut) | Err(cut)) = own;
        let (Ok(of_run) | Err(of_run)) = run;
        let batches = cut.count.min(of_run.count);
        let squares: f64 =
            correlation::sums(&self.pulls, batches).iter().map(|sum| sum.powi(2)).sum();
        let spread = squares * batches as f64 / (batches - 1) as f64 / (1.0 - cut.missing);
        let bursts = bursts(&self.rare).min(bursts(&correlation::sums(&self.rare, batches)));
        let worth = |inflation: f64| ((count as f64 / inflation.max(1.0)) as u64).max(1);
        if own.is_err() || run.is_err() || bursts < LEAST_BURSTS {
            return worth(spread / expected).min(order::needed(quantile) - 1);
        }
        let degrees = ((batches - 1) as f64).min(bursts.floor() - 1.0);
        let wider = contrast::student_beyond(degrees, MISS) / order::DEVIATE;
        worth(spread / expected * wider.powi(2))
    }
}

/// How many bursts of equal size would leave `values` as unevenly spread: as many as there are
/// values if each came by itself, and one if all came together.
fn bursts(values: &[f64]) -> f64 {
    let all: f64 = values.iter().sum();
    let squares: f64 = values.iter().map(|value| value.powi(2)).sum();
    let uneven = squares / all.powi(2) - 1.0 / values.len() as f64;
    if uneven > 0.0 { 1.0 / uneven } else { f64::MAX }
}

#[cfg(test)]
mod simulated;

#[cfg(test)]
mod tests {
    use super::*;

    fn histogram(values: impl IntoIterator<Item = u64>) -> Histogram<u64> {
        let mut histogram = Histogram::new_with_bounds(1, 1_000_000_000, 3).unwrap();
        for value in values {
            histogram.record(value).unwrap();
        }
        histogram
    }

    #[test]
    fn values_of_one_batch_do_not_make_the_tail_sure() {
        // The twenty greatest came together, and the quantile is one of them.
        let batch = |k| {
            let burst = std::iter::repeat_n(100_000, if k == 3 { 20 } else { 0 });
            (1..=1000).chain(burst)
        };
        let whole = histogram((0..10).flat_map(batch));
        assert_eq!(whole.value_at_quantile(0.999), whole.max());
        let worth = sizes(&whole, (0..10).map(|k| histogram(batch(k))), &[0.999])[0];
        assert!((300..900).contains(&worth), "{worth}");
        // All alike: nothing can vary.
        let same = || histogram(std::iter::repeat_n(7, 100));
        assert_eq!(sizes(&same(), (0..10).map(|_| same()), &[0.5]), [100]);
    }

    #[test]
    fn batches_that_differ_make_the_sample_count_less() {
        // Every batch alike: each holds the same 1,000 values.
        let alike: Vec<_> = (0..10).map(|_| histogram(1..=1000)).collect();
        let whole = histogram((0..10).flat_map(|_| 1..=1000));
        assert_eq!(sizes(&whole, alike, &[0.9]), [10_000]);
        // Every batch at its own level.
        let apart: Vec<_> =
            (0..10).map(|k| histogram((1..=1000).map(|v| v + k * 1000))).collect();
        let whole = histogram((0..10).flat_map(|k| (1..=1000).map(move |v| v + k * 1000)));
        assert!(sizes(&whole, apart, &[0.5])[0] < 20);
    }

    #[test]
    fn a_run_of_a_few_pieces_is_worth_next_to_nothing_and_no_series_all_its_values() {
        let whole = histogram(1..=1000);
        let one = || std::iter::once(histogram(1..=1000));
        assert_eq!(sizes(&whole, one(), &[0.5, 0.9999]), [TOO_SHORT; 2]);
        let with_gaps = one().chain((0..200).map(|_| histogram([])));
        assert_eq!(sizes(&whole, with_gaps, &[0.5]), [TOO_SHORT]);
        assert_eq!(sizes(&whole, std::iter::empty(), &[0.5]), [1000]);
        let nothing = (0..20).map(|_| histogram([]));
        assert_eq!(sizes(&histogram([]), nothing, &[0.5]), [0]);
    }

    /// Pieces of 100 values whose level forgets itself with a correlation time of some pieces.
    fn run(pieces: usize, time: f64, seed: u64) -> Vec<Histogram<u64>> {
        use rand::SeedableRng;
        use rand_distr::{Distribution, StandardNormal};
        let mut random = rand_xoshiro::Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut normal = || -> f64 { StandardNormal.sample(&mut random) };
        let r = (-1.0 / time).exp();
        let mut level = normal();
        let mut piece = || {
            level = r * level + (1.0 - r * r).sqrt() * normal();
            let value = |_| (100_000.0 * (0.2 * level + 0.2 * normal()).exp()) as u64;
            histogram((0..100).map(value).collect::<Vec<_>>())
        };
        (0..pieces).map(|_| piece()).collect()
    }

    fn whole(pieces: &[Histogram<u64>]) -> Histogram<u64> {
        let mut whole = Histogram::new_with_bounds(1, 1_000_000_000, 3).unwrap();
        for piece in pieces {
            whole.add(piece).unwrap();
        }
        whole
    }

    #[test]
    fn the_length_that_a_short_run_asks_for_gives_an_interval() {
        let quantile = 0.9;
        let (mut short, mut enough) = (0, 0);
        for seed in 0..20 {
            let pieces = run(30, 3.0, seed);
            let all = whole(&pieces);
            if sizes(&all, pieces.clone(), &[quantile])[0] >= order::needed(quantile) {
                continue;
            }
            short += 1;
            let length = length(&all, pieces, quantile).unwrap();
            let longer = run((30.0 * length.needed).ceil() as usize, 3.0, seed);
            let size = sizes(&whole(&longer), longer, &[quantile])[0];
            enough += usize::from(size >= order::needed(quantile));
        }
        assert!(short >= 10, "{short}");
        assert!(enough * 4 >= short * 3, "{enough} of {short}");
    }

    #[test]
    fn of_a_few_pieces_no_length_can_be_told() {
        let pieces = run(5, 3.0, 1);
        assert_eq!(length(&whole(&pieces), pieces, 0.5), None);
    }
}
