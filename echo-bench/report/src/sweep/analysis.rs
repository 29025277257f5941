//! What the reports of a sweep come to: [`analyse`]. Each cell is measured once; effects are
//! contrasts of cells, and averages of such contrasts.

use rayon::prelude::*;

use super::plan::{Axis, Level, SweepPlan};
use super::{Analysis, Cell, Effect, EffectMetric, Pair, objectives, ranking};
use crate::compare::caution;
use crate::compare::cell::{self, CellPair, CellSample};
use crate::compare::{Caution, Metric, MetricComparison, Verdict, conditions_that_differ};
use crate::report::Report;
use crate::stats::contrast::CONFIDENCE;
use crate::stats::holm;

/// How to analyse.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Options {
    /// Relative differences up to this are noise.
    pub threshold: f64,
    /// Bootstrap resamples of each cell.
    pub resamples: u32,
    /// Their seed.
    pub seed: u64,
    /// The metric that the ranking goes by; `None`: throughput, or p99 under open load.
    pub rank_by: Option<Metric>,
    /// Whether all levels of an axis are compared with each other, and not only with the first;
    /// `None`: of the axes with few levels.
    pub all_pairs: Option<bool>,
}

/// So many levels of an axis are compared with each other unless it is said otherwise: six
/// questions where there are three against the first.
const FEW_LEVELS: usize = 4;

impl Default for Options {
    fn default() -> Self {
        Self { threshold: 0.01, resamples: 10_000, seed: 1, rank_by: None, all_pairs: None }
    }
}

/// What the reports come to.
pub fn analyse(plan: &SweepPlan, cells: &[Cell], options: Options) -> Analysis {
    let samples: Vec<Option<CellSample>> = cells
        .par_iter()
        .enumerate()
        .map(|(number, cell)| {
            // Seeds far apart, so that no two cells draw alike.
            let seed = options.seed ^ (number as u64 + 1) << 32;
            CellSample::of(&cell.runs, options.resamples, seed)
        })
        .collect();
    let ranked_by = options.rank_by.unwrap_or_else(|| natural_metric(cells));
    let mut effects = effects(plan, cells, &samples, &options);
    let mut others =
        ranking::other_pairs(plan, &samples, &effects, ranked_by, options.threshold);
    find_dependences(plan, cells, &samples, &mut effects, options.threshold);
    let mut pairs: Vec<&mut MetricComparison> = Vec::new();
    let mut overall: Vec<&mut MetricComparison> = Vec::new();
    for effect in &mut effects {
        pairs.extend(effect.pairs.iter_mut().flat_map(|pair| &mut pair.metrics));
        overall.extend(effect.metrics.iter_mut().map(|metric| &mut metric.overall));
    }
    pairs.extend(others.iter_mut().map(|other| &mut other.found));
    cell::judge(&mut pairs, options.threshold, options.resamples, options.seed);
    let method = cell::judge(&mut overall, options.threshold, options.resamples, options.seed);
    let cautions = cautions(plan, cells);
    let ranking = ranking::ranking(&samples, ranked_by, &effects, &others);
    let slos = objectives::judge(cells);
    Analysis { method, cautions, ranked_by, ranking, effects, slos }
}

fn cautions(plan: &SweepPlan, cells: &[Cell]) -> Vec<Caution> {
    let reports: Vec<&Report> = cells.iter().flat_map(|cell| &cell.runs).collect();
    let mut cautions = caution::of_runs("the sweep", &reports);
    let mut add = |code: &str, message: String| {
        cautions.push(Caution { code: code.into(), message });
    };
    if plan.repeats == 1 {
        add(
            "run-to-run-unseen",
            format!(
                "{}, and may be the whole difference; raise --repeat (with --resume only the \
                 further runs are made)",
                caution::SINGLE_RUN
            ),
        );
    }
    let planned = cells.len() * plan.repeats as usize;
    let lacking = planned.saturating_sub(reports.len());
    if lacking > 0 {
        add("missing-runs", format!("{lacking} of {planned} runs gave no report"));
    }
    let failing =
        reports.iter().filter(|r| r.summary.requests.ok < r.summary.requests.scheduled);
    let failing = failing.count();
    if failing > 0 {
        add("failed-requests", format!("in {failing} runs some requests failed; see errors"));
    }
    let changed = conditions_that_differ(&reports);
    if !changed.is_empty() {
        add(
            "conditions-changed",
            format!("the runs were not all made alike: {}", changed.join(", ")),
        );
    }
    cautions
}

/// Under open load every cell is offered the same, so latency tells them apart.
fn natural_metric(cells: &[Cell]) -> Metric {
    let mut runs = cells.iter().flat_map(|cell| &cell.runs);
    let open = runs.any(|report| report.plan.load.is_open());
    if open { Metric::P99 } else { Metric::Throughput }
}

/// The pairs of levels of an axis that are compared, the base first.
fn compared_levels<'a>(axis: &'a Axis, options: &Options) -> Vec<(&'a Level, &'a Level)> {
    let few = axis.levels.len() <= FEW_LEVELS;
    let bases = if options.all_pairs.unwrap_or(few) { axis.levels.len() } else { 1 };
    let bases = axis.levels.iter().enumerate().take(bases);
    let pairs = bases.flat_map(|(place, base)| {
        axis.levels[place + 1..].iter().map(move |level| (base, level))
    });
    pairs.collect()
}

