//! From raw records to a report: [`build`]. Adds up, divides and judges; measures nothing.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use echo_net::destinations::Destination;
use echo_net::socket::EffectiveOptions;
use serde::{Deserialize, Serialize};

use super::nouns::Nouns;
use super::slo::Evidence;
use super::verdict::Finding;
use super::{
    AddressReport, Bytes, Connections, Cpu, EarlyEnd, Environment, ErrorReport, Fairness,
    FirstOffender, GeneratorShare, Latency, LatencySummary, LinkReport, LinkSeen, NoiseFloor,
    Report, SCHEMA, ServerSide, SetUp, Slo, SocketOptionsReport, StageReport, StartReport,
    Summary, SurroundingsReport, Tcp, ThreadReport, Tool, UntilReport, Verdict,
};
use echo_bench_engine::plan::{Load, Plan, StopRule};
use echo_bench_engine::record::{self, Packed};
use echo_bench_engine::server_process::ServerProcess;
use echo_bench_engine::{CostSample, RunRecord};

mod explained;
mod judge;
mod series;
mod stages;

use judge::judge;
pub(crate) use judge::judge_together;
use series::series;

/// What is known about a run beside its plan and its record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Circumstances {
    /// When it began (RFC 3339, UTC).
    pub started_at: String,
    /// When its measured window began (RFC 3339, UTC), where known.
    pub window_started_at: Option<String>,
    /// The command line that made it; empty without one.
    #[serde(default)]
    pub command: Vec<String>,
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
    /// Whether a server that was started for the run had to be killed at the end.
    pub server_killed: bool,
    /// How such a server ended before the end of the run, if it did.
    #[serde(default)]
    pub server_ended: Option<String>,
    /// The look at which the run ended before its time, if it did.
    #[serde(default)]
    pub ended_early: Option<EarlyEnd>,
    /// What was seen of the emulated link, where the plan has one.
    #[serde(default)]
    pub link: Option<LinkSeen>,
    /// When its load began, if it was to begin at a time of day.
    #[serde(default)]
    pub start: Option<StartReport>,
    /// What an embedded server said of itself when it ended.
    #[serde(default)]
    pub server_side: Option<ServerSide>,
    /// The noise floor of the machine, where it was measured.
    #[serde(default)]
    pub noise_floor: Option<NoiseFloor>,
    /// Cores that the live view kept busy over the window, if there was one.
    #[serde(default)]
    pub live_view_busy: Option<f64>,
}

/// The report of a run. It comes about whatever the run was: a judgement that fails is a
/// warning, for what was counted must not be lost with it.
pub fn build(plan: &Plan, record: &RunRecord, circumstances: Circumstances) -> Report {
    build_with(judge, plan, record, circumstances)
}

/// See [`judge`].
type Judge = fn(&Plan, &RunRecord, &Circumstances, &Summary, &[StageReport]) -> Vec<Finding>;

fn build_with(
    judge: Judge,
    plan: &Plan,
    record: &RunRecord,
    circumstances: Circumstances,
) -> Report {
    let judged = || {
        let stages = stages::stages(plan, record, Clocks::Judged);
        let mut summary = summarise(plan, record, Clocks::Judged);
        summary.server_side.clone_from(&circumstances.server_side);
        summary.until = UntilReport::new(plan, record, circumstances.ended_early);
        summary.cpu.live_view_busy = circumstances.live_view_busy;
        let findings = judge(plan, record, &circumstances, &summary, &stages);
        let whole = evidence(plan, record, &summary);
        let slos = if plan.load.is_staged() {
            stages::judge(&circumstances.slos, plan, record, &stages, &whole)
        } else {
            circumstances.slos.iter().map(|slo| slo.judge_by(&whole)).collect()
        };
        summary.achieved_interval = whole.rate_interval();
        let series = series(plan, record, Clocks::Judged, &summary, &stages);
        (summary, stages, findings, slos, series)
    };
    // Nothing is changed by the closure that could be left in halves.
    let judged = catch_unwind(AssertUnwindSafe(judged));
    let (summary, stages, findings, slos, (intervals, drained)) = judged.unwrap_or_else(|_| {
        let mut summary = summarise(plan, record, Clocks::Counted);
        summary.server_side.clone_from(&circumstances.server_side);
        let stages = stages::stages(plan, record, Clocks::Counted);
        let slos = circumstances.slos.iter().map(Slo::unknown).collect();
        let series = series(plan, record, Clocks::Counted, &summary, &stages);
        (summary, stages, vec![Finding::NotJudged], slos, series)
    });
    let nouns = Nouns::of(plan);
    let verdict = findings.iter().map(Finding::severity).max().unwrap_or(Verdict::Valid);
    Report {
        schema: SCHEMA.into(),
        tool: Tool::this(),
        conclusion: Vec::new(),
        started_at: circumstances.started_at,
        window_started_at: circumstances.window_started_at,
        command: circumstances.command,
        labels: circumstances.labels,
        plan: plan.clone(),
        environment: circumstances.environment,
        link: LinkReport::new(plan, circumstances.link),
        start: circumstances.start,
        parts: None,
        server: circumstances.server,
        slos,
        stages,
        intervals,
        drained,
        threads: threads(record),
        errors: errors(&record.total.errors),
        warnings: findings.iter().map(|finding| finding.warning(nouns)).collect(),
        verdict,
        interrupted: record.interrupted,
        summary,
    }
}

