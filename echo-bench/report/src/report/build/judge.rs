//! What a run is worth: [`judge`] finds what makes it qualified or invalid.

use echo_bench_engine::plan::{Plan, StopRule};
use echo_bench_engine::record::{FailureKind, Packed, Phase};
use echo_bench_engine::{RunRecord, Surroundings};
use echo_net::Nanos;
use echo_net::clock::MILLISECOND;

mod cores;
mod in_stages;
mod settled;
mod together;
mod unchecked;

pub(crate) use together::judge_together;

use super::Circumstances;
use super::explained::explained;
use crate::report::verdict::{Explained, Finding, Limit, LinkFault, Short, Why};
use crate::report::{LatencySummary, LinkReport, QUANTILES, Requests, StageReport, Summary};
use crate::stats::{effective, looks, order};

/// A generator thread busier than this may have been the limit.
const BUSY: f64 = 0.9;

/// A generator thread that wanted to run and did not for more than this was held up.
const DENIED: f64 = 0.05;

/// A larger part of the median or the 99th percentile must be the server's and the network's.
const OWN_SHARE: f64 = 0.1;

/// By more than this the two sides of Little's law don't differ by chance, given so many
/// seconds of work: requests in flight times the length of the window.
const LITTLE: f64 = 0.05;
const LEAST_WORK_S: f64 = 30.0;

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
    stages: &[StageReport],
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
    findings.extend(unfair(summary));
    findings.extend(littles_law(summary, in_total(plan, record, summary)));
    if record.interrupted {
        findings.push(Finding::Interrupted { measured_s: summary.measured_s });
    }
    if let Some(asked) = plan.own_requests()
        && tally.scheduled < asked
        && !record.interrupted
    {
        findings.push(Finding::GivenUp { asked, scheduled: tally.scheduled });
    }
    if let (Some(until), Some(found)) = (plan.until, &summary.until)
        && found.is_missed(until)
        && !record.interrupted
    {
        findings.push(Finding::NotSharp { achieved: found.achieved });
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
    let lost = lost(record);
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
    findings.extend(unchecked::unchecked(plan, record));
    if let Some(around) = &summary.surroundings {
        findings.extend(explained(plan, record, summary, around));
    }
    findings.extend(limits_of_the_generator(plan, record, circumstances, summary));
    if plan.load.is_staged() {
        findings.extend(in_stages::findings(plan, record, summary, stages));
    } else {
        findings.extend(few_samples(plan, &record.pieces, summary));
        findings.extend(settled::no_steady_state(plan, record));
    }
    if circumstances.link.is_some_and(|seen| seen.counts.is_none()) {
        findings.push(Finding::Link(LinkFault::Broken));
    }
    let link = LinkReport::new(plan, circumstances.link);
    let faults = link.iter().flat_map(LinkReport::faults);
    findings.extend(faults.map(Finding::Link));
    if let Some(how) = &circumstances.server_ended {
        findings.push(Finding::ServerEnded { how: how.clone() });
    }
    if circumstances.server_killed {
        findings.push(Finding::SlowServerDrain);
    }
    findings.extend(near_noise_floor(circumstances, summary));
    findings.extend(changed_options(summary));
    let thread = summary.server_side.as_ref().and_then(|side| side.kernel_thread);
    if thread.is_some_and(|thread| thread.cpu_time_ns.is_none()) {
        findings.push(Finding::Kernel(Explained::NoKernelThread));
    }
    findings
}

/// Options that the kernel did not take. Quick acknowledgements are set once, and the kernel
/// changes them by its own rules.
fn changed_options(summary: &Summary) -> impl Iterator<Item = Finding> {
    let generator = summary.socket.as_ref().map(|socket| ("generator", socket));
    let server = summary.server_side.as_ref().and_then(|side| side.socket.as_ref());
    let sides = generator.into_iter().chain(server.map(|socket| ("server", socket)));
    let changed =
        sides.flat_map(|(side, socket)| socket.changed.iter().map(move |one| (side, one)));
    changed.filter(|(_, changed)| changed.flag != "quickack").map(|(side, changed)| {
        Finding::Kernel(Explained::OptionChanged { side, changed: changed.clone() })
    })
}

/// A median that is hardly above what the machine measures without a server.
fn near_noise_floor(circumstances: &Circumstances, summary: &Summary) -> Option<Finding> {
    let floor = circumstances.noise_floor.as_ref()?;
    let p50_ns = summary.latency.response.as_ref()?.p50_ns;
    let near = floor.is_near(p50_ns);
    near.then(|| Finding::Kernel(Explained::NearNoiseFloor { p50_ns, floor: floor.clone() }))
}

