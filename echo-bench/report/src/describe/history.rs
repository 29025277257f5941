//! Runs over time in words: [`history`].

use super::comparison::name_of;
use super::comparison::numbers::{in_units, is_latency, ratio};
use super::units::{self, TimeUnit};
use super::{
    Body, Cell, Column, Description, Notice, Section, Table, Tone, Verdict, or_nothing,
};
use crate::compare::{Metric, Verdict as Found};
use crate::history::{Change, History, Series, Trend};
use crate::report::nouns::Nouns;

/// Sentences of the conclusion; more are in the table.
const MOST_SENTENCES: usize = 3;

/// Everything that a history says.
pub(crate) fn history(history: &History) -> Description {
    let runs: usize = history.series.iter().map(|series| series.points.len()).sum();
    let title = format!(
        "{} of {}",
        units::counted(runs as u64, "run"),
        units::counted(history.series.len() as u64, "plan"),
    );
    let mut sections = Vec::new();
    if let Some(table) = changes(history) {
        sections.push(Section::new("changes", "Changes", Body::Table(table)));
    }
    sections.push(Section::new("levels", "Levels", Body::Table(levels(history))));
    let notices = notices(history);
    if !notices.is_empty() {
        sections.push(Section::new("notices", "Notices", Body::Notices(notices)));
    }
    Description {
        title,
        conclusion: conclusion(history),
        detail: None,
        phrases: Vec::new(),
        sections,
        verdict: verdict(history),
        reading: format!(
            "a level is the median of the runs since the last change; changes are places where the \
             runs before and after differ more than in nearly all of {} random orders of them \
             (E-divisive means, {} % for all trends together), by more than {} %; what else \
             changed on the machine counts too, so compare two versions in turns before you \
             blame one",
            units::count(history.method.orders.into()),
            history.method.level * 100.0,
            history.method.threshold * 100.0,
        ),
    }
}

fn newest(history: &History) -> Vec<(&Series, &Trend, &Change)> {
    let trends = history.trends();
    let newest =
        trends.filter_map(|(series, trend)| Some((series, trend, trend.changes.last()?)));
    let mut newest: Vec<(&Series, &Trend, &Change)> = newest.collect();
    newest.sort_by_key(|(_, _, change)| change.verdict != Found::Worse);
    newest
}

fn conclusion(history: &History) -> Vec<String> {
    let newest = newest(history);
    if newest.is_empty() {
        return vec!["No change of level was found.".into()];
    }
    let sentence = |(series, trend, change): &(&Series, &Trend, &Change)| {
        format!(
            "{} of {} is {} since {}: {}.",
            named(trend.metric),
            series.name,
            change.verdict,
            since(series, change),
            sizes(trend, change),
        )
    };
    let mut told: Vec<String> = newest.iter().take(MOST_SENTENCES).map(sentence).collect();
    if newest.len() > MOST_SENTENCES {
        let more = units::counted((newest.len() - MOST_SENTENCES) as u64, "more trend");
        told.push(format!("{more} changed."));
    }
    told
}

/// The first run of a level: its day, and what tells it from the run before.
fn since(series: &Series, change: &Change) -> String {
    let Some(point) = series.points.get(change.point) else { return "?".into() };
    let day: String = point.started_at.chars().take(10).collect();
    match &point.mark {
        Some(mark) => format!("{mark} ({day})"),
        None => day,
    }
}

/// Like `1.20 ms -> 1.50 ms, x 1.250`.
fn sizes(trend: &Trend, change: &Change) -> String {
    let unit = TimeUnit::of([change.before, change.after]);
    let [before, after] =
        [change.before, change.after].map(|value| in_units(trend.metric, value, unit));
    match change.ratio {
        // A small ratio in a sentence is no division.
        Some(small) if small < 0.1 => format!("{before} -> {after}, x {small:.4}"),
        Some(found) => format!("{before} -> {after}, x {}", ratio(found)),
        None => format!("{before} -> {after}"),
    }
}

fn chance(p: f64) -> String {
    if p < 0.0001 { "<0.0001".into() } else { format!("{p:.4}") }
}

fn named(metric: Metric) -> &'static str {
    name_of(metric, Nouns::of_workload(None))
}

