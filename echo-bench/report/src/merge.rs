//! Several reports of one plan as one: [`merge`]. Histograms and counts add up without loss,
//! windows are laid end to end, and percentiles come from the merged histograms. Refuses
//! reports that differ in anything that decides the numbers.

use std::time::{Duration, SystemTime};

use crate::compare::settings_that_differ;
use crate::report::document::Stored;
use crate::report::slo::Evidence;
use crate::report::{
    AddressReport, Bytes, CLOCKS, Connections, Cpu, ErrorReport, Fairness, GeneratorShare,
    IntervalReport, Latency, LatencySummary, LinkReport, Report, Requests, ServerSide, SetUp,
    Slo, SocketOptionsReport, Summary, Tcp, Together, judge_together,
};
use echo_bench_engine::record;

mod at_once;
mod error;
mod parts;
mod stages;

pub use error::MergeError;
pub use parts::{PartOfRun, merge_parts};

/// Most reports that are merged: sums of so many valid counts fit into their type.
const MOST_REPORTS: usize = 1000;

/// `reports` as one: repeats of a run in the order of time, or all parts of one.
///
/// # Errors
/// What makes them unfit to be one.
pub fn merge(reports: &[Report]) -> Result<Report, MergeError> {
    if reports.iter().any(|report| report.plan.part.is_some()) {
        let parts = reports.iter().map(PartOfRun::from).collect();
        return merge_parts(parts, &[], false, None);
    }
    let mut reports: Vec<&Report> = reports.iter().collect();
    reports.sort_by(|a, b| a.started_at.cmp(&b.started_at));
    if reports.len() > MOST_REPORTS {
        return Err(MergeError::TooMany(reports.len()));
    }
    let differ = settings_that_differ(&reports);
    if !differ.is_empty() {
        return Err(MergeError::Differ(differ.join("; ")));
    }
    for pair in reports.windows(2) {
        if end(pair[0])? > start(pair[1])? {
            let [a, b] = [pair[0], pair[1]].map(|report| report.started_at.clone());
            return Err(MergeError::Overlap(a, b));
        }
    }
    let of_parts = reports.iter().find(|report| report.parts.is_some());
    if let Some(of_parts) = of_parts.filter(|_| reports.len() > 1) {
        // Whose number it is of a part of one run or of another nobody could say.
        return Err(MergeError::OfParts(of_parts.started_at.clone()));
    }
    let mut merged = combined(&reports, Together::InTurn)?;
    (merged.warnings, merged.verdict) = judge_together(&merged, &reports);
    merged.validate().map_err(MergeError::Together)?;
    Ok(merged)
}

/// The numbers of runs of one plan as one, which is not judged yet; the plan is that of the first.
fn combined(reports: &[&Report], together: Together) -> Result<Report, MergeError> {
    let Some((&first, others)) = reports.split_first() else {
        return Err(MergeError::Nothing);
    };
    let mut summary = summary(reports, together)?;
    let intervals = match together {
        Together::InTurn => in_turn(reports),
        Together::AtOnce => at_once::intervals(reports, &summary),
    };
    summary.achieved_interval = evidence_of(reports, &intervals, &summary).rate_interval();
    let mut slos: Vec<Slo> = Vec::new();
    for slo in first.slos.iter().filter_map(|outcome| outcome.slo.parse().ok()) {
        // One that was judged by several stages is there several times.
        if !slos.contains(&slo) {
            slos.push(slo);
        }
    }
    let stages = stages::merged(reports, together);
    let mut labels = first.labels.clone();
    labels
        .retain(|key, value| others.iter().all(|report| report.labels.get(key) == Some(value)));
    Ok(Report {
        command: Vec::new(),
        conclusion: Vec::new(),
        labels,
        drained: LatencySummary::merged_as(
            together,
            reports.iter().filter_map(|r| r.drained.as_ref()),
        ),
        threads: reports.iter().flat_map(|report| report.threads.clone()).collect(),
        errors: errors(reports),
        warnings: Vec::new(),
        server: first
            .server
            .clone()
            .filter(|_| others.iter().all(|r| r.server == first.server)),
        link: first.link.as_ref().map(LinkReport::of_several),
        start: None,
        interrupted: reports.iter().any(|report| report.interrupted),
        slos: {
            let whole = evidence_of(reports, &intervals, &summary);
            if stages.is_empty() {
                slos.iter().map(|slo| slo.judge_by(&whole)).collect()
            } else {
                stages::judge(&slos, reports, &stages, &intervals, &whole)
            }
        },
        stages,
        intervals,
        summary,
        ..first.clone()
    })
}

/// When a run began, its set-up included.
fn start(report: &Report) -> Result<SystemTime, MergeError> {
    instant(&report.started_at)
}

/// When its window ended. Older reports do not say when that began: not before the warm-up was
/// over.
fn end(report: &Report) -> Result<SystemTime, MergeError> {
    let begin = match &report.window_started_at {
        Some(at) => instant(at)?.max(start(report)?),
        None => start(report)? + Duration::from_nanos(report.plan.warmup_ns),
    };
    Ok(begin + Duration::from_secs_f64(report.summary.measured_s))
}

