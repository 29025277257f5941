//! From the measures of two sides to verdicts: [`contrast`] metric by metric, then
//! [`correct`] over all of them, since a verdict depends on how many questions were asked.

use strum::VariantArray;

use super::measure::{Measured, Outcomes, Reason, Unjudged};
use super::metric::Metric;
use super::rounds;
use super::{MetricComparison, Standing, Verdict};
use crate::stats::contrast::{CONFIDENCE, Contrast, Estimate, POWER};
use crate::stats::holm;

/// Every metric of two sides, without verdicts; `in_turns` if the runs of both stand in the
/// order of their rounds.
pub(super) fn contrast(
    base: &Outcomes,
    candidate: &Outcomes,
    threshold: f64,
    in_turns: bool,
) -> Vec<MetricComparison> {
    let by_rounds = |_: Metric, base: &Measured, candidate: &Measured| {
        let enough = in_turns && rounds::are_enough(base.runs);
        rounds::difference(base, candidate).filter(|_| enough)
    };
    contrast_by(base, candidate, threshold, by_rounds)
}

/// The same, where `by_rounds` says how sure the difference is if it is taken round by round.
pub(super) fn contrast_by(
    base: &Outcomes,
    candidate: &Outcomes,
    threshold: f64,
    by_rounds: impl Fn(Metric, &Measured, &Measured) -> Option<Estimate>,
) -> Vec<MetricComparison> {
    let sides = base.iter().zip(candidate);
    let metrics = Metric::VARIANTS.iter().zip(sides);
    metrics
        .map(|(&metric, sides)| match sides {
            (Ok(base), Ok(candidate)) => {
                let by_rounds = by_rounds(metric, base, candidate);
                compared(metric, base, candidate, threshold, by_rounds)
            }
            (base, candidate) => not_compared(metric, base, candidate),
        })
        .collect()
}

fn not_compared(
    metric: Metric,
    base: &Result<Measured, Unjudged>,
    candidate: &Result<Measured, Unjudged>,
) -> MetricComparison {
    let reason = match (base, candidate) {
        (Err(base), Err(candidate)) if base.reason == candidate.reason => {
            base.reason.to_string()
        }
        (Err(Unjudged { reason, .. }), _) => format!("base: {reason}"),
        (_, Err(Unjudged { reason, .. })) => format!("candidate: {reason}"),
        _ => String::new(),
    };
    let is_of_one_run = |side: &Result<Measured, Unjudged>| {
        side.as_ref().is_err_and(|unjudged| unjudged.reason == Reason::WholeRunOnly)
    };
    let (verdict, reason) = if is_of_one_run(base) && is_of_one_run(candidate) {
        (Verdict::SingleRun, None)
    } else {
        (Verdict::NotCompared, Some(reason))
    };
    let [(base, base_standing), (candidate, candidate_standing)] =
        [base, candidate].map(|side| match side {
            Ok(measured) => (Some(measured.value), Standing::Measured),
            Err(unjudged) => (unjudged.value, unjudged.standing),
        });
    let firm = [base_standing, candidate_standing] == [Standing::Measured; 2];
    let ratio = base.zip(candidate).filter(|(base, _)| firm && *base > 0.0);
    MetricComparison {
        metric,
        base,
        base_standing,
        candidate,
        candidate_standing,
        ratio: ratio.map(|(base, candidate)| candidate / base),
        interval: None,
        interval_holm: None,
        difference: None,
        p: None,
        p_holm: None,
        findable: None,
        within_runs: None,
        verdict,
        own_share: false,
        reason,
        contrast: None,
    }
}

