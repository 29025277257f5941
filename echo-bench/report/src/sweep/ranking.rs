//! The order of the cells of a sweep, and which of them tie: [`ranking`]. A cell is behind another
//! only where a comparison of the two found that; by how much it looks worse does not matter.

use super::plan::SweepPlan;
use super::{Cell, Effect, MetricValue, Ranked};
use crate::compare::cell::{self, CellSample, CellValue};
use crate::compare::{Method, Metric, MetricComparison, Standing, Verdict};

/// Cells that are all compared with each other: of more, the correction for so many questions
/// would leave few answers.
const MOST_CELLS: usize = 16;

/// Two cells that no effect compares, since they differ in several axes.
#[derive(Debug)]
pub(super) struct OtherPair {
    base: usize,
    cell: usize,
    /// The metric that the ranking goes by.
    pub(super) found: MetricComparison,
}

/// The pairs of cells that no effect compares, for the ranking; none where there are too many
/// cells. With a single axis its effects have all the answers.
pub(super) fn other_pairs(
    plan: &SweepPlan,
    samples: &[Option<CellSample>],
    effects: &[Effect],
    by: Metric,
    threshold: f64,
) -> Vec<OtherPair> {
    if plan.axes.len() < 2 || samples.len() > MOST_CELLS {
        return Vec::new();
    }
    let compared: Vec<(usize, usize)> = effects
        .iter()
        .flat_map(|effect| effect.pairs.iter().map(|pair| (pair.base, pair.cell)))
        .collect();
    let measured =
        || samples.iter().enumerate().filter_map(|(n, cell)| Some((n, cell.as_ref()?)));
    let pairs = measured().flat_map(|(base, from)| {
        let later = measured().filter(move |(cell, _)| *cell > base);
        later.map(move |(cell, to)| (base, cell, from, to))
    });
    pairs
        .filter(|&(base, cell, ..)| {
            !compared.contains(&(base, cell)) && !compared.contains(&(cell, base))
        })
        .filter_map(|(base, cell, from, to)| {
            let found = cell::contrast(from, to, threshold).into_iter().nth(by as usize)?;
            Some(OtherPair { base, cell, found })
        })
        .collect()
}

/// The cells that were measured, best first.
pub(super) fn ranking(
    samples: &[Option<CellSample>],
    by: Metric,
    effects: &[Effect],
    others: &[OtherPair],
) -> Vec<Ranked> {
    let measured = samples.iter().enumerate();
    let mut ranking: Vec<Ranked> = measured
        .filter_map(|(cell, sample)| sample.as_ref().map(|sample| ranked(cell, sample)))
        .collect();
    // A cell without the metric comes last, however the others stand; before it come those
    // whose true value may be any that is larger.
    let key = |ranked: &Ranked| {
        let MetricValue { value, standing, .. } = ranked.metrics[by as usize];
        let sign = if by.more_is_better() { -1.0 } else { 1.0 };
        (standing == Standing::LowerBound, value.map_or(f64::INFINITY, |value| sign * value))
    };
    ranking.sort_by(|a, b| {
        let (a, b) = (key(a), key(b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    });
    set_ranks(&mut ranking, by, effects, others);
    ranking
}

/// Counts for each cell those that were found better; not at all unless each was compared with
/// each.
fn set_ranks(ranking: &mut [Ranked], by: Metric, effects: &[Effect], others: &[OtherPair]) {
    let of_effects = effects.iter().flat_map(|effect| &effect.pairs);
    let of_effects =
        of_effects.map(|pair| (pair.base, pair.cell, pair.metrics[by as usize].verdict));
    let of_others = others.iter().map(|other| (other.base, other.cell, other.found.verdict));
    let pairs: Vec<(usize, usize, Verdict)> = of_effects.chain(of_others).collect();
    let judged = |(.., verdict): &&(usize, usize, Verdict)| {
        matches!(verdict, Verdict::Better | Verdict::Worse | Verdict::NoEvidence)
    };
    let asked = ranking.len() * ranking.len().saturating_sub(1) / 2;
    if asked == 0 || pairs.iter().filter(judged).count() < asked {
        return;
    }
    for ranked in ranking {
        let is_behind = |&&(base, cell, verdict): &&(usize, usize, Verdict)| match verdict {
            Verdict::Better => base == ranked.cell,
            Verdict::Worse => cell == ranked.cell,
            _ => false,
        };
        ranked.rank = Some(1 + pairs.iter().filter(is_behind).count());
    }
}

fn ranked(cell: usize, sample: &CellSample) -> Ranked {
    let value = |&metric: &Metric| value_of(sample, metric);
    Ranked { cell, rank: None, metrics: Metric::PRIMARY.iter().map(value).collect() }
}

/// A metric of a cell that explains others, which a sweep does not keep; `None` without runs.
pub(crate) fn explaining(cell: &Cell, metric: Metric, method: &Method) -> Option<MetricValue> {
    let sample = CellSample::of_all(&cell.runs, method.resamples, method.seed)?;
    Some(value_of(&sample, metric))
}

fn value_of(sample: &CellSample, metric: Metric) -> MetricValue {
    let CellValue { value, standing, interval } = sample.value(metric);
    let reason = interval.as_ref().err().cloned();
    MetricValue { metric, value, standing, interval: interval.ok(), reason }
}