fn instant(text: &str) -> Result<SystemTime, MergeError> {
    humantime::parse_rfc3339(text).map_err(|_| MergeError::StartedAt(text.to_owned()))
}

fn summary(reports: &[&Report], together: Together) -> Result<Summary, MergeError> {
    let all = || reports.iter().map(|report| &report.summary);
    let measured_s = together.length(all().map(|summary| summary.measured_s));
    let mut requests = Requests::default();
    all().for_each(|summary| requests += &summary.requests);
    let rate = |count: u64| (measured_s > 0.0).then(|| count as f64 / measured_s);
    let over_time = |value: fn(&Summary) -> Option<f64>| {
        together.level(all().map(|summary| (value(summary), summary.measured_s)))
    };
    let connections = |of: fn(&Connections) -> u32| {
        all().map(|summary| of(&summary.connections)).fold(0, u32::saturating_add)
    };
    let mut summary = Summary {
        measured_s,
        offered_per_s: all()
            .all(|summary| summary.offered_per_s.is_some())
            .then(|| rate(requests.scheduled))
            .flatten(),
        achieved_per_s: rate(all().map(|summary| summary.answered_in_window).sum()),
        achieved_interval: None,
        answered_in_window: all().map(|summary| summary.answered_in_window).sum(),
        requests,
        bytes: Bytes {
            sent: all().map(|summary| summary.bytes.sent).sum(),
            received: all().map(|summary| summary.bytes.received).sum(),
        },
        connections: Connections {
            requested: connections(|connections| connections.requested),
            established: connections(|connections| connections.established),
            alive_at_end: connections(|connections| connections.alive_at_end),
            reconnects: all().map(|summary| summary.connections.reconnects).sum(),
            connect_phase_ns: {
                let phases = all().map(|summary| summary.connections.connect_phase_ns);
                match together {
                    Together::InTurn => phases.fold(0, u64::saturating_add),
                    Together::AtOnce => phases.max().unwrap_or(0),
                }
            },
        },
        addresses: addresses(reports),
        pool: all().filter_map(|summary| summary.pool).reduce(|mut sum, one| {
            sum += &one;
            sum
        }),
        set_up: SetUp::default(),
        latency: Latency::default(),
        send_lateness: None,
        generator_share: None,
        unstamped: all()
            .find_map(|summary| summary.unstamped.clone())
            .filter(|_| all().all(|summary| summary.latency.path.is_none())),
        until: None,
        surroundings: None,
        fairness: fairness(reports, together),
        in_flight_mean: over_time(|summary| summary.in_flight_mean),
        cpu: Cpu {
            client_us_per_message: per_message(reports, |cpu| cpu.client_us_per_message),
            server_us_per_message: match together {
                Together::InTurn => per_message(reports, |cpu| cpu.server_us_per_message),
                Together::AtOnce => at_once::server_us_per_message(reports),
            },
            client_busy: over_time(|summary| summary.cpu.client_busy),
            live_view_busy: over_time(|summary| summary.cpu.live_view_busy),
            server_busy: match together {
                Together::InTurn => over_time(|summary| summary.cpu.server_busy),
                Together::AtOnce => at_once::greatest(reports, |cpu| cpu.server_busy),
            },
            client_context_switches: all().map(|s| s.cpu.client_context_switches).sum(),
            server_context_switches: match together {
                Together::InTurn => all().map(|s| s.cpu.server_context_switches).sum(),
                // One server, which every part on its machine has seen.
                Together::AtOnce => all().filter_map(|s| s.cpu.server_context_switches).max(),
            },
            client_peak_rss_bytes: together
                .used(all().filter_map(|s| s.cpu.client_peak_rss_bytes)),
            server_peak_rss_bytes: all().filter_map(|s| s.cpu.server_peak_rss_bytes).max(),
        },
        tcp: tcp(reports),
        socket: SocketOptionsReport::merged(all().filter_map(|s| s.socket.as_ref())),
        server_side: ServerSide::merged(all().filter_map(|s| s.server_side.as_ref())),
    };
    for clock in &CLOCKS {
        *(clock.slot)(&mut summary) = latency(reports, together, clock.of)?;
    }
    let shares = all().filter_map(|summary| summary.generator_share.as_ref());
    let response = summary.latency.response.as_ref();
    summary.generator_share =
        response.and_then(|all| GeneratorShare::merged(together, shares, all));
    Ok(summary)
}

/// How evenly connections were served. Which one of a run is which of another nobody knows: that
/// of the least fair. Those of parts are each another one.
fn fairness(reports: &[&Report], together: Together) -> Option<Fairness> {
    let all = reports.iter().filter_map(|report| report.summary.fairness.as_ref());
    match together {
        Together::AtOnce => Fairness::of_parts(&all.collect::<Vec<_>>()),
        Together::InTurn => all
            .min_by(|a, b| b.below_tenth.cmp(&a.below_tenth).then(a.jain.total_cmp(&b.jain)))
            .cloned(),
    }
}

