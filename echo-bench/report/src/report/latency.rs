//! A latency histogram as data: [`LatencySummary`], with its quantiles, how sure they are,
//! and all counts in the HDR V2 format, so that nothing is lost.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Together, hdr};
use crate::stats::{effective, looks, order};
use echo_bench_engine::record::{Latency, Packed};

/// A quantile that reports show.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Quantile {
    /// Its name in reports and flags.
    pub name: &'static str,
    /// From 0 to 1.
    pub quantile: f64,
}

/// The quantiles that reports show.
pub(crate) const QUANTILES: [Quantile; 6] = [
    Quantile { name: "p50", quantile: 0.5 },
    Quantile { name: "p90", quantile: 0.9 },
    Quantile { name: "p95", quantile: 0.95 },
    Quantile { name: "p99", quantile: 0.99 },
    Quantile { name: "p99.9", quantile: 0.999 },
    Quantile { name: "p99.99", quantile: 0.9999 },
];

/// One clock's latencies in nanoseconds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LatencySummary {
    /// Values, censored ones included.
    pub count: u64,
    /// The least.
    pub min_ns: u64,
    /// The mean; a lower bound if any value is censored.
    pub mean_ns: f64,
    /// The standard deviation.
    pub stdev_ns: f64,
    /// The median.
    pub p50_ns: u64,
    /// The quantile 0.9.
    pub p90_ns: u64,
    /// The quantile 0.95.
    pub p95_ns: u64,
    /// The quantile 0.99.
    pub p99_ns: u64,
    /// The quantile 0.999.
    pub p99_9_ns: u64,
    /// The quantile 0.9999.
    pub p99_99_ns: u64,
    /// The greatest.
    pub max_ns: u64,
    /// Values that are lower bounds: requests that were never answered, at their age when
    /// they were given up.
    pub censored: u64,
    /// The least age of a censored value. Every quantile from it on is a lower bound.
    pub least_censored_ns: Option<u64>,
    /// Values above one hour, recorded as one hour.
    pub clamped: u64,
    /// 95 % intervals within this run, by quantile name, only where the sample allows one: where
    /// the quantile of a longer run of the same kind would lie. What differs from run to run is
    /// not in them.
    pub ci95: BTreeMap<String, [u64; 2]>,
    /// The effective sample size, by quantile name: the count as independent values. Requests
    /// that follow each other are alike, so that it is far smaller than the count.
    pub independent: BTreeMap<String, u64>,
    /// All counts: HDR V2, deflated, base64.
    pub hdr: String,
}

impl LatencySummary {
    /// The summary of `latency`, whose values came in these `pieces` of the run, in order;
    /// without pieces the values are no series, and each counts. `None` if there are no values.
    pub fn new(latency: &Latency, pieces: &[Packed]) -> Option<Self> {
        let pieces = pieces.iter().map(Packed::histogram);
        let quantiles = QUANTILES.map(|known| known.quantile);
        let independent = effective::sizes(latency.histogram(), pieces, &quantiles);
        let worth = QUANTILES.iter().zip(independent);
        Self::counted(latency).map(|summary| summary.with_worth(worth, latency))
    }

    /// The same of a run that was looked at while it went, and could have ended at each look.
    pub(super) fn looked_at(self, latency: &Latency) -> Self {
        let worth = |known| (known, looks::worth(self.independent_of(known)));
        let worth: Vec<_> = QUANTILES.iter().map(worth).collect();
        Self { ci95: BTreeMap::new(), ..self }.with_worth(worth, latency)
    }

    /// The summary of another clock of the same requests, or of a part of them: its values are
    /// taken to be correlated as those of `response` do. Of what was never answered next to
    /// nothing is known.
    pub fn like(latency: &Latency, response: Option<&Self>) -> Option<Self> {
        let independent = |name: &str| match response {
            Some(response) => (latency.count() as f64 * response.worth_of_one(name)) as u64,
            None => latency.count().min(effective::TOO_SHORT),
        };
        Self::with_independent(latency, independent)
    }

    fn independent_of(&self, quantile: &Quantile) -> u64 {
        self.independent.get(quantile.name).copied().unwrap_or(0)
    }

    /// How many independent values one of them is worth at a known quantile, at most 1.
    fn worth_of_one(&self, name: &str) -> f64 {
        let independent = self.independent.get(name).copied().unwrap_or(0);
        (independent as f64 / self.count.max(1) as f64).min(1.0)
    }

    /// The effective sample size at any quantile, from the known ones on both sides of it.
    pub(crate) fn independent_at(&self, quantile: f64) -> u64 {
        let above = QUANTILES.iter().position(|known| known.quantile >= quantile);
        let above = above.unwrap_or(QUANTILES.len() - 1);
        let exact = QUANTILES[above].quantile.total_cmp(&quantile).is_eq();
        let below = if exact { above } else { above.saturating_sub(1) };
        let worth = [below, above].map(|place| self.worth_of_one(QUANTILES[place].name));
        (self.count as f64 * worth[0].min(worth[1])).round() as u64
    }

