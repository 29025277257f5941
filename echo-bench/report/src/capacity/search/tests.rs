//! Searches of simulated servers: each run is a queue that is simulated request by request, and
//! judged as a real one is.

use std::time::Duration;

use echo_bench_engine::record::{Latency, Packed};
use echo_test_support::queueing::md1_rate;
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

use super::*;
use crate::capacity::judge::{looked_at, rate_verdict};
use crate::report::{LatencySummary, Slo};

const SECOND: Duration = Duration::from_secs(1);

/// Set to a number to try so many searches.
const SIMULATIONS: &str = "ECHO_BENCH_SIMULATIONS";

const BOUNDS: Bounds = Bounds {
    min_rate: 10.0,
    max_rate: 1e6,
    precision: 0.02,
    budget: Duration::from_mins(3),
    window: Duration::from_secs(3),
    around: Duration::from_secs(2),
};

/// What a run at a rate gives, in seconds of response latency; the last argument says whether the
/// run before it failed.
type Server<'a> = dyn FnMut(f64, f64, bool) -> Vec<f64> + 'a;

/// A search to its end, and every step of it.
struct Searched {
    search: Search,
    ending: Ending,
    steps: Vec<(f64, u32, Approach, RateVerdict)>,
}

fn searched(bounds: Bounds, slo: &str, hint: Option<f64>, server: &mut Server) -> Searched {
    searched_to(bounds, slo, hint, f64::INFINITY, server)
}

/// Above `most` per second the generator is the limit.
fn searched_to(
    bounds: Bounds,
    slo: &str,
    hint: Option<f64>,
    most: f64,
    server: &mut Server,
) -> Searched {
    let slo: Slo = slo.parse().unwrap();
    let mut search = Search::new(bounds);
    let mut runs: Vec<(f64, Approach, LatencySummary)> = Vec::new();
    let (mut steps, mut last_failed) = (Vec::new(), false);
    let ending = loop {
        let (rate, windows, approach) = match search.next() {
            Next::Probe => {
                search.record_probe(hint, 3 * SECOND);
                continue;
            }
            Next::Step { rate, windows, approach } => (rate, windows, approach),
            Next::Done(ending) => break ending,
        };
        let length_s = (bounds.window * windows).as_secs_f64();
        runs.push((rate, approach, summary(&server(rate, length_s, last_failed))));
        let at = |side: Option<Approach>| {
            let of = runs.iter().filter(|run| {
                run.0.total_cmp(&rate).is_eq() && side.is_none_or(|side| side == run.1)
            });
            let of: Vec<&LatencySummary> = of.map(|run| &run.2).collect();
            if rate > most {
                return RateVerdict::Generator;
            }
            judged(&slo, &of)
        };
        let judged = Judged { verdict: at(None), from_this_side: at(Some(approach)) };
        last_failed = judged.from_this_side == RateVerdict::Failed;
        steps.push((rate, windows, approach, judged.verdict));
        search.record(rate, windows, judged, bounds.window * windows + bounds.around);
        assert!(steps.len() < 500, "the search does not end");
    };
    assert!(search.spent() <= bounds.budget, "{:?}", search.spent());
    Searched { search, ending, steps }
}

/// All latencies in pieces, as runs have them.
fn summary(seconds: &[f64]) -> LatencySummary {
    let (mut whole, mut pieces) = (Latency::default(), Vec::new());
    for piece in seconds.chunks(seconds.len().div_ceil(30).max(1)) {
        let mut latency = Latency::default();
        for s in piece {
            latency.record((s * 1e9) as u64);
        }
        whole += &latency;
        pieces.push(Packed::new(&latency));
    }
    LatencySummary::new(&whole, &pieces).unwrap()
}

fn judged(slo: &Slo, runs: &[&LatencySummary]) -> RateVerdict {
    let merged = LatencySummary::merged(runs.iter().copied());
    let pooled = looked_at(merged.as_ref());
    rate_verdict(slo.judge(pooled.as_ref().or(Some(runs[0])), &[]).verdict())
}

