use std::time::Duration;

use echo_net::clock::SECOND;

use super::*;
use crate::schedule::Arrival;

/// A small closed-loop plan for tests to change.
pub(crate) fn plan() -> Plan {
    let second = Duration::from_secs(1);
    let plan = Plan::builder("127.0.0.1:1").connections(2).duration(second);
    let plan = plan.warmup(Duration::ZERO).timeout(second).drain(second);
    plan.build().expect("it is valid")
}

#[test]
fn a_chat_needs_members_a_schedule_and_texts_that_can_be_told_apart() {
    type Spoil = fn(&mut Plan);
    let chat = |spoil: Spoil| {
        let mut plan = plan();
        plan.chat = Some(ChatPlan { deaf: 0 });
        plan.load = Load::Open { rate_per_s: 10.0, arrival: Arrival::Constant, pipeline: 1 };
        spoil(&mut plan);
        plan.validated().map(drop).map_err(|error| error.to_string())
    };
    assert_eq!(chat(|_| {}), Ok(()));
    let cases: [(&str, Spoil); 6] = [
        ("--rate", |plan| plan.load = Load::Closed { pipeline: 1 }),
        ("--conns", |plan| plan.connections = 1),
        ("--conns", |plan| plan.connections = 2001),
        ("deaf", |plan| plan.chat = Some(ChatPlan { deaf: 1 })),
        ("--verify", |plan| plan.verify = Verify::Length),
        ("--size", |plan| {
            plan.messages = MessagePlan::Generated { min_bytes: 11, max_bytes: 64 };
        }),
    ];
    for (flag, spoil) in cases {
        let error = chat(spoil).unwrap_err();
        assert!(error.contains(flag) && error.contains("chat"), "{error}");
    }
}

#[test]
fn refuses_each_nonsense_by_its_flag() {
    type Spoil = fn(&mut Plan);
    let cases: [(&str, Spoil); 14] = [
        ("--conns", |plan| plan.connections = 0),
        ("--threads", |plan| plan.threads = 0),
        ("--pipeline", |plan| plan.load = Load::Closed { pipeline: 0 }),
        ("--pipeline 5000000", |plan| plan.load = Load::Closed { pipeline: 5_000_000 }),
        ("--duration", |plan| plan.stop = StopRule::Duration { duration_ns: 0 }),
        ("--requests", |plan| plan.stop = StopRule::Requests { requests: 0 }),
        ("--timeout", |plan| plan.timeout_ns = 0),
        ("--streams", |plan| plan.streams = 0),
        ("--protocol mux", |plan| plan.streams = 2),
        ("--size 5-4", |plan| {
            plan.messages = MessagePlan::Generated { min_bytes: 5, max_bytes: 4 };
        }),
        ("--reconnect-after", |plan| plan.reconnect_after = Some(0)),
        ("--pool", |plan| {
            plan.reconnect_after = Some(1);
            plan.pool = Some(PoolPlan { size: 0 });
        }),
        ("--threads 2 exceeds --pool 1", |plan| {
            plan.threads = 2;
            plan.pool = Some(PoolPlan { size: 1 });
        }),
        ("message 2", |plan| {
            plan.messages =
                MessagePlan::Given { texts: vec!["a".into(), "b\nc".into()], crlf: false };
        }),
    ];
    for (flag, spoil) in cases {
        let mut plan = plan();
        spoil(&mut plan);
        let error = plan.validated().unwrap_err().to_string();
        assert!(error.contains(flag), "{error}");
    }
}

#[test]
fn times_that_can_not_be_added_up_are_refused_by_their_flag() {
    type Set = fn(&mut Plan, u64);
    let flags: [(&str, Set); 5] = [
        ("--duration", |plan, ns| plan.stop = StopRule::Duration { duration_ns: ns }),
        ("--warmup", |plan, ns| plan.warmup_ns = ns),
        ("--timeout", |plan, ns| plan.timeout_ns = ns),
        ("--drain", |plan, ns| plan.drain_ns = ns),
        ("--interval", |plan, ns| plan.interval_ns = ns),
    ];
    let century = 100 * 365 * 24 * 3600 * SECOND;
    for (flag, set) in flags {
        for ns in [century + 1, 18_446_744_073 * SECOND, u64::MAX] {
            let mut plan = plan();
            set(&mut plan, ns);
            let error = plan.validated().unwrap_err().to_string();
            assert!(error.contains(flag), "{error}");
        }
    }
    let mut longest = plan();
    for (_, set) in flags {
        set(&mut longest, century);
    }
    assert!(longest.validated().is_ok());
    assert!(century.checked_mul(5).is_some(), "their sum is an instant");
}

#[test]
fn never_has_more_threads_than_connections_and_reads_back_from_json() {
    let mut typed = plan();
    typed.threads = 8;
    typed.load = Load::Open { rate_per_s: 0.5, arrival: Arrival::Poisson, pipeline: 64 };
    let valid = typed.validated().unwrap();
    assert_eq!(valid.threads, 2);
    assert!(valid.schedule_digest.is_some());
    let json = serde_json::to_string(&valid).unwrap();
    assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), valid);
}
