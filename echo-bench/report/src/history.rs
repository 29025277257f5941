//! How runs of the same plan go over time: [`History`], made of the numbers of many runs
//! ([`Point`]); where a metric changed its level, [`Change`]. A change is found by
//! [`change_points`](crate::stats), so that a run that is an outlier is none. The unit of evidence
//! is the run, as everywhere.
//!
//! It says that and since when a level is another one, not why: a new kernel or another machine
//! changes levels, too. Two versions are compared by [`compare`](crate::compare), in turns.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::compare::cases::{self, Settings};
use crate::compare::{Metric, Verdict};
use crate::report::{Report, Tool, Verdict as Trust, store};
use crate::stats::change_points;
use crate::values;

mod trend;

/// The name and version of the history's shape.
pub const SCHEMA: &str = "echo-bench.history/1";

/// Runs of a series that are looked at, the newest.
const MOST_POINTS: usize = 300;

/// The chance that a history of runs that never changed has a change.
const LEVEL: f64 = 0.05;

/// Random orders at least and at most: there are ten for each that may do as well by chance.
const ORDERS: [u32; 2] = [999, 20_000];

/// How many orders a change at this level is held against.
fn orders(level: f64) -> u32 {
    let [least, most] = ORDERS;
    let wanted = |each: f64| (each / level).ceil() as u32;
    // With fewer than that no change of many trends could ever be found.
    wanted(10.0).clamp(least, most).max(wanted(1.0))
}

/// A run in numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Point {
    /// When the run began (RFC 3339, UTC).
    pub started_at: String,
    /// Where its report is.
    pub source: String,
    /// What tells the run from those before it, like a commit: the label that was asked for; null
    /// without.
    pub mark: Option<String>,
    /// What was measured, by metric and in its unit. Latencies that are only lower bounds are left
    /// out.
    pub values: BTreeMap<String, f64>,
}

/// Runs over time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct History {
    /// Name and version of this shape: `echo-bench.history/1`.
    pub schema: String,
    /// What made it.
    pub tool: Tool,
    /// How changes were looked for.
    pub method: HistoryMethod,
    /// The runs of each plan, by name.
    pub series: Vec<Series>,
    /// Runs that were left out, because they were interrupted or are invalid.
    pub left_out: usize,
}

/// How changes were looked for.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct HistoryMethod {
    /// The chance of finding a change in any of the trends if there is none.
    pub level: f64,
    /// The same of one trend: as many parts of it as there are trends.
    pub level_of_trend: f64,
    /// Relative changes up to this are ignored.
    pub threshold: f64,
    /// Random orders that a change was held against.
    pub orders: u32,
}

/// The runs of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Series {
    /// What was loaded and how, and what else tells it from other series.
    pub name: String,
    /// Its runs, the newest last.
    pub points: Vec<Point>,
    /// Older runs that were not looked at.
    pub older: usize,
    /// A metric each.
    pub trends: Vec<Trend>,
}

/// A metric over the runs of a series.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Trend {
    /// The metric.
    pub metric: Metric,
    /// The number of runs that have it.
    pub runs: usize,
    /// The median since the last change; null if no run has the metric.
    pub level: Option<f64>,
    /// Its changes, the newest last.
    pub changes: Vec<Change>,
    /// Why none was looked for.
    pub reason: Option<String>,
}

/// Where a metric has another level.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Change {
    /// The place of the first run of the new level among the points of the series, from 0.
    pub point: usize,
    /// The median of the runs from the change before to this one.
    pub before: f64,
    /// The median of the runs from this change to the next one.
    pub after: f64,
    /// After by before; null where before is 0.
    pub ratio: Option<f64>,
    /// The chance of such a change in a series without one.
    pub p: f64,
    /// Whether that is better or worse.
    pub verdict: Verdict,
}

/// How to look for changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The metrics.
    pub metrics: Vec<Metric>,
    /// Relative changes up to this are ignored.
    pub threshold: f64,
}

/// What of a run goes into a history.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The series that it belongs to, in words.
    pub series: String,
    /// Its settings, without those that vary from run to run: runs with others are of another
    /// series.
    pub plan: BTreeMap<String, String>,
    /// The run; none if it was interrupted or is invalid.
    pub point: Option<Point>,
}

