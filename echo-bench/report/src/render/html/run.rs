//! The page of a run: [`RunPage`], its description with charts between its notices and its
//! tables.

use askama::Template;
use serde::Serialize;

use super::curve::Curves;
use super::heat_map::HeatMap;
use super::nav::{Link, Links};
use super::parts::Copied;
use super::strip::{self, Strip};
use super::timeline::Timeline;
use super::{curve_table, parts, print, table, tile};
use crate::describe::{self, Body, Description, Table, units};
use crate::report::nouns::Nouns;
use crate::report::{Report, coarseness, embedding};

/// Everything that the page of a run shows.
#[derive(Debug, Template)]
#[template(path = "run.html")]
pub(super) struct RunPage<'a> {
    report: &'a Report,
    told: Description,
    links: Vec<Link>,
    texts: Vec<Copied>,
    charts: Charts,
    strip: Option<Strip>,
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
        let charts = Charts {
            percentiles: Curves::of_run(report),
            time: Timeline::new(report),
            heat: HeatMap::new(report),
        };
        let (mut long_tables, setting_tables) = describe::run_details(report);
        let curves = charts.percentiles.as_ref();
        long_tables.extend(curves.map(|curves| curve_table::table("percentiles", curves)));
        // A connection alone has nobody to be compared with.
        let fairness = report.summary.fairness.as_ref().filter(|fair| fair.connections > 1);
        let nouns = Nouns::of(&report.plan);
        let strip = fairness.and_then(|fairness| Strip::new(fairness, nouns));
        long_tables.extend(fairness.map(|fairness| strip::table(fairness, nouns)));
        let told = describe::run(report);
        let texts: Vec<_> = describe::command(report)
            .map(|text| Copied {
                id: "command",
                name: "The command line of this run",
                noun: "the command",
                text,
            })
            .into_iter()
            .collect();
        let mut links = Links::default();
        links.add_sections(&told, |section| {
            matches!(section.body, Body::Figures(_) | Body::Notices(_))
        });
        links.add_if(charts.percentiles.is_some(), "chart-percentiles", "Percentiles");
        links.add_if(charts.time.is_some(), "chart-latency", "Over time");
        links.add_if(charts.heat.is_some(), "chart-heat", "Heat map");
        links.add_if(strip.is_some(), "chart-served", "Served");
        links.add_sections(&told, |section| matches!(&*section.id, "results" | "latency"));
        links.add("details", "All numbers");
        links.add_if(!texts.is_empty(), "reproduce", "Reproduce");
        links.add("plan", "Plan");
        links.add("environment", "Environment");
        let links = links.finish();
        Self { report, told, links, texts, charts, strip, long_tables, setting_tables }
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
                units::count(merged)
            )
        })
    }

    /// What the curves are.
    fn curves(&self) -> String {
        let clocks = self.report.summary.request_clocks().map(|(clock, _)| clock);
        let nouns = Nouns::of(&self.report.plan);
        let mut said: Vec<String> = clocks
            .map(|clock| format!("{}: {}", clock.name, clock.meaning_of(nouns)))
            .collect();
        if self.charts.percentiles.as_ref().is_some_and(|curves| curves.corrected.is_some()) {
            said.push(
                "own share, the band below response: what late sends and slow pickup add"
                    .into(),
            );
        }
        said.join("; ") + "."
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
