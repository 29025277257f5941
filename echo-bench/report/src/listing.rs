//! What is stored, a line each: [`Entry`]. Made of documents that were read already; finds no
//! files.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capacity::Capacity;
use crate::compare::Comparison;
use crate::compare::self_check::SelfCheck;
use crate::report::{Report, Verdict, store};
use crate::selftest::{Outcome, Selftest};
use crate::sweep::Sweep;

/// A stored document, or a baseline.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Entry {
    /// Its file, or its name.
    pub name: String,
    /// What it is.
    pub kind: EntryKind,
    /// When its first run began (RFC 3339, UTC); null of a comparison and a
    /// self-check.
    pub started_at: Option<String>,
    /// What was loaded and how, like `tokio line c1000`; of a sweep, its axes.
    pub what: String,
    /// Runs in it.
    pub runs: usize,
    /// Right answers per second; of several runs the median; of a capacity the answer. Null of a
    /// sweep.
    pub achieved_per_s: Option<f64>,
    /// p99 of response in nanoseconds; of several runs the median. Null of a sweep.
    pub p99_ns: Option<u64>,
    /// Whether the sample is too small for its interval in some run.
    pub p99_weak: bool,
    /// Whether it is a lower bound in some run.
    pub p99_is_lower_bound: bool,
    /// The worst verdict of its runs; null of a comparison.
    pub verdict: Option<Verdict>,
    /// What the user said about it; of several runs what they have in common.
    pub labels: BTreeMap<String, String>,
}

/// What is stored.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum EntryKind {
    /// One run.
    Run,
    /// Several runs of one plan.
    Repeats,
    /// A matrix of runs.
    Sweep,
    /// A comparison.
    Comparison,
    /// The capacity of a server.
    Capacity,
    /// Comparisons of a plan with itself.
    #[strum(serialize = "self-check")]
    SelfCheck,
    /// A test of the generator on a machine.
    Selftest,
}

impl Entry {
    /// Of runs of one plan.
    pub fn of_runs(name: String, reports: &[&Report]) -> Self {
        let first = reports.first();
        let p99 = |report: &&Report| {
            report.summary.latency.response.as_ref().map(|response| response.p99_ns)
        };
        let is_weak = |report: &&Report| {
            let response = report.summary.latency.response.as_ref();
            response.is_some_and(|response| !response.ci95.contains_key("p99"))
        };
        let is_bound = |report: &&Report| {
            let response = report.summary.latency.response.as_ref();
            response.is_some_and(|response| response.is_lower_bound(response.p99_ns))
        };
        let mut labels = first.map(|report| report.labels.clone()).unwrap_or_default();
        labels.retain(|key, value| reports.iter().all(|r| r.labels.get(key) == Some(value)));
        Self {
            name,
            kind: if reports.len() == 1 { EntryKind::Run } else { EntryKind::Repeats },
            started_at: reports.iter().map(|report| report.started_at.clone()).min(),
            what: first.map(|report| store::in_words(&report.plan)).unwrap_or_default(),
            runs: reports.len(),
            achieved_per_s: median(reports.iter().filter_map(|r| r.summary.achieved_per_s)),
            p99_ns: median(reports.iter().filter_map(p99)),
            p99_weak: reports.iter().any(is_weak),
            p99_is_lower_bound: reports.iter().any(is_bound),
            verdict: reports.iter().map(|report| report.verdict).max(),
            labels,
        }
    }

    /// Of a sweep.
    pub fn of_sweep(name: String, sweep: &Sweep) -> Self {
        let runs: Vec<&Report> = sweep.cells.iter().flat_map(|cell| &cell.runs).collect();
        let all = Self::of_runs(name, &runs);
        if sweep.is_of_repeats() {
            return Self { kind: EntryKind::Repeats, ..all };
        }
        let axes =
            sweep.plan.axes.iter().map(|axis| format!("{}({})", axis.name, axis.levels.len()));
        Self {
            kind: EntryKind::Sweep,
            what: axes.collect::<Vec<_>>().join(" x "),
            achieved_per_s: None,
            p99_ns: None,
            p99_weak: false,
            p99_is_lower_bound: false,
            ..all
        }
    }

    /// Of a capacity: what was searched, and the answer, if it is one.
    pub fn of_capacity(name: String, capacity: &Capacity) -> Self {
        let plan = &capacity.plan;
        let axes = plan.axes.iter().map(|axis| format!("{}({})", axis.name, axis.levels.len()));
        let what: Vec<String> = plan.slos.iter().map(ToString::to_string).chain(axes).collect();
        let answer = match &capacity.levels[..] {
            [only] => only.answer.rate_per_s.or(only.answer.low_per_s),
            _ => None,
        };
        Self {
            kind: EntryKind::Capacity,
            started_at: capacity.started_at.clone(),
            what: what.join(" "),
            runs: capacity.levels.iter().map(|level| level.runs.len()).sum(),
            achieved_per_s: answer,
            ..Self::of_runs(name, &[])
        }
    }

    /// Of a self-check.
    pub fn of_self_check(name: String, check: &SelfCheck) -> Self {
        Self {
            kind: EntryKind::SelfCheck,
            what: store::in_words(&check.plan),
            runs: check.runs,
            ..Self::of_runs(name, &[])
        }
    }

    /// Of a selftest: how many of its checks passed.
    pub fn of_selftest(name: String, selftest: &Selftest) -> Self {
        let made = selftest.checks.iter().filter(|check| check.outcome != Outcome::Skipped);
        let passed = made.clone().filter(|check| check.outcome == Outcome::Passed).count();
        let tries = selftest.checks.iter().map(|check| check.tries as usize).sum::<usize>();
        Self {
            kind: EntryKind::Selftest,
            started_at: Some(selftest.started_at.clone()),
            what: format!("{passed} of {} checks passed", made.count()),
            runs: tries,
            ..Self::of_runs(name, &[])
        }
    }

    /// Of a comparison.
    pub fn of_comparison(name: String, comparison: &Comparison) -> Self {
        let sides: Vec<_> = comparison.candidates.iter().map(|one| &one.side).collect();
        let names: Vec<_> = sides.iter().map(|side| side.name.as_str()).collect();
        let runs = sides.iter().map(|side| side.reports.len()).sum::<usize>();
        Self {
            kind: EntryKind::Comparison,
            what: format!("{} against {}", names.join(", "), comparison.base.name),
            runs: runs + comparison.base.reports.len(),
            ..Self::of_runs(name, &[])
        }
    }
}

/// The middle one, the lower of two.
fn median<T: PartialOrd>(values: impl Iterator<Item = T>) -> Option<T> {
    let mut values: Vec<T> = values.collect();
    values.sort_by(|a, b| a.partial_cmp(b).unwrap_or(std::cmp::Ordering::Equal));
    let middle = values.len().checked_sub(1)? / 2;
    Some(values.swap_remove(middle))
}