/// What objectives are judged by. The last piece may be shorter, and holds the replies of the
/// drain.
fn evidence<'a>(plan: &Plan, record: &'a RunRecord, summary: &'a Summary) -> Evidence<'a> {
    let whole = record.measured_ns / plan.interval_ns;
    let answers = if record.pieces.len() > record.intervals.len() {
        let pieces = &record.pieces[..record.pieces.len() - 1];
        pieces.iter().map(|piece| piece.histogram().len() as f64).collect()
    } else {
        let intervals = record.intervals.iter().filter(|interval| interval.index < whole);
        intervals.map(|interval| interval.tally.answered as f64).collect()
    };
    let tallies = record.intervals.iter().map(|interval| &interval.tally);
    Evidence {
        response: summary.latency.response.as_ref(),
        // What pieces say does not account for looks; what the summary says does.
        pieces: if plan.until.is_some() { &[] } else { &record.pieces },
        achieved_per_s: summary.achieved_per_s,
        answers,
        requests: summary.requests,
        failures: tallies.map(|t| (t.failed() as f64, t.ended() as f64)).collect(),
        looked_at: false,
    }
}

/// How the summaries of clocks are made.
#[derive(Clone, Copy)]
enum Clocks {
    /// With what is known of how sure they are.
    Judged,
    /// From the counts alone.
    Counted,
}

impl Clocks {
    /// Of values that came in these pieces, or, without any, each by itself.
    fn of(self, latency: &record::Latency, pieces: &[Packed]) -> Option<LatencySummary> {
        match self {
            Self::Judged => LatencySummary::new(latency, pieces),
            Self::Counted => LatencySummary::counted(latency),
        }
    }

    /// Of requests whose response is known.
    fn like(
        self,
        latency: &record::Latency,
        response: Option<&LatencySummary>,
    ) -> Option<LatencySummary> {
        match self {
            Self::Judged => LatencySummary::like(latency, response),
            Self::Counted => LatencySummary::counted(latency),
        }
    }
}

fn summarise(plan: &Plan, record: &RunRecord, clocks: Clocks) -> Summary {
    let total = &record.total;
    let measured_s = record.measured_ns as f64 / 1e9;
    let per_s = |count: u64| (record.measured_ns > 0).then(|| count as f64 / measured_s);
    let latency = latencies(plan, record, clocks);
    let open = total.latencies.open.as_deref();
    let share = latency.response.as_ref().and_then(|response| {
        GeneratorShare::new(&record.stamped, response, |latency| {
            clocks.like(latency, Some(response))
        })
    });
    let summary = Summary {
        measured_s,
        offered_per_s: match (&plan.load, plan.stop) {
            (Load::Closed { .. }, _) => None,
            (_, StopRule::Duration { .. }) => per_s(total.tally.scheduled),
            (_, StopRule::Requests { .. }) => record.due.rate_per_s(total.tally.scheduled),
        },
        // A run of a number of requests has no window of its own: it is over with the last of
        // them, which would count without the time that follows it.
        achieved_per_s: match plan.stop {
            StopRule::Duration { .. } => per_s(total.tally.answered),
            StopRule::Requests { .. } if total.tally.ok == 0 => per_s(0),
            StopRule::Requests { .. } => record.replies.rate_per_s(total.tally.ok),
        },
        achieved_interval: None,
        answered_in_window: total.tally.answered,
        requests: total.tally.requests(),
        bytes: Bytes { sent: total.tally.bytes_sent, received: total.tally.bytes_received },
        connections: Connections {
            requested: plan.connections_at_start(),
            established: record.established,
            alive_at_end: record.alive_at_end,
            reconnects: record.reconnects,
            connect_phase_ns: record.connect_phase_ns,
        },
        addresses: record.destinations.iter().map(address).collect(),
        send_lateness: open
            .and_then(|open| clocks.like(&open.lateness, latency.response.as_ref())),
        generator_share: share,
        unstamped: record.unstamped.clone(),
        until: None,
        surroundings: Some(SurroundingsReport::new(record)),
        fairness: Fairness::new(&record.served),
        in_flight_mean: record.outstanding_mean,
        cpu: cpu(record.costs.first(), record.costs.last(), total.tally.answered),
        tcp: tcp(plan, record),
        socket: socket(plan, record),
        server_side: None,
        pool: record.pool.map(Into::into),
        set_up: SetUp {
            connect: clocks.of(&record.set_up_connect, &[]),
            tls: clocks.of(&record.set_up_handshakes.full, &[]),
            tls_resumed: clocks.of(&record.set_up_handshakes.resumed, &[]),
            login: clocks.of(&record.set_up_handshakes.login, &[]),
        },
        latency,
    };
    if plan.load.is_staged() { stages::without_averages(summary) } else { summary }
}