fn limits_of_the_generator(
    plan: &Plan,
    record: &RunRecord,
    circumstances: &Circumstances,
    summary: &Summary,
) -> Vec<Finding> {
    let mut findings = Vec::new();
    let greatest = |of: &[Option<f64>]| of.iter().copied().flatten().fold(0.0, f64::max);
    let denied = greatest(&record.denied);
    if denied > DENIED {
        let Surroundings { quota, throttled, .. } = record.surroundings;
        let by_quota = throttled
            .is_some_and(|time| time.as_nanos() as f64 > DENIED * record.measured_ns as f64);
        findings.push(Finding::Generator(Limit::Denied {
            share: denied,
            quota: quota.filter(|_| by_quota),
        }));
    }
    let busy = greatest(&record.busy);
    if busy > BUSY {
        let attributed = summary.generator_share.is_some();
        findings.push(Finding::Generator(Limit::Busy { busy, attributed }));
    }
    findings.extend(own_share(summary).map(Finding::Generator));
    let no_socket = no_socket(plan, record);
    // Stages are judged one by one.
    if no_socket.is_none()
        && !plan.load.is_staged()
        && let (Some(offered), Some(achieved)) = (summary.offered_per_s, summary.achieved_per_s)
        && achieved < offered * 0.99
    {
        findings.push(Finding::BelowOfferedRate { offered, achieved });
    }
    findings.extend(no_socket);
    findings.extend(cores::shared(plan, summary, circumstances).map(Finding::Generator));
    findings
}

/// The generator's own part of the latencies, where it is more than a little.
fn own_share(summary: &Summary) -> Option<Limit> {
    let response = summary.latency.response.as_ref()?;
    let total = |clock: Option<&LatencySummary>| {
        clock.map_or(0.0, |clock| clock.mean_ns * clock.count as f64)
    };
    if let Some(share) = &summary.generator_share {
        let (quantile, part) = share.largest()?;
        let (all, ours) = (total(Some(&share.response)), total(Some(&share.corrected)));
        let pickup = total(summary.latency.pickup.as_ref());
        return (part.share > OWN_SHARE).then_some(Limit::OwnShare {
            quantile,
            share: part.share,
            generator_ns: part.generator_ns,
            late: all - ours - pickup > pickup,
        });
    }
    // Without stamps the late sends are known, and not the wait for replies to be read.
    let lateness = summary.send_lateness.as_ref()?;
    let share = |late: u64, all: u64| late as f64 / all.max(1) as f64;
    [("p50", lateness.p50_ns, response.p50_ns), ("p99", lateness.p99_ns, response.p99_ns)]
        .into_iter()
        .map(|(quantile, late, all)| (quantile, late.min(all), share(late.min(all), all)))
        .filter(|(.., share)| *share > OWN_SHARE)
        .max_by(|(.., a), (.., b)| a.total_cmp(b))
        .map(|(quantile, generator_ns, share)| Limit::OwnShare {
            quantile,
            share,
            generator_ns,
            late: true,
        })
}

/// Connections that got nothing, or far less than the others.
fn unfair(summary: &Summary) -> Option<Finding> {
    let fairness = summary.fairness.as_ref()?;
    let connections = fairness.connections;
    // That none got anything is a finding of its own.
    if fairness.max == 0 {
        return None;
    }
    if fairness.starved > 0 {
        return Some(Finding::Starved { starved: fairness.starved, connections });
    }
    (fairness.below_tenth > 0).then_some(Finding::Unfair {
        below_tenth: fairness.below_tenth,
        connections,
        median: fairness.median,
    })
}

/// The sum of all responses in seconds, of all stages together: Little's law is
/// about sums, whatever the rate did.
fn in_total(plan: &Plan, record: &RunRecord, summary: &Summary) -> Option<f64> {
    if !plan.load.is_staged() {
        return responses(summary);
    }
    let histogram = record.total.latencies.response.histogram();
    (record.total.tally.ok > 0).then(|| histogram.len() as f64 * histogram.mean() / 1e9)
}

/// The same of what a summary has.
fn responses(summary: &Summary) -> Option<f64> {
    let response = summary.latency.response.as_ref()?;
    Some(response.count as f64 * response.mean_ns / 1e9)
}

/// Mean in flight = rate x mean latency (Little 1961): the one is counted apart from the other.
fn littles_law(summary: &Summary, responses_s: Option<f64>) -> Option<Finding> {
    let (sum_s, in_flight) = (responses_s?, summary.in_flight_mean?);
    let Requests { mismatch, error, scheduled, .. } = summary.requests;
    let work_s = in_flight * summary.measured_s;
    // What was answered wrongly was in flight, and has no latency.
    let has_gaps = (mismatch + error) as f64 > 0.01 * scheduled as f64;
    if work_s < LEAST_WORK_S || has_gaps || summary.measured_s <= 0.0 {
        return None;
    }
    let expected = sum_s / summary.measured_s;
    ((expected / in_flight - 1.0).abs() > LITTLE)
        .then_some(Finding::LittlesLaw { in_flight, expected })
}

