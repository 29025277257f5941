//! A run in words: [`run`].

use super::conclusion::of_run;
use super::sides;
use super::{
    Body, Cell, Column, Description, Notice, Row, Section, Table, Tone, Verdict, latency, link,
    load, objective, or_nothing, parts, placement, run_figures::figures, sentences, spread,
    stages, units,
};
use crate::report::nouns::Nouns;
use crate::report::{self, AddressReport, ErrorReport, Fairness, FirstOffender, Phase, Report};

/// What is said where nothing was answered.
pub(super) fn no_latency(nouns: Nouns) -> String {
    format!("n/a: no successful {}", nouns.answer.many)
}

/// Everything that a run's report says.
pub(crate) fn run(report: &Report) -> Description {
    let (title, detail) = load::target(&report.plan);
    let latencies = stages::latencies(report, no_latency(Nouns::of(&report.plan)));
    let mut description = Description {
        title,
        conclusion: sentences(of_run(report)),
        detail,
        phrases: load::phrases(&report.plan),
        sections: vec![
            Section::new("figures", "Summary", Body::Figures(figures(report))),
            Section::new("results", "Results", Body::Rows(results(report))),
            latencies,
            Section::new("spread", "Spread of the responses", spread::spread(&report.summary)),
            Section::new("costs", "Costs of both sides", Body::Table(costs(report))),
            Section::new("errors", "Errors", Body::Notices(errors(report))),
            Section::new("warnings", "Warnings", Body::Notices(warnings(report))),
            Section::new("objectives", "Objectives", Body::Notices(objectives(report))),
        ],
        verdict: verdict(report),
        reading: format!(
            "{}; 95 % intervals are within this run: others may lie outside",
            load::reading(&report.plan)
        ),
    };
    let costs = description.sections.iter().position(|section| section.id == "costs");
    if let (Some(parts), Some(costs)) = (&report.parts, costs) {
        description.sections.insert(costs + 1, parts::section(parts));
    }
    description
}

fn results(report: &Report) -> Vec<Row> {
    let summary = &report.summary;
    let nouns = Nouns::of(&report.plan);
    let mut rows = vec![
        Row::new(nouns.rate, format!("{} {}", achieved(report), over(report))),
        Row::new(nouns.in_window, replies(report, nouns)),
        Row { tone: failing(report), ..Row::new(nouns.counted.many, requests(report)) },
        Row::new(
            "bytes",
            format!(
                "{} sent, {} received",
                units::bytes(summary.bytes.sent),
                units::bytes(summary.bytes.received)
            ),
        ),
        Row::new("connected", connected(report)),
    ];
    rows.extend(until(report).map(|told| Row::new("until", told)));
    if let Some(fairness) = summary.fairness.as_ref().filter(|spread| spread.connections > 1) {
        rows.push(Row::new("fairness", spread(fairness, nouns)));
    }
    let share = summary.generator_share.as_ref();
    if let Some(share) = share.and_then(|share| latency::own_share(share, nouns)) {
        rows.push(Row::new("own share", share));
    }
    if let Some(reason) = &summary.unstamped {
        let said = format!("n/a: no receive timestamps of the kernel ({reason})");
        rows.push(Row::new("own share", said));
    }
    rows.extend(parts::rows(report));
    rows.extend(link::rows(report));
    rows.extend(placement::told(report).map(|told| Row::new("placement", told)));
    if is_told(report) {
        rows.extend(summary.addresses.iter().map(|one| Row::new("address", address(one))));
    }
    if let Some(pool) = &summary.pool {
        let counts =
            pool.counts().map(|(name, count)| format!("{} {name}", units::count(count)));
        let counts: Vec<_> = counts.collect();
        rows.push(Row::new("pool", format!("{}, warm-up included", counts.join(", "))));
    }
    if let Some(tcp) = &summary.tcp {
        let us = |us| or_nothing(us, |us: u32| units::time(f64::from(us) * 1e3));
        let retransmits = units::counted(tcp.retransmits, "retransmit");
        let (median, min) = (us(tcp.rtt_median_us), us(tcp.min_rtt_us));
        let fast = tcp.with_syn_data.map_or(String::new(), |with| {
            let all = units::counted(tcp.connections, "connection");
            format!(", data in the SYN of {} of {all}", units::count(with))
        });
        let told = format!("{retransmits}, median rtt {median}, min {min}{fast}");
        rows.push(Row::new("tcp", told));
        let size = |size| or_nothing(size, |size: usize| units::bytes(size as u64));
        let (send, receive) = (size(tcp.send_buffer), size(tcp.recv_buffer));
        rows.push(Row::new("buffers", format!("{send} send, {receive} receive (kernel)")));
    }
    rows.extend(sides::rows(report));
    if !report.labels.is_empty() {
        let labels: Vec<_> = report.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
        rows.push(Row::new("labels", labels.join(", ")));
    }
    rows
}