    /// What several runs saw together; `None` if they saw nothing. Runs are independent of
    /// each other, so what their values are worth adds up.
    pub fn merged<'a>(parts: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        Self::merged_as(Together::InTurn, parts)
    }

    /// The same of runs that lie so in time.
    pub(crate) fn merged_as<'a>(
        together: Together,
        parts: impl IntoIterator<Item = &'a Self>,
    ) -> Option<Self> {
        let parts: Vec<&Self> = parts.into_iter().collect();
        let mut merged = Latency::default();
        for latency in parts.iter().filter_map(|part| part.latency()) {
            merged += &latency;
        }
        Self::with_independent(&merged, Self::worth_together(together, &parts))
    }

    /// How many independent values the clocks of several runs are worth, by quantile name.
    pub(crate) fn worth_together<'a>(
        together: Together,
        parts: &'a [&'a Self],
    ) -> impl Fn(&str) -> u64 + 'a {
        let worth = |part: &&Self, name: &str| part.independent.get(name).copied().unwrap_or(0);
        move |name| together.worth(parts.iter().map(|part| (part.count, worth(part, name))))
    }

    /// The summary of `latency`, where it is known how many independent values it is worth,
    /// by quantile name.
    pub(crate) fn with_independent(
        latency: &Latency,
        independent: impl Fn(&str) -> u64,
    ) -> Option<Self> {
        let worth = QUANTILES.iter().map(|known| (known, independent(known.name)));
        Self::counted(latency).map(|summary| summary.with_worth(worth, latency))
    }

    /// What was counted, without a word on how sure it is; `None` if there are no values.
    pub(super) fn counted(latency: &Latency) -> Option<Self> {
        let histogram = latency.histogram();
        if histogram.is_empty() {
            return None;
        }
        let at = |quantile| histogram.value_at_quantile(quantile);
        Some(Self {
            count: histogram.len(),
            min_ns: histogram.min(),
            mean_ns: histogram.mean(),
            stdev_ns: histogram.stdev(),
            p50_ns: at(0.5),
            p90_ns: at(0.9),
            p95_ns: at(0.95),
            p99_ns: at(0.99),
            p99_9_ns: at(0.999),
            p99_99_ns: at(0.9999),
            max_ns: histogram.max(),
            censored: latency.censored(),
            least_censored_ns: latency.least_censored(),
            clamped: latency.clamped(),
            ci95: BTreeMap::new(),
            independent: BTreeMap::new(),
            hdr: hdr::encode(histogram),
        })
    }

    fn with_worth<'a>(
        mut self,
        worth: impl IntoIterator<Item = (&'a Quantile, u64)>,
        latency: &Latency,
    ) -> Self {
        let at = |quantile| latency.histogram().value_at_quantile(quantile);
        for (&Quantile { name, quantile }, values) in worth {
            self.independent.insert(name.to_owned(), values);
            if let Some((low, high)) = order::interval(quantile, values) {
                self.ci95.insert(name.to_owned(), [at(low), at(high)]);
            }
        }
        self
    }

    /// The value of one of the [`QUANTILES`], as stored.
    pub(crate) fn quantile_ns(&self, quantile: &Quantile) -> u64 {
        match quantile.name {
            "p50" => self.p50_ns,
            "p90" => self.p90_ns,
            "p95" => self.p95_ns,
            "p99" => self.p99_ns,
            "p99.9" => self.p99_9_ns,
            _ => self.p99_99_ns,
        }
    }

    /// How many independent values there are, and how many the quantile needs, where they are
    /// too few for an interval. Such a value is shown as weak.
    pub(crate) fn weakness(&self, quantile: &Quantile) -> Option<(u64, u64)> {
        let independent = self.independent_of(quantile);
        let weak = !self.ci95.contains_key(quantile.name);
        weak.then(|| (independent, order::needed(quantile.quantile)))
    }

    /// Whether a value of this summary is only a lower bound of the truth.
    pub fn is_lower_bound(&self, value_ns: u64) -> bool {
        // Stored values are the upper ends of their buckets.
        self.least_censored_ns.is_some_and(|least| value_ns >= least)
    }

    /// All counts again; `None` if the text is no stored histogram.
    pub fn histogram(&self) -> Option<Histogram<u64>> {
        hdr::decode(&self.hdr).ok()
    }

    /// The record that this is the summary of; `None` if it can't be.
    pub fn latency(&self) -> Option<Latency> {
        let (censored, least, clamped) = (self.censored, self.least_censored_ns, self.clamped);
        Latency::from_parts(&self.histogram()?, censored, least, clamped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_without_loss() {
        let mut latency = Latency::default();
        for value in [100, 2_000, 30_000, 4_000_000] {
            latency.record(value);
        }
        latency.record_censored(5_000_000);
        let summary = LatencySummary::new(&latency, &[]).unwrap();
        let again = summary.latency().unwrap();
        assert_eq!(LatencySummary::new(&again, &[]).unwrap(), summary);
        assert_eq!((summary.count, summary.censored), (5, 1));
        assert!(summary.is_lower_bound(summary.max_ns));
        assert!(!summary.is_lower_bound(summary.p50_ns));
    }

    #[test]
    fn says_nothing_of_nothing() {
        assert!(LatencySummary::new(&Latency::default(), &[]).is_none());
    }

    #[test]
    fn has_intervals_only_where_the_sample_allows() {
        let mut latency = Latency::default();
        for value in 1..=400 {
            latency.record(value * 1000);
        }
        let summary = LatencySummary::new(&latency, &[]).unwrap();
        assert!(summary.ci95.contains_key("p99"));
        assert!(!summary.ci95.contains_key("p99.9"));
        let [low, high] = summary.ci95["p50"];
        assert!(low < summary.p50_ns && summary.p50_ns < high);
    }
}
