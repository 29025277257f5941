//! The parts of one plan as the run that they are together: [`merge_parts`]. Refuses a part that
//! is missing unless that is allowed, one that is there twice, and parts of different plans.

use std::collections::BTreeMap;
use std::time::SystemTime;

use serde_json::Value;

use super::{MOST_REPORTS, MergeError, combined, instant};
use crate::compare::plans_that_differ;
use crate::report::document::Stored;
use crate::report::{
    ClockOffset, Environment, MissingPart, PartReport, PartsReport, Report, ServerOfRun,
    Together, judge_together,
};
use echo_bench_engine::plan::{IdleStrategy, Part, Pinning, Plan, Target};

/// The report of a part, and what those know of it who had it carried out.
#[derive(Debug, Clone)]
pub struct PartOfRun {
    /// The report.
    pub report: Report,
    /// What they call the part; none: it has only its number.
    pub name: Option<String>,
    /// How far its clock is from theirs, where that was measured.
    pub clock: Option<ClockOffset>,
}

impl From<&Report> for PartOfRun {
    fn from(report: &Report) -> Self {
        Self { report: report.clone(), name: None, clock: None }
    }
}

/// The report that one process would have given. `lost` says what became of parts that are not
/// there, which is an error unless `allow_missing`; `server` is what an agent on the machine of the
/// server saw, if one was asked.
///
/// # Errors
/// What makes them unfit to be one.
pub fn merge_parts(
    mut parts: Vec<PartOfRun>,
    lost: &[MissingPart],
    allow_missing: bool,
    server: Option<&ServerOfRun>,
) -> Result<Report, MergeError> {
    if parts.len() > MOST_REPORTS {
        return Err(MergeError::TooMany(parts.len()));
    }
    parts.sort_by_key(|part| part.report.plan.part);
    let of = number_of_parts(&parts)?;
    let missing = missing(&parts, of, lost);
    if !missing.is_empty() && !allow_missing {
        let numbers = missing.iter().map(|part| part.number).collect();
        return Err(MergeError::Missing(numbers, of));
    }
    let reports: Vec<&Report> = parts.iter().map(|part| &part.report).collect();
    let threads = reports.iter().map(|report| report.plan.threads).fold(0, u32::saturating_add);
    let mut merged = combined(&reports, Together::AtOnce)?;
    let earliest = reports.iter().min_by_key(|report| &report.started_at);
    if let Some(earliest) = earliest {
        merged.started_at.clone_from(&earliest.started_at);
        merged.window_started_at.clone_from(&earliest.window_started_at);
    }
    merged.server = reports.iter().find_map(|report| report.server.clone());
    merged.environment = in_common(reports.iter().map(|report| &report.environment));
    merged.plan = merged.plan.whole(threads.min(merged.plan.connections));
    let server = server.map(|server| server.add_to(&mut merged, &reports));
    merged.parts = Some(PartsReport {
        server,
        of,
        start_skew_ns: start_skew(&parts)?,
        each: parts
            .iter()
            .filter_map(|part| {
                let number = part.report.plan.part?.number;
                let PartOfRun { report, name, clock } = part;
                Some(PartReport::new(number, report, name.clone(), *clock))
            })
            .collect(),
        missing,
    });
    (merged.warnings, merged.verdict) = judge_together(&merged, &reports);
    merged.validate().map_err(MergeError::Together)?;
    Ok(merged)
}

