//! From the measures of two sides to verdicts: [`contrast`] metric by metric, then
//! [`correct`] over all of them, since a verdict depends on how many questions were asked.

use strum::VariantArray;

use super::measure::{Measured, Outcomes, Reason};
use super::metric::Metric;
use super::{MetricComparison, Verdict};
use crate::stats::contrast::{CONFIDENCE, Contrast, Estimate};
use crate::stats::holm;

/// Every metric of two sides, without verdicts.
pub(super) fn contrast(
    base: &Outcomes,
    candidate: &Outcomes,
    threshold: f64,
) -> Vec<MetricComparison> {
    let sides = base.iter().zip(candidate);
    let metrics = Metric::VARIANTS.iter().zip(sides);
    metrics
        .map(|(&metric, sides)| match sides {
            (Ok(base), Ok(candidate)) => compared(metric, base, candidate, threshold),
            (base, candidate) => not_compared(metric, base, candidate),
        })
        .collect()
}

fn not_compared(
    metric: Metric,
    base: &Result<Measured, Reason>,
    candidate: &Result<Measured, Reason>,
) -> MetricComparison {
    let reason = match (base, candidate) {
        (Err(base), Err(candidate)) if base == candidate => base.to_string(),
        (Err(reason), _) => format!("base: {reason}"),
        (_, Err(reason)) => format!("candidate: {reason}"),
        _ => String::new(),
    };
    // A lower bound or a percentile of too few values is not shown as a number.
    let value = |side: &Result<Measured, Reason>| side.as_ref().ok().map(|side| side.value);
    MetricComparison {
        metric,
        base: value(base),
        candidate: value(candidate),
        ratio: None,
        interval: None,
        difference: None,
        p: None,
        p_holm: None,
        within_runs: None,
        verdict: Verdict::NotCompared,
        reason: Some(reason),
    }
}

fn compared(
    metric: Metric,
    base: &Measured,
    candidate: &Measured,
    threshold: f64,
) -> MetricComparison {
    let (of_base, of_candidate) = sides(base, candidate);
    let contrast = Contrast::between(of_base, of_candidate);
    let [low, high] = contrast.interval();
    let noise = noise(metric, base.value.max(candidate.value), threshold);
    let variance = of_base.variance + of_candidate.variance;
    let within = base.within.zip(candidate.within).map(|(base, candidate)| base + candidate);
    let share = within.filter(|_| variance > 0.0).map(|w| (w / variance).min(1.0));
    let by_ratio = metric.is_by_ratio();
    MetricComparison {
        metric,
        base: Some(base.value),
        candidate: Some(candidate.value),
        ratio: (base.value > 0.0).then(|| candidate.value / base.value),
        interval: by_ratio.then(|| [low.exp(), high.exp()]),
        difference: (!by_ratio).then_some([contrast.difference, low, high]),
        // No error on either side is no question, and must not make the others harder.
        p: (base.value > 0.0 || candidate.value > 0.0).then(|| contrast.p_value(noise)),
        p_holm: None,
        within_runs: share.filter(|_| base.runs > 1 && candidate.runs > 1),
        verdict: Verdict::NoEvidence,
        reason: None,
    }
}

/// The estimate of a side. A single run can't show how much runs vary; where the other side
/// has several, theirs is taken.
fn spread(side: &Measured, other: &Measured) -> Estimate {
    if side.runs > 1 || other.runs == 1 {
        return side.estimate;
    }
    let variance = other.estimate.variance * other.runs as f64;
    Estimate { variance, degrees: other.estimate.degrees, ..side.estimate }
}

/// The estimates of two sides that are compared with each other.
pub(super) fn sides(base: &Measured, candidate: &Measured) -> (Estimate, Estimate) {
    let (of_base, of_candidate) = (spread(base, candidate), spread(candidate, base));
    if (base.runs > 1) == (candidate.runs > 1) {
        return (of_base, of_candidate);
    }
    // Where one side lends its variance to the other, there are not twice the degrees.
    let variance = of_base.variance + of_candidate.variance;
    (Estimate { variance: 0.0, ..of_base }, Estimate { variance, ..of_candidate })
}

/// The difference that is noise, on the scale of estimates; `largest` is the largest of the
/// values that are compared.
pub(super) fn noise(metric: Metric, largest: f64, threshold: f64) -> f64 {
    if metric.is_by_ratio() { threshold.ln_1p() } else { threshold * largest }
}

/// Gives every metric that was compared its verdict; how many there were.
pub(super) fn correct(metrics: &mut [&mut MetricComparison]) -> usize {
    let places: Vec<usize> =
        (0..metrics.len()).filter(|&place| metrics[place].p.is_some()).collect();
    let p_values: Vec<f64> = places.iter().filter_map(|&place| metrics[place].p).collect();
    for (&place, p_holm) in places.iter().zip(holm::adjusted(&p_values)) {
        let metric = &mut *metrics[place];
        metric.p_holm = Some(p_holm);
        if p_holm <= 1.0 - CONFIDENCE {
            let more = metric.candidate > metric.base;
            metric.verdict = if more == metric.metric.more_is_better() {
                Verdict::Better
            } else {
                Verdict::Worse
            };
        }
    }
    places.len()
}
