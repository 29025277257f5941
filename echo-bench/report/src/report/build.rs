//! From raw records to a report: [`build`]. Adds up, divides and judges; measures nothing.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use echo_net::destinations::Destination;
use serde::{Deserialize, Serialize};

use echo_net::Nanos;
use echo_net::clock::MILLISECOND;

use super::verdict::Finding;
use super::{
    AddressReport, Bytes, Connections, Cpu, Environment, ErrorReport, FirstOffender,
    IntervalReport, Latency, LatencySummary, QUANTILES, Report, Requests, SCHEMA, Slo, Summary,
    Tcp, ThreadReport, Tool, Verdict,
};
use crate::stats::{order, steady};
use echo_bench_engine::plan::{Load, Plan, StopRule, Trust};
use echo_bench_engine::record::{self, FailureKind, Packed, Tally};
use echo_bench_engine::server_process::ServerProcess;
use echo_bench_engine::{CostSample, IntervalRecord, RunRecord};

/// A generator thread busier than this may have been the limit.
const BUSY: f64 = 0.9;

/// So long may nobody answer, since a busy machine makes such pauses by itself.
const SHORT_PAUSE: Nanos = 100 * MILLISECOND;

/// So many times the mean gap between two replies is more than chance: with exponential gaps
/// one in 20 000 is as long.
const SILENT_GAPS: f64 = 10.0;

/// A last piece is part of the one before if it is shorter than this part of an interval.
const SLIVER: u64 = 100;

/// What is known about a run beside its plan and its record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Circumstances {
    /// When it began (RFC 3339, UTC).
    pub started_at: String,
    /// When its measured window began (RFC 3339, UTC), where known.
    pub window_started_at: Option<String>,
    /// What the user said about it.
    pub labels: BTreeMap<String, String>,
    /// Where it ran.
    pub environment: Environment,
    /// The process that was measured, where it is known.
    pub server: Option<ServerProcess>,
    /// Objectives to judge it by.
    pub slos: Vec<Slo>,
    /// Worker threads of the server on this machine, where known.
    pub server_workers: Option<u32>,
    /// Whether an embedded server had to be killed at the end.
    pub server_killed: bool,
}

/// The report of a run. It comes about whatever the run was: a judgement that fails is a
/// warning, for what was counted must not be lost with it.
pub fn build(plan: &Plan, record: &RunRecord, circumstances: Circumstances) -> Report {
    build_with(judge, plan, record, circumstances)
}

/// What is said of a run beyond what was counted.
type Judge = fn(&Plan, &RunRecord, &Circumstances, &Summary) -> Vec<Finding>;

fn build_with(
    judge: Judge,
    plan: &Plan,
    record: &RunRecord,
    circumstances: Circumstances,
) -> Report {
    let judged = || {
        let summary = summarise(plan, record, LatencySummary::new);
        let findings = judge(plan, record, &circumstances, &summary);
        let response = summary.latency.response.as_ref();
        let judge = |slo: &Slo| slo.judge(response, &record.pieces);
        let slos = circumstances.slos.iter().map(judge).collect();
        let intervals = intervals(plan, record, LatencySummary::new);
        (summary, findings, slos, intervals)
    };
    // Nothing is changed by the closure that could be left in halves.
    let judged = catch_unwind(AssertUnwindSafe(judged));
    let (summary, findings, slos, intervals) = judged.unwrap_or_else(|_| {
        let counted: Summarise = |latency, _| LatencySummary::counted(latency);
        (
            summarise(plan, record, counted),
            vec![Finding::NotJudged],
            circumstances.slos.iter().map(Slo::unknown).collect(),
            intervals(plan, record, counted),
        )
    });
    let verdict = findings.iter().map(Finding::severity).max().unwrap_or(Verdict::Valid);
    Report {
        schema: SCHEMA.into(),
        tool: Tool::this(),
        started_at: circumstances.started_at,
        window_started_at: circumstances.window_started_at,
        labels: circumstances.labels,
        plan: plan.clone(),
        environment: circumstances.environment,
        server: circumstances.server,
        slos,
        intervals,
        threads: record.busy.iter().map(|&busy| ThreadReport { busy }).collect(),
        errors: errors(&record.total.errors),
        warnings: findings.iter().map(Finding::warning).collect(),
        verdict,
        interrupted: record.interrupted,
        summary,
    }
}

