//! What belongs to the window, and what to set-up, warm-up and drain.

use super::*;

#[test]
fn warm_up_and_set_up_are_no_part_of_the_window() {
    let mut warmed = raw_plan(open(1000.0, Arrival::Constant, 8), 2, 2 * SECOND);
    warmed.warmup_ns = SECOND;
    let connect = ConnectOutcome::Made { after: 30 * MILLISECOND };
    let run =
        simulate(warmed, echo(EchoOptions { connect, ..EchoOptions::after(MILLISECOND) }));
    assert_eq!(run.total.tally.scheduled, 2000);
    assert_eq!((run.setup.established, run.setup.connect.count()), (2, 2));
    let connect = run.setup.connect.histogram();
    assert!(connect.equivalent(connect.min(), 30 * MILLISECOND));
}

#[test]
fn connections_of_the_window_are_told_from_those_of_set_up_and_warm_up() {
    let mut plan = raw_plan(Load::Closed { pipeline: 1 }, 1, SECOND);
    plan.warmup_ns = SECOND;
    let protocol = ProtocolPlan::Raw;
    plan.workload = WorkloadPlan::Requests { protocol, reconnect_after: Some(1) };
    let connect = ConnectOutcome::Made { after: 50 * MILLISECOND };
    let slow = EchoOptions { connect, ..EchoOptions::after(50 * MILLISECOND) };
    let run = simulate(plan.clone(), echo(slow));
    // Ten cycles of 100 ms fit into the window, as they do into the warm-up.
    assert!((9..=10).contains(&run.record.reconnects), "{}", run.record.reconnects);
    assert_eq!(run.record.connect.count(), run.record.reconnects);
    assert_eq!(run.setup.connect.count(), 1);
    plan.workload = pooled::pool(0);
    let plan = Arc::new(Plan::new(plan).unwrap());
    let (load, links) = pooled::pool_load(&plan, 0);
    let run = simulate_load(None, &plan, load, links, echo(slow));
    assert!((9..=10).contains(&run.record.connect.count()), "{}", run.record.connect.count());
    assert_eq!(run.setup.connect.count(), 1);
}

#[test]
fn what_is_answered_in_the_drain_makes_no_throughput() {
    let mut slow = raw_plan(Load::Closed { pipeline: 1 }, 5, SECOND);
    slow.timeout_ns = 5 * SECOND;
    slow.drain_ns = 5 * SECOND;
    let run = simulate(slow, echo(EchoOptions::after(3 * SECOND)));
    assert_eq!((run.total.tally.ok, run.total.tally.answered), (5, 0));
    // And what was asked for in the warm-up and answered in the window does. Five have outlived
    // the warm-up by half of the window, so that their latencies count too.
    let mut warmed = raw_plan(Load::Closed { pipeline: 1 }, 5, SECOND);
    warmed.warmup_ns = SECOND / 2;
    warmed.timeout_ns = 5 * SECOND;
    let run = simulate(warmed, echo(EchoOptions::after(SECOND)));
    assert_eq!((run.total.tally.ok, run.total.tally.answered), (10, 5));
}

#[test]
fn what_ends_in_the_drain_is_told_from_the_series_and_both_are_the_whole() {
    // 20 ms on the way: those that are due in the last 20 ms end in the drain.
    let mut plan = raw_plan(open(1000.0, Arrival::Constant, 64), 1, SECOND);
    plan.timeout_ns = 5 * SECOND;
    let plan = Arc::new(Plan::new(plan).unwrap());
    let pieces = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&pieces);
    let finished = Box::new(move |piece: Interval| sink.lock().unwrap().push(piece));
    let peers = echo(EchoOptions::after(20 * MILLISECOND));
    let mut reactor = SimulatedReactor::new(START, peers);
    let load = Requests::new(&plan, 0..1);
    let mut rig = Rig::new(assignment(None, &plan), load, 0..1, finished);
    rig.connect_all(&mut reactor).unwrap();
    let timeline = Timeline::new(&plan, reactor.now() + MILLISECOND);
    rig.run(&mut reactor, timeline).unwrap();
    let pieces = pieces.lock().unwrap();
    let mut total = Interval::default();
    pieces.iter().for_each(|piece| total += piece);
    let answered: u64 = pieces.iter().map(|piece| piece.tally.answered).sum();
    assert_eq!(total.latencies.response.count(), answered);
    assert_eq!((answered, total.tally.ok), (980, 1000));
    assert_eq!(total.latencies.whole().count(), 1000);
    let drained = total.latencies.take_drained().unwrap();
    assert_eq!((drained.count(), total.latencies.response.count()), (20, 1000));
}

#[test]
fn a_target_that_answers_no_connection_is_given_up_after_one_timeout_however_many_are_wanted() {
    for made in [0, 10] {
        let mut plan = raw_plan(open(1000.0, Arrival::Constant, 1), 1000, SECOND / 10);
        (plan.timeout_ns, plan.drain_ns) = (5 * SECOND, SECOND);
        let run = simulate(plan, move |number| {
            let silent = ConnectOutcome::Unanswered;
            let options = EchoOptions::after(MILLISECOND);
            let connect = if number < made { options.connect } else { silent };
            echo(EchoOptions { connect, ..options })(number)
        });
        let timeouts = if made == 0 { 1 } else { 2 };
        let took = run.times.0 - START;
        assert!(took < timeouts * 5 * SECOND + SECOND / 2, "{made} made: {took} ns");
        assert_eq!(u64::from(run.setup.established), made);
        assert_eq!(run.total.tally.ok > 0, made > 0, "{:?}", run.total.tally);
        assert!(run.total.tally.is_conserved());
    }
}

#[test]
fn a_lost_syn_gives_up_one_connection_however_slowly_the_others_are_begun() {
    for lost in [0, 3] {
        let mut plan = raw_plan(open(1000.0, Arrival::Constant, 1), 6, SECOND / 10);
        (plan.timeout_ns, plan.drain_ns) = (SECOND, SECOND);
        plan.connect_rate_per_s = Some(0.1);
        let run = simulate(plan, move |number| {
            let options = EchoOptions::after(MILLISECOND);
            let connect =
                if number == lost { ConnectOutcome::Unanswered } else { options.connect };
            echo(EchoOptions { connect, ..options })(number)
        });
        assert_eq!(run.setup.established, 5, "the {lost}th is lost");
    }
}
