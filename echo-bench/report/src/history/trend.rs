//! A metric over the runs of a series: where its level changes, by how much, and whether that is
//! better.

use super::{Change, HistoryMethod, Point, Trend};
use crate::compare::{Metric, Verdict};
use crate::stats::change_points::{self, ChangePoint, Search, change_points};

impl Trend {
    /// Of these runs, in their order.
    pub(super) fn new(
        metric: Metric,
        points: &[Point],
        method: &HistoryMethod,
        seed: u64,
    ) -> Self {
        let name = metric.to_string();
        let has = |(place, point): (usize, &Point)| Some((place, *point.values.get(&name)?));
        let is_fit = |(_, value): &(usize, f64)| !metric.is_by_ratio() || *value > 0.0;
        let known: Vec<(usize, f64)> =
            points.iter().enumerate().filter_map(has).filter(is_fit).collect();
        let runs = known.len();
        let values: Vec<f64> = known.iter().map(|(_, value)| *value).collect();
        let needed = 2 * change_points::LEAST;
        let reason = (runs < needed)
            .then(|| format!("{runs} runs: a change needs {needed} or more to be looked for"));
        let scale = |value: &f64| if metric.is_by_ratio() { value.ln() } else { *value };
        let scaled: Vec<f64> = values.iter().map(scale).collect();
        let search = Search { level: method.level_of_trend, orders: method.orders, seed };
        let mut found = change_points(&scaled, search);
        let changes = loop {
            let changes = changes_at(metric, &known, &found);
            let is_small = |change: &Change| !change.is_beyond(metric, method.threshold);
            // It is ignored, so the runs before and after it are of one level.
            match changes.iter().position(is_small) {
                Some(place) => drop(found.remove(place)),
                None => break changes,
            }
        };
        let last = found.last().map_or(0, |change| change.at);
        Self { metric, runs, level: median(&values[last..]), changes, reason }
    }
}

/// The changes at these places of the runs that have a metric.
fn changes_at(metric: Metric, known: &[(usize, f64)], found: &[ChangePoint]) -> Vec<Change> {
    let ends = found.iter().map(|change| change.at).chain([known.len()]).skip(1);
    let begins = std::iter::once(0).chain(found.iter().map(|change| change.at));
    let level = |runs: &[(usize, f64)]| {
        median(&runs.iter().map(|(_, value)| *value).collect::<Vec<_>>()).unwrap_or(0.0)
    };
    let change = |((found, from), to): ((&ChangePoint, usize), usize)| {
        let (before, after) = (level(&known[from..found.at]), level(&known[found.at..to]));
        let is_better = (after > before) == metric.more_is_better();
        Change {
            point: known[found.at].0,
            before,
            after,
            ratio: (before > 0.0).then(|| after / before),
            p: found.p,
            verdict: if is_better { Verdict::Better } else { Verdict::Worse },
        }
    };
    found.iter().zip(begins).zip(ends).map(change).collect()
}

impl Change {
    /// Whether it is more than the threshold.
    fn is_beyond(&self, metric: Metric, threshold: f64) -> bool {
        if metric.is_by_ratio() {
            (self.after / self.before).ln().abs() > threshold.ln_1p()
        } else {
            (self.after - self.before).abs() > 0.0
        }
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (sorted.len().checked_sub(1)? / 2, sorted.len() / 2);
    Some(f64::midpoint(sorted[low], sorted[high]))
}
