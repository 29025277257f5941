//! Documents as they are written: [`ORIGINALS`], a report of each load model, a comparison, a
//! sweep, one of repeats, a capacity, and a selftest.

use std::sync::LazyLock;
use std::time::Duration;

use echo_bench_report::capacity::search::{Bounds, Next};
use echo_bench_report::capacity::{self, Capacity, CapacityPlan, Session, answer};
use echo_bench_report::compare::self_check::{SelfCheck, self_check};
use echo_bench_report::compare::{self, Input, Side};
use echo_bench_report::describe::conclusion::Concluded;
use echo_bench_report::report::{Environment, Report, Tool};
use echo_bench_report::selftest::{self, AgainstItself, Check, Oracle, Selftest, Subject};
use echo_bench_report::sweep::analysis::{self, Options};
use echo_bench_report::sweep::{self, Axis, Cell, Flag, Level, Sweep, SweepPlan};
use echo_test_support::made_up::{self, Shape};
use serde_json::{Value, json};

use crate::uses::Kind;

/// A valid document.
pub(crate) struct Original {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    document: Value,
}

impl Original {
    pub(crate) fn document(&self) -> Value {
        self.document.clone()
    }

    /// The report that it is, for what takes several.
    pub(crate) fn report(&self) -> Option<Report> {
        serde_json::from_value(self.document.clone()).ok()
    }
}

pub(crate) static ORIGINALS: LazyLock<Vec<Original>> = LazyLock::new(|| {
    let comparison = compare::compare(&side(1), &[side(2)], OPTIONS).unwrap().concluded();
    vec![
        Original { name: "closed", kind: Kind::Report, document: value(1) },
        Original { name: "open", kind: Kind::Report, document: open() },
        Original { name: "started", kind: Kind::Report, document: started() },
        Original {
            name: "comparison",
            kind: Kind::Comparison,
            document: serde_json::to_value(comparison).unwrap(),
        },
        Original {
            name: "self-check",
            kind: Kind::SelfCheck,
            document: serde_json::to_value(checked()).unwrap(),
        },
        Original {
            name: "sweep",
            kind: Kind::Sweep,
            document: serde_json::to_value(swept(axes())).unwrap(),
        },
        Original {
            name: "repeats",
            kind: Kind::Sweep,
            document: serde_json::to_value(swept(Vec::new())).unwrap(),
        },
        Original {
            name: "capacity",
            kind: Kind::Capacity,
            document: serde_json::to_value(carried()).unwrap(),
        },
        Original {
            name: "selftest",
            kind: Kind::Selftest,
            document: serde_json::to_value(tested()).unwrap(),
        },
    ]
});

/// Few resamples: what they come to is not the matter here.
pub(crate) const OPTIONS: compare::Options = compare::Options {
    threshold: 0.01,
    resamples: 100,
    seed: 1,
    force: true,
    asked_for: Vec::new(),
};

fn value(number: u64) -> Value {
    made_up::report(Shape { intervals: 3, answers: 40, spread: 101 }, number, 100)
}

pub(crate) fn report(number: u64) -> Report {
    serde_json::from_value(value(number)).unwrap()
}

/// That of a server which a command started, and which ended by itself.
fn started() -> Value {
    let mut report = value(4);
    report["plan"]["target"] = json!({
        "kind": "command", "name": "A", "command": "./old --port {port}", "ready": "listening",
        "start_timeout_ns": 10_000_000_000_u64, "prepare": "./load", "prepare_timeout_ns": 1,
    });
    let message = "the server ended during the run: signal 9";
    report["warnings"] = json!([{"code": "server-ended", "message": message, "remedy": "see"}]);
    report["verdict"] = json!("qualified");
    report
}

/// Everything that a report can hold beside what those of a closed loop do.
fn open() -> Value {
    let mut report = value(3);
    let clock = report["summary"]["latency"]["response"].clone();
    let load = json!({
        "model": "open", "rate_per_s": 100.0, "arrival": "poisson", "pipeline": 64,
    });
    report["plan"]["load"] = load;
    report["plan"]["target"] =
        json!({"kind": "address", "address": "127.0.0.1:7", "server_pid": 7});
    for name in ["wait", "tls", "connect"] {
        report["summary"]["latency"][name] = clock.clone();
    }
    report["summary"]["send_lateness"] = clock;
    report["summary"]["offered_per_s"] = json!(40.0);
    report["labels"] = json!({"who": "me"});
    report["threads"] = json!([{"busy": 0.5}]);
    let first = json!({
        "connection": 1, "request": 7, "detail": "lost", "offset": 3, "expected": "a", "got": "b",
    });
    report["errors"] = json!([{"kind": "reset", "count": 1, "first": first}]);
    let warning = json!({"code": "lower-bounds", "message": "so", "remedy": "do"});
    report["warnings"] = json!([warning]);
    report["verdict"] = json!("qualified");
    report["slos"] = json!([{"slo": "p99<5ms", "measured_ns": 99_000, "met": true}]);
    report["summary"]["tcp"] = json!({
        "connections": 10, "retransmits": 1, "rtt_median_us": 7, "min_rtt_us": 3,
        "send_buffer": 4096, "recv_buffer": 4096,
    });
    report["plan"]["pin"] = json!({
        "asked": "cpus", "generator": [0, 1], "server": [2], "unpinned": "other_server",
    });
    report["plan"]["until"] = json!({"quantile": 0.99, "within": 0.05});
    report["summary"]["until"] = json!({
        "looks": 5, "look": 2, "looked_at_s": 1.0, "reached": true, "interval_ns": [95_000, 99_000],
        "achieved": 0.04,
    });
    report["summary"]["pool"] = json!({
        "created": 1, "reused": 1, "discarded_closed": 1, "discarded_unsolicited": 1,
        "discarded_idle": 1, "discarded_used": 1, "discarded_broken": 1, "connect_failures": 1,
        "wait_timeouts": 1,
    });
    report
}

