//! Percentile curves as data: [`Curves`]. Every value is one of the report's histograms at
//! that quantile; nothing is smoothed.

use serde::Serialize;

use super::limits::{Limit, Limits};
use crate::report::{Clock, GeneratorShare, LatencySummary, QUANTILES, Quantile, Report};

/// Points of a curve from one nine to the next.
const POINTS_PER_NINE: i32 = 10;

/// Quantiles beside those of [`QUANTILES`] and the even ones.
const QUARTILES: [f64; 2] = [0.25, 0.75];

/// What the percentile chart draws.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Curves {
    /// Quantiles, rising.
    pub(super) quantiles: Vec<f64>,
    /// One curve per clock of a run, response first; one per side of a comparison.
    pub(super) clocks: Vec<Curve>,
    /// The response without the generator's own share, in nanoseconds by quantile: the lower edge
    /// of a band below the first curve. Null where the share is unknown.
    pub(super) corrected: Option<Vec<Option<u64>>>,
    /// The limits of objectives.
    pub(super) limits: Vec<Limit>,
    /// The last named percentile that there are values enough for; beyond it the curves are
    /// only what was seen. Null if there is none.
    pub(super) eligible: Option<Eligible>,
}

/// One clock's latency over the quantiles.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Curve {
    pub(super) name: String,
    /// The style's name of its colour.
    pub(super) color: String,
    /// In nanoseconds; null beyond what its count can resolve.
    pub(super) ns: Vec<Option<u64>>,
    /// Values from here on are lower bounds.
    pub(super) least_censored_ns: Option<u64>,
    /// 95 % intervals: quantile, low, high. Empty where they are not drawn.
    pub(super) ci95: Vec<(f64, u64, u64)>,
    /// Null where the intervals alone are drawn.
    pub(super) sign: Option<Sign>,
}

/// What a curve is drawn of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) name: &'a str,
    pub(super) color: &'a str,
    pub(super) latency: &'a LatencySummary,
    /// Whether its intervals are drawn.
    pub(super) bars: bool,
    /// How its percentiles are marked.
    pub(super) sign: Option<Sign>,
}

/// A sign on a curve at the percentiles that have an interval, which distinguishes curves
/// without colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Sign {
    /// A circle.
    Hollow,
    /// A disc.
    Filled,
}

/// A percentile that there are values enough for.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Eligible {
    pub(super) name: &'static str,
    pub(super) quantile: f64,
}

impl Curves {
    /// The curves of a run; `None` if nothing was answered.
    pub(super) fn of_run(report: &Report) -> Option<Self> {
        let response = report.summary.latency.response.as_ref()?;
        let source = |(clock, latency): (&'static Clock, _)| Source {
            name: clock.name,
            color: clock.name,
            latency,
            bars: std::ptr::eq(latency, response),
            sign: None,
        };
        let sources: Vec<_> = report.summary.request_clocks().map(source).collect();
        let mut curves = Self::new(&sources, &[response])?;
        let share = report.summary.generator_share.as_ref();
        curves.corrected = share.and_then(|share| corrected(share, &curves));
        curves.limits = Limits::of(report).latency;
        Some(curves)
    }

    /// The curves of `sources`, shaded beyond what all of `backing` can back; `None` without
    /// any.
    pub(super) fn new(sources: &[Source], backing: &[&LatencySummary]) -> Option<Self> {
        let quantiles = quantiles(sources.iter().map(|source| source.latency.count));
        let clocks: Vec<_> =
            sources.iter().filter_map(|source| Curve::new(source, &quantiles)).collect();
        let backed = |quantile: &&Quantile| {
            backing.iter().all(|latency| latency.ci95.contains_key(quantile.name))
        };
        let eligible = QUANTILES.iter().rev().find(backed);
        let eligible = eligible.map(|&Quantile { name, quantile }| Eligible { name, quantile });
        let (corrected, limits) = (None, Vec::new());
        (!clocks.is_empty()).then_some(Self { quantiles, clocks, corrected, limits, eligible })
    }
}

/// What is left of the first curve without the generator's own share, as it is printed: the share
/// is that of the stamped requests, the curve that of all.
fn corrected(share: &GeneratorShare, curves: &Curves) -> Option<Vec<Option<u64>>> {
    let (seen, rest) = (share.response.histogram()?, share.corrected.histogram()?);
    let last = last_quantile(share.response.count);
    let response = &curves.clocks.first()?.ns;
    let edge = |(&quantile, &ns): (&f64, &Option<u64>)| {
        let all = seen.value_at_quantile(quantile);
        if quantile > last || all == 0 {
            return None;
        }
        let left = (rest.value_at_quantile(quantile) as f64 / all as f64).min(1.0);
        Some((ns? as f64 * left).round() as u64)
    };
    Some(curves.quantiles.iter().zip(response).map(edge).collect())
}

impl Curve {
    fn new(source: &Source, quantiles: &[f64]) -> Option<Self> {
        let &Source { name, color, latency, bars, sign } = source;
        let histogram = latency.histogram()?;
        let last = last_quantile(latency.count);
        let ns = quantiles
            .iter()
            .map(|&quantile| (quantile <= last).then(|| histogram.value_at_quantile(quantile)))
            .collect();
        let interval = |quantile: &Quantile| {
            let &[low, high] = latency.ci95.get(quantile.name)?;
            Some((quantile.quantile, low, high))
        };
        let ci95 = if bars { QUANTILES.iter().filter_map(interval).collect() } else { vec![] };
        Some(Self {
            name: name.to_owned(),
            color: color.to_owned(),
            ns,
            least_censored_ns: latency.least_censored_ns,
            ci95,
            sign,
        })
    }
}

/// Where the greatest of `count` values stands: in the middle of its own share.
fn last_quantile(count: u64) -> f64 {
    1.0 - 0.5 / count as f64
}

/// Quantiles from the least to the greatest value of clocks with these counts, evenly apart
/// in nines, with every named one exactly.
fn quantiles(counts: impl Iterator<Item = u64>) -> Vec<f64> {
    let ends: Vec<f64> = counts.map(last_quantile).collect();
    let end = ends.iter().copied().fold(0.0, f64::max);
    let even =
        (0..).map(|step: i32| 1.0 - 10_f64.powf(-f64::from(step) / f64::from(POINTS_PER_NINE)));
    let named = QUANTILES.iter().map(|q| q.quantile).chain(QUARTILES);
    let mut all: Vec<f64> = even.take_while(|&quantile| quantile < end).chain(ends).collect();
    all.retain(|even| named.clone().all(|named| (even - named).abs() > 1e-9));
    all.extend(named.filter(|&named| named <= end));
    all.sort_unstable_by(f64::total_cmp);
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_hold_every_named_one_and_end_with_the_greatest_value() {
        let all = quantiles([1_000_000, 10].into_iter());
        assert_eq!(all[0].to_bits(), 0.0_f64.to_bits());
        assert!((all.last().unwrap() - 0.999_999_5).abs() < 1e-12);
        for Quantile { quantile, name } in QUANTILES {
            assert_eq!(
                all.iter().filter(|q| q.to_bits() == quantile.to_bits()).count(),
                1,
                "{name}"
            );
        }
        assert!(all.contains(&0.95) && all.is_sorted());
        assert!((60..80).contains(&all.len()), "{}", all.len());
        assert_eq!(quantiles([1].into_iter()).last(), Some(&0.5));
    }
}
