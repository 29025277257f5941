//! The page of a comparison: [`ComparisonPage`], with what differs first, then for each case
//! both sides' curves and a forest of ratios.

use askama::Template;
use serde::Serialize;

use super::comparison_tiles;
use super::curve::{Curves, Sign, Source};
use super::forest::{self, Entry, Forest};
use super::table::{Cell, text};
use super::{curve_table, table, tile};
use crate::compare::{
    Candidate, Case, Caution, Comparison, Difference, Evidence, Method, MetricComparison,
    SideReport, Verdict,
};
use crate::describe::Figure;
use crate::describe::Table;
use crate::describe::{NOTHING, units};
use crate::render::comparison as shown;
use crate::report::embedding;

/// Everything that the page of a comparison shows.
#[derive(Debug, Template)]
#[template(path = "comparison.html")]
pub(super) struct ComparisonPage<'a> {
    comparison: &'a Comparison,
    title: String,
    candidates: Vec<CandidatePart<'a>>,
    charts: Charts,
    setting_tables: Vec<Table>,
    long_tables: Vec<Table>,
}

/// What the script draws.
#[derive(Debug, Default, Serialize)]
struct Charts {
    cases: Vec<Option<Curves>>,
}

/// A side compared with the base.
#[derive(Debug)]
struct CandidatePart<'a> {
    candidate: &'a Candidate,
    tiles: Vec<Figure>,
    /// Differences that should not be there.
    unexpected: Vec<&'a Difference>,
    differences: Option<Table>,
    missing: Vec<String>,
    cases: Vec<CasePart>,
}

/// A case of it.
#[derive(Debug)]
struct CasePart {
    heading: String,
    evidence: String,
    /// Where its curves are.
    chart: usize,
    eligible: Option<&'static str>,
    forest: Forest,
    curves: Option<Table>,
}

impl<'a> ComparisonPage<'a> {
    pub(super) fn new(comparison: &'a Comparison) -> Self {
        let mut charts = Charts::default();
        let candidates: Vec<_> = comparison
            .candidates
            .iter()
            .map(|candidate| CandidatePart::new(comparison, candidate, &mut charts))
            .collect();
        Self {
            comparison,
            title: title(comparison),
            candidates,
            charts,
            setting_tables: vec![method(&comparison.method, &comparison.schema)],
            long_tables: vec![reports(comparison)],
        }
    }

    fn summary(&self) -> String {
        shown::summary(self.comparison)
    }

    /// The class of the whole: that of its worst verdict.
    fn class(&self) -> &'static str {
        let any = |verdict| self.comparison.metrics().any(|m| m.verdict == verdict);
        let found = [Verdict::Worse, Verdict::Better, Verdict::NoEvidence].map(|v| (v, any(v)));
        let first = found.iter().find(|(_, any)| *any);
        forest::class(first.map_or(Verdict::NotCompared, |(verdict, _)| *verdict))
    }

    fn reading(&self) -> String {
        forest::reading(self.comparison.method.threshold)
    }

    fn base(&self) -> String {
        side(&self.comparison.base)
    }
}

impl<'a> CandidatePart<'a> {
    fn new(comparison: &Comparison, candidate: &'a Candidate, charts: &mut Charts) -> Self {
        let (unexpected, expected): (Vec<_>, Vec<_>) =
            candidate.differences.iter().partition(|difference| difference.unexpected);
        let threshold = comparison.method.threshold;
        let cases = candidate.cases.iter();
        Self {
            candidate,
            tiles: comparison_tiles::tiles(candidate),
            unexpected,
            differences: differences(charts.cases.len(), &expected),
            missing: shown::missing(candidate).collect(),
            cases: cases.map(|case| CasePart::new(case, threshold, charts)).collect(),
        }
    }

    fn side(&self) -> String {
        side(&self.candidate.side)
    }

    fn cautions(&self) -> &[Caution] {
        &self.candidate.cautions
    }
}

