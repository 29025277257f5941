//! What became of an objective, in cells of a table: [`cells`].

use super::numbers;
use super::table::Cell;
use crate::render::slo;
use crate::report::SloOutcome;

/// What was measured with its interval, and the verdict with its reason.
pub(super) fn cells(objective: &SloOutcome) -> [Cell; 2] {
    let measured = slo::measured(objective).or_else(|| objective.measured_in_words());
    let measured = numbers::or_nothing(measured, |shown| numbers::typographic(&shown));
    let verdict = objective.verdict().to_string();
    [
        match objective.ci95 {
            [Some(low), Some(high)] => {
                Cell::with_below(measured, numbers::interval([low, high]))
            }
            _ => measured.into(),
        },
        match slo::reason(objective) {
            Some(reason) => Cell::with_below(verdict, reason),
            None => verdict.into(),
        },
    ]
}
