//! Peers that do not read for a while or for ever, and connections that wear out.

use super::*;

/// Takes nothing until this instant of the run, and then everything; answers at once.
struct Deaf {
    until: Option<Nanos>,
}

impl Peer for Deaf {
    fn window(&mut self, now: Nanos, _offered: usize) -> Window {
        match self.until {
            None => Window::SHUT,
            Some(until) if now < until => Window { bytes: 0, reopens_after: Some(until - now) },
            Some(_) => Window::OPEN,
        }
    }

    fn receive(&mut self, _now: Nanos, bytes: &[u8], script: &mut Script) {
        script.deliver(MILLISECOND, bytes);
    }
}

#[test]
fn a_peer_that_reads_again_after_the_timeout_is_loaded_again() {
    for load in [Load::Closed { pipeline: 2 }, open(200.0, Arrival::Constant, 2)] {
        let mut plan = raw_plan(load.clone(), 2, 4 * SECOND);
        plan.timeout_ns = SECOND / 2;
        let run = simulate(plan, |_| Box::new(Deaf { until: Some(START + 2 * SECOND) }));
        let tally = &run.total.tally;
        assert!(tally.is_conserved() && tally.timeout > 0, "{load:?}: {tally:?}");
        // Two seconds of the four are left.
        assert!(tally.ok >= 380, "{load:?}: {tally:?}");
    }
}

#[test]
fn a_number_of_requests_is_given_up_on_a_peer_that_never_reads() {
    for load in [Load::Closed { pipeline: 2 }, open(200.0, Arrival::Constant, 2)] {
        let mut plan = raw_plan(load.clone(), 2, SECOND);
        plan.stop = StopRule::Requests { requests: 1000 };
        let run = simulate(plan, |_| Box::new(Deaf { until: None }));
        let (begin, end) = run.times;
        assert!(end - begin < 10 * SECOND, "{load:?}");
        assert!(run.total.tally.is_conserved() && run.total.tally.ok == 0, "{load:?}");
    }
}

#[test]
fn a_slow_schedule_is_no_sign_of_a_server_that_is_gone() {
    // Between two requests passes more time than a reply is waited for.
    for slowly in [0.2, 1.0 / 7.0, 0.02] {
        let mut plan = raw_plan(open(slowly, Arrival::Constant, 1), 1, SECOND);
        plan.stop = StopRule::Requests { requests: 5 };
        (plan.timeout_ns, plan.drain_ns) = (SECOND, 5 * SECOND);
        let run = simulate(plan, echo(EchoOptions::after(400 * MILLISECOND)));
        assert_eq!((run.total.tally.scheduled, run.total.tally.ok), (5, 5), "{slowly}");
    }
}

#[test]
fn what_fell_due_is_sent_in_the_drain_though_connections_wear_out() {
    let mut plan = raw_plan(open(1000.0, Arrival::Constant, 1), 2, SECOND);
    plan.workload =
        WorkloadPlan::Requests { protocol: ProtocolPlan::Raw, reconnect_after: Some(1) };
    plan.drain_ns = 60 * SECOND;
    let connect = ConnectOutcome::Made { after: 10 * MILLISECOND };
    let run = simulate(plan, echo(EchoOptions { connect, ..EchoOptions::after(MILLISECOND) }));
    let tally = &run.total.tally;
    assert_eq!((tally.scheduled, tally.ok), (1000, 1000), "{tally:?}");
    assert_eq!(run.total.errors.total(), 0);
    // Each but the first on each connection waited for one to be made, for 11 ms with its
    // reply: most in the drain, which are no reconnects of the window.
    assert!((178..=182).contains(&run.record.reconnects), "{}", run.record.reconnects);
    let wait = run.total.latencies.open.as_ref().unwrap().wait.histogram();
    assert!(wait.max() > 4 * SECOND, "{} ns", wait.max());
}

#[test]
fn a_long_warm_up_is_no_sign_of_a_server_that_is_gone() {
    let mut plan = raw_plan(Load::Closed { pipeline: 1 }, 2, SECOND);
    plan.stop = StopRule::Requests { requests: 100 };
    plan.warmup_ns = 20 * SECOND;
    let run = simulate(plan, echo(EchoOptions::after(MILLISECOND)));
    assert_eq!((run.total.tally.scheduled, run.total.tally.ok), (100, 100));
}

#[test]
fn a_slow_schedule_gives_up_on_a_mute_server_too() {
    let mut plan = raw_plan(open(0.2, Arrival::Constant, 1), 1, SECOND);
    plan.stop = StopRule::Requests { requests: 100 };
    (plan.timeout_ns, plan.drain_ns) = (SECOND, 9 * SECOND);
    let run = simulate(plan, |_| Box::new(Deaf { until: None }));
    let (begin, end) = run.times;
    assert!(end - begin < 20 * SECOND, "{} ns", end - begin);
    assert!(run.total.tally.is_conserved() && run.total.tally.scheduled < 5);
}

/// A web server that ends the first connections before anything was asked for.
struct Web {
    hangs_up: bool,
}

impl Peer for Web {
    fn connected(&mut self, _now: Nanos, script: &mut Script) {
        if self.hangs_up {
            let bored = b"HTTP/1.1 408 Bored\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
            script.deliver(0, bored);
            script.half_close(0);
        }
    }

    fn receive(&mut self, _now: Nanos, bytes: &[u8], script: &mut Script) {
        let body = &bytes[bytes.len() - SIZE..];
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {SIZE}\r\n\r\n");
        script.deliver(MILLISECOND, &[head.as_bytes(), body].concat());
    }
}

