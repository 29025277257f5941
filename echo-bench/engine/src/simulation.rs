//! The rig and its workloads against scripted peers and a manual clock: percentiles to the
//! digit, and counts that add up whatever the network does.

use std::cell::RefCell;
use std::io::ErrorKind;
use std::rc::Rc;
use std::sync::{Arc, Mutex};

use echo_net::Nanos;
use echo_net::clock::{MILLISECOND, SECOND};
use echo_net::reactor::Reactor;
use echo_net::reactor::simulated::{
    ConnectOutcome, EchoOptions, EchoPeer, Ending, Peer, Script, SimulatedReactor, Window,
};
use echo_net::stop::Stop;
use proptest::prelude::*;

use super::rehearsal::{Measured, measure};
use super::rig::Workload;
use super::rig::{Assignment, MOST_UNSENT, Rig, Setup, ThreadRecord};
use super::timeline::Timeline;
use super::workload::chat::Chat;
use super::workload::pool::PoolLoad;
use super::workload::requests::Requests;
use super::{PeerTls, PoolCounts};
use crate::messages::{Messages, Verify};
use crate::plan::tests::plan;
use crate::plan::{
    Load, MessagePlan, Plan, ProtocolPlan, Settings, Stamps, StopRule, WorkloadPlan,
};
use crate::record::{FailureKind, Failures, Interval, Phase};
use crate::schedule::{Arrival, ArrivalStream};

mod login;
mod phases;
mod pooled;
mod room;
mod secured;
mod shares;
mod stages;
mod standstill;
mod stopped;
mod thinking;
mod weather;

const SIZE: usize = 32;
const START: Nanos = 1000 * SECOND;

struct Simulated {
    total: Interval,
    setup: Setup,
    record: ThreadRecord,
    /// When the load began and the run had ended.
    times: (Nanos, Nanos),
}

/// Runs a plan on one simulated worker.
fn simulate(plan: Settings, peers: impl FnMut(u64) -> Box<dyn Peer> + 'static) -> Simulated {
    simulate_inside(None, plan, peers)
}

/// The same inside TLS, if any.
fn simulate_inside(
    tls: Option<PeerTls>,
    plan: Settings,
    peers: impl FnMut(u64) -> Box<dyn Peer> + 'static,
) -> Simulated {
    let plan = Arc::new(Plan::new(plan).unwrap());
    let load = Requests::new(&plan, 0..plan.connections);
    simulate_load(tls, &plan, load, plan.connections, peers)
}

/// Runs a workload on one simulated thread with so many links.
fn simulate_load(
    tls: Option<PeerTls>,
    plan: &Arc<Plan>,
    workload: impl Workload<SimulatedReactor>,
    links: u32,
    peers: impl FnMut(u64) -> Box<dyn Peer> + 'static,
) -> Simulated {
    simulate_thread(assignment(tls, plan), workload, links, peers)
}

fn assignment(tls: Option<PeerTls>, plan: &Arc<Plan>) -> Assignment {
    Assignment {
        plan: Arc::clone(plan),
        messages: Arc::new(Messages::generated(SIZE, SIZE, plan.seed, plan.verify)),
        peer: super::Peer {
            addresses: vec!["127.0.0.1:1".parse().unwrap()],
            tls,
            ..super::Peer::default()
        },
        stop: Stop::new(),
        proven: Arc::default(),
    }
}

/// One of the threads that share an assignment.
fn simulate_thread(
    assignment: Assignment,
    workload: impl Workload<SimulatedReactor>,
    links: u32,
    peers: impl FnMut(u64) -> Box<dyn Peer> + 'static,
) -> Simulated {
    simulate_on(SimulatedReactor::new(START, peers), assignment, workload, links)
}

/// The same on a reactor of the test's own.
fn simulate_on(
    mut reactor: SimulatedReactor,
    assignment: Assignment,
    workload: impl Workload<SimulatedReactor>,
    links: u32,
) -> Simulated {
    let measured = measure(&mut reactor, assignment, workload, 0..links, |_| true);
    let Measured { setup, record, total, began_at } = measured.unwrap().unwrap();
    Simulated { total, setup, record, times: (began_at, reactor.now()) }
}

