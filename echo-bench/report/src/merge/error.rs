//! Why reports can't be merged: [`MergeError`].

use super::MOST_REPORTS;
use crate::report::document::Invalid;
use crate::report::missing_parts;
use echo_bench_engine::plan::Part;

/// Why reports can't be merged.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// None at all.
    #[error("there is no report to merge")]
    Nothing,
    /// They are not repeats of one plan on one machine.
    #[error(
        "the reports differ in {0}; merge only repeats of one plan on one machine (compare tells such reports apart)"
    )]
    Differ(String),
    /// They overlap: the load of one, warm-up included, and the window of another.
    #[error(
        "the runs of {0} and {1} overlap, so their rates would have to be added up; merge runs that were made in turn"
    )]
    Overlap(String, String),
    /// A time that is none.
    #[error("`{0}` is no time that a run could have begun")]
    StartedAt(String),
    /// More than anyone has.
    #[error("{0} reports are too many to merge (at most {MOST_REPORTS})")]
    TooMany(usize),
    /// Some of them are parts of a plan.
    #[error(
        "the report of {0} is of a whole run, and others are of parts of one (--part): merge the \
         parts first, by themselves"
    )]
    Mixed(String),
    /// Some of them are merged from parts already.
    #[error(
        "the report of {0} is merged of parts (--part, --agents), and repeats of such runs can't be \
         merged; compare takes them as runs of one side"
    )]
    OfParts(String),
    /// A part is there twice.
    #[error("part {0} is there twice: leave one of them out")]
    Doubled(Part),
    /// Parts are missing.
    #[error(
        "{}: add the reports, or merge those that are there with --allow-missing, as a report of a \
         part of the load", missing_parts(.0, *.1)
    )]
    Missing(Vec<u32>, u32),
    /// They are parts of different plans.
    #[error("the reports are no parts of one plan, they differ in {0}")]
    OtherPlan(String),
    /// Sums that no run can have.
    #[error("the reports together can't be one: {0}")]
    Together(Invalid),
    /// A damaged histogram.
    #[error("the report of {0} has a histogram that can't be read")]
    Histogram(String),
}
