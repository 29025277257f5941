//! A sweep in words.

use std::cmp::Ordering;
use std::fmt::Write;

use super::comparison::{
    caution, comparisons, in_units, in_words, interval, is_latency, name_of, ratio,
    ratio_range, threshold, unit_of, unit_of_metrics, value,
};
use super::conclusion::of_sweep;
use super::units::{self, TimeUnit};
use super::{
    Body, Cell, Column, Description, NOTHING, Note, Notice, Row, Section, Table, Tone,
    objective, or_nothing, repeats, sentences, sweep_figures,
};
use crate::compare::{Metric, Verdict};
use crate::report::SloOutcome;
use crate::report::nouns::Nouns;
use crate::sweep::{Axis, CellSlo, Effect, EffectMetric, MetricValue, Pair, Ranked, Sweep};

/// What is shown of a cell and of an effect.
pub(crate) const SHOWN: [Metric; 7] = [
    Metric::Throughput,
    Metric::P50,
    Metric::P99,
    Metric::P999,
    Metric::ClientCpu,
    Metric::ServerCpu,
    Metric::Errors,
];

/// Everything that a sweep says.
pub(crate) fn sweep(sweep: &Sweep) -> Description {
    let figures =
        Section::new("figures", "Summary", Body::Figures(sweep_figures::figures(sweep)));
    if let Some(mut repeats) = repeats(sweep) {
        repeats.sections.insert(0, figures);
        return repeats;
    }
    let names: Vec<&str> = sweep.plan.axes.iter().map(|axis| axis.name.as_str()).collect();
    let axes = if names.is_empty() { "one cell".into() } else { names.join(" x ") };
    let mut sections = vec![
        figures,
        Section::new("plan", "Plan", Body::Rows(plan(sweep))),
        Section::new("errors", "Failed runs", Body::Notices(failures(sweep))),
        Section::new("cautions", "Cautions", Body::Notices(cautions(sweep))),
        Section::headed(
            "ranking",
            format!("Ranking by {}", name_of(sweep.analysis.ranked_by, nouns(sweep))),
            Body::Table(ranking(sweep)),
        ),
    ];
    if !sweep.analysis.slos.is_empty() {
        let table = Body::Table(objectives(sweep));
        sections.push(Section::headed("objectives", "Objectives", table));
    }
    for (place, effect) in sweep.analysis.effects.iter().enumerate() {
        let table = Body::Table(effect_table(place, effect, nouns(sweep)));
        sections.push(Section::headed(id_of_effect(place), heading(effect), table));
    }
    Description {
        title: format!("Sweep of {axes}"),
        conclusion: sentences(of_sweep(sweep)),
        detail: None,
        phrases: Vec::new(),
        sections,
        verdict: super::Verdict { word: summary(sweep), meaning: "", tone: Tone::Plain },
        reading: reading(sweep),
    }
}

/// What the runs of a sweep count.
pub(crate) fn nouns(sweep: &Sweep) -> Nouns {
    let runs = sweep.cells.iter().flat_map(|cell| &cell.runs);
    Nouns::in_common(runs.map(|run| &run.plan))
}

/// The name of the section of an effect, by its place.
pub(crate) fn id_of_effect(place: usize) -> String {
    format!("effect-{place}")
}

/// What became of an objective in a cell, like `model=epoll: p99<5ms: MISSED, measured
/// 8.91 ms (95 %: 8.70..9.12 ms); 2 of 5 runs missed`.
pub fn objective(sweep: &Sweep, slo: &CellSlo) -> String {
    let mut line =
        format!("{}: {}", cell_name(sweep, slo.cell), objective::outcome(&slo.worst));
    for (count, what) in [(slo.missed, "missed"), (slo.undecided, "undecided")] {
        if count > 0 {
            // Writing to a string can't fail, so the result is dropped.
            let _ = write!(line, "; {count} of {} runs {what}", slo.runs);
        }
    }
    line
}

fn cell_name(sweep: &Sweep, cell: usize) -> &str {
    match sweep.cells.get(cell).map(|cell| &*cell.name) {
        None | Some("") => "all runs",
        Some(name) => name,
    }
}

pub(crate) fn plan(sweep: &Sweep) -> Vec<Row> {
    let plan = &sweep.plan;
    let axis = |axis: &Axis| {
        let levels: Vec<&str> = axis.levels.iter().map(|level| &*level.name).collect();
        Row::new("axis", format!("{}: {}", axis.name, levels.join(" | ")))
    };
    let mut rows: Vec<Row> = plan.axes.iter().map(axis).collect();
    let fixed: Vec<String> = plan.fixed.iter().map(ToString::to_string).collect();
    if !fixed.is_empty() {
        rows.push(Row::new("fixed", fixed.join(", ")));
    }
    let planned = sweep.cells.len() as u64 * u64::from(plan.repeats);
    let runs = format!(
        "{} of {} ({} x {}, in rounds of random order), seed {}",
        units::count(sweep.finished() as u64),
        units::count(planned),
        units::counted(sweep.cells.len() as u64, "cell"),
        units::counted(plan.repeats.into(), "repeat"),
        plan.seed
    );
    rows.push(Row::new("runs", runs));
    rows
}

