//! What the runs at one rate come to: [`judge`]. They are pooled, and every objective is judged on
//! its 95 % interval. What the generator itself adds to the latency never counts against the
//! server: where it is known, what is left without it decides.

use super::{RateReport, RateVerdict};
use crate::merge::{self, MergeError};
use crate::report::{
    GENERATOR_LIMITED, LatencySummary, Report, Requests, Slo, SloOutcome, SloVerdict,
};
use crate::stats::looks;

/// A backlog of so small a share of the requests is what a clock and a window cut off.
const SMALL_BACKLOG: f64 = 0.01;

/// By more than so many deviations the number in flight does not differ by chance.
const DEVIATIONS: f64 = 3.0;

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
    let several = runs.len() > 1;
    let response = summary.latency.response.as_ref();
    let of_all = match looked_at(response, several) {
        Some(pooled) => outcomes(&merged, slos, Some(&pooled)),
        None => outcomes(&merged, slos, None),
    };
    let ours = summary.generator_share.as_ref().map(|share| {
        let pooled = looked_at(Some(&share.corrected), several);
        outcomes(&merged, slos, Some(pooled.as_ref().unwrap_or(&share.corrected)))
    });
    let backlog = backlog(&merged);
    let limited = merged.warnings.iter().find(|warning| warning.code == GENERATOR_LIMITED);
    let all = together(&of_all);
    let (verdict, without_own_share) = match (all, &ours) {
        _ if backlog.is_some() && limited.is_some() => (RateVerdict::Generator, false),
        _ if backlog.is_some() => (RateVerdict::Failed, false),
        (SloVerdict::Met, _) => (RateVerdict::Passed, false),
        (_, Some(ours)) => {
            let ours = together(ours);
            (rate_verdict(ours), ours != all)
        }
        (SloVerdict::Missed, None) if limited.is_some() => (RateVerdict::Generator, false),
        (all, None) => (rate_verdict(all), false),
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

/// What several runs are worth that were looked at one after the other until they told; of one
/// run nothing else than its report says.
pub(super) fn looked_at(
    clock: Option<&LatencySummary>,
    several: bool,
) -> Option<LatencySummary> {
    let clock = clock.filter(|_| several)?;
    let worth = |name: &str| looks::worth(clock.independent.get(name).copied().unwrap_or(0));
    LatencySummary::with_independent(&clock.latency()?, worth)
}

/// What became of the objectives that a rate must meet, those on latency by this clock; without
/// one as the report says.
fn outcomes(merged: &Report, slos: &[Slo], clock: Option<&LatencySummary>) -> Vec<SloOutcome> {
    let judged = |slo: &Slo| {
        if let (Some(_), Some(clock)) = (slo.latency_limit(), clock) {
            return slo.judge(Some(clock), &[]);
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

/// What fell due and was not answered within the window, beyond what is in flight at any time.
fn backlog(merged: &Report) -> Option<u64> {
    let summary = &merged.summary;
    let scheduled = summary.requests.scheduled;
    // What was answered wrongly, or lost with its connection, waits for nothing.
    let Requests { mismatch, error, reset, closed, refused, .. } = summary.requests;
    let ended = summary.answered_in_window + mismatch + error + reset + closed + refused;
    let short = scheduled.checked_sub(ended)?;
    // In the middle of a backlog that grows half of it is in flight.
    let in_flight = summary.in_flight_mean.unwrap_or(0.0);
    let by_chance = in_flight / 2.0 + DEVIATIONS * (in_flight + 1.0).sqrt();
    let grows = short as f64 > by_chance.max(SMALL_BACKLOG * scheduled as f64);
    grows.then_some(short)
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
