//! What a run is worth: [`judge`] finds what makes it qualified or invalid.

use echo_bench_engine::RunRecord;
use echo_bench_engine::plan::{Plan, StopRule, Trust};
use echo_bench_engine::record::FailureKind;
use echo_net::Nanos;
use echo_net::clock::MILLISECOND;

mod settled;

use super::Circumstances;
use crate::report::verdict::Finding;
use crate::report::{QUANTILES, Summary};
use crate::stats::order;

/// A generator thread busier than this may have been the limit.
const BUSY: f64 = 0.9;

/// So long may nobody answer, since a busy machine makes such pauses by itself.
const SHORT_PAUSE: Nanos = 100 * MILLISECOND;

/// So many times the mean gap between two replies is more than chance: with exponential gaps
/// one in 20 000 is as long.
const SILENT_GAPS: f64 = 10.0;

/// What is said of a run beyond what was counted.
pub(super) fn judge(
    plan: &Plan,
    record: &RunRecord,
    circumstances: &Circumstances,
    summary: &Summary,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let total = &record.total;
    let tally = &total.tally;
    if !tally.is_conserved() {
        let (scheduled, ended) = (tally.scheduled, tally.ended());
        findings.push(Finding::Unbalanced { scheduled, ended });
    }
    if tally.ok == 0 {
        findings.push(Finding::NothingMeasured);
    }
    findings.extend(no_replies(plan, record));
    if record.interrupted {
        findings.push(Finding::Interrupted { measured_s: summary.measured_s });
    }
    if let StopRule::Requests { requests: asked } = plan.stop
        && tally.scheduled < asked
        && !record.interrupted
    {
        findings.push(Finding::GivenUp { asked, scheduled: tally.scheduled });
    }
    if record.established < plan.connections_at_start() {
        let (requested, established) = (plan.connections_at_start(), record.established);
        findings.push(Finding::NotAllEstablished { requested, established });
    }
    if tally.failed() > 0 {
        let (failed, scheduled) = (tally.failed(), tally.scheduled);
        findings.push(Finding::ErrorsSeen { failed, scheduled });
    }
    // What answers no request is in no count of requests.
    let stray: u64 = [FailureKind::Unsolicited, FailureKind::Duplicated]
        .iter()
        .map(|&kind| total.errors.of(kind))
        .sum();
    // Nor is what came after all were answered, and was no reply at all.
    let unread = [FailureKind::Malformed, FailureKind::TooLong];
    let unread: u64 = unread.iter().map(|&kind| total.errors.of(kind)).sum();
    let stray = stray + unread.saturating_sub(tally.mismatch);
    if stray > 0 {
        findings.push(Finding::StrayReplies { stray });
    }
    let lost = total.errors.of(FailureKind::Reset) + total.errors.of(FailureKind::Closed);
    if lost > 0 {
        findings.push(Finding::ConnectionsLost { lost, reconnects: record.reconnects });
    }
    let response = &total.latencies.response;
    if response.censored() > 0 {
        findings.push(Finding::LateBounds { censored: response.censored() });
    }
    if response.clamped() > 0 {
        findings.push(Finding::Clamped { values: response.clamped() });
    }
    if plan.tls.as_ref().is_some_and(|tls| tls.trust == Trust::Anyone) {
        findings.push(Finding::Unverified);
    }
    findings.extend(limits_of_the_generator(plan, record, circumstances, summary));
    findings.extend(few_samples(summary));
    findings.extend(settled::no_steady_state(plan, record));
    if circumstances.server_killed {
        findings.push(Finding::SlowServerDrain);
    }
    findings
}

fn limits_of_the_generator(
    plan: &Plan,
    record: &RunRecord,
    circumstances: &Circumstances,
    summary: &Summary,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let busy = record.busy.iter().copied().flatten().fold(0.0, f64::max);
    if busy > BUSY {
        findings.push(Finding::GeneratorBusy { busy });
    }
    if let (Some(lateness), Some(response)) =
        (&summary.send_lateness, &summary.latency.response)
        && lateness.ci95.contains_key("p99")
        && lateness.p99_ns > response.p50_ns / 10
    {
        findings.push(Finding::LateSchedule {
            lateness_p99_ns: lateness.p99_ns,
            response_p50_ns: response.p50_ns,
        });
    }
    let no_socket = no_socket(record);
    if no_socket.is_none()
        && let (Some(offered), Some(achieved)) = (summary.offered_per_s, summary.achieved_per_s)
        && achieved < offered * 0.99
    {
        findings.push(Finding::BelowOfferedRate { offered, achieved });
    }
    findings.extend(no_socket);
    let cores = std::thread::available_parallelism().map_or(1, Into::into);
    if let Some(server) = circumstances.server_workers
        && (plan.threads + server) as usize > cores
    {
        findings.push(Finding::SharedCores { generator: plan.threads, server, cores });
    }
    findings
}

/// Connections that were not made for want of a port or a descriptor on this side.
fn no_socket(record: &RunRecord) -> Option<Finding> {
    let mut errors = record.total.errors.iter();
    let (_, failed, first) = errors.find(|(kind, ..)| *kind == FailureKind::NoSocket)?;
    let pooled = record.pool.map(|pool| pool.created);
    let made = pooled.unwrap_or(u64::from(record.established) + record.reconnects);
    Some(Finding::NoSocket { failed, made, reason: first.detail.clone() })
}

/// Whether the replies ended before the load did: for a good part of it, and for longer than
/// chance or a short pause explains.
fn no_replies(plan: &Plan, record: &RunRecord) -> Option<Finding> {
    let (last_reply, tally) = (record.last_reply_ns?, &record.total.tally);
    let silent = record.load_ns.saturating_sub(last_reply);
    let gap = last_reply as f64 / tally.answered.max(1) as f64;
    let unanswered = match plan.stop {
        StopRule::Duration { .. } => tally.failed() > 0,
        // The wait for a few replies that are missing at the end is no part of the load.
        StopRule::Requests { requests } => requests.saturating_sub(tally.ok) > requests / 10,
    };
    let long = silent > SHORT_PAUSE
        && silent > record.load_ns / 10
        && silent as f64 > SILENT_GAPS * gap;
    let seconds = |ns: u64| ns as f64 / 1e9;
    (tally.ok > 0 && unanswered && long).then(|| Finding::NoReplies {
        silent_s: seconds(silent),
        load_s: seconds(record.load_ns),
        wrong: tally.mismatch + tally.error > 0,
    })
}

/// The least common quantile that is shown and can't be backed by the sample.
fn few_samples(summary: &Summary) -> Option<Finding> {
    let response = summary.latency.response.as_ref()?;
    // Up to p99: whoever runs for seconds does not expect more nines.
    QUANTILES.iter().filter(|q| q.quantile <= 0.99).find_map(|quantile| {
        let independent = *response.independent.get(quantile.name)?;
        (!response.ci95.contains_key(quantile.name)).then(|| Finding::FewSamples {
            quantile: quantile.name,
            needed: order::needed(quantile.quantile),
            independent,
        })
    })
}