fn compared(
    metric: Metric,
    base: &Measured,
    candidate: &Measured,
    threshold: f64,
    by_rounds: Option<Estimate>,
) -> MetricComparison {
    let (of_base, of_candidate) = sides(base, candidate);
    let mut contrast = Contrast::between(of_base, of_candidate);
    if let Some(Estimate { variance, degrees, .. }) = by_rounds {
        contrast = contrast.or(variance, degrees);
    }
    let [low, high] = on_the_metric(metric, contrast.interval());
    let noise = noise(metric, base.value.max(candidate.value), threshold);
    let variance = of_base.variance + of_candidate.variance;
    let within = base.within.zip(candidate.within).map(|(base, candidate)| base + candidate);
    let share = within.filter(|_| variance > 0.0).map(|w| (w / variance).min(1.0));
    let by_ratio = metric.is_by_ratio();
    MetricComparison {
        metric,
        base: Some(base.value),
        base_standing: Standing::Measured,
        candidate: Some(candidate.value),
        candidate_standing: Standing::Measured,
        ratio: (base.value > 0.0).then(|| candidate.value / base.value),
        interval: by_ratio.then_some([low, high]),
        interval_holm: None,
        difference: (!by_ratio).then_some([contrast.difference, low, high]),
        // No error on either side is no question, and must not make the others harder.
        p: (base.value > 0.0 || candidate.value > 0.0).then(|| contrast.p_value(noise)),
        p_holm: None,
        findable: None,
        within_runs: share.filter(|_| base.runs > 1 && candidate.runs > 1),
        verdict: if base.runs == 1 && candidate.runs == 1 {
            Verdict::SingleRun
        } else {
            Verdict::NoEvidence
        },
        own_share: false,
        reason: None,
        contrast: Some((contrast, noise)),
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

/// An interval of the scale of estimates as one of ratios, or of differences. JSON has no
/// infinity, which an interval of almost no evidence may reach.
pub(super) fn on_the_metric(metric: Metric, interval: [f64; 2]) -> [f64; 2] {
    let end = |end: f64| if metric.is_by_ratio() { end.exp() } else { end };
    interval.map(|scaled| end(scaled).clamp(f64::MIN, f64::MAX))
}

/// A difference of the scale of estimates as a change: a share of the base, or a difference.
pub(super) fn as_change(metric: Metric, scaled: f64) -> f64 {
    if metric.is_by_ratio() { scaled.exp_m1() } else { scaled }
}

/// Gives every metric that was compared its verdict and the interval that goes with it; how
/// many there were. Those of single runs have intervals alone, and must not make the others
/// harder to decide.
pub(super) fn correct(metrics: &mut [&mut MetricComparison]) -> usize {
    let judged = correct_among(metrics, |metric| metric.verdict != Verdict::SingleRun);
    let single = correct_among(metrics, |metric| metric.verdict == Verdict::SingleRun);
    // What was no question has no interval to correct.
    for metric in metrics {
        metric.contrast = None;
    }
    if judged > 0 { judged } else { single }
}

fn correct_among(
    metrics: &mut [&mut MetricComparison],
    belongs: impl Fn(&MetricComparison) -> bool,
) -> usize {
    let level = 1.0 - CONFIDENCE;
    let is_asked = |metric: &MetricComparison| metric.p.is_some() && belongs(metric);
    let places: Vec<usize> =
        (0..metrics.len()).filter(|&place| is_asked(metrics[place])).collect();
    let p_values: Vec<f64> = places.iter().filter_map(|&place| metrics[place].p).collect();
    let corrected = holm::adjusted(&p_values).into_iter().zip(holm::levels(&p_values, level));
    for (&place, (p_holm, own_level)) in places.iter().zip(corrected) {
        let metric = &mut *metrics[place];
        metric.p_holm = Some(p_holm);
        let Some((contrast, noise)) = metric.contrast.take() else { continue };
        let interval = contrast.interval_at(own_level);
        metric.interval_holm = Some(on_the_metric(metric.metric, interval));
        if metric.verdict != Verdict::SingleRun {
            let findable = contrast.findable(own_level, noise, POWER);
            metric.findable = Some(as_change(metric.metric, findable));
        }
        if p_holm <= level && metric.verdict != Verdict::SingleRun {
            metric.verdict = metric.direction();
        }
    }
    places.len()
}
