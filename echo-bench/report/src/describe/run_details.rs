//! What is behind a run's description: the numbers of its charts, and its settings. For those
//! who can fold it away; the whole of it is in the report's JSON.

use serde_json::{Value, to_value};

use super::settings::settings;
use super::units::{self, TimeUnit};
use super::{Cell, Column, Table, latency, or_nothing};
use crate::report::nouns::Nouns;
use crate::report::{QUANTILES, Quantile, Report};

/// Quantiles of an interval.
const OF_INTERVALS: [&str; 3] = ["p50", "p90", "p99"];

/// Clocks in full, endings, intervals and threads; and then, plan and environment.
pub(crate) fn run_details(report: &Report) -> (Vec<Table>, Vec<Table>) {
    let numbers = [
        latency::details(&report.summary, Nouns::of(&report.plan)),
        endings(report),
        intervals(report),
        threads(report),
    ];
    let numbers = numbers.into_iter().filter(|table| !table.rows.is_empty()).collect();
    // A plan and an environment are plain data, which always are JSON values.
    let plan = to_value(&report.plan).unwrap_or(Value::Null);
    let environment = to_value(&report.environment).unwrap_or(Value::Null);
    let mut circumstances = vec![
        ("tool".to_owned(), format!("{} {}", report.tool.name, report.tool.version)),
        ("revision".to_owned(), or_nothing(report.tool.revision.clone(), |r| r)),
        ("schema".to_owned(), report.schema.clone()),
        ("started at".to_owned(), report.started_at.clone()),
    ];
    if let Some(command) = command(report) {
        circumstances.push(("command".to_owned(), command));
    }
    let addresses = report.summary.addresses.iter();
    circumstances.extend(addresses.map(|one| ("address".to_owned(), one.address.clone())));
    circumstances.extend(settings(&environment));
    let environment = Table::of_facts("environment", "Environment", circumstances);
    (numbers, vec![Table::of_facts("plan", "Plan", settings(&plan)), environment])
}

/// The command line, as a shell takes it; none in older and merged reports.
pub(crate) fn command(report: &Report) -> Option<String> {
    let words = report.command.iter().map(String::as_str);
    shlex::try_join(words).ok().filter(|command| !command.is_empty())
}

/// Every way in which requests can end, with those that none took.
fn endings(report: &Report) -> Table {
    let requests = &report.summary.requests;
    let caption = Nouns::of(&report.plan).endings;
    let columns =
        vec![Column::text("ending"), Column::number("count"), Column::number("share")];
    let mut table = Table::new("endings", caption, columns);
    let row = |name: Cell, count: u64| {
        let share = units::share(count, requests.scheduled);
        vec![name, units::count(count).into(), share.into()]
    };
    let endings = requests.endings().filter(|(ending, _)| !ending.meaning.is_empty());
    table.rows = endings
        .map(|(ending, count)| row(Cell::with_below(ending.label, ending.meaning), count))
        .collect();
    table.total = Some(row("scheduled".into(), requests.scheduled));
    table
}

/// The numbers of the charts over time.
fn intervals(report: &Report) -> Table {
    let shown: Vec<_> = QUANTILES.iter().filter(|q| OF_INTERVALS.contains(&q.name)).collect();
    let rate = Nouns::of(&report.plan).rate;
    let mut columns: Vec<Column> =
        ["from", "length", "ok", "failed", rate].map(Column::number).into();
    columns.extend(shown.iter().map(|quantile| Column::number(quantile.name)));
    columns.extend(["max", "server cpu", "generator cpu"].map(Column::number));
    let mut table = Table::new("intervals", "Intervals", columns);
    let responses =
        || report.intervals.iter().filter_map(|interval| interval.response.as_ref());
    let unit_of = |quantile: &&Quantile| latency::unit_of_rows(responses(), quantile);
    let of_quantiles: Vec<_> = shown.iter().map(unit_of).collect();
    let of_max = TimeUnit::of(responses().map(|response| response.max_ns as f64));
    for interval in &report.intervals {
        let mut row: Vec<Cell> = vec![
            seconds(interval.at_s).into(),
            seconds(interval.length_s).into(),
            units::count(interval.ok).into(),
            units::count(interval.errors).into(),
            or_nothing(interval.achieved_per_s, units::rate).into(),
        ];
        let response = interval.response.as_ref();
        row.extend(shown.iter().zip(&of_quantiles).map(|(quantile, &unit)| {
            let percentile = |response| latency::percentile(response, quantile, unit);
            or_nothing(response, percentile).into()
        }));
        row.push(or_nothing(response, |response| latency::greatest(response, of_max)).into());
        for us in [interval.server_us_per_message, interval.client_us_per_message] {
            row.push(or_nothing(us, units::microseconds).into());
        }
        table.rows.push(row);
    }
    table
}

fn seconds(s: f64) -> String {
    let shown = format!("{s:.3}");
    format!("{} s", shown.trim_end_matches('0').trim_end_matches('.'))
}

fn threads(report: &Report) -> Table {
    let columns = ["generator thread", "busy", "waited for a CPU"].map(Column::number);
    let mut table = Table::new("threads", "Generator threads", columns.into());
    for (number, thread) in report.threads.iter().enumerate() {
        let percent =
            |share| or_nothing(share, |share: f64| format!("{:.0} %", share * 100.0)).into();
        let row = vec![number.to_string().into(), percent(thread.busy), percent(thread.denied)];
        table.rows.push(row);
    }
    table
}
