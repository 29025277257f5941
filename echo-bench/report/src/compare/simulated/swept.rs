//! Sweeps, whose cells are measured in rounds of random order: what taking differences within the
//! rounds is worth where the machine drifts, and what it costs where it does not.

use rand::seq::SliceRandom;

use super::rounds::extent;
use super::*;
use crate::compare::cell::{self, CellSample};

/// A sweep of an axis of two levels over other cells.
#[derive(Debug, Clone, Copy)]
struct Swept {
    /// Cells at each level.
    pairs: usize,
    rounds: usize,
    /// Standard deviation of a round, which all its runs have in common, as a share. That of a
    /// run by itself is 1 %.
    drift: f64,
    /// How much slower the machine gets within a round, as a share.
    within: f64,
}

/// The effect of the axis, which has none, with and without a look at rounds.
fn effects(sweep: Swept, seed: u64, table: &[f64]) -> [Vec<MetricComparison>; 2] {
    let world = World { requests: 50, intervals: 4, ..WORLD };
    let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
    let cells = 2 * sweep.pairs;
    let mut runs = vec![Vec::new(); cells];
    let mut starts = vec![Vec::new(); cells];
    for round in 0..sweep.rounds {
        let common = sweep.drift * normal(&mut random);
        let mut order: Vec<usize> = (0..cells).collect();
        order.shuffle(&mut random);
        for (turn, place) in order.into_iter().enumerate() {
            let level = common
                + sweep.within * turn as f64 / cells as f64
                // Cells differ, which is no part of the effect.
                + 0.1 * (place / 2) as f64
                + 0.01 * normal(&mut random);
            runs[place].push(run(&world, level, 1.0, table, &mut random));
            starts[place].push(format!("2026-01-01T{round:02}:{turn:02}:00Z"));
        }
    }
    let measured = |(runs, number): (&Vec<RunSample>, u64)| {
        let draws = Resampling { resamples: 100, seed: seed ^ (number << 32) };
        measure::measure(runs, &Metric::PRIMARY, draws)
    };
    let outcomes: Vec<measure::Outcomes> = runs.iter().zip(1..).map(measured).collect();
    [false, true].map(|in_rounds| {
        let cells = outcomes.iter().cloned().zip(&starts);
        let starts = |starts: &Vec<String>| if in_rounds { starts.clone() } else { Vec::new() };
        let samples: Vec<CellSample> =
            cells.map(|(outcomes, of)| CellSample::simulated(outcomes, starts(of))).collect();
        let pairs: Vec<_> = samples.chunks(2).map(|pair| (&pair[0], &pair[1])).collect();
        let mut metrics = cell::contrast_pooled(&pairs, 0.0);
        judge::correct(&mut metrics.iter_mut().collect::<Vec<_>>());
        metrics
    })
}

/// How much of 1 the intervals of throughput cover, false alarms of 1 in any metric, and the
/// median ratio of the widths with and without rounds.
fn tried(sweep: Swept) -> [f64; 3] {
    let (table, count) = (latencies(), extent(300));
    let both: Vec<_> =
        (0..count).into_par_iter().map(|seed| effects(sweep, seed, &table)).collect();
    let place = Metric::Throughput as usize;
    let interval = |metrics: &Vec<MetricComparison>| {
        metrics[place].interval.expect("throughput is compared")
    };
    let width = |metrics: &Vec<MetricComparison>| {
        let [low, high] = interval(metrics);
        (high / low).ln()
    };
    let mut widths: Vec<f64> =
        both.iter().map(|[without, with]| width(with) / width(without)).collect();
    widths.sort_by(f64::total_cmp);
    let by_rounds: Vec<Vec<MetricComparison>> =
        both.into_iter().map(|[_, with]| with).collect();
    let covers = |metrics: &&Vec<MetricComparison>| {
        let [low, high] = interval(metrics);
        low <= 1.0 && 1.0 <= high
    };
    let covered = by_rounds.iter().filter(covers).count() as f64 / count as f64;
    let alarmed = alarms(&by_rounds) as f64 / count as f64;
    let told = [covered, alarmed, widths[widths.len() / 2]];
    eprintln!("{sweep:?}: covered, alarms, width with by without rounds: {told:.3?}");
    told
}

const STEADY: Swept = Swept { pairs: 4, rounds: 5, drift: 0.0, within: 0.0 };

#[test]
fn a_drift_of_whole_rounds_is_no_part_of_an_effect_and_its_interval_gets_narrower() {
    for (pairs, rounds, narrower) in [(1, 5, 0.8), (4, 3, 0.7), (4, 5, 0.6)] {
        for within in [0.0, 0.03] {
            let sweep = Swept { pairs, rounds, drift: 0.04, within };
            let [covered, alarmed, width] = tried(sweep);
            assert!(covered >= 0.92 && alarmed <= 0.07, "{sweep:?}: {covered} {alarmed}");
            assert!(within > 0.0 || width < narrower, "{sweep:?}: {width}");
        }
    }
}

#[test]
fn without_a_drift_intervals_cover_as_promised_and_are_little_wider() {
    for (pairs, rounds) in [(1, 3), (1, 5), (4, 2), (4, 3), (4, 5)] {
        let sweep = Swept { pairs, rounds, ..STEADY };
        let [covered, alarmed, width] = tried(sweep);
        assert!(covered >= 0.92 && alarmed <= 0.07, "{sweep:?}: {covered} {alarmed}");
        assert!(width < 1.25, "{sweep:?}: {width}");
    }
}
