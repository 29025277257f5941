//! Runs that were made in turns on machines that are not the same all the time: false alarms,
//! and what is found with three runs a side.

use super::*;

/// A machine on which runs are made one after the other.
#[derive(Debug, Clone, Copy)]
struct Machine {
    /// Standard deviation from run to run, as a share.
    own: f64,
    /// The same of what it does slowly, and how much of that is left a run later.
    slow: f64,
    autocorrelation: f64,
    /// How much slower it gets over all runs.
    drift: f64,
}

const STEADY: Machine = Machine { own: 0.015, slow: 0.0, autocorrelation: 0.0, drift: 0.0 };
const MOODY: Machine = Machine { own: 0.01, slow: 0.05, autocorrelation: 0.8, drift: 0.0 };
const WARMING: Machine = Machine { own: 0.01, slow: 0.0, autocorrelation: 0.0, drift: 0.2 };

/// How many comparisons of each kind: `ECHO_BENCH_SIMULATIONS`, or the usual number.
pub(super) fn extent(usual: u64) -> u64 {
    let asked = std::env::var("ECHO_BENCH_SIMULATIONS").ok();
    asked.and_then(|count| count.parse().ok()).unwrap_or(usual)
}

/// `count` comparisons of `runs` a side, made in the order A B B A, of a candidate that is so
/// much slower.
fn comparisons(
    machine: Machine,
    runs: usize,
    slower: f64,
    rounds: bool,
    count: u64,
) -> Vec<Vec<MetricComparison>> {
    let table = latencies();
    let world = World { runs, ..WORLD };
    let one = |seed: u64| {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
        let mut mood = normal(&mut random);
        let mut sides = [Vec::new(), Vec::new()];
        for turn in 0..2 * runs {
            let r = machine.autocorrelation;
            mood = r * mood + (1.0 - r * r).sqrt() * normal(&mut random);
            let side = usize::from(turn % 4 == 1 || turn % 4 == 2);
            let level = machine.slow * mood
                + machine.own * normal(&mut random)
                + machine.drift * turn as f64 / (2 * runs) as f64
                + slower.ln_1p() * side as f64;
            sides[side].push(run(&world, level, 1.0, &table, &mut random));
        }
        let draws = |seed| Resampling { resamples: 100, seed };
        let [base, candidate] = sides;
        let base = measure::measure(&base, &Metric::PRIMARY, draws(seed));
        let candidate = measure::measure(&candidate, &Metric::PRIMARY, draws(!seed));
        let mut metrics = judge::contrast(&base, &candidate, 0.0, rounds);
        judge::correct(&mut metrics.iter_mut().collect::<Vec<_>>());
        metrics
    };
    (0..count).into_par_iter().map(one).collect()
}

#[test]
fn equal_sides_raise_few_alarms_on_any_machine() {
    let count = extent(400);
    for machine in [STEADY, MOODY, WARMING] {
        for (runs, rounds) in [(3, true), (5, false), (5, true)] {
            let comparisons = comparisons(machine, runs, 0.0, rounds, count);
            verdicts_agree_with_intervals(&comparisons, 0.0);
            let alarms = alarms(&comparisons);
            let told = format!("{machine:?}, {runs} a side, rounds: {rounds}: {alarms}");
            eprintln!("{told} false alarms in {count}");
            assert!(alarms as u64 <= count / 20, "{told}");
        }
    }
}

/// How often of 100 times the throughput of the candidate is called worse.
fn found(machine: Machine, runs: usize, slower: f64, rounds: bool) -> i64 {
    let count = extent(150);
    let comparisons = comparisons(machine, runs, slower, rounds, count);
    let place = Metric::Throughput as usize;
    let worse = comparisons.iter().filter(|all| all[place].verdict == Verdict::Worse).count();
    let share = (100 * worse as u64 / count).cast_signed();
    eprintln!("{machine:?}, {runs} a side, {slower} slower, rounds: {rounds}: {share} %");
    share
}

#[test]
fn three_runs_a_side_find_an_eighth_on_a_steady_machine() {
    assert!(found(STEADY, 3, 0.1, true) >= 60);
    assert!(found(STEADY, 3, 0.15, true) >= 90);
}

#[test]
fn rounds_find_what_a_drift_hides_and_cost_little_where_there_is_none() {
    for (machine, runs, slower, gain) in [
        (WARMING, 4, 0.15, 20),
        (WARMING, 5, 0.1, 20),
        (MOODY, 5, 0.1, -15),
        (STEADY, 5, 0.1, -15),
    ] {
        let [without, with] = [false, true].map(|rounds| found(machine, runs, slower, rounds));
        assert!(with - without >= gain, "{machine:?} {runs}: {with} {without}");
    }
}

/// A difference that such a comparison calls findable is found in about 80 of 100.
#[test]
fn the_smallest_findable_difference_is_found_in_four_of_five_comparisons() {
    let place = Metric::Throughput as usize;
    for (runs, rounds) in [(5, false), (5, true), (10, false)] {
        let alike = comparisons(STEADY, runs, 0.0, rounds, extent(300));
        let mut findable: Vec<f64> =
            alike.iter().filter_map(|all| all[place].findable).collect();
        assert_eq!(findable.len(), alike.len(), "said of every comparison");
        findable.sort_by(f64::total_cmp);
        let median = findable[findable.len() / 2];
        let share = found(STEADY, runs, median, rounds);
        eprintln!("{runs} a side, rounds: {rounds}: findable {median:.4}, found in {share} %");
        assert!((70..=90).contains(&share), "{runs} {rounds}: {median} found in {share} %");
    }
}
