//! Runs that end once a percentile is known sharply enough: [`UntilWatch`] looks while the run
//! goes, and [`UntilReport`] says what came of it. When is looked is fixed beforehand, and
//! every interval of such a run accounts for the looking ([`looks`]).

use std::panic::{AssertUnwindSafe, catch_unwind};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use echo_bench_engine::plan::{Plan, StopRule, Until};
use echo_bench_engine::record::{Latency, Packed};
use echo_bench_engine::{RunRecord, SoFar};
use echo_net::Nanos;

use crate::stats::effective;
use crate::stats::looks::{self, Looks};

/// A look at fewer pieces than that is skipped: for how long the run remembers can't be told from
/// them, and a wrong guess would end it.
const LEAST_PIECES: usize = 100;

/// The interval over the whole window, which a last interval was added to after the look, may
/// be so many times wider than asked for.
const FAR: f64 = 2.0;

/// Looks at a run, for as long as it may end early.
#[derive(Debug, Clone)]
pub struct UntilWatch {
    until: Until,
    /// The looks before the last, which is at the end anyway, with their numbers from 1.
    due: Vec<(u32, Nanos)>,
    ended: Option<EarlyEnd>,
}

/// The look at which a run ended before its time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct EarlyEnd {
    /// Its number, from 1.
    pub look: u32,
    /// When it was, from the beginning of the window.
    pub at_ns: Nanos,
}

/// What became of the precision that was asked for. Null in merged reports.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct UntilReport {
    /// Looks at which the run could end, fixed beforehand; the last is at its full duration.
    /// All intervals of the response latency are wide enough to hold the truth with 95 %
    /// whichever of them ended the run.
    pub looks: u32,
    /// The look at which it ended, from 1; null if it was interrupted.
    pub look: Option<u32>,
    /// When that was, in seconds from the beginning of the window. The window ends with the
    /// interval after it.
    pub looked_at_s: Option<f64>,
    /// Whether the interval was narrow enough at that look.
    pub reached: bool,
    /// The 95 % interval of the percentile over the whole window, in nanoseconds; null if the
    /// effective sample size is too small, or if an end is a lower bound.
    pub interval_ns: Option<[u64; 2]>,
    /// How far the farther end of it lies from the value, as a share of that.
    pub achieved: Option<f64>,
}

/// A look at what is known of the percentile: its interval, the half-width of that as a share,
/// and whether it is narrow enough.
fn look(until: Until, latency: &Latency, pieces: &[Packed]) -> Option<([u64; 2], f64, bool)> {
    let histogram = latency.histogram();
    if histogram.is_empty() {
        return None;
    }
    let pieces = pieces.iter().map(Packed::histogram);
    let independent = effective::sizes(histogram, pieces, &[until.quantile])[0];
    let at = |quantile| histogram.value_at_quantile(quantile);
    let look = Looks::new(until.quantile, until.within).look(independent, at);
    let (value, ends) = (at(until.quantile), look.interval?);
    // A request that was never answered may have taken for ever.
    let bounded = latency.least_censored().is_none_or(|least| ends[1] < least);
    (bounded && value > 0).then(|| (ends, looks::half_width(value, ends), look.is_enough))
}

impl UntilWatch {
    /// For a run of `plan`; `None` if it ends at its time whatever is known.
    pub fn new(plan: &Plan) -> Option<Self> {
        let (until, StopRule::Duration { duration_ns }) = (plan.until?, plan.stop) else {
            return None;
        };
        let times = Looks::times().map(|share| (duration_ns as f64 * share).ceil() as Nanos);
        let due = (1..).zip(times).filter(|(_, time)| *time < duration_ns).collect();
        Some(Self { until, due, ended: None })
    }

    /// Whether the run may end: a look is due, and the interval narrow enough.
    pub fn is_enough(&mut self, so_far: &SoFar<'_>) -> bool {
        let seen = self.due.iter().take_while(|(_, time)| *time <= so_far.measured_ns).count();
        let Some((number, _)) = self.due.drain(..seen).next_back() else { return false };
        if self.ended.is_some() || so_far.pieces.len() < LEAST_PIECES {
            return false;
        }
        // As in the judgement of a run: a fault of the statistics must not end it.
        let look = || look(self.until, so_far.response, so_far.pieces);
        let found = catch_unwind(AssertUnwindSafe(look)).ok().flatten();
        let enough = found.is_some_and(|(.., is_enough)| is_enough);
        if enough {
            self.ended = Some(EarlyEnd { look: number, at_ns: so_far.measured_ns });
        }
        enough
    }

    /// The look at which it said so.
    pub fn ended(&self) -> Option<EarlyEnd> {
        self.ended
    }
}

