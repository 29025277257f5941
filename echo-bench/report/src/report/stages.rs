//! The stages of a load whose rate changes: [`StageReport`]. A request is of the stage in which
//! it was due. Stages are not averaged: no percentile is of several, or of a ramp.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Cpu, GeneratorShare, IntervalReport, Latency, LatencySummary, Report, Requests, Summary,
    coarsen,
};

/// What changes in a stage.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema, strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum StageKind {
    /// Nothing: it has one rate.
    Constant,
    /// Its rate, evenly.
    Ramp,
    /// Its rate, as it was recorded.
    Recorded,
}

/// A stage of the measured window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct StageReport {
    /// Its number, from 1.
    pub number: u32,
    /// As it is typed, like `5k:30s` or `1k..5k:1m`.
    pub name: String,
    /// What changes in it.
    pub kind: StageKind,
    /// Its beginning, in seconds after that of the window; null in merged reports, whose
    /// windows are laid end to end.
    pub at_s: Option<f64>,
    /// Its length in seconds, as far as the window went.
    pub length_s: f64,
    /// Its requests by how they ended, in whichever stage that was.
    pub requests: Requests,
    /// Right answers that arrived while it lasted, whenever they were asked for: what its rate
    /// is of.
    pub answered: u64,
    /// Its requests per second.
    pub offered_per_s: Option<f64>,
    /// Right answers per second that arrived while it lasted.
    pub achieved_per_s: Option<f64>,
    /// The clocks of its requests; null of a ramp and of recorded instants, as are those of
    /// connections.
    pub latency: Latency,
    /// How late its requests were written by the generator's own fault.
    pub send_lateness: Option<LatencySummary>,
    /// How much of its response latency is the generator's own.
    pub generator_share: Option<GeneratorShare>,
}

impl StageReport {
    /// The stage and its place for people.
    pub(crate) fn label(&self) -> String {
        format!("stage {} ({})", self.number, self.name)
    }

    /// Whether it has one rate, so that its percentiles mean something.
    pub(crate) fn is_constant(&self) -> bool {
        self.kind == StageKind::Constant
    }

    /// The summary of the run as if this stage were all of it. What is known of the whole run
    /// only is null.
    pub(crate) fn summary(&self, whole: &Summary) -> Summary {
        Summary {
            measured_s: self.length_s,
            offered_per_s: self.offered_per_s,
            achieved_per_s: self.achieved_per_s,
            answered_in_window: self.answered,
            requests: self.requests,
            latency: self.latency.clone(),
            send_lateness: self.send_lateness.clone(),
            generator_share: self.generator_share.clone(),
            fairness: None,
            in_flight_mean: None,
            cpu: Cpu::default(),
            until: None,
            ..whole.clone()
        }
    }

    /// Whether an interval lies in it.
    pub(crate) fn holds(&self, interval: &IntervalReport) -> bool {
        let start = self.at_s.unwrap_or(f64::INFINITY);
        let (from, to) = (interval.at_s, interval.at_s + interval.length_s);
        // Times are sums of decimal fractions.
        from >= start - 1e-9 && to <= start + self.length_s + 1e-9
    }
}

impl Report {
    /// The stages with one rate, if the load has stages.
    pub(crate) fn constant_stages(&self) -> impl Iterator<Item = &StageReport> {
        self.stages.iter().filter(|stage| stage.is_constant())
    }

    /// The report as if a stage were all of the run, with the intervals that lie in it.
    pub(crate) fn of_stage(&self, stage: &StageReport) -> Self {
        let mut report = Self {
            summary: stage.summary(&self.summary),
            intervals: self.intervals.iter().filter(|i| stage.holds(i)).cloned().collect(),
            drained: None,
            stages: Vec::new(),
            slos: Vec::new(),
            ..self.clone()
        };
        if let [whole] = &coarsen(&report, 1).intervals[..] {
            report.summary.cpu = Cpu {
                client_us_per_message: whole.client_us_per_message,
                server_us_per_message: whole.server_us_per_message,
                ..Cpu::default()
            };
        }
        report
    }
}
