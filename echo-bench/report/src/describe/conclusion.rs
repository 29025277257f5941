//! What a document comes to, in a sentence or two: [`Concluded`]. The answer first, with how sure
//! it is, then what limits it. Plain phrases; how they are broken into lines is a layout's.

use super::units;
use crate::compare::{Comparison, Metric};
use crate::report::{Conclusion, ConclusionNumber, Report};
use crate::sweep::Sweep;

mod comparison;
mod direction;
mod levels;
mod limit;
mod ratios;
mod repeats;
mod run;
mod self_check;
mod sweep;
#[cfg(test)]
mod tests;

use comparison::leading;
pub(super) use comparison::of_comparison;
pub(super) use direction::no_difference;
pub use limit::Limit;
pub(super) use ratios::{percent, times};
pub(super) use run::of_run;
pub(super) use self_check::of_self_check;
pub(super) use sweep::of_sweep;

/// A document that says what it comes to.
pub trait Concluded: Sized {
    /// What it comes to, the first thing first.
    fn conclusions(&self) -> Vec<Conclusion>;

    /// It, with that stored in it.
    #[must_use]
    fn concluded(self) -> Self;
}

impl Concluded for Report {
    fn conclusions(&self) -> Vec<Conclusion> {
        of_run(self)
    }

    fn concluded(self) -> Self {
        Self { conclusion: of_run(&self), ..self }
    }
}

impl Concluded for Comparison {
    fn conclusions(&self) -> Vec<Conclusion> {
        of_comparison(self)
    }

    fn concluded(self) -> Self {
        Self { conclusion: of_comparison(&self), ..self }
    }
}

impl Concluded for Sweep {
    fn conclusions(&self) -> Vec<Conclusion> {
        of_sweep(self)
    }

    fn concluded(self) -> Self {
        Self { conclusion: of_sweep(&self), ..self }
    }
}

/// A sentence that grows by clauses, and its numbers.
#[derive(Debug, Default)]
struct Sentence {
    clauses: Vec<String>,
    numbers: Vec<ConclusionNumber>,
}

impl Sentence {
    fn say(&mut self, clause: impl Into<String>) {
        self.clauses.push(clause.into());
    }

    /// The sentence; `None` if nothing was said.
    fn finished(self) -> Option<Conclusion> {
        let text = self.clauses.join("; ");
        (!text.is_empty()).then_some(Conclusion { text, numbers: self.numbers })
    }
}

/// A value by itself, as a number.
fn number(metric: Metric, value: f64, interval: Option<[f64; 2]>) -> ConclusionNumber {
    ConclusionNumber {
        metric: metric.to_string(),
        of: None,
        against: None,
        value: Some(value),
        interval,
        findable: None,
    }
}

/// A rate with its interval and what it is of, like `41.3k requests/s [40.9k, 41.7k]`.
fn rate(per_s: f64, interval: Option<[f64; 2]>, of: &str) -> String {
    let [shown, low, high] = match interval {
        Some([low, high]) => units::brief_rates([per_s, low, high]),
        None => units::brief_rates([per_s; 3]),
    };
    format!("{shown} {of}{}", units::interval(&shown, &low, &high))
}

/// A time with its interval in one unit, like `1.23 ms [1.20, 1.27]`.
fn time(ns: f64, interval: Option<[f64; 2]>) -> String {
    match interval {
        Some(ends) => units::time_with_interval(ns, ends),
        None => units::time(ns),
    }
}

/// Names as in a sentence, like `a, b and c`.
pub(super) fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
