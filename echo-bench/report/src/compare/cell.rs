//! Runs of one plan, measured once and contrasted with any number of others: [`CellSample`].
//! What a sweep is analysed with; the method is that of every comparison.

use strum::VariantArray as _;

use super::judge;
use super::measure::{self, Measured, Outcomes, Reason, Unjudged};
use super::metric::Metric;
use super::rounds;
use super::sample::{RunSample, can_be_added};
use super::{Method, MetricComparison, Standing};
use crate::report::Report;
use crate::stats::bootstrap::Resampling;
use crate::stats::contrast::{CONFIDENCE, Contrast, Estimate};

/// The runs of one plan, measured.
#[derive(Debug, Clone)]
pub(crate) struct CellSample {
    outcomes: Outcomes,
    /// When the runs began, in the order of the rounds.
    starts: Vec<String>,
}

impl CellSample {
    /// What `reports` give; `None` if there are none, or a stored histogram can't be read.
    /// Cells of one sweep must have seeds far apart.
    pub(crate) fn of(reports: &[Report], resamples: u32, seed: u64) -> Option<Self> {
        Self::with(&Metric::PRIMARY, reports, resamples, seed)
    }

    /// The same with the metrics that explain others.
    pub(crate) fn of_all(reports: &[Report], resamples: u32, seed: u64) -> Option<Self> {
        Self::with(Metric::VARIANTS, reports, resamples, seed)
    }

    fn with(metrics: &[Metric], reports: &[Report], resamples: u32, seed: u64) -> Option<Self> {
        let samples: Vec<RunSample> =
            reports.iter().map(RunSample::of).collect::<Option<_>>()?;
        if samples.is_empty() || !can_be_added(reports) {
            return None;
        }
        let outcomes = measure::measure(&samples, metrics, Resampling { resamples, seed });
        let starts = reports.iter().map(|report| report.started_at.clone()).collect();
        Some(Self { outcomes, starts })
    }

    /// What was measured in runs that began at these times.
    #[cfg(test)]
    pub(super) fn simulated(outcomes: Outcomes, starts: Vec<String>) -> Self {
        Self { outcomes, starts }
    }

    /// The metric's value, and how sure it is.
    pub(crate) fn value(&self, metric: Metric) -> CellValue {
        let measured = match &self.outcomes[metric as usize] {
            Ok(measured) => measured,
            Err(unjudged) => {
                return CellValue {
                    value: unjudged.value,
                    standing: unjudged.standing,
                    interval: Err(unjudged.reason.to_string()),
                };
            }
        };
        let nothing = Estimate { value: 0.0, variance: 0.0, degrees: 1.0 };
        let interval = Contrast::between(nothing, measured.estimate).interval();
        let [low, high] = judge::on_the_metric(metric, interval);
        let [least, most] = metric.range();
        CellValue {
            value: Some(measured.value),
            standing: Standing::Measured,
            interval: measured.vague().map_or_else(
                || Ok([low.max(least), high.min(most)]),
                |reason| Err(reason.to_string()),
            ),
        }
    }
}

/// A metric of a cell.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct CellValue {
    /// What was measured.
    pub(crate) value: Option<f64>,
    /// How far it can be trusted.
    pub(crate) standing: Standing,
    /// Its 95 % interval, or why it has none.
    pub(crate) interval: Result<[f64; 2], String>,
}

/// Every metric of two cells, without verdicts.
pub(crate) fn contrast(
    base: &CellSample,
    candidate: &CellSample,
    threshold: f64,
) -> Vec<MetricComparison> {
    let in_turns = rounds::in_turns(&base.starts, &candidate.starts);
    judge::contrast(&base.outcomes, &candidate.outcomes, threshold, in_turns)
}

/// Two cells that are compared with each other, the base first.
pub(crate) type CellPair<'a> = (&'a CellSample, &'a CellSample);

