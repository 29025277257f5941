//! Whether comparisons of this machine keep what they promise: [`SelfCheck`], runs of one plan
//! judged against each other as [`compare`] judges any two sides. Every difference that it
//! calls is a false alarm; how wide its intervals are says what it could have found.

use rayon::prelude::*;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use strum::VariantArray;

use super::{
    CompareError, Comparison, Input, Method, Metric, MetricComparison, Options, Side, Verdict,
    compare, judge, measure,
};
use crate::report::{Report, Tool};
use crate::stats::contrast::CONFIDENCE;
use crate::stats::rate;
use echo_bench_engine::plan::Plan;

/// The name and version of the shape.
pub const SCHEMA: &str = "echo-bench.self-check/1";

/// Ways in which the runs of a group are dealt to the two sides, at most: those of so many rounds
/// after the first.
const MOST_DEALS: u64 = 16;
const ALL_DEALT: usize = MOST_DEALS.ilog2() as usize;

/// Which bits of the number of a deal decide together whether a round is swapped: each bit alone
/// first, so that no two deals are alike. Any two of these columns agree in half of the deals.
const COLUMNS: [u64; 15] = [1, 2, 4, 8, 15, 3, 5, 9, 14, 6, 10, 13, 12, 11, 7];

/// Comparisons of a plan with itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SelfCheck {
    /// Name and version of this shape: `echo-bench.self-check/1`.
    pub schema: String,
    /// What made it.
    pub tool: Tool,
    /// The plan of every run.
    pub plan: Plan,
    /// How each comparison was made; `questions` is the most that one of them asked.
    pub method: Method,
    /// Runs that were made.
    pub runs: usize,
    /// Runs of each side of a comparison.
    pub runs_per_side: usize,
    /// Groups of runs that have none in common: so many comparisons are independent.
    pub groups: usize,
    /// Comparisons: the runs of each group are dealt to two sides in several ways.
    pub comparisons: usize,
    /// The share of comparisons that called any metric better or worse.
    pub false_alarms: f64,
    /// Its 95 % interval, by the number of groups.
    pub interval: [f64; 2],
    /// The share that is promised not to be exceeded.
    pub promised: f64,
    /// Whether the promise is kept, as far as can be told: false where the whole interval lies
    /// above it.
    pub is_kept: bool,
    /// Every metric.
    pub metrics: Vec<MetricCheck>,
}

impl SelfCheck {
    /// Whether anything was judged: single runs never are.
    pub fn is_judged(&self) -> bool {
        self.metrics.iter().any(|metric| metric.judged > 0)
    }
}

/// A metric of a self-check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MetricCheck {
    /// The metric.
    pub metric: Metric,
    /// In how many comparisons it was judged.
    pub judged: usize,
    /// In how many of them it was called better or worse.
    pub false_alarms: usize,
    /// The smallest difference that would have been called in half of the comparisons: a share
    /// of the value, of errors a difference of shares. Null where it was not judged.
    pub smallest: Option<f64>,
    /// The smallest difference that would have been called in 80 % of them, alike. Null where it
    /// was not judged, and in older self-checks.
    #[serde(default)]
    pub findable: Option<f64>,
    /// Why it was not judged, in the first comparison that did not.
    pub reason: Option<String>,
}

/// Why runs can't be judged against each other.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelfCheckError {
    /// Too few runs for one comparison.
    #[error("{made} runs gave a report and one comparison needs {needed}")]
    TooFewRuns {
        /// Runs that there are.
        made: usize,
        /// Runs of both sides of a comparison.
        needed: usize,
    },
    /// A comparison that can't be made.
    #[error(transparent)]
    Compare(#[from] CompareError),
}

/// Judges runs of one plan, in the order in which they were made, against each other: so many
/// a side.
///
/// # Errors
/// When there are too few of them, or they can't be compared.
pub fn self_check(
    reports: &[Report],
    runs_per_side: usize,
    options: &Options,
) -> Result<SelfCheck, SelfCheckError> {
    let needed = runs_per_side.max(1) * 2;
    let groups: Vec<&[Report]> = reports.chunks_exact(needed).collect();
    let [first, ..] = &groups[..] else {
        return Err(SelfCheckError::TooFewRuns { made: reports.len(), needed });
    };
    let plan = first[0].plan.clone();
    let comparisons: Vec<Vec<Comparison>> = groups
        .par_iter()
        .map(|group| {
            let deals = deals(runs_per_side).into_iter();
            deals.map(|deal| against_itself(group, deal, options.clone())).collect()
        })
        .collect::<Result<_, _>>()?;
    let share = |group: &Vec<Comparison>| {
        group.iter().filter(|comparison| is_alarmed(comparison)).count() as f64
            / group.len() as f64
    };
    let count = groups.len() as f64;
    let false_alarms = comparisons.iter().map(share).sum::<f64>() / count;
    let events = false_alarms * count;
    let interval = rate::share_interval_of(events, count - events);
    let all: Vec<&Comparison> = comparisons.iter().flatten().collect();
    let promised = 1.0 - CONFIDENCE;
    let judged: Vec<Metric> = Metric::VARIANTS
        .iter()
        .copied()
        .filter(|metric| !metric.explains() || options.asked_for.contains(metric))
        .collect();
    let checked = |&metric: &Metric| MetricCheck::of(metric, &all, options.threshold);
    let questions = all.iter().map(|comparison| comparison.method.questions).max();
    Ok(SelfCheck {
        schema: SCHEMA.into(),
        tool: Tool::this(),
        plan,
        method: Method {
            confidence: CONFIDENCE,
            threshold: options.threshold,
            resamples: options.resamples,
            seed: options.seed,
            questions: questions.unwrap_or(0),
            forced: options.force,
            asked_for: options.asked_for.clone(),
        },
        runs: reports.len(),
        runs_per_side,
        groups: groups.len(),
        comparisons: all.len(),
        false_alarms,
        interval,
        promised,
        is_kept: interval[0] <= promised,
        metrics: judged.iter().map(checked).collect(),
    })
}

