use std::time::Duration;

use echo_net::clock::SECOND;
use echo_proto::HttpHost;
use serde_json::{Value, json};

use super::*;
use crate::schedule::Arrival;

/// A small closed-loop plan for tests to change.
pub(crate) fn plan() -> Plan {
    let second = Duration::from_secs(1);
    let plan = Plan::builder("127.0.0.1:1").connections(2).duration(second);
    let plan = plan.warmup(Duration::ZERO).timeout(second).drain(second);
    plan.build().expect("it is valid")
}

/// The same with other settings.
pub(crate) fn plan_with(change: impl FnOnce(&mut Settings)) -> Plan {
    plan().with(change).expect("it is valid")
}

/// Why there is no plan with such settings.
fn refused(change: impl FnOnce(&mut Settings)) -> String {
    plan().with(change).expect_err("it is no plan").to_string()
}

type Spoil = fn(&mut Settings);
type Change = fn(&mut Value);

fn requests(protocol: ProtocolPlan) -> WorkloadPlan {
    WorkloadPlan::Requests { protocol, reconnect_after: None }
}

fn reconnecting(requests: u32) -> WorkloadPlan {
    let reconnect_after = Some(requests);
    WorkloadPlan::Requests { protocol: ProtocolPlan::Line, reconnect_after }
}

fn pool(size: u32, reconnect_after: Option<u32>) -> WorkloadPlan {
    WorkloadPlan::Pool { protocol: ProtocolPlan::Line, size, reconnect_after }
}

#[test]
fn a_chat_needs_members_a_schedule_and_texts_that_can_be_told_apart() {
    let chat = |spoil: Spoil| {
        plan().with(|plan| {
            plan.workload = WorkloadPlan::Chat { deaf: 0 };
            plan.load =
                Load::Open { rate_per_s: 10.0, arrival: Arrival::Constant, pipeline: 1 };
            spoil(plan);
        })
    };
    assert!(chat(|_| {}).is_ok());
    let cases: [(&str, Spoil); 7] = [
        ("--rate", |plan| plan.load = Load::Closed { pipeline: 1 }),
        ("--conns", |plan| plan.connections = 1),
        ("--conns", |plan| plan.connections = 2001),
        ("--threads 2", |plan| plan.threads = 2),
        ("deaf", |plan| plan.workload = WorkloadPlan::Chat { deaf: 1 }),
        ("--verify", |plan| plan.verify = Verify::Length),
        ("--size", |plan| {
            plan.messages = MessagePlan::even(11, 64);
        }),
    ];
    for (flag, spoil) in cases {
        let error = chat(spoil).unwrap_err().to_string();
        assert!(error.contains(flag) && error.contains("chat"), "{error}");
    }
}

#[test]
fn refuses_each_nonsense_by_its_flag() {
    let cases: [(&str, Spoil); 19] = [
        ("--conns", |plan| plan.connections = 0),
        ("--rate", |plan| {
            plan.load = Load::Open { rate_per_s: 1e9, arrival: Arrival::Constant, pipeline: 1 };
        }),
        ("--threads", |plan| plan.threads = 0),
        ("--pipeline", |plan| plan.load = Load::Closed { pipeline: 0 }),
        ("--pipeline 5000000", |plan| plan.load = Load::Closed { pipeline: 5_000_000 }),
        ("--rate must", |plan| {
            plan.load = Load::Open { rate_per_s: 0.0, arrival: Arrival::Constant, pipeline: 1 };
        }),
        ("--connect-rate", |plan| plan.connect_rate_per_s = Some(f64::INFINITY)),
        ("--duration", |plan| plan.stop = StopRule::Duration { duration_ns: 0 }),
        ("--requests", |plan| plan.stop = StopRule::Requests { requests: 0 }),
        ("--until needs a --duration", |plan| {
            plan.stop = StopRule::Requests { requests: 9 };
            plan.until = "p99+-5%".parse().ok();
        }),
        ("--until", |plan| plan.until = Some(Until { quantile: 0.9, within: f64::NAN })),
        ("--timeout", |plan| plan.timeout_ns = 0),
        ("--streams", |plan| plan.workload = requests(ProtocolPlan::Mux { streams: 0 })),
        ("--streams", |plan| plan.workload = requests(ProtocolPlan::Mux { streams: 65_537 })),
        ("--size 5-4", |plan| {
            plan.messages = MessagePlan::even(5, 4);
        }),
        ("--reconnect-after", |plan| plan.workload = reconnecting(0)),
        ("--pool", |plan| plan.workload = pool(0, Some(1))),
        ("--threads 2 exceeds --pool 1", |plan| {
            plan.threads = 2;
            plan.workload = pool(1, None);
        }),
        ("message 2", |plan| {
            plan.messages = MessagePlan::of_texts(["a", "b\nc"]);
        }),
    ];
    for (flag, spoil) in cases {
        let error = refused(spoil);
        assert!(error.contains(flag), "{error}");
    }
}

