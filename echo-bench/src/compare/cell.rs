//! Runs of one plan, measured once and contrasted with any number of others: [`CellSample`].
//! What a sweep is analysed with; the method is that of every comparison.

use strum::VariantArray;

use super::judge;
use super::measure::{self, Measured, Outcomes, Reason};
use super::metric::Metric;
use super::sample::RunSample;
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
        if samples.is_empty() {
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

/// Every metric averaged over pairs of cells, without verdicts: of ratios the geometric
/// mean, of differences the mean. A pair that lacks the metric on one side is left out.
pub fn contrast_pooled(
    pairs: &[(&CellSample, &CellSample)],
    threshold: f64,
) -> Vec<MetricComparison> {
    let (base, candidate): (Outcomes, Outcomes) = (0..Metric::VARIANTS.len())
        .map(|place| {
            let outcomes =
                pairs.iter().map(|(base, new)| (&base.outcomes[place], &new.outcomes[place]));
            let both: Vec<(&Measured, &Measured)> = outcomes
                .clone()
                .filter_map(|(base, new)| base.as_ref().ok().zip(new.as_ref().ok()))
                .collect();
            if both.is_empty() {
                let reason = |side: Option<&Result<Measured, Reason>>| {
                    side.and_then(|side| side.as_ref().err().cloned())
                };
                let (mut bases, mut news): (Vec<_>, Vec<_>) = outcomes.unzip();
                let (base, new) = (reason(bases.pop()), reason(news.pop()));
                let other = || Reason::NotMeasured;
                let either = base.clone().or_else(|| new.clone());
                let either = either.unwrap_or_else(other);
                return (
                    Err(base.unwrap_or_else(|| either.clone())),
                    Err(new.unwrap_or(either)),
                );
            }
            let (base, new): (Vec<&Measured>, Vec<&Measured>) = both.into_iter().unzip();
            let by_ratio = Metric::VARIANTS[place].is_by_ratio();
            (Ok(mean(&base, by_ratio)), Ok(mean(&new, by_ratio)))
        })
        .unzip();
    judge::contrast(&base, &candidate, threshold)
}

/// The mean of independent measures on the scale of their estimates. The degrees of its
/// variance are Satterthwaite's (*Biometrics Bulletin* 2, 1946).
fn mean(cells: &[&Measured], by_ratio: bool) -> Measured {
    let count = cells.len() as f64;
    let sum = |of: fn(&Measured) -> f64| cells.iter().map(|cell| of(cell)).sum::<f64>();
    let value = sum(|cell| cell.estimate.value) / count;
    let variances = sum(|cell| cell.estimate.variance);
    let shares = sum(|cell| cell.estimate.variance.powi(2) / cell.estimate.degrees);
    // Without any variance the degrees do not matter.
    let degrees = if shares > 0.0 { variances.powi(2) / shares } else { 1.0 };
    let within: Option<f64> = cells.iter().map(|cell| cell.within).sum();
    Measured {
        value: if by_ratio { value.exp() } else { value },
        estimate: Estimate { value, variance: variances / count.powi(2), degrees },
        runs: cells.iter().map(|cell| cell.runs).min().unwrap_or(0),
        within: within.map(|within| within / count.powi(2)),
    }
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
