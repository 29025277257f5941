//! The stages of several runs of one plan, each merged with its like: [`merged`].

use crate::report::slo::Evidence;
use crate::report::{
    GeneratorShare, IntervalReport, Latency, LatencySummary, Report, Requests, Slo, SloOutcome,
    StageReport, Together,
};

/// Every stage that any run reached.
pub(super) fn merged(reports: &[&Report], together: Together) -> Vec<StageReport> {
    let longest = reports.iter().max_by_key(|report| report.stages.len());
    let all = longest.map_or(&[][..], |report| &report.stages);
    all.iter()
        .enumerate()
        .map(|(place, stage)| one(stage, &at(reports, place), together))
        .collect()
}

/// A stage of all runs that reached it.
fn at<'a>(reports: &[&'a Report], place: usize) -> Vec<&'a StageReport> {
    reports.iter().filter_map(|report| report.stages.get(place)).collect()
}

fn one(like: &StageReport, stages: &[&StageReport], together: Together) -> StageReport {
    let length_s = together.length(stages.iter().map(|stage| stage.length_s));
    let answered = stages.iter().map(|stage| stage.answered).fold(0, u64::saturating_add);
    let mut requests = Requests::default();
    for stage in stages {
        requests += &stage.requests;
    }
    let per_s = |count: u64| (length_s > 0.0).then(|| count as f64 / length_s);
    let clock = |of: fn(&StageReport) -> Option<&LatencySummary>| {
        LatencySummary::merged_as(together, stages.iter().filter_map(|stage| of(stage)))
    };
    let response = clock(|stage| stage.latency.response.as_ref());
    let shares = stages.iter().filter_map(|stage| stage.generator_share.as_ref());
    StageReport {
        number: like.number,
        name: like.name.clone(),
        kind: like.kind,
        at_s: like.at_s.filter(|_| together == Together::AtOnce),
        length_s,
        requests,
        answered,
        offered_per_s: per_s(requests.scheduled),
        achieved_per_s: per_s(answered),
        send_lateness: clock(|stage| stage.send_lateness.as_ref()),
        generator_share: response
            .as_ref()
            .and_then(|response| GeneratorShare::merged(together, shares, response)),
        latency: Latency {
            wait: clock(|stage| stage.latency.wait.as_ref()),
            service: clock(|stage| stage.latency.service.as_ref()),
            path: clock(|stage| stage.latency.path.as_ref()),
            pickup: clock(|stage| stage.latency.pickup.as_ref()),
            response,
            ..Latency::default()
        },
    }
}

/// The objectives of the runs, judged by every stage that they were judged by; `intervals` are
/// those of all runs.
pub(super) fn judge(
    slos: &[Slo],
    reports: &[&Report],
    stages: &[StageReport],
    intervals: &[IntervalReport],
    whole: &Evidence<'_>,
) -> Vec<SloOutcome> {
    let constant = || stages.iter().filter(|stage| stage.is_constant());
    let of_slo = |slo: &Slo| -> Vec<SloOutcome> {
        if constant().next().is_none() {
            return vec![slo.judge_by(whole)];
        }
        let of_stage = |stage: &StageReport| {
            let outcome = slo.judge_by(&evidence(reports, stage, intervals));
            SloOutcome { stage: Some(stage.number), ..outcome }
        };
        constant().map(of_stage).collect()
    };
    slos.iter().flat_map(of_slo).collect()
}

fn evidence<'a>(
    reports: &[&Report],
    stage: &'a StageReport,
    intervals: &[IntervalReport],
) -> Evidence<'a> {
    // At once: the stage has a place in the window of all, and the pieces of the parts are not
    // taken for as many independent ones.
    let intervals: Vec<IntervalReport> = if stage.at_s.is_some() {
        intervals.iter().filter(|interval| stage.holds(interval)).cloned().collect()
    } else {
        let runs = reports.iter().filter_map(|report| {
            report.stages.get(stage.number as usize - 1).map(|stage| report.of_stage(stage))
        });
        runs.flat_map(|run| run.intervals).collect()
    };
    Evidence {
        response: stage.latency.response.as_ref(),
        achieved_per_s: stage.achieved_per_s,
        answers: intervals.iter().map(IntervalReport::answered).collect(),
        requests: stage.requests,
        failures: intervals
            .iter()
            .map(|piece| (piece.errors as f64, (piece.ok + piece.errors) as f64))
            .collect(),
        ..Evidence::default()
    }
}