/// Makes the summary of a clock whose values came in these pieces.
type Summarise = fn(&record::Latency, &[Packed]) -> Option<LatencySummary>;

fn summarise(plan: &Plan, record: &RunRecord, clock: Summarise) -> Summary {
    let total = &record.total;
    let measured_s = record.measured_ns as f64 / 1e9;
    let per_s = |count: u64| (record.measured_ns > 0).then(|| count as f64 / measured_s);
    let latency = latencies(record, clock);
    let open = total.latencies.open.as_deref();
    let wait_mean = latency.wait.as_ref().map_or(0.0, |wait| wait.mean_ns * wait.count as f64);
    Summary {
        measured_s,
        offered_per_s: match plan.load {
            Load::Closed { .. } => None,
            Load::Open { .. } => per_s(total.tally.scheduled),
        },
        achieved_per_s: per_s(total.tally.answered),
        answered_in_window: total.tally.answered,
        requests: requests(&total.tally),
        bytes: Bytes { sent: total.tally.bytes_sent, received: total.tally.bytes_received },
        connections: Connections {
            requested: plan.connections_at_start(),
            established: record.established,
            alive_at_end: record.alive_at_end,
            reconnects: record.reconnects,
            connect_phase_ns: record.connect_phase_ns,
        },
        addresses: record.destinations.iter().map(address).collect(),
        send_lateness: open.and_then(|open| clock(&open.lateness, &[])),
        in_flight_mean: record
            .outstanding_mean
            .map(|outstanding| outstanding + wait_mean / record.measured_ns as f64),
        cpu: cpu(record.costs.first(), record.costs.last(), total.tally.answered),
        tcp: tcp(record),
        pool: record.pool.map(Into::into),
        latency,
    }
}

fn address(destination: &Destination) -> AddressReport {
    let Destination { address, made, failed, failure } = destination;
    let (address, failure) = (address.to_string(), failure.clone());
    AddressReport { address, made: *made, failed: *failed, failure }
}

fn latencies(record: &RunRecord, clock: Summarise) -> Latency {
    let total = &record.total;
    // Without a successful reply there is no latency, only ages.
    let valid = |summary: Option<LatencySummary>| summary.filter(|_| total.tally.ok > 0);
    let response = valid(clock(&total.latencies.response, &record.pieces));
    let (wait, service) = match total.latencies.open.as_deref() {
        None => (None, response.clone()),
        Some(open) => (valid(clock(&open.wait, &[])), valid(clock(&open.service, &[]))),
    };
    let connect = clock(&record.connect, &[]);
    let tls = clock(&record.handshakes.full, &[]);
    let tls_resumed = clock(&record.handshakes.resumed, &[]);
    Latency { connect, tls, tls_resumed, wait, service, response }
}

fn requests(tally: &Tally) -> Requests {
    Requests {
        scheduled: tally.scheduled,
        ok: tally.ok,
        mismatch: tally.mismatch,
        error: tally.error,
        timeout: tally.timeout,
        reset: tally.reset,
        refused: tally.refused,
        closed: tally.closed,
        shed: 0,
        unsent: tally.unsent,
        in_flight: tally.in_flight,
    }
}

fn cpu(first: Option<&CostSample>, last: Option<&CostSample>, messages: u64) -> Cpu {
    let (Some(first), Some(last)) = (first, last) else { return Cpu::default() };
    let elapsed = (last.at - first.at) as f64;
    let side = |side: fn(&CostSample) -> Option<echo_net::cpu::Usage>| {
        Some(side(last)?.since(&side(first)?))
    };
    let (client, server) = (side(|sample| sample.client), side(|sample| sample.server));
    let per_message = |usage: Option<echo_net::cpu::Usage>| {
        usage.filter(|_| messages > 0).map(|u| u.cpu.as_nanos() as f64 / 1e3 / messages as f64)
    };
    let busy = |usage: Option<echo_net::cpu::Usage>| {
        usage.filter(|_| elapsed > 0.0).map(|usage| usage.cpu.as_nanos() as f64 / elapsed)
    };
    let switches = |usage: Option<echo_net::cpu::Usage>| {
        usage.and_then(|u| Some(u.voluntary_switches? + u.involuntary_switches?))
    };
    Cpu {
        client_us_per_message: per_message(client),
        server_us_per_message: per_message(server),
        client_busy: busy(client),
        server_busy: busy(server),
        client_context_switches: switches(client),
        server_context_switches: switches(server),
        client_peak_rss_bytes: client.map(|usage| usage.peak_rss_bytes),
        server_peak_rss_bytes: server.map(|usage| usage.peak_rss_bytes),
    }
}

