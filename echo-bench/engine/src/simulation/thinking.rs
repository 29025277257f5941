//! Closed loops whose users think: the pace is exact on the manual clock.

use super::*;

fn thinking(think: &str, connections: u32, pipeline: u32, duration_ns: Nanos) -> Settings {
    Settings {
        think: Some(think.parse().unwrap()),
        ..raw_plan(Load::Closed { pipeline }, connections, duration_ns)
    }
}

#[test]
fn a_slot_asks_again_when_it_has_thought() {
    // 10 ms of server and 40 ms of thought: 20 cycles a second for each slot.
    for (connections, pipeline) in [(1, 1), (4, 1), (2, 3)] {
        let plan = thinking("40ms", connections, pipeline, 10 * SECOND);
        let run = simulate(plan, echo(EchoOptions::after(10 * MILLISECOND)));
        let users = u64::from(connections * pipeline);
        assert_eq!(run.total.tally.scheduled, 200 * users, "{connections} x {pipeline}");
        assert_eq!(run.total.tally.ok, 200 * users);
        let response = run.total.latencies.response.histogram();
        assert!(response.equivalent(response.max(), 10 * MILLISECOND), "{}", response.max());
        // Little's law counts those in flight, and not those who think.
        let in_flight = run.record.ledger.outstanding_area as f64 / 10e9;
        assert!((in_flight - 0.2 * users as f64).abs() < 0.01, "{in_flight}");
    }
}

/// Notes when requests come, and answers at once.
struct At(Rc<RefCell<Vec<Nanos>>>);

impl Peer for At {
    fn receive(&mut self, now: Nanos, bytes: &[u8], script: &mut Script) {
        self.0.borrow_mut().push(now);
        script.deliver(0, bytes);
    }
}

#[test]
fn users_do_not_all_ask_at_once() {
    let arrivals = Rc::new(RefCell::new(Vec::new()));
    let notes = Rc::clone(&arrivals);
    simulate(thinking("100ms", 10, 1, SECOND), move |_| Box::new(At(Rc::clone(&notes))));
    let mut at = arrivals.borrow().clone();
    at.sort_unstable();
    assert!(at.windows(2).all(|pair| pair[1] - pair[0] == 10 * MILLISECOND), "{at:?}");
}

#[test]
fn a_user_thinks_after_a_timeout_and_a_lost_connection_too() {
    let mut plan = thinking("1s", 1, 1, 20 * SECOND);
    plan.timeout_ns = SECOND;
    plan.drain_ns = SECOND;
    let mute = EchoOptions { ending: Some((0, Ending::Mute)), ..EchoOptions::after(0) };
    let run = simulate(plan.clone(), echo(mute));
    // A second until it is given up, and a second of thought.
    let timeouts = run.total.tally.timeout;
    assert!((9..=10).contains(&timeouts), "{timeouts}");
    let reset = EchoOptions { ending: Some((0, Ending::Reset)), ..EchoOptions::after(0) };
    let run = simulate(plan.clone(), echo(reset));
    assert!((18..=20).contains(&run.total.tally.reset), "{:?}", run.total.tally);
    plan.workload =
        WorkloadPlan::Requests { protocol: ProtocolPlan::Raw, reconnect_after: Some(1) };
    let run = simulate(plan, echo(EchoOptions::after(0)));
    assert_eq!((run.total.tally.ok, run.total.tally.failed()), (20, 0));
}

#[test]
fn a_number_of_requests_outlasts_long_thoughts() {
    let mut plan = thinking("60s", 1, 1, SECOND);
    plan.stop = StopRule::Requests { requests: 5 };
    let run = simulate(plan, echo(EchoOptions::after(MILLISECOND)));
    assert_eq!(run.total.tally.ok, 5);
    assert!(run.times.1 - run.times.0 >= 240 * SECOND);
}

#[test]
fn the_callers_of_a_pool_think_too() {
    for size in [2, 0] {
        let mut plan = thinking("40ms", 4, 1, 10 * SECOND);
        plan.workload = pooled::pool(size);
        let plan = Arc::new(Plan::new(plan).unwrap());
        let (load, links) = pooled::pool_load(&plan, size);
        let connect = ConnectOutcome::Made { after: 0 };
        let peers = echo(EchoOptions { connect, ..EchoOptions::after(10 * MILLISECOND) });
        let run = simulate_load(None, &plan, load, links, peers);
        assert_eq!(run.total.tally.ok, 800, "pool of {size}: {:?}", run.total.tally);
    }
}

#[test]
fn exponential_thought_has_its_mean() {
    let plan = thinking("exp:40ms", 20, 1, 50 * SECOND);
    let run = simulate(plan, echo(EchoOptions::after(10 * MILLISECOND)));
    let cycles = run.total.tally.ok as f64 / 20.0 / 50.0;
    assert!((cycles - 20.0).abs() < 0.6, "{cycles} cycles a second");
}