pub(crate) fn side(first: u64) -> Side {
    let input = |number| Input { source: format!("{number}.json"), report: report(number) };
    Side { name: format!("side {first}"), inputs: vec![input(first), input(first + 2)] }
}

pub(crate) const SWEPT: Options =
    Options { threshold: 0.01, resamples: 100, seed: 1, rank_by: None, all_pairs: None };

fn axes() -> Vec<Axis> {
    let varied = |flag: &str, values: [&str; 2]| {
        let level = |value: &str| {
            let (flag, value) = (flag.to_owned(), value.to_owned());
            Level { name: value.clone(), flags: vec![Flag { flag, value }] }
        };
        Axis { name: flag.into(), levels: values.map(level).into() }
    };
    vec![varied("nodelay", ["on", "off"]), varied("conns", ["1", "10"])]
}

fn swept(axes: Vec<Axis>) -> Sweep {
    let plan = SweepPlan { fixed: Vec::new(), axes, repeats: 2, seed: 1 };
    let cells: Vec<Cell> = plan
        .cells()
        .into_iter()
        .enumerate()
        .map(|(place, cell)| {
            let first = 2 * place as u64;
            let runs = vec![report(first), report(first + 1)];
            Cell { name: cell.name, levels: cell.levels, runs, failures: Vec::new() }
        })
        .collect();
    let analysis = analysis::analyse(&plan, &cells, SWEPT);
    let tool = Tool::this();
    let conclusion = Vec::new();
    Sweep { schema: sweep::SCHEMA.into(), tool, conclusion, plan, cells, analysis }.concluded()
}

fn checked() -> SelfCheck {
    let reports: Vec<Report> = (1..=8).map(report).collect();
    self_check(&reports, 2, &OPTIONS).unwrap()
}

/// Two searches of a server that carries about 1000 per second.
fn carried() -> Capacity {
    let second = Duration::from_secs(1);
    let bounds = Bounds {
        min_rate: 100.0,
        max_rate: 1e6,
        precision: 0.2,
        budget: second * 60,
        window: second,
        around: second,
    };
    let slos = vec!["p99<5ms".parse().unwrap(), "rps>900".parse().unwrap()];
    let axes = vec![axes().remove(0)];
    let searched = |level: &Level| {
        let levels = vec![level.name.clone()];
        let name = format!("nodelay={}", level.name);
        let mut session = Session::new(name, levels, slos.clone(), bounds);
        loop {
            match session.next() {
                Next::Done(ending) => return session.finish(Some(ending)),
                Next::Probe => session.probed(Err("no report"), second),
                Next::Step { rate, windows, approach } => {
                    let mut report = open();
                    let (outcome, met) =
                        if rate < 1000.0 { ("met", true) } else { ("missed", false) };
                    report["slos"] = json!([{
                        "slo": "p99<5ms", "measured_ns": 99_000, "ci95": [98_000, 99_900],
                        "met": met, "outcome": outcome,
                    }]);
                    let report = serde_json::from_value(report).unwrap();
                    session.stepped(rate, windows, approach, Ok(report), second);
                }
            }
        }
    };
    let levels: Vec<_> = axes[0].levels.iter().map(searched).collect();
    Capacity {
        schema: capacity::SCHEMA.into(),
        tool: Tool::this(),
        started_at: None,
        plan: CapacityPlan {
            fixed: Vec::new(),
            axes,
            slos: slos.clone(),
            min_rate_per_s: 100.0,
            max_rate_per_s: 1e6,
            precision: 0.2,
            budget_s: 60.0,
            window_s: 1.0,
            seed: 1,
        },
        environment: None,
        comparisons: answer::compare(&levels),
        levels,
        interrupted: false,
    }
}

/// A selftest whose checks were judged by a report that none of them fits.
fn tested() -> Selftest {
    let subject = Subject {
        engine: echo_bench_engine::plan::EngineKind::Epoll,
        idle: echo_bench_engine::plan::IdleStrategy::Auto,
        protocol: "line".into(),
        pool: None,
        threads: Some(1),
        quick: true,
    };
    let judged = |oracle: Oracle| {
        let expectations = oracle.judge(&subject, &report(1), 3);
        Check::judged(oracle.name(), oracle.about(), 2, expectations)
    };
    let mut checks: Vec<Check> = selftest::oracles(true).into_iter().map(judged).collect();
    checks.push(Check::skipped("a-a", "runs".into(), "interrupted"));
    let (against_itself, _) = AgainstItself::of(&checked());
    Selftest {
        schema: selftest::SCHEMA.into(),
        tool: Tool::this(),
        started_at: "2026-01-02T03:04:05.678Z".into(),
        environment: Environment::default(),
        noise_floor: selftest::noise_floor(&[report(1)]),
        against_itself: Some(against_itself),
        subject,
        checks,
    }
}
