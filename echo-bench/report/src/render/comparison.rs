//! A comparison as text and as Markdown, from one table.

use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};

use echo_proto::terminal::one_line;

use super::markdown::inline;
use crate::compare::caution::SINGLE_RUN;
use crate::compare::{Candidate, Case, Comparison, Difference, Evidence, Metric};
use crate::compare::{MetricComparison, Standing, Verdict};
use crate::describe::units;

/// For a terminal.
pub fn text(comparison: &Comparison) -> String {
    let mut out = String::new();
    // Writing to a string can't fail, so the results are dropped here and below.
    for candidate in &comparison.candidates {
        let base = runs(&comparison.base.name, comparison.base.reports.len());
        let new = runs(&candidate.side.name, candidate.side.reports.len());
        let (base, new) = (one_line(&base), one_line(&new));
        let _ = writeln!(out, "base       {base}\nnew        {new}");
        for difference in &candidate.differences {
            let _ = writeln!(out, "{}", one_line(&text_difference(difference)));
        }
        for caution in &candidate.cautions {
            let (code, message) = (one_line(&caution.code), one_line(&caution.message));
            let _ = writeln!(out, "caution    {code}: {message}");
        }
        for missing in missing(candidate) {
            let _ = writeln!(out, "missing    {}", one_line(&missing));
        }
        for case in &candidate.cases {
            let _ = writeln!(out, "\n{}", one_line(&heading(case)));
            let mut table = table(case);
            table.load_style(presets::NOTHING);
            for column in table.column_iter_mut().take(1) {
                column.set_padding((0, 1));
            }
            for line in table.lines() {
                let _ = writeln!(out, "{}", line.trim_end());
            }
            for note in reasons(case) {
                let _ = writeln!(out, "  {}", one_line(&note));
            }
        }
        out.push('\n');
    }
    let _ = writeln!(out, "verdict    {}", summary(comparison));
    let _ = writeln!(out, "reading    {}", reading(comparison));
    out
}

/// For a pull request.
pub fn markdown(comparison: &Comparison) -> String {
    let mut out = String::new();
    for candidate in &comparison.candidates {
        let base = runs(&comparison.base.name, comparison.base.reports.len());
        let new = runs(&candidate.side.name, candidate.side.reports.len());
        let (base, new) = (inline(&base), inline(&new));
        let _ = writeln!(out, "### {new} against {base}\n\n**{}**\n", summary(comparison));
        for difference in &candidate.differences {
            let loud = if difference.unexpected { "**unexpected** " } else { "" };
            let _ =
                writeln!(out, "- {loud}{} {}", difference.kind, inline(&change(difference)));
        }
        for caution in &candidate.cautions {
            let (code, message) = (inline(&caution.code), inline(&caution.message));
            let _ = writeln!(out, "- **{code}**: {message}");
        }
        for missing in missing(candidate) {
            let _ = writeln!(out, "- **missing**: {}", inline(&missing));
        }
        for case in &candidate.cases {
            let _ = writeln!(out, "\n{}\n", inline(&heading(case)));
            let mut table = table(case);
            table.load_style(presets::ASCII_MARKDOWN);
            let _ = writeln!(out, "{table}\n");
            for note in reasons(case) {
                let _ = writeln!(out, "- {}", inline(&note));
            }
        }
        out.push('\n');
    }
    let _ = writeln!(out, "{}", reading(comparison));
    out
}

pub(super) fn runs(name: &str, runs: usize) -> String {
    format!("{name} ({runs} run{})", if runs == 1 { "" } else { "s" })
}

fn text_difference(difference: &Difference) -> String {
    let lead = if difference.unexpected { "UNEXPECTED" } else { "differs" };
    format!("{lead:<10} {} {}", difference.kind, change(difference))
}

fn change(difference: &Difference) -> String {
    let side = |values: &[String]| values.join(" | ");
    let (base, candidate) = (side(&difference.base), side(&difference.candidate));
    format!("{}: {base} -> {candidate}", difference.name)
}

pub(super) fn missing(candidate: &Candidate) -> impl Iterator<Item = String> {
    let base = candidate.only_in_base.iter().map(|case| format!("only in base: {case}"));
    let new = candidate.only_in_candidate.iter().map(|case| format!("only in new: {case}"));
    base.chain(new)
}

fn heading(case: &Case) -> String {
    let evidence = match case.evidence {
        Evidence::Runs => "evidence: runs",
        Evidence::RunsOfOneSide => "evidence: runs of one side",
        Evidence::Intervals => "evidence: intervals of one run a side",
    };
    let name = if case.name.is_empty() { "all" } else { &case.name };
    format!("{name} ({} + {} runs; {evidence})", case.base.runs, case.candidate.runs)
}

