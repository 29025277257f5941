//! From stored reports to a [`Comparison`]: [`compare`].

use rayon::prelude::*;
use strum::VariantArray as _;

use super::by_stage::{self, ByStage, by_stage};
use super::cases::{self, Pairing};
use super::caution;
use super::judge;
use super::measure::{self, Outcomes, Reason, Unjudged};
use super::metric::Metric;
use super::sample::{RunSample, can_be_added};
use super::{
    Candidate, Case, CaseSide, Comparison, Evidence, Method, MetricComparison, SCHEMA,
    SideReport, differences, own_share, rounds,
};
use crate::report::{LatencySummary, Report, Tool, Workload};
use crate::stats::bootstrap::Resampling;
use crate::stats::contrast::CONFIDENCE;

/// How to compare.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Relative differences up to this are noise.
    pub threshold: f64,
    /// Bootstrap resamples.
    pub resamples: u32,
    /// Their seed.
    pub seed: u64,
    /// Compare across load models, and what else would be refused.
    pub force: bool,
    /// Metrics to judge beside the primary ones, and those to judge though their change is the
    /// generator's own.
    pub asked_for: Vec<Metric>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            threshold: 0.01,
            resamples: 10_000,
            seed: 1,
            force: false,
            asked_for: Vec::new(),
        }
    }
}

/// A stored report.
#[derive(Debug, Clone)]
pub struct Input {
    /// Where it was read from.
    pub source: String,
    /// It.
    pub report: Report,
}

/// The reports of a side.
#[derive(Debug, Clone)]
pub struct Side {
    /// What the user calls it.
    pub name: String,
    /// Its reports.
    pub inputs: Vec<Input>,
}

/// Why sides can't be compared.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// A side without reports.
    #[error("{0} holds no report")]
    Empty(String),
    /// Closed against open loop.
    #[error(
        "{base} and {candidate} mix closed and open loop, whose numbers mean different things; \
         measure both alike, or say --force"
    )]
    LoadModels {
        /// The base.
        base: String,
        /// The candidate.
        candidate: String,
    },
    /// Generators that are not alike.
    #[error(
        "{base} and {candidate} were measured by different numbers of processes (--part, --agents), \
         whose own limits differ; measure both alike, or say --force"
    )]
    Processes {
        /// The base.
        base: String,
        /// The candidate.
        candidate: String,
    },
    /// Loads whose stages are not the same.
    #[error(
        "{base} and {candidate} have different stages, which can't be compared one by one; \
         measure both with the same --stage flags"
    )]
    Stages {
        /// The base.
        base: String,
        /// The candidate.
        candidate: String,
    },
    /// Nothing to compare.
    #[error(
        "{base} and {candidate} have no case in common: base has {only_base}, candidate has {only_candidate}"
    )]
    NoCase {
        /// The base.
        base: String,
        /// The candidate.
        candidate: String,
        /// Its cases.
        only_base: String,
        /// Its cases.
        only_candidate: String,
    },
    /// Reports that can't be those of runs.
    #[error("the reports of {0} hold more than 2^53 requests together")]
    TooManyRequests(String),
    /// A damaged report.
    #[error("{0} has a histogram that can't be read")]
    Histogram(String),
}

/// Compares each candidate with the base.
///
/// # Errors
/// What keeps them from being compared.
pub fn compare(
    base: &Side,
    candidates: &[Side],
    options: Options,
) -> Result<Comparison, CompareError> {
    let staged = by_stage(base);
    let samples = samples(&staged.side)?;
    let mut compared = candidates
        .iter()
        .map(|candidate| one((base, &staged), &samples, candidate, &options))
        .collect::<Result<Vec<_>, _>>()?;
    let mut correct = |of: fn(&mut Case) -> &mut Vec<MetricComparison>| {
        let cases = compared.iter_mut().flat_map(|candidate| &mut candidate.cases);
        judge::correct(&mut cases.flat_map(of).collect::<Vec<_>>())
    };
    let questions = correct(|case| &mut case.metrics);
    correct(|case| &mut case.explanations);
    correct(|case| &mut case.stamped);
    for Candidate { cases, cautions, .. } in &mut compared {
        cases.iter_mut().for_each(own_share::mark);
        cautions.extend(cases.iter().filter_map(own_share::caution));
    }
    let plans = || {
        let sides = std::iter::once(base).chain(candidates);
        sides.flat_map(|side| &side.inputs).map(|input| &input.report.plan)
    };
    Ok(Comparison {
        schema: SCHEMA.into(),
        tool: Tool::this(),
        conclusion: Vec::new(),
        workload: Workload::in_common(plans()),
        open_loop: in_common(plans().map(|plan| plan.load.is_open())),
        method: Method {
            confidence: CONFIDENCE,
            threshold: options.threshold,
            resamples: options.resamples,
            seed: options.seed,
            questions,
            forced: options.force,
            asked_for: options.asked_for,
        },
        base: base.described(),
        candidates: compared,
    })
}

