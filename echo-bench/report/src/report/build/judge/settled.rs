//! Whether a run was in a steady state: [`no_steady_state`], of its throughput and of its
//! median latency.

use echo_bench_engine::RunRecord;
use echo_bench_engine::plan::Plan;
use echo_bench_engine::record::{Latency, Packed};

use crate::report::verdict::Finding;
use crate::stats::steady;

/// A shorter window is not judged: its beginning is most of it.
const LEAST_INTERVALS: u64 = 3;

/// As many points are enough to see a trend, and each is long enough for its neighbours not
/// to hang on it.
const POINTS: usize = 20;

/// Trends over the window, of which the greatest of each kind is told.
pub(super) fn no_steady_state(plan: &Plan, record: &RunRecord) -> Vec<Finding> {
    let whole = record.measured_ns / plan.interval_ns;
    if whole < LEAST_INTERVALS {
        return Vec::new();
    }
    let points = points(record);
    let medians: Vec<f64> =
        points.iter().filter_map(|(median, _)| median.map(|ns| ns as f64)).collect();
    let answers: Vec<f64> = if whole < steady::LEAST_VALUES as u64 {
        points.iter().map(|(_, answers)| *answers as f64).collect()
    } else {
        let intervals = record.intervals.iter().filter(|interval| interval.index < whole);
        intervals.map(|interval| interval.tally.answered as f64).collect()
    };
    drifts(&answers, &medians)
}

/// The same of a stage of this length, whose requests came in these pieces.
pub(super) fn of_stage(plan: &Plan, pieces: &[Packed], length_ns: u64) -> Vec<Finding> {
    if length_ns / plan.interval_ns < LEAST_INTERVALS {
        return Vec::new();
    }
    // The first piece may have begun before the stage, and the last hold a backlog of it.
    let inner = pieces.get(1..pieces.len().saturating_sub(1)).unwrap_or_default();
    let points = stretches(&inner.iter().collect::<Vec<_>>());
    let medians: Vec<f64> =
        points.iter().filter_map(|(median, _)| median.map(|ns| ns as f64)).collect();
    let answers: Vec<f64> = points.iter().map(|(_, answers)| *answers as f64).collect();
    drifts(&answers, &medians)
}

fn drifts(answers: &[f64], medians: &[f64]) -> Vec<Finding> {
    let drift = |what, series: &[f64]| {
        steady::drift(series).map(|change| Finding::NoSteadyState { what, change })
    };
    [drift("throughput", answers), drift("p50", medians)].into_iter().flatten().collect()
}

/// The median and the number of replies of stretches of the window that are equally long.
fn points(record: &RunRecord) -> Vec<(Option<u64>, u64)> {
    let intervals: Vec<&Packed> = record.intervals.iter().map(|i| &i.response).collect();
    let pieces: Vec<&Packed> = record.pieces.iter().collect();
    let pieces = if pieces.len() > intervals.len() { pieces } else { intervals };
    // The last may be shorter, and holds the replies of the drain.
    stretches(&pieces[..pieces.len().saturating_sub(1)])
}

fn stretches(pieces: &[&Packed]) -> Vec<(Option<u64>, u64)> {
    let together = pieces.len().div_ceil(POINTS).max(1);
    let point = |group: &[&Packed]| {
        let mut all = Latency::default();
        for piece in group {
            all += &piece.unpack();
        }
        let histogram = all.histogram();
        let median = (!histogram.is_empty()).then(|| histogram.value_at_quantile(0.5));
        (median, histogram.len())
    };
    pieces.chunks_exact(together).map(point).collect()
}

#[cfg(test)]
mod tests {
    use echo_net::clock::SECOND;

    use super::*;
    use crate::small_plan;

    /// A run of these seconds in 20 pieces a second, with the latency of each piece.
    fn run(seconds: u64, latency_ns: impl Fn(u64) -> u64) -> RunRecord {
        let piece = |place| {
            let mut piece = Latency::default();
            for k in 0..50 {
                piece.record(latency_ns(place) * (95 + (k * 7 + place * 3) % 11) / 100);
            }
            Packed::new(&piece)
        };
        RunRecord {
            measured_ns: seconds * SECOND,
            pieces: (0..seconds * 20).map(piece).collect(),
            ..RunRecord::default()
        }
    }

    fn drift(record: &RunRecord) -> Vec<(&'static str, f64)> {
        let found = no_steady_state(&small_plan::plan(), record).into_iter();
        let of = |finding| match finding {
            Finding::NoSteadyState { what, change } => Some((what, change)),
            _ => None,
        };
        found.filter_map(of).collect()
    }

    #[test]
    fn a_median_that_grows_is_seen_though_the_throughput_stays() {
        for seconds in [3, 12] {
            let last = seconds * 20;
            let record = run(seconds, |place| 600_000 + 5_600_000 * place / last);
            let [(what, change)] = drift(&record)[..] else { panic!("{:?}", drift(&record)) };
            assert!(what == "p50" && (1.3..2.0).contains(&change), "{what} {change}");
        }
        assert_eq!(drift(&run(2, |place| 600_000 + 100_000 * place)), [], "too short");
    }

    #[test]
    fn a_level_is_steady_and_so_is_a_stall() {
        assert_eq!(drift(&run(12, |_| 600_000)), []);
        let stall = |place| if place == 100 { 200_000_000 } else { 600_000 };
        assert_eq!(drift(&run(12, stall)), []);
    }
}