#[test]
fn a_connection_that_a_server_ends_before_the_load_is_made_again() {
    let mut plan = raw_plan(Load::Closed { pipeline: 1 }, 4, SECOND);
    plan.workload = requests(ProtocolPlan::Http { host: None });
    // The first are there, and lost, before the last is begun.
    plan.connect_rate_per_s = Some(100.0);
    let run = simulate(plan, |number| Box::new(Web { hangs_up: number < 2 }));
    assert_eq!(run.record.alive_at_end, 4);
    assert_eq!(run.record.reconnects, 2);
    assert_eq!(run.total.errors.of(FailureKind::Closed), 2, "{:?}", run.total.errors);
    assert_eq!(run.total.tally.failed(), 0);
}

#[test]
fn a_reply_that_ends_before_its_request_is_written_is_wrong_whatever_is_checked() {
    /// Answers the first bytes of a request that it reads slowly.
    struct Hasty;
    impl Peer for Hasty {
        fn window(&mut self, _now: Nanos, _offered: usize) -> Window {
            Window { bytes: SIZE / 2, reopens_after: Some(5 * MILLISECOND) }
        }
        fn receive(&mut self, _now: Nanos, _bytes: &[u8], script: &mut Script) {
            script.deliver(1000, &[b'?'; SIZE / 2]);
            script.deliver(2000, &[b'?'; SIZE / 2]);
        }
    }
    for verify in [Verify::Off, Verify::Length, Verify::Full] {
        let mut plan = raw_plan(open(20.0, Arrival::Constant, 1), 1, SECOND);
        plan.verify = verify;
        let run = simulate(plan, |_| Box::new(Hasty));
        let tally = &run.total.tally;
        assert_eq!((tally.ok, tally.scheduled), (0, 20), "{verify}: {tally:?}");
        assert!(tally.mismatch > 0, "{verify}: {tally:?}");
    }
}

/// Reads one byte, and answers more often than it was asked.
pub(super) struct Babbling {
    has_read: bool,
}

impl Babbling {
    /// How often it answers.
    pub(super) const REPLIES: u64 = 20_000;

    pub(super) fn peer(_number: u64) -> Box<dyn Peer> {
        Box::new(Self { has_read: false })
    }
}

impl Peer for Babbling {
    fn window(&mut self, _now: Nanos, _offered: usize) -> Window {
        let bytes = usize::from(!self.has_read);
        Window { bytes, reopens_after: None }
    }

    fn receive(&mut self, _now: Nanos, _bytes: &[u8], script: &mut Script) {
        self.has_read = true;
        for number in 1..=Self::REPLIES {
            script.deliver(number * 10_000, &[b'?'; SIZE]);
        }
    }
}

#[test]
fn a_server_that_answers_and_does_not_read_is_sent_a_bounded_number_of_requests() {
    for load in
        [Load::Closed { pipeline: 4 }, open(Babbling::REPLIES as f64, Arrival::Constant, 4)]
    {
        let mut plan = raw_plan(load, 1, SECOND);
        (plan.timeout_ns, plan.drain_ns) = (SECOND / 2, SECOND / 2);
        let run = simulate(plan, Babbling::peer);
        let tally = &run.total.tally;
        assert!(tally.is_conserved() && tally.ok == 0, "{tally:?}");
        let most = (MOST_UNSENT + 5 * 2048) as u64;
        // It is made anew where the answers are more than the requests.
        let connections = run.record.reconnects + 1;
        let each = tally.bytes_sent / connections;
        assert!((1..most).contains(&each), "{connections} connections: {tally:?}");
    }
}

#[test]
fn a_connection_whose_requests_all_time_out_is_made_anew_and_does_not_pile_them_up() {
    for (load, depth) in
        [(Load::Closed { pipeline: 100 }, 100), (open(20_000.0, Arrival::Constant, 50), 50)]
    {
        let mut plan = raw_plan(load.clone(), 2, 2 * SECOND);
        (plan.timeout_ns, plan.drain_ns) = (10 * MILLISECOND, 10 * MILLISECOND);
        let ending = Some((0, Ending::Mute));
        let run = simulate(plan, echo(EchoOptions { ending, ..EchoOptions::after(0) }));
        let (begin, end) = run.times;
        assert!(end - begin < 3 * SECOND, "{load:?}");
        let (tally, errors) = (&run.total.tally, &run.total.errors);
        assert!(tally.is_conserved() && tally.ok == 0 && tally.closed == 0, "{tally:?}");
        let replaced = errors.of(FailureKind::Unresponsive);
        assert!(replaced > 2, "{load:?}: {errors:?}");
        assert!(run.record.reconnects + 2 >= replaced, "{load:?}: {}", run.record.reconnects);
        // Each connection takes its depth a few times, and no more.
        let most = (replaced + 2) * (4 + 2) * depth;
        assert!((depth..most).contains(&tally.timeout), "{load:?}: {tally:?}");
    }
}

#[test]
fn a_server_that_answers_after_the_timeout_keeps_its_connections() {
    let mut plan = raw_plan(Load::Closed { pipeline: 4 }, 2, 2 * SECOND);
    (plan.timeout_ns, plan.drain_ns) = (10 * MILLISECOND, 10 * MILLISECOND);
    let run = simulate(plan, echo(EchoOptions::after(100 * MILLISECOND)));
    assert_eq!(run.total.errors.of(FailureKind::Unresponsive), 0, "{:?}", run.total.errors);
    assert!(run.total.tally.timeout > 100 && run.record.reconnects == 0);
}
