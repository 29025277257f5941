//! Percentile curves as data: [`Curves`]. Every value is one of the report's histograms at
//! that quantile; nothing is smoothed.

use serde::Serialize;

use crate::report::{LatencySummary, QUANTILES, Quantile, Report};

/// Points of a curve from one nine to the next.
const POINTS_PER_NINE: i32 = 10;

/// Quantiles beside those of [`QUANTILES`] and the even ones.
const QUARTILES: [f64; 2] = [0.25, 0.75];

/// What the percentile chart draws.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Curves {
    /// Quantiles, rising.
    pub(super) quantiles: Vec<f64>,
    /// One curve per clock, response first.
    pub(super) clocks: Vec<Curve>,
    /// The last named percentile that the run can back; beyond it the curves are only what
    /// was seen. Null if it backs none.
    pub(super) eligible: Option<Eligible>,
}

/// One clock's latency over the quantiles.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Curve {
    pub(super) name: &'static str,
    /// In nanoseconds; null beyond what its count can resolve.
    pub(super) ns: Vec<Option<u64>>,
    /// Values from here on are lower bounds.
    pub(super) least_censored_ns: Option<u64>,
    /// 95 % intervals: quantile, low, high.
    pub(super) ci95: Vec<(f64, u64, u64)>,
}

/// A percentile that the run can back.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Eligible {
    pub(super) name: &'static str,
    pub(super) quantile: f64,
}

impl Curves {
    /// The curves of a run; `None` if nothing was answered.
    pub(super) fn new(report: &Report) -> Option<Self> {
        let latency = &report.summary.latency;
        let response = latency.response.as_ref()?;
        let mut clocks = vec![("response", response)];
        // In a closed loop response and service are one clock.
        if report.plan.load.is_open() {
            let lateness = report.summary.send_lateness.as_ref();
            let others =
                [("service", latency.service.as_ref()), ("wait", latency.wait.as_ref())];
            let others = others.into_iter().chain([("lateness", lateness)]);
            clocks.extend(others.filter_map(|(name, clock)| Some((name, clock?))));
        }
        let quantiles = quantiles(clocks.iter().map(|(_, clock)| clock.count));
        let eligible = QUANTILES.iter().rev().find(|q| response.ci95.contains_key(q.name));
        Some(Self {
            clocks: clocks
                .into_iter()
                .filter_map(|(name, clock)| Curve::new(name, clock, &quantiles))
                .collect(),
            quantiles,
            eligible: eligible.map(|&Quantile { name, quantile }| Eligible { name, quantile }),
        })
    }
}

impl Curve {
    fn new(name: &'static str, clock: &LatencySummary, quantiles: &[f64]) -> Option<Self> {
        let histogram = clock.histogram()?;
        let last = last_quantile(clock.count);
        let ns = quantiles
            .iter()
            .map(|&quantile| (quantile <= last).then(|| histogram.value_at_quantile(quantile)))
            .collect();
        let ci95 = QUANTILES
            .iter()
            .filter_map(|q| clock.ci95.get(q.name).map(|&[low, high]| (q.quantile, low, high)))
            .collect();
        Some(Self { name, ns, least_censored_ns: clock.least_censored_ns, ci95 })
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
