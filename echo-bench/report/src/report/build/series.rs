//! The time series of a run, from its record: [`series`].

use super::{Clocks, cpu, stages};
use crate::report::{IntervalReport, LatencySummary, StageReport, Summary};
use echo_bench_engine::plan::Plan;
use echo_bench_engine::{IntervalRecord, RunRecord};

/// A last piece is part of the one before if it is shorter than this part of an interval.
const SLIVER: u64 = 100;

/// The time series, and what it lacks of the whole window.
pub(super) fn series(
    plan: &Plan,
    record: &RunRecord,
    clocks: Clocks,
    summary: &Summary,
    stages: &[StageReport],
) -> (Vec<IntervalReport>, Option<LatencySummary>) {
    let whole = summary.latency.response.as_ref();
    if plan.load.is_staged() {
        let response = |at_s| stages::response_at(stages, at_s);
        let ended = record.drained.as_ref().filter(|_| record.total.tally.ok > 0);
        let drained = ended.and_then(|ended| clocks.like(&ended.unpack(), response(f64::MAX)));
        return (intervals(plan, record, clocks, response), drained);
    }
    (intervals(plan, record, clocks, |_| whole), drained(record, clocks, whole))
}

/// What the time series lacks of the whole window, if that has a latency at all.
fn drained(
    record: &RunRecord,
    clocks: Clocks,
    whole: Option<&LatencySummary>,
) -> Option<LatencySummary> {
    whole.and_then(|_| clocks.like(&record.drained.as_ref()?.unpack(), whole))
}

/// The time series. A piece without length is no point of it, nor is a sliver that a signal
/// or a number of requests leaves at the end: what ended in it (in the drain, too) belongs to
/// the last piece before.
fn intervals<'a>(
    plan: &Plan,
    record: &RunRecord,
    clocks: Clocks,
    whole: impl Fn(f64) -> Option<&'a LatencySummary>,
) -> Vec<IntervalReport> {
    let sliver = plan.interval_ns / SLIVER;
    let left =
        |index: u64| record.measured_ns.saturating_sub(index.saturating_mul(plan.interval_ns));
    let is_point = |interval: &&IntervalRecord| match interval.index {
        0 => record.measured_ns > 0,
        index => left(index) > sliver,
    };
    let points = record.intervals.iter().take_while(is_point).count();
    let (points, rest) = record.intervals.split_at(points);
    let last = points.len().saturating_sub(1);
    let report = |(place, interval): (usize, &IntervalRecord)| {
        let (mut tally, mut response) = (interval.tally, interval.response.unpack());
        let mut most = plan.interval_ns;
        if place == last {
            most = most.saturating_add(sliver);
            for piece in rest {
                tally += &piece.tally;
                response += &piece.response.unpack();
            }
        }
        let length_s = left(interval.index).min(most) as f64 / 1e9;
        let costs = cpu(record.costs.get(place), record.costs.get(place + 1), tally.answered);
        let at_s = (interval.index * plan.interval_ns) as f64 / 1e9;
        IntervalReport {
            at_s,
            length_s,
            ok: tally.ok,
            answered: Some(tally.answered),
            errors: tally.failed(),
            achieved_per_s: (length_s > 0.0).then(|| tally.answered as f64 / length_s),
            // Where nothing was answered there are only ages.
            response: clocks
                .like(&response, whole(at_s))
                .filter(|all| all.count > all.censored),
            client_us_per_message: costs.client_us_per_message,
            server_us_per_message: costs.server_us_per_message,
        }
    };
    points.iter().enumerate().map(report).collect()
}
