//! The page of a sweep: [`SweepPage`], with the cells as tables of colours, their percentile
//! curves as small multiples, what each axis does as a forest of ratios, and the ranking.

use askama::Template;
use serde::Serialize;

use super::comparison;
use super::curve::Curves;
use super::forest::{self, Entry, Forest};
use super::sweep_curves;
use super::sweep_matrix::{self, Matrix};
use super::table::{Cell, number, text};
use super::{curve_table, print, sweep_tiles, table, tile};
use crate::compare::{Caution, MetricComparison};
use crate::describe::Figure;
use crate::describe::comparison as shown;
use crate::describe::{NOTHING, Table, objective, or_nothing, table_of_runs, units};
use crate::render::sweep::{self as words, RANKED};
use crate::report::{SloOutcome, embedding};
use crate::sweep::{Axis, CellSlo, Effect, EffectMetric, Ranked, Sweep};

/// Everything that the page of a sweep shows.
#[derive(Debug, Template)]
#[template(path = "sweep.html")]
pub(super) struct SweepPage<'a> {
    sweep: &'a Sweep,
    title: String,
    tiles: Vec<Figure>,
    /// The axis whose levels are overlaid.
    overlaid: Option<&'a str>,
    panels: Vec<PanelPart>,
    effects: Vec<EffectPart<'a>>,
    /// Each run, where nothing varies.
    runs: Option<Table>,
    ranking: Table,
    objectives: Option<Table>,
    setting_tables: Vec<Table>,
    charts: Charts,
}

/// What the script draws.
#[derive(Debug, Serialize)]
struct Charts {
    matrix: Option<Matrix>,
    panels: Vec<Curves>,
    /// The least and the greatest latency that is drawn.
    range_ns: Option<[u64; 2]>,
}

/// Curves that are drawn over each other.
#[derive(Debug)]
struct PanelPart {
    name: String,
    table: Table,
}

/// What an axis does.
#[derive(Debug)]
struct EffectPart<'a> {
    axis: &'a str,
    /// Its levels, the base first.
    levels: String,
    forest: Forest,
    pairs: Table,
}

impl<'a> SweepPage<'a> {
    pub(super) fn new(sweep: &'a Sweep) -> Self {
        let (mut panels, mut curves) = (Vec::new(), Vec::new());
        for (place, panel) in sweep_curves::panels(sweep).into_iter().enumerate() {
            let mut table = curve_table::table(format!("percentiles-{place}"), &panel.curves);
            table.caption = format!("Percentile curves: {}", named(&panel.name));
            panels.push(PanelPart { name: named(&panel.name).to_owned(), table });
            curves.push(panel.curves);
        }
        let axes = sweep.plan.axes.iter().enumerate();
        let names: Vec<&str> = sweep.plan.axes.iter().map(|axis| axis.name.as_str()).collect();
        let overlaid = sweep_curves::overlaid(sweep);
        Self {
            title: if names.is_empty() { "One cell".into() } else { names.join(" × ") },
            tiles: sweep_tiles::tiles(sweep),
            overlaid: overlaid.map(|place| names[place]),
            panels,
            effects: axes
                .filter_map(|(place, axis)| EffectPart::new(sweep, place, axis))
                .collect(),
            runs: sweep.is_of_repeats().then(|| {
                let runs: Vec<_> =
                    sweep.cells.iter().flat_map(|cell| cell.runs.clone()).collect();
                table_of_runs(&runs)
            }),
            ranking: ranking(sweep),
            objectives: objectives(sweep),
            setting_tables: vec![
                plan(sweep),
                comparison::method(&sweep.analysis.method, &sweep.schema),
            ],
            charts: Charts {
                matrix: Matrix::new(sweep),
                range_ns: sweep_curves::range_ns(&curves),
                panels: curves,
            },
            sweep,
        }
    }

    fn pieces(&self) -> Vec<String> {
        let plan = &self.sweep.plan;
        let runs = "in rounds of random order";
        let mut pieces = vec![format!(
            "{} x {}, {runs}",
            units::counted(self.sweep.cells.len() as u64, "cell"),
            units::counted(plan.repeats.into(), "repeat")
        )];
        pieces.extend(plan.fixed.iter().map(ToString::to_string));
        pieces
    }

    fn summary(&self) -> String {
        words::summary(self.sweep)
    }

    fn cautions(&self) -> &[Caution] {
        &self.sweep.analysis.cautions
    }

    /// The cells of failed runs, and why they failed.
    fn failures(&self) -> Vec<(&str, &str)> {
        let cells = self.sweep.cells.iter();
        cells.flat_map(|cell| cell.failures.iter().map(|why| (&*cell.name, &**why))).collect()
    }

    fn reading(&self) -> String {
        format!("Here {}", words::reading(self.sweep).replace('`', ""))
    }
}

fn named(name: &str) -> &str {
    if name.is_empty() { "All cells" } else { name }
}

