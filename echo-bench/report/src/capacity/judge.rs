//! What the runs at one rate come to: [`judge`]. They are pooled, and every objective is judged on
//! its 95 % interval. What the generator itself adds to the latency never counts against the
//! server: where it is known, what is left without it decides. Nor does what an emulated link did
//! other than it was asked to, as far as that explains it.

use super::{RateReason, RateReport, RateVerdict};
use crate::merge::{self, MergeError};
use crate::report::slo::Evidence;
use crate::report::{LatencySummary, Report, Slo, SloOutcome, SloVerdict};
use crate::stats::looks;

mod backlog;
mod excuse;

use backlog::Backlog;
use excuse::Excuse;

/// Judges all runs at `rate_per_s`.
///
/// # Errors
/// If they are not runs of one plan.
pub fn judge(
    rate_per_s: f64,
    runs: &[&Report],
    slos: &[Slo],
) -> Result<RateReport, MergeError> {
    let merged = pooled(runs)?;
    let summary = &merged.summary;
    let response = summary.latency.response.as_ref();
    let pooled = looked_at(response);
    let of_all = outcomes(&merged, slos, pooled.as_ref());
    let ours = summary.generator_share.as_ref().map(|share| {
        looked_at(Some(&share.corrected)).unwrap_or_else(|| share.corrected.clone())
    });
    let clock = ours.as_ref().or(pooled.as_ref());
    let ours = ours.as_ref().map(|clock| outcomes(&merged, slos, Some(clock)));
    let backlog = Backlog::of(&merged, runs.len());
    let all = together(&of_all);
    let seen = ours.as_deref().map_or(all, together);
    // What the generator adds takes nothing from a rate that passes with it.
    let judged = if all == SloVerdict::Met { all } else { seen };
    let links = || runs.iter().filter_map(|run| run.link.as_ref());
    let (mut verdict, mut reason) = of_objectives_and(backlog.as_ref(), judged);
    let excuse = Excuse::of(&merged, runs);
    if let Some(excuse) = excuse.as_ref().filter(|_| verdict == RateVerdict::Failed) {
        let is_missed =
            |slos: &Vec<Slo>| together(&outcomes(&merged, slos, clock)) == SloVerdict::Missed;
        let grows = backlog.is_some_and(|backlog| backlog.grows_but(excuse.requests()));
        let missed = excuse.eased(slos).iter().any(is_missed);
        (verdict, reason) = match (grows, missed) {
            (true, _) => (verdict, reason),
            (false, true) => (verdict, Some(RateReason::Objective)),
            (false, false) => (RateVerdict::Generator, Some(excuse.by)),
        };
    }
    Ok(RateReport {
        rate_per_s,
        verdict,
        measured_s: summary.measured_s,
        offered_per_s: summary.offered_per_s,
        achieved_per_s: summary.achieved_per_s,
        requests: summary.requests,
        response: summary.latency.response.clone(),
        own_share: own_share(&merged, slos, &of_all),
        without_own_share: judged != all && reason.is_none_or(|it| it == RateReason::Objective),
        slos: of_all,
        backlog: backlog.and_then(|backlog| backlog.grown()),
        backlog_growth: backlog.map(|backlog| backlog.growth()),
        reason,
        server_busy: summary.cpu.server_busy,
        client_busy: summary.cpu.client_busy,
        link_busy: links()
            .filter_map(|link| link.rate_used(&summary.bytes, summary.measured_s))
            .reduce(f64::max),
        link_dropped: links()
            .map(|link| Some(link.counts?.dropped_queue_full()))
            .reduce(|sum, one| Some(sum? + one?))
            .flatten(),
        remedy: excuse.map(|excuse| excuse.remedy),
    })
}

/// What a rate comes to whose objectives together do, with its reason unless it passes.
fn of_objectives_and(
    backlog: Option<&Backlog>,
    objectives: SloVerdict,
) -> (RateVerdict, Option<RateReason>) {
    let verdict = rate_verdict(objectives);
    match backlog {
        Some(backlog) if backlog.grows_by_timeouts() => {
            (RateVerdict::Failed, Some(RateReason::Timeouts))
        }
        Some(backlog) if backlog.grows() => (RateVerdict::Failed, Some(RateReason::Backlog)),
        // Whether it keeps up can't be said yet.
        Some(backlog) if verdict == RateVerdict::Passed && backlog.may_grow() => {
            (RateVerdict::Undecided, Some(RateReason::Backlog))
        }
        _ if verdict == RateVerdict::Passed => (verdict, None),
        _ => (verdict, Some(RateReason::Objective)),
    }
}