fn tcp(record: &RunRecord) -> Option<Tcp> {
    let kernel = &record.kernel;
    (kernel.connections > 0).then(|| Tcp {
        connections: kernel.connections,
        retransmits: kernel.retransmits,
        rtt_median_us: kernel.rtt_median_us(),
        min_rtt_us: kernel.min_rtt_us,
        send_buffer: kernel.buffers.map(|(send, _)| send),
        recv_buffer: kernel.buffers.map(|(_, recv)| recv),
    })
}

fn errors(errors: &record::Errors) -> Vec<ErrorReport> {
    errors
        .iter()
        .map(|(kind, count, first)| ErrorReport {
            kind: kind.to_string(),
            count,
            first: FirstOffender {
                connection: first.connection,
                request: first.request,
                detail: first.detail.clone(),
                offset: first.difference.as_ref().map(|difference| difference.offset),
                expected: first.difference.as_ref().map(|d| d.expected.clone()),
                got: first.difference.as_ref().map(|difference| difference.got.clone()),
            },
        })
        .collect()
}

/// The time series. A piece without length is no point of it, nor is a sliver that a signal
/// or a number of requests leaves at the end: what ended in it (in the drain, too) belongs to
/// the last piece before.
fn intervals(plan: &Plan, record: &RunRecord, clock: Summarise) -> Vec<IntervalReport> {
    let sliver = plan.interval_ns / SLIVER;
    let left =
        |index: u64| record.measured_ns.saturating_sub(index.saturating_mul(plan.interval_ns));
    let is_point = |interval: &&IntervalRecord| match interval.index {
        0 => record.measured_ns > 0,
        index => left(index) > sliver,
    };
    let points = record.intervals.iter().take_while(is_point).count();
    let (points, rest) = record.intervals.split_at(points);
    let last = points.len().saturating_sub(1);
    let report = |(place, interval): (usize, &IntervalRecord)| {
        let (mut tally, mut response) = (interval.tally, interval.response.unpack());
        let mut most = plan.interval_ns;
        if place == last {
            most = most.saturating_add(sliver);
            for piece in rest {
                tally += &piece.tally;
                response += &piece.response.unpack();
            }
        }
        let length_s = left(interval.index).min(most) as f64 / 1e9;
        let costs = cpu(record.costs.get(place), record.costs.get(place + 1), tally.answered);
        IntervalReport {
            at_s: (interval.index * plan.interval_ns) as f64 / 1e9,
            length_s,
            ok: tally.ok,
            errors: tally.failed(),
            achieved_per_s: (length_s > 0.0).then(|| tally.answered as f64 / length_s),
            response: clock(&response, &[]).filter(|_| tally.ok > 0),
            client_us_per_message: costs.client_us_per_message,
            server_us_per_message: costs.server_us_per_message,
        }
    };
    points.iter().enumerate().map(report).collect()
}

fn judge(
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
    findings.extend(no_steady_state(plan, record));
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

/// A trend of throughput over the whole intervals of the window.
fn no_steady_state(plan: &Plan, record: &RunRecord) -> Option<Finding> {
    let whole = record.measured_ns / plan.interval_ns;
    let series: Vec<_> = record
        .intervals
        .iter()
        .filter(|interval| interval.index < whole)
        .map(|interval| interval.tally.answered as f64)
        .collect();
    steady::drift(&series).map(|change| Finding::NoSteadyState { change })
}

#[cfg(test)]
mod tests;
