//! From raw records to a report: [`build`]. Adds up, divides and judges; measures nothing.

use std::collections::BTreeMap;

use super::verdict::Finding;
use super::{
    Bytes, Connections, Cpu, Environment, ErrorReport, FirstOffender, IntervalReport, Latency,
    LatencySummary, QUANTILES, Report, Requests, SCHEMA, Slo, Summary, Tcp, ThreadReport, Tool,
    Verdict,
};
use crate::engine::{CostSample, IntervalRecord, RunRecord};
use crate::plan::{Load, Plan, StopRule, Trust};
use crate::record::{self, FailureKind, Packed, Tally};
use crate::server_process::ServerProcess;
use crate::stats::{order, steady};

/// A generator thread busier than this may have been the limit.
const BUSY: f64 = 0.9;

/// What is known about a run beside its plan and its record.
#[derive(Debug, Clone)]
pub struct Circumstances {
    /// When it began (RFC 3339, UTC).
    pub started_at: String,
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

/// The report of a run.
///
/// # Panics
/// If requests were lost in the books (not every scheduled one has ended in exactly one
/// way): a report must not hide that.
pub fn build(plan: &Plan, record: &RunRecord, circumstances: Circumstances) -> Report {
    let total = &record.total;
    assert!(
        total.tally.is_conserved(),
        "every scheduled request must have ended in exactly one way: {:?}",
        total.tally
    );
    let summary = summarise(plan, record);
    let findings = judge(plan, record, &circumstances, &summary);
    let verdict = findings.iter().map(Finding::severity).max().unwrap_or(Verdict::Valid);
    Report {
        schema: SCHEMA.into(),
        tool: Tool::this(),
        started_at: circumstances.started_at,
        labels: circumstances.labels,
        plan: plan.clone(),
        environment: circumstances.environment,
        server: circumstances.server,
        slos: circumstances
            .slos
            .iter()
            .map(|slo| slo.judge(summary.latency.response.as_ref()))
            .collect(),
        intervals: intervals(plan, record),
        threads: record.busy.iter().map(|&busy| ThreadReport { busy }).collect(),
        errors: errors(&record.total.errors),
        warnings: findings.iter().map(Finding::warning).collect(),
        verdict,
        interrupted: record.interrupted,
        summary,
    }
}

fn summarise(plan: &Plan, record: &RunRecord) -> Summary {
    let total = &record.total;
    let measured_s = record.measured_ns as f64 / 1e9;
    let per_s = |count: u64| (record.measured_ns > 0).then(|| count as f64 / measured_s);
    let latency = latencies(record);
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
        send_lateness: open.and_then(|open| LatencySummary::new(&open.lateness, &[])),
        in_flight_mean: record
            .outstanding_mean
            .map(|outstanding| outstanding + wait_mean / record.measured_ns as f64),
        cpu: cpu(record.costs.first(), record.costs.last(), total.tally.answered),
        tcp: tcp(record),
        pool: record.pool.map(Into::into),
        latency,
    }
}

fn latencies(record: &RunRecord) -> Latency {
    let total = &record.total;
    // Where nothing was answered rightly there is no latency to speak of, only ages.
    let claimed = |summary: Option<LatencySummary>| summary.filter(|_| total.tally.ok > 0);
    let pieces: Vec<_> = record.pieces.iter().map(Packed::unpack).collect();
    let pieces: Vec<_> = pieces.iter().map(record::Latency::histogram).collect();
    let response = claimed(LatencySummary::new(&total.latencies.response, &pieces));
    let (wait, service) = match total.latencies.open.as_deref() {
        None => (None, response.clone()),
        Some(open) => (
            claimed(LatencySummary::new(&open.wait, &[])),
            claimed(LatencySummary::new(&open.service, &[])),
        ),
    };
    let connect = LatencySummary::new(&record.connect, &[]);
    let tls = LatencySummary::new(&record.handshakes.full, &[]);
    let tls_resumed = LatencySummary::new(&record.handshakes.resumed, &[]);
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
        shed: tally.shed,
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
    let mut rtts = kernel.rtt_us.clone();
    rtts.sort_unstable();
    (kernel.connections > 0).then(|| Tcp {
        connections: kernel.connections,
        retransmits: kernel.retransmits,
        rtt_median_us: rtts.get(rtts.len() / 2).copied(),
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

fn intervals(plan: &Plan, record: &RunRecord) -> Vec<IntervalReport> {
    let length = |index: u64| {
        let begin = index * plan.interval_ns;
        plan.interval_ns.min(record.measured_ns.saturating_sub(begin))
    };
    let report = |(place, interval): (usize, &IntervalRecord)| {
        let length_s = length(interval.index) as f64 / 1e9;
        let ok = interval.tally.ok;
        let answered = interval.tally.answered;
        let costs = cpu(record.costs.get(place), record.costs.get(place + 1), answered);
        IntervalReport {
            at_s: (interval.index * plan.interval_ns) as f64 / 1e9,
            length_s,
            ok,
            errors: interval.tally.failed(),
            achieved_per_s: (length_s > 0.0).then(|| answered as f64 / length_s),
            response: LatencySummary::new(&interval.response.unpack(), &[]).filter(|_| ok > 0),
            client_us_per_message: costs.client_us_per_message,
            server_us_per_message: costs.server_us_per_message,
        }
    };
    let windows = record.intervals.iter().enumerate();
    // An interruption or a number of requests can leave an empty piece at the end.
    windows
        .map(report)
        .filter(|interval| interval.length_s > 0.0 || interval.ok + interval.errors > 0)
        .collect()
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
    if tally.ok == 0 {
        findings.push(Finding::NothingMeasured);
    }
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
    let stray = stray + total.errors.of(FailureKind::Malformed).saturating_sub(tally.mismatch);
    if stray > 0 {
        findings.push(Finding::StrayReplies { stray });
    }
    let lost = total.errors.of(FailureKind::Reset) + total.errors.of(FailureKind::Closed);
    if lost > 0 {
        findings.push(Finding::ConnectionsLost { lost });
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
    let pooled = plan.pool.is_some();
    let busy = record.busy.iter().copied().flatten().fold(0.0, f64::max);
    if busy > BUSY {
        findings.push(Finding::GeneratorBusy { busy, pooled });
    }
    if let (Some(lateness), Some(response)) =
        (&summary.send_lateness, &summary.latency.response)
        && lateness.ci95.contains_key("p99")
        && lateness.p99_ns > response.p50_ns / 10
    {
        findings.push(Finding::LateSchedule {
            lateness_p99_ns: lateness.p99_ns,
            response_p50_ns: response.p50_ns,
            pooled,
        });
    }
    if let (Some(offered), Some(achieved)) = (summary.offered_per_s, summary.achieved_per_s)
        && achieved < offered * 0.99
    {
        findings.push(Finding::BelowOfferedRate { offered, achieved });
    }
    let cores = std::thread::available_parallelism().map_or(1, Into::into);
    if let Some(server) = circumstances.server_workers
        && (plan.threads + server) as usize > cores
    {
        findings.push(Finding::SharedCores { generator: plan.threads, server, cores });
    }
    findings
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
