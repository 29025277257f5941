//! A published study: what a reader must know before its findings (`facts`), and the findings
//! themselves, whose numbers are taken from the sweep (`findings`). Nothing that a study says
//! with an interval is typed by hand.

use std::collections::BTreeMap;

use echo_net::address::Transport;

use super::conclusion::{listed, percent};
use super::{Row, units};
use crate::compare::Metric;
use crate::report::{QUANTILES, Report, SocketOptionsReport, TcpReport, Verdict};
use crate::sweep::{Cell, Sweep};

mod reference;

pub(crate) use reference::findings;
pub use reference::{UnfitNotes, UnfitReference};

/// Cells that are named one by one; of more, their number.
const MOST_NAMED: usize = 6;

/// What made the runs, how far they can be trusted, and why not further.
pub(crate) fn facts(sweep: &Sweep) -> Vec<Row> {
    let runs: Vec<&Report> = sweep.cells.iter().flat_map(|cell| &cell.runs).collect();
    let mut rows = vec![
        Row::new("made by", format!("{}, {}", makers(sweep, &runs), dates(&runs))),
        Row::new("machine", machines(&runs)),
        Row::new("congestion control", congestion(&runs)),
        Row::new("verdicts", verdicts(&runs)),
    ];
    rows.extend(causes(sweep).into_iter().map(|cause| Row::new("not valid by", cause)));
    rows.extend(own_shares(&runs).map(|share| Row::new("own share", share)));
    rows.push(Row::new("kernel", kernel_counts(&runs)));
    rows.push(Row::new("requests", requests(&runs)));
    rows.extend(drift(sweep).map(|drift| Row::new("drift", drift)));
    rows
}

/// The different values that runs have, in the order in which they were first seen.
fn different<T: PartialEq>(values: impl IntoIterator<Item = T>) -> Vec<T> {
    let mut seen = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    seen
}

/// What made the runs, and what analysed them if that was another program.
fn makers(sweep: &Sweep, runs: &[&Report]) -> String {
    let makers = different(runs.iter().map(|run| run.tool.to_string()));
    let analysed = sweep.tool.to_string();
    if makers.contains(&analysed) {
        listed(&makers)
    } else {
        format!("{} (analysed by {analysed})", listed(&makers))
    }
}

fn dates(runs: &[&Report]) -> String {
    // RFC 3339, UTC: text in the order of time, to the minute here.
    let minute = |text: &String| text.chars().take(16).collect::<String>();
    let starts = || runs.iter().map(|run| &run.started_at);
    match (starts().min().map(minute), starts().max().map(minute)) {
        (Some(first), Some(last)) => format!("runs begun from {first} to {last} UTC"),
        _ => "no run".into(),
    }
}

fn machines(runs: &[&Report]) -> String {
    let machine = |run: &&Report| {
        let environment = &run.environment;
        let cores = environment.cores.map(|cores| units::counted(cores as u64, "core"));
        let path = match &run.link {
            Some(_) => "emulated link",
            None if run.plan.transport == Transport::Unix => "unix-domain sockets",
            None if environment.loopback => "loopback",
            None => "network",
        };
        let known = [environment.cpu_model.clone(), cores, environment.kernel.clone()];
        let mut parts: Vec<String> = known.into_iter().flatten().collect();
        parts.push(path.into());
        parts.join(", ")
    };
    different(runs.iter().map(machine)).join("; ")
}

fn congestion(runs: &[&Report]) -> String {
    let names = different(runs.iter().map(|run| congestion_of(run)));
    listed(&names)
}

/// What the sockets of both sides had; of reports that do not say, the setting of the system.
fn congestion_of(run: &Report) -> String {
    if run.plan.transport == Transport::Unix {
        return "none (unix-domain sockets)".into();
    }
    let summary = &run.summary;
    let of = |socket: Option<&SocketOptionsReport>| socket.and_then(|s| s.congestion.clone());
    let generator = of(summary.socket.as_ref());
    let server = of(summary.server_side.as_ref().and_then(|side| side.socket.as_ref()));
    match (generator, server) {
        (Some(both), Some(server)) if both == server => both,
        (Some(generator), Some(server)) => format!("{generator} (server: {server})"),
        (Some(generator), None) => generator,
        (None, _) => {
            run.environment.congestion_control.clone().unwrap_or_else(|| "not known".into())
        }
    }
}

fn verdicts(runs: &[&Report]) -> String {
    let count =
        |verdict| units::count(runs.iter().filter(|r| r.verdict == verdict).count() as u64);
    format!(
        "{} valid, {} qualified, {} invalid",
        count(Verdict::Valid),
        count(Verdict::Qualified),
        count(Verdict::Invalid),
    )
}

