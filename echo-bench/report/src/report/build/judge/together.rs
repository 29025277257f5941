//! What several runs of one plan are worth as one: [`judge_together`]. Judged is what follows
//! from the merged numbers; what only a run by itself shows is taken over from its report.

use super::{BUSY, DENIED, few_samples, in_stages, littles_law, own_share, responses, unfair};
use crate::report::nouns::Nouns;
use crate::report::verdict::{Finding, Limit, severity};
use crate::report::{PartsReport, Phase, Report, Summary, Verdict, Warning};
use echo_bench_engine::plan::Trust;

/// Warnings that the merged numbers decide. Those of the single runs are about other numbers.
const DECIDED: [&str; 17] = [
    "parts-missing",
    "parts-apart",
    "nothing-measured",
    "starved-connections",
    "unfair",
    "littles-law",
    "below-offered-rate",
    "not-all-established",
    "connections-lost",
    "errors-seen",
    "stray-replies",
    "lower-bounds",
    "clamped",
    "few-samples",
    "unverified-server",
    crate::report::GENERATOR_LIMITED,
    "generator-busy",
];

/// Parts that began their loads further apart than this share of the window were not all at work
/// for a part of it that shows, if it is more than a scheduler's pause.
const APART: f64 = 0.01;
const LEAST_APART_S: f64 = 0.02;

/// The warnings and the verdict of `merged`, which holds the `runs`.
pub(crate) fn judge_together(merged: &Report, runs: &[&Report]) -> (Vec<Warning>, Verdict) {
    let findings = findings(merged, runs);
    let nouns = Nouns::of(&merged.plan);
    let mut warnings: Vec<Warning> =
        findings.iter().map(|finding| finding.warning(nouns)).collect();
    let mut verdict = findings.iter().map(Finding::severity).max().unwrap_or(Verdict::Valid);
    for run in runs {
        for warning in &run.warnings {
            if DECIDED.contains(&warning.code.as_str()) || warnings.contains(warning) {
                continue;
            }
            verdict = verdict.max(severity(&warning.code));
            let mut kept = warning.clone();
            if !runs.iter().all(|other| other.warnings.contains(warning)) {
                let of = match run.plan.part {
                    Some(part) => format!("part {part}"),
                    None => format!("run of {}", run.started_at),
                };
                kept.message = format!("{} ({of})", kept.message);
            }
            warnings.push(kept);
        }
    }
    (warnings, verdict)
}

fn findings(merged: &Report, runs: &[&Report]) -> Vec<Finding> {
    let summary = &merged.summary;
    let (requests, connections) = (&summary.requests, &summary.connections);
    let mut findings = Vec::new();
    if requests.ok == 0 {
        findings.push(Finding::NothingMeasured);
    }
    findings.extend(merged.parts.iter().flat_map(|parts| of_parts(parts, summary)));
    findings.extend(unfair(summary));
    findings.extend(littles_law(summary, responses(summary)));
    if connections.established < connections.requested {
        let (requested, established) = (connections.requested, connections.established);
        findings.push(Finding::NotAllEstablished { requested, established });
    }
    if requests.failed() > 0 {
        let (failed, scheduled) = (requests.failed(), requests.scheduled);
        findings.push(Finding::ErrorsSeen { failed, scheduled });
    }
    let stray = listed(merged, &["unsolicited", "duplicated"], &ALL);
    let unread = listed(merged, &["malformed", "too_long"], &ALL);
    let stray = stray.saturating_add(unread.saturating_sub(requests.mismatch));
    if stray > 0 {
        findings.push(Finding::StrayReplies { stray });
    }
    let lost = lost(merged);
    if lost > 0 {
        let reconnects = connections.reconnects;
        findings.push(Finding::ConnectionsLost { lost, reconnects });
    }
    if let Some(response) = &summary.latency.response {
        if response.censored > 0 {
            findings.push(Finding::LateBounds { censored: response.censored });
        }
        if response.clamped > 0 {
            findings.push(Finding::Clamped { values: response.clamped });
        }
    }
    if merged.plan.tls.as_ref().is_some_and(|tls| tls.trust == Trust::Anyone) {
        findings.push(Finding::Unverified);
    }
    findings.extend(generator(merged, runs));
    for stage in &merged.stages {
        let of_stage = stage.summary(summary);
        let mut found = in_stages::of_summary(&of_stage);
        found.extend(few_samples(&merged.plan, &[], &of_stage));
        let within = |finding| Finding::InStage(stage.label(), Box::new(finding));
        findings.extend(found.into_iter().map(within));
    }
    // Which length would do is known of a run by itself.
    findings.extend(few_samples(&merged.plan, &[], summary));
    findings
}