fn threads(record: &RunRecord) -> Vec<ThreadReport> {
    let denied = record.denied.iter().copied().chain(std::iter::repeat(None));
    let threads = record.busy.iter().zip(denied);
    threads.map(|(&busy, denied)| ThreadReport { busy, denied }).collect()
}

fn address(destination: &Destination) -> AddressReport {
    let Destination { address, made, failed, failure } = destination;
    let (address, failure) = (address.to_string(), failure.clone());
    AddressReport { address, made: *made, failed: *failed, failure }
}

fn latencies(plan: &Plan, record: &RunRecord, clocks: Clocks) -> Latency {
    let total = &record.total;
    // Without a successful reply there is no latency, only ages.
    let valid = |summary: Option<LatencySummary>| summary.filter(|_| total.tally.ok > 0);
    let response = valid(clocks.of(&total.latencies.response, &record.pieces));
    // The other clocks of requests take from it what their values are worth.
    let response = match clocks {
        Clocks::Judged if plan.until.is_some() => {
            response.map(|response| response.looked_at(&total.latencies.response))
        }
        _ => response,
    };
    let (wait, service) = match total.latencies.open.as_deref() {
        None => (None, response.clone()),
        Some(open) => {
            let like = |clock| valid(clocks.like(clock, response.as_ref()));
            (like(&open.wait), like(&open.service))
        }
    };
    let connect = clocks.of(&record.connect, &[]);
    let tls = clocks.of(&record.handshakes.full, &[]);
    let tls_resumed = clocks.of(&record.handshakes.resumed, &[]);
    let login = clocks.of(&record.handshakes.login, &[]);
    let like = |clock| valid(clocks.like(clock, response.as_ref()));
    let (path, pickup) = (like(&record.stamped.path), like(&record.stamped.pickup));
    Latency { connect, tls, tls_resumed, login, wait, service, response, path, pickup }
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
        live_view_busy: None,
        client_peak_rss_bytes: client.map(|usage| usage.peak_rss_bytes),
        server_peak_rss_bytes: server.map(|usage| usage.peak_rss_bytes),
    }
}

fn socket(plan: &Plan, record: &RunRecord) -> Option<SocketOptionsReport> {
    let kernel = &record.kernel;
    let fastopen = (plan.socket.opens_fast() && kernel.connections > 0)
        .then_some(kernel.with_syn_data > 0);
    let effective = EffectiveOptions { fastopen, ..kernel.options? };
    Some(SocketOptionsReport::new(&plan.socket.options(), &effective))
}

fn tcp(plan: &Plan, record: &RunRecord) -> Option<Tcp> {
    let kernel = &record.kernel;
    (kernel.connections > 0).then(|| Tcp {
        connections: kernel.connections,
        with_syn_data: plan.socket.opens_fast().then_some(kernel.with_syn_data),
        retransmits: kernel.retransmits,
        rtt_median_us: kernel.rtt_median_us(),
        min_rtt_us: kernel.min_rtt_us,
        send_buffer: kernel.options.map(|options| options.send_buffer),
        recv_buffer: kernel.options.map(|options| options.recv_buffer),
    })
}

fn errors(errors: &record::Errors) -> Vec<ErrorReport> {
    errors
        .iter()
        .map(|&record::Failures { kind, phase, count, requests, ref first }| ErrorReport {
            kind: kind.to_string(),
            phase: Some(phase),
            count,
            requests: Some(requests),
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

#[cfg(test)]
mod tests;