/// The ways to deal rounds of two runs to two sides, by a bit for each round that says which
/// side comes first. Which side is called the base does not matter, so the first bit is 0.
///
/// Of many rounds some ways are taken, so that each round is swapped in half of them.
fn deals(rounds: usize) -> Vec<u64> {
    let later = rounds.clamp(1, 64) - 1;
    if later <= ALL_DEALT {
        return (0..1 << later).map(|deal| deal << 1).collect();
    }
    // Turns like A B B A in the first deal, rather than the same order in each round.
    let is_swapped = |deal: u64, round: usize| {
        let parity = u64::from((deal & COLUMNS[round % COLUMNS.len()]).count_ones() % 2);
        parity ^ ((round as u64 + 1) % 2)
    };
    let dealt =
        |deal| (0..later).fold(0, |all, round| all | is_swapped(deal, round) << (round + 1));
    (0..MOST_DEALS).map(dealt).collect()
}

fn against_itself(
    group: &[Report],
    deal: u64,
    options: Options,
) -> Result<Comparison, CompareError> {
    let mut sides = [("A", Vec::new()), ("A again", Vec::new())]
        .map(|(name, inputs)| Side { name: name.into(), inputs });
    for (place, report) in group.iter().enumerate() {
        let swapped = deal >> (place / 2).min(63) & 1;
        let side = (place as u64 & 1) ^ swapped;
        let input = Input { source: format!("run {}", place + 1), report: report.clone() };
        sides[side as usize].inputs.push(input);
    }
    let [base, candidate] = sides;
    compare(&base, &[candidate], options)
}

fn is_called(metric: &MetricComparison) -> bool {
    matches!(metric.verdict, Verdict::Better | Verdict::Worse)
}

fn is_alarmed(comparison: &Comparison) -> bool {
    comparison.metrics().any(is_called)
}

impl MetricCheck {
    fn of(metric: Metric, comparisons: &[&Comparison], threshold: f64) -> Self {
        let found =
            || comparisons.iter().flat_map(|c| c.metrics()).filter(|m| m.metric == metric);
        let is_judged = |m: &&MetricComparison| {
            matches!(m.verdict, Verdict::Better | Verdict::Worse | Verdict::NoEvidence)
        };
        let judged: Vec<&MetricComparison> = found().filter(is_judged).collect();
        let median = |mut of: Vec<f64>| {
            of.sort_by(f64::total_cmp);
            of.get(of.len() / 2).copied().filter(|width| width.is_finite())
        };
        let reason = found().find(|m| !is_judged(m)).map(|m| match &m.reason {
            Some(reason) => reason.clone(),
            None => m.verdict.to_string(),
        });
        Self {
            metric,
            judged: judged.len(),
            false_alarms: judged.iter().filter(|m| is_called(m)).count(),
            smallest: median(judged.iter().filter_map(|m| smallest(m, threshold)).collect()),
            findable: median(judged.iter().filter_map(|m| m.findable).collect()),
            reason,
        }
    }
}

/// The difference that would have been called: half of the interval, and the noise.
fn smallest(metric: &MetricComparison, threshold: f64) -> Option<f64> {
    let [low, high] = metric.judged_interval()?;
    let largest = metric.base?.max(metric.candidate?);
    // Without an error on either side nothing was asked.
    metric.p?;
    let noise = judge::noise(metric.metric, largest, threshold);
    let [low, high] = [low, high].map(|end| measure::scale(metric.metric, end));
    Some(judge::as_change(metric.metric, (high - low) / 2.0 + noise))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_are_dealt_evenly_and_never_twice_alike() {
        for (rounds, ways) in [(1, 1), (2, 2), (3, 4), (5, 16), (6, 16), (40, 16)] {
            let mut deals = deals(rounds);
            assert_eq!(deals.len(), ways, "{rounds}");
            assert!(deals.iter().all(|deal| deal & 1 == 0), "the first round is A A-again");
            deals.sort_unstable();
            deals.dedup();
            assert_eq!(deals.len(), ways, "{rounds}");
        }
    }

    #[test]
    fn every_round_but_the_first_is_swapped_in_half_of_the_deals() {
        for rounds in [5, 6, 10, 16, 17, 40, 64] {
            let deals = deals(rounds);
            for round in 1..rounds {
                let swapped = deals.iter().filter(|deal| *deal >> round & 1 == 1).count();
                assert_eq!(swapped, deals.len() / 2, "round {round} of {rounds}");
            }
        }
    }
}