/// What all have in common, if anything.
fn in_common<T: PartialEq>(mut all: impl Iterator<Item = T>) -> Option<T> {
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

impl Side {
    fn described(&self) -> SideReport {
        let reports = self.inputs.iter().map(|input| input.source.clone()).collect();
        SideReport { name: self.name.clone(), reports }
    }

    fn reports(&self) -> Vec<&Report> {
        self.inputs.iter().map(|input| &input.report).collect()
    }
}

fn samples(side: &Side) -> Result<Vec<RunSample>, CompareError> {
    if side.inputs.is_empty() {
        return Err(CompareError::Empty(side.name.clone()));
    }
    if !can_be_added(side.inputs.iter().map(|input| &input.report)) {
        return Err(CompareError::TooManyRequests(side.name.clone()));
    }
    let sample = |input: &Input| {
        RunSample::of(&input.report)
            .ok_or_else(|| CompareError::Histogram(input.source.clone()))
    };
    side.inputs.par_iter().map(sample).collect()
}

/// What carried out the plan of a report.
#[derive(PartialEq)]
enum Processes {
    One,
    /// One of so many parts, alone.
    Part(u32),
    /// So many parts, but for those that are missing.
    Parts(u32, usize),
}

impl Processes {
    fn of(report: &Report) -> Self {
        match (&report.parts, report.plan.part) {
            (Some(parts), _) => Self::Parts(parts.of, parts.missing.len()),
            (None, Some(part)) => Self::Part(part.of),
            (None, None) => Self::One,
        }
    }
}

fn one(
    (base, base_stages): (&Side, &ByStage<'_>),
    base_samples: &[RunSample],
    candidate: &Side,
    options: &Options,
) -> Result<Candidate, CompareError> {
    if candidate.inputs.is_empty() {
        return Err(CompareError::Empty(candidate.name.clone()));
    }
    let (runs_of_base, runs_of_candidate) = (base.reports(), candidate.reports());
    let (from, to) = (base.name.clone(), candidate.name.clone());
    let mut all = runs_of_base.iter().chain(&runs_of_candidate);
    let open = runs_of_base[0].plan.load.is_open();
    if !options.force && all.any(|report| report.plan.load.is_open() != open) {
        return Err(CompareError::LoadModels { base: from, candidate: to });
    }
    let mut all = runs_of_base.iter().chain(&runs_of_candidate);
    let first = Processes::of(runs_of_base[0]);
    if !options.force && all.any(|report| Processes::of(report) != first) {
        return Err(CompareError::Processes { base: from, candidate: to });
    }
    by_stage::check(base, candidate)?;
    let candidate_stages = by_stage(candidate);
    let candidate_samples = samples(&candidate_stages.side)?;
    let base_reports = base_stages.side.reports();
    let candidate_reports = candidate_stages.side.reports();
    let settings = |reports: &[&Report], stages: &[Option<String>]| -> Vec<_> {
        let of = |(report, stage): (&&Report, &Option<String>)| {
            let mut settings = cases::settings(&report.plan);
            settings.extend(stage.clone().map(|stage| ("stage".to_owned(), stage)));
            settings
        };
        reports.iter().zip(stages).map(of).collect()
    };
    let pairing = cases::pair(
        &settings(&base_reports, &base_stages.stages),
        &settings(&candidate_reports, &candidate_stages.stages),
    );
    let Pairing { both, only_in_base, only_in_candidate } = pairing;
    if both.is_empty() {
        let only_base = only_in_base.join("; ");
        let only_candidate = only_in_candidate.join("; ");
        return Err(CompareError::NoCase {
            base: from,
            candidate: to,
            only_base,
            only_candidate,
        });
    }
    let cases: Vec<Case> = both
        .into_par_iter()
        .map(|(name, of_base, of_candidate)| {
            let (base, candidate) = rayon::join(
                || part(&base_reports, base_samples, &of_base, options, 0),
                || part(&candidate_reports, &candidate_samples, &of_candidate, options, 1),
            );
            case(name, base, candidate, options)
        })
        .collect();
    Ok(Candidate {
        side: candidate.described(),
        differences: differences::differences(&runs_of_base, &runs_of_candidate),
        cautions: caution::cautions(&runs_of_base, &runs_of_candidate, &cases),
        cases,
        only_in_base,
        only_in_candidate,
    })
}

/// A side's part in a case: its runs measured, and its reports merged.
struct Part {
    side: CaseSide,
    outcomes: Outcomes,
    /// The primary metrics of the requests with stamped replies alone.
    stamped: Outcomes,
    /// The shortest and the longest measured window.
    windows: (f64, f64),
    /// When its runs began, in rising order.
    starts: Vec<String>,
}

fn part(
    reports: &[&Report],
    samples: &[RunSample],
    places: &[usize],
    options: &Options,
    side: u64,
) -> Part {
    let mut places = places.to_vec();
    places.sort_by_key(|&place| &reports[place].started_at);
    let starts = places.iter().map(|&place| reports[place].started_at.clone()).collect();
    let runs: Vec<RunSample> = places.iter().map(|&place| samples[place].clone()).collect();
    // The sides draw from streams far apart.
    let seed = options.seed ^ side << 63;
    let resampling = Resampling { resamples: options.resamples, seed };
    let outcomes = measure::measure(&runs, Metric::VARIANTS, resampling);
    let of_stamped: Vec<RunSample> = runs.iter().map(RunSample::of_stamped).collect();
    let stamped = measure::measure(&of_stamped, &Metric::PRIMARY, resampling);
    let windows = runs.iter().map(|run| run.whole.seconds);
    let bounds = (windows.clone().fold(f64::MAX, f64::min), windows.fold(0.0, f64::max));
    let response = LatencySummary::merged(
        places.iter().filter_map(|&place| reports[place].summary.latency.response.as_ref()),
    );
    let side = CaseSide { runs: runs.len(), response };
    Part { side, outcomes, stamped, windows: bounds, starts }
}

/// How much longer the longest window may be for maxima to be compared.
const WINDOW_SLACK: f64 = 1.05;

fn case(name: String, mut base: Part, mut candidate: Part, options: &Options) -> Case {
    let shortest = base.windows.0.min(candidate.windows.0);
    let longest = base.windows.1.max(candidate.windows.1);
    if longest > shortest * WINDOW_SLACK {
        for part in [&mut base, &mut candidate] {
            for max in [Metric::Max, Metric::CorrectedMax] {
                let max = &mut part.outcomes[max as usize];
                if let Ok(measured) = max {
                    *max = Err(Unjudged::new(Some(measured.value), Reason::UnequalWindows));
                }
            }
        }
    }
    let evidence = match (base.side.runs, candidate.side.runs) {
        (1, 1) => Evidence::Intervals,
        (1, _) | (_, 1) => Evidence::RunsOfOneSide,
        _ => Evidence::Runs,
    };
    let in_turns = rounds::in_turns(&base.starts, &candidate.starts)
        && rounds::are_enough(base.starts.len());
    let all = judge::contrast(&base.outcomes, &candidate.outcomes, options.threshold, in_turns);
    let mut stamped =
        judge::contrast(&base.stamped, &candidate.stamped, options.threshold, in_turns);
    stamped.retain(|found| found.metric.corrected().is_some());
    let rounds = in_turns.then_some(base.starts.len());
    let is_judged = |found: &MetricComparison| {
        !found.metric.explains() || options.asked_for.contains(&found.metric)
    };
    let (metrics, mut explanations): (Vec<_>, Vec<_>) = all.into_iter().partition(is_judged);
    explanations.retain(|found| found.base.is_some() && found.candidate.is_some());
    let (base, candidate) = (base.side, candidate.side);
    Case { name, evidence, rounds, base, candidate, metrics, explanations, stamped }
}
