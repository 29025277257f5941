//! What the method promises, held against 1,000 simulated comparisons at a time, whose truth
//! is known: false alarms, coverage and power.

use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, Normal};

use super::metric::Metric;
use super::sample::{Piece, RunSample, Trust};
use super::{MetricComparison, Verdict, judge, measure};
use crate::stats::bootstrap::Resampling;

mod rounds;
mod swept;

/// How runs come about.
#[derive(Debug, Clone, Copy)]
struct World {
    runs: usize,
    intervals: usize,
    /// By interval.
    requests: usize,
    /// Standard deviation of the level from run to run, as a share.
    between_runs: f64,
    /// The same from interval to interval.
    between_intervals: f64,
    /// How much an interval hangs on the one before.
    autocorrelation: f64,
    /// Factor on the slowest 2 % of the candidate's requests.
    tail: f64,
}

/// Five runs a side that differ more than their intervals do.
const WORLD: World = World {
    runs: 5,
    intervals: 8,
    requests: 100,
    between_runs: 0.015,
    between_intervals: 0.01,
    autocorrelation: 0.0,
    tail: 1.0,
};

/// Latencies of a log-normal distribution, by rank.
fn latencies() -> Vec<f64> {
    let normal = Normal::new(0.0, 0.1).unwrap();
    (0..4096).map(|k| 1e6 * normal.inverse_cdf((f64::from(k) + 0.5) / 4096.0).exp()).collect()
}

fn normal(random: &mut Xoshiro256PlusPlus) -> f64 {
    StandardNormal.sample(random)
}

/// A run at a `level`, the logarithm of what its latencies are multiplied by.
fn run(
    world: &World,
    level: f64,
    tail: f64,
    table: &[f64],
    random: &mut Xoshiro256PlusPlus,
) -> RunSample {
    let innovation = (1.0 - world.autocorrelation.powi(2)).sqrt();
    let mut state = normal(random);
    let mut whole = Piece::default();
    let mut intervals = Vec::new();
    for _ in 0..world.intervals {
        state = world.autocorrelation * state + innovation * normal(random);
        let factor = (level + world.between_intervals * state).exp();
        let mut values: Vec<u64> = (0..world.requests)
            .map(|_| {
                let rank = random.random_range(0..table.len());
                let slow = if rank >= table.len() * 98 / 100 { tail } else { 1.0 };
                // Three digits, as histograms have it.
                ((table[rank] * factor * slow / 1000.0).round() * 1000.0) as u64
            })
            .collect();
        values.sort_unstable();
        let counts: Vec<(u64, u64)> =
            values.chunk_by(|a, b| a == b).map(|same| (same[0], same.len() as u64)).collect();
        let ok = world.requests as f64 / factor;
        let cpu = Some(ok * 5.0 * factor);
        let piece = Piece {
            counts,
            corrected: None,
            jain: None,
            worker_skew: None,
            ok,
            asked: ok,
            failed: 0.0,
            seconds: 1.0,
            client_cpu_us: cpu,
            server_cpu_us: cpu,
        };
        whole.counts.extend(&piece.counts);
        whole.ok += piece.ok;
        whole.asked += piece.asked;
        whole.seconds += 1.0;
        for (sum, cpu) in [
            (&mut whole.client_cpu_us, piece.client_cpu_us),
            (&mut whole.server_cpu_us, piece.server_cpu_us),
        ] {
            *sum = Some(sum.unwrap_or(0.0) + cpu.unwrap_or(0.0));
        }
        intervals.push(piece);
    }
    whole.counts.sort_unstable();
    let count = (world.intervals * world.requests) as u64;
    let names = Metric::PRIMARY.iter().map(|metric| (metric.to_string(), count));
    RunSample {
        whole,
        intervals,
        response: Trust { independent: names.collect(), least_censored_ns: None },
        corrected: Trust::default(),
        stamped: None,
    }
}

/// A thousand comparisons, each of fresh runs.
fn comparisons(world: World, threshold: f64) -> Vec<Vec<MetricComparison>> {
    let table = latencies();
    (0..1000_u64)
        .into_par_iter()
        .map(|seed| {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
            let mut side = |tail| -> Vec<RunSample> {
                let mut run = || {
                    let level = world.between_runs * normal(&mut random);
                    run(&world, level, tail, &table, &mut random)
                };
                (0..world.runs).map(|_| run()).collect()
            };
            let (base, candidate) = (side(1.0), side(world.tail));
            let draws = |seed| Resampling { resamples: 200, seed };
            let base = measure::measure(&base, &Metric::PRIMARY, draws(seed));
            let candidate = measure::measure(&candidate, &Metric::PRIMARY, draws(!seed));
            let mut metrics = judge::contrast(&base, &candidate, threshold, false);
            judge::correct(&mut metrics.iter_mut().collect::<Vec<_>>());
            metrics
        })
        .collect()
}