#[test]
fn settings_that_can_not_be_combined_are_refused_by_their_flag() {
    let workload = |deaf, pool, reconnect_after| {
        WorkloadPlan::new(ProtocolPlan::Line, deaf, pool, reconnect_after)
            .map_err(|error| error.to_string())
    };
    for (error, flag) in [
        (workload(Some(0), Some(1), None), "leave --protocol chat out"),
        (workload(Some(0), None, Some(1)), "no effect with --protocol chat"),
        (
            WorkloadPlan::new(ProtocolPlan::Raw, Some(0), None, None)
                .map_err(|error| error.to_string()),
            "not raw",
        ),
    ] {
        let error = error.unwrap_err();
        assert!(error.contains(flag), "{error}");
    }
    for (kind, streams, host, flag) in [
        (ProtocolKind::Line, 2, None, "--protocol mux"),
        (ProtocolKind::Http, 2, None, "--protocol mux"),
        (ProtocolKind::Mux, 2, Some(HttpHost::default()), "--protocol http"),
    ] {
        let error = ProtocolPlan::new(kind, streams, host).unwrap_err().to_string();
        assert!(error.contains(flag), "{error}");
    }
}

#[test]
fn times_that_can_not_be_added_up_are_refused_by_their_flag() {
    type Set = fn(&mut Settings, u64);
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
            let error = refused(|plan| set(plan, ns));
            assert!(error.contains(flag), "{error}");
        }
    }
    let longest = plan().with(|plan| flags.iter().for_each(|(_, set)| set(plan, century)));
    assert!(longest.is_ok());
    assert!(century.checked_mul(5).is_some(), "their sum is an instant");
}

#[test]
fn never_has_more_threads_than_connections_and_reads_back_from_json() {
    let workloads = [
        requests(ProtocolPlan::Mux { streams: 3 }),
        requests(ProtocolPlan::Http { host: Some(HttpHost::default()) }),
        reconnecting(7),
        pool(8, Some(9)),
        WorkloadPlan::Chat { deaf: 0 },
    ];
    for workload in workloads {
        let is_chat = workload.deaf().is_some();
        let plan = plan_with(|plan| {
            plan.threads = if is_chat { 1 } else { 8 };
            plan.load = Load::Open { rate_per_s: 0.5, arrival: Arrival::Poisson, pipeline: 1 };
            plan.workload = workload;
        });
        assert_eq!(plan.threads, if is_chat { 1 } else { 2 });
        assert!(plan.schedule_digest.is_some());
        let json = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&json).unwrap(), plan);
    }
}

#[test]
fn a_stored_plan_must_make_sense_and_may_exceed_a_younger_limit() {
    let stored = |change: Change| {
        let mut json = serde_json::to_value(plan()).unwrap();
        change(&mut json);
        serde_json::from_value::<Plan>(json)
    };
    let over: [Change; 3] = [
        |json| json["connections"] = json!(20_000_000),
        |json| json["interval_ns"] = json!(1),
        |json| (json["pool"], json["threads"]) = (json!({"size": 1}), json!(2)),
    ];
    for change in over {
        let plan = stored(change).unwrap();
        assert!(plan.check().is_err());
    }
    let senseless: [Change; 6] = [
        |json| json["connections"] = json!(0),
        |json| json["interval_ns"] = json!(0),
        |json| json["streams"] = json!(2),
        |json| json["http_host"] = json!("a.example"),
        |json| (json["pool"], json["chat"]) = (json!({"size": 1}), json!({"deaf": 1})),
        |json| {
            json["messages"] = json!({"kind": "generated", "min_bytes": 2, "max_bytes": 1});
        },
    ];
    for change in senseless {
        assert!(stored(change).is_err());
    }
    // As it was before there were streams, pools and chats.
    let old = stored(|json| {
        for younger in ["streams", "reconnect_after", "connect_rate_per_s", "tls", "pin"] {
            json.as_object_mut().unwrap().remove(younger);
        }
    });
    assert_eq!(old.unwrap(), plan());
}