/// What became of the precision that was asked for.
fn until(report: &Report) -> Option<String> {
    let (asked, found) = (report.plan.until?, report.summary.until.as_ref()?);
    let looks = found.looks;
    let outcome = match (found.reached, found.look, found.looked_at_s) {
        (true, Some(look), Some(s)) => {
            format!("reached at look {look} of {looks}, after {s:.3} s")
        }
        (_, None, _) => "interrupted before it was reached".into(),
        _ => format!("not reached in {looks} looks"),
    };
    let width = match (found.interval_ns, found.achieved) {
        (Some([low, high]), Some(share)) => format!(
            "95 %: {} (+-{:.1} %, allowing for the looks)",
            units::time_range(low as f64, high as f64),
            share * 100.0
        ),
        _ => "no interval: the sample is too small, or too few requests were answered".into(),
    };
    Some(format!("{asked} {outcome}; in the end {width}"))
}

/// The rate that was reached, of that which was offered.
fn achieved(report: &Report) -> String {
    let achieved = or_nothing(report.summary.achieved_per_s, units::rate);
    match report.summary.offered_per_s {
        None => achieved,
        Some(offered) => format!("{achieved} of {} offered", units::rate(offered)),
    }
}

pub(super) fn over(report: &Report) -> String {
    format!("over {:.3} s", report.summary.measured_s)
}

fn replies(report: &Report, nouns: Nouns) -> String {
    let replies = units::count(report.summary.answered_in_window);
    let level = or_nothing(report.summary.in_flight_mean, units::significant);
    let counted = nouns.counted.many;
    format!("{replies} within the window, {level} {counted} in flight on average")
}

/// How the count of failed requests is to be taken.
fn failing(report: &Report) -> Tone {
    if report.summary.requests.failed() > 0 { Tone::Bad } else { Tone::Plain }
}

/// How requests ended, as a sum.
fn requests(report: &Report) -> String {
    let requests = &report.summary.requests;
    let parts = requests.endings().filter(|(ending, count)| !ending.is_failure || *count > 0);
    let parts: Vec<_> = parts
        .map(|(ending, count)| format!("{} {}", units::count(count), ending.label))
        .collect();
    let sum = format!("{} scheduled = {}", units::count(requests.scheduled), parts.join(" + "));
    match requests.failed() {
        // Who has seen errors of connections is not told that nothing failed.
        0 if !report.errors.is_empty() => sum,
        0 => format!("{sum}, 0 failed"),
        failed => {
            let share = units::share(failed, requests.scheduled);
            format!("{sum}; failed: {} ({share})", units::count(failed))
        }
    }
}

fn connected(report: &Report) -> String {
    let connections = &report.summary.connections;
    let mut shown = format!(
        "{} of {} in {}, {} alive at the end",
        units::count(connections.established.into()),
        units::count(connections.requested.into()),
        units::time(connections.connect_phase_ns as f64),
        units::count(connections.alive_at_end.into())
    );
    if connections.reconnects > 0 {
        shown.push_str(", ");
        shown.push_str(&units::counted(connections.reconnects, "reconnect"));
    }
    shown
}

/// How evenly the connections were served.
fn spread(fairness: &Fairness, nouns: Nouns) -> String {
    let few = match fairness.below_tenth {
        0 => String::new(),
        few => format!("; {} got less than a tenth of the median", units::count(few)),
    };
    format!(
        "{} to {} {} per {}, median {}, Jain's index {:.3}{few}",
        units::count(fairness.min),
        units::count(fairness.max),
        nouns.answer.many,
        nouns.party.one,
        units::count(fairness.median),
        fairness.jain
    )
}

/// Whether the addresses say more than the target does.
fn is_told(report: &Report) -> bool {
    match (load::given_address(&report.plan), &report.summary.addresses[..]) {
        (Some(given), [only]) => only.address != given,
        (_, addresses) => addresses.len() > 1,
    }
}

/// An address, and what came of connecting to it.
fn address(address: &AddressReport) -> String {
    let failed = match (address.failed, &address.failure) {
        (0, _) => String::new(),
        (failed, reason) => {
            let reason = reason.as_deref().unwrap_or("unknown");
            format!(", {} failed: {reason}", units::count(failed))
        }
    };
    format!("{} ({} made{failed})", address.address, units::count(address.made))
}

