//! A sweep as text and as Markdown, from the same tables.

use std::cmp::Ordering;
use std::fmt::Write;

use comfy_table::{CellAlignment, Table, presets};

use echo_proto::terminal::one_line;

use super::markdown::inline;
use crate::compare::{Metric, Verdict};
use crate::describe::comparison::{
    comparisons, in_units, in_words as verdict, name, ratio, ratio_range, value,
};
use crate::describe::{objective as slo, repeats, units};
use crate::sweep::{CellSlo, Effect, EffectMetric, Pair, Ranked, Sweep};

/// What the ranking shows.
pub(super) const RANKED: [Metric; 7] = [
    Metric::Throughput,
    Metric::P50,
    Metric::P99,
    Metric::P999,
    Metric::ClientCpu,
    Metric::ServerCpu,
    Metric::Errors,
];

/// For a terminal.
pub fn text(sweep: &Sweep) -> String {
    if let Some(repeats) = repeats(sweep) {
        return super::text::laid_out(&repeats);
    }
    let mut out = String::new();
    // Writing to a string can't fail, so the results are dropped here and below.
    for (label, value) in facts(sweep) {
        let _ = writeln!(out, "{label:<10} {}", one_line(&value));
    }
    plain(
        &mut out,
        &format!("ranking by {}", name(sweep.analysis.ranked_by)),
        ranking(sweep, one_line),
    );
    if !sweep.analysis.slos.is_empty() {
        let _ = writeln!(out, "\nobjectives, by the worst run of each cell");
        for slo in &sweep.analysis.slos {
            let _ = writeln!(out, "  {}", one_line(&objective(sweep, slo)));
        }
    }
    for effect in &sweep.analysis.effects {
        plain(&mut out, &one_line(&heading(effect)), effects(effect, one_line));
        for note in notes(effect) {
            let _ = writeln!(out, "  {}", one_line(&note));
        }
    }
    let _ = writeln!(out, "\nverdict    {}", summary(sweep));
    let _ = writeln!(out, "reading    {}", reading(sweep));
    out
}

/// For a pull request.
pub fn markdown(sweep: &Sweep) -> String {
    if let Some(repeats) = repeats(sweep) {
        return super::markdown::laid_out(&repeats);
    }
    let mut out = String::from("### Sweep\n\n");
    for (label, value) in facts(sweep) {
        let _ = writeln!(out, "- **{label}**: {}", inline(&value));
    }
    let mut add = |title: &str, mut table: Table| {
        table.load_style(presets::ASCII_MARKDOWN);
        let _ = writeln!(out, "\n#### {title}\n\n{table}");
    };
    add(&format!("Ranking by {}", name(sweep.analysis.ranked_by)), ranking(sweep, inline));
    for effect in &sweep.analysis.effects {
        add(&inline(&heading(effect)), effects(effect, inline));
    }
    if !sweep.analysis.slos.is_empty() {
        out.push_str("\n#### Objectives, by the worst run of each cell\n\n");
        for slo in &sweep.analysis.slos {
            let _ = writeln!(out, "- {}", inline(&objective(sweep, slo)));
        }
    }
    let _ = writeln!(out, "\n**{}**\n\n{}", summary(sweep), reading(sweep));
    out
}

/// What became of an objective in a cell, like `model=epoll: p99<5ms: MISSED, measured
/// 8.91 ms (95 %: 8.70..9.12 ms); 2 of 5 runs missed`.
pub fn objective(sweep: &Sweep, slo: &CellSlo) -> String {
    let name = sweep.cells.get(slo.cell).map_or("", |cell| &cell.name);
    let mut line = format!("{name}: {}", slo::outcome(&slo.worst));
    for (count, what) in [(slo.missed, "missed"), (slo.undecided, "undecided")] {
        if count > 0 {
            let _ = write!(line, "; {count} of {} runs {what}", slo.runs);
        }
    }
    line
}

fn plain(out: &mut String, title: &str, mut table: Table) {
    let _ = writeln!(out, "\n{title}");
    table.load_style(presets::NOTHING);
    for column in table.column_iter_mut().take(1) {
        column.set_padding((0, 1));
    }
    for line in table.lines() {
        let _ = writeln!(out, "{}", line.trim_end());
    }
}

fn facts(sweep: &Sweep) -> Vec<(&'static str, String)> {
    let plan = &sweep.plan;
    let mut facts = Vec::new();
    for axis in &plan.axes {
        let levels: Vec<&str> = axis.levels.iter().map(|level| &*level.name).collect();
        facts.push(("axis", format!("{}: {}", axis.name, levels.join(" | "))));
    }
    let fixed: Vec<String> = plan.fixed.iter().map(ToString::to_string).collect();
    if !fixed.is_empty() {
        facts.push(("fixed", fixed.join(", ")));
    }
    let (cells, repeats) = (sweep.cells.len(), plan.repeats);
    let runs = cells * repeats as usize;
    facts.push((
        "runs",
        format!(
            "{} of {runs} ({} x {}, in rounds of random order)",
            sweep.finished(),
            units::counted(cells as u64, "cell"),
            units::counted(repeats.into(), "repeat")
        ),
    ));
    for cell in &sweep.cells {
        for reason in &cell.failures {
            let reason = reason.lines().next().unwrap_or_default();
            facts.push(("FAILED", format!("{}: {reason}", cell.name)));
        }
    }
    for caution in &sweep.analysis.cautions {
        facts.push(("caution", format!("{}: {}", caution.code, caution.message)));
    }
    facts
}