fn staged(stages: &[&str]) -> Load {
    let stages = stages.iter().map(|typed| typed.parse().unwrap()).collect();
    Load::Staged { stages, arrival: Arrival::Constant, pipeline: 1 }
}

#[test]
fn stages_make_the_length_of_the_window_and_go_with_nothing_else_that_does() {
    let plan = plan_with(|plan| plan.load = staged(&["1k:30s", "1k..5k:60s"]));
    assert_eq!(plan.stop, StopRule::Duration { duration_ns: 90 * SECOND });
    assert_eq!(plan.load.stage_ends(), [30 * SECOND, 90 * SECOND]);
    let one = plan_with(|plan| plan.load = staged(&["1k:30s"]));
    let even = Load::Open { rate_per_s: 1000.0, arrival: Arrival::Constant, pipeline: 1 };
    assert_eq!((&one.load, one.stop), (&even, StopRule::Duration { duration_ns: 30 * SECOND }));
    let cases: [(&str, Spoil); 5] = [
        ("--requests", |plan| plan.stop = StopRule::Requests { requests: 5 }),
        ("--until", |plan| plan.until = "p99+-5%".parse().ok()),
        ("--stage", |plan| plan.load = staged(&[])),
        ("101 stages", |plan| plan.load = staged(&["1:1s"; 101])),
        ("--think", |plan| plan.think = "10ms".parse().ok()),
    ];
    for (said, spoil) in cases {
        let told = refused(|plan| {
            plan.load = staged(&["1k:30s", "2k:30s"]);
            spoil(plan);
        });
        assert!(told.contains(said), "{told}");
    }
}

#[test]
fn a_stored_plan_keeps_its_stages_think_time_and_recorded_instants() {
    let recorded = crate::schedule::Recorded::read("0\n1\n").unwrap();
    let recorded = Load::Recorded { arrivals: recorded, pipeline: 4 };
    let plans = [
        plan_with(|plan| plan.load = staged(&["1k:30s", "0..5k:60s"])),
        plan_with(|plan| plan.load = recorded),
        plan_with(|plan| plan.think = "exp:10ms".parse().ok()),
    ];
    for plan in plans {
        let mut stored = serde_json::to_value(&plan).unwrap();
        assert_eq!(serde_json::from_value::<Plan>(stored.clone()).unwrap(), plan);
        stored["stop"] = json!({"kind": "duration", "duration_ns": 7});
        let is_staged = plan.load.is_staged();
        assert_eq!(serde_json::from_value::<Plan>(stored).is_err(), is_staged);
    }
    let before = serde_json::to_value(plan()).unwrap();
    assert!(before.get("think").is_none(), "plans without one are stored as they were");
}

#[test]
fn a_stored_plan_with_too_many_recorded_instants_asks_for_the_file() {
    let lines: Vec<_> = (0..20_000).map(|at| format!("{at}ms")).collect();
    let arrivals = crate::schedule::Recorded::read(&lines.join("\n")).unwrap();
    let plan = plan_with(|plan| plan.load = Load::Recorded { arrivals, pipeline: 1 });
    assert_eq!(plan.check_arrivals(), Ok(()));
    let stored = serde_json::to_string(&plan).unwrap();
    let stored: Plan = serde_json::from_str(&stored).unwrap();
    assert_eq!(stored.schedule_digest(), plan.schedule_digest());
    let told = stored.check_arrivals().unwrap_err().to_string();
    assert!(told.contains("--arrivals FILE"), "{told}");
}