fn failures(sweep: &Sweep) -> Vec<Notice> {
    let failures = sweep.cells.iter().enumerate().flat_map(|(place, cell)| {
        cell.failures.iter().map(move |reason| (cell_name(sweep, place), reason))
    });
    let notice = |(cell, reason): (&str, &String)| Notice {
        label: "FAILED",
        name: cell.to_owned(),
        text: reason.lines().next().unwrap_or_default().to_owned(),
        more: None,
        tone: Tone::Bad,
    };
    failures.map(notice).collect()
}

pub(crate) fn cautions(sweep: &Sweep) -> Vec<Notice> {
    sweep.analysis.cautions.iter().map(caution).collect()
}

/// Every cell with its metrics, best first.
fn ranking(sweep: &Sweep) -> Table {
    let nouns = nouns(sweep);
    let mut columns = vec![Column::number("#")];
    columns.extend(sweep.plan.axes.iter().map(|axis| Column::text(axis.name.as_str())));
    columns.extend(SHOWN.iter().map(|&metric| {
        Column::number(match metric {
            Metric::ClientCpu => "generator cpu",
            Metric::ServerCpu => "server cpu",
            metric => name_of(metric, nouns),
        })
    }));
    let is_ranked = sweep.analysis.ranking.iter().any(|ranked| ranked.rank.is_some());
    let caption = if is_ranked {
        "best value first, with 95 % intervals; cells of the same rank tie"
    } else {
        "best value first, with 95 % intervals"
    };
    let mut table = Table::new("ranking", caption, columns);
    let row = |(place, ranked): (usize, &Ranked)| {
        let mut row = vec![Cell::from(ranked.rank.unwrap_or(place + 1).to_string())];
        let levels = &sweep.cells[ranked.cell].levels;
        row.extend(levels.iter().map(|level| Cell::from(level.as_str())));
        row.extend(SHOWN.iter().map(|&metric| {
            let found = &ranked.metrics[metric as usize];
            let unit = unit_of_column(sweep, metric);
            let below = interval_of(found, unit);
            Cell { text: measured(found, unit), below, ..Cell::default() }
        }));
        row
    };
    table.rows = sweep.analysis.ranking.iter().enumerate().map(row).collect();
    table
}

/// The unit of a metric's column: that of all cells.
pub(crate) fn unit_of_column(sweep: &Sweep, metric: Metric) -> TimeUnit {
    let found = sweep.analysis.ranking.iter().filter_map(|r| r.metrics.get(metric as usize));
    unit_of(found.filter_map(|found| Some((metric, found.value?))))
}

/// The value of a metric of a cell.
pub(crate) fn measured(found: &MetricValue, unit: TimeUnit) -> String {
    value(found.metric, found.value, found.standing, unit)
}

/// Its 95 % interval, if there is one.
pub(crate) fn interval_of(found: &MetricValue, unit: TimeUnit) -> Option<String> {
    let [low, high] = found.interval?;
    if is_latency(found.metric) {
        return Some(unit.range(low, high));
    }
    let [low, high] = [low, high].map(|end| in_units(found.metric, end, unit));
    Some(format!("{}..{high}", low.trim_end_matches(" %").trim_end_matches(" µs")))
}

/// What became of the objectives, cell by cell.
fn objectives(sweep: &Sweep) -> Table {
    let mut columns = ["cell", "objective", "worst run", "verdict"].map(Column::text).to_vec();
    columns.extend(["missed", "undecided", "runs"].map(Column::number));
    let mut table = Table::new("objectives", "by the worst run of each cell", columns);
    let row = |slo: &CellSlo| {
        let counts = [slo.missed, slo.undecided, slo.runs].map(|count| count.to_string());
        let [worst, verdict] = objective_cells(&slo.worst);
        let mut row = vec![
            Cell::from(cell_name(sweep, slo.cell)),
            slo.slo.as_str().into(),
            worst,
            verdict,
        ];
        row.extend(counts.map(Cell::from));
        row
    };
    table.rows = sweep.analysis.slos.iter().map(row).collect();
    table
}

/// What was measured with its interval, and the verdict with its reason.
fn objective_cells(slo: &SloOutcome) -> [Cell; 2] {
    let interval = match slo.ci95 {
        [Some(low), Some(high)] => Some(units::time_range(low as f64, high as f64)),
        _ => None,
    };
    let measured = slo.measured_in_words().or_else(|| objective::measured(slo));
    [
        Cell { below: interval, ..or_nothing(measured, |shown| shown).into() },
        Cell {
            below: objective::reason(slo),
            tone: objective::tone(slo),
            ..objective::word(slo).into()
        },
    ]
}

/// Like `nodelay: off -> on`.
pub(super) fn change(effect: &Effect) -> String {
    format!("{}: {} -> {}", effect.axis, effect.base, effect.level)
}

fn heading(effect: &Effect) -> String {
    let pairs = units::counted(effect.pairs.len() as u64, "pair");
    format!("{} ({pairs} of cells)", change(effect))
}

