//! A comparison in words: [`comparison`]. How its metrics and ratios are shown is what sweeps
//! use, too.

use super::conclusion::of_comparison;
use super::units::{self, TimeUnit};
use super::{
    Body, Cell, Column, Description, NOTHING, Note, Notice, Row, Section, Table, Tone, figures,
    or_nothing, sentences,
};
use crate::compare::caution::SINGLE_RUN;
use crate::compare::{Candidate, Case, Caution, Comparison, Difference, Evidence, Method};
use crate::compare::{Metric, MetricComparison, SideReport, Verdict};
use crate::report::nouns::Nouns;

pub(super) mod numbers;

pub(crate) use numbers::{
    in_units, is_latency, ratio, ratio_range, unit_of, unit_of_metrics, value,
};

/// Everything that a comparison says.
pub(crate) fn comparison(comparison: &Comparison) -> Description {
    let mut cases = 0;
    let sections = comparison.candidates.iter().enumerate().flat_map(|(place, candidate)| {
        let first = cases;
        cases += candidate.cases.len();
        sections(comparison, place, candidate, first)
    });
    Description {
        title: title(comparison),
        conclusion: sentences(of_comparison(comparison)),
        detail: None,
        phrases: Vec::new(),
        sections: sections.collect(),
        verdict: verdict(comparison),
        reading: reading(&comparison.method, Nouns::of_workload(comparison.workload)),
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
    format!("{} ({})", side.name, units::counted(side.reports.len() as u64, "run"))
}

/// The name of the section of a case, by its place among all cases.
pub(crate) fn id_of_case(place: usize) -> String {
    format!("ratios-{place}")
}

/// The same of the section of what explains its metrics.
pub(crate) fn id_of_explanations(place: usize) -> String {
    format!("{OF_EXPLANATIONS}{place}")
}

/// What the names of those sections begin with.
const OF_EXPLANATIONS: &str = "explanations-";

/// Whether a section of this name is one of those.
pub(crate) fn is_of_explanations(id: &str) -> bool {
    id.starts_with(OF_EXPLANATIONS)
}

/// What is said of one candidate, whose first case has this place among all.
fn sections(
    comparison: &Comparison,
    place: usize,
    candidate: &Candidate,
    first: usize,
) -> Vec<Section> {
    let (unexpected, expected): (Vec<_>, Vec<_>) =
        candidate.differences.iter().partition(|difference| difference.unexpected);
    let same = unexpected.is_empty() && expected.is_empty();
    let nouns = Nouns::of_workload(comparison.workload);
    let section =
        |name: &str, title: &str, body| Section::new(format!("{name}-{place}"), title, body);
    let notices = |differences: Vec<&Difference>| {
        Body::Notices(differences.into_iter().map(difference).collect())
    };
    let mut sides =
        vec![Row::new("base", side(&comparison.base)), Row::new("new", side(&candidate.side))];
    if same {
        let nothing = "nothing: plan, environment and tool are the same on both sides";
        sides.push(Row::new("differs", nothing));
    }
    let mut cautions: Vec<_> = candidate.cautions.iter().map(caution).collect();
    cautions.extend(missing(candidate));
    let mut sections = vec![
        section("sides", &candidate.side.name, Body::Rows(sides)),
        section("unexpected", "Differences that should not be there", notices(unexpected)),
        section("figures", "Summary", Body::Figures(figures::of_candidate(candidate, nouns))),
        section("cautions", "Cautions", Body::Notices(cautions)),
        section("differences", "What differs", notices(expected)),
    ];
    for (number, case) in (first..).zip(&candidate.cases) {
        let title = if case.name.is_empty() { "all runs" } else { &case.name };
        let mut add = |id: String, caption, metrics| {
            let table = Body::Table(table(id.clone(), caption, metrics, nouns));
            sections.push(Section::headed(id, title, table));
        };
        add(id_of_case(number), evidence(case), &case.metrics);
        if !case.explanations.is_empty() {
            let caption = EXPLANATIONS.to_owned();
            add(id_of_explanations(number), caption, &case.explanations);
        }
    }
    sections
}

/// What metrics that explain others are, wherever there are any.
const EXPLANATIONS: &str = "not judged; corrected: the response without own share";

fn difference(difference: &Difference) -> Notice {
    let side = |values: &[String]| values.join(" | ");
    let (base, candidate) = (side(&difference.base), side(&difference.candidate));
    let (label, more, tone) = if difference.unexpected {
        let more = "this alone may explain the ratios; measure both sides alike";
        ("UNEXPECTED", Some(more.to_owned()), Tone::Bad)
    } else {
        ("differs", None, Tone::Plain)
    };
    let name = format!("{} {}", difference.kind, difference.name);
    Notice { label, name, text: format!("{base} -> {candidate}"), more, tone }
}

pub(super) fn caution(caution: &Caution) -> Notice {
    let (name, text) = (caution.code.clone(), caution.message.clone());
    Notice { label: "caution", name, text, more: None, tone: Tone::Fair }
}

fn missing(candidate: &Candidate) -> impl Iterator<Item = Notice> {
    let base = candidate.only_in_base.iter().map(|case| ("only in base", case));
    let new = candidate.only_in_candidate.iter().map(|case| ("only in new", case));
    base.chain(new).map(|(name, case)| {
        let (name, text) = (name.to_owned(), case.clone());
        Notice { label: "missing", name, text, more: None, tone: Tone::Fair }
    })
}

/// What the intervals of a case go by.
fn evidence(case: &Case) -> String {
    let varied = match case.evidence {
        Evidence::Runs => "intervals from run-to-run variance",
        Evidence::RunsOfOneSide => {
            "intervals from run-to-run variance of the side with several"
        }
        Evidence::Intervals => "intervals from variance within the runs",
    };
    format!("{} + {} runs, {varied}", case.base.runs, case.candidate.runs)
}

/// The columns of metrics on two sides.
fn columns() -> Vec<Column> {
    let mut columns = vec![Column::text("metric")];
    columns.extend(["base", "new", "ratio", "95 %"].map(Column::number));
    columns.push(Column::text("verdict"));
    columns
}

fn table(id: String, caption: String, metrics: &[MetricComparison], nouns: Nouns) -> Table {
    let mut table = Table::new(id, caption, columns());
    let unit = unit_of_metrics(metrics);
    table.rows = metrics.iter().map(|metric| row(metric, nouns, unit)).collect();
    let reasons = metrics.iter().filter_map(|metric| {
        let reason = metric.reason.as_ref()?;
        let text = format!("{} not compared: {reason}", name_of(metric.metric, nouns));
        Some(Note { mark: "", text })
    });
    table.notes = reasons.collect();
    table
}

/// A metric on both sides: its name, its values, their ratio with its interval, the verdict.
pub(crate) fn row(metric: &MetricComparison, nouns: Nouns, unit: TimeUnit) -> Vec<Cell> {
    let [base, candidate] = values(metric, unit);
    let cells = [
        name_of(metric.metric, nouns).to_owned(),
        base,
        candidate,
        ratio_or_difference(metric),
        interval(metric),
        in_words(metric).to_owned(),
    ];
    let mut cells: Vec<Cell> = cells.map(Cell::from).into();
    if let Some(verdict) = cells.last_mut() {
        verdict.tone = tone(metric);
    }
    cells
}

/// How the verdict on a metric is to be taken.
pub(super) fn tone(metric: &MetricComparison) -> Tone {
    if metric.own_share { Tone::Fair } else { tone_of(metric.verdict) }
}

/// How a verdict is to be taken.
pub(super) fn tone_of(verdict: Verdict) -> Tone {
    match verdict {
        Verdict::Better => Tone::Better,
        Verdict::Worse => Tone::Worse,
        Verdict::NoEvidence | Verdict::SingleRun => Tone::Plain,
        Verdict::NotCompared => Tone::Absent,
    }
}

/// The values of both sides.
pub(crate) fn values(metric: &MetricComparison, unit: TimeUnit) -> [String; 2] {
    [
        value(metric.metric, metric.base, metric.base_standing, unit),
        value(metric.metric, metric.candidate, metric.candidate_standing, unit),
    ]
}

/// The ratio; of errors, which are compared by it, the difference.
pub(crate) fn ratio_or_difference(metric: &MetricComparison) -> String {
    match metric.difference {
        Some(_) if is_clean(metric) => NOTHING.into(),
        Some([difference, ..]) => format!("{:+.3}", difference * 100.0),
        None => or_nothing(metric.ratio, ratio),
    }
}

/// Whether neither side had any.
pub(crate) fn is_clean(metric: &MetricComparison) -> bool {
    let zero = |value: Option<f64>| value.is_some_and(|value| value <= 0.0);
    zero(metric.base) && zero(metric.candidate)
}

/// The interval that goes with the verdict.
pub(crate) fn interval(metric: &MetricComparison) -> String {
    match metric.judged_interval() {
        Some([low, high]) if metric.metric.is_by_ratio() => ratio_range(low, high),
        Some([low, high]) => format!("{:+.3}..{:+.3} points", low * 100.0, high * 100.0),
        None => NOTHING.into(),
    }
}

/// The verdict in words that fit the interval beside it.
pub(crate) fn in_words(metric: &MetricComparison) -> &'static str {
    match metric.verdict {
        Verdict::Better if metric.own_share => "better by own share",
        Verdict::Worse if metric.own_share => "worse by own share",
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::NotCompared => "not compared",
        Verdict::SingleRun => "single run: not judged",
        Verdict::NoEvidence => match (metric.excludes_equality(), metric.interval_holm) {
            (false, _) => "no evidence of a difference",
            (true, Some(_)) => "no evidence beyond noise",
            // Of an older version, which kept the uncorrected interval only.
            (true, None) => "not significant after correction",
        },
    }
}