/// Poisson arrivals at one server that needs `service_s` for each, after a second of warm-up.
fn md1(random: &mut Xoshiro256PlusPlus, rate: f64, window_s: f64, service_s: f64) -> Vec<f64> {
    let (mut at, mut free, mut latencies) = (0.0_f64, 0.0_f64, Vec::new());
    loop {
        at -= random.random::<f64>().max(1e-300).ln() / rate;
        if at > window_s + 1.0 {
            return latencies;
        }
        free = free.max(at) + service_s;
        if at > 1.0 {
            latencies.push(free - at);
        }
    }
}

#[test]
fn the_interval_holds_the_analytic_rate_of_a_queue() {
    let truth = md1_rate(0.99, 0.0002, 0.0012);
    let count = std::env::var(SIMULATIONS).ok().and_then(|count| count.parse().ok());
    let count: u64 = count.unwrap_or(6);
    let found: Vec<[f64; 2]> = (0..count)
        .into_par_iter()
        .map(|seed| {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(seed);
            let mut server = |rate, window_s, _| md1(&mut random, rate, window_s, 0.0002);
            let searched = searched(BOUNDS, "p99<1200us", Some(4_800.0), &mut server);
            let bracket = searched.search.bracket();
            let Some((low, high)) = bracket.low.zip(bracket.high) else {
                panic!("{:?} {:#?}", searched.ending, searched.steps);
            };
            if seed == 0 {
                eprintln!("{low} to {high}: {:?}", searched.steps);
            }
            [low, high]
        })
        .collect();
    let missed = found.iter().filter(|[low, high]| !(low..=high).contains(&&truth)).count();
    assert!(missed as f64 <= 0.05 * count as f64 + 1.0, "{missed} of {count} miss {truth}");
    let mut widths: Vec<f64> = found.iter().map(|[low, high]| high / low - 1.0).collect();
    widths.sort_unstable_by(f64::total_cmp);
    let median = widths[widths.len() / 2];
    eprintln!("truth {truth:.1}, {missed} of {count} miss it, median width {median:.3}");
    assert!(median < 0.25, "{median}");
}

/// Latencies that are short up to a rate, and long above it.
fn knee(rate: f64, window_s: f64, at: f64) -> Vec<f64> {
    let latency = if rate <= at { 0.001 } else { 0.1 };
    let count = (rate * window_s).clamp(2_000.0, 5_000.0) as u32;
    (0..count).map(|k| latency * (1.0 + f64::from(k * 7919 % 101) / 1e3)).collect()
}

#[test]
fn a_knee_is_found_to_the_precision_and_looked_at_from_both_sides() {
    for (hint, at) in [(None, 777.0), (Some(800.0), 777.0), (Some(50.0), 43_210.0)] {
        let mut server = |rate, window_s, _| knee(rate, window_s, at);
        let found = searched(BOUNDS, "p99<5ms", hint, &mut server);
        let bracket = found.search.bracket();
        let (low, high) = (bracket.low.unwrap(), bracket.high.unwrap());
        assert_eq!(found.ending, Ending::Precise, "{:#?}", found.steps);
        assert!(low <= at && at < high && high / low < 1.021, "{low} {high}");
        let step = |rate: f64, approach| {
            let is = |step: &&(f64, u32, Approach, RateVerdict)| {
                step.0.total_cmp(&rate).is_eq() && step.2 == approach
            };
            found.steps.iter().any(|step| is(&step))
        };
        assert!(
            step(low, Approach::Above) && step(high, Approach::Below),
            "{:#?}",
            found.steps
        );
        assert!(found.steps.len() < 25, "{:#?}", found.steps);
    }
}

#[test]
fn a_server_that_never_meets_its_objective_is_below_the_lowest_rate() {
    for hint in [None, Some(30_000.0)] {
        let mut server = |rate, window_s, _| knee(rate, window_s, 0.0);
        let found = searched(BOUNDS, "p99<5ms", hint, &mut server);
        let bracket = found.search.bracket();
        assert_eq!(found.ending, Ending::AtLeast);
        assert_eq!((bracket.low, bracket.high), (None, Some(BOUNDS.min_rate)));
    }
}

#[test]
fn a_server_that_always_meets_it_ends_at_the_highest_rate() {
    let bounds = Bounds { max_rate: 5_000.0, ..BOUNDS };
    let mut server = |rate, window_s, _| knee(rate, window_s, 1e9);
    let found = searched(bounds, "p99<5ms", Some(3_000.0), &mut server);
    assert_eq!(found.ending, Ending::AtMost);
    assert_eq!(found.search.bracket().low, Some(5_000.0));
}

