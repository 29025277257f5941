//! One side of a comparison: from runs to estimates, metric by metric. Key type:
//! [`Measured`]. Refuses to judge (see [`Reason`]) what the runs can't back; its value is
//! kept all the same.

use std::fmt;

use rayon::prelude::*;

use super::Standing;
use super::metric::Metric;
use super::sample::{Piece, RunSample};
use crate::stats::bootstrap::{self, Resampling};
use crate::stats::contrast::Estimate;
use crate::stats::statistic::{Counts, MergedQuantile, Statistic};
use crate::stats::{order, serial};

/// Intervals below which one run alone says nothing of how sure it is.
const LEAST_INTERVALS: usize = 8;

/// Degrees of freedom below which the interval of one run by itself is so wide that it says
/// nothing: those of three independent intervals.
const LEAST_DEGREES: f64 = 2.0;

/// What the runs of a side give for a metric.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Measured {
    /// The value of all runs merged.
    pub(super) value: f64,
    /// The value on the scale on which differences are taken, and how sure it is.
    pub(super) estimate: Estimate,
    /// Runs.
    pub(super) runs: usize,
    /// The variance that would be left if only intervals varied, and not runs.
    pub(super) within: Option<f64>,
    /// How far each run pulls the value on that scale away from where it is; empty for one run.
    pub(super) pulls: Vec<f64>,
}

impl Measured {
    /// Why the value has no interval of its own that says anything, if so.
    pub(super) fn vague(&self) -> Option<Reason> {
        let vague = self.runs == 1 && self.estimate.degrees < LEAST_DEGREES;
        vague.then_some(Reason::Autocorrelated)
    }
}

/// A metric of a side that can't be judged.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Unjudged {
    /// What was measured all the same.
    pub(super) value: Option<f64>,
    /// How far that can be trusted.
    pub(super) standing: Standing,
    /// Why it can't be judged.
    pub(super) reason: Reason,
}

impl Unjudged {
    pub(super) fn new(value: Option<f64>, reason: Reason) -> Self {
        let standing = match reason {
            Reason::LowerBound => Standing::LowerBound,
            Reason::FewValues { .. } => Standing::Weak,
            _ => Standing::Measured,
        };
        Self { value, standing, reason }
    }
}

/// Why a side has no number that could be judged.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Reason {
    /// It is null in some reports.
    NotMeasured,
    /// There is nothing that it could be a value of.
    NoReplies,
    /// A percentile that the sample can't back.
    FewValues {
        /// Independent values needed.
        needed: u64,
        /// Independent values that there are.
        independent: u64,
    },
    /// The value is only a lower bound.
    LowerBound,
    /// Greatest values can't be drawn again from one run.
    MaxOfOneRun,
    /// It is known of whole runs only, and there is one.
    WholeRunOnly,
    /// Greatest values grow with the window.
    UnequalWindows,
    /// One run, with too few intervals.
    FewIntervals {
        /// How many.
        intervals: usize,
    },
    /// One run, whose intervals depend on each other.
    Autocorrelated,
    /// Some resamples have no value.
    Unstable,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotMeasured => write!(f, "not measured in every run"),
            Self::NoReplies => write!(f, "no successful replies"),
            Self::FewValues { needed, independent }
                if order::is_near(*independent, *needed) =>
            {
                write!(f, "effective sample size below {needed} (needs {needed}); run longer")
            }
            Self::FewValues { needed, independent } => {
                write!(f, "effective sample size {independent} (needs {needed})")
            }
            Self::LowerBound => write!(f, "a lower bound only: requests were never answered"),
            Self::MaxOfOneRun => write!(f, "one run shows one maximum; repeat the run"),
            Self::WholeRunOnly => {
                write!(f, "one run shows one value, and none by interval; repeat the run")
            }
            Self::UnequalWindows => {
                write!(f, "a maximum grows with the window, and the windows differ")
            }
            Self::FewIntervals { intervals } => write!(
                f,
                "one run of {intervals} interval{} (needs {LEAST_INTERVALS}); run longer or again",
                if *intervals == 1 { "" } else { "s" }
            ),
            Self::Autocorrelated => write!(
                f,
                "one run of autocorrelated intervals: effective sample size below 3; run longer \
                 or again"
            ),
            Self::Unstable => write!(f, "too few events to say how sure it is"),
        }
    }
}

/// The outcome of each metric that was measured, in the order of the variants of [`Metric`].
pub(super) type Outcomes = Vec<Result<Measured, Unjudged>>;

