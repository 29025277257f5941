//! Several reports of one plan as one: [`merge`]. Histograms and counts add up without loss,
//! windows are laid end to end, and percentiles come from the merged histograms. Refuses
//! reports that differ in anything that decides the numbers.

use std::time::{Duration, SystemTime};

use crate::compare::settings_that_differ;
use crate::report::document::{Invalid, Stored};
use crate::report::slo::Evidence;
use crate::report::{
    AddressReport, Bytes, CLOCKS, Connections, Cpu, ErrorReport, GeneratorShare,
    IntervalReport, Latency, LatencySummary, LinkReport, Report, Requests, ServerSide, SetUp,
    Slo, SocketOptionsReport, Summary, Tcp, judge_together,
};
use echo_bench_engine::record;

mod stages;

/// Most reports that are merged: sums of so many valid counts fit into their type.
const MOST_REPORTS: usize = 1000;

/// Why reports can't be merged.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// None at all.
    #[error("there is no report to merge")]
    Nothing,
    /// They are not repeats of one plan on one machine.
    #[error(
        "the reports differ in {0}; merge only repeats of one plan on one machine (compare tells such reports apart)"
    )]
    Differ(String),
    /// They overlap: the load of one, warm-up included, and the window of another.
    #[error(
        "the runs of {0} and {1} overlap, so their rates would have to be added up; merge runs that were made in turn"
    )]
    Overlap(String, String),
    /// A time that is none.
    #[error("`{0}` is no time that a run could have begun")]
    StartedAt(String),
    /// More than anyone has.
    #[error("{0} reports are too many to merge (at most {MOST_REPORTS})")]
    TooMany(usize),
    /// Sums that no run can have.
    #[error("the reports together can't be one: {0}")]
    Together(Invalid),
    /// A damaged histogram.
    #[error("the report of {0} has a histogram that can't be read")]
    Histogram(String),
}

/// `reports` as one, in the order of time.
///
/// # Errors
/// What makes them unfit to be one.
pub fn merge(reports: &[Report]) -> Result<Report, MergeError> {
    let mut reports: Vec<&Report> = reports.iter().collect();
    reports.sort_by(|a, b| a.started_at.cmp(&b.started_at));
    let Some((&first, others)) = reports.split_first() else {
        return Err(MergeError::Nothing);
    };
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
    let mut summary = summary(&reports)?;
    summary.achieved_interval = evidence(&reports, &summary).rate_interval();
    let mut slos: Vec<Slo> = Vec::new();
    for slo in first.slos.iter().filter_map(|outcome| outcome.slo.parse().ok()) {
        // One that was judged by several stages is there several times.
        if !slos.contains(&slo) {
            slos.push(slo);
        }
    }
    let stages = stages::merged(&reports);
    let mut labels = first.labels.clone();
    labels
        .retain(|key, value| others.iter().all(|report| report.labels.get(key) == Some(value)));
    let mut merged = Report {
        command: Vec::new(),
        conclusion: Vec::new(),
        labels,
        intervals: intervals(&reports),
        drained: LatencySummary::merged(reports.iter().filter_map(|r| r.drained.as_ref())),
        threads: reports.iter().flat_map(|report| report.threads.clone()).collect(),
        errors: errors(&reports),
        warnings: Vec::new(),
        server: first
            .server
            .clone()
            .filter(|_| others.iter().all(|r| r.server == first.server)),
        link: first.link.as_ref().map(LinkReport::of_several),
        interrupted: reports.iter().any(|report| report.interrupted),
        slos: {
            let whole = evidence(&reports, &summary);
            if stages.is_empty() {
                slos.iter().map(|slo| slo.judge_by(&whole)).collect()
            } else {
                stages::judge(&slos, &reports, &stages, &whole)
            }
        },
        stages,
        summary,
        ..first.clone()
    };
    (merged.warnings, merged.verdict) = judge_together(&merged, &reports);
    merged.validate().map_err(MergeError::Together)?;
    Ok(merged)
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

fn summary(reports: &[&Report]) -> Result<Summary, MergeError> {
    let all = || reports.iter().map(|report| &report.summary);
    let measured_s: f64 = all().map(|summary| summary.measured_s).sum();
    let mut requests = Requests::default();
    all().for_each(|summary| requests += &summary.requests);
    let rate = |count: u64| (measured_s > 0.0).then(|| count as f64 / measured_s);
    let over_time = |value: fn(&Summary) -> Option<f64>| {
        let sum: Option<f64> = all().map(|s| Some(value(s)? * s.measured_s)).sum();
        sum.filter(|_| measured_s > 0.0).map(|sum| sum / measured_s)
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
            connect_phase_ns: all()
                .map(|summary| summary.connections.connect_phase_ns)
                .fold(0, u64::saturating_add),
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
        // Which connection of one run is which of another nobody knows: that of the least fair.
        fairness: all()
            .filter_map(|summary| summary.fairness.as_ref())
            .min_by(|a, b| b.below_tenth.cmp(&a.below_tenth).then(a.jain.total_cmp(&b.jain)))
            .cloned(),
        in_flight_mean: over_time(|summary| summary.in_flight_mean),
        cpu: Cpu {
            client_us_per_message: per_message(reports, |cpu| cpu.client_us_per_message),
            server_us_per_message: per_message(reports, |cpu| cpu.server_us_per_message),
            client_busy: over_time(|summary| summary.cpu.client_busy),
            server_busy: over_time(|summary| summary.cpu.server_busy),
            client_context_switches: all().map(|s| s.cpu.client_context_switches).sum(),
            server_context_switches: all().map(|s| s.cpu.server_context_switches).sum(),
            client_peak_rss_bytes: all().filter_map(|s| s.cpu.client_peak_rss_bytes).max(),
            server_peak_rss_bytes: all().filter_map(|s| s.cpu.server_peak_rss_bytes).max(),
        },
        tcp: tcp(reports),
        socket: SocketOptionsReport::merged(all().filter_map(|s| s.socket.as_ref())),
        server_side: ServerSide::merged(all().filter_map(|s| s.server_side.as_ref())),
    };
    for clock in &CLOCKS {
        *(clock.slot)(&mut summary) = latency(reports, clock.of)?;
    }
    let shares = all().filter_map(|summary| summary.generator_share.as_ref());
    let response = summary.latency.response.as_ref();
    summary.generator_share = response.and_then(|all| GeneratorShare::merged(shares, all));
    Ok(summary)
}

/// What objectives are judged by. The last interval of each run may be shorter.
pub(crate) fn evidence<'a>(reports: &[&Report], summary: &'a Summary) -> Evidence<'a> {
    let intervals = || reports.iter().flat_map(|report| &report.intervals);
    let whole = reports.iter().flat_map(|report| {
        let length_s = report.plan.interval_ns as f64 / 1e9;
        report.intervals.iter().filter(move |piece| piece.length_s >= length_s)
    });
    Evidence {
        response: summary.latency.response.as_ref(),
        achieved_per_s: summary.achieved_per_s,
        answers: whole.map(IntervalReport::answered).collect(),
        requests: summary.requests,
        failures: intervals()
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

/// A clock of all reports. How many independent values it is worth is added up, too: runs
/// are independent of each other.
fn latency(
    reports: &[&Report],
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
    let independent = |name: &str| {
        clocks.iter().map(|clock| clock.independent.get(name).copied().unwrap_or(0)).sum()
    };
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

fn intervals(reports: &[&Report]) -> Vec<IntervalReport> {
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
