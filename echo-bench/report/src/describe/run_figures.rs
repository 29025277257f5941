//! What a run comes to at one glance: [`figures`].

use super::run::{no_latency, over};
use super::{Figure, NOTHING, Tone, latency, or_nothing, units};
use crate::report::nouns::Nouns;
use crate::report::{QUANTILES, Report};

/// Percentiles that are figures of their own.
const FIGURES: [&str; 3] = ["p50", "p99", "p99.9"];

/// The figures of a run.
pub(super) fn figures(report: &Report) -> Vec<Figure> {
    let summary = &report.summary;
    let offered = summary.offered_per_s.map(|rate| format!("of {} offered", units::rate(rate)));
    let achieved = or_nothing(summary.achieved_per_s, units::rate);
    let notes = offered.into_iter().chain([over(report)]).collect();
    let nouns = Nouns::of(&report.plan);
    let mut figures = vec![Figure::new(nouns.rate, achieved, notes)];
    let staged = !report.stages.is_empty();
    let shown = QUANTILES.iter().filter(|_| !staged);
    for quantile in shown.filter(|quantile| FIGURES.contains(&quantile.name)) {
        figures.push(match &summary.latency.response {
            None => {
                let figure = Figure::new(quantile.name, NOTHING, vec![no_latency(nouns)]);
                Figure { tone: Tone::Absent, ..figure }
            }
            Some(response) => {
                let weak = response.weakness(quantile).is_some();
                let tone = if weak { Tone::Absent } else { Tone::Plain };
                let unit = latency::unit_of(summary, quantile);
                let notes = vec![latency::beside(response, quantile, unit)];
                let shown = latency::percentile(response, quantile, unit);
                Figure { tone, ..Figure::new(quantile.name, shown, notes) }
            }
        });
    }
    let requests = &summary.requests;
    let failed = requests.failed();
    let mut notes = vec![format!("of {} scheduled", units::count(requests.scheduled))];
    if failed > 0 {
        notes.insert(0, units::share(failed, requests.scheduled));
    }
    let tone = if failed > 0 { Tone::Bad } else { Tone::Plain };
    figures.push(Figure { tone, ..Figure::new("failed", units::count(failed), notes) });
    let cpu = |us| or_nothing(us, units::microseconds);
    figures.push(Figure::new(
        "cpu per message",
        cpu(summary.cpu.server_us_per_message),
        vec!["server".into(), format!("generator {}", cpu(summary.cpu.client_us_per_message))],
    ));
    figures
}
