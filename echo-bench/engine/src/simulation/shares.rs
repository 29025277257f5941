//! What is the generator's own, and what each connection got: to the nanosecond.

use super::*;
use crate::record::{Served, Stamped};

/// Runs a plan against a peer that answers after `delay`, on a thread that reads `pickup` later.
fn behind(plan: Settings, delay: Nanos, pickup: Nanos) -> Simulated {
    let plan = Arc::new(Plan::new(plan).unwrap());
    let load = Requests::new(&plan, 0..plan.connections);
    let peers = echo(EchoOptions::after(delay));
    let reactor = SimulatedReactor::new(START, peers).with_pickup(pickup);
    simulate_on(reactor, assignment(None, &plan), load, plan.connections)
}

fn median(latency: &crate::record::Latency) -> Nanos {
    latency.histogram().value_at_quantile(0.5)
}

#[test]
fn a_wait_in_our_own_receive_queue_is_told_from_the_server() {
    for load in [Load::Closed { pipeline: 3 }, open(500.0, Arrival::Constant, 8)] {
        let (delay, pickup) = (2 * MILLISECOND, 7 * MILLISECOND);
        let run = behind(raw_plan(load.clone(), 4, 5 * SECOND), delay, pickup);
        let Stamped { response, corrected, path, pickup: queue, exact, implausible } =
            &*run.record.ledger.stamped;
        let ok = run.total.tally.ok;
        assert_eq!((response.count(), path.count(), *implausible), (ok, ok, 0), "{load:?}");
        assert!(*exact > 0 && *exact <= ok);
        for (latency, expected) in
            [(response, delay + pickup), (corrected, delay), (path, delay), (queue, pickup)]
        {
            let seen = median(latency);
            assert!(latency.histogram().equivalent(seen, expected), "{load:?}: {seen}");
        }
    }
}

#[test]
fn without_stamps_nothing_is_claimed_of_the_share() {
    let plan = Settings {
        stamps: Stamps::Off,
        ..raw_plan(open(500.0, Arrival::Constant, 8), 4, SECOND)
    };
    let run = behind(plan, MILLISECOND, MILLISECOND);
    assert_eq!(run.record.ledger.stamped.response.count(), 0);
    assert!(run.total.tally.ok > 0);
}

#[test]
fn a_request_that_waits_for_a_slot_is_late_by_our_fault_only_from_its_reply_on() {
    // One slot, a request each 10 ms, and replies that take 12 and are read 3 ms later: ever
    // more requests wait for the slot, each for 3 ms by our own fault.
    let plan = raw_plan(open(100.0, Arrival::Constant, 1), 1, SECOND);
    let run = behind(plan, 12 * MILLISECOND, 3 * MILLISECOND);
    let stamped = &run.record.ledger.stamped;
    let lateness = &run.total.latencies.open.as_ref().unwrap().lateness;
    let worst = lateness.histogram().max();
    assert!(lateness.histogram().equivalent(worst, 3 * MILLISECOND), "{worst}");
    // Of the last request's response only its own 3 ms and the 3 ms of its reply are ours.
    let (response, corrected) =
        (stamped.response.histogram().max(), stamped.corrected.histogram().max());
    let own = response - corrected;
    assert!((5 * MILLISECOND..7 * MILLISECOND).contains(&own), "{response} {corrected}");
}

#[test]
fn what_the_server_never_answers_is_counted_though_it_was_sent_in_the_warm_up() {
    // It answers 3 of 10 connections.
    let few = |number: u64| -> Box<dyn Peer> {
        let ending = (number >= 3).then_some((0, Ending::Mute));
        let message = Some(SIZE);
        Box::new(EchoPeer::new(EchoOptions {
            message,
            ending,
            ..EchoOptions::after(MILLISECOND)
        }))
    };
    for warmup_ns in [0, SECOND] {
        let plan = Settings {
            warmup_ns,
            timeout_ns: 100 * SECOND,
            drain_ns: SECOND,
            ..raw_plan(Load::Closed { pipeline: 2 }, 10, 2 * SECOND)
        };
        let run = simulate(plan, few);
        let tally = &run.total.tally;
        assert_eq!((tally.in_flight, tally.failed()), (14, 14), "{warmup_ns} {tally:?}");
        assert!(tally.is_conserved(), "{tally:?}");
        assert_eq!(run.total.errors.total(), 14);
        let response = &run.total.latencies.response;
        assert_eq!(response.censored(), 14);
        let served = &run.record.ledger.served;
        let starved = |served: &&Served| served.answered == 0 && served.unanswered == 2;
        assert_eq!(served.iter().filter(starved).count(), 7, "{served:?}");
        assert!(served.iter().filter(|served| served.answered > 1000).count() == 3);
    }
}

#[test]
fn a_stall_that_began_in_the_warm_up_shows_in_full() {
    /// Answers nothing from half a second before the window until 2 s into it.
    struct Standing;
    impl Peer for Standing {
        fn receive(&mut self, now: Nanos, bytes: &[u8], script: &mut Script) {
            let at = now - START;
            let (begin, end) = (500 * MILLISECOND, 3 * SECOND);
            let wait = if (begin..end).contains(&at) { end - at } else { MILLISECOND };
            script.deliver(wait, bytes);
        }
    }
    let plan = Settings {
        warmup_ns: SECOND,
        timeout_ns: 100 * SECOND,
        ..raw_plan(Load::Closed { pipeline: 1 }, 4, 5 * SECOND)
    };
    let run = simulate(plan, |_| Box::new(Standing));
    let response = run.total.latencies.response.histogram();
    assert!(response.max() > 2 * SECOND, "{}", response.max());
    assert!(run.total.tally.is_conserved());
    assert_eq!(run.total.tally.failed(), 0);
}

#[test]
fn what_is_merely_under_way_when_the_window_begins_is_of_no_concern_to_it() {
    let plan = Settings {
        warmup_ns: SECOND,
        ..raw_plan(open(1000.0, Arrival::Constant, 64), 4, 2 * SECOND)
    };
    let run = simulate(plan, echo(EchoOptions::after(50 * MILLISECOND)));
    assert_eq!((run.total.tally.scheduled, run.total.tally.ok), (2000, 2000));
}

#[test]
fn the_wait_for_a_slot_after_the_window_is_no_load_within_it() {
    // Ten requests a second too many: what is due and unsent at the end waits in the drain.
    let options = EchoOptions { serial: true, ..EchoOptions::after(10 * MILLISECOND) };
    let plan = Settings {
        timeout_ns: 100 * SECOND,
        drain_ns: 50 * SECOND,
        ..raw_plan(open(200.0, Arrival::Constant, 1), 1, 2 * SECOND)
    };
    let run = simulate(plan, echo(options));
    // Due are 400, of which half are answered in time: 100 are waiting on average.
    let mean = run.record.ledger.outstanding_area as f64 / 2e9;
    assert!((98.0..103.0).contains(&mean), "{mean}");
}