impl Entry {
    /// Of a run: one series for each plan, and for each value of the label `by`. The label `mark`
    /// tells runs apart.
    pub fn new(report: &Report, source: String, by: Option<&str>, mark: Option<&str>) -> Self {
        let label = |key: Option<&str>| key.and_then(|key| report.labels.get(key)).cloned();
        let plan = store::in_words(&report.plan);
        let series = match label(by) {
            Some(value) => format!("{value}: {plan}"),
            None => plan,
        };
        let is_fit = !report.interrupted && report.verdict != Trust::Invalid;
        let values = values::of_run(report);
        let point = is_fit.then(|| Point {
            started_at: report.started_at.clone(),
            source,
            mark: label(mark),
            values: values.iter().map(|of| (of.metric.to_string(), of.value)).collect(),
        });
        Self { series, plan: cases::settings(&report.plan), point }
    }
}

impl History {
    /// What the runs come to, in whatever order they are. One that was found twice, as in a folder
    /// and by its own name, is one.
    pub fn new(entries: Vec<Entry>, options: &Options) -> Self {
        let mut by_plan: BTreeMap<(String, Settings), Vec<Point>> = BTreeMap::new();
        let mut left_out = 0;
        for Entry { series, plan, point } in entries {
            match point {
                Some(point) => by_plan.entry((series, plan)).or_default().push(point),
                None => left_out += 1,
            }
        }
        let trends = (by_plan.len() * options.metrics.len()).max(1);
        let names = names(by_plan.keys());
        let level_of_trend = LEVEL / trends as f64;
        let (threshold, orders) = (options.threshold, orders(level_of_trend));
        let method = HistoryMethod { level: LEVEL, level_of_trend, threshold, orders };
        let all = names.into_iter().zip(by_plan.into_values()).enumerate();
        let series = all.map(|(place, (name, mut points))| {
            points.sort_by(|a, b| (&a.started_at, &a.source).cmp(&(&b.started_at, &b.source)));
            points.dedup_by(|a, b| a.started_at == b.started_at && a.values == b.values);
            let older = points.len().saturating_sub(MOST_POINTS);
            points.drain(..older);
            let metrics = options.metrics.iter().enumerate();
            let trend = |(number, metric): (usize, &Metric)| {
                let seed = change_points::seed_of(place * options.metrics.len() + number);
                Trend::new(*metric, &points, &method, seed)
            };
            let trends = metrics.map(trend).collect();
            Series { name, points, older, trends }
        });
        let series = series.collect();
        Self { schema: SCHEMA.into(), tool: Tool::this(), method, series, left_out }
    }

    /// Every series with its trends.
    pub fn trends(&self) -> impl Iterator<Item = (&Series, &Trend)> {
        self.series.iter().flat_map(|series| series.trends.iter().map(move |t| (series, t)))
    }

    /// Whether some metric's newest level is worse than the one before.
    pub fn is_worse(&self) -> bool {
        let newest =
            |(_, trend): (_, &Trend)| trend.changes.last().map(|change| change.verdict);
        self.trends().filter_map(newest).any(|verdict| verdict == Verdict::Worse)
    }
}

/// Longest name of a series: values of settings may be texts of any length.
const LONGEST_NAME: usize = 200;