impl CasePart {
    fn new(case: &Case, threshold: f64, charts: &mut Charts) -> Self {
        let chart = charts.cases.len();
        let curves = curves(case);
        let heading = match case.name.as_str() {
            "" => "All runs".to_owned(),
            name => name.to_owned(),
        };
        let entries = case.metrics.iter().map(entry).collect();
        let part = Self {
            evidence: evidence(case),
            chart,
            eligible: curves.as_ref().and_then(|c| Some(c.eligible.as_ref()?.name)),
            forest: Forest::new(
                format!("ratios-{chart}"),
                "Ratios, new by base",
                "metric",
                entries,
                threshold,
            ),
            curves: curves.as_ref().map(|curves| {
                let mut table = curve_table::table(format!("percentiles-{chart}"), curves);
                table.caption = format!("Percentile curves: {heading}");
                table
            }),
            heading,
        };
        charts.cases.push(curves);
        part
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

fn title(comparison: &Comparison) -> String {
    let base = &comparison.base.name;
    match &comparison.candidates[..] {
        [only] => format!("{} against {base}", only.side.name),
        several => format!("{} sides against {base}", several.len()),
    }
}

/// A side and its runs.
fn side(side: &SideReport) -> String {
    shown::runs(&side.name, side.reports.len())
}

fn evidence(case: &Case) -> String {
    let counts = format!("{} + {} runs", case.base.runs, case.candidate.runs);
    let evidence = match case.evidence {
        Evidence::Runs => "intervals go by what differs from run to run",
        Evidence::RunsOfOneSide => {
            "intervals go by what differs from run to run on the side that has several"
        }
        Evidence::Intervals => {
            "intervals go by what differs within the runs; from run to run nothing was seen"
        }
    };
    format!("{counts}; {evidence}")
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

/// A metric as a row of the forest.
pub(super) fn entry(metric: &MetricComparison) -> Entry {
    let [base, candidate] = values(metric);
    let (estimate, interval) = estimate(metric);
    let drawn = metric.ratio.zip(metric.judged_interval()).filter(|(ratio, _)| *ratio > 0.0);
    Entry {
        name: shown::name(metric.metric).into(),
        below: None,
        base,
        candidate,
        drawn: drawn.filter(|_| metric.metric.is_by_ratio()),
        estimate,
        interval,
        verdict: metric.verdict,
        said: words(metric),
        instead: metric.reason.clone().or_else(|| instead(metric)),
    }
}

/// The values of both sides.
pub(super) fn values(metric: &MetricComparison) -> [String; 2] {
    [
        shown::value(metric.metric, metric.base, metric.base_standing),
        shown::value(metric.metric, metric.candidate, metric.candidate_standing),
    ]
}

/// A verdict where there is little room.
pub(super) fn words(metric: &MetricComparison) -> &'static str {
    match shown::verdict(metric) {
        "no evidence of a difference" => "no evidence",
        other => other,
    }
}

/// Why a metric that was compared has no ratio.
fn instead(metric: &MetricComparison) -> Option<String> {
    metric.difference?;
    let none = is_clean(metric);
    Some(
        if none { "none on either side" } else { "a share, compared by its difference" }.into(),
    )
}

/// Whether neither side had any.
pub(super) fn is_clean(metric: &MetricComparison) -> bool {
    let zero = |value: Option<f64>| value.is_some_and(|value| value <= 0.0);
    zero(metric.base) && zero(metric.candidate)
}

/// The estimate of a metric and its interval.
pub(super) fn estimate(metric: &MetricComparison) -> (String, String) {
    let by_ratio = metric.ratio.map_or(NOTHING.into(), shown::ratio);
    match (metric.judged_interval(), metric.difference) {
        (Some(_), Some(_)) if is_clean(metric) => (NOTHING.into(), String::new()),
        (Some([low, high]), Some([difference, ..])) => (
            format!("{:+.3} points", difference * 100.0),
            format!("{:+.3}..{:+.3}", low * 100.0, high * 100.0),
        ),
        (Some([low, high]), None) => (by_ratio, shown::ratio_range(low, high)),
        (None, _) => (by_ratio, String::new()),
    }
}

fn differences(place: usize, expected: &[&Difference]) -> Option<Table> {
    let columns = ["what differs", "base", "new"].map(text).into();
    let id = format!("differences-{place}");
    let mut table = Table::new(id, "Differences of plan and tool", columns);
    table.rows = expected
        .iter()
        .map(|difference| {
            let side = |values: &[String]| Cell::from(values.join(" | "));
            vec![
                difference.name.as_str().into(),
                side(&difference.base),
                side(&difference.candidate),
            ]
        })
        .collect();
    (!table.rows.is_empty()).then_some(table)
}

/// How it was judged.
pub(super) fn method(method: &Method, schema: &str) -> Table {
    let percent = |share: f64| format!("{} %", (share * 1e4).round() / 100.0);
    let mut facts = vec![
        ("confidence of intervals", percent(method.confidence)),
        ("noise threshold", percent(method.threshold)),
        ("bootstrap resamples", units::count(method.resamples.into())),
        ("seed", method.seed.to_string()),
        ("questions (Holm’s correction)", units::count(method.questions as u64)),
        ("schema", schema.to_owned()),
    ];
    if method.forced {
        facts.push(("sides that were forced together", "yes".into()));
    }
    let facts = facts.into_iter().map(|(name, value)| (name.to_owned(), value));
    Table::of_facts("method", "Method", facts)
}

fn reports(comparison: &Comparison) -> Table {
    let mut table = Table::new("reports", "Reports", vec![text("side"), text("report")]);
    let candidates = comparison.candidates.iter().map(|candidate| &candidate.side);
    for side in std::iter::once(&comparison.base).chain(candidates) {
        let row = |report: &String| vec![side.name.as_str().into(), report.as_str().into()];
        table.rows.extend(side.reports.iter().map(row));
    }
    table
}
