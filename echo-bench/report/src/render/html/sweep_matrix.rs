//! The cells of a sweep as data: [`Matrix`], from which a script makes tables of colours over
//! any two axes. Every text in it is also in the table of the ranking.

use serde::Serialize;

use super::print::signs;
use crate::compare::{Metric, Standing};
use crate::describe::comparison as shown;
use crate::describe::sweep::{SHOWN, interval_of, measured, nouns, unit_of_column};
use crate::sweep::Sweep;

/// What the tables of colours show.
#[derive(Debug, Serialize)]
pub(super) struct Matrix {
    axes: Vec<MatrixAxis>,
    /// The first is shown first.
    pub(super) metrics: Vec<MatrixMetric>,
    /// For each cell the place of its level on each axis.
    cells: Vec<Vec<usize>>,
}

#[derive(Debug, Serialize)]
struct MatrixAxis {
    name: String,
    levels: Vec<String>,
}

/// A metric of every cell.
#[derive(Debug, Serialize)]
pub(super) struct MatrixMetric {
    name: &'static str,
    /// By number of the cell; null where the metric can't be said.
    pub(super) cells: Vec<Option<MatrixCell>>,
}

#[derive(Debug, Clone, Serialize)]
pub(super) struct MatrixCell {
    /// In the metric's unit: it gives the colour only.
    value: f64,
    pub(super) text: String,
    interval: String,
    /// Whether no other cell has a better one.
    pub(super) best: bool,
    /// Whether it is no lower bound, which may be any better or worse.
    #[serde(skip)]
    firm: bool,
}

impl Matrix {
    /// The cells of a sweep; `None` if nothing varies or nothing was measured.
    pub(super) fn new(sweep: &Sweep) -> Option<Self> {
        let axes = &sweep.plan.axes;
        if axes.is_empty() || sweep.analysis.ranking.is_empty() {
            return None;
        }
        let first = sweep.analysis.ranked_by;
        let others = SHOWN.into_iter().filter(|metric| *metric != first);
        let metrics = std::iter::once(first).chain(others);
        let place = |(axis, level): (&crate::sweep::Axis, &String)| {
            axis.levels.iter().position(|other| other.name == *level)
        };
        let cells = sweep.cells.iter();
        Some(Self {
            axes: axes
                .iter()
                .map(|axis| MatrixAxis {
                    name: axis.name.clone(),
                    levels: axis.levels.iter().map(|level| level.name.clone()).collect(),
                })
                .collect(),
            metrics: metrics.map(|metric| MatrixMetric::new(sweep, metric)).collect(),
            cells: cells
                .map(|cell| {
                    axes.iter().zip(&cell.levels).map(|p| place(p).unwrap_or(0)).collect()
                })
                .collect(),
        })
    }
}

impl MatrixMetric {
    fn new(sweep: &Sweep, metric: Metric) -> Self {
        let unit = unit_of_column(sweep, metric);
        let mut cells: Vec<Option<MatrixCell>> = vec![None; sweep.cells.len()];
        for ranked in &sweep.analysis.ranking {
            let found = &ranked.metrics[metric as usize];
            cells[ranked.cell] = found.value.map(|value| MatrixCell {
                value,
                text: signs(&measured(found, unit)),
                interval: signs(&interval_of(found, unit).unwrap_or_default()),
                best: false,
                firm: found.standing != Standing::LowerBound,
            });
        }
        let better = |value: f64, best: f64| {
            if metric.more_is_better() { value > best } else { value < best }
        };
        let values = cells.iter().flatten().filter(|cell| cell.firm).map(|cell| cell.value);
        let best = values.reduce(|best, value| if better(value, best) { value } else { best });
        for cell in cells.iter_mut().flatten() {
            // Where there are none, all are best, which says nothing.
            cell.best = best.is_some_and(|best| {
                best > 0.0 && cell.firm && cell.value <= best && !better(best, cell.value)
            });
        }
        Self { name: shown::name_of(metric, nouns(sweep)), cells }
    }
}
