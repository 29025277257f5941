//! A selftest for unit tests: one check passed at the second try, one failed, one skipped.

use std::collections::BTreeMap;

use super::{
    AgainstItself, Check, Expectation, Oracle, SCHEMA, Selftest, Subject, Unit, oracles,
};
use crate::report::{Environment, NoiseFloor, Tool};
use echo_bench_engine::plan::{EngineKind, IdleStrategy};

pub(crate) fn subject() -> Subject {
    Subject {
        engine: EngineKind::Epoll,
        idle: IdleStrategy::Auto,
        protocol: "raw".into(),
        pool: None,
        threads: Some(1),
        quick: true,
    }
}

pub(crate) fn selftest() -> Selftest {
    let expected = |name: &str, unit, expected: f64, high: f64, measured: f64| Expectation {
        name: name.into(),
        unit,
        expected,
        accepted: [expected, high],
        measured: Some(measured),
    };
    let delayed = vec![
        expected("p50", Unit::Ns, 8e7, 8.35e7, 8.01e7),
        expected("rate", Unit::PerSecond, 800.0, 808.0, 801.0),
    ];
    let starved = vec![
        expected("starved", Unit::Count, 12.0, 12.0, 11.0),
        expected("invalid", Unit::YesNo, 1.0, 1.0, 1.0),
    ];
    let about = |name: &str| {
        oracles(true).into_iter().find(|one| one.name() == name).map(Oracle::about).unwrap()
    };
    Selftest {
        schema: SCHEMA.into(),
        tool: Tool { name: "echo-bench".into(), version: "0".into(), revision: None },
        started_at: "2026-01-02T03:04:05Z".into(),
        environment: Environment::default(),
        subject: subject(),
        checks: vec![
            Check::judged("fixed-delay", about("fixed-delay"), 2, delayed),
            Check::judged("starved", about("starved"), 2, starved),
            Check::skipped("duplicate", about("duplicate"), "raw has no boundaries"),
        ],
        noise_floor: Some(NoiseFloor {
            engine: EngineKind::Epoll,
            idle: IdleStrategy::Auto,
            measured_at: "2026-01-02T03:04:05Z".into(),
            p50_ns: 28_000,
            p99_ns: 61_000,
        }),
        against_itself: Some(AgainstItself {
            runs: 12,
            runs_per_side: 3,
            comparisons: 8,
            false_alarms: 0.0,
            interval: [0.0, 0.8],
            promised: 0.05,
            smallest: BTreeMap::from([("p50".into(), 0.062), ("throughput".into(), 0.031)]),
        }),
    }
}