/// What the parts of a plan lack to be the whole.
fn of_parts(parts: &PartsReport, summary: &Summary) -> Vec<Finding> {
    let mut findings = Vec::new();
    if parts.is_partial() {
        let numbers = parts.missing.iter().map(|part| part.number).collect();
        findings.push(Finding::PartsMissing { numbers, of: parts.of });
    }
    if let Some(server) = &parts.server {
        if server.ended {
            let how = format!("as agent {} has seen", server.agent);
            findings.push(Finding::ServerEnded { how });
        }
        findings.extend(server.killed.then_some(Finding::SlowServerDrain));
    }
    let skew_s = parts.start_skew_ns.unwrap_or(0) as f64 / 1e9;
    if skew_s > APART * summary.measured_s && skew_s > LEAST_APART_S {
        findings.push(Finding::PartsApart { skew_s, measured_s: summary.measured_s });
    }
    findings
}

const ALL: [Phase; 4] = [Phase::SetUp, Phase::WarmUp, Phase::Window, Phase::Drain];

/// How often failures of these kinds occurred in these phases.
fn listed(merged: &Report, kinds: &[&str], phases: &[Phase]) -> u64 {
    let errors = merged.errors.iter().filter(|error| kinds.contains(&error.kind.as_str()));
    // Older reports do not say when.
    let of_phase = |phase: Option<Phase>| phases.contains(&phase.unwrap_or(Phase::Window));
    errors
        .filter(|error| of_phase(error.phase))
        .fold(0, |sum, error| sum.saturating_add(error.count))
}

/// As in a single run: within the window, or before the load for good.
fn lost(merged: &Report) -> u64 {
    let within = |phase| listed(merged, &["reset", "closed", "unresponsive"], &[phase]);
    let connections = &merged.summary.connections;
    let missing = u64::from(connections.established.saturating_sub(connections.alive_at_end));
    within(Phase::Window).saturating_add(within(Phase::SetUp).min(missing))
}

fn generator(merged: &Report, runs: &[&Report]) -> Vec<Finding> {
    let summary = &merged.summary;
    let mut findings = Vec::new();
    let greatest = |of: fn(&crate::report::ThreadReport) -> Option<f64>| {
        merged.threads.iter().filter_map(of).fold(0.0, f64::max)
    };
    let share = greatest(|thread| thread.denied);
    if share > DENIED {
        let quota = runs.iter().find_map(|run| {
            let around = run.summary.surroundings.as_ref()?;
            let is_cause = around.throttled_s? > DENIED * run.summary.measured_s;
            around.quota_cores.filter(|_| is_cause)
        });
        findings.push(Finding::Generator(Limit::Denied { share, quota }));
    }
    let busy = greatest(|thread| thread.busy);
    if busy > BUSY {
        let attributed = summary.generator_share.is_some();
        findings.push(Finding::Generator(Limit::Busy { busy, attributed }));
    }
    findings.extend(own_share(summary).map(Finding::Generator));
    let failed = listed(merged, &["no_socket"], &ALL);
    if failed > 0 {
        let made =
            summary.addresses.iter().fold(0, |sum: u64, one| sum.saturating_add(one.made));
        let first = merged.errors.iter().find(|error| error.kind == "no_socket");
        let reason = first.map_or(String::new(), |error| error.first.detail.clone());
        let over_link = merged.plan.link.is_some();
        findings.push(Finding::Generator(Limit::NoSocket { failed, made, reason, over_link }));
    } else if let (true, Some(offered), Some(achieved)) =
        (merged.stages.is_empty(), summary.offered_per_s, summary.achieved_per_s)
        && achieved < offered * 0.99
    {
        findings.push(Finding::BelowOfferedRate { offered, achieved });
    }
    findings
}