/// The levels of each axis against the first, or against each other.
fn effects(
    plan: &SweepPlan,
    cells: &[Cell],
    samples: &[Option<CellSample>],
    options: &Options,
) -> Vec<Effect> {
    let threshold = options.threshold;
    let mut effects = Vec::new();
    for (place, axis) in plan.axes.iter().enumerate() {
        for (base, level) in compared_levels(axis, options) {
            let pairs = pairs(cells, place, &base.name, &level.name);
            let measured: Vec<(usize, usize, &CellSample, &CellSample)> = pairs
                .into_iter()
                .filter_map(|(from, to)| {
                    Some((from, to, samples[from].as_ref()?, samples[to].as_ref()?))
                })
                .collect();
            if measured.is_empty() {
                continue;
            }
            let pairs: Vec<Pair> = measured
                .iter()
                .map(|&(from, to, base, new)| Pair {
                    base: from,
                    cell: to,
                    name: common(plan, &cells[from], place),
                    metrics: cell::contrast(base, new, threshold),
                })
                .collect();
            let sides: Vec<_> = measured.iter().map(|&(_, _, base, new)| (base, new)).collect();
            let overall = cell::contrast_pooled(&sides, threshold);
            let metrics = overall.into_iter().map(|overall| spread(overall, &pairs)).collect();
            let (axis, base, level) =
                (axis.name.clone(), base.name.clone(), level.name.clone());
            effects.push(Effect { axis, base, level, metrics, pairs });
        }
    }
    effects
}

/// The cells at `base` and at `level` of an axis that agree in all others.
fn pairs(cells: &[Cell], axis: usize, base: &str, level: &str) -> Vec<(usize, usize)> {
    let at = |level: &'_ str| {
        let level = level.to_owned();
        cells.iter().enumerate().filter(move |(_, cell)| cell.levels[axis] == level)
    };
    // The cells stand in the order of the plan, so both come in the same order.
    at(base).zip(at(level)).map(|((from, _), (to, _))| (from, to)).collect()
}

/// The levels of a cell in all axes but one.
fn common(plan: &SweepPlan, cell: &Cell, without: usize) -> String {
    let levels = plan.axes.iter().zip(&cell.levels).enumerate();
    let others = levels.filter(|(place, _)| *place != without);
    let names: Vec<String> =
        others.map(|(_, (axis, level))| format!("{}={level}", axis.name)).collect();
    names.join(", ")
}

/// How the pairs of an effect lie around their average.
fn spread(overall: MetricComparison, pairs: &[Pair]) -> EffectMetric {
    let place = overall.metric as usize;
    let compared: Vec<&MetricComparison> = pairs
        .iter()
        .map(|pair| &pair.metrics[place])
        .filter(|metric| metric.verdict != Verdict::NotCompared)
        .collect();
    let value = |metric: &&MetricComparison| match metric.difference {
        Some([difference, ..]) => Some(difference),
        None => metric.ratio,
    };
    let values: Vec<f64> = compared.iter().filter_map(value).collect();
    let least = values.iter().copied().reduce(f64::min);
    let greatest = values.iter().copied().reduce(f64::max);
    EffectMetric {
        overall,
        pairs: compared.len(),
        spread: least.zip(greatest).map(|(least, greatest)| [least, greatest]),
        depends: false,
        depends_on: Vec::new(),
    }
}

/// Asks of every effect and every other axis whether the effect is the same at its levels.
fn find_dependences(
    plan: &SweepPlan,
    cells: &[Cell],
    samples: &[Option<CellSample>],
    effects: &mut [Effect],
    threshold: f64,
) {
    let questions: Vec<(usize, usize, usize, f64)> = effects
        .par_iter()
        .enumerate()
        .flat_map_iter(|(number, effect)| {
            let others = plan.axes.iter().enumerate().filter(|(_, a)| a.name != effect.axis);
            others.flat_map(move |(other, axis)| {
                let at = |level: &str| -> Vec<CellPair<'_>> {
                    let pairs = effect.pairs.iter();
                    pairs
                        .filter(|pair| cells[pair.base].levels[other] == level)
                        .filter_map(|pair| {
                            samples[pair.base].as_ref().zip(samples[pair.cell].as_ref())
                        })
                        .collect()
                };
                let groups: Vec<Vec<_>> = axis.levels.iter().map(|l| at(&l.name)).collect();
                let (first, rest) =
                    groups.split_first().map_or((&[][..], &[][..]), |(f, r)| (f, r));
                let mut asked = Vec::new();
                for (metric, group) in Metric::PRIMARY
                    .iter()
                    .flat_map(|m| rest.iter().map(move |group| (*m, group)))
                {
                    let p = cell::disagreement(metric, [first, group], threshold);
                    asked.extend(p.map(|p| (number, other, metric as usize, p)));
                }
                asked
            })
        })
        .collect();
    let p_values: Vec<f64> = questions.iter().map(|question| question.3).collect();
    for ((effect, axis, metric, _), p_holm) in questions.iter().zip(holm::adjusted(&p_values)) {
        let name = &plan.axes[*axis].name;
        let metric = &mut effects[*effect].metrics[*metric];
        if p_holm <= 1.0 - CONFIDENCE && !metric.depends_on.contains(name) {
            metric.depends = true;
            metric.depends_on.push(name.clone());
        }
    }
}