/// Its limit is not the server's: nothing that it can't offer counts against the server.
#[test]
fn a_generator_that_is_the_limit_gives_a_lower_bound() {
    let mut server = |rate, window_s, _| knee(rate, window_s, 1e9);
    let found = searched_to(BOUNDS, "p99<5ms", Some(3_000.0), 4_321.0, &mut server);
    let bracket = found.search.bracket();
    assert_eq!(found.ending, Ending::Generator);
    let (low, generator) = (bracket.low.unwrap(), bracket.generator.unwrap());
    assert!(low <= 4_321.0 && 4_321.0 < generator && generator / low < 1.021);
    assert_eq!(bracket.high, None);
    // It may be the limit at every rate.
    let found = searched_to(BOUNDS, "p99<5ms", None, 1.0, &mut server);
    assert_eq!((found.ending, found.search.bracket().low), (Ending::Generator, None));
}

/// Once overloaded, it recovers only far below.
#[test]
fn what_passes_from_below_and_fails_from_above_lies_inside_the_interval() {
    let mut server = |rate, window_s, after_failure: bool| {
        knee(rate, window_s, if after_failure { 700.0 } else { 900.0 })
    };
    let found = searched(BOUNDS, "p99<5ms", Some(800.0), &mut server);
    let bracket = found.search.interval();
    let (low, high) = (bracket.low.unwrap(), bracket.high.unwrap());
    assert!(low <= 700.0 && high >= 900.0, "{low} {high} {:#?}", found.steps);
    let differs = found.search.points.iter().any(|p| p.verdict() == RateVerdict::Differs);
    assert!(differs, "{:#?}", found.steps);
}

/// Where idle CPUs fall asleep the latency is worse at low rates.
#[test]
fn a_rate_that_fails_below_one_that_passes_is_not_the_limit() {
    use RateVerdict::{Failed, Passed, Undecided};
    let mut search = Search::new(Bounds { min_rate: 250.0, ..BOUNDS });
    search.record_probe(Some(2_000.0), SECOND);
    let record = |search: &mut Search, rate, windows, verdict| {
        search.record(rate, windows, Judged { verdict, from_this_side: verdict }, SECOND);
    };
    for (rate, verdict) in
        [(1_400.0, Failed), (700.0, Undecided), (250.0, Failed), (700.0, Passed)]
    {
        record(&mut search, rate, 1, verdict);
    }
    // Either may be chance, so both are measured for longer before one is an end.
    let mut again = Vec::new();
    while search.bracket().low.is_none() {
        let Next::Step { rate, windows, .. } = search.next() else { panic!("no end yet") };
        again.push(rate);
        record(&mut search, rate, windows, if rate < 700.0 { Failed } else { Passed });
        assert!(again.len() < 20, "{again:?}");
    }
    assert!(again.contains(&250.0) && again.contains(&700.0), "{again:?}");
    let bracket = search.interval();
    assert_eq!((bracket.low, bracket.high), (Some(700.0), Some(1_400.0)));
}

#[test]
fn a_budget_that_is_too_small_is_not_exceeded() {
    for budget in [0, 2, 4, 9, 14, 30] {
        let bounds = Bounds { budget: SECOND * budget, ..BOUNDS };
        let mut search = Search::new(bounds);
        while let Next::Step { .. } | Next::Probe = search.next() {
            match search.next() {
                Next::Probe => search.record_probe(None, SECOND.min(bounds.budget)),
                Next::Step { rate, windows, .. } => {
                    let verdict = RateVerdict::Undecided;
                    let judged = Judged { verdict, from_this_side: verdict };
                    let took = bounds.window * windows + bounds.around;
                    search.record(rate, windows, judged, took);
                }
                Next::Done(_) => {}
            }
        }
        assert_eq!(search.next(), Next::Done(Ending::Budget));
        assert!(search.spent() <= bounds.budget);
    }
}

#[test]
fn runs_without_a_report_end_it() {
    let mut search = Search::new(BOUNDS);
    search.record_probe(None, SECOND);
    for _ in 0..MOST_FAILURES {
        assert!(matches!(search.next(), Next::Step { .. }));
        search.record_failure(SECOND);
    }
    assert_eq!(search.next(), Next::Done(Ending::Broken));
}
