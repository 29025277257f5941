//! The clocks inside TLS: handshakes to the digit, replies by their own last byte.

use echo_net::tls::{ClientTls, ServerTls, ServerTrust, Transform};

use super::*;

/// From a hello of the client to the server's answer.
const FLIGHT: Nanos = 3 * MILLISECOND;
/// From a request to the first half of its reply's ciphertext, and to the second.
const DELAY: Nanos = 2 * MILLISECOND;
const SECOND_HALF: Nanos = 5 * MILLISECOND;

/// Sends back what it receives, inside TLS, each reply in two pieces.
struct SecureEcho {
    tls: Transform,
    /// Replies until it hangs up without a word.
    replies: usize,
}

impl Peer for SecureEcho {
    fn connect(&mut self, _now: Nanos) -> ConnectOutcome {
        ConnectOutcome::Made { after: MILLISECOND }
    }

    fn receive(&mut self, _now: Nanos, bytes: &[u8], script: &mut Script) {
        let mut output = Vec::new();
        let mut requests: Vec<Vec<u8>> = Vec::new();
        let received = self.tls.receive_all(bytes, |piece| requests.push(piece.to_vec()));
        if received.is_err() {
            // The client has refused.
            return;
        }
        self.tls.take_output(&mut output);
        script.deliver_in_pieces(FLIGHT, &output, 100);
        for request in requests {
            let Some(left) = self.replies.checked_sub(1) else {
                return script.half_close(DELAY);
            };
            self.replies = left;
            output.clear();
            self.tls.send(&request, &mut output);
            let (first, second) = output.split_at(output.len() / 2);
            script.deliver(DELAY, first);
            script.deliver(SECOND_HALF, second);
        }
    }

    fn end_of_input(&mut self, _now: Nanos, script: &mut Script) {
        script.half_close(0);
    }
}

/// Takes a hello, says nothing, and notes what else it hears.
struct Mute {
    heard: Rc<RefCell<usize>>,
    greeted: bool,
}

impl Peer for Mute {
    fn receive(&mut self, _now: Nanos, bytes: &[u8], _script: &mut Script) {
        if std::mem::replace(&mut self.greeted, true) {
            *self.heard.borrow_mut() += bytes.len();
        }
    }
}

#[test]
fn no_close_notify_is_sent_within_a_handshake() {
    let server = ServerTls::self_signed().unwrap();
    let trust = ServerTrust::Certificate(server.fingerprint());
    let tls = PeerTls::new(ClientTls::new(&trust, false).unwrap(), "localhost").unwrap();
    let mut plan = raw_plan(open(100.0, Arrival::Constant, 1), 4, SECOND);
    plan.workload = pooled::pool(0);
    (plan.timeout_ns, plan.drain_ns) = (10 * SECOND, MILLISECOND);
    let plan = Arc::new(Plan::new(plan).unwrap());
    let (load, links) = pooled::pool_load(&plan, 0);
    let heard = Rc::new(RefCell::new(0));
    let others = Rc::clone(&heard);
    let run = simulate_load(Some(tls), &plan, load, links, move |number| match number {
        // Shows before the load that there is a server.
        0 => Box::new(SecureEcho { tls: server.accept().unwrap(), replies: 1 }),
        _ => Box::new(Mute { heard: Rc::clone(&others), greeted: false }),
    });
    assert!(run.total.tally.is_conserved() && run.total.tally.ok == 0);
    assert_eq!(*heard.borrow(), 0, "bytes after the hello");
}

fn run(load: Load, trusts: bool) -> Simulated {
    run_with(load, trusts, usize::MAX)
}

fn run_with(load: Load, trusts: bool, replies: usize) -> Simulated {
    let server = ServerTls::self_signed().unwrap();
    let trusted = if trusts { server.clone() } else { ServerTls::self_signed().unwrap() };
    let trust = ServerTrust::Certificate(trusted.fingerprint());
    let client = ClientTls::new(&trust, false).unwrap();
    let tls = PeerTls::new(client, "localhost").unwrap();
    let plan = raw_plan(load, 4, SECOND);
    simulate_inside(Some(tls), plan, move |_| {
        Box::new(SecureEcho { tls: server.accept().unwrap(), replies })
    })
}

/// Whether both ends of a clock are `expected`, as far as three digits tell.
#[track_caller]
pub(super) fn always(clock: &crate::record::Latency, expected: Nanos) {
    let histogram = clock.histogram();
    for got in [histogram.min(), histogram.max()] {
        let error = (got as f64 / expected as f64 - 1.0).abs();
        assert!(error < 0.002, "{got} ns and not {expected}");
    }
}