impl<'a> EffectPart<'a> {
    /// What an axis does; `None` if nothing of it could be compared.
    fn new(sweep: &Sweep, place: usize, axis: &'a Axis) -> Option<Self> {
        let effects: Vec<&Effect> =
            sweep.analysis.effects.iter().filter(|effect| effect.axis == axis.name).collect();
        let first = effects.first()?;
        let entries = effects.iter().flat_map(|effect| {
            RANKED.iter().map(|&metric| entry(effect, &effect.metrics[metric as usize]))
        });
        let levels: Vec<&str> = effects.iter().map(|effect| effect.level.as_str()).collect();
        Some(Self {
            axis: &axis.name,
            levels: format!("{} against {}", levels.join(", "), first.base),
            forest: Forest::new(
                format!("effects-{place}"),
                "Ratios, level by base",
                "metric",
                entries.collect(),
                sweep.analysis.method.threshold,
            ),
            pairs: pairs(place, &effects),
        })
    }
}

/// A metric of an effect as a row of the forest.
fn entry(effect: &Effect, metric: &EffectMetric) -> Entry {
    let mut below = format!("{} -> {}", effect.base, effect.level);
    if metric.depends {
        below.push_str("; depends on ");
        below.push_str(&metric.depends_on.join(" and "));
        if let (Some([least, greatest]), true) =
            (metric.spread, metric.overall.metric.is_by_ratio())
        {
            let pairs = shown::ratio_range(least, greatest);
            below.extend([" (pairs ", &pairs, ")"]);
        }
    }
    Entry { below: Some(below), ..Entry::of(&metric.overall) }
}

/// Every pair of cells behind the effects of an axis.
fn pairs(place: usize, effects: &[&Effect]) -> Table {
    let columns = vec![
        text("level"),
        text("at"),
        text("metric"),
        number("base"),
        number("level"),
        number("ratio, 95 %"),
        text("verdict"),
    ];
    let mut table = Table::new(format!("pairs-{place}"), "Pairs of cells", columns);
    for effect in effects {
        for pair in &effect.pairs {
            let metrics = RANKED.iter().map(|&metric| &pair.metrics[metric as usize]);
            table
                .rows
                .extend(metrics.map(|metric| pair_row(&effect.level, &pair.name, metric)));
        }
    }
    table
}

fn pair_row(level: &str, at: &str, metric: &MetricComparison) -> Vec<Cell> {
    let entry = Entry::of(metric);
    let at = if at.is_empty() { NOTHING } else { at };
    vec![
        level.into(),
        at.into(),
        entry.name.into(),
        entry.base.into(),
        entry.candidate.into(),
        Cell::with_below(entry.estimate, entry.interval),
        entry.said.into(),
    ]
}

/// Every cell with its metrics, best first.
fn ranking(sweep: &Sweep) -> Table {
    let mut columns = vec![number("#")];
    columns.extend(sweep.plan.axes.iter().map(|axis| text(axis.name.as_str())));
    columns.extend(RANKED.iter().map(|&metric| number(shown::name(metric))));
    let by = shown::name(sweep.analysis.ranked_by);
    let mut table = Table::new("ranking", format!("Cells, ranked by {by}"), columns);
    let row = |(place, ranked): (usize, &Ranked)| {
        let mut row = vec![Cell::from((place + 1).to_string())];
        row.extend(
            sweep.cells[ranked.cell].levels.iter().map(|level| Cell::from(level.as_str())),
        );
        row.extend(RANKED.iter().map(|&metric| {
            let found = &ranked.metrics[metric as usize];
            Cell::with_below(sweep_matrix::text(found), sweep_matrix::interval(found))
        }));
        row
    };
    table.rows = sweep.analysis.ranking.iter().enumerate().map(row).collect();
    table
}

/// What became of the objectives, cell by cell.
fn objectives(sweep: &Sweep) -> Option<Table> {
    let columns =
        vec![text("cell"), text("objective"), number("worst run"), text(""), number("missed")];
    let mut table = Table::new("objectives", "Objectives", columns);
    let row = |slo: &CellSlo| {
        let cell = sweep.cells.get(slo.cell).map_or("", |cell| &*cell.name);
        let [measured, verdict] = objective_cells(&slo.worst);
        let missed = format!("{} of {} runs", slo.missed, slo.runs);
        vec![named(cell).into(), slo.slo.as_str().into(), measured, verdict, missed.into()]
    };
    table.rows = sweep.analysis.slos.iter().map(row).collect();
    (!table.rows.is_empty()).then_some(table)
}

/// What was measured with its interval, and the verdict with its reason.
fn objective_cells(slo: &SloOutcome) -> [Cell; 2] {
    let below = |text: String, below: Option<String>| Cell { text, below };
    let interval = match slo.ci95 {
        [Some(low), Some(high)] => Some(units::time_range(low as f64, high as f64)),
        _ => None,
    };
    [
        below(or_nothing(objective::measured(slo), |shown| shown), interval),
        below(slo.verdict().to_string(), objective::reason(slo)),
    ]
}

fn plan(sweep: &Sweep) -> Table {
    let plan = &sweep.plan;
    let axis = |axis: &Axis| {
        let levels: Vec<&str> = axis.levels.iter().map(|level| level.name.as_str()).collect();
        (format!("axis {}", axis.name), levels.join(" | "))
    };
    let mut facts: Vec<(String, String)> = plan.axes.iter().map(axis).collect();
    let fixed: Vec<String> = plan.fixed.iter().map(ToString::to_string).collect();
    facts.push(("every run".into(), fixed.join(", ")));
    facts.push(("runs of each cell".into(), plan.repeats.to_string()));
    facts.push(("seed".into(), plan.seed.to_string()));
    Table::of_facts("plan", "Plan", facts)
}