/// The runs as one. Their windows may differ in length, which is all that their plans may differ
/// in; no number of the whole depends on it.
fn pooled(runs: &[&Report]) -> Result<Report, MergeError> {
    let Some(first) = runs.first() else { return Err(MergeError::Nothing) };
    let alike = |run: &&Report| {
        let run = (*run).clone();
        // A plan that can't be so is refused below, as one that differs.
        match run.plan.clone().with(|plan| plan.stop = first.plan.stop) {
            Ok(plan) => Report { plan, ..run },
            Err(_) => run,
        }
    };
    match runs {
        [only] => Ok((*only).clone()),
        several => merge::merge(&several.iter().map(alike).collect::<Vec<_>>()),
    }
}

/// What runs are worth that are looked at one after the other until they tell. The first look is
/// one of them: whether there is another depends on what it shows.
pub(super) fn looked_at(clock: Option<&LatencySummary>) -> Option<LatencySummary> {
    let clock = clock?;
    let worth = |name: &str| looks::worth(clock.independent.get(name).copied().unwrap_or(0));
    LatencySummary::with_independent(&clock.latency()?, worth)
}

/// What became of the objectives that a rate must meet, those on latency by this clock; without
/// one as the report says.
fn outcomes(merged: &Report, slos: &[Slo], clock: Option<&LatencySummary>) -> Vec<SloOutcome> {
    let evidence = Evidence { looked_at: true, ..merge::evidence(&[merged], &merged.summary) };
    let judged = |slo: &Slo| {
        if let (Some(_), Some(clock)) = (slo.latency_limit(), clock) {
            return slo.judge(Some(clock), &[]);
        }
        if slo.most_errors().is_some() {
            return slo.judge_by(&evidence);
        }
        let text = slo.to_string();
        let found = merged.slos.iter().find(|outcome| outcome.slo == text);
        found.cloned().unwrap_or_else(|| slo.unknown())
    };
    slos.iter().filter(|slo| slo.least_per_s().is_none()).map(judged).collect()
}

/// All must hold.
fn together(outcomes: &[SloOutcome]) -> SloVerdict {
    let verdicts = || outcomes.iter().map(SloOutcome::verdict);
    verdicts().max().unwrap_or(SloVerdict::Undecided)
}

pub(super) fn rate_verdict(verdict: SloVerdict) -> RateVerdict {
    match verdict {
        SloVerdict::Met => RateVerdict::Passed,
        SloVerdict::Undecided => RateVerdict::Undecided,
        SloVerdict::Missed => RateVerdict::Failed,
    }
}

/// The generator's own share of the percentile of the objective that decides.
fn own_share(merged: &Report, slos: &[Slo], outcomes: &[SloOutcome]) -> Option<f64> {
    let share = merged.summary.generator_share.as_ref()?;
    let judged = deciding(slos, outcomes)?;
    let (quantile, _) = judged.0.latency_limit()?;
    let name = judged.1.quantile();
    if let Some(part) = share.quantiles.get(name) {
        return Some(part.share);
    }
    let at = |clock: &LatencySummary| Some(clock.histogram()?.value_at_quantile(quantile));
    let (seen, rest) = (at(&share.response)?, at(&share.corrected)?);
    (seen > 0).then(|| 1.0 - (rest as f64 / seen as f64).min(1.0))
}

/// The objective that is nearest to its limit, or farthest beyond it, with its outcome.
pub(crate) fn deciding<'a>(
    slos: &'a [Slo],
    outcomes: &'a [SloOutcome],
) -> Option<(&'a Slo, &'a SloOutcome)> {
    let of = |outcome: &'a SloOutcome| {
        let slo = slos.iter().find(|slo| slo.to_string() == outcome.slo)?;
        Some((slo, outcome))
    };
    let key = |pair: &(&Slo, &SloOutcome)| {
        let (slo, outcome) = *pair;
        (outcome.verdict(), used(slo, outcome).unwrap_or(0.0))
    };
    outcomes.iter().filter_map(of).max_by(|a, b| {
        let (a, b) = (key(a), key(b));
        a.0.cmp(&b.0).then(a.1.total_cmp(&b.1))
    })
}

/// What was measured as a share of the limit.
pub(crate) fn used(slo: &Slo, outcome: &SloOutcome) -> Option<f64> {
    if let Some((_, limit_ns)) = slo.latency_limit() {
        return Some(outcome.measured_ns? as f64 / limit_ns.max(1) as f64);
    }
    Some(outcome.measured? / slo.most_errors()?)
}

#[cfg(test)]
mod tests;