/// What people read, of a metric of requests.
fn name(metric: Metric) -> &'static str {
    match metric {
        Metric::Throughput => "requests/s",
        Metric::P50 => "p50",
        Metric::P90 => "p90",
        Metric::P99 => "p99",
        Metric::P999 => "p99.9",
        Metric::Max => "max",
        Metric::ClientCpu => "generator cpu/message",
        Metric::ServerCpu => "server cpu/message",
        Metric::Errors => "errors",
        Metric::CorrectedP50 => "corrected p50",
        Metric::CorrectedP90 => "corrected p90",
        Metric::CorrectedP99 => "corrected p99",
        Metric::CorrectedP999 => "corrected p99.9",
        Metric::CorrectedMax => "corrected max",
        Metric::Fairness => "fairness (Jain)",
        Metric::WorkerSkew => "worker skew",
    }
}

/// The same where it is known what is counted.
pub(crate) fn name_of(metric: Metric, nouns: Nouns) -> &'static str {
    if metric == Metric::Throughput { nouns.rate } else { name(metric) }
}

/// What all metrics together come to, and how grave that is.
fn verdict(comparison: &Comparison) -> super::Verdict {
    let count = |verdict| comparison.metrics().filter(|m| m.verdict == verdict).count();
    let found = [Verdict::Better, Verdict::Worse, Verdict::NoEvidence, Verdict::NotCompared];
    let [better, worse, open, not_compared] = found.map(count);
    let mut cases = comparison.candidates.iter().flat_map(|candidate| &candidate.cases);
    let single = cases.any(|case| case.evidence == Evidence::Intervals);
    let note = if single {
        format!(", {} not judged ({SINGLE_RUN})", count(Verdict::SingleRun))
    } else {
        String::new()
    };
    let all_of = |verdict| comparison.metrics().filter(move |m| m.verdict == verdict);
    let own = |verdict| match all_of(verdict).filter(|metric| metric.own_share).count() {
        0 => String::new(),
        own => format!(" ({own} by the generator's own share)"),
    };
    let is_firm = |verdict| !all_of(verdict).all(|metric| comparison.is_excused(metric));
    let tone = match (worse, better, open) {
        (1.., ..) if is_firm(Verdict::Worse) => Tone::Worse,
        (0, 1.., _) if is_firm(Verdict::Better) => Tone::Better,
        (1.., ..) | (_, 1.., _) => Tone::Fair,
        (0, 0, 1..) => Tone::Plain,
        (0, 0, 0) => Tone::Absent,
    };
    let (of_better, of_worse) = (own(Verdict::Better), own(Verdict::Worse));
    let word = format!(
        "{better} better{of_better}, {worse} worse{of_worse}, {open} no evidence of a difference, \
         {not_compared} not compared{note}"
    );
    super::Verdict { word, meaning: "", tone }
}

fn reading(method: &Method, nouns: Nouns) -> String {
    format!(
        "ratios are new by base of merged runs, with 95 % intervals from {} resamples, \
         Holm-corrected, {}; better or worse: the whole interval lies beyond {} % of noise; of \
         {} and fairness more is better, of all else less",
        units::count(method.resamples.into()),
        comparisons(method.questions),
        threshold(method),
        nouns.rate
    )
}

/// The noise threshold in percent.
pub(crate) fn threshold(method: &Method) -> f64 {
    (method.threshold * 1e4).round() / 100.0
}

/// Like `9 comparisons`.
pub(crate) fn comparisons(count: usize) -> String {
    units::counted(count as u64, "comparison")
}

#[cfg(test)]
mod tests;
