//! The stages of a run, from its record: [`stages`].

use std::borrow::Cow;

use super::Clocks;
use crate::report::slo::Evidence;
use crate::report::{
    GeneratorShare, Latency, LatencySummary, Slo, SloOutcome, StageKind, StageReport, Summary,
};
use echo_bench_engine::RunRecord;
use echo_bench_engine::plan::{Load, Plan};
use echo_bench_engine::record::{self, Packed, StagePart};
use echo_net::Nanos;

/// When a stage of a plan begins and ends, after the beginning of the window.
pub(super) fn span(plan: &Plan, place: usize) -> (Nanos, Nanos) {
    let ends = plan.load.stage_ends();
    let start = place.checked_sub(1).map_or(0, |before| ends[before]);
    (start, ends[place])
}

/// The stages that the window reached; none of a load whose rate does not change.
pub(super) fn stages(plan: &Plan, record: &RunRecord, clocks: Clocks) -> Vec<StageReport> {
    let all = 0..plan.load.stage_ends().len();
    let is_reached = |&place: &usize| place == 0 || span(plan, place).0 < record.measured_ns;
    all.filter(is_reached).map(|place| stage(plan, record, clocks, place)).collect()
}

fn stage(plan: &Plan, record: &RunRecord, clocks: Clocks, place: usize) -> StageReport {
    let (start, end) = span(plan, place);
    let (kind, name) = match &plan.load {
        Load::Staged { stages, .. } if stages[place].is_ramp() => {
            (StageKind::Ramp, stages[place].to_string())
        }
        Load::Staged { stages, .. } => (StageKind::Constant, stages[place].to_string()),
        _ => (StageKind::Recorded, "recorded".to_owned()),
    };
    let part = record.total.stages.iter().find(|part| part.stage as usize == place);
    let part =
        part.map_or_else(|| Cow::Owned(StagePart::new(place as u32, false)), Cow::Borrowed);
    let length_s = end.min(record.measured_ns).saturating_sub(start) as f64 / 1e9;
    let per_s = |count: u64| (length_s > 0.0).then(|| count as f64 / length_s);
    let mut report = StageReport {
        number: place as u32 + 1,
        name,
        kind,
        at_s: Some(start as f64 / 1e9),
        length_s,
        requests: part.tally.requests(),
        answered: part.tally.answered,
        offered_per_s: per_s(part.tally.scheduled),
        achieved_per_s: per_s(part.tally.answered),
        latency: Latency::default(),
        send_lateness: None,
        generator_share: None,
    };
    if kind == StageKind::Constant && part.tally.ok > 0 {
        add_clocks(&mut report, record, &part, clocks);
    }
    report
}

/// The pieces of a stage's response latency.
pub(super) fn pieces(record: &RunRecord, place: usize) -> &[Packed] {
    record.stage_pieces.get(place).map_or(&[], Vec::as_slice)
}

fn add_clocks(report: &mut StageReport, record: &RunRecord, part: &StagePart, clocks: Clocks) {
    let place = part.stage as usize;
    let Some(latencies) = &part.latencies else { return };
    let response = clocks.of(&latencies.response, pieces(record, place));
    let like = |clock: &record::Latency| clocks.like(clock, response.as_ref());
    if let Some(open) = &latencies.open {
        report.latency.wait = like(&open.wait);
        report.latency.service = like(&open.service);
        report.send_lateness = like(&open.lateness);
    }
    let stamped = record.stage_stamped.get(place).and_then(Option::as_ref);
    if let (Some(stamped), Some(response)) = (stamped, &response) {
        report.latency.path = like(&stamped.path);
        report.latency.pickup = like(&stamped.pickup);
        report.generator_share = GeneratorShare::new(stamped, response, like);
    }
    report.latency.response = response;
}

/// Judges objectives by every stage with one rate. Without such a stage a latency is not judged,
/// and anything else by the whole run.
pub(super) fn judge(
    slos: &[Slo],
    plan: &Plan,
    record: &RunRecord,
    stages: &[StageReport],
    whole: &Evidence<'_>,
) -> Vec<SloOutcome> {
    let constant = || stages.iter().filter(|stage| stage.is_constant());
    let of_slo = |slo: &Slo| -> Vec<SloOutcome> {
        if constant().next().is_none() {
            return vec![slo.judge_by(whole)];
        }
        let of_stage = |stage: &StageReport| SloOutcome {
            stage: Some(stage.number),
            ..slo.judge_by(&evidence(plan, record, stage))
        };
        constant().map(of_stage).collect()
    };
    slos.iter().flat_map(of_slo).collect()
}

/// What objectives of a stage are judged by.
fn evidence<'a>(plan: &Plan, record: &'a RunRecord, stage: &'a StageReport) -> Evidence<'a> {
    let place = stage.number as usize - 1;
    let (start, end) = span(plan, place);
    let pieces = pieces(record, place);
    let length_ns = plan.interval_ns;
    let within = record.intervals.iter().filter(|interval| {
        let from = interval.index.saturating_mul(length_ns);
        from >= start && from.saturating_add(length_ns) <= end
    });
    let tallies: Vec<_> = within.map(|interval| &interval.tally).collect();
    // The first piece and the last may lie in two stages.
    let inner = pieces.get(1..pieces.len().saturating_sub(1)).unwrap_or_default();
    Evidence {
        response: stage.latency.response.as_ref(),
        pieces,
        achieved_per_s: stage.achieved_per_s,
        answers: inner.iter().map(|piece| piece.histogram().len() as f64).collect(),
        requests: stage.requests,
        failures: tallies.iter().map(|t| (t.failed() as f64, t.ended() as f64)).collect(),
        looked_at: false,
    }
}

/// The response latency of the stage that an instant lies in, or of the last.
pub(super) fn response_at(stages: &[StageReport], at_s: f64) -> Option<&LatencySummary> {
    let after = stages
        .iter()
        .find(|stage| stage.at_s.is_some_and(|start| at_s < start + stage.length_s - 1e-9));
    after.or(stages.last())?.latency.response.as_ref()
}

/// The summary without what a single rate would be needed for.
pub(super) fn without_averages(summary: Summary) -> Summary {
    let Latency { connect, tls, tls_resumed, login, .. } = summary.latency;
    let latency = Latency { connect, tls, tls_resumed, login, ..Latency::default() };
    Summary { latency, send_lateness: None, generator_share: None, ..summary }
}