/// The table of the ranking; `escape` makes names fit for a cell of it.
fn ranking(sweep: &Sweep, escape: fn(&str) -> String) -> Table {
    let mut table = Table::new();
    let titles = RANKED.iter().map(|metric| match metric {
        Metric::ClientCpu => "gen. cpu/msg".to_owned(),
        Metric::ServerCpu => "server cpu/msg".to_owned(),
        metric => name(*metric).to_owned(),
    });
    let axes = sweep.plan.axes.iter().map(|axis| escape(&axis.name));
    let header: Vec<String> = std::iter::once("#".into()).chain(axes).chain(titles).collect();
    let named = 1 + sweep.plan.axes.len();
    table.set_header(header);
    for (place, ranked) in sweep.analysis.ranking.iter().enumerate() {
        let mut row = vec![(place + 1).to_string()];
        row.extend(sweep.cells[ranked.cell].levels.iter().map(|level| escape(level)));
        row.extend(RANKED.iter().map(|&metric| shown(ranked, metric, sweep)));
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(named) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// The value, with its interval if the ranking goes by it and there is one.
fn shown(ranked: &Ranked, metric: Metric, sweep: &Sweep) -> String {
    let found = &ranked.metrics[metric as usize];
    let value = value(metric, found.value, found.standing);
    match found.interval {
        Some(interval) if metric == sweep.analysis.ranked_by => {
            let [low, high] = interval.map(|end| in_units(metric, end));
            format!("{value} [{low}, {high}]")
        }
        _ => value,
    }
}

/// Like `nodelay: off -> on (4 pairs of cells)`.
pub(super) fn heading(effect: &Effect) -> String {
    let pairs = effect.pairs.len();
    let of = if pairs == 1 { "pair" } else { "pairs" };
    format!("{}: {} -> {} ({pairs} {of} of cells)", effect.axis, effect.base, effect.level)
}

fn effects(effect: &Effect, escape: fn(&str) -> String) -> Table {
    let mut table = Table::new();
    table.set_header([
        "metric",
        &escape(&effect.base),
        &escape(&effect.level),
        "ratio",
        "95 %",
        "pairs",
        "verdict",
    ]);
    for metric in &effect.metrics {
        table.add_row(effect_row(metric, escape));
    }
    for column in table.column_iter_mut().skip(1).take(5) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn effect_row(metric: &EffectMetric, escape: fn(&str) -> String) -> Vec<String> {
    let overall = &metric.overall;
    let points = |value: f64| format!("{:+.3}", value * 100.0);
    let by_ratio = overall.metric.is_by_ratio();
    let interval = match overall.judged_interval() {
        Some([low, high]) if by_ratio => ratio_range(low, high),
        Some([low, high]) => format!("{}..{} points", points(low), points(high)),
        None => "-".into(),
    };
    let spread = match metric.spread {
        Some([least, greatest]) if metric.pairs > 1 && by_ratio => ratio_range(least, greatest),
        Some([least, greatest]) if metric.pairs > 1 => {
            format!("{}..{}", points(least), points(greatest))
        }
        _ => "-".into(),
    };
    let mut verdict = verdict(overall).to_owned();
    if metric.depends {
        verdict = escape(&format!("{verdict}, depends on {}", metric.depends_on.join(" and ")));
    }
    vec![
        name(overall.metric).to_owned(),
        value(overall.metric, overall.base, overall.base_standing),
        value(overall.metric, overall.candidate, overall.candidate_standing),
        overall.ratio.map_or("-".into(), ratio),
        interval,
        spread,
        verdict,
    ]
}

/// Pairs that are told one by one; of more, only the least and the greatest ratio.
const MOST_PAIRS: usize = 8;

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

/// Why metrics were not compared, and the pairs of every metric whose effect depends on the
/// other axes.
fn notes(effect: &Effect) -> Vec<String> {
    let mut reasons: Vec<(&str, Vec<&str>)> = Vec::new();
    for metric in effect.metrics.iter().map(|metric| &metric.overall) {
        let Some(reason) = metric.reason.as_deref() else { continue };
        match reasons.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, metrics)) => metrics.push(name(metric.metric)),
            None => reasons.push((reason, vec![name(metric.metric)])),
        }
    }
    let not_compared =
        |(reason, of): (&str, Vec<&str>)| format!("{} not compared: {reason}", of.join(", "));
    let mut notes: Vec<String> = reasons.into_iter().map(not_compared).collect();
    for metric in effect.metrics.iter().filter(|metric| metric.depends) {
        let place = metric.overall.metric as usize;
        let shown = [Metric::Throughput, Metric::P50, Metric::P99];
        if !shown.contains(&metric.overall.metric) {
            continue;
        }
        for pair in telling(effect, place) {
            let own = &pair.metrics[place];
            if let (Some(by), Some([low, high])) = (own.ratio, own.judged_interval()) {
                notes.push(format!(
                    "{} at {}: {} [{}] {}",
                    name(metric.overall.metric),
                    pair.name,
                    ratio(by),
                    ratio_range(low, high),
                    verdict(own)
                ));
            }
        }
    }
    notes
}

pub(super) fn summary(sweep: &Sweep) -> String {
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

pub(super) fn reading(sweep: &Sweep) -> String {
    let method = &sweep.analysis.method;
    format!(
        "an effect is the geometric mean of the ratios of its pairs, cells that differ in that \
         axis only, with a 95 % interval from {} resamples of each cell's runs, Holm-corrected, \
         {}; `pairs` is the least and the greatest ratio, `depends on` an axis means that the \
         effect is not the same at all of its levels; better or worse: the whole interval lies \
         beyond {} % of noise; it holds for the cells of this sweep",
        units::count(method.resamples.into()),
        comparisons(method.questions),
        (method.threshold * 1e4).round() / 100.0,
    )
}