/// Every metric averaged over pairs of cells, without verdicts: of ratios the geometric
/// mean, of differences the mean. A pair that lacks the metric on one side is left out.
pub(crate) fn contrast_pooled(pairs: &[CellPair<'_>], threshold: f64) -> Vec<MetricComparison> {
    let mut by_rounds = Vec::new();
    let (base, candidate): (Outcomes, Outcomes) = Metric::PRIMARY
        .iter()
        .map(|&metric| {
            let pooled = pooled(metric, pairs);
            by_rounds.push(pooled.as_ref().and_then(|pooled| pooled.by_rounds));
            match pooled {
                Some(Pooled { base, candidate, .. }) => (Ok(base), Ok(candidate)),
                None => refusals(metric, pairs),
            }
        })
        .unzip();
    judge::contrast_by(&base, &candidate, threshold, |metric, _, _| by_rounds[metric as usize])
}

/// Whether an effect is the same in two groups of pairs: the chance of averages so far apart
/// if they differ by no more than noise. `None` where there is nothing to ask.
pub(crate) fn disagreement(
    metric: Metric,
    groups: [&[CellPair<'_>]; 2],
    threshold: f64,
) -> Option<f64> {
    let [first, second] = groups.map(|group| pooled(metric, group));
    let (first, second) = (first?, second?);
    let is_single = |of: &Pooled| of.base.runs.max(of.candidate.runs) == 1;
    if is_single(&first) || is_single(&second) {
        // How much an effect varies from run to run is unknown.
        return None;
    }
    let values = [&first, &second].map(|of| of.base.value.max(of.candidate.value));
    let largest = values.into_iter().fold(0.0, f64::max);
    let difference =
        |of: &Pooled| Contrast::between(of.base.estimate, of.candidate.estimate).estimate();
    let mut contrast = Contrast::between(difference(&first), difference(&second));
    if let Some((first, second)) = first.by_rounds.zip(second.by_rounds) {
        let Estimate { variance, degrees, .. } = Contrast::between(first, second).estimate();
        contrast = contrast.or(variance, degrees);
    }
    // No error anywhere is no question.
    (largest > 0.0).then(|| contrast.p_value(judge::noise(metric, largest, threshold)))
}

/// A metric averaged over pairs of cells.
struct Pooled {
    base: Measured,
    candidate: Measured,
    /// Their difference if it is taken round by round, where all pairs were measured in turns.
    by_rounds: Option<Estimate>,
}

/// The averages of both sides of the pairs that have the metric; `None` if none has.
fn pooled(metric: Metric, pairs: &[CellPair<'_>]) -> Option<Pooled> {
    let place = metric as usize;
    let mut both: Vec<((&Measured, &Measured), bool)> = pairs
        .iter()
        .filter_map(|&(base, new)| {
            let sides = (base.outcomes[place].as_ref(), new.outcomes[place].as_ref());
            let in_turns = rounds::in_turns(&base.starts, &new.starts);
            Some(((sides.0.ok()?, sides.1.ok()?), in_turns))
        })
        .collect();
    let repeated =
        |((base, new), _): &((&Measured, &Measured), bool)| base.runs > 1 || new.runs > 1;
    if both.iter().any(repeated) {
        // A pair of single runs knows nothing of how much runs vary.
        both.retain(repeated);
    }
    let in_turns = both.iter().all(|(_, in_turns)| *in_turns);
    let both: Vec<(&Measured, &Measured)> = both.into_iter().map(|(both, _)| both).collect();
    let runs = both.iter().map(|(base, new)| base.runs.max(new.runs)).max()?;
    let by_rounds = rounds::mean_difference(&both).filter(|_| in_turns);
    let (base, new): (Vec<Estimate>, Vec<Estimate>) =
        both.iter().map(|(base, new)| judge::sides(base, new)).unzip();
    let (bases, news): (Vec<&Measured>, Vec<&Measured>) = both.into_iter().unzip();
    let side = |estimates: &[Estimate], cells: &[&Measured]| {
        let estimate = Estimate::mean(estimates)?;
        let value = if metric.is_by_ratio() { estimate.value.exp() } else { estimate.value };
        let within: Option<f64> = cells.iter().map(|cell| cell.within).sum();
        let within = within.map(|within| within / (cells.len() as f64).powi(2));
        Some(Measured { value, estimate, runs, within, pulls: Vec::new() })
    };
    Some(Pooled { base: side(&base, &bases)?, candidate: side(&new, &news)?, by_rounds })
}

/// Why no pair has the metric, by side, and the averages of what was measured all the same.
fn refusals(
    metric: Metric,
    pairs: &[CellPair<'_>],
) -> (Result<Measured, Unjudged>, Result<Measured, Unjudged>) {
    let of = |cells: Vec<&CellSample>| {
        let outcomes = || cells.iter().map(|cell| &cell.outcomes[metric as usize]);
        let value = |outcome: &Result<Measured, Unjudged>| match outcome {
            Ok(measured) => Some(measured.value),
            Err(unjudged) => unjudged.value,
        };
        let values: Option<Vec<f64>> = outcomes().map(value).collect();
        let refused = || outcomes().filter_map(|outcome| outcome.as_ref().err());
        let standing = refused().map(|unjudged| unjudged.standing).max().unwrap_or_default();
        let reason = refused().next().map(|unjudged| unjudged.reason.clone());
        (values.and_then(|values| average(metric, &values)), standing, reason)
    };
    let (bases, news) = pairs.iter().copied().unzip();
    let (base, new) = (of(bases), of(news));
    let either = base.2.clone().or_else(|| new.2.clone()).unwrap_or(Reason::NotMeasured);
    let side = |(value, standing, reason): (_, _, Option<Reason>)| {
        Err(Unjudged { value, standing, reason: reason.unwrap_or_else(|| either.clone()) })
    };
    (side(base), side(new))
}

/// The mean of `values` on the scale on which differences are taken; `None` if there is none.
fn average(metric: Metric, values: &[f64]) -> Option<f64> {
    let scaled = values.iter().map(|&value| measure::scale(metric, value));
    let mean = scaled.sum::<f64>() / values.len() as f64;
    let value = if metric.is_by_ratio() { mean.exp() } else { mean };
    value.is_finite().then_some(value)
}

/// Gives every metric that was compared its verdict, by Holm's correction over all of them;
/// how that was done.
pub(crate) fn judge(
    metrics: &mut [&mut MetricComparison],
    threshold: f64,
    resamples: u32,
    seed: u64,
) -> Method {
    let questions = judge::correct(metrics);
    let (confidence, asked_for) = (CONFIDENCE, Vec::new());
    Method { confidence, threshold, resamples, seed, questions, forced: false, asked_for }
}
