//! Ratios with their intervals on one logarithmic axis: [`Forest`], a table with a column
//! that is drawn. The style draws it from places in percent, so it needs no script.

mod axis;

use askama::Template;

use axis::Axis;

use super::print;
use crate::compare::{MetricComparison, Verdict};
use crate::describe::comparison as shown;
use crate::describe::units::TimeUnit;
use crate::report::nouns::Nouns;

/// A forest plot and its numbers.
#[derive(Debug, Template)]
#[template(path = "forest.html")]
pub(super) struct Forest {
    id: String,
    caption: String,
    /// What its sides are called.
    sides: [String; 2],
    axis: Option<Axis>,
    rows: Vec<Row>,
}

/// What a row shows.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) name: String,
    /// A quieter line below the name.
    pub(super) below: Option<String>,
    pub(super) base: String,
    pub(super) candidate: String,
    /// What is drawn: the ratio and its interval.
    pub(super) drawn: Option<(f64, [f64; 2])>,
    /// The estimate in words, and its interval.
    pub(super) estimate: String,
    pub(super) interval: String,
    pub(super) verdict: Verdict,
    /// The verdict in words.
    pub(super) said: &'static str,
    /// What stands in the place of the drawing.
    pub(super) instead: Option<String>,
}

impl Entry {
    /// A metric as a row, latencies in `unit`.
    pub(super) fn of(metric: &MetricComparison, nouns: Nouns, unit: TimeUnit) -> Self {
        let [base, candidate] = shown::values(metric, unit);
        let drawn =
            metric.ratio.zip(metric.judged_interval()).filter(|(ratio, _)| *ratio > 0.0);
        Self {
            name: shown::name_of(metric.metric, nouns).into(),
            below: None,
            base,
            candidate,
            drawn: drawn.filter(|_| metric.metric.is_by_ratio()),
            estimate: shown::ratio_or_difference(metric),
            interval: shown::interval(metric),
            verdict: metric.verdict,
            said: shown::in_words(metric),
            instead: metric.reason.clone().or_else(|| instead(metric)),
        }
    }
}

/// Why a metric that was compared has no ratio.
fn instead(metric: &MetricComparison) -> Option<String> {
    metric.difference?;
    let clean = shown::is_clean(metric);
    let why = if clean { "none on either side" } else { "a share, compared by its difference" };
    Some(why.into())
}

#[derive(Debug)]
struct Row {
    entry: Entry,
    mark: Option<Mark>,
}

/// Places on the axis in percent.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Mark {
    at: f64,
    low: f64,
    width: f64,
    /// Whether the interval goes on beyond the axis.
    cut_low: bool,
    cut_high: bool,
}

impl Forest {
    /// The forest of `entries`; differences up to `threshold` are marked as noise.
    pub(super) fn new(
        id: String,
        caption: impl Into<String>,
        sides: [&str; 2],
        entries: Vec<Entry>,
        threshold: f64,
    ) -> Self {
        let drawn: Vec<_> = entries.iter().filter_map(|entry| entry.drawn).collect();
        let axis = Axis::new(&drawn, threshold);
        let row = |entry: Entry| {
            let place = |axis: &Axis| Some(Mark::new(axis, entry.drawn?));
            let mark = axis.as_ref().and_then(place);
            Row { entry, mark }
        };
        let rows = entries.into_iter().map(row).collect();
        Self { id, caption: caption.into(), sides: sides.map(str::to_owned), axis, rows }
    }
}

impl Mark {
    fn new(axis: &Axis, (ratio, [low, high]): (f64, [f64; 2])) -> Self {
        let [from, to] = [low, high].map(|end| axis.place(end));
        let inside = |place: f64| place.clamp(0.0, 100.0);
        Self {
            at: inside(axis.place(ratio)),
            low: inside(from),
            width: inside(to) - inside(from),
            cut_low: from < 0.0,
            cut_high: to > 100.0,
        }
    }
}

impl Row {
    /// The class of the row, by which it is coloured and its mark shaped.
    fn class(&self) -> &'static str {
        class(self.entry.verdict)
    }

    fn verdict(&self) -> &'static str {
        self.entry.said
    }
}

/// The style's name of a verdict.
pub(super) fn class(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Better => "better",
        Verdict::Worse => "worse",
        Verdict::NoEvidence | Verdict::SingleRun => "open",
        Verdict::NotCompared => "absent",
    }
}

/// What a page says of how a forest is drawn.
pub(super) const DRAWING: &str = "The axis of ratios is logarithmic, lines are their 95 % intervals, \
    and the band around 1.00 is the noise threshold.";

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(ratio: f64, interval: [f64; 2]) -> Entry {
        Entry {
            name: "p50".into(),
            below: None,
            base: "1".into(),
            candidate: "2".into(),
            drawn: Some((ratio, interval)),
            estimate: "2".into(),
            interval: "1–3".into(),
            verdict: Verdict::Worse,
            said: "worse",
            instead: None,
        }
    }

    #[test]
    fn marks_stand_where_the_logarithm_of_the_ratio_does() {
        let entries = vec![entry(2.0, [1.5, 2.5]), entry(0.5, [0.4, 0.6])];
        let forest = Forest::new("f".into(), "", ["base", "new"], entries, 0.01);
        let [up, down] = [0, 1].map(|row: usize| forest.rows[row].mark.unwrap());
        let one = forest.axis.as_ref().unwrap().place(1.0);
        assert!((up.at - one - (one - down.at)).abs() < 1e-9, "2 and 1/2 are as far from 1");
        assert!(up.low < up.at && up.at < up.low + up.width && up.low > one);
        assert!(!up.cut_low && !up.cut_high);
        let page = forest.render().unwrap();
        assert!(page.contains(&format!("left:{:.2}%", up.at)), "{page}");
        assert!(page.contains("1.00") && page.contains("worse"));
    }

    #[test]
    fn an_interval_that_says_nothing_does_not_hide_the_others() {
        let entries = vec![entry(1.02, [1e-9, 1e9]), entry(1.1, [1.05, 1.15])];
        let forest = Forest::new("f".into(), "", ["base", "new"], entries, 0.01);
        let marks = forest.rows.iter().map(|row| row.mark.unwrap());
        let [vague, sharp] = [0, 1].map(|row| marks.clone().nth(row).unwrap());
        assert!(vague.cut_low && vague.cut_high && vague.low + vague.width <= 100.0);
        assert!(sharp.width > 3.0, "{sharp:?}");
    }
}
