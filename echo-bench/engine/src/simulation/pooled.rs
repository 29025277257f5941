//! Callers who share connections, to the digit.

use super::standstill::Babbling;
use super::*;

pub(super) fn pool_load(plan: &Arc<Plan>, size: u32) -> (PoolLoad, u32) {
    let links = if size == 0 { plan.connections } else { plan.connections_at_start() };
    let load = PoolLoad::new(plan, size, 0..plan.connections, links);
    (load, links)
}

pub(super) fn pool(size: u32) -> WorkloadPlan {
    WorkloadPlan::Pool { protocol: ProtocolPlan::Raw, size, reconnect_after: None }
}

fn pooled(
    plan: Settings,
    size: u32,
    peers: impl FnMut(u64) -> Box<dyn Peer> + 'static,
) -> Simulated {
    let plan = Arc::new(Plan::new(Settings { workload: pool(size), ..plan }).unwrap());
    let (load, links) = pool_load(&plan, size);
    simulate_load(None, &plan, load, links, peers)
}

fn counts(run: &Simulated) -> PoolCounts {
    run.record.pool.expect("it is a pool")
}

#[test]
fn callers_wait_for_each_other_in_order_and_their_wait_is_in_the_response() {
    let closed = raw_plan(Load::Closed { pipeline: 1 }, 4, 2 * SECOND);
    let run = pooled(closed, 1, echo(EchoOptions::after(10 * MILLISECOND)));
    let tally = &run.total.tally;
    assert_eq!((tally.ok, tally.scheduled), (tally.scheduled, 203), "{tally:?}");
    let clocks = run.total.latencies.open.as_ref().expect("callers wait");
    let equivalent = |latency: &crate::record::Latency, expected| {
        let histogram = latency.histogram();
        histogram.equivalent(histogram.value_at_quantile(0.5), expected)
    };
    assert!(equivalent(&clocks.wait, 30 * MILLISECOND));
    assert!(equivalent(&clocks.service, 10 * MILLISECOND));
    assert!(equivalent(&run.total.latencies.response, 40 * MILLISECOND));
    assert_eq!((counts(&run).created, counts(&run).reused), (1, tally.ok));
}

#[test]
fn a_server_that_answers_and_does_not_read_loses_its_connection() {
    let mut closed = raw_plan(Load::Closed { pipeline: 1 }, 1, SECOND);
    (closed.timeout_ns, closed.drain_ns) = (SECOND / 2, SECOND / 2);
    let run = pooled(closed, 1, Babbling::peer);
    let (tally, counts) = (&run.total.tally, counts(&run));
    assert!(tally.is_conserved() && tally.ok == 0, "{tally:?}");
    assert!(counts.discarded.unsolicited > 0, "{counts:?}");
    let most = (MOST_UNSENT + 2 * 2048) as u64;
    assert!(tally.bytes_sent / counts.created <= most, "{counts:?}, {tally:?}");
}

#[test]
fn a_new_connection_for_each_request_is_waited_for() {
    let closed = raw_plan(Load::Closed { pipeline: 1 }, 2, SECOND);
    let connect = ConnectOutcome::Made { after: 3 * MILLISECOND };
    let run =
        pooled(closed, 0, echo(EchoOptions { connect, ..EchoOptions::after(MILLISECOND) }));
    let response = run.total.latencies.response.histogram();
    assert!(response.equivalent(response.min(), 4 * MILLISECOND));
    assert!(response.equivalent(response.max(), 4 * MILLISECOND));
    let counts = counts(&run);
    // One more shows before the load whether there is a server.
    assert_eq!(counts.created, run.total.tally.ok + 1);
    assert_eq!((counts.discarded.used, counts.reused), (run.total.tally.ok, 0));
}

#[test]
fn a_server_that_is_gone_ends_requests_unsent_and_is_not_called_in_a_frenzy() {
    for load in [Load::Closed { pipeline: 1 }, open(200.0, Arrival::Constant, 1)] {
        let refused =
            ConnectOutcome::Failed { after: 1000, kind: ErrorKind::ConnectionRefused };
        let run = pooled(raw_plan(load.clone(), 4, 2 * SECOND), 2, move |number| {
            // The two of the set-up answer five times.
            let ending = Some((5, Ending::Reset));
            let connect = if number < 2 { ConnectOutcome::Made { after: 0 } } else { refused };
            Box::new(EchoPeer::new(EchoOptions {
                message: Some(SIZE),
                connect,
                ending,
                ..EchoOptions::after(MILLISECOND)
            }))
        });
        let tally = &run.total.tally;
        assert!(tally.is_conserved(), "{load:?}: {tally:?}");
        assert_eq!(tally.ok, 10, "{load:?}: {tally:?}");
        assert!((10..500).contains(&tally.refused), "{load:?}: {tally:?}");
        assert_eq!(counts(&run).connect_failures, run.total.errors.of(FailureKind::Refused));
    }
}

/// The two of the set-up answer once; then there is no socket for any other.
fn one_answer_and_no_socket(number: u64) -> Box<dyn Peer> {
    struct NoSocket;
    impl Peer for NoSocket {
        fn connect(&mut self, _now: Nanos) -> ConnectOutcome {
            ConnectOutcome::NoSocket(ErrorKind::AddrNotAvailable)
        }
        fn receive(&mut self, _now: Nanos, _bytes: &[u8], _script: &mut Script) {}
    }
    if number >= 2 {
        return Box::new(NoSocket);
    }
    let ending = Some((1, Ending::Reset));
    let options = EchoOptions { message: Some(SIZE), ending, ..EchoOptions::after(0) };
    Box::new(EchoPeer::new(options))
}

