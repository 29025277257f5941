//! Repeats of one run in words: [`repeats`]. The figures first, with what differs from run to
//! run in their intervals, then each run on a line.

use super::comparison::{caution, in_units, name_of, unit_of, value};
use super::conclusion::of_sweep;
use super::units::{self, TimeUnit};
use super::{
    Body, Cell, Column, Description, Note, Notice, Row, Section, Table, Tone, Verdict, latency,
    load, objective, or_nothing, sentences,
};
use crate::compare::Metric;
use crate::report::nouns::Nouns;
use crate::report::{self, QUANTILES, Quantile, Report, SloVerdict};
use crate::sweep::{MetricValue, Sweep};

/// What is said of all runs together, the first thing first.
const FIGURES: [Metric; 7] = [
    Metric::Throughput,
    Metric::P50,
    Metric::P99,
    Metric::P999,
    Metric::ServerCpu,
    Metric::ClientCpu,
    Metric::Errors,
];

/// Everything that repeats of one run say; `None` of a sweep over settings, or without a run.
pub(crate) fn repeats(sweep: &Sweep) -> Option<Description> {
    let [cell] = &sweep.cells[..] else { return None };
    let first = cell.runs.first().filter(|_| sweep.is_of_repeats())?;
    let (title, detail) = load::target(&first.plan);
    let (made, planned) = (cell.runs.len(), sweep.plan.repeats as usize);
    let runs = if made == planned {
        units::counted(made as u64, "run")
    } else {
        format!("{made} of {planned} runs")
    };
    let mut phrases = load::phrases(&first.plan);
    phrases.insert(0, runs);
    let ranked = sweep.analysis.ranking.first();
    let nouns = Nouns::of(&first.plan);
    let figures = ranked.map_or_else(Vec::new, |ranked| figures(&ranked.metrics, nouns));
    let failures = cell.failures.iter().map(|reason| failed(reason)).collect();
    let cautions = sweep.analysis.cautions.iter().map(caution).collect();
    Some(Description {
        title,
        conclusion: sentences(of_sweep(sweep)),
        detail,
        phrases,
        sections: vec![
            Section::new("results", "Results", Body::Rows(figures)),
            Section::new("runs", "Runs", Body::Table(table(&cell.runs, nouns))),
            Section::new("failures", "Failed runs", Body::Notices(failures)),
            Section::new("cautions", "Cautions", Body::Notices(cautions)),
            Section::new("objectives", "Objectives", Body::Notices(objectives(sweep))),
        ],
        verdict: verdict(&cell.runs),
        reading: format!(
            "each run had a server of its own (a target given by its address is one for all); \
             percentiles are those of all runs merged; 95 % intervals are run to run: where the \
             mean of many such runs would lie, by how much these differ; {}",
            load::reading(&first.plan)
        ),
    })
}

/// The figures of all runs together.
fn figures(metrics: &[MetricValue], nouns: Nouns) -> Vec<Row> {
    let label = |metric| match metric {
        Metric::ServerCpu => "server cpu",
        Metric::ClientCpu => "gen. cpu",
        metric => name_of(metric, nouns),
    };
    let latencies = FIGURES.iter().filter_map(|metric| metrics.get(*metric as usize));
    let latencies = latencies.flat_map(|found| {
        let ends = found.interval.into_iter().flatten();
        ends.chain(found.value).map(|value| (found.metric, value))
    });
    let unit = unit_of(latencies);
    let shown = |metric: &Metric| {
        let found = metrics.get(*metric as usize)?;
        let value = value(*metric, found.value, found.standing, unit);
        let per = match metric {
            Metric::ServerCpu | Metric::ClientCpu => " per message",
            _ => "",
        };
        let interval = match (found.interval, found.value, &found.reason) {
            (Some(interval), Some(value), _) => between(*metric, interval, value, unit),
            (.., Some(reason)) => format!("no interval: {reason}"),
            _ => "no interval".into(),
        };
        // No error in any run is no estimate.
        let is_clean =
            *metric == Metric::Errors && found.value.is_some_and(|value| value <= 0.0);
        let interval = if is_clean { String::new() } else { format!("  {interval}") };
        Some(Row::new(label(*metric), format!("{value}{per}{interval}")))
    };
    FIGURES.iter().filter_map(shown).collect()
}

/// An interval, and how wide it is.
fn between(metric: Metric, [low, high]: [f64; 2], value: f64, unit: TimeUnit) -> String {
    let ends = [low, high].map(|end| in_units(metric, end, unit));
    let width = (high - value).max(value - low) / value * 100.0;
    let width = match width {
        width if width.is_nan() => {
            return format!("95 % run to run: {} .. {}", ends[0], ends[1]);
        }
        // So wide an interval says that nothing is known.
        width if width >= 1000.0 => "above +-1000 %".into(),
        width => format!("+-{width:.1} %"),
    };
    format!("95 % run to run: {} .. {} ({width})", ends[0], ends[1])
}

