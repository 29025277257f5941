//! The tables of a run: every number of the report that a chart or a tile shows, and the
//! settings behind them.

use serde_json::{Value, to_value};

use super::curve::Curves;
use super::curve_table;
use super::facts::facts;
use super::numbers;
use super::objective;
use super::table::{Cell, Column, Table, number, text};
use crate::report::{Cpu, FirstOffender, LatencySummary, QUANTILES, Quantile, Report};

/// What came out.
pub(super) fn results(report: &Report) -> Vec<Table> {
    let [latencies, objectives, errors] =
        [latencies(report), objectives(report), errors(report)];
    let always = [requests(report), costs(report), connections(report)];
    latencies.into_iter().chain(always).chain(objectives).chain(errors).collect()
}

/// The long ones.
pub(super) fn details(report: &Report, curves: Option<&Curves>) -> Vec<Table> {
    [
        curves.map(|curves| curve_table::table("percentiles", curves)),
        Some(intervals(report)),
        Some(threads(report)),
    ]
    .into_iter()
    .flatten()
    .filter(|table| !table.rows.is_empty())
    .collect()
}

/// What was asked, and where it ran.
pub(super) fn settings(report: &Report) -> Vec<Table> {
    // A plan and an environment are plain data, which always are JSON values.
    let plan = to_value(&report.plan).unwrap_or(Value::Null);
    let environment = to_value(&report.environment).unwrap_or(Value::Null);
    let mut tool = vec![
        ("tool".to_owned(), format!("{} {}", report.tool.name, report.tool.version)),
        ("revision".to_owned(), numbers::or_nothing(report.tool.revision.clone(), |r| r)),
        ("schema".to_owned(), report.schema.clone()),
        ("started at".to_owned(), report.started_at.clone()),
    ];
    tool.extend(facts(&environment));
    vec![
        Table::of_facts("plan", "Plan", facts(&plan)),
        Table::of_facts("environment", "Environment", tool),
    ]
}

fn latencies(report: &Report) -> Option<Table> {
    report.summary.latency.response.as_ref()?;
    let mut columns = vec![text("clock")];
    columns.extend(QUANTILES.iter().map(|quantile| number(quantile.name)));
    columns.extend(["max", "mean", "deviation", "values"].map(number));
    let mut table = Table::new(
        "latency",
        "Latency, with 95 % intervals; ~ where the effective sample size is too small for one",
        columns,
    );
    for (name, clock) in report.summary.clocks() {
        let mut row = vec![Cell::from(name)];
        row.extend(QUANTILES.iter().map(|quantile| quantile_cell(clock, quantile)));
        let mean_bound = if clock.censored > 0 { "≥ " } else { "" };
        row.push(numbers::latency(clock, clock.max_ns).into());
        row.push(format!("{mean_bound}{}", numbers::time(clock.mean_ns)).into());
        row.push(numbers::time(clock.stdev_ns).into());
        let values = numbers::count(clock.count);
        row.push(match clock.censored {
            0 => values.into(),
            censored => {
                let bounds = format!("{} bounds", numbers::count(censored));
                Cell::with_below(values, bounds)
            }
        });
        table.rows.push(row);
    }
    Some(table)
}

fn quantile_cell(clock: &LatencySummary, quantile: &Quantile) -> Cell {
    let below = match (clock.ci95.get(quantile.name), clock.weakness(quantile)) {
        (Some(&interval), _) => numbers::interval(interval),
        (None, weakness) => {
            let (independent, needed) = weakness.unwrap_or_default();
            format!("sample {}, needs {}", numbers::count(independent), numbers::count(needed))
        }
    };
    Cell::with_below(numbers::percentile(clock, quantile), below)
}

