//! How two sides differ beside what was measured: [`Difference`]. Plan settings are what a
//! comparison is usually about; a difference of the machine or of the way of measuring
//! should not be there, and is loud.

use std::collections::BTreeSet;

use echo_bench_engine::plan::{Plan, Target};
use echo_proto::terminal::one_line;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::cases::{self, Settings};
use crate::report::Report;

/// What kind of thing differs.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Kind {
    /// The load, its messages, sockets or server: what a comparison may be about.
    Setting,
    /// How it was measured: window, warm-up, generator.
    Measurement,
    /// The machine.
    Environment,
    /// The version of this tool, which is that of the embedded server too.
    Tool,
    /// What the user said.
    Label,
}

/// Something that is not the same on both sides, or not the same within a side.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Difference {
    /// Its kind.
    pub kind: Kind,
    /// Its name, like `socket.nodelay` or `kernel`.
    pub name: String,
    /// Its values in the base.
    pub base: Vec<String>,
    /// Its values in the candidate.
    pub candidate: Vec<String>,
    /// Whether it should not be there: the ratios may be its doing.
    pub unexpected: bool,
}

/// Settings that say how it is measured, not what is measured.
const MEASUREMENT: [&str; 11] = [
    "threads",
    "warmup_ns",
    "timeout_ns",
    "drain_ns",
    "interval_ns",
    "verify",
    "idle",
    "engine",
    "pin",
    "stop",
    "until",
];

/// Everything that differs, settings first.
pub(super) fn differences(base: &[&Report], candidate: &[&Report]) -> Vec<Difference> {
    let mut found = Vec::new();
    for (of, kind) in [
        (plan as fn(&Report) -> Settings, None),
        (program, Some(Kind::Setting)),
        (environment, Some(Kind::Environment)),
        (tool, Some(Kind::Tool)),
        (labels, Some(Kind::Label)),
    ] {
        let base: Vec<_> = base.iter().map(|report| of(report)).collect();
        let candidate: Vec<_> = candidate.iter().map(|report| of(report)).collect();
        found.extend(of_kind(kind, &base, &candidate));
    }
    found.sort_by_key(|difference| difference.kind);
    found
}

fn of_kind(kind: Option<Kind>, base: &[Settings], candidate: &[Settings]) -> Vec<Difference> {
    let names: BTreeSet<&String> =
        base.iter().chain(candidate).flat_map(Settings::keys).collect();
    let values = |side: &[Settings], name: &String| -> Vec<String> {
        let value =
            |settings: &Settings| settings.get(name).map_or("-".to_owned(), Clone::clone);
        let distinct: BTreeSet<_> = side.iter().map(value).collect();
        distinct.into_iter().collect()
    };
    names
        .into_iter()
        .map(|name| {
            let kind = kind.unwrap_or_else(|| kind_of_setting(name));
            let unexpected = matches!(kind, Kind::Measurement | Kind::Environment);
            let (base, candidate) = (values(base, name), values(candidate, name));
            Difference { kind, name: name.clone(), base, candidate, unexpected }
        })
        .filter(|difference| difference.base != difference.candidate)
        .collect()
}

fn kind_of_setting(name: &str) -> Kind {
    let first = name.split('.').next().unwrap_or(name);
    if MEASUREMENT.contains(&first) { Kind::Measurement } else { Kind::Setting }
}

fn plan(report: &Report) -> Settings {
    cases::settings(&report.plan)
}

/// Which program a command started: the same command may start another build.
fn program(report: &Report) -> Settings {
    let server = report.server.as_ref();
    let digest = server.and_then(|server| server.program_sha256.clone());
    let digest = digest.filter(|_| matches!(report.plan.target, Target::Command(_)));
    digest.map(|digest| ("server.program_sha256".into(), digest)).into_iter().collect()
}

fn environment(report: &Report) -> Settings {
    let environment = serde_json::to_value(&report.environment).unwrap_or_default();
    let fields = environment.as_object().cloned().unwrap_or_default();
    let text = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        serde_json::Value::Null => "unknown".to_owned(),
        other => other.to_string(),
    };
    fields.into_iter().map(|(name, value)| (name, text(value))).collect()
}

fn tool(report: &Report) -> Settings {
    let revision = report.tool.revision.clone().unwrap_or_else(|| "unknown".into());
    Settings::from([
        ("version".into(), report.tool.version.clone()),
        ("revision".into(), revision),
    ])
}

fn labels(report: &Report) -> Settings {
    report.labels.clone()
}

/// What differs among `reports` that decides the numbers: plans, and machines. Each as its
/// name and its values.
pub(crate) fn settings_that_differ(reports: &[&Report]) -> Vec<String> {
    that_differ(reports, |kind| kind != Kind::Label)
}

/// In which settings these plans differ.
pub(crate) fn plans_that_differ(plans: &[Plan]) -> Vec<String> {
    let Some((first, others)) = plans.split_first() else { return Vec::new() };
    let of = |plan: &Plan| [cases::settings(plan)];
    let differences = others.iter().flat_map(|other| of_kind(None, &of(first), &of(other)));
    let mut found: Vec<String> = differences.map(|difference| told(&difference)).collect();
    found.dedup();
    found
}

/// A difference as its name and its values. They are texts of a stored file: none may pass for a
/// line of our own.
fn told(difference: &Difference) -> String {
    let [base, candidate] =
        [&difference.base, &difference.candidate].map(|texts| one_line(&texts.join(" ")));
    format!("{} ({base} and {candidate})", one_line(&difference.name))
}

/// The same without plans: what is not alike in how the reports came about.
pub(crate) fn conditions_that_differ(reports: &[&Report]) -> Vec<String> {
    that_differ(reports, |kind| matches!(kind, Kind::Environment | Kind::Tool))
}

fn that_differ(reports: &[&Report], counts: fn(Kind) -> bool) -> Vec<String> {
    let Some((first, others)) = reports.split_first() else { return Vec::new() };
    let mut found = Vec::new();
    for other in others {
        for difference in differences(&[first], &[other]) {
            let (kind, told) = (difference.kind, told(&difference));
            if counts(kind) && !found.contains(&told) {
                found.push(told);
            }
        }
    }
    found
}