/// What both sides cost.
fn costs(report: &Report) -> Table {
    let report::Cpu {
        client_us_per_message,
        server_us_per_message,
        client_busy,
        live_view_busy,
        server_busy,
        client_context_switches,
        server_context_switches,
        client_peak_rss_bytes,
        server_peak_rss_bytes,
    } = report.summary.cpu;
    let names = ["per message", "cores busy", "context switches", "peak memory"];
    let mut columns = vec![Column::text("cpu")];
    columns.extend(names.map(Column::number));
    let mut table = Table::new("costs", "Costs of both sides", columns);
    let row = |side: &str, us, busy, switches, rss| -> Vec<Cell> {
        vec![
            side.into(),
            or_nothing(us, units::microseconds).into(),
            or_nothing(busy, |busy: f64| format!("{busy:.2}")).into(),
            or_nothing(switches, units::count).into(),
            or_nothing(rss, units::bytes).into(),
        ]
    };
    table.rows = vec![
        row(
            "generator",
            client_us_per_message,
            client_busy,
            client_context_switches,
            client_peak_rss_bytes,
        ),
        row(
            "server",
            server_us_per_message,
            server_busy,
            server_context_switches,
            server_peak_rss_bytes,
        ),
    ];
    if live_view_busy.is_some() {
        table.rows.push(row("live view", None, live_view_busy, None, None));
    }
    table
}

fn errors(report: &Report) -> Vec<Notice> {
    let errors = report.errors.iter();
    errors
        .map(|error| {
            let first = &error.first;
            let sent = Nouns::of(&report.plan).sent.one;
            let request = first.request.map_or(String::new(), |n| format!(", {sent} {n}"));
            Notice {
                label: "error",
                name: error.kind.replace('_', " "),
                text: format!(
                    "{}{}; first: connection {}{request}: {}",
                    units::counted(error.count, "time"),
                    beside(error, Nouns::of(&report.plan)),
                    first.connection,
                    first.detail
                ),
                more: difference(first),
                tone: Tone::Bad,
            }
        })
        .collect()
}

/// In which phase failures occurred, if not in the window, and how many requests they ended, if
/// that is another number.
fn beside(error: &ErrorReport, nouns: Nouns) -> String {
    let phase = match error.phase {
        None | Some(Phase::Window) => "",
        Some(Phase::SetUp) => " during set-up",
        Some(Phase::WarmUp) => " during warm-up",
        Some(Phase::Drain) => " during the drain",
    };
    let requests = error.requests.filter(|&requests| requests > 0 && requests != error.count);
    let requests = requests.map_or(String::new(), |requests| {
        format!(" ({} {} failed)", units::count(requests), nouns.counted.of(requests))
    });
    format!("{phase}{requests}")
}

/// Where a reply differed from the right one.
fn difference(first: &FirstOffender) -> Option<String> {
    let (expected, got) = (first.expected.as_deref(), first.got.as_deref());
    expected.or(got)?;
    let at = first.offset.map_or(String::new(), |offset| format!("at byte {offset}: "));
    let [expected, got] = [expected, got].map(|text| text.unwrap_or("nothing"));
    Some(format!("{at}expected {expected}, got {got}"))
}

fn warnings(report: &Report) -> Vec<Notice> {
    let warnings = report.warnings.iter();
    warnings
        .map(|warning| Notice {
            label: if warning.is_note() { "note" } else { "warning" },
            name: warning.code.clone(),
            text: warning.message.clone(),
            more: Some(warning.remedy.clone()),
            tone: Tone::Fair,
        })
        .collect()
}

fn objectives(report: &Report) -> Vec<Notice> {
    let objectives = report.slos.iter();
    objectives
        .map(|slo| Notice {
            label: "slo",
            name: slo.label(),
            text: objective::verdict(slo),
            more: None,
            tone: objective::tone(slo),
        })
        .collect()
}

fn verdict(report: &Report) -> Verdict {
    let (meaning, tone) = match report.verdict {
        report::Verdict::Valid => ("the numbers can be taken as they are", Tone::Better),
        report::Verdict::Qualified => {
            ("read the numbers with the warnings in mind", Tone::Fair)
        }
        report::Verdict::Invalid => {
            ("no statement about the server, see the warnings", Tone::Bad)
        }
    };
    let interrupted = if report.interrupted { ", interrupted" } else { "" };
    Verdict { word: format!("{}{interrupted}", report.verdict), meaning, tone }
}