/// What `runs` give for each of `metrics`, which are the first of the variants, or all.
pub(super) fn measure(
    runs: &[RunSample],
    metrics: &[Metric],
    resampling: Resampling,
) -> Outcomes {
    let wholes: Vec<&Piece> = runs.iter().map(|run| &run.whole).collect();
    let ones = vec![1; runs.len()];
    let statistics: Vec<_> = metrics
        .par_iter()
        .map(|&metric| {
            let statistic =
                statistic(metric, &wholes).map_err(|reason| Unjudged::new(None, reason))?;
            let value = statistic.value(&ones);
            let shown = value.is_finite().then_some(value);
            backed(metric, runs, value).map_err(|reason| Unjudged::new(shown, reason))?;
            Ok(statistic)
        })
        .collect();
    let between = (runs.len() > 1)
        .then(|| spreads(&[runs.len()], resampling, metrics, &statistics, true));
    let within = within_runs(runs, metrics, resampling);
    let outcome = |(place, statistic): (usize, &Result<Statistic, Unjudged>)| {
        let metric = metrics[place];
        let value = statistic.as_ref().map_err(Clone::clone)?.value(&ones);
        let spread = match &between {
            Some(between) => {
                let count = runs.len() as f64;
                // The bootstrap's own variance is that of the sample, not of the population.
                let variance =
                    between[place].variance.map(|variance| variance * count / (count - 1.0));
                variance.map(|variance| (variance, count - 1.0)).ok_or(Reason::Unstable)
            }
            None => alone(metric, runs, within[place]),
        };
        let (variance, degrees) =
            spread.map_err(|reason| Unjudged::new(Some(value), reason))?;
        let estimate = Estimate { value: scale(metric, value), variance, degrees };
        let within = within[place].map(|(variance, _)| variance);
        let pulls = between.as_ref().map_or_else(Vec::new, |all| all[place].pulls.clone());
        Ok(Measured { value, estimate, runs: runs.len(), within, pulls })
    };
    statistics.iter().enumerate().map(outcome).collect()
}

/// The scale on which differences are taken: logarithms, so that they are ratios.
pub(super) fn scale(metric: Metric, value: f64) -> f64 {
    if metric.is_by_ratio() { value.ln() } else { value }
}

/// Whether the runs together can back the value of the metric.
fn backed(metric: Metric, runs: &[RunSample], value: f64) -> Result<(), Reason> {
    if !scale(metric, value).is_finite() {
        return Err(Reason::NoReplies);
    }
    answered(metric, runs, value)?;
    if let Some((name, quantile)) = metric.quantile_name().zip(metric.quantile()) {
        let own =
            |run: &RunSample| run.trust(metric).independent.get(name).copied().unwrap_or(0);
        let (needed, independent) = (order::needed(quantile), runs.iter().map(own).sum());
        if independent < needed {
            return Err(Reason::FewValues { needed, independent });
        }
    }
    Ok(())
}

/// Refuses a latency that is only a lower bound.
fn answered(metric: Metric, runs: &[RunSample], value: f64) -> Result<(), Reason> {
    let least = |run: &RunSample| run.trust(metric).least_censored_ns;
    let bound = if metric.is_max() {
        runs.iter()
            .any(|run| least(run).is_some_and(|least| run.whole.max(metric) >= Some(least)))
    } else {
        let least = runs.iter().filter_map(least).min();
        metric.quantile().is_some() && least.is_some_and(|least| value >= least as f64)
    };
    if bound { Err(Reason::LowerBound) } else { Ok(()) }
}

/// Variance and degrees of freedom from the intervals of one run.
fn alone(
    metric: Metric,
    runs: &[RunSample],
    within: Option<(f64, f64)>,
) -> Result<(f64, f64), Reason> {
    let intervals = runs[0].intervals.len();
    if metric == Metric::Max {
        return Err(Reason::MaxOfOneRun);
    }
    if metric.explains() {
        return Err(Reason::WholeRunOnly);
    }
    if intervals < LEAST_INTERVALS {
        return Err(Reason::FewIntervals { intervals });
    }
    let (variance, inflation) = within.ok_or(Reason::Unstable)?;
    Ok((variance, (intervals as f64 / inflation - 1.0).max(1.0)))
}

