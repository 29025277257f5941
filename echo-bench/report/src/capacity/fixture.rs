//! Reports and a capacity for tests.

use std::collections::BTreeMap;

use echo_bench_engine::plan::Load;
use echo_bench_engine::record::{Interval, Latency, Packed};
use echo_bench_engine::schedule::Arrival;
use echo_bench_engine::{IntervalRecord, RunRecord};
use echo_net::clock::SECOND;
use std::time::Duration;

use super::search::{Bounds, Next};
use super::{Capacity, CapacityPlan, SCHEMA, Session, answer};
use crate::report::{
    Circumstances, Environment, GeneratorShare, LatencySummary, Report, Slo, Tool, build,
};
use crate::small_plan::plan_with;
use crate::sweep::{Axis, Flag, Level};

pub(crate) const BOUNDS: Bounds = Bounds {
    min_rate: 100.0,
    max_rate: 1e6,
    precision: 0.02,
    budget: Duration::from_secs(90),
    window: Duration::from_secs(1),
    around: Duration::from_secs(1),
};

/// Latencies of about so many microseconds.
pub(crate) fn latency(base_us: u64, count: u64) -> Latency {
    let mut latency = Latency::default();
    for number in 0..count {
        latency.record(base_us * (900 + number * 7919 % 200));
    }
    latency
}

/// A second of a run at `rate` that began in this second of the day, with latencies of about
/// `base_us`, judged by `slos`; the last `late` requests are answered after the window.
pub(crate) fn run(second: u64, rate: f64, base_us: u64, late: u64, slos: &[Slo]) -> Report {
    let plan = plan_with(|plan| {
        plan.load = Load::Open { rate_per_s: rate, arrival: Arrival::Poisson, pipeline: 64 };
    });
    let (count, mut total) = (2_000, Interval::new(0, false));
    (total.tally.scheduled, total.tally.ok) = (count, count);
    total.tally.answered = count - late;
    total.latencies.response = latency(base_us, count);
    let pieces: Vec<Packed> = (0..50).map(|_| Packed::new(&latency(base_us, 40))).collect();
    let response = Packed::new(&total.latencies.response);
    let piece = IntervalRecord { index: 0, tally: total.tally, response };
    let record = RunRecord {
        established: 2,
        alive_at_end: 2,
        measured_ns: SECOND,
        load_ns: SECOND,
        last_reply_ns: Some(SECOND),
        total,
        intervals: vec![piece],
        pieces,
        ..RunRecord::default()
    };
    let (hours, minutes, seconds) = (second / 3600 % 24, second / 60 % 60, second % 60);
    let circumstances = Circumstances {
        started_at: format!("2026-01-02T{hours:02}:{minutes:02}:{seconds:02}Z"),
        window_started_at: None,
        server: None,
        labels: BTreeMap::new(),
        environment: Environment { cores: Some(2), ..Environment::default() },
        slos: slos.to_vec(),
        server_workers: None,
        server_killed: false,
        server_ended: None,
        ended_early: None,
        link: None,
        start: None,
        server_side: None,
        noise_floor: None,
        live_view_busy: None,
        command: Vec::new(),
    };
    build(&plan, &record, circumstances)
}

/// The same where the generator adds all that is above `own_us`.
pub(crate) fn with_own_share(report: Report, own_us: u64) -> Report {
    let mut report = report;
    let response = report.summary.latency.response.clone().unwrap();
    let corrected = LatencySummary::like(&latency(own_us, response.count), Some(&response));
    report.summary.generator_share = Some(GeneratorShare {
        corrected: corrected.unwrap(),
        exact: 0,
        implausible: 0,
        quantiles: BTreeMap::new(),
        response,
    });
    report
}

/// The capacity of servers whose latency jumps at these rates.
pub(crate) fn capacity(knees: &[(&str, f64)]) -> Capacity {
    let slos: Vec<Slo> = vec!["p99<2ms".parse().unwrap()];
    let level = |(name, _): &(&str, f64)| Level {
        name: (*name).into(),
        flags: vec![Flag { flag: "model".into(), value: (*name).into() }],
    };
    let axes = match knees {
        [_] => Vec::new(),
        _ => vec![Axis { name: "model".into(), levels: knees.iter().map(level).collect() }],
    };
    let of = |(name, knee): &(&str, f64)| {
        let levels = if axes.is_empty() { Vec::new() } else { vec![(*name).to_owned()] };
        let named = levels.first().map_or_else(String::new, |level| format!("model={level}"));
        let mut session = Session::new(named, levels, slos.clone(), BOUNDS);
        let (mut second, took) = (0, Duration::from_secs(2));
        loop {
            match session.next() {
                Next::Done(ending) => return session.finish(Some(ending)),
                Next::Probe => session.probed(Ok(&run(0, 1.0, 500, 0, &slos)), took),
                Next::Step { rate, windows, approach } => {
                    second += 10;
                    let base_us = if rate <= *knee { 1_000 } else { 5_000 };
                    let mut report = run(second, rate, base_us, 0, &slos);
                    report.summary.achieved_per_s = Some(rate);
                    report.summary.cpu.server_busy = Some(rate / knee);
                    session.stepped(rate, windows, approach, Ok(report), took);
                }
            }
        }
    };
    let levels: Vec<_> = knees.iter().map(of).collect();
    Capacity {
        schema: SCHEMA.into(),
        tool: Tool { name: "echo-bench".into(), version: "0.0.0".into(), revision: None },
        started_at: Some("2026-01-02T00:00:00Z".into()),
        plan: CapacityPlan {
            fixed: vec![Flag { flag: "conns".into(), value: "10".into() }],
            axes,
            slos: slos.clone(),
            min_rate_per_s: BOUNDS.min_rate,
            max_rate_per_s: BOUNDS.max_rate,
            precision: BOUNDS.precision,
            budget_s: BOUNDS.budget.as_secs_f64(),
            window_s: BOUNDS.window.as_secs_f64(),
            seed: 1,
        },
        environment: None,
        comparisons: answer::compare(&levels),
        levels,
        interrupted: false,
    }
}
