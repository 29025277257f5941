//! What is said of a run while it goes, for a program that reads along: [`Line`], a JSON object a
//! line. A run says its [`Event::Plan`] first, then an [`Event::Interval`] for each interval of
//! the measured window, and last its [`Event::Summary`], or why it [`Event::Failed`]. Where one
//! command makes several runs, an [`Event::Run`] stands before each, and an [`Event::End`] after all.
//!
//! Lines are short: they have quantiles and no histograms. What has to be exact, or compared, is
//! the report's.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::{
    Bytes, Circumstances, Conclusion, LatencySummary, QUANTILES, Report, SloOutcome, Tool,
    Verdict,
};
use echo_bench_engine::plan::Plan;
use echo_bench_engine::record::{self, Interval, Requests};
use echo_net::Nanos;

/// The name and version of the shape of a line.
pub const SCHEMA: &str = "echo-bench.stream/1";

/// A line of a stream.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Line {
    /// Name and version of this shape: `echo-bench.stream/1`. Types and fields may be added
    /// within a version; readers ignore what they don't know.
    pub schema: String,
    /// When the line was made (RFC 3339, UTC). The zero of intervals is in the report.
    pub written_at: String,
    /// What it says, by its `type`.
    #[serde(flatten)]
    pub event: Event,
}

/// What a line says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Event {
    /// One of several runs of a command begins: of a sweep, of a search for capacity or of
    /// `--repeat`.
    Run(NextRun),
    /// A run begins, with these settings.
    Plan(Box<Beginning>),
    /// An interval of the measured window is over.
    Interval(Box<Measured>),
    /// A run has ended and has a report.
    Summary(Box<Outcome>),
    /// A run has ended and has none.
    Failed(Failure),
    /// The last of several runs of a command has ended.
    End,
}

/// Which of several runs begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NextRun {
    /// Its place among the runs of the command, from 1.
    pub number: u64,
    /// How many there will be; null if that is not known.
    pub of: Option<u64>,
    /// What it measures, in words: the cell and the repeat, or the rate of a step.
    pub name: String,
}

/// How a run begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Beginning {
    /// What makes the run.
    pub tool: Tool,
    /// When the run began (RFC 3339, UTC).
    pub started_at: String,
    /// What the user says about it.
    pub labels: BTreeMap<String, String>,
    /// Every setting, resolved.
    pub plan: Plan,
}

/// An interval of the measured window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Measured {
    /// Its place, from 0.
    pub index: u64,
    /// Its beginning, in seconds after that of the window.
    pub at_s: f64,
    /// Its length in seconds; of a run that ends after a number of requests, the last is as long as
    /// this at most.
    pub length_s: f64,
    /// Requests by how they ended in it.
    pub requests: Requests,
    /// Right answers that arrived in it.
    pub answered: u64,
    /// The same per second; null in the last interval of a run that ends after a number of requests,
    /// whose length is not known.
    pub achieved_per_s: Option<f64>,
    /// Wire bytes.
    pub bytes: Bytes,
    /// Response latency of the requests that ended in it; null if none did.
    pub response: Option<Quantiles>,
}

/// Latencies in nanoseconds, without the histogram and without how sure they are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Quantiles {
    /// Values, censored ones included.
    pub count: u64,
    /// Values that are lower bounds: requests that were not answered, at their age.
    pub censored: u64,
    /// The least age of a censored value. Every quantile from it on is a lower bound.
    pub least_censored_ns: Option<u64>,
    /// The least.
    pub min_ns: u64,
    /// The mean; a lower bound if any value is censored.
    pub mean_ns: f64,
    /// The median.
    pub p50_ns: u64,
    /// The quantile 0.9.
    pub p90_ns: u64,
    /// The quantile 0.99.
    pub p99_ns: u64,
    /// The quantile 0.999.
    pub p99_9_ns: u64,
    /// The greatest.
    pub max_ns: u64,
    /// Of those above, the quantiles whose effective sample size is too small for a 95 %
    /// interval. In intervals that is not judged: empty.
    pub weak: Vec<String>,
}

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Outcome {
    /// What it comes to, in a sentence or two.
    pub conclusion: Vec<Conclusion>,
    /// The length of the measured window in seconds.
    pub measured_s: f64,
    /// Requests by how they ended.
    pub requests: Requests,
    /// Right answers that arrived within the window, per second.
    pub achieved_per_s: Option<f64>,
    /// Response latency; null if there is none, and of a load in stages, whose latencies are not
    /// averaged.
    pub response: Option<Quantiles>,
    /// Objectives and whether they were met.
    pub slos: Vec<SloOutcome>,
    /// How far the numbers can be trusted.
    pub verdict: Verdict,
    /// Whether a signal cut the run short.
    pub interrupted: bool,
    /// Lines that were left out before this one because they were not read in time.
    pub lines_left_out: u64,
}