/// Each run on a line.
fn table(runs: &[Report], nouns: Nouns) -> Table {
    let mut columns = vec![Column::text("run"), Column::number(nouns.rate)];
    let shown: Vec<_> =
        QUANTILES.iter().filter(|q| ["p50", "p99", "p99.9"].contains(&q.name)).collect();
    columns.extend(shown.iter().map(|quantile| Column::number(quantile.name)));
    columns.extend(["server cpu", "gen. cpu", "failed"].map(Column::number));
    columns.push(Column::text("verdict"));
    let mut table = Table::new("runs", "Runs", columns);
    let responses = || runs.iter().filter_map(|run| run.summary.latency.response.as_ref());
    let unit_of = |quantile: &&Quantile| latency::unit_of_rows(responses(), quantile);
    let of_quantiles: Vec<_> = shown.iter().map(unit_of).collect();
    for (place, run) in runs.iter().enumerate() {
        let summary = &run.summary;
        let response = summary.latency.response.as_ref();
        let mut row: Vec<Cell> = vec![
            (place + 1).to_string().into(),
            or_nothing(summary.achieved_per_s, units::rate).into(),
        ];
        row.extend(shown.iter().zip(&of_quantiles).map(|(quantile, &unit)| {
            let percentile = |response| latency::percentile(response, quantile, unit);
            or_nothing(response, percentile).into()
        }));
        for us in [summary.cpu.server_us_per_message, summary.cpu.client_us_per_message] {
            row.push(or_nothing(us, units::microseconds).into());
        }
        row.push(units::count(summary.requests.failed()).into());
        row.push(judged(run).into());
        table.rows.push(row);
    }
    table.notes = reasons(runs);
    table
}

fn judged(run: &Report) -> String {
    let word = match run.verdict {
        report::Verdict::Invalid => "INVALID".to_owned(),
        verdict => verdict.to_string(),
    };
    let mut codes: Vec<&str> = run.warnings.iter().map(|warning| &*warning.code).collect();
    codes.sort_unstable();
    codes.dedup();
    if codes.is_empty() || run.verdict == report::Verdict::Valid {
        word
    } else {
        format!("{word}: {}", codes.join(", "))
    }
}

/// What each warning means, with the numbers of the first run that has it.
fn reasons(runs: &[Report]) -> Vec<Note> {
    let mut told: Vec<&str> = Vec::new();
    let mut notes = Vec::new();
    for (place, run) in runs.iter().enumerate() {
        for warning in &run.warnings {
            if told.contains(&&*warning.code) {
                continue;
            }
            told.push(&warning.code);
            let (code, message, remedy) = (&warning.code, &warning.message, &warning.remedy);
            let text = format!("{code} (run {}): {message} -> {remedy}", place + 1);
            notes.push(Note { mark: "", text });
        }
    }
    notes
}

fn failed(reason: &str) -> Notice {
    let mut lines = reason.lines();
    let text = lines.next().unwrap_or_default().to_owned();
    let more: Vec<&str> = lines.collect();
    let more = (!more.is_empty()).then(|| more.join("; "));
    Notice { label: "FAILED", name: "run".into(), text, more, tone: Tone::Bad }
}

fn objectives(sweep: &Sweep) -> Vec<Notice> {
    let told = sweep.analysis.slos.iter().map(|slo| Notice {
        label: "slo",
        name: slo.slo.clone(),
        text: format!(
            "{} in the worst of {}, {} missed",
            objective::verdict(&slo.worst),
            units::counted(slo.runs as u64, "run"),
            slo.missed
        ),
        more: None,
        tone: match slo.outcome {
            SloVerdict::Met => Tone::Better,
            SloVerdict::Undecided => Tone::Fair,
            SloVerdict::Missed => Tone::Bad,
        },
    });
    told.collect()
}

fn verdict(runs: &[Report]) -> Verdict {
    let count = |verdict| runs.iter().filter(|run| run.verdict == verdict).count();
    let invalid = count(report::Verdict::Invalid);
    let qualified = count(report::Verdict::Qualified);
    let (meaning, tone) = match (invalid, qualified) {
        (1.., _) => ("no statement about the server from those that are invalid", Tone::Bad),
        (0, 1..) => ("read the numbers with the warnings in mind", Tone::Fair),
        (0, 0) => ("the numbers can be taken as they are", Tone::Better),
    };
    let valid = runs.len() - invalid - qualified;
    Verdict {
        word: format!("{valid} valid, {qualified} qualified, {invalid} invalid"),
        meaning,
        tone,
    }
}