#[test]
fn a_link_needs_a_server_of_this_run_and_its_own_address() {
    let lan = || "lan".parse().ok();
    let told = refused(|plan| plan.link = lan());
    assert!(told.contains("--link") && told.contains("--exec"), "{told}");
    let embedded = |plan: &mut Settings| {
        plan.target = Target::Embedded { server: ServerPlan::default() };
        plan.link = lan();
    };
    let told = refused(|plan| {
        embedded(plan);
        plan.socket.sources = vec!["127.0.0.1".parse().unwrap()];
    });
    assert!(told.contains("--source-ip has no effect with --link"), "{told}");
    let plan = plan_with(embedded);
    let stored = serde_json::to_value(&plan).unwrap();
    assert_eq!(stored["link"], "rtt=200us,rate=1G,queue=256KiB");
    assert_eq!(serde_json::from_value::<Plan>(stored).unwrap(), plan);
}

fn drawn(spec: &str, min_bytes: usize, max_bytes: usize) -> MessagePlan {
    let sizes = Some(SizePlan::Spread { spec: spec.parse().unwrap() });
    MessagePlan::Generated { min_bytes, max_bytes, sizes }
}

#[test]
fn a_stored_plan_keeps_its_sizes_and_files() {
    use crate::messages::{Histogram, MessageFile, MessageFormat};

    let histogram = Histogram::read("h", "64 1\n100-200 2\n").unwrap();
    let sizes = Some(SizePlan::Histogram(histogram));
    let texts = vec![b"text".to_vec(), vec![0xff, 0], Vec::new()];
    let file = MessageFile::of("f".into(), MessageFormat::LengthPrefixed, &texts);
    let plans = [
        drawn("lognormal:median=300,p99=20K", 1, 65_536),
        MessagePlan::Generated { min_bytes: 64, max_bytes: 200, sizes },
        MessagePlan::Given { texts, crlf: false, file: Some(file) },
    ]
    .map(|messages| plan_with(|plan| plan.messages = messages));
    for plan in &plans {
        let stored = serde_json::to_value(plan).unwrap();
        assert_eq!(&serde_json::from_value::<Plan>(stored.clone()).unwrap(), plan);
        // Limits that the sizes do not keep.
        let mut damaged = stored;
        damaged["messages"]["min_bytes"] = json!(0);
        let is_drawn = plan.drawn_sizes().is_some();
        assert_eq!(serde_json::from_value::<Plan>(damaged).is_err(), is_drawn);
    }
    let stored = serde_json::to_value(&plans[0]).unwrap();
    assert_eq!(stored["messages"]["sizes"]["spec"], "lognormal:median=300,p99=20KiB");
    let drawn = plans[0].drawn_sizes().unwrap();
    assert!((290..310).contains(&drawn.p50_bytes), "{drawn:?}");
    assert!((19_000..22_000).contains(&drawn.p99_bytes), "{drawn:?}");
    let texts = &serde_json::to_value(&plans[2]).unwrap()["messages"]["texts"];
    assert_eq!(texts, &json!(["text", {"base64": "/wA="}, ""]));
    let before = serde_json::to_value(plan()).unwrap();
    assert!(before.get("drawn_sizes").is_none(), "plans without are stored as they were");
    assert_eq!(before["messages"].as_object().unwrap().len(), 3);
}

#[test]
fn the_drawn_sizes_follow_the_seed() {
    let digest = |seed| {
        let plan = plan_with(|plan| {
            plan.messages = drawn("zipf:exponent=1.1,max=4K", 12, 4096);
            plan.seed = seed;
        });
        plan.drawn_sizes().unwrap().digest.clone()
    };
    assert_eq!(digest(1), digest(1));
    assert_ne!(digest(1), digest(2));
}

#[test]
fn a_message_that_can_not_be_sent_is_refused_with_its_number_and_byte() {
    for (protocol, text, said) in [
        (ProtocolPlan::Line, &b"ab\nc"[..], "message 2 can't be sent with --protocol line"),
        (ProtocolPlan::Line, b"ab\nc", "newline (at byte offset 2)"),
        (ProtocolPlan::Command, b"ab\r", "carriage return (at byte offset 2)"),
        (ProtocolKind::Postgres.into(), b"a\0", "NUL byte (at byte offset 1)"),
        (ProtocolKind::Postgres.into(), b"abc\xff", "UTF-8 (it is not at byte offset 3)"),
    ] {
        let told = refused(|plan| {
            plan.workload = requests(protocol);
            plan.messages = MessagePlan::of_texts([&b"right"[..], text]);
        });
        assert!(told.contains(said), "{told}");
    }
}