/// Why a run has no report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Failure {
    /// The reason.
    pub reason: String,
    /// Lines that were left out before this one because they were not read in time.
    pub lines_left_out: u64,
}

impl Line {
    /// That something is so at a time (RFC 3339, UTC).
    pub fn new(event: Event, written_at: String) -> Self {
        Self { schema: SCHEMA.into(), written_at, event }
    }
}

impl Beginning {
    /// Of a run of a plan.
    pub fn new(plan: &Plan, circumstances: &Circumstances) -> Self {
        Self {
            tool: Tool::this(),
            started_at: circumstances.started_at.clone(),
            labels: circumstances.labels.clone(),
            plan: plan.clone(),
        }
    }
}

impl Measured {
    /// An interval of a run, which lasted so long if that is known; none if it has no length.
    pub fn new(plan: &Plan, interval: &Interval, lasted_ns: Option<Nanos>) -> Option<Self> {
        let at_ns = interval.index.checked_mul(plan.interval_ns)?;
        let seconds = |ns: Nanos| ns as f64 / 1e9;
        let length_ns = lasted_ns.unwrap_or(plan.interval_ns);
        if length_ns == 0 {
            return None;
        }
        let tally = &interval.tally;
        let bytes = Bytes { sent: tally.bytes_sent, received: tally.bytes_received };
        Some(Self {
            index: interval.index,
            at_s: seconds(at_ns),
            length_s: seconds(length_ns),
            requests: tally.requests(),
            answered: tally.answered,
            achieved_per_s: lasted_ns.map(|ns| tally.answered as f64 / seconds(ns)),
            bytes,
            response: Quantiles::counted(&interval.latencies.response),
        })
    }
}

impl Quantiles {
    fn counted(latency: &record::Latency) -> Option<Self> {
        let values = latency.histogram();
        (!values.is_empty()).then(|| Self {
            count: latency.count(),
            censored: latency.censored(),
            least_censored_ns: latency.least_censored(),
            min_ns: values.min(),
            mean_ns: values.mean(),
            p50_ns: values.value_at_quantile(0.5),
            p90_ns: values.value_at_quantile(0.9),
            p99_ns: values.value_at_quantile(0.99),
            p99_9_ns: values.value_at_quantile(0.999),
            max_ns: values.max(),
            weak: Vec::new(),
        })
    }

    fn of(summary: &LatencySummary) -> Self {
        let known = ["p50", "p90", "p99", "p99.9"];
        let weak = QUANTILES.iter().filter(|q| known.contains(&q.name));
        let weak = weak.filter(|q| summary.weakness(q).is_some());
        Self {
            count: summary.count,
            censored: summary.censored,
            least_censored_ns: summary.least_censored_ns,
            min_ns: summary.min_ns,
            mean_ns: summary.mean_ns,
            p50_ns: summary.p50_ns,
            p90_ns: summary.p90_ns,
            p99_ns: summary.p99_ns,
            p99_9_ns: summary.p99_9_ns,
            max_ns: summary.max_ns,
            weak: weak.map(|q| q.name.to_owned()).collect(),
        }
    }
}

impl Outcome {
    /// What a report comes to.
    pub fn new(report: &Report, lines_left_out: u64) -> Self {
        let summary = &report.summary;
        Self {
            conclusion: report.conclusion.clone(),
            measured_s: summary.measured_s,
            requests: summary.requests,
            achieved_per_s: summary.achieved_per_s,
            response: summary.latency.response.as_ref().map(Quantiles::of),
            slos: report.slos.clone(),
            verdict: report.verdict,
            interrupted: report.interrupted,
            lines_left_out,
        }
    }
}