#[test]
fn a_reply_inside_tls_is_there_when_its_last_byte_is_decrypted() {
    for load in [Load::Closed { pipeline: 1 }, open(200.0, Arrival::Constant, 4)] {
        let run = run(load, true);
        let tally = &run.total.tally;
        assert!(tally.ok > 100 && tally.is_conserved(), "{tally:?}");
        assert_eq!(tally.failed(), 0, "{tally:?}");
        always(&run.total.latencies.response, SECOND_HALF);
        // Ciphertext is what is on the wire.
        assert!(tally.bytes_sent > tally.ok * SIZE as u64, "{tally:?}");
    }
}

#[test]
fn a_handshake_is_timed_from_the_made_connection_and_apart_from_it() {
    let run = run(Load::Closed { pipeline: 1 }, true);
    assert_eq!(run.setup.established, 4);
    assert_eq!(run.setup.connect.count(), 4);
    always(&run.setup.connect, MILLISECOND);
    assert_eq!(run.setup.handshakes.full.count(), 4);
    assert_eq!(run.setup.handshakes.resumed.count(), 0);
    always(&run.setup.handshakes.full, FLIGHT);
}

#[test]
fn a_server_that_is_not_believed_is_counted_by_kind_with_the_first_cause() {
    let run = run(Load::Closed { pipeline: 1 }, false);
    assert_eq!(run.setup.established, 0);
    assert_eq!(run.setup.handshakes.full.count(), 0);
    let cause = run.setup.failure.unwrap().to_string();
    assert!(cause.contains("fingerprint"), "{cause}");
    let errors = &run.total.errors;
    assert!(errors.of(FailureKind::TlsCertificate) >= 4);
    assert_eq!(errors.of(FailureKind::TlsCertificate), errors.total(), "{errors:?}");
    let first = &errors.iter().next().unwrap().first;
    assert!(first.detail.contains("fingerprint"), "{first:?}");
}

#[test]
fn a_stream_that_ends_without_a_word_is_cut_off_and_not_closed() {
    let run = run_with(Load::Closed { pipeline: 1 }, true, 3);
    let tally = &run.total.tally;
    assert!(tally.ok > 12 && tally.is_conserved(), "{tally:?}");
    assert_eq!((tally.reset, tally.closed), (tally.failed(), 0), "{tally:?}");
    let Failures { kind, first, .. } = run.total.errors.iter().next().unwrap();
    assert_eq!(*kind, FailureKind::Reset);
    assert!(first.detail.contains("truncated"), "{first:?}");
}

/// Whoever makes a connection for each request, counts the same bytes for it.
#[test]
fn the_bytes_of_handshakes_in_the_window_count_in_every_workload() {
    let per_connection = |workload: WorkloadPlan, warmup_ns: Nanos| {
        let server = ServerTls::self_signed().unwrap();
        let trust = ServerTrust::Certificate(server.fingerprint());
        let tls = PeerTls::new(ClientTls::new(&trust, false).unwrap(), "localhost").unwrap();
        let mut plan = raw_plan(Load::Closed { pipeline: 1 }, 1, SECOND);
        (plan.workload, plan.warmup_ns) = (workload, warmup_ns);
        let plan = Arc::new(Plan::new(plan).unwrap());
        let peers = move |_| -> Box<dyn Peer> {
            Box::new(SecureEcho { tls: server.accept().unwrap(), replies: usize::MAX })
        };
        let run = if let WorkloadPlan::Pool { .. } = plan.workload {
            let (load, links) = pooled::pool_load(&plan, 0);
            simulate_load(Some(tls), &plan, load, links, peers)
        } else {
            simulate_load(Some(tls), &plan, Requests::new(&plan, 0..1), 1, peers)
        };
        let (tally, made) = (run.total.tally, run.record.handshakes.full.count());
        assert!(made > 20, "{tally:?}");
        [tally.bytes_sent, tally.bytes_received].map(|bytes| bytes as f64 / made as f64)
    };
    for warmup_ns in [0, SECOND] {
        let protocol = ProtocolPlan::Raw;
        let again = WorkloadPlan::Requests { protocol, reconnect_after: Some(1) };
        let [one, other] =
            [again, pooled::pool(0)].map(|workload| per_connection(workload, warmup_ns));
        println!("{one:?} {other:?}");
        for (one, other) in one.into_iter().zip(other) {
            assert!((one / other - 1.0).abs() < 0.05, "{one} and {other} bytes");
        }
    }
}