fn objectives(report: &Report) -> Option<Table> {
    let columns = vec![text("objective"), number("measured"), text("")];
    let mut table = Table::new("objectives", "Objectives", columns);
    table.rows = report
        .slos
        .iter()
        .map(|slo| {
            let [measured, verdict] = objective::cells(slo);
            vec![slo.slo.as_str().into(), measured, verdict]
        })
        .collect();
    (!table.rows.is_empty()).then_some(table)
}

fn requests(report: &Report) -> Table {
    let requests = &report.summary.requests;
    let columns = vec![text("requests"), number("count"), number("share")];
    let mut table = Table::new("requests", "Where every request went", columns);
    let row = |name: &str, count: u64| -> Vec<Cell> {
        let share = numbers::share(count, requests.scheduled);
        vec![name.into(), numbers::count(count).into(), share.into()]
    };
    table.rows = [
        ("ok", requests.ok),
        ("answered wrongly", requests.mismatch),
        ("answered with an error", requests.error),
        ("timed out", requests.timeout),
        ("lost with a broken connection", requests.reset),
        ("lost with a closed connection", requests.closed),
        ("connection refused", requests.refused),
        ("never sent", requests.unsent),
        ("in flight at the end", requests.in_flight),
    ]
    .map(|(name, count)| row(name, count))
    .into();
    table.total = Some(row("scheduled", requests.scheduled));
    table
}

fn errors(report: &Report) -> Option<Table> {
    let columns = vec![
        text("kind"),
        number("count"),
        number("connection"),
        number("request"),
        text("the first of them"),
    ];
    let mut table = Table::new("errors", "Errors", columns);
    table.rows = report
        .errors
        .iter()
        .map(|error| {
            let first = &error.first;
            vec![
                error.kind.replace('_', " ").into(),
                numbers::count(error.count).into(),
                first.connection.to_string().into(),
                numbers::or_nothing(first.request, |n| n.to_string()).into(),
                first_detail(first),
            ]
        })
        .collect();
    (!table.rows.is_empty()).then_some(table)
}

/// What was seen first, and where a reply differed from the right one.
fn first_detail(first: &FirstOffender) -> Cell {
    let at = first.offset.map_or(String::new(), |offset| format!("at byte {offset}: "));
    match (&first.expected, &first.got) {
        (None, None) => first.detail.as_str().into(),
        (expected, got) => Cell::with_below(
            first.detail.as_str(),
            format!(
                "{at}expected {}, got {}",
                expected.as_deref().unwrap_or("nothing"),
                got.as_deref().unwrap_or("nothing")
            ),
        ),
    }
}

fn costs(report: &Report) -> Table {
    let columns = vec![text("costs"), number("generator"), number("server")];
    let mut table = Table::new("costs", "Costs of both sides", columns);
    let Cpu {
        client_us_per_message,
        server_us_per_message,
        client_busy,
        server_busy,
        client_context_switches,
        server_context_switches,
        client_peak_rss_bytes,
        server_peak_rss_bytes,
    } = report.summary.cpu;
    let us = |us| numbers::or_nothing(us, numbers::microseconds);
    let cores = |busy| numbers::or_nothing(busy, |busy: f64| format!("{busy:.2}"));
    let count = |switches| numbers::or_nothing(switches, numbers::count);
    let bytes = |rss| numbers::or_nothing(rss, numbers::bytes);
    let rows = [
        ("CPU per message", us(client_us_per_message), us(server_us_per_message)),
        ("cores busy", cores(client_busy), cores(server_busy)),
        ("context switches", count(client_context_switches), count(server_context_switches)),
        ("peak memory", bytes(client_peak_rss_bytes), bytes(server_peak_rss_bytes)),
    ];
    table.rows =
        rows.map(|(name, ours, theirs)| vec![name.into(), ours.into(), theirs.into()]).into();
    table
}