fn raw_plan(load: Load, connections: u32, duration_ns: Nanos) -> Settings {
    Settings {
        load,
        connections,
        workload: requests(ProtocolPlan::Raw),
        messages: MessagePlan::even(SIZE, SIZE),
        stop: StopRule::Duration { duration_ns },
        ..Settings::clone(&plan())
    }
}

fn requests(protocol: ProtocolPlan) -> WorkloadPlan {
    WorkloadPlan::Requests { protocol, reconnect_after: None }
}

fn open(rate_per_s: f64, arrival: Arrival, pipeline: u32) -> Load {
    Load::Open { rate_per_s, arrival, pipeline }
}

fn echo(options: EchoOptions) -> impl FnMut(u64) -> Box<dyn Peer> {
    move |number| {
        let message = Some(SIZE);
        let seed = options.seed ^ number;
        Box::new(EchoPeer::new(EchoOptions { message, seed, ..options }))
    }
}

/// Echoes one message after the other, each with a service time of its own, and notes when
/// each reply arrives.
struct Noting {
    connection: u64,
    answered: u64,
    free_at: Nanos,
    arrivals: Rc<RefCell<Vec<(u64, u64, Nanos)>>>,
}

impl Peer for Noting {
    fn receive(&mut self, now: Nanos, bytes: &[u8], script: &mut Script) {
        for message in bytes.chunks(SIZE) {
            // Mostly fast, now and then slow: a tail worth measuring.
            let step = (self.answered * 7919 + self.connection * 104_729) % 100;
            let service = if step == 0 { 90 * MILLISECOND } else { 200_000 + step * 1000 };
            self.free_at = self.free_at.max(now) + service;
            script.deliver(self.free_at - now, message);
            self.arrivals.borrow_mut().push((self.connection, self.answered, self.free_at));
            self.answered += 1;
        }
    }
}

#[test]
fn percentiles_of_a_scripted_run_equal_a_sorted_oracle() {
    for arrival in [Arrival::Constant, Arrival::Poisson] {
        let (rate, connections, seed) = (900.0, 3, 1);
        let arrivals = Rc::new(RefCell::new(Vec::new()));
        let notes = Rc::clone(&arrivals);
        let run = simulate(
            raw_plan(open(rate, arrival, 4), connections, 10 * SECOND),
            move |connection| {
                let arrivals = Rc::clone(&notes);
                Box::new(Noting { connection, answered: 0, free_at: 0, arrivals })
            },
        );
        let start = run.times.0;
        let mut oracle = Vec::new();
        for &(connection, number, arrived) in arrivals.borrow().iter() {
            let mut due =
                ArrivalStream::new(seed, rate, arrival, connection as u32, connections);
            let intended = start + due.nth(number as usize).unwrap();
            oracle.push(arrived - intended);
        }
        oracle.sort_unstable();
        let histogram = run.total.latencies.response.histogram();
        assert_eq!(histogram.len(), oracle.len() as u64);
        assert_eq!(run.total.tally.ok, run.total.tally.scheduled);
        for quantile in [0.0, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0] {
            let rank = ((quantile * oracle.len() as f64).ceil() as usize).max(1);
            let (expected, got) = (oracle[rank - 1], histogram.value_at_quantile(quantile));
            assert!(
                histogram.equivalent(expected, got),
                "{arrival}: quantile {quantile} is {expected} and was measured as {got}"
            );
        }
        assert!(histogram.max() > 90 * MILLISECOND, "the tail must have been seen");
    }
}

