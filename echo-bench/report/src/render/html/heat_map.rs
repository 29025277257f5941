//! Latency by time and size as data: [`HeatMap`]. Columns are intervals of the report, or
//! several that are merged where there are too many to be seen apart; rows are latencies,
//! evenly apart on a logarithmic scale.

use hdrhistogram::Histogram;
use serde::Serialize;

use crate::report::Report;

/// Columns at most: a page has not many more dots to give them.
const MOST_COLUMNS: usize = 180;

/// Rows from one power of ten to the next, and their least and greatest number.
const ROWS_PER_DECADE: f64 = 16.0;
const ROWS: std::ops::RangeInclusive<usize> = 12..=56;

/// What the heat map draws.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct HeatMap {
    /// Where each column begins, in seconds, and where the last one ends.
    pub(super) edges_s: Vec<f64>,
    /// The least latency of each row in nanoseconds, and the end of the last one.
    pub(super) edges_ns: Vec<f64>,
    /// Values in each column.
    pub(super) counts: Vec<u64>,
    /// Of each column row and count, where there is any.
    pub(super) cells: Vec<Vec<(usize, u64)>>,
}

impl HeatMap {
    /// The heat map of a run; `None` with fewer than two intervals or without latency.
    pub(super) fn new(report: &Report) -> Option<Self> {
        let intervals: Vec<_> = report.points().collect();
        if intervals.len() < 2 {
            return None;
        }
        let group = intervals.len().div_ceil(MOST_COLUMNS);
        let mut edges_s: Vec<f64> = intervals.iter().step_by(group).map(|i| i.at_s).collect();
        edges_s.push(intervals.last().map(|last| last.at_s + last.length_s)?);
        let columns: Vec<Vec<Histogram<u64>>> = intervals
            .chunks(group)
            .map(|chunk| {
                let responses = chunk.iter().filter_map(|i| i.response.as_ref());
                responses.filter_map(crate::report::LatencySummary::histogram).collect()
            })
            .collect();
        let all = || columns.iter().flatten();
        let low = all().map(Histogram::min).min()?.max(1) as f64;
        let high = all().map(Histogram::max).max()? as f64;
        let rows = Rows::new(low, high);
        let mut cells = Vec::new();
        let mut counts = Vec::new();
        for histograms in &columns {
            let filled = rows.fill(histograms);
            counts.push(filled.iter().sum());
            let some = filled.into_iter().enumerate().filter(|&(_, count)| count > 0);
            cells.push(some.collect());
        }
        Some(Self { edges_s, edges_ns: rows.edges(), counts, cells })
    }
}

/// Latencies from the lowest to the highest, evenly apart on a logarithmic scale.
struct Rows {
    low: f64,
    /// Rows per unit of the natural logarithm.
    density: f64,
    number: usize,
}

impl Rows {
    fn new(low: f64, high: f64) -> Self {
        // A run whose latencies are all alike still gets rows of some height.
        let span = (high / low).max(1.2).ln() * 1.000_001;
        let number = (span / std::f64::consts::LN_10 * ROWS_PER_DECADE).ceil() as usize;
        let number = number.clamp(*ROWS.start(), *ROWS.end());
        Self { low, density: number as f64 / span, number }
    }

    fn fill(&self, histograms: &[Histogram<u64>]) -> Vec<u64> {
        let mut filled = vec![0; self.number];
        for histogram in histograms {
            for step in histogram.iter_recorded() {
                let value = step.value_iterated_to().max(1) as f64;
                let row = ((value / self.low).ln().max(0.0) * self.density) as usize;
                filled[row.min(self.number - 1)] += step.count_since_last_iteration();
            }
        }
        filled
    }

    fn edges(&self) -> Vec<f64> {
        let edge = |row: usize| self.low * (row as f64 / self.density).exp();
        // Tenths of a nanosecond are finer than any clock here.
        (0..=self.number).map(|row| (edge(row) * 10.0).round() / 10.0).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_cover_all_values_and_lose_none() {
        let mut histogram = Histogram::new_with_bounds(1, 3_600_000_000_000, 3).unwrap();
        for value in [20_000, 20_001, 350_000, 5_000_000, 8_290_000] {
            histogram.record(value).unwrap();
        }
        let rows = Rows::new(histogram.min() as f64, histogram.max() as f64);
        let filled = rows.fill(std::slice::from_ref(&histogram));
        assert_eq!(filled.iter().sum::<u64>(), 5);
        assert_eq!((filled[0], filled[rows.number - 1]), (2, 1));
        let edges = rows.edges();
        assert!(edges.is_sorted() && edges.len() == rows.number + 1);
        assert!(edges[0] <= 20_000.0 && *edges.last().unwrap() >= 8_290_000.0);
        let alike = Rows::new(5.0, 5.0);
        assert!(ROWS.contains(&alike.number) && alike.density.is_finite());
    }
}
