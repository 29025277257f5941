//! Loads in stages and recorded instants: each stage has its own counts and clocks, by when a
//! request was intended.

use super::*;
use crate::record::StagePart;
use crate::schedule::{Recorded, Stage};

fn staged(stages: &[&str], arrival: Arrival, pipeline: u32) -> Load {
    let stages: Vec<Stage> = stages.iter().map(|typed| typed.parse().unwrap()).collect();
    Load::Staged { stages, arrival, pipeline }
}

/// A plan whose window is made by its stages.
fn plan_of(load: Load, connections: u32, warmup_ns: Nanos) -> Settings {
    let timeout_ns = 20 * SECOND;
    Settings {
        warmup_ns,
        timeout_ns,
        drain_ns: timeout_ns,
        ..raw_plan(load, connections, SECOND)
    }
}

/// The parts of a run in order, with what ended in the drain.
fn stages(run: Simulated) -> Vec<StagePart> {
    let mut stages = run.total.stages;
    stages.sort_by_key(|part| part.stage);
    for latencies in stages.iter_mut().filter_map(|part| part.latencies.as_mut()) {
        latencies.take_drained();
    }
    stages
}

fn response(part: &StagePart, quantile: f64) -> Nanos {
    part.latencies.as_ref().unwrap().response.histogram().value_at_quantile(quantile)
}

/// Answers after a time that depends on when the request came.
struct Slow<F>(F);

impl<F: Fn(Nanos) -> Nanos + 'static> Peer for Slow<F> {
    fn receive(&mut self, now: Nanos, bytes: &[u8], script: &mut Script) {
        for message in bytes.chunks(SIZE) {
            script.deliver((self.0)(now - START), message);
        }
    }
}

#[test]
fn a_server_that_is_slow_in_one_stage_is_slow_in_that_stage_alone() {
    let load = staged(&["100:2s", "1k:2s", "200:2s"], Arrival::Constant, 64);
    let run = simulate(plan_of(load, 3, SECOND), |_| {
        // The load begins 1 ms after the start, and its stages 1 s later.
        let slow = 3 * SECOND..5 * SECOND;
        Box::new(Slow(
            move |at: Nanos| {
                if slow.contains(&at) { 20 * MILLISECOND } else { MILLISECOND }
            },
        ))
    });
    let total = run.total.tally;
    let stages = stages(run);
    let counts: Vec<_> = stages.iter().map(|part| part.tally.scheduled).collect();
    assert_eq!(counts, [200, 2000, 400]);
    let sum: u64 = stages.iter().map(|part| part.tally.answered).sum();
    assert_eq!((sum, total.scheduled), (total.answered, 2600));
    for part in &stages {
        assert!(part.tally.is_conserved());
        assert_eq!(part.tally.ok, part.tally.scheduled);
        assert_eq!(part.latencies.as_ref().unwrap().response.count(), part.tally.ok);
    }
    let medians: Vec<_> = stages.iter().map(|part| response(part, 0.5) / MILLISECOND).collect();
    assert_eq!(medians, [1, 20, 1]);
    // The stages are a clock tick off the server's, so one reply may be of either kind.
    assert!(response(&stages[0], 0.99) < 2 * MILLISECOND);
    assert!(response(&stages[2], 0.99) < 2 * MILLISECOND);
}

#[test]
fn a_backlog_is_charged_to_the_stage_whose_requests_it_holds() {
    // The server does 500 a second, one after the other: the second stage leaves 1000 behind.
    let load = staged(&["100:2s", "1k:2s", "100:4s"], Arrival::Constant, 1_000_000);
    let options = EchoOptions { serial: true, ..EchoOptions::after(2 * MILLISECOND) };
    let stages = stages(simulate(plan_of(load, 1, 0), echo(options)));
    let scheduled: Vec<_> = stages.iter().map(|part| part.tally.scheduled).collect();
    assert_eq!(scheduled, [200, 2000, 400]);
    assert!(stages.iter().all(|part| part.tally.ok == part.tally.scheduled));
    // What the server did while the stage lasted.
    let answered: Vec<_> = stages.iter().map(|part| part.tally.answered).collect();
    assert!(answered[0] >= 199 && answered[0] <= 200, "{answered:?}");
    assert!((999..=1001).contains(&answered[1]), "{answered:?}");
    assert!((1398..=1401).contains(&answered[2]), "{answered:?}");
    assert!(response(&stages[0], 1.0) < 3 * MILLISECOND);
    // The last of the second stage is answered 2 s after the stage.
    let greatest = response(&stages[1], 1.0) as f64 / 1e9;
    assert!((greatest - 2.0).abs() < 0.01, "{greatest} s");
    // The first of the third waits for all of them, and the last for none.
    assert!(response(&stages[2], 1.0) as f64 / 1e9 > 1.9);
    assert!(response(&stages[2], 0.1) < 3 * MILLISECOND);
}

