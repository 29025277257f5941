//! Whether a comparison can carry an answer: [`Comparison::shortfalls`]. A gate fails closed,
//! so whatever hides a regression from it must be found here.

use strum::VariantArray as _;

use super::measure::Reason;
use super::{Case, Caution, Comparison, Metric, MetricComparison, Standing, Verdict};
use crate::report::Report;

/// No run of a side has a successful reply.
pub(crate) const NOTHING_MEASURED: &str = "nothing-measured";

/// Some runs of a side have none.
const RUNS_WITHOUT_REPLIES: &str = "runs-without-replies";

/// No latency of a case was compared.
const NOTHING_COMPARED: &str = "nothing-compared";

/// The candidate has lower bounds where the base has values.
const LOWER_BOUND: &str = "lower-bound";

/// A case has one run a side.
pub(super) const SINGLE_RUNS: &str = "run-to-run-unseen";

/// Runs of a side are invalid by their own report.
pub(crate) const INVALID_RUNS: &str = "invalid-runs";

/// What keeps the comparison of two sides from carrying an answer, as cautions.
pub(super) fn obstacles(
    base: &[&Report],
    candidate: &[&Report],
    cases: &[Case],
) -> Vec<Caution> {
    let mut found = Vec::new();
    let mut add = |code: &str, message| found.push(Caution { code: code.into(), message });
    for (whom, reports) in [("the base", base), ("the candidate", candidate)] {
        let silent = reports.iter().filter(|report| is_silent(report)).count();
        let of = reports.len();
        let code = if silent == of { NOTHING_MEASURED } else { RUNS_WITHOUT_REPLIES };
        if silent > 0 {
            add(code, format!("{silent} of {of} runs of {whom} have no successful reply"));
        }
    }
    let blind: Vec<&Case> = cases.iter().filter(|case| !compares_latency(case)).collect();
    if let [first, ..] = &blind[..] {
        let p50 = first.metrics.iter().find(|metric| metric.metric == Metric::P50);
        let reason = p50.and_then(|p50| p50.reason.clone()).unwrap_or_default();
        let place = match (blind.len(), cases.len(), &*first.name) {
            (_, 1, _) => String::new(),
            (blind, all, name) => format!(" in {blind} of {all} cases, like {name}"),
        };
        add(NOTHING_COMPARED, format!("no latency was compared{place}: {reason}"));
    }
    let bounds: Vec<String> = cases
        .iter()
        .flat_map(|case| &case.metrics)
        .filter(|metric| is_worse_by_its_bound(metric))
        .map(|metric| metric.metric.to_string())
        .collect();
    if !bounds.is_empty() {
        let message = format!(
            "requests of the candidate were never answered: its {} may be far above the base's",
            bounds.join(", ")
        );
        add(LOWER_BOUND, message);
    }
    found
}

fn is_silent(report: &Report) -> bool {
    report.summary.requests.ok == 0 || report.summary.answered_in_window == 0
}

fn compares_latency(case: &Case) -> bool {
    // What explains a latency does not stand for it.
    let is_latency = |metric: Metric| metric.corrected().is_some();
    case.metrics.iter().any(|metric| is_latency(metric.metric) && is_compared(metric))
}

/// Whether there is something to judge the metric by. Of two single runs what is known of whole
/// runs only has values and no interval.
fn is_compared(metric: &MetricComparison) -> bool {
    match metric.verdict {
        Verdict::NotCompared => false,
        Verdict::SingleRun => metric.judged_interval().is_some(),
        Verdict::Better | Verdict::Worse | Verdict::NoEvidence => true,
    }
}

/// Whether the candidate's percentile is a lower bound that is already above the base's value.
/// A greatest value is a bound as soon as one request fails, which the errors tell.
fn is_worse_by_its_bound(metric: &MetricComparison) -> bool {
    metric.metric.quantile().is_some()
        && metric.candidate_standing == Standing::LowerBound
        && metric.base_standing == Standing::Measured
        && metric.candidate > metric.base
}

impl Comparison {
    /// Why a gate must not let the comparison pass, though nothing may be called worse. None
    /// if it may. Single runs are no reason if the user allows them.
    pub fn shortfalls(&self, allow_single: bool) -> Vec<String> {
        let mut codes = vec![
            NOTHING_MEASURED,
            RUNS_WITHOUT_REPLIES,
            NOTHING_COMPARED,
            LOWER_BOUND,
            INVALID_RUNS,
        ];
        if !allow_single {
            codes.push(SINGLE_RUNS);
        }
        let of = |candidate: &super::Candidate| {
            let obstacles = candidate.cautions.iter();
            let obstacles = obstacles.filter(|caution| codes.contains(&caution.code.as_str()));
            let missing = candidate.only_in_base.iter();
            let missing = missing.map(|case| format!("only in base: {case}"));
            obstacles.map(|caution| caution.message.clone()).chain(missing).collect::<Vec<_>>()
        };
        let named = self.method.asked_for.iter().filter_map(|&metric| self.unjudged(metric));
        let own_share = self.own_share_decides();
        self.candidates.iter().flat_map(of).chain(named).chain(own_share).collect()
    }

    /// That a metric that the user named was not judged in every case, and why.
    fn unjudged(&self, wanted: Metric) -> Option<String> {
        let mut found = self.metrics().filter(|metric| metric.metric == wanted);
        let first = found.find(|metric| !is_compared(metric))?;
        let reason = first.reason.clone().unwrap_or_else(|| Reason::WholeRunOnly.to_string());
        Some(format!("{wanted} is named with --judge and was not judged: {reason}"))
    }

    /// Percentiles, and metrics that were asked for, that were not compared in some case, so that
    /// a gate that passes says nothing about them.
    pub fn not_judged(&self) -> Vec<Metric> {
        let asked_for = &self.method.asked_for;
        let is_wanted =
            |metric: &&Metric| metric.quantile().is_some() || asked_for.contains(metric);
        let wanted = Metric::VARIANTS.iter().filter(is_wanted);
        let is_left_out = |wanted: &&Metric| {
            self.metrics().any(|metric| metric.metric == **wanted && !is_compared(metric))
        };
        wanted.filter(is_left_out).copied().collect()
    }

    /// Whether there is no answer at all: a side measured nothing, or nothing was compared.
    pub fn is_void(&self) -> bool {
        let silent = |caution: &Caution| caution.code == NOTHING_MEASURED;
        self.candidates.iter().any(|candidate| candidate.cautions.iter().any(silent))
            || !self.metrics().any(is_compared)
    }
}
