//! The objectives of a run as lines in its charts: [`Limits`].

use serde::Serialize;

use crate::describe::{Tone, objective};
use crate::report::{Report, Slo};

/// Lines of a chart at most: a stored report may hold any number of objectives.
const MOST: usize = 8;

/// The limits that charts draw.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Limits {
    /// Of the response latency, in nanoseconds.
    pub(super) latency: Vec<Limit>,
    /// Of the successful replies per second.
    pub(super) throughput: Vec<Limit>,
}

/// A limit, drawn as a line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Limit {
    /// The objective and what became of it, like `p99<5ms missed`.
    pub(super) name: String,
    /// Where the line is, in the unit of the chart.
    pub(super) at: u64,
    /// The quantile that it is of; null for the maximum and for rates.
    pub(super) quantile: Option<f64>,
    /// The style's name of its colour.
    pub(super) color: &'static str,
}

impl Limits {
    /// The limits of a run. Errors have no chart of their own.
    pub(super) fn of(report: &Report) -> Self {
        let mut limits = Self::default();
        for outcome in &report.slos {
            // A stored report may hold an invalid objective, which is not drawn.
            let Ok(slo) = outcome.slo.parse::<Slo>() else { continue };
            let name = format!("{slo} {}", objective::word(outcome).to_lowercase());
            let color = match objective::tone(outcome) {
                Tone::Better => "good",
                Tone::Bad => "bad",
                _ => "fair",
            };
            if let Some((quantile, at)) = slo.latency_limit() {
                let quantile = Some(quantile).filter(|quantile| *quantile < 1.0);
                limits.latency.push(Limit { name, at, quantile, color });
            } else if let Some(at) = slo.least_per_s() {
                limits.throughput.push(Limit { name, at, quantile: None, color });
            }
        }
        limits.latency.truncate(MOST);
        limits.throughput.truncate(MOST);
        limits
    }
}