impl UntilReport {
    /// Whether the precision is missing: no look found it, or the whole window is far from it.
    pub(super) fn is_missed(&self, until: Until) -> bool {
        let kept = self.achieved.is_some_and(|achieved| achieved <= until.within * FAR);
        !self.reached || !kept
    }

    /// Of a run with such a plan.
    pub(super) fn new(
        plan: &Plan,
        record: &RunRecord,
        ended: Option<EarlyEnd>,
    ) -> Option<Self> {
        let until = plan.until?;
        let found = look(until, &record.total.latencies.response, &record.pieces);
        let (interval_ns, achieved) = (found.map(|found| found.0), found.map(|found| found.1));
        let looks = Looks::times().count() as u32;
        let (look, looked_at_s, reached) = if let Some(EarlyEnd { look, at_ns }) = ended {
            (Some(look), Some(at_ns as f64 / 1e9), true)
        } else {
            let reached = found.is_some_and(|(.., is_enough)| is_enough);
            let whole = !record.interrupted;
            let at_s = record.measured_ns as f64 / 1e9;
            (whole.then_some(looks), whole.then_some(at_s), whole && reached)
        };
        Some(Self { looks, look, looked_at_s, reached, interval_ns, achieved })
    }
}

#[cfg(test)]
mod tests {
    use echo_bench_engine::plan::EARLIEST_END;
    use echo_net::clock::SECOND;
    use rand::{RngExt, SeedableRng};
    use rand_xoshiro::Xoshiro256PlusPlus;

    use super::*;
    use crate::small_plan::plan_with;

    fn watch(until: &str) -> UntilWatch {
        let plan = plan_with(|plan| {
            plan.stop = StopRule::Duration { duration_ns: 32 * SECOND };
            plan.until = Some(until.parse().unwrap());
        });
        UntilWatch::new(&plan).unwrap()
    }

    /// So many seconds of 50 pieces each, whose latencies have this spread.
    fn seen(seconds: u64, spread: u64) -> (Latency, Vec<Packed>) {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(spread);
        let (mut whole, mut pieces) = (Latency::default(), Vec::new());
        for _ in 0..seconds * 50 {
            let mut latency = Latency::default();
            for _ in 0..40 {
                latency.record(1_000_000 + random.random_range(0..1000) * spread);
            }
            whole += &latency;
            pieces.push(Packed::new(&latency));
        }
        (whole, pieces)
    }

    fn ends_at(until: &str, spread: u64) -> Option<EarlyEnd> {
        let mut watch = watch(until);
        // A few of the ends of intervals, those of all looks among them.
        for seconds in [1, 2, 3, 4, 8, 16, 17] {
            let (response, pieces) = seen(seconds, spread);
            let measured_ns = seconds * SECOND;
            let so_far = SoFar { measured_ns, response: &response, pieces: &pieces };
            if watch.is_enough(&so_far) {
                assert!(!watch.is_enough(&so_far), "it is said once");
                break;
            }
        }
        watch.ended()
    }

    #[test]
    fn a_run_ends_at_the_first_look_that_is_sharp_enough_and_at_no_other_time() {
        let sharp = ends_at("p50+-5%", 100).unwrap();
        assert_eq!(sharp, EarlyEnd { look: 1, at_ns: 2 * SECOND });
        let later = ends_at("p50+-1%", 1000).unwrap();
        let looks = [(2, 4 * SECOND), (3, 8 * SECOND), (4, 16 * SECOND)];
        assert!(looks.contains(&(later.look, later.at_ns)), "{later:?}");
        assert_eq!(ends_at("p99.99+-0.001%", 10_000), None, "the last look is at the end");
    }

    #[test]
    fn a_look_at_a_few_pieces_is_no_look() {
        let (response, pieces) = seen(2, 100);
        let pieces = &pieces[..LEAST_PIECES - 1];
        let so_far = SoFar { measured_ns: 2 * SECOND, response: &response, pieces };
        assert!(!watch("p50+-50%").is_enough(&so_far));
    }

    #[test]
    fn a_percentile_that_is_a_lower_bound_is_never_sharp() {
        let mut watch = watch("p99+-50%");
        let (mut response, pieces) = seen(2, 100);
        (0..2000).for_each(|_| response.record_censored(1_000_500));
        let so_far = SoFar { measured_ns: 2 * SECOND, response: &response, pieces: &pieces };
        assert!(!watch.is_enough(&so_far));
    }

    #[test]
    fn the_first_look_is_where_the_engine_expects_it() {
        let first = Looks::times().next().unwrap();
        assert!((first * EARLIEST_END as f64 - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_run_without_the_rule_is_not_looked_at() {
        assert!(UntilWatch::new(&crate::small_plan::plan()).is_none());
    }
}
