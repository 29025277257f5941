//! The page of runs over time: [`HistoryPage`], its description with a small chart for each trend.
//! The charts are drawn here, as paths of numbers: they need no script.

use std::fmt::Write;

use askama::Template;

use super::nav::{Link, Links};
use super::{parts, print, table};
use crate::compare::Verdict;
use crate::describe::{self, Body, Description, units};
use crate::history::{History, Series, Trend};

/// The size of a chart, in its own units.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 96.0;

/// Room for the points at the edges.
const EDGE: f64 = 6.0;

/// Most charts: nobody could open a page with those of thousands of trends.
const MOST_CHARTS: usize = 200;

/// Everything that the page of a history shows.
#[derive(Debug, Template)]
#[template(path = "history.html")]
pub(super) struct HistoryPage<'a> {
    history: &'a History,
    told: Description,
    links: Vec<Link>,
    charts: Vec<Chart>,
    /// How many found no room.
    left_out: Option<String>,
}

/// A trend as a drawing.
#[derive(Debug, Clone, PartialEq)]
struct Chart {
    /// What it shows, for those who don't see it too.
    title: String,
    /// The runs, a point each.
    points: Vec<(f64, f64)>,
    /// The levels: a line from the first run of each to its last.
    levels: String,
    /// Where levels change: the place, and to what.
    changes: Vec<(f64, &'static str)>,
}

impl<'a> HistoryPage<'a> {
    pub(super) fn new(history: &'a History) -> Self {
        let mut trends: Vec<_> = history.trends().collect();
        if trends.len() > MOST_CHARTS {
            trends.sort_by_key(|(_, trend)| trend.changes.is_empty());
        }
        let mut drawn = trends.iter().filter_map(|(series, trend)| Chart::new(series, trend));
        let charts: Vec<_> = drawn.by_ref().take(MOST_CHARTS).collect();
        let left_out = drawn.count() as u64;
        let left_out = (left_out > 0).then(|| units::counted(left_out, "more trend"));
        let told = describe::history(history);
        let mut links = Links::default();
        links.add_sections(&told, |section| !section.headed);
        links.add("levels", "Levels");
        links.add_if(!charts.is_empty(), "trends", "Trends");
        Self { history, told, links: links.finish(), charts, left_out }
    }
}

impl Chart {
    /// The chart of a trend; `None` with fewer than two runs.
    fn new(series: &Series, trend: &Trend) -> Option<Self> {
        let name = trend.metric.to_string();
        let has = |(place, point): (usize, &crate::history::Point)| {
            Some((place, *point.values.get(&name)?))
        };
        let known: Vec<(usize, f64)> =
            series.points.iter().enumerate().filter_map(has).collect();
        let most = known.iter().map(|(_, value)| *value).fold(0.0, f64::max);
        let last = series.points.len().checked_sub(1).filter(|last| *last > 0)? as f64;
        if known.len() < 2 {
            return None;
        }
        // From 0, so that a small change looks small.
        let scale = if most > 0.0 { most } else { 1.0 };
        let x = |place: usize| EDGE + place as f64 / last * (WIDTH - 2.0 * EDGE);
        let y = |value: f64| HEIGHT - EDGE - value / scale * (HEIGHT - 2.0 * EDGE);
        let points = known.iter().map(|&(place, value)| (x(place), y(value))).collect();
        let mut levels = String::new();
        let mut from = 0;
        for change in &trend.changes {
            level(&mut levels, x(from), x(change.point), y(change.before));
            from = change.point;
        }
        if let Some(now) = trend.level {
            level(&mut levels, x(from), x(series.points.len() - 1), y(now));
        }
        let changes = trend.changes.iter();
        let changes = changes.map(|change| {
            let is_worse = change.verdict == Verdict::Worse;
            (x(change.point), if is_worse { "worse" } else { "better" })
        });
        let told = match trend.changes.len() {
            0 => "no change".to_owned(),
            1 => "1 change".to_owned(),
            many => format!("{many} changes"),
        };
        Some(Self {
            title: format!("{}: {name}, {} runs, {told}", series.name, known.len()),
            points,
            levels,
            changes: changes.collect(),
        })
    }
}

/// A level as a piece of a path.
fn level(path: &mut String, from: f64, to: f64, y: f64) {
    // Writing to a string can't fail.
    let _ = write!(path, "M{from:.1} {y:.1}H{to:.1}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compare::Metric;
    use crate::history::{Entry, Options, Point};

    fn entry(series: &str, place: usize, value: f64) -> Entry {
        Entry {
            series: series.into(),
            plan: std::collections::BTreeMap::new(),
            point: Some(Point {
                started_at: format!("2026-01-{:02}T00:00:00Z", place + 1),
                source: "a.json".into(),
                mark: Some("\"><img src=x onerror=alert(1)>".into()),
                values: [("p99".to_owned(), value)].into(),
            }),
        }
    }

    fn page(entries: impl Iterator<Item = Entry>) -> String {
        let options = Options { metrics: vec![Metric::P99], threshold: 0.01 };
        super::super::history(&History::new(entries.collect(), &options))
    }

    /// Twenty runs, of which the later ten are slower.
    fn changed(series: &str) -> impl Iterator<Item = Entry> {
        let value = |place| if place < 10 { 1e6 } else { 2e6 } + place as f64;
        (0..20).map(move |place| entry(series, place, value(place)))
    }

    #[test]
    fn a_page_draws_each_trend_and_escapes_what_is_told() {
        let page = page(changed("<script>alert(1)</script>"));
        assert!(!page.contains("<script>alert") && !page.contains("<img src=x"), "{page}");
        assert_eq!(page.matches("<circle").count(), 20);
        assert_eq!(page.matches("class=\"worse\"/>").count(), 1);
        assert!(page.contains("p99, 20 runs, 1 change"));
    }

    #[test]
    fn of_too_many_trends_those_that_have_changed_are_drawn() {
        let calm = (0..MOST_CHARTS + 5)
            .flat_map(|number| [0, 1].map(|place| entry(&format!("a{number}"), place, 1e6)));
        let page = page(calm.chain(changed("z")));
        assert_eq!(page.matches("<figure").count(), MOST_CHARTS);
        assert!(page.contains("z: p99, 20 runs, 1 change"));
        assert!(page.contains("6 more trends without a chart"), "{page}");
    }
}