/// How many parts the plan has whose parts these are, each of which is there once.
fn number_of_parts(parts: &[PartOfRun]) -> Result<u32, MergeError> {
    let Some(first) = parts.first() else { return Err(MergeError::Nothing) };
    let own = |part: &PartOfRun| {
        let whole = || MergeError::Mixed(part.report.started_at.clone());
        part.report.plan.part.ok_or_else(whole)
    };
    let Part { of, .. } = own(first)?;
    let mut before = None;
    for part in parts {
        let own = own(part)?;
        if own.of != of {
            return Err(MergeError::OtherPlan(format!("their number ({of} and {})", own.of)));
        }
        if before == Some(own) {
            return Err(MergeError::Doubled(own));
        }
        before = Some(own);
    }
    let plans: Vec<Plan> = parts.iter().map(|part| comparable(&part.report.plan)).collect();
    let mut differ = plans_that_differ(&plans);
    let digests = parts.iter().map(|part| part.report.plan.schedule_digest());
    if differ.is_empty()
        && digests.clone().any(|one| one != first.report.plan.schedule_digest())
    {
        differ.push("schedule_digest".into());
    }
    let other_seed = parts.iter().find(|part| part.report.plan.seed != first.report.plan.seed);
    if let Some(other) = other_seed {
        let [a, b] = [first, other].map(|part| part.report.plan.seed);
        differ.push(format!("seed ({a} and {b}; give every part the same --seed)"));
    }
    let tool = |part: &PartOfRun| part.report.tool.to_string();
    if let Some(other) = parts.iter().find(|part| tool(part) != tool(first)) {
        differ.push(format!("program ({} and {})", tool(first), tool(other)));
    }
    if differ.is_empty() { Ok(of) } else { Err(MergeError::OtherPlan(differ.join("; "))) }
}

/// A plan without what may differ from machine to machine.
fn comparable(plan: &Plan) -> Plan {
    let whole = plan.whole(1);
    let alike = whole.with(|plan| {
        plan.pin = Pinning::off();
        plan.socket.sources.clear();
        plan.idle = IdleStrategy::Sleep;
        if let Target::Address { server_pid, .. } = &mut plan.target {
            *server_pid = None;
        }
    });
    alike.unwrap_or(whole)
}

/// The parts that are not there, and what became of them.
fn missing(parts: &[PartOfRun], of: u32, lost: &[MissingPart]) -> Vec<MissingPart> {
    let is_there = |number: &u32| {
        parts.iter().any(|part| part.report.plan.part.is_some_and(|own| own.number == *number))
    };
    let reasons: BTreeMap<u32, &Option<String>> =
        lost.iter().map(|part| (part.number, &part.reason)).collect();
    let reason = |number| reasons.get(&number).and_then(|reason| (*reason).clone());
    let missing = (1..=of).filter(|number| !is_there(number));
    missing.map(|number| MissingPart { number, reason: reason(number) }).collect()
}

/// From the beginning of the first load to that of the last.
fn start_skew(parts: &[PartOfRun]) -> Result<Option<u64>, MergeError> {
    let mut begins = Vec::new();
    for part in parts {
        let report = &part.report;
        let began = match (&report.start, &report.window_started_at) {
            (Some(start), _) => instant(&start.began_at)?,
            // The window begins after the warm-up; so do those of all others.
            (None, Some(window)) => instant(window)?,
            (None, None) => return Ok(None),
        };
        let since = began.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let offset_ns = part.clock.map_or(0, |clock| i128::from(clock.offset_ns));
        begins.push(since.as_nanos().cast_signed() - offset_ns);
    }
    let range = begins.iter().max().zip(begins.iter().min());
    let skew = range.map(|(last, first)| u64::try_from(last - first).unwrap_or(u64::MAX));
    Ok(skew.filter(|_| begins.len() > 1))
}

/// What all machines have in common; what differs is null, and each part has its own.
fn in_common<'a>(all: impl Iterator<Item = &'a Environment>) -> Environment {
    let mut values = all.map(|one| serde_json::to_value(one).unwrap_or(Value::Null));
    let Some(Value::Object(mut common)) = values.next() else { return Environment::default() };
    for other in values {
        for (name, value) in &mut common {
            if other.get(name) != Some(value) {
                *value = if value.is_boolean() { false.into() } else { Value::Null };
            }
        }
    }
    serde_json::from_value(Value::Object(common)).unwrap_or_default()
}
