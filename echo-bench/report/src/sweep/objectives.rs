//! Objectives of a sweep, cell by cell: [`judge`]. Each run was judged when it was made; here
//! the runs of a cell are put together.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Cell;
use crate::report::{SloOutcome, SloVerdict};

/// What became of an objective in the runs of a cell.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CellSlo {
    /// The number of the cell, from 0.
    pub cell: usize,
    /// The objective.
    pub slo: String,
    /// That of the worst run: a cell meets an objective if every run of it does.
    pub outcome: SloVerdict,
    /// The run that is furthest from the objective.
    pub worst: SloOutcome,
    /// Runs that were judged.
    pub runs: usize,
    /// Runs that missed it.
    pub missed: usize,
    /// Runs that left it undecided.
    pub undecided: usize,
}

/// Every objective of every cell that has runs.
pub(super) fn judge(cells: &[Cell]) -> Vec<CellSlo> {
    let cells = cells.iter().enumerate();
    cells.flat_map(|(number, cell)| of_cell(number, cell)).collect()
}

fn of_cell(number: usize, cell: &Cell) -> Vec<CellSlo> {
    let outcomes = || cell.runs.iter().flat_map(|run| &run.slos);
    let mut found: Vec<CellSlo> = Vec::new();
    for outcome in outcomes() {
        if found.iter().any(|known| known.slo == outcome.slo) {
            continue;
        }
        let same = || outcomes().filter(|other| other.slo == outcome.slo);
        let badness = |slo: &&SloOutcome| (slo.verdict(), slo.measured_ns);
        let worst = same().max_by_key(badness).unwrap_or(outcome);
        let with = |verdict| same().filter(|slo| slo.verdict() == verdict).count();
        found.push(CellSlo {
            cell: number,
            slo: outcome.slo.clone(),
            outcome: worst.verdict(),
            worst: worst.clone(),
            runs: same().count(),
            missed: with(SloVerdict::Missed),
            undecided: with(SloVerdict::Undecided),
        });
    }
    found
}