/// What objectives are judged by.
pub(crate) fn evidence<'a>(reports: &[&Report], summary: &'a Summary) -> Evidence<'a> {
    let intervals: Vec<_> =
        reports.iter().flat_map(|report| &report.intervals).cloned().collect();
    evidence_of(reports, &intervals, summary)
}

/// The same, given the intervals of all. The last one of each run may be shorter.
fn evidence_of<'a>(
    reports: &[&Report],
    intervals: &[IntervalReport],
    summary: &'a Summary,
) -> Evidence<'a> {
    let length_s = reports.first().map_or(0.0, |report| report.plan.interval_ns as f64 / 1e9);
    let whole = intervals.iter().filter(|piece| piece.length_s >= length_s);
    Evidence {
        response: summary.latency.response.as_ref(),
        achieved_per_s: summary.achieved_per_s,
        answers: whole.map(IntervalReport::answered).collect(),
        requests: summary.requests,
        failures: intervals
            .iter()
            .map(|piece| (piece.errors as f64, (piece.ok + piece.errors) as f64))
            .collect(),
        ..Evidence::default()
    }
}

fn addresses(reports: &[&Report]) -> Vec<AddressReport> {
    let mut merged: Vec<AddressReport> = Vec::new();
    for one in reports.iter().flat_map(|report| &report.summary.addresses) {
        match merged.iter_mut().find(|known| known.address == one.address) {
            Some(known) => {
                known.made += one.made;
                known.failed += one.failed;
                known.failure = known.failure.take().or_else(|| one.failure.clone());
            }
            None => merged.push(one.clone()),
        }
    }
    merged
}

/// A clock of all reports.
fn latency(
    reports: &[&Report],
    together: Together,
    clock: fn(&Summary) -> Option<&LatencySummary>,
) -> Result<Option<LatencySummary>, MergeError> {
    let mut merged = record::Latency::default();
    let mut clocks = Vec::new();
    for report in reports {
        let Some(clock) = clock(&report.summary) else { continue };
        let damaged = || MergeError::Histogram(report.started_at.clone());
        merged += &clock.latency().ok_or_else(damaged)?;
        clocks.push(clock);
    }
    let independent = LatencySummary::worth_together(together, &clocks);
    Ok(LatencySummary::with_independent(&merged, independent))
}

fn per_message(reports: &[&Report], cost: fn(&Cpu) -> Option<f64>) -> Option<f64> {
    let answered = |report: &Report| report.summary.answered_in_window as f64;
    let total: Option<f64> = reports
        .iter()
        // A run without answers has no cost per answer.
        .filter(|report| report.summary.answered_in_window > 0)
        .map(|report| Some(cost(&report.summary.cpu)? * answered(report)))
        .sum();
    let messages: f64 = reports.iter().map(|report| answered(report)).sum();
    total.filter(|_| messages > 0.0).map(|total| total / messages)
}

fn tcp(reports: &[&Report]) -> Option<Tcp> {
    let all: Vec<&Tcp> = reports.iter().filter_map(|r| r.summary.tcp.as_ref()).collect();
    let first = all.first()?;
    let same = |value: fn(&Tcp) -> Option<usize>| {
        value(first).filter(|_| all.iter().all(|tcp| value(tcp) == value(first)))
    };
    Some(Tcp {
        connections: all.iter().map(|tcp| tcp.connections).sum(),
        with_syn_data: all.iter().map(|tcp| tcp.with_syn_data).sum(),
        retransmits: all.iter().map(|tcp| tcp.retransmits).sum(),
        // A median of medians is none.
        rtt_median_us: first.rtt_median_us.filter(|_| all.len() == 1),
        min_rtt_us: all.iter().filter_map(|tcp| tcp.min_rtt_us).min(),
        send_buffer: same(|tcp| tcp.send_buffer),
        recv_buffer: same(|tcp| tcp.recv_buffer),
    })
}

/// Those of runs in turn, one after the other.
fn in_turn(reports: &[&Report]) -> Vec<IntervalReport> {
    let mut before_s = 0.0;
    let mut intervals = Vec::new();
    for report in reports {
        let shifted = |interval: &IntervalReport| IntervalReport {
            at_s: interval.at_s + before_s,
            ..interval.clone()
        };
        intervals.extend(report.intervals.iter().map(shifted));
        before_s += report.summary.measured_s;
    }
    intervals
}

fn errors(reports: &[&Report]) -> Vec<ErrorReport> {
    let mut merged: Vec<ErrorReport> = Vec::new();
    for error in reports.iter().flat_map(|report| &report.errors) {
        let is_same =
            |known: &&mut ErrorReport| (&known.kind, known.phase) == (&error.kind, error.phase);
        match merged.iter_mut().find(is_same) {
            Some(known) => {
                known.count = known.count.saturating_add(error.count);
                let sum = |(ours, theirs): (u64, u64)| ours.saturating_add(theirs);
                known.requests = known.requests.zip(error.requests).map(sum);
            }
            None => merged.push(error.clone()),
        }
    }
    merged
}

#[cfg(test)]
mod tests;