fn effect_table(place: usize, effect: &Effect, nouns: Nouns) -> Table {
    let mut columns = vec![Column::text("metric")];
    columns
        .extend([&effect.base, &effect.level].map(|level| Column::number(level_name(level))));
    columns.extend(["ratio", "95 %"].map(Column::number));
    columns.push(Column::text("verdict"));
    let mut table = Table::new(id_of_effect(place), "mean of the pairs", columns);
    let unit = unit_of_metrics(effect.metrics.iter().map(|metric| &metric.overall));
    let rows = effect.metrics.iter();
    table.rows = rows.map(|metric| effect_row(metric, nouns, unit)).collect();
    table.notes = notes(effect, nouns);
    table
}

/// A level, which may have no name.
pub(crate) fn level_name(level: &str) -> &str {
    if level.is_empty() { NOTHING } else { level }
}

fn effect_row(metric: &EffectMetric, nouns: Nouns, unit: TimeUnit) -> Vec<Cell> {
    let mut row = super::comparison::row(&metric.overall, nouns, unit);
    row[0].below = depends(metric);
    row
}

/// What an effect depends on, and between which ratios its pairs are.
pub(crate) fn depends(metric: &EffectMetric) -> Option<String> {
    if !metric.depends {
        return None;
    }
    let on = format!("depends on {}", metric.depends_on.join(" and "));
    Some(match metric.spread {
        Some([least, greatest]) if metric.overall.metric.is_by_ratio() => {
            format!("{on}; pairs {}", ratio_range(least, greatest))
        }
        _ => on,
    })
}

/// Pairs that are said one by one; of more, only the least and the greatest ratio.
const MOST_PAIRS: usize = 8;

/// The metrics whose pairs are.
const PAIRED: [Metric; 3] = [Metric::Throughput, Metric::P50, Metric::P99];

/// The pairs of an effect that show how it differs.
fn telling(effect: &Effect, metric: usize) -> Vec<&Pair> {
    let ratio = |pair: &&Pair| {
        let own = &pair.metrics[metric];
        own.ratio.filter(|_| own.judged_interval().is_some())
    };
    let mut pairs: Vec<&Pair> = effect.pairs.iter().filter(|p| ratio(p).is_some()).collect();
    if pairs.len() > MOST_PAIRS {
        pairs.sort_by(|a, b| ratio(a).partial_cmp(&ratio(b)).unwrap_or(Ordering::Equal));
        pairs = vec![pairs[0], pairs[pairs.len() - 1]];
    }
    pairs
}

/// Why metrics were not compared, and the pairs of those whose effect depends on other axes.
fn notes(effect: &Effect, nouns: Nouns) -> Vec<Note> {
    let note = |text: String| Note { mark: "", text };
    let mut notes: Vec<Note> = effect
        .metrics
        .iter()
        .filter_map(|metric| {
            let metric = &metric.overall;
            let reason = metric.reason.as_deref()?;
            Some(note(format!("{} not compared: {reason}", name_of(metric.metric, nouns))))
        })
        .collect();
    notes.extend(pair_notes(effect, nouns).into_iter().map(note));
    notes
}

/// The pairs of the metrics whose effect depends on other axes, one by one.
pub(crate) fn pair_notes(effect: &Effect, nouns: Nouns) -> Vec<String> {
    let mut notes = Vec::new();
    let paired =
        |metric: &&EffectMetric| metric.depends && PAIRED.contains(&metric.overall.metric);
    for metric in effect.metrics.iter().filter(paired) {
        let place = metric.overall.metric as usize;
        for pair in telling(effect, place) {
            let own = &pair.metrics[place];
            let by = own.ratio.map_or(String::new(), ratio);
            notes.push(format!(
                "{} at {}: {by} [{}] {}",
                name_of(metric.overall.metric, nouns),
                pair.name,
                interval(own),
                in_words(own)
            ));
        }
    }
    notes
}

fn summary(sweep: &Sweep) -> String {
    let metrics = || sweep.analysis.effects.iter().flat_map(|effect| &effect.metrics);
    let count = |verdict| metrics().filter(|m| m.overall.verdict == verdict).count();
    format!(
        "effects: {} better, {} worse, {} no evidence of a difference, {} not compared; {} depend \
         on the other axes",
        count(Verdict::Better),
        count(Verdict::Worse),
        count(Verdict::NoEvidence),
        count(Verdict::NotCompared),
        metrics().filter(|metric| metric.depends).count()
    )
}

fn reading(sweep: &Sweep) -> String {
    let method = &sweep.analysis.method;
    format!(
        "an effect is the geometric mean of the ratios of its pairs, cells that differ in that \
         axis only, with a 95 % interval from {} resamples of each cell's runs, Holm-corrected, \
         {}; pairs are the least and the greatest ratio; an effect that depends on an axis is not \
         the same at all of its levels; better or worse: the whole interval lies beyond {} % of \
         noise; it holds for the cells of this sweep",
        units::count(method.resamples.into()),
        comparisons(method.questions),
        threshold(method),
    )
}
