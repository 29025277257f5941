//! The page of a sweep: [`SweepPage`], its description with the cells as tables of colours, their
//! percentile curves as small multiples, and a forest of ratios in the place of each effect's
//! table.

use askama::Template;
use serde::Serialize;

use super::comparison;
use super::curve::Curves;
use super::forest::{self, Entry, Forest};
use super::nav::{self, Link, Links};
use super::parts::Copied;
use super::sweep_curves;
use super::sweep_matrix::Matrix;
use super::table::{Cell, number, text};
use super::{curve_table, parts, print, table, tile};
use crate::compare::MetricComparison;
use crate::describe::comparison::{name_of, unit_of_metrics};
use crate::describe::sweep::{SHOWN, depends, id_of_effect, level_name, nouns, pair_notes};
use crate::describe::units::TimeUnit;
use crate::describe::{self, Body, Description, NOTHING, Table};
use crate::report::embedding;
use crate::report::nouns::Nouns;
use crate::sweep::{Effect, EffectMetric, Sweep};

/// Everything that the page of a sweep shows.
#[derive(Debug, Template)]
#[template(path = "sweep.html")]
pub(super) struct SweepPage<'a> {
    sweep: &'a Sweep,
    told: Description,
    links: Vec<Link>,
    texts: Vec<Copied>,
    /// The axis whose levels are overlaid.
    overlaid: Option<&'a str>,
    panels: Vec<PanelPart>,
    effects: Vec<EffectPart>,
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

/// What is drawn of an effect.
#[derive(Debug)]
struct EffectPart {
    /// That of its section.
    id: String,
    forest: Forest,
    notes: Vec<String>,
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
        let overlaid = sweep_curves::overlaid(sweep);
        let method = &sweep.analysis.method;
        let effects = sweep.analysis.effects.iter().enumerate();
        let nouns = nouns(sweep);
        let told = describe::sweep(sweep);
        let matrix = Matrix::new(sweep);
        let mut links = Links::default();
        links.add_sections(&told, |section| !nav::is_table(section));
        links.add_if(matrix.is_some(), "matrix", "Cells");
        links.add_if(!panels.is_empty(), "curves", "Percentile curves");
        links.add_sections(&told, nav::is_table);
        links.add("reproduce", "Reproduce");
        links.add("method", "Method");
        Self {
            told,
            links: links.finish(),
            texts: reproduced(sweep),
            overlaid: overlaid.map(|place| sweep.plan.axes[place].name.as_str()),
            panels,
            effects: effects
                .map(|(place, effect)| EffectPart::new(place, effect, method.threshold, nouns))
                .collect(),
            setting_tables: vec![comparison::method(method, &sweep.schema)],
            charts: Charts {
                matrix,
                range_ns: sweep_curves::range_ns(&curves),
                panels: curves,
            },
            sweep,
        }
    }

    fn effect(&self, id: &str) -> Option<&EffectPart> {
        self.effects.iter().find(|effect| effect.id == id)
    }
}

/// What carries the sweep out again.
fn reproduced(sweep: &Sweep) -> Vec<Copied> {
    vec![
        Copied {
            id: "plan-file",
            name: "The plan, to be saved as plan.toml",
            noun: "the plan",
            text: sweep.plan.to_toml(0),
        },
        Copied {
            id: "command",
            name: "The command line that measures it",
            noun: "the command",
            text: "echo-bench sweep plan.toml".into(),
        },
    ]
}

fn named(name: &str) -> &str {
    if name.is_empty() { "All cells" } else { name }
}

impl EffectPart {
    fn new(place: usize, effect: &Effect, threshold: f64, nouns: Nouns) -> Self {
        let id = id_of_effect(place);
        let sides = [&effect.base, &effect.level].map(|level| level_name(level));
        let unit = unit_of_metrics(effect.metrics.iter().map(|metric| &metric.overall));
        let entries = effect.metrics.iter();
        let entries = entries.map(|metric| entry(metric, nouns, unit)).collect();
        let caption = "Ratios, level by base";
        Self {
            forest: Forest::new(id.clone(), caption, sides, entries, threshold),
            notes: pair_notes(effect, nouns),
            pairs: pairs(place, effect, nouns),
            id,
        }
    }
}

/// A metric of an effect as a row of the forest.
fn entry(metric: &EffectMetric, nouns: Nouns, unit: TimeUnit) -> Entry {
    Entry { below: depends(metric), ..Entry::of(&metric.overall, nouns, unit) }
}

/// Every pair of cells behind an effect.
fn pairs(place: usize, effect: &Effect, nouns: Nouns) -> Table {
    let mut columns = vec![text("at"), text("metric")];
    columns.extend([&effect.base, &effect.level].map(|level| number(level_name(level))));
    columns.extend([number("ratio, 95 %"), text("verdict")]);
    let mut table = Table::new(format!("pairs-{place}"), "Pairs of cells", columns);
    let unit = unit_of_metrics(effect.pairs.iter().flat_map(|pair| &pair.metrics));
    for pair in &effect.pairs {
        let metrics = SHOWN.iter().map(|&metric| &pair.metrics[metric as usize]);
        table.rows.extend(metrics.map(|metric| pair_row(&pair.name, metric, nouns, unit)));
    }
    table
}

fn pair_row(at: &str, metric: &MetricComparison, nouns: Nouns, unit: TimeUnit) -> Vec<Cell> {
    let entry = Entry::of(metric, nouns, unit);
    let at = if at.is_empty() { NOTHING } else { at };
    vec![
        at.into(),
        name_of(metric.metric, nouns).into(),
        entry.base.into(),
        entry.candidate.into(),
        Cell::with_below(entry.estimate, entry.interval),
        entry.said.into(),
    ]
}
