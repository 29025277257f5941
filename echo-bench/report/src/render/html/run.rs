//! The page of a run: [`RunPage`], its head, its tiles and its charts.

use askama::Template;
use serde::Serialize;

use super::curve::Curves;
use super::heat_map::HeatMap;
use super::numbers;
use super::table::Table;
use super::tile::{Mood, Tile};
use super::timeline::Timeline;
use super::{run_tables, words};
use crate::report::{LatencySummary, QUANTILES, Quantile, Report, coarseness, embedding};

/// Everything that the page of a run shows.
#[derive(Debug, Template)]
#[template(path = "run.html")]
pub(super) struct RunPage<'a> {
    report: &'a Report,
    title: String,
    command: Option<String>,
    load: Vec<String>,
    tiles: Vec<Tile>,
    charts: Charts,
    tables: Vec<Table>,
    long_tables: Vec<Table>,
    setting_tables: Vec<Table>,
}

/// What the script draws.
#[derive(Debug, Serialize)]
struct Charts {
    percentiles: Option<Curves>,
    time: Option<Timeline>,
    heat: Option<HeatMap>,
}

impl<'a> RunPage<'a> {
    pub(super) fn new(report: &'a Report) -> Self {
        let (title, command) = words::subject(&report.plan);
        let charts = Charts {
            percentiles: Curves::of_run(report),
            time: Timeline::new(report),
            heat: HeatMap::new(report),
        };
        Self {
            title,
            command,
            load: words::load(&report.plan),
            tiles: tiles(report),
            tables: run_tables::results(report),
            long_tables: run_tables::details(report, charts.percentiles.as_ref()),
            setting_tables: run_tables::settings(report),
            charts,
            report,
        }
    }

    fn verdict_meaning(&self) -> &'static str {
        words::verdict(self.report.verdict)
    }

    fn reading(&self) -> &'static str {
        words::reading(&self.report.plan)
    }

    /// That intervals were merged, where they were.
    fn coarse(&self) -> Option<String> {
        let merged = coarseness(self.report);
        (merged > 1).then(|| {
            format!(
                "To keep this page small, each of its {} intervals is up to {} of the run’s, \
                 merged; the JSON report has every one of them. All other numbers are those of \
                 the run.",
                self.report.intervals.len(),
                numbers::count(merged)
            )
        })
    }

    /// Why a part of the curve is shaded.
    fn shading(&self) -> Option<String> {
        let curves = self.charts.percentiles.as_ref()?;
        Some(match &curves.eligible {
            Some(eligible) => format!(
                "Shaded: beyond {}, the last percentile that this run has enough independent \
                 values for. Bars are 95 % intervals.",
                eligible.name
            ),
            None => "Shaded: this run has too few values for any percentile.".into(),
        })
    }
}

fn tiles(report: &Report) -> Vec<Tile> {
    let summary = &report.summary;
    let mut tiles = vec![throughput(report)];
    for quantile in QUANTILES.iter().filter(|q| ["p50", "p99", "p99.9"].contains(&q.name)) {
        tiles.push(latency(quantile, summary.latency.response.as_ref()));
    }
    tiles.push(failures(report));
    let cpu = |us: Option<f64>| numbers::or_nothing(us, numbers::microseconds);
    tiles.push(Tile::new(
        "CPU per message",
        cpu(summary.cpu.server_us_per_message),
        vec![
            "by the server".into(),
            format!("generator {}", cpu(summary.cpu.client_us_per_message)),
        ],
    ));
    tiles
}

fn throughput(report: &Report) -> Tile {
    let summary = &report.summary;
    let value = numbers::or_nothing(summary.achieved_per_s, |rate| {
        format!("{}/s", numbers::rate(rate))
    });
    let mut notes = vec![format!("over {}", numbers::time(summary.measured_s * 1e9))];
    if let Some(offered) = summary.offered_per_s {
        notes.insert(0, format!("of {}/s offered", numbers::rate(offered)));
    }
    Tile::new("Throughput", value, notes)
}

fn latency(quantile: &Quantile, response: Option<&LatencySummary>) -> Tile {
    let absent = |value: String, notes| Tile {
        mood: Mood::Absent,
        ..Tile::new(quantile.name, value, notes)
    };
    let Some(response) = response else {
        return absent("n/a".into(), vec!["no successful replies".into()]);
    };
    let shown = numbers::percentile(response, quantile);
    if let Some((independent, needed)) = response.weakness(quantile) {
        return absent(
            shown,
            vec![
                format!("effective sample size {}", numbers::count(independent)),
                format!("({} needs {})", quantile.name, numbers::count(needed)),
            ],
        );
    }
    let interval = response.ci95.get(quantile.name).copied();
    let mut notes: Vec<_> =
        interval.map(|ends| format!("95 %: {}", numbers::interval(ends))).into_iter().collect();
    if response.is_lower_bound(response.quantile_ns(quantile)) {
        notes.push("a lower bound".into());
    }
    Tile::new(quantile.name, shown, notes)
}

fn failures(report: &Report) -> Tile {
    let requests = &report.summary.requests;
    let failed = requests.scheduled - requests.ok.min(requests.scheduled);
    let mut notes = vec![format!("of {} requests", numbers::count(requests.scheduled))];
    if failed > 0 {
        notes.insert(0, numbers::share(failed, requests.scheduled));
    }
    let mood = if failed > 0 { Mood::Bad } else { Mood::Plain };
    Tile { mood, ..Tile::new("Failures", numbers::count(failed), notes) }
}