fn connections(report: &Report) -> Table {
    let summary = &report.summary;
    let connections = &summary.connections;
    let of = |part: u32| {
        let (part, whole) = (u64::from(part), u64::from(connections.requested));
        format!("{} of {}", numbers::count(part), numbers::count(whole))
    };
    let mut rows = vec![
        ("established", of(connections.established)),
        ("alive at the end", of(connections.alive_at_end)),
        ("reconnects", numbers::count(connections.reconnects)),
        ("time to connect all", numbers::time(connections.connect_phase_ns as f64)),
        ("bytes sent", numbers::bytes(summary.bytes.sent)),
        ("bytes received", numbers::bytes(summary.bytes.received)),
        ("answers within the window", numbers::count(summary.answered_in_window)),
        (
            "mean in flight",
            numbers::or_nothing(summary.in_flight_mean, crate::render::units::significant),
        ),
    ];
    rows.extend(
        summary.addresses.iter().map(|one| ("address", crate::render::text::address(one))),
    );
    if let Some(pool) = &summary.pool {
        rows.extend(pool.counts().map(|(name, count)| (name, numbers::count(count))));
    }
    if let Some(tcp) = &summary.tcp {
        let rtt =
            |us: Option<u32>| numbers::or_nothing(us, |us| numbers::time(f64::from(us) * 1e3));
        let buffer =
            |size: Option<usize>| numbers::or_nothing(size, |size| numbers::bytes(size as u64));
        rows.extend([
            ("TCP retransmits", numbers::count(tcp.retransmits)),
            ("TCP round trip, median", rtt(tcp.rtt_median_us)),
            ("TCP round trip, least", rtt(tcp.min_rtt_us)),
            ("kernel send buffer", buffer(tcp.send_buffer)),
            ("kernel receive buffer", buffer(tcp.recv_buffer)),
        ]);
    }
    let columns = vec![text(""), number("")];
    let mut table = Table::new("connections", "Connections and bytes", columns);
    table.rows =
        rows.into_iter().map(|(name, value)| vec![name.into(), value.into()]).collect();
    table
}

/// The numbers of the charts over time.
fn intervals(report: &Report) -> Table {
    let drawn: Vec<_> =
        QUANTILES.iter().filter(|q| ["p50", "p90", "p99"].contains(&q.name)).collect();
    let mut columns: Vec<Column> =
        ["from", "length", "answers", "failures", "answers/s"].map(number).into();
    columns.extend(drawn.iter().map(|quantile| number(quantile.name)));
    columns.extend(["max", "server CPU", "generator CPU"].map(number));
    let mut table = Table::new("intervals", "Intervals", columns);
    for interval in &report.intervals {
        let mut row: Vec<Cell> = vec![
            seconds(interval.at_s).into(),
            seconds(interval.length_s).into(),
            numbers::count(interval.ok).into(),
            numbers::count(interval.errors).into(),
            numbers::or_nothing(interval.achieved_per_s, numbers::rate).into(),
        ];
        let response = interval.response.as_ref();
        row.extend(drawn.iter().map(|quantile| {
            numbers::or_nothing(response, |clock| numbers::percentile(clock, quantile)).into()
        }));
        let max = response.map(|response| numbers::latency(response, response.max_ns));
        row.push(numbers::or_nothing(max, |shown| shown).into());
        for us in [interval.server_us_per_message, interval.client_us_per_message] {
            row.push(numbers::or_nothing(us, numbers::microseconds).into());
        }
        table.rows.push(row);
    }
    table
}

fn seconds(s: f64) -> String {
    let shown = format!("{s:.3}");
    let shown = shown.trim_end_matches('0').trim_end_matches('.');
    format!("{shown}\u{202f}s")
}

fn threads(report: &Report) -> Table {
    let columns = vec![number("generator thread"), number("busy")];
    let mut table = Table::new("threads", "Generator threads", columns);
    for (number, thread) in report.threads.iter().enumerate() {
        let busy =
            numbers::or_nothing(thread.busy, |busy| format!("{:.0}\u{202f}%", busy * 100.0));
        table.rows.push(vec![number.to_string().into(), busy.into()]);
    }
    table
}