/// The names of series: plans that read alike are distinguished by the settings that differ.
fn names<'a>(plans: impl Iterator<Item = &'a (String, Settings)> + Clone) -> Vec<String> {
    let mut alike: BTreeMap<&str, BTreeSet<&Settings>> = BTreeMap::new();
    for (words, plan) in plans.clone() {
        alike.entry(words).or_default().insert(plan);
    }
    let telling: BTreeMap<&str, BTreeSet<String>> =
        alike.iter().map(|(words, plans)| (*words, cases::telling(plans))).collect();
    plans
        .map(|(words, plan)| match telling.get(words.as_str()) {
            Some(telling) if !telling.is_empty() => {
                let name = format!("{words} ({})", cases::name(plan, telling));
                match name.char_indices().nth(LONGEST_NAME) {
                    Some((end, _)) => format!("{}...", &name[..end]),
                    None => name,
                }
            }
            _ => words.clone(),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(levels: &[f64]) -> Vec<Entry> {
        let entry = |(place, level): (usize, &f64)| {
            let wobble = [1.0, 1.01, 0.99, 1.005, 0.995][place % 5];
            let values = [("p99", level * wobble), ("throughput", 1e9 / (level * wobble))];
            Entry {
                series: "a".into(),
                plan: Settings::new(),
                point: Some(Point {
                    started_at: format!("2026-01-{:02}T00:00:00Z", place + 1),
                    source: format!("{place}.json"),
                    mark: Some(format!("c{place}")),
                    values: values.map(|(name, value)| (name.to_owned(), value)).into(),
                }),
            }
        };
        levels.iter().enumerate().map(entry).collect()
    }

    fn options(threshold: f64) -> Options {
        Options { metrics: vec![Metric::P99, Metric::Throughput], threshold }
    }

    #[test]
    fn a_change_of_level_is_dated_sized_and_judged() {
        let levels = [[1e6; 10], [1.2e6; 10]].concat();
        let history = History::new(entries(&levels), &options(0.01));
        for (_, trend) in history.trends() {
            let [change] = &trend.changes[..] else { panic!("{trend:?}") };
            assert_eq!((change.point, change.verdict), (10, Verdict::Worse));
        }
        let (_, p99) = history.trends().next().unwrap();
        assert!((p99.changes[0].ratio.unwrap() - 1.2).abs() < 0.01, "{p99:?}");
        assert!((p99.level.unwrap() - 1.2e6).abs() < 1.0 && history.is_worse());
    }

    #[test]
    fn the_order_of_files_does_not_matter_and_small_changes_are_ignored() {
        let levels = [[1.2e6; 10], [1e6; 10]].concat();
        let mut shuffled = entries(&levels);
        let history = History::new(shuffled.clone(), &options(0.01));
        shuffled.reverse();
        assert_eq!(History::new(shuffled.clone(), &options(0.01)), history);
        assert!(
            !history.is_worse() && history.trends().all(|(_, trend)| !trend.changes.is_empty())
        );
        let ignored = History::new(shuffled, &options(0.3));
        assert!(ignored.trends().all(|(_, trend)| trend.changes.is_empty()));
    }

    #[test]
    fn small_changes_that_add_up_are_one() {
        let levels = [[1e6; 10], [1.06e6; 10], [1.15e6; 10]].concat();
        let history = History::new(entries(&levels), &options(0.1));
        for (_, trend) in history.trends() {
            let [change] = &trend.changes[..] else { panic!("{trend:?}") };
            assert_eq!((change.point, change.verdict), (20, Verdict::Worse));
        }
    }

    #[test]
    fn a_run_that_is_found_twice_is_one() {
        let entries = entries(&[1e6; 4]);
        let mut elsewhere = entries.clone();
        for point in elsewhere.iter_mut().filter_map(|entry| entry.point.as_mut()) {
            point.source.insert_str(0, "elsewhere/");
        }
        let history = History::new([entries, elsewhere].concat(), &options(0.01));
        assert_eq!(history.series[0].points.len(), 4);
        assert!(history.series[0].trends[0].reason.is_some(), "too few to look for a change");
    }

    #[test]
    fn a_change_is_found_however_many_trends_have_none() {
        let series = |name: String, levels: &[f64]| {
            entries(levels)
                .into_iter()
                .map(move |entry| Entry { series: name.clone(), ..entry })
        };
        let calm = (0..505).flat_map(|number| series(format!("b{number}"), &[1e6; 6]));
        let all = calm.chain(series("a".into(), &[[1e6; 12], [2e6; 12]].concat()));
        let history = History::new(all.collect(), &options(0.01));
        let changed = history.trends().filter(|(_, trend)| !trend.changes.is_empty());
        assert_eq!(changed.map(|(series, _)| &*series.name).collect::<Vec<_>>(), ["a"; 2]);
    }

    #[test]
    fn plans_of_the_same_words_are_series_of_their_own() {
        let mut entries = entries(&[1e6, 5e6, 1e6, 5e6]);
        for (entry, size) in entries.iter_mut().zip(["64", "1024", "64", "1024"]) {
            entry.plan = [("size".to_owned(), size.to_owned())].into();
        }
        let history = History::new(entries, &options(0.01));
        let names: Vec<&str> = history.series.iter().map(|series| &*series.name).collect();
        assert_eq!(names, ["a (size=1024)", "a (size=64)"]);
        assert!(history.series.iter().all(|series| series.points.len() == 2));
    }

    #[test]
    fn too_few_runs_say_so() {
        let history = History::new(entries(&[1e6; 5]), &options(0.01));
        let reason = history.series[0].trends[0].reason.as_deref().unwrap();
        assert_eq!(reason, "5 runs: a change needs 6 or more to be looked for");
        let none = Entry { series: "a".into(), plan: Settings::new(), point: None };
        assert_eq!(History::new(vec![none], &options(0.01)).left_out, 1);
    }
}
