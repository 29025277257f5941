//! An emulated link in words: [`rows`].

use super::{Row, Tone, units};
use crate::report::{LinkReport, Report};
use echo_bench_link::{DirectionCounts, LinkCounts};

/// What was asked for and what the link did; empty without one.
pub(super) fn rows(report: &Report) -> Vec<Row> {
    let Some(link) = &report.link else { return Vec::new() };
    let mut rows = vec![Row::new("link", asked(link))];
    if let Some(counts) = &link.counts {
        rows.push(Row::new("packets", packets(counts)));
        rows.push(Row { tone: tone(counts), ..Row::new("forwarder", forwarder(link)) });
    }
    rows
}

fn asked(link: &LinkReport) -> String {
    let own = link.own_rtt_ns.map_or(String::new(), |own| {
        format!("; overhead {} in a round trip without delay", units::time(own as f64))
    });
    format!("emulated, {}{own}", link.spec.described())
}

fn packets(counts: &LinkCounts) -> String {
    let directions = [("to the server", counts.to_server), ("back", counts.to_generator)];
    directions.map(|(name, counts)| direction(name, counts)).join("; ")
}

fn direction(name: &str, counts: DirectionCounts) -> String {
    let DirectionCounts { packets, lost, dropped_queue_full: full, .. } = counts;
    let endings = [(lost, "lost"), (full, "dropped, queue full")];
    let endings = endings.into_iter().filter(|(count, _)| *count > 0);
    let endings = endings.map(|(count, how)| {
        format!("{} {how} ({})", units::count(count), units::share(count, packets))
    });
    let packets = format!("{} {name}", units::count(packets));
    std::iter::once(packets).chain(endings).collect::<Vec<_>>().join(", ")
}

fn forwarder(link: &LinkReport) -> String {
    let late = link.lateness().map_or_else(
        || "no packets".to_owned(),
        |late| {
            let [p50, p99, max] =
                [late.p50_ns, late.p99_ns, late.max_ns].map(|ns| units::time(ns as f64));
            format!("packet lateness {p50} (p50), {p99} (p99), {max} (max)")
        },
    );
    let busy = link
        .busy()
        .map_or(String::new(), |busy| format!(", {busy:.2} cores busy over the whole run"));
    let lost = link.counts.map_or(0, |counts| counts.lost_by_forwarder);
    let lost = match lost {
        0 => String::new(),
        lost => format!(", {} lost by overrun", units::count(lost)),
    };
    format!("{late}{busy}{lost}")
}

fn tone(counts: &LinkCounts) -> Tone {
    if counts.lost_by_forwarder > 0 { Tone::Bad } else { Tone::Plain }
}
