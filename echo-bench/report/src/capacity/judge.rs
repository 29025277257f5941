//! What the runs at one rate come to: [`judge`]. They are pooled, and every objective is judged on
//! its 95 % interval. What the generator itself adds to the latency never counts against the
//! server: where it is known, what is left without it decides.

use super::{RateReport, RateVerdict};
use crate::merge::{self, MergeError};
use crate::report::slo::Evidence;
use crate::report::{
    GENERATOR_LIMITED, LINK_LATE, LINK_OVERRUN, LatencySummary, Report, Requests, Slo,
    SloOutcome, SloVerdict,
};
use crate::stats::looks;

/// A backlog that grows by so small a share of the requests is what a clock and a window cut off.
const SMALL_BACKLOG: f64 = 0.01;

/// A rate passes only where it is sure that no backlog grows by more than this. It is more than the
/// share above, since to tell 1 % takes minutes over a long way, with many requests in flight.
const MOST_BACKLOG: f64 = 0.05;

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
    let of_all = outcomes(&merged, slos, looked_at(response).as_ref());
    let ours = summary.generator_share.as_ref().map(|share| {
        let pooled = looked_at(Some(&share.corrected));
        outcomes(&merged, slos, Some(pooled.as_ref().unwrap_or(&share.corrected)))
    });
    let growth = growth(&merged, runs.len());
    let [least_growth, most_growth] = growth.unwrap_or_default();
    let backlog = (least_growth > SMALL_BACKLOG).then(|| grown(&merged) as u64);
    let found = |codes: &[&str]| {
        merged.warnings.iter().find(|warning| codes.contains(&warning.code.as_str()))
    };
    // What an emulated link does other than it was asked to is none of the server's doing, either.
    let by_link = found(&[LINK_LATE, LINK_OVERRUN]);
    let limited = found(&[GENERATOR_LIMITED]).or(by_link);
    let all = together(&of_all);
    let (verdict, without_own_share) = match (all, &ours) {
        _ if backlog.is_some() && limited.is_some() => (RateVerdict::Generator, false),
        _ if backlog.is_some() => (RateVerdict::Failed, false),
        (SloVerdict::Met, _) => (RateVerdict::Passed, false),
        (_, Some(ours)) => {
            let ours = together(ours);
            match rate_verdict(ours) {
                RateVerdict::Failed if by_link.is_some() => (RateVerdict::Generator, false),
                verdict => (verdict, ours != all),
            }
        }
        (SloVerdict::Missed, None) if limited.is_some() => (RateVerdict::Generator, false),
        (all, None) => (rate_verdict(all), false),
    };
    let verdict = match verdict {
        // Whether it does not keep up can't be said yet.
        RateVerdict::Passed if most_growth > MOST_BACKLOG => RateVerdict::Undecided,
        verdict => verdict,
    };
    Ok(RateReport {
        rate_per_s,
        verdict,
        measured_s: summary.measured_s,
        offered_per_s: summary.offered_per_s,
        achieved_per_s: summary.achieved_per_s,
        requests: summary.requests,
        response: summary.latency.response.clone(),
        own_share: own_share(&merged, slos, &of_all),
        without_own_share,
        slos: of_all,
        backlog,
        backlog_growth: growth,
        server_busy: summary.cpu.server_busy,
        client_busy: summary.cpu.client_busy,
        remedy: limited.map(|warning| warning.remedy.clone()),
    })
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

/// By how many requests more are in flight at the ends of the windows than at their beginnings:
/// those that fell due, less those that ended, whenever they had fallen due.
fn grown(merged: &Report) -> f64 {
    let summary = &merged.summary;
    // What was answered wrongly, or lost with its connection, waits for nothing.
    let Requests { scheduled, mismatch, error, reset, closed, refused, .. } = summary.requests;
    let ended = summary.answered_in_window + mismatch + error + reset + closed + refused;
    scheduled as f64 - ended as f64
}

/// By what share of what fell due the backlog grew within the windows of so many runs: the 95 %
/// interval of a look; `None` if nothing fell due.
///
/// What is in flight varies as counts do (Poisson), at either end of a window, and near the limit
/// of a server as its queue does: half of the mean is allowed for that. In the middle of a backlog
/// that grows, half of it is in flight, so that three quarters of it are beyond that.
fn growth(merged: &Report, runs: usize) -> Option<[f64; 2]> {
    let scheduled = merged.summary.requests.scheduled;
    let in_flight = merged.summary.in_flight_mean.unwrap_or(0.0);
    let deviation = (2.0 * runs as f64 * (in_flight + 1.0)).sqrt();
    let by_chance = in_flight / 2.0 + looks::deviations() * deviation;
    let ends = [-by_chance, by_chance].map(|chance| grown(merged) + chance);
    (scheduled > 0).then(|| ends.map(|end| (end / scheduled as f64).max(0.0)))
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