/// What warns of runs that are not valid, and the cells that it touches.
fn causes(sweep: &Sweep) -> Vec<String> {
    let mut found: BTreeMap<&str, Vec<(&Cell, usize)>> = BTreeMap::new();
    for cell in &sweep.cells {
        let doubtful = cell.runs.iter().filter(|run| run.verdict != Verdict::Valid);
        let codes = doubtful.flat_map(|run| {
            different(run.warnings.iter().map(|warning| warning.code.as_str()))
        });
        for code in codes {
            let cells = found.entry(code).or_default();
            match cells.last_mut() {
                Some((last, runs)) if std::ptr::eq(*last, cell) => *runs += 1,
                _ => cells.push((cell, 1)),
            }
        }
    }
    let all = sweep.cells.len();
    let told = found.into_iter().map(|(code, cells)| {
        let runs: usize = cells.iter().map(|(_, runs)| runs).sum();
        let names = cells.iter().map(|(cell, _)| cell.name.as_str());
        let names = match cells.len() {
            count if count == all => "in every cell".to_owned(),
            count if count > MOST_NAMED => format!("in {count} of {all} cells"),
            _ => format!("at {}", names.collect::<Vec<_>>().join("; ")),
        };
        format!("{code}: {}, {names}", units::counted(runs as u64, "run"))
    });
    told.collect()
}

/// The generator's part of the median and of the tail: its median and its extremes over runs.
fn own_shares(runs: &[&Report]) -> Option<String> {
    let of = |quantile: &str| {
        let share = |run: &&Report| -> Option<f64> {
            let own = run.summary.generator_share.as_ref()?;
            own.quantiles.get(quantile).map(|part| part.share)
        };
        let mut shares: Vec<f64> = runs.iter().filter_map(share).collect();
        shares.sort_by(f64::total_cmp);
        let (least, most) = (*shares.first()?, *shares.last()?);
        let median = shares[shares.len() / 2];
        let known = units::count(shares.len() as u64);
        Some(format!(
            "{} of {quantile} (median of {known} runs; from {} to {})",
            percent(median),
            percent(least),
            percent(most),
        ))
    };
    let told: Vec<String> = ["p50", "p99"].into_iter().filter_map(of).collect();
    (!told.is_empty()).then(|| told.join(", "))
}

/// What the kernel counted in all runs together.
fn kernel_counts(runs: &[&Report]) -> String {
    let seen: Vec<_> =
        runs.iter().filter_map(|run| run.summary.surroundings.as_ref()?.tcp.as_ref()).collect();
    if seen.is_empty() {
        return "its counters were not read".into();
    }
    let sum =
        |count: fn(&TcpReport) -> u64| units::count(seen.iter().map(|tcp| count(tcp)).sum());
    format!(
        "{} segments sent again, {} retransmission timeouts, {} delayed acknowledgements, in \
         the windows of {} runs",
        sum(|tcp| tcp.retransmits),
        sum(|tcp| tcp.timeouts),
        sum(|tcp| tcp.delayed_acks),
        units::count(seen.len() as u64),
    )
}

fn requests(runs: &[&Report]) -> String {
    let sum = |count: fn(&Report) -> u64| runs.iter().map(|run| count(run)).sum::<u64>();
    let scheduled = sum(|run| run.summary.requests.scheduled);
    let ok = sum(|run| run.summary.requests.ok);
    format!("{} scheduled, {} ok", units::count(scheduled), units::count(ok))
}

/// How the rounds differ from their mean, in the metric that the ranking goes by: each round
/// holds every cell once, so what moves all of them is the machine.
fn drift(sweep: &Sweep) -> Option<String> {
    let metric = sweep.analysis.ranked_by;
    let rounds = sweep.plan.repeats as usize;
    let whole = sweep.cells.iter().filter(|cell| cell.runs.len() == rounds);
    let logs: Vec<Vec<f64>> = whole
        .filter_map(|cell| cell.runs.iter().map(|run| measured(run, metric)).collect())
        .collect();
    if rounds < 2 || logs.is_empty() {
        return None;
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let of_round = |round: usize| {
        let own: Vec<f64> = logs.iter().map(|cell| cell[round] - mean(cell)).collect();
        format!("{:.3}", mean(&own).exp())
    };
    let ratios: Vec<String> = (0..rounds).map(of_round).collect();
    Some(format!(
        "{metric} of the rounds by their mean, over {}: {} (effects are taken within rounds where there are enough)",
        units::counted(logs.len() as u64, "cell"),
        ratios.join(", ")
    ))
}

/// The logarithm of a metric of a run that a ranking may go by.
fn measured(run: &Report, metric: Metric) -> Option<f64> {
    let value = match metric.quantile() {
        Some(quantile) => {
            let known = QUANTILES.iter().find(|known| known.quantile >= quantile)?;
            run.summary.latency.response.as_ref()?.quantile_ns(known) as f64
        }
        None => run.summary.achieved_per_s?,
    };
    (value > 0.0).then(|| value.ln())
}

#[cfg(test)]
mod tests;
