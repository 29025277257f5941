//! The page of a comparison: [`ComparisonPage`], its description with both sides' curves and a
//! forest of ratios in the place of each table.

use askama::Template;
use serde::Serialize;

use super::curve::{Curves, Sign, Source};
use super::forest::{Entry, Forest};
use super::nav::{Link, Links};
use super::{curve_table, forest, parts, print, table, tile};
use crate::compare::{Case, Comparison, Method, MetricComparison};
use crate::describe::comparison::unit_of_metrics;
use crate::describe::table::Column;
use crate::describe::{self, Body, Description, Table, units};
use crate::report::embedding;
use crate::report::nouns::Nouns;

/// Everything that the page of a comparison shows.
#[derive(Debug, Template)]
#[template(path = "comparison.html")]
pub(super) struct ComparisonPage<'a> {
    comparison: &'a Comparison,
    told: Description,
    links: Vec<Link>,
    /// The drawings of the cases, in the order of their tables.
    cases: Vec<CasePart>,
    charts: Charts,
    setting_tables: Vec<Table>,
    long_tables: Vec<Table>,
}

/// What the script draws.
#[derive(Debug, Default, Serialize)]
struct Charts {
    cases: Vec<Option<Curves>>,
}

/// What is drawn of a case.
#[derive(Debug)]
struct CasePart {
    /// That of its section.
    id: String,
    /// Where its curves are, if it has any.
    chart: usize,
    eligible: Option<&'static str>,
    forest: Forest,
    curves: Option<Table>,
}

impl<'a> ComparisonPage<'a> {
    pub(super) fn new(comparison: &'a Comparison) -> Self {
        let told = describe::comparison(comparison);
        let mut charts = Charts::default();
        let cases = comparison.candidates.iter().flat_map(|candidate| &candidate.cases);
        let threshold = comparison.method.threshold;
        let nouns = Nouns::of_workload(comparison.workload);
        let parts = |case| {
            let own = CasePart::new(case, threshold, nouns, &mut charts);
            let explanations = CasePart::of_explanations(case, own.chart, threshold, nouns);
            [own, explanations]
        };
        Self {
            cases: cases.flat_map(parts).collect(),
            comparison,
            links: links(comparison, &told),
            told,
            charts,
            setting_tables: vec![method(&comparison.method, &comparison.schema)],
            long_tables: vec![reports(comparison)],
        }
    }

    fn case(&self, id: &str) -> Option<&CasePart> {
        self.cases.iter().find(|case| case.id == id)
    }
}

/// To each case; and to what is said of a candidate if it is the only one.
fn links(comparison: &Comparison, told: &Description) -> Vec<Link> {
    let is_alone = comparison.candidates.len() == 1;
    let mut links = Links::default();
    links.add_sections(told, |section| match section.body {
        Body::Rows(_) => !is_alone,
        Body::Table(_) => !describe::comparison::is_of_explanations(&section.id),
        _ => is_alone,
    });
    links.add("details", "Reports");
    links.add("method", "Method");
    links.finish()
}

impl CasePart {
    fn new(case: &Case, threshold: f64, nouns: Nouns, charts: &mut Charts) -> Self {
        let chart = charts.cases.len();
        let curves = curves(case);
        let id = describe::comparison::id_of_case(chart);
        let part = Self {
            chart,
            eligible: curves.as_ref().and_then(|c| Some(c.eligible.as_ref()?.name)),
            forest: ratios(&id, &case.metrics, threshold, nouns),
            curves: curves
                .as_ref()
                .map(|curves| curve_table::table(format!("percentiles-{chart}"), curves)),
            id,
        };
        charts.cases.push(curves);
        part
    }

    /// What explains the metrics of the case at this place, drawn as they are.
    fn of_explanations(case: &Case, chart: usize, threshold: f64, nouns: Nouns) -> Self {
        let id = describe::comparison::id_of_explanations(chart);
        let forest = ratios(&id, &case.explanations, threshold, nouns);
        Self { id, chart, eligible: None, forest, curves: None }
    }

    fn shading(&self) -> String {
        match self.eligible {
            Some(name) => format!(
                "Shaded: beyond {name}, the last percentile that both sides have enough \
                 independent values for. Bars are 95 % intervals of the values of a side; what \
                 differs from run to run is in the intervals below."
            ),
            None => "Shaded: a side has too few values for any percentile.".into(),
        }
    }
}

fn ratios(id: &str, metrics: &[MetricComparison], threshold: f64, nouns: Nouns) -> Forest {
    let unit = unit_of_metrics(metrics);
    let entries = metrics.iter().map(|metric| Entry::of(metric, nouns, unit)).collect();
    Forest::new(id.to_owned(), "Ratios, new by base", ["base", "new"], entries, threshold)
}

pub(super) fn curves(case: &Case) -> Option<Curves> {
    let sides = [("base", Sign::Hollow, &case.base), ("new", Sign::Filled, &case.candidate)];
    let sources: Vec<_> = sides
        .into_iter()
        .filter_map(|(name, sign, side)| {
            let latency = side.response.as_ref()?;
            Some(Source { name, color: name, latency, bars: true, sign: Some(sign) })
        })
        .collect();
    let backing: Vec<_> = sources.iter().map(|source| source.latency).collect();
    Curves::new(&sources, &backing)
}

/// How it was judged.
pub(super) fn method(method: &Method, schema: &str) -> Table {
    let percent = |share: f64| format!("{} %", (share * 1e4).round() / 100.0);
    let mut facts = vec![
        ("confidence of intervals", percent(method.confidence)),
        ("noise threshold", percent(method.threshold)),
        ("bootstrap resamples", units::count(method.resamples.into())),
        ("seed", method.seed.to_string()),
        ("comparisons (Holm-corrected)", units::count(method.questions as u64)),
        ("schema", schema.to_owned()),
    ];
    if method.forced {
        facts.push(("load models compared by force", "yes".into()));
    }
    let facts = facts.into_iter().map(|(name, value)| (name.to_owned(), value));
    Table::of_facts("method", "Method", facts)
}

fn reports(comparison: &Comparison) -> Table {
    let columns = vec![Column::text("side"), Column::text("report")];
    let mut table = Table::new("reports", "Reports", columns);
    let candidates = comparison.candidates.iter().map(|candidate| &candidate.side);
    for side in std::iter::once(&comparison.base).chain(candidates) {
        let row = |report: &String| vec![side.name.as_str().into(), report.as_str().into()];
        table.rows.extend(side.reports.iter().map(row));
    }
    table
}
