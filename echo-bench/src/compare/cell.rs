//! Runs of one plan, measured once and contrasted with any number of others: [`CellSample`].
//! What a sweep is analysed with; the method is that of every comparison.

use strum::VariantArray;

use super::judge;
use super::measure::{self, Measured, Outcomes, Reason};
use super::metric::Metric;
use super::sample::{RunSample, can_be_added};
use super::{Method, MetricComparison};
use crate::report::Report;
use crate::stats::bootstrap::Resampling;
use crate::stats::contrast::{CONFIDENCE, Contrast, Estimate};

/// The runs of one plan, measured.
#[derive(Debug, Clone)]
pub struct CellSample {
    outcomes: Outcomes,
}

impl CellSample {
    /// What `reports` give; `None` if there are none, or a stored histogram can't be read.
    /// Cells of one sweep must have seeds far apart.
    pub fn of(reports: &[Report], resamples: u32, seed: u64) -> Option<Self> {
        let samples: Vec<RunSample> =
            reports.iter().map(RunSample::of).collect::<Option<_>>()?;
        if samples.is_empty() || !can_be_added(reports) {
            return None;
        }
        let outcomes = measure::measure(&samples, Resampling { resamples, seed });
        Some(Self { outcomes })
    }

    /// The metric's value and its 95 % interval.
    ///
    /// # Errors
    /// Why there is no value.
    pub fn value(&self, metric: Metric) -> Result<(f64, [f64; 2]), String> {
        let measured = self.outcomes[metric as usize].as_ref().map_err(ToString::to_string)?;
        let nothing = Estimate { value: 0.0, variance: 0.0, degrees: 1.0 };
        let [low, high] = Contrast::between(nothing, measured.estimate).interval();
        // On the scale of ratios the estimate is a logarithm.
        let interval =
            if metric.is_by_ratio() { [low.exp(), high.exp()] } else { [low.max(0.0), high] };
        Ok((measured.value, interval))
    }
}

/// Every metric of two cells, without verdicts.
pub fn contrast(
    base: &CellSample,
    candidate: &CellSample,
    threshold: f64,
) -> Vec<MetricComparison> {
    judge::contrast(&base.outcomes, &candidate.outcomes, threshold)
}

/// Two cells that are compared with each other, the base first.
pub type CellPair<'a> = (&'a CellSample, &'a CellSample);

/// Every metric averaged over pairs of cells, without verdicts: of ratios the geometric
/// mean, of differences the mean. A pair that lacks the metric on one side is left out.
pub fn contrast_pooled(pairs: &[CellPair<'_>], threshold: f64) -> Vec<MetricComparison> {
    let (base, candidate): (Outcomes, Outcomes) = Metric::VARIANTS
        .iter()
        .map(|&metric| match pooled(metric, pairs) {
            Some((base, candidate)) => (Ok(base), Ok(candidate)),
            None => refusals(metric, pairs),
        })
        .unzip();
    judge::contrast(&base, &candidate, threshold)
}

/// Whether an effect is the same in two groups of pairs: the chance of averages so far apart
/// if they differ by no more than noise. `None` where there is nothing to ask.
pub fn disagreement(
    metric: Metric,
    groups: [&[CellPair<'_>]; 2],
    threshold: f64,
) -> Option<f64> {
    let [first, second] = groups.map(|group| pooled(metric, group));
    let (first, second) = (first?, second?);
    let values = [first.0.value, first.1.value, second.0.value, second.1.value];
    let largest = values.into_iter().fold(0.0, f64::max);
    let difference = |(base, candidate): (Measured, Measured)| {
        Contrast::between(base.estimate, candidate.estimate).estimate()
    };
    let contrast = Contrast::between(difference(first), difference(second));
    // No error anywhere is no question.
    (largest > 0.0).then(|| contrast.p_value(judge::noise(metric, largest, threshold)))
}

/// The averages of both sides of the pairs that have the metric; `None` if none has.
fn pooled(metric: Metric, pairs: &[CellPair<'_>]) -> Option<(Measured, Measured)> {
    let place = metric as usize;
    let mut both: Vec<(&Measured, &Measured)> = pairs
        .iter()
        .filter_map(|(base, new)| {
            base.outcomes[place].as_ref().ok().zip(new.outcomes[place].as_ref().ok())
        })
        .collect();
    let repeated = |(base, new): &(&Measured, &Measured)| base.runs > 1 || new.runs > 1;
    if both.iter().any(repeated) {
        // A pair of single runs knows nothing of how much runs vary.
        both.retain(repeated);
    }
    let runs = both.iter().map(|(base, new)| base.runs.max(new.runs)).max()?;
    let (base, new): (Vec<Estimate>, Vec<Estimate>) =
        both.iter().map(|(base, new)| judge::sides(base, new)).unzip();
    let (bases, news): (Vec<&Measured>, Vec<&Measured>) = both.into_iter().unzip();
    let side = |estimates: &[Estimate], cells: &[&Measured]| {
        let estimate = Estimate::mean(estimates)?;
        let value = if metric.is_by_ratio() { estimate.value.exp() } else { estimate.value };
        let within: Option<f64> = cells.iter().map(|cell| cell.within).sum();
        let within = within.map(|within| within / (cells.len() as f64).powi(2));
        Some(Measured { value, estimate, runs, within })
    };
    Some((side(&base, &bases)?, side(&new, &news)?))
}

/// Why no pair has the metric, by side.
fn refusals(
    metric: Metric,
    pairs: &[CellPair<'_>],
) -> (Result<Measured, Reason>, Result<Measured, Reason>) {
    let reason = |of: &dyn Fn(&CellPair<'_>) -> Option<Reason>| pairs.iter().find_map(of);
    let place = metric as usize;
    let base = reason(&|(base, _)| base.outcomes[place].as_ref().err().cloned());
    let new = reason(&|(_, new)| new.outcomes[place].as_ref().err().cloned());
    let either = base.clone().or_else(|| new.clone()).unwrap_or(Reason::NotMeasured);
    (Err(base.unwrap_or_else(|| either.clone())), Err(new.unwrap_or(either)))
}

/// Gives every metric that was compared its verdict, by Holm's correction over all of them;
/// how that was done.
pub fn judge(
    metrics: &mut [&mut MetricComparison],
    threshold: f64,
    resamples: u32,
    seed: u64,
) -> Method {
    let questions = judge::correct(metrics);
    Method { confidence: CONFIDENCE, threshold, resamples, seed, questions, forced: false }
}