#[test]
fn stages_hold_what_failed_and_what_was_never_sent() {
    // One slot, and a server that falls silent in the second stage.
    let load = staged(&["100:1s", "100..200:1s"], Arrival::Poisson, 1);
    let mut plan = plan_of(load, 2, 0);
    plan.timeout_ns = SECOND / 2;
    plan.drain_ns = SECOND / 2;
    let run = simulate(
        plan,
        echo(EchoOptions {
            ending: Some((60, Ending::Mute)),
            ..EchoOptions::after(MILLISECOND)
        }),
    );
    let total = run.total.tally;
    let stages = stages(run);
    let mut sum = crate::record::Tally::default();
    for part in &stages {
        assert!(part.tally.is_conserved(), "{:?}", part.tally);
        sum += &part.tally;
    }
    assert_eq!(sum.requests(), total.requests());
    assert!(stages[1].tally.failed() > 0, "{:?}", stages[1].tally);
}

#[test]
fn recorded_instants_are_the_due_instants() {
    // In two bursts of ten.
    let lines: Vec<_> = (0..20).map(|k| format!("{}ms", k / 10 * 500)).collect();
    let arrivals = Recorded::read(&lines.join("\n")).unwrap();
    let load = Load::Recorded { arrivals, pipeline: 64 };
    let options = EchoOptions { serial: true, ..EchoOptions::after(MILLISECOND) };
    let run = simulate(plan_of(load, 2, SECOND), echo(options));
    assert_eq!((run.total.tally.scheduled, run.total.tally.ok), (20, 20));
    let run_response = run.total.latencies.response.clone();
    let stages = stages(run);
    assert_eq!(stages.len(), 1);
    assert!(stages[0].latencies.is_none(), "their rate changes");
    // Five on each connection at once: they take 1 to 5 ms.
    let response = run_response.histogram();
    assert_eq!(response.max() / MILLISECOND, 5);
    assert_eq!(response.value_at_quantile(0.5) / MILLISECOND, 3);
}

#[test]
fn a_pool_has_stages_too() {
    let load = staged(&["100:1s", "500:1s"], Arrival::Constant, 1);
    let mut pooled = plan_of(load.clone(), 8, 0);
    pooled.workload = pooled::pool(4);
    let plan = Arc::new(Plan::new(pooled).unwrap());
    let (load_of_pool, links) = pooled::pool_load(&plan, 4);
    let peers = echo(EchoOptions::after(MILLISECOND));
    let run = simulate_load(None, &plan, load_of_pool, links, peers);
    let counts: Vec<_> = stages(run).iter().map(|part| part.tally.ok).collect();
    assert_eq!(counts, [100, 500]);
}

#[test]
fn deliveries_of_a_chat_are_of_the_stage_of_their_message() {
    let load = staged(&["50:1s", "100:1s"], Arrival::Constant, 64);
    let plan = Settings { load, ..room::chat_plan(4, 0, 10.0, SECOND) };
    let run = room::chat(plan, |number| room::Treatment {
        ending: (number == 2).then_some((100, Ending::Reset)),
        ..room::Treatment::after(30 * MILLISECOND)
    });
    let total = run.total.tally;
    let stages = stages(run);
    // Each message is heard by three others, or can't be.
    let scheduled: Vec<_> = stages.iter().map(|part| part.tally.scheduled).collect();
    assert_eq!(scheduled, [150, 300]);
    assert!(stages.iter().all(|part| part.tally.is_conserved()));
    assert_eq!((stages[0].tally.failed(), stages[1].tally.failed()), (0, total.failed()));
    assert!(total.failed() > 0, "{total:?}");
}