/// Comparisons of 1,000 in which anything at all was called better or worse.
fn alarms(comparisons: &[Vec<MetricComparison>]) -> usize {
    let called =
        |metric: &MetricComparison| matches!(metric.verdict, Verdict::Better | Verdict::Worse);
    comparisons.iter().filter(|metrics| metrics.iter().any(called)).count()
}

/// The share of intervals that hold the true ratio, for each metric that was compared.
fn coverage(
    comparisons: &[Vec<MetricComparison>],
    truth: f64,
    metrics: &[Metric],
) -> Vec<(Metric, f64)> {
    let of = |metric: Metric| {
        let intervals: Vec<[f64; 2]> = comparisons
            .iter()
            .filter_map(|metrics| metrics[metric as usize].interval)
            .collect();
        assert_eq!(intervals.len(), comparisons.len(), "{metric} is compared every time");
        let hits = intervals.iter().filter(|[low, high]| (*low..=*high).contains(&truth));
        (metric, hits.count() as f64 / intervals.len() as f64)
    };
    metrics.iter().map(|&metric| of(metric)).collect()
}

/// What is called better or worse is what has its interval beyond the noise.
fn verdicts_agree_with_intervals(comparisons: &[Vec<MetricComparison>], threshold: f64) {
    let beyond =
        |[low, high]: [f64; 2]| low > 1.0 + threshold || high < 1.0 / (1.0 + threshold);
    let metrics = comparisons.iter().flatten().filter(|metric| metric.metric.is_by_ratio());
    for metric in metrics {
        let called = matches!(metric.verdict, Verdict::Better | Verdict::Worse);
        assert_eq!(metric.judged_interval().is_some_and(beyond), called, "{metric:?}");
    }
}

const BY_RATIO: [Metric; 8] = [
    Metric::Throughput,
    Metric::P50,
    Metric::P90,
    Metric::P99,
    Metric::P999,
    Metric::Max,
    Metric::ClientCpu,
    Metric::ServerCpu,
];

/// Equal sides, without any noise threshold that would help.
fn equal_sides_keep_the_promise(world: World) {
    let comparisons = comparisons(world, 0.0);
    verdicts_agree_with_intervals(&comparisons, 0.0);
    let alarms = alarms(&comparisons);
    assert!(alarms <= 50, "{alarms} false alarms in 1000: {world:?}");
    for (metric, covered) in coverage(&comparisons, 1.0, &BY_RATIO) {
        assert!((0.93..=0.97).contains(&covered), "{metric} {covered}: {world:?}");
    }
}

#[test]
fn equal_sides_of_independent_intervals() {
    equal_sides_keep_the_promise(WORLD);
}

#[test]
fn equal_sides_of_intervals_that_hang_together() {
    equal_sides_keep_the_promise(World {
        autocorrelation: 0.7,
        between_intervals: 0.02,
        ..WORLD
    });
}

#[test]
fn equal_sides_of_one_run_with_and_without_autocorrelation() {
    for autocorrelation in [0.0, 0.5] {
        let world = World { runs: 1, intervals: 30, between_runs: 0.0, ..WORLD };
        let comparisons = comparisons(World { autocorrelation, ..world }, 0.0);
        let alarms = alarms(&comparisons);
        assert!(
            alarms <= 50,
            "{alarms} false alarms in 1000, autocorrelated {autocorrelation}"
        );
        let metrics = [Metric::Throughput, Metric::P50, Metric::P90, Metric::P99];
        for (metric, covered) in coverage(&comparisons, 1.0, &metrics) {
            // Intervals of one run are rather too wide than too narrow.
            assert!(covered >= 0.93, "{metric} {covered}, autocorrelated {autocorrelation}");
        }
    }
}

#[test]
fn a_tail_five_percent_slower_is_found_and_nothing_else() {
    let world = World { runs: 10, between_runs: 0.01, tail: 1.05, ..WORLD };
    let comparisons = comparisons(world, 0.01);
    verdicts_agree_with_intervals(&comparisons, 0.01);
    let called = |metric: Metric, verdict| {
        let of = comparisons.iter().filter(|all| all[metric as usize].verdict == verdict);
        of.count()
    };
    let found = called(Metric::P99, Verdict::Worse);
    assert!(found >= 900, "found in {found} of 1000");
    assert_eq!(called(Metric::P99, Verdict::Better), 0);
    for untouched in [Metric::Throughput, Metric::P50, Metric::P90] {
        let wrong = called(untouched, Verdict::Worse) + called(untouched, Verdict::Better);
        assert!(wrong <= 50, "{untouched}: {wrong}");
    }
    let [(_, covered)] = coverage(&comparisons, 1.05, &[Metric::P99])[..] else { panic!() };
    assert!((0.93..=0.97).contains(&covered), "{covered}");
}