#[test]
fn no_socket_left_costs_each_request_once_however_many_are_due() {
    let plan = raw_plan(open(50_000.0, Arrival::Constant, 1), 4, SECOND);
    let run = pooled(plan, 2, one_answer_and_no_socket);
    let tally = &run.total.tally;
    assert!(tally.is_conserved() && tally.scheduled == 50_000, "{tally:?}");
    assert_eq!(tally.unsent + tally.reset + tally.ok, 50_000, "{tally:?}");
}

#[test]
fn any_number_of_callers_may_wait_when_there_is_no_socket() {
    let plan = raw_plan(Load::Closed { pipeline: 1 }, 100_000, 40 * MILLISECOND);
    let run = pooled(plan, 2, one_answer_and_no_socket);
    let tally = &run.total.tally;
    assert!(tally.is_conserved() && tally.unsent > 90_000, "{tally:?}");
}

#[test]
fn a_wait_that_times_out_in_the_warm_up_is_no_failure_of_the_window() {
    let plan = Settings {
        warmup_ns: SECOND,
        timeout_ns: 200 * MILLISECOND,
        ..raw_plan(Load::Closed { pipeline: 1 }, 4, SECOND)
    };
    let run = pooled(plan, 1, echo(EchoOptions::after(150 * MILLISECOND)));
    let (tally, errors) = (&run.total.tally, &run.total.errors);
    assert!(tally.unsent > 0 && tally.is_conserved(), "{tally:?}");
    assert!(counts(&run).wait_timeouts > tally.unsent, "some of the warm-up, too");
    assert_eq!(errors.of(FailureKind::Unsent), tally.unsent, "{errors:?}");
}

/// Answers each request, and sends `extra` bytes of its reply again `after` that.
struct Twice {
    extra: usize,
    after: Nanos,
    sent: Rc<RefCell<u64>>,
}

impl Peer for Twice {
    fn receive(&mut self, _now: Nanos, bytes: &[u8], script: &mut Script) {
        *self.sent.borrow_mut() += 1;
        if self.after == 0 {
            let both = [bytes, &bytes[..self.extra]].concat();
            return script.deliver(MILLISECOND, &both);
        }
        script.deliver(MILLISECOND, bytes);
        script.deliver(MILLISECOND + self.after, &bytes[..self.extra]);
    }
}

#[test]
fn a_reply_that_nobody_asked_for_is_listed_and_fails_no_request() {
    const WHOLE: usize = SIZE + 4;
    let frame = ProtocolPlan::Frame;
    for (protocol, extra, kind) in [
        (frame.clone(), WHOLE, FailureKind::Duplicated),
        (frame, 7, FailureKind::Unsolicited),
        (ProtocolPlan::Raw, SIZE, FailureKind::Malformed),
    ] {
        // With its reply, while the connection idles, and while another caller uses it.
        for (after, load) in [
            (0, open(50.0, Arrival::Constant, 1)),
            (2 * MILLISECOND, open(50.0, Arrival::Constant, 1)),
            (MILLISECOND / 2, Load::Closed { pipeline: 1 }),
        ] {
            if kind != FailureKind::Duplicated && after == MILLISECOND / 2 {
                // What has no boundaries of its own garbles the next reply.
                continue;
            }
            let sent = Rc::new(RefCell::new(0));
            let count = Rc::clone(&sent);
            let mut plan = raw_plan(load.clone(), 2, SECOND);
            let protocol = protocol.clone();
            plan.workload = WorkloadPlan::Pool { protocol, size: 1, reconnect_after: None };
            let plan = Arc::new(Plan::new(plan).unwrap());
            let (load, links) = pool_load(&plan, 1);
            let run = simulate_load(None, &plan, load, links, move |_| {
                Box::new(Twice { extra, after, sent: Rc::clone(&count) })
            });
            let (tally, errors) = (&run.total.tally, &run.total.errors);
            let case = format!("{extra} bytes after {after} ns: {tally:?} {errors:?}");
            assert_eq!((tally.failed(), tally.ok), (0, tally.scheduled), "{case}");
            // The last may come after the end.
            assert!(*sent.borrow() - errors.of(kind) <= 1, "{case}");
            assert_eq!(errors.total(), errors.of(kind), "{case}");
            let first = &errors.iter().next().unwrap().first;
            assert!(first.connection < 2, "{first:?}");
            assert_eq!(counts(&run).discarded.broken, 0, "{case}");
        }
    }
}

#[test]
fn a_server_that_accepts_and_goes_away_is_not_called_as_fast_as_the_machine_can() {
    for size in [0, 2] {
        let ending = Some((0, Ending::Reset));
        let options = EchoOptions { ending, ..EchoOptions::after(MILLISECOND) };
        let closed = raw_plan(Load::Closed { pipeline: 1 }, 4, 2 * SECOND);
        let run = pooled(closed, size, echo(options));
        let tally = &run.total.tally;
        assert!(tally.is_conserved() && tally.ok == 0, "{size}: {tally:?}");
        // Four callers, each with a pause of 50 ms between two requests.
        assert!((40..=4 * 41).contains(&tally.reset), "{size}: {tally:?}");
    }
}