#[test]
fn a_stall_shows_on_the_response_clock_in_full_and_little_on_the_service_clock() {
    /// Answers at once, but for 2 s in the middle.
    struct Stalling;
    impl Peer for Stalling {
        fn receive(&mut self, now: Nanos, bytes: &[u8], script: &mut Script) {
            let at = (now - START) % (100 * SECOND);
            let stall = 5 * SECOND..7 * SECOND;
            let wait = if stall.contains(&at) { stall.end - at } else { 1_000 };
            script.deliver(wait, bytes);
        }
    }
    let mut stalled = raw_plan(open(2000.0, Arrival::Constant, 1), 10, 10 * SECOND);
    stalled.timeout_ns = 5 * SECOND;
    let run = simulate(stalled, |_| Box::new(Stalling));
    assert_eq!(run.total.tally.scheduled, 20_000);
    assert_eq!(run.total.tally.ok, 20_000);
    // quantile(q) = S - (1-q) T for q > 1 - S/T (Tene 2013).
    let response = run.total.latencies.response.histogram();
    for (quantile, expected_s) in [(0.9, 1.0), (0.95, 1.5), (0.99, 1.9)] {
        let got_s = response.value_at_quantile(quantile) as f64 / 1e9;
        assert!((got_s / expected_s - 1.0).abs() < 0.005, "{quantile}: {got_s} s");
    }
    assert!(response.value_at_quantile(0.5) < MILLISECOND);
    // With one slot a connection sees the stall once; the service clock hides the queue.
    let service = run.total.latencies.open.unwrap().service;
    assert!(service.histogram().value_at_quantile(0.99) < MILLISECOND);
}

#[test]
fn the_replies_of_a_batch_are_each_timed_by_their_own_last_byte() {
    let closed = raw_plan(Load::Closed { pipeline: 8 }, 1, SECOND);
    let delay = 5 * MILLISECOND;
    let run = simulate(closed, echo(EchoOptions { serial: true, ..EchoOptions::after(delay) }));
    let response = run.total.latencies.response.histogram();
    // The first eight take 5, 10, ... 40 ms; from then on each waits for seven before it.
    assert!(response.equivalent(response.min(), delay));
    assert!(response.equivalent(response.max(), 8 * delay));
    for step in 1..=8 {
        assert!(response.count_at(step * delay) > 0, "no reply took {step} x 5 ms");
    }
}

#[test]
fn littles_law_holds_between_clocks_that_know_nothing_of_each_other() {
    for load in [Load::Closed { pipeline: 4 }, open(1500.0, Arrival::Poisson, 64)] {
        let jitter = 3 * MILLISECOND;
        let options =
            EchoOptions { jitter, serial: true, seed: 5, ..EchoOptions::after(MILLISECOND) };
        let run = simulate(raw_plan(load.clone(), 8, 20 * SECOND), echo(options));
        let total = &run.total;
        let response = total.latencies.response.histogram();
        let rate_times_latency = total.tally.ok as f64 / 20.0 * response.mean() / 1e9;
        let outstanding = run.record.ledger.outstanding_area as f64 / 20e9;
        let ratio = outstanding / rate_times_latency;
        assert!((ratio - 1.0).abs() < 0.02, "{load:?}: {outstanding} {rate_times_latency}");
    }
}

#[test]
fn a_number_of_requests_is_kept_exactly() {
    for load in [Load::Closed { pipeline: 7 }, open(5000.0, Arrival::Poisson, 3)] {
        let mut counted = raw_plan(load.clone(), 5, SECOND);
        counted.stop = StopRule::Requests { requests: 1234 };
        counted.warmup_ns = 100 * MILLISECOND;
        let run = simulate(counted, echo(EchoOptions::after(MILLISECOND)));
        assert_eq!((run.total.tally.scheduled, run.total.tally.ok), (1234, 1234), "{load:?}");
    }
}

#[test]
fn a_mute_server_gives_lower_bounds_and_the_run_ends_in_time() {
    for load in [Load::Closed { pipeline: 2 }, open(100.0, Arrival::Constant, 2)] {
        let mut muted = raw_plan(load.clone(), 2, 2 * SECOND);
        muted.drain_ns = SECOND / 2;
        let ending = Some((0, Ending::Mute));
        let run = simulate(muted, echo(EchoOptions { ending, ..EchoOptions::after(0) }));
        let (begin, end) = run.times;
        assert!(end - begin <= 2 * SECOND + SECOND / 2 + 50 * MILLISECOND);
        assert_eq!(run.total.tally.ok, 0);
        assert!(run.total.tally.timeout > 0 && run.total.tally.is_conserved());
        let response = &run.total.latencies.response;
        assert_eq!(response.count(), response.censored());
        assert_eq!(response.count(), run.total.tally.scheduled);
    }
}

