//! How much of each percentile is the generator's own: [`GeneratorShare`]. A reply that waits
//! in the generator's receive queue, and a request that is written late though it could have
//! gone, are no doing of the server.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{LatencySummary, QUANTILES, Quantile, Together};
use echo_bench_engine::record::{Latency, Stamped};

/// Fewest values beyond a quantile that a share of it is computed from.
const FEWEST_BEYOND: f64 = 5.0;

/// What of the response latency is the generator's own, seen on the connections whose replies
/// the kernel stamps on arrival.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GeneratorShare {
    /// Response latency of the requests that the shares are computed from.
    pub response: LatencySummary,
    /// The same without the generator's own part: without the time that a request was written
    /// late by the generator's fault, and without the wait of its reply in the generator's
    /// receive queue.
    pub corrected: LatencySummary,
    /// Replies whose stamp is exact: the last of their read. For those before them in one read
    /// it is an upper bound of the arrival.
    pub exact: u64,
    /// Replies whose stamp lay before their request or after their read, and was not used: the
    /// clock was set.
    pub implausible: u64,
    /// The generator's own part, by quantile name, where enough values lie beyond it.
    pub quantiles: BTreeMap<String, OwnPart>,
}

/// The generator's own part of a percentile.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OwnPart {
    /// From 0 to 1: one minus the corrected percentile over that of the response, both of the
    /// stamped requests.
    pub share: f64,
    /// That share of the percentile that is printed, which is of all requests, in nanoseconds.
    pub generator_ns: u64,
}

impl GeneratorShare {
    /// From what was stamped of a run with this `response` over all its requests; `None` without
    /// stamps. `clock` makes the summary of a clock.
    pub(super) fn new(
        stamped: &Stamped,
        response: &LatencySummary,
        clock: impl Fn(&Latency) -> Option<LatencySummary>,
    ) -> Option<Self> {
        let (seen, corrected) = (clock(&stamped.response)?, clock(&stamped.corrected)?);
        Some(Self::of(seen, corrected, response, [stamped.exact, stamped.implausible]))
    }

    fn of(
        seen: LatencySummary,
        corrected: LatencySummary,
        response: &LatencySummary,
        [exact, implausible]: [u64; 2],
    ) -> Self {
        let part = |known: &Quantile| {
            let beyond = seen.count as f64 * (1.0 - known.quantile);
            let [all, read, ours] =
                [response, &seen, &corrected].map(|clock| clock.quantile_ns(known));
            let bounded = response.is_lower_bound(all) || seen.is_lower_bound(read);
            if beyond < FEWEST_BEYOND || read == 0 || bounded {
                return None;
            }
            let share = 1.0 - (ours as f64 / read as f64).min(1.0);
            let generator_ns = (share * all as f64).round() as u64;
            Some((known.name.to_owned(), OwnPart { share, generator_ns }))
        };
        let quantiles = QUANTILES.iter().filter_map(part).collect();
        Self { response: seen, corrected, exact, implausible, quantiles }
    }

    /// What several runs saw together, with this `response` of all of them.
    pub(crate) fn merged<'a>(
        together: Together,
        parts: impl Iterator<Item = &'a Self> + Clone,
        response: &LatencySummary,
    ) -> Option<Self> {
        let seen =
            LatencySummary::merged_as(together, parts.clone().map(|part| &part.response))?;
        let corrected =
            LatencySummary::merged_as(together, parts.clone().map(|part| &part.corrected))?;
        let [exact, implausible] = parts.fold([0, 0], |[exact, implausible], part| {
            [exact + part.exact, implausible + part.implausible]
        });
        Some(Self::of(seen, corrected, response, [exact, implausible]))
    }

    /// The largest share of the median and the 99th percentile, with its quantile.
    pub fn largest(&self) -> Option<(&'static str, OwnPart)> {
        ["p50", "p99"]
            .into_iter()
            .filter_map(|name| Some((name, *self.quantiles.get(name)?)))
            .max_by(|(_, a), (_, b)| a.share.total_cmp(&b.share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn share(stamped: &Stamped, response: &Latency) -> Option<GeneratorShare> {
        let clock = |latency: &Latency| LatencySummary::new(latency, &[]);
        GeneratorShare::new(stamped, &clock(response)?, clock)
    }

    #[test]
    fn a_share_is_taken_of_the_percentile_of_all_requests() {
        let (mut stamped, mut response) = (Stamped::default(), Latency::default());
        for _ in 0..1000 {
            stamped.record((0, 0, 0), 40_000, 1_000_000, 1);
            response.record(2_000_000);
        }
        let share = share(&stamped, &response).unwrap();
        let median = share.quantiles["p50"];
        assert!((median.share - 0.96).abs() < 0.001, "{median:?}");
        assert!((1_910_000..1_930_000).contains(&median.generator_ns), "{median:?}");
        assert!(!share.quantiles.contains_key("p99.99"), "a thousand values have no such tail");
        assert_eq!(share.largest().unwrap().1, median);
    }

    #[test]
    fn nothing_is_claimed_without_stamps_or_of_a_lower_bound() {
        let (mut stamped, mut response) = (Stamped::default(), Latency::default());
        response.record(5);
        assert_eq!(share(&stamped, &response), None);
        for _ in 0..1000 {
            stamped.record((0, 0, 0), 40, 1000, 1);
        }
        (0..100).for_each(|_| stamped.record_censored(5000, 0));
        let share = share(&stamped, &response).unwrap();
        assert!(share.quantiles.contains_key("p50") && !share.quantiles.contains_key("p99"));
    }

    #[test]
    fn runs_together_have_the_share_of_all_their_requests() {
        let run = |arrived| {
            let (mut stamped, mut response) = (Stamped::default(), Latency::default());
            for _ in 0..1000 {
                stamped.record((0, 0, 0), arrived, 1_000_000, 1);
                response.record(1_000_000);
            }
            stamped.exact = 7;
            let clock = LatencySummary::new(&response, &[]).unwrap();
            (share(&stamped, &response).unwrap(), clock)
        };
        let [(a, response), (b, _)] = [run(100_000), run(300_000)];
        let merged = GeneratorShare::merged(Together::InTurn, [&a, &b].into_iter(), &response).unwrap();
        assert_eq!((merged.response.count, merged.exact), (2000, 14));
        let p99 = merged.quantiles["p99"].share;
        assert!((p99 - 0.7).abs() < 0.01, "{p99}");
    }
}