/// Connections that were not made for want of a port or a descriptor on this side.
fn no_socket(plan: &Plan, record: &RunRecord) -> Option<Finding> {
    let errors = &record.total.errors;
    let failed = errors.of(FailureKind::NoSocket);
    let first = &errors.iter().find(|one| one.kind == FailureKind::NoSocket)?.first;
    let pooled = record.pool.map(|pool| pool.created);
    // Reconnects of the warm-up are not in the window's count.
    let connected = record.destinations.iter().map(|one| one.made).sum();
    let made =
        pooled.unwrap_or((u64::from(record.established) + record.reconnects).max(connected));
    let (reason, over_link) = (first.detail.clone(), plan.link.is_some());
    Some(Finding::Generator(Limit::NoSocket { failed, made, reason, over_link }))
}

/// Whether the replies ended before the load did: for a good part of it, and for longer than
/// chance or a short pause explains.
fn no_replies(plan: &Plan, record: &RunRecord) -> Option<Finding> {
    let (last_reply, tally) = (record.last_reply_ns?, &record.total.tally);
    // Where the rate falls, nothing may be due for a while before the end.
    let due = record.due.last().filter(|_| plan.load.is_staged());
    let last_due = due.map_or(Nanos::MAX, |due| due.saturating_sub(record.window_start));
    let silent = record.load_ns.min(last_due).saturating_sub(last_reply);
    let gap = last_reply as f64 / tally.answered.max(1) as f64;
    let unanswered = match plan.own_requests() {
        None => tally.failed() > 0,
        // The wait for a few replies that are missing at the end is no part of the load.
        Some(requests) => requests.saturating_sub(tally.ok) > requests / 10,
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

/// Which quantiles that are shown can't be backed by the sample, which came in these pieces.
fn few_samples(plan: &Plan, pieces: &[Packed], summary: &Summary) -> Option<Finding> {
    let response = summary.latency.response.as_ref()?;
    // Up to p99: whoever runs for seconds does not expect more nines.
    let shown = QUANTILES.iter().filter(|quantile| quantile.quantile <= 0.99);
    let weak: Vec<_> = shown
        .filter(|quantile| {
            let judged = response.independent.contains_key(quantile.name);
            judged && !response.ci95.contains_key(quantile.name)
        })
        .collect();
    let (from, to) = (weak.first()?, weak.last()?);
    let histograms = pieces.iter().map(Packed::histogram);
    let length = effective::length(&response.histogram()?, histograms, to.quantile);
    let price = if plan.until.is_some() { looks::price() } else { 1.0 };
    let seconds = |share: f64| share * summary.measured_s;
    let correlated_s = length.map(|length| seconds(length.correlated));
    // Below the length of a piece nothing is seen.
    let shortest_s = summary.measured_s / pieces.len().max(1) as f64;
    let why = match correlated_s.filter(|time| *time >= shortest_s / 2.0) {
        Some(time) => Why::Correlated(time),
        // Without pieces, as of merged runs, it is not known what makes the values worth less.
        None if pieces.is_empty() && response.count >= order::needed(from.quantile) => {
            Why::FewIndependent
        }
        None => Why::FewValues,
    };
    Some(Finding::FewSamples(Short {
        from: from.name,
        to: to.name,
        why,
        needed_s: length
            .map(|length| seconds(length.needed * price).max(summary.measured_s * 1.2)),
        of_stage: plan.load.is_staged(),
        cut_from_s: cut_from_s(plan, summary),
    }))
}

/// The length that a run could have had, in seconds, if `--until` ended it before.
fn cut_from_s(plan: &Plan, summary: &Summary) -> Option<f64> {
    let (StopRule::Duration { duration_ns }, Some(until)) = (plan.stop, &summary.until) else {
        return None;
    };
    let is_early = until.look.is_some_and(|look| look < until.looks);
    is_early.then_some(duration_ns as f64 / 1e9)
}

/// How often connections were lost within the window, or before the load for good: by a server
/// that is full, which ends them right after the handshake.
fn lost(record: &RunRecord) -> u64 {
    let within = |phase: Phase| {
        let kinds = [FailureKind::Reset, FailureKind::Closed, FailureKind::Unresponsive];
        kinds.iter().map(|&kind| record.total.errors.within(phase, kind)).sum::<u64>()
    };
    let missing = u64::from(record.established.saturating_sub(record.alive_at_end));
    within(Phase::Window) + within(Phase::SetUp).min(missing)
}