#[test]
fn a_number_of_requests_is_given_up_when_the_server_is_gone() {
    for ending in [Ending::Mute, Ending::Reset] {
        let mut counted = raw_plan(Load::Closed { pipeline: 1 }, 2, SECOND);
        counted.stop = StopRule::Requests { requests: 1_000_000 };
        let options = EchoOptions { ending: Some((100, ending)), ..EchoOptions::after(1000) };
        let refused =
            ConnectOutcome::Failed { after: 1000, kind: ErrorKind::ConnectionRefused };
        let run = simulate(counted, move |number| {
            let connect = if number < 2 { options.connect } else { refused };
            echo(EchoOptions { connect, ..options })(number)
        });
        let (begin, end) = run.times;
        assert!(end - begin < 10 * SECOND);
        assert!(run.total.tally.ok >= 100 && run.total.tally.is_conserved());
    }
}

#[test]
fn lost_connections_are_redialled_after_a_pause_that_grows() {
    let closed = raw_plan(Load::Closed { pipeline: 1 }, 1, 10 * SECOND);
    let ending = Some((0, Ending::Reset));
    let run = simulate(closed, echo(EchoOptions { ending, ..EchoOptions::after(0) }));
    // Ten seconds of pauses of 10 ms, 20 ms, ... 1 s, and not thousands of attempts.
    assert!((10..20).contains(&run.record.reconnects), "{}", run.record.reconnects);
    assert_eq!(run.total.errors.of(FailureKind::Reset), run.record.reconnects + 1);
}

#[test]
fn requests_for_which_there_was_no_port_are_unsent_and_not_refused() {
    let echoing = EchoOptions::after(MILLISECOND);
    for (unmade, counts) in [
        (ConnectOutcome::NoSocket(ErrorKind::AddrNotAvailable), (1000, 0)),
        (ConnectOutcome::NoSocket(ErrorKind::NetworkUnreachable), (0, 1000)),
        (ConnectOutcome::Failed { after: 1000, kind: ErrorKind::ConnectionRefused }, (0, 1000)),
    ] {
        let run = simulate(
            raw_plan(open(1000.0, Arrival::Constant, 8), 2, 2 * SECOND),
            move |number| {
                let connect = if number == 0 { echoing.connect } else { unmade };
                echo(EchoOptions { connect, ..echoing })(number)
            },
        );
        let tally = run.total.tally;
        assert_eq!((tally.unsent, tally.refused), counts, "{unmade:?}");
        let ours = run.total.errors.of(FailureKind::NoSocket) > 0;
        assert_eq!(ours, counts.0 > 0, "{unmade:?}: {:?}", run.total.errors);
    }
}

#[test]
fn an_address_that_speaks_tls_ends_no_run_in_which_another_thread_got_replies() {
    struct Alerting;
    impl Peer for Alerting {
        fn receive(&mut self, _now: Nanos, _bytes: &[u8], script: &mut Script) {
            script.deliver(0, b"\x15\x03\x03\x00\x02\x02\x0a");
            script.half_close(1);
        }
    }
    let plan = raw_plan(Load::Closed { pipeline: 1 }, 1, SECOND);
    let plan = Arc::new(Plan::new(plan).unwrap());
    let requests = || Requests::new(&plan, 0..1);
    let thread = |shared: &Assignment, peers: fn(u64) -> Box<dyn Peer>| {
        simulate_thread(shared.clone(), requests(), 1, peers)
    };
    let alone = assignment(None, &plan);
    assert!(thread(&alone, |_| Box::new(Alerting)).record.misdirected.is_some());
    let shared = assignment(None, &plan);
    thread(&shared, |number| echo(EchoOptions::after(MILLISECOND))(number));
    let beside = thread(&shared, |_| Box::new(Alerting));
    assert_eq!(beside.record.misdirected, None);
    assert!(beside.total.errors.of(FailureKind::Malformed) + beside.total.tally.failed() > 0);
}