fn table(case: &Case) -> Table {
    let mut table = Table::new();
    table.set_header(["metric", "base", "new", "ratio", "95 %", "verdict"]);
    for metric in &case.metrics {
        table.add_row(row(metric));
    }
    for column in table.column_iter_mut().skip(1).take(4) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn row(metric: &MetricComparison) -> Vec<String> {
    let interval = match metric.judged_interval() {
        Some([low, high]) if metric.metric.is_by_ratio() => ratio_range(low, high),
        Some([low, high]) => format!("{:+.3}..{:+.3} points", low * 100.0, high * 100.0),
        None => "-".into(),
    };
    vec![
        name(metric.metric).to_owned(),
        value(metric.metric, metric.base, metric.base_standing),
        value(metric.metric, metric.candidate, metric.candidate_standing),
        metric.ratio.map_or("-".into(), ratio),
        interval,
        verdict(metric).to_owned(),
    ]
}

/// A value with its unit and a mark if it is weak or a lower bound.
pub(super) fn value(metric: Metric, value: Option<f64>, standing: Standing) -> String {
    let mark = match standing {
        Standing::Measured => "",
        Standing::Weak => "~",
        Standing::LowerBound => ">= ",
    };
    value.map_or("-".into(), |value| format!("{mark}{}", in_units(metric, value)))
}

/// The verdict in words that fit the interval beside it.
pub(super) fn verdict(metric: &MetricComparison) -> &'static str {
    match metric.verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::NotCompared => "not compared",
        Verdict::NoEvidence => {
            let same = if metric.metric.is_by_ratio() { 1.0 } else { 0.0 };
            let excluded =
                metric.judged_interval().is_some_and(|[low, high]| low > same || high < same);
            match (excluded, metric.interval_holm) {
                (false, _) => "no evidence of a difference",
                (true, Some(_)) => "no evidence beyond noise",
                // Of an older version, which kept the uncorrected interval only.
                (true, None) => "not significant after correction",
            }
        }
    }
}

pub(super) fn name(metric: Metric) -> &'static str {
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
    }
}

pub(super) fn in_units(metric: Metric, value: f64) -> String {
    match metric {
        Metric::Throughput => units::rate(value),
        Metric::ClientCpu | Metric::ServerCpu => units::time(value * 1e3),
        Metric::Errors => format!("{:.3} %", value * 100.0),
        _ => units::time(value),
    }
}

/// Ends of intervals above this are shown as that: such an interval says that nothing is known.
const MOST: f64 = 10_000.0;

/// Ratios below this are shown as what the base is divided by.
const SMALL: f64 = 0.1;

/// A ratio like `1.053`, or `/ 891` for a small one.
pub(super) fn ratio(ratio: f64) -> String {
    if ratio < SMALL && ratio > 0.0 {
        format!("/ {}", digits(1.0 / ratio))
    } else {
        digits(ratio)
    }
}

/// The same for an interval, both ends in one way if they are alike.
pub(super) fn ratio_range(low: f64, high: f64) -> String {
    let end = |end: f64| {
        if end > MOST { format!(">{}", digits(MOST)) } else { digits(end) }
    };
    if high < SMALL && low > 0.0 {
        format!("/ {}..{}", end(1.0 / high), end(1.0 / low))
    } else if low < 0.0005 {
        // Rounded to 0 it would claim too much.
        format!("<0.001..{}", end(high))
    } else {
        format!("{}..{}", end(low), end(high))
    }
}

/// Enough digits to tell 0.1 % apart.
fn digits(ratio: f64) -> String {
    match ratio {
        r if r >= 999.5 => format!("{r:.0}"),
        r if r >= 99.95 => format!("{r:.1}"),
        r if r >= 9.995 => format!("{r:.2}"),
        r => format!("{r:.3}"),
    }
}

fn reasons(case: &Case) -> impl Iterator<Item = String> {
    case.metrics.iter().filter_map(|metric| {
        let reason = metric.reason.as_ref()?;
        Some(format!("{} not compared: {reason}", name(metric.metric)))
    })
}

pub(super) fn summary(comparison: &Comparison) -> String {
    let count = |verdict| comparison.metrics().filter(|m| m.verdict == verdict).count();
    let mut cases = comparison.candidates.iter().flat_map(|candidate| &candidate.cases);
    let single = cases.any(|case| case.evidence == Evidence::Intervals);
    format!(
        "{} better, {} worse, {} no evidence of a difference, {} not compared{}",
        count(Verdict::Better),
        count(Verdict::Worse),
        count(Verdict::NoEvidence),
        count(Verdict::NotCompared),
        if single { format!(" ({SINGLE_RUN})") } else { String::new() }
    )
}

fn reading(comparison: &Comparison) -> String {
    let method = &comparison.method;
    format!(
        "ratios are new by base of merged runs, with 95 % intervals from {} resamples, \
         Holm-corrected, {}; better or worse: the whole interval lies beyond {} % of noise",
        units::count(method.resamples.into()),
        comparisons(method.questions),
        (method.threshold * 1e4).round() / 100.0,
    )
}

/// Like `9 comparisons`.
pub(super) fn comparisons(count: usize) -> String {
    format!("{count} comparison{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_of_ratios_is_read_in_one_way() {
        for (low, high, shown) in [
            (0.95, 1.053, "0.950..1.053"),
            (0.05, 12.0, "0.050..12.00"),
            (0.01, 0.02, "/ 50.00..100.0"),
            // One end is a small ratio, the other is none.
            (1e-17, 4.4e16, "<0.001..>10000"),
            (1e-4, 919_177.0, "<0.001..>10000"),
            (0.0, 2.0, "<0.001..2.000"),
            (1e-9, 0.05, "/ 20.00..>10000"),
            (0.0, 0.05, "<0.001..0.050"),
            (1.5, f64::INFINITY, "1.500..>10000"),
        ] {
            assert_eq!(ratio_range(low, high), shown);
        }
    }
}
