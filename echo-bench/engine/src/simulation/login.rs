//! Logins that come before requests: timed apart, and given up one by one.

use std::time::SystemTime;

use echo_proto::{ProtocolKind, Replies, RespLogin, Respond, Responder, WriteMode};

use super::*;

/// From a login to its answer, and from a request to its reply.
const LOGIN: Nanos = 7 * MILLISECOND;
const DELAY: Nanos = 2 * MILLISECOND;

/// A Redis that answers a login, unless it is mute.
struct Redis {
    is_mute: bool,
    is_open: bool,
    responder: Responder,
}

impl Redis {
    fn boxed(is_mute: bool) -> Box<dyn Peer> {
        let responder = ProtocolKind::Resp.responder(SIZE, SystemTime::now);
        Box::new(Self { is_mute, is_open: false, responder })
    }
}

impl Peer for Redis {
    fn connect(&mut self, _now: Nanos) -> ConnectOutcome {
        ConnectOutcome::Made { after: MILLISECOND }
    }

    fn receive(&mut self, _now: Nanos, bytes: &[u8], script: &mut Script) {
        if self.is_mute {
            return;
        }
        if !std::mem::replace(&mut self.is_open, true) {
            assert!(bytes.starts_with(b"*2\r\n$6\r\nSELECT\r\n"));
            return script.deliver(LOGIN, b"+OK\r\n");
        }
        let mut replies = Replies::new(WriteMode::Whole);
        let _ = self.responder.receive(bytes, &mut replies);
        script.deliver(DELAY, replies.bytes());
    }

    fn end_of_input(&mut self, _now: Nanos, script: &mut Script) {
        script.half_close(0);
    }
}

/// Four connections to a Redis that are made anew after every ten requests.
fn reconnecting() -> Settings {
    let login = RespLogin { database: 1, ..RespLogin::default() };
    let protocol = ProtocolPlan::Resp { login };
    Settings {
        workload: WorkloadPlan::Requests { protocol, reconnect_after: Some(10) },
        timeout_ns: SECOND,
        ..raw_plan(Load::Closed { pipeline: 1 }, 4, 10 * SECOND)
    }
}

#[test]
fn a_login_is_timed_from_the_made_connection_and_apart_from_it() {
    let run = simulate(reconnecting(), |_| Redis::boxed(false));
    let (set_up, window) = (&run.setup, &run.record);
    for (connect, login) in [
        (&set_up.connect, &set_up.handshakes.login),
        (&window.connect, &window.handshakes.login),
    ] {
        assert!(connect.count() >= 4);
        assert_eq!(login.count(), connect.count());
        secured::always(connect, MILLISECOND);
        secured::always(login, LOGIN);
    }
    assert_eq!(set_up.established, 4);
}

#[test]
fn a_login_that_hangs_is_given_up_in_time_while_others_succeed() {
    let run = simulate(reconnecting(), |number| Redis::boxed(number == 6));
    let errors = &run.total.errors;
    assert_eq!(errors.of(FailureKind::ConnectTimeout), 1, "{errors:?}");
    let first = &errors.iter().next().unwrap().first;
    assert!(first.detail.starts_with("login not complete within 1."), "{first:?}");
    assert!(run.total.tally.ok > 1000 && run.total.tally.is_conserved());
}