/// For each metric the variance if only the intervals within the runs vary, and by how much
/// it is larger because neighbouring intervals are alike.
fn within_runs(
    runs: &[RunSample],
    metrics: &[Metric],
    resampling: Resampling,
) -> Vec<Option<(f64, f64)>> {
    let strata: Vec<usize> = runs.iter().map(|run| run.intervals.len()).collect();
    if strata.iter().any(|&intervals| intervals < 2) {
        return vec![None; metrics.len()];
    }
    let pieces: Vec<&Piece> = runs.iter().flat_map(|run| &run.intervals).collect();
    let statistics: Vec<_> = metrics
        .par_iter()
        .map(|&metric| match metric {
            Metric::Max => Err(Reason::MaxOfOneRun),
            metric if metric.explains() => Err(Reason::WholeRunOnly),
            metric => statistic(metric, &pieces),
        })
        .collect();
    // With several runs this is a remark, and need not be as exact as the verdict.
    let resamples =
        if runs.len() > 1 { resampling.resamples / 10 } else { resampling.resamples };
    let resampling = Resampling { resamples, ..resampling };
    let spreads = spreads(&strata, resampling, metrics, &statistics, false);
    let corrected = |(spread, statistic): (Spread, &Result<Statistic, Reason>)| {
        let pulls = statistic.as_ref().ok()?.pulls();
        let mut rest = pulls.as_slice();
        let mut inflation = 0.0;
        for &intervals in &strata {
            let (own, others) = rest.split_at(intervals);
            // Of a stratum, the bootstrap sees the share (m - 1) / m of the variance.
            inflation += serial::inflation(own) * intervals as f64 / (intervals - 1) as f64;
            rest = others;
        }
        inflation /= strata.len() as f64;
        Some((spread.variance? * inflation, inflation))
    };
    spreads.into_iter().zip(&statistics).map(corrected).collect()
}

/// What the bootstrap says of a statistic.
struct Spread {
    variance: Option<f64>,
    /// How far each unit pulls the statistic; known for runs alone.
    pulls: Vec<f64>,
}

/// The bootstrap's spread of each statistic, all from the same draws.
fn spreads<E: Sync>(
    strata: &[usize],
    resampling: Resampling,
    metrics: &[Metric],
    statistics: &[Result<Statistic, E>],
    of_runs: bool,
) -> Vec<Spread> {
    let evaluate = |drawn: &[u32]| -> (Vec<f64>, Vec<u32>) {
        let values =
            metrics.iter().zip(statistics).map(|(&metric, statistic)| match statistic {
                Ok(statistic) => scale(metric, statistic.value(drawn)),
                Err(_) => f64::NAN,
            });
        (values.collect(), if of_runs { drawn.to_vec() } else { Vec::new() })
    };
    let replicates = bootstrap::replicates(strata, resampling, evaluate);
    let spread = |place: usize| {
        let column: Vec<f64> = replicates.iter().map(|(values, _)| values[place]).collect();
        let draws = replicates.iter().map(|(_, drawn)| drawn.as_slice());
        Spread {
            variance: bootstrap::variance(&column),
            pulls: bootstrap::pulls(&column, draws),
        }
    };
    (0..statistics.len()).map(spread).collect()
}

/// The metric as a statistic of `units`.
fn statistic(metric: Metric, units: &[&Piece]) -> Result<Statistic, Reason> {
    let each = |value: fn(&Piece) -> f64| units.iter().map(|unit| value(unit)).collect();
    let known = |value: fn(&Piece) -> Option<f64>| {
        let values: Option<Vec<f64>> = units.iter().map(|unit| value(unit)).collect();
        values.ok_or(Reason::NotMeasured)
    };
    Ok(match metric {
        Metric::Throughput => {
            Statistic::Ratio { of: each(|unit| unit.ok), by: each(|unit| unit.seconds) }
        }
        Metric::ClientCpu => {
            Statistic::Ratio { of: known(|unit| unit.client_cpu_us)?, by: each(|unit| unit.ok) }
        }
        Metric::ServerCpu => {
            Statistic::Ratio { of: known(|unit| unit.server_cpu_us)?, by: each(|unit| unit.ok) }
        }
        Metric::Errors => {
            Statistic::Ratio { of: each(|unit| unit.failed), by: each(|unit| unit.asked) }
        }
        Metric::Fairness => Statistic::GeometricMean(known(|unit| unit.jain)?),
        Metric::WorkerSkew => Statistic::GeometricMean(known(|unit| unit.worker_skew)?),
        Metric::Max => {
            Statistic::GeometricMean(known(|unit| unit.max(Metric::Max).map(|max| max as f64))?)
        }
        Metric::CorrectedMax => {
            let max = |unit: &Piece| unit.max(Metric::CorrectedMax).map(|max| max as f64);
            Statistic::GeometricMean(known(max)?)
        }
        Metric::P50
        | Metric::P90
        | Metric::P99
        | Metric::P999
        | Metric::CorrectedP50
        | Metric::CorrectedP90
        | Metric::CorrectedP99
        | Metric::CorrectedP999 => {
            let counts: Option<Vec<&Counts>> =
                units.iter().map(|unit| unit.counts(metric)).collect();
            let counts = counts.ok_or(Reason::NotMeasured)?;
            let quantile = metric.quantile().unwrap_or(0.5);
            Statistic::Quantile(
                MergedQuantile::new(quantile, &counts).ok_or(Reason::NoReplies)?,
            )
        }
    })
}