/// All changes, the newest first; none if there is none.
fn changes(history: &History) -> Option<Table> {
    let columns = vec![
        Column::text("since"),
        Column::text("plan"),
        Column::text("metric"),
        Column::text("change"),
        Column { importance: 1, ..Column::text("verdict") },
        Column { importance: 0, ..Column::number("p") },
    ];
    let mut table = Table::new("changes", "Changes of level", columns);
    let mut all: Vec<(&Series, &Trend, &Change)> = Vec::new();
    for (series, trend) in history.trends() {
        all.extend(trend.changes.iter().map(|change| (series, trend, change)));
    }
    let began = |(series, _, change): &(&Series, &Trend, &Change)| {
        series.points.get(change.point).map(|point| point.started_at.clone())
    };
    all.sort_by_key(|change| std::cmp::Reverse(began(change)));
    for (series, trend, change) in all {
        let tone = if change.verdict == Found::Worse { Tone::Worse } else { Tone::Better };
        table.rows.push(vec![
            since(series, change).into(),
            series.name.clone().into(),
            named(trend.metric).into(),
            sizes(trend, change).into(),
            Cell { tone, ..change.verdict.to_string().into() },
            chance(change.p).into(),
        ]);
    }
    (!table.rows.is_empty()).then_some(table)
}

/// What holds now, series by series.
fn levels(history: &History) -> Table {
    let metrics: Vec<Metric> = history
        .series
        .first()
        .map_or(Vec::new(), |s| s.trends.iter().map(|t| t.metric).collect());
    let mut columns =
        vec![Column::text("plan"), Column::number("runs"), Column::text("last run")];
    columns.extend(metrics.iter().map(|metric| Column::number(named(*metric))));
    let mut table = Table::new("levels", "Levels since the last change", columns);
    for series in &history.series {
        let last =
            series.points.last().map(|point| point.started_at.chars().take(10).collect());
        let mut row: Vec<Cell> = vec![
            series.name.clone().into(),
            units::count(series.points.len() as u64).into(),
            or_nothing(last, |day: String| day).into(),
        ];
        for trend in &series.trends {
            let is_time = is_latency(trend.metric);
            let unit = TimeUnit::of(trend.level.filter(|_| is_time));
            row.push(
                or_nothing(trend.level, |level| in_units(trend.metric, level, unit)).into(),
            );
        }
        table.rows.push(row);
    }
    table
}

fn notices(history: &History) -> Vec<Notice> {
    let mut notices = Vec::new();
    let mut add = |name: &str, text: String| {
        let (label, name, more, tone) = ("note", name.to_owned(), None, Tone::Fair);
        notices.push(Notice { label, name, text, more, tone });
    };
    if history.left_out > 0 {
        let runs = units::counted(history.left_out as u64, "run");
        add(
            "left-out",
            format!("{runs} left out: interrupted, or invalid by their own report"),
        );
    }
    let mut short: Vec<&str> = Vec::new();
    for (series, trend) in history.trends() {
        if trend.reason.is_some() && !short.contains(&series.name.as_str()) {
            short.push(&series.name);
        }
    }
    if let [first, ..] = short[..] {
        let text = format!(
            "{} of {} with too few runs to look for changes (6 are needed), like {first}",
            short.len(),
            units::counted(history.series.len() as u64, "plan"),
        );
        add("few-runs", text);
    }
    let older: usize = history.series.iter().map(|series| series.older).sum();
    if older > 0 {
        let runs = units::counted(older as u64, "older run");
        add("older", format!("{runs} not looked at: the newest of each plan are"));
    }
    notices
}

fn verdict(history: &History) -> Verdict {
    let newest = newest(history);
    let is = |found| newest.iter().filter(|(_, _, change)| change.verdict == found).count();
    let (worse, better) = (is(Found::Worse), is(Found::Better));
    let tone = match (worse, better) {
        (0, 0) => Tone::Plain,
        (0, _) => Tone::Better,
        _ => Tone::Worse,
    };
    let trends = units::counted(history.trends().count() as u64, "trend");
    let word = format!("{worse} worse and {better} better by their newest change, of {trends}");
    Verdict { word, meaning: "", tone }
}
