//! Whether a stored sweep can be what a sweep makes: its cells are those of its plan, each of
//! its reports is valid, and what follows from them names cells and levels that there are.

use super::plan::{MOST_CELLS, MOST_RUNS};
use super::{
    Analysis, Axis, Cell, Effect, EffectMetric, MetricValue, Pair, Ranked, SCHEMA, Sweep,
    SweepPlan,
};
use crate::compare::{Metric, interval};
use crate::report::document::{Invalid, Stored, Within, ensure};
use crate::report::numbers;

impl Stored for Sweep {
    const SCHEMA: &'static str = SCHEMA;

    fn validate(&self) -> Result<(), Invalid> {
        numbers::check("plan", &self.plan)?;
        let cells = self.plan.size()?;
        let given = self.cells.len();
        let reason = format_args!("{given}, and the axes span {cells}");
        ensure(given == cells, "cells", reason)?;
        let runs = cells.saturating_mul(self.plan.repeats as usize);
        ensure(runs <= MOST_RUNS, "plan.repeats", format_args!("{runs} runs are too many"))?;
        for (place, cell) in self.cells.iter().enumerate() {
            cell.validate(&self.plan, place).within(format_args!("cells[{place}]"))?;
        }
        self.analysis.validate(&self.plan, cells).within("analysis")
    }
}

impl SweepPlan {
    /// How many cells the axes span.
    fn size(&self) -> Result<usize, Invalid> {
        let cells = self.count();
        ensure(cells > 0, "plan.axes", "an axis without a level")?;
        ensure(cells <= MOST_CELLS, "plan.axes", format_args!("{cells} cells are too many"))?;
        Ok(cells)
    }
}

impl Cell {
    /// Checks the cell that stands in this place; the last axis changes fastest.
    fn validate(&self, plan: &SweepPlan, mut place: usize) -> Result<(), Invalid> {
        let axes = plan.axes.len();
        ensure(
            self.levels.len() == axes,
            "levels",
            format_args!("not one for each of {axes} axes"),
        )?;
        for (axis, level) in plan.axes.iter().zip(&self.levels).rev() {
            let expected = &axis.levels[place % axis.levels.len()].name;
            place /= axis.levels.len();
            ensure(level == expected, "levels", format_args!("`{level}`, not `{expected}`"))?;
        }
        let made = self.runs.len().saturating_add(self.failures.len());
        let repeats = plan.repeats;
        ensure(made <= repeats as usize, "runs", format_args!("{made}, planned {repeats}"))?;
        for (place, report) in self.runs.iter().enumerate() {
            report.validate().within(format_args!("runs[{place}]"))?;
        }
        Ok(())
    }
}

impl Analysis {
    fn validate(&self, plan: &SweepPlan, cells: usize) -> Result<(), Invalid> {
        self.method.validate().within("method")?;
        let mut seen = vec![false; cells];
        for (place, ranked) in self.ranking.iter().enumerate() {
            let checked = ranked.validate(&mut seen);
            checked.within(format_args!("ranking[{place}]"))?;
        }
        for (place, effect) in self.effects.iter().enumerate() {
            let checked = effect.validate(plan, cells);
            checked.within(format_args!("effects[{place}]"))?;
        }
        Ok(())
    }
}

impl Ranked {
    fn validate(&self, seen: &mut [bool]) -> Result<(), Invalid> {
        let first = seen.get_mut(self.cell).is_some_and(|seen| !std::mem::replace(seen, true));
        let (cell, cells) = (self.cell, seen.len());
        let rank = self.rank.is_none_or(|rank| (1..=cells).contains(&rank));
        ensure(rank, "rank", format_args!("not a place among {cells} cells"))?;
        ensure(first, "cell", format_args!("{cell} is not a cell, or is ranked twice"))?;
        every_metric(self.metrics.iter().map(|found| found.metric))?;
        for (place, found) in self.metrics.iter().enumerate() {
            found.validate().within(format_args!("metrics[{place}]"))?;
        }
        Ok(())
    }
}

impl MetricValue {
    fn validate(&self) -> Result<(), Invalid> {
        let value = self.value.unwrap_or(0.0);
        ensure(value >= 0.0, "value", format_args!("{value} is negative"))?;
        interval("interval", self.interval, 0.0)
    }
}

impl Effect {
    fn validate(&self, plan: &SweepPlan, cells: usize) -> Result<(), Invalid> {
        let axis = plan.axes.iter().find(|axis| axis.name == self.axis);
        let has = |axis: &Axis, name: &str| axis.levels.iter().any(|level| level.name == name);
        let known = axis.is_some_and(|axis| has(axis, &self.base) && has(axis, &self.level));
        ensure(known, "axis", "not an axis of the plan with these levels")?;
        every_metric(self.metrics.iter().map(|found| found.overall.metric))?;
        for (place, found) in self.metrics.iter().enumerate() {
            found.validate().within(format_args!("metrics[{place}]"))?;
        }
        for (place, pair) in self.pairs.iter().enumerate() {
            pair.validate(cells).within(format_args!("pairs[{place}]"))?;
        }
        Ok(())
    }
}

impl EffectMetric {
    fn validate(&self) -> Result<(), Invalid> {
        self.overall.validate()?;
        interval("spread", self.spread, f64::MIN)
    }
}

impl Pair {
    fn validate(&self, cells: usize) -> Result<(), Invalid> {
        for (name, cell) in [("base", self.base), ("cell", self.cell)] {
            ensure(cell < cells, name, format_args!("{cell}, and there are {cells} cells"))?;
        }
        every_metric(self.metrics.iter().map(|found| found.metric))?;
        for (place, found) in self.metrics.iter().enumerate() {
            found.validate().within(format_args!("metrics[{place}]"))?;
        }
        Ok(())
    }
}

/// Metrics are looked up by their place.
fn every_metric(found: impl Iterator<Item = Metric>) -> Result<(), Invalid> {
    let complete = found.eq(Metric::PRIMARY.iter().copied());
    ensure(complete, "metrics", "not every metric once, in order")
}
