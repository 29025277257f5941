//! What is done with documents: [`Kind::read`], and then everything that a user can ask for.

use std::path::Path;

use echo_bench_report::capacity::Capacity;
use echo_bench_report::compare::self_check::SelfCheck;
use echo_bench_report::compare::{self, Comparison, Input, Side};
use echo_bench_report::merge;
use echo_bench_report::render;
use echo_bench_report::report::document::Stored;
use echo_bench_report::report::{Report, store};
use echo_bench_report::selftest::Selftest;
use echo_bench_report::sweep::{Sweep, analysis};

use crate::originals::{OPTIONS, Original, SWEPT, report, side};

/// What a document is.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    Report,
    Comparison,
    Sweep,
    SelfCheck,
    Capacity,
    Selftest,
}

/// A document that was read.
pub(crate) enum Valid {
    Report(Box<Report>),
    Comparison(Box<Comparison>),
    Sweep(Box<Sweep>),
    SelfCheck(Box<SelfCheck>),
    Capacity(Box<Capacity>),
    Selftest(Box<Selftest>),
}

impl Kind {
    /// The document in `path`, unless it is refused.
    pub(crate) fn read(self, path: &Path) -> Option<Valid> {
        let document = store::open(path).ok()?;
        Some(match self {
            Self::Report => Valid::Report(Box::new(document.parse().ok()?)),
            Self::Comparison => Valid::Comparison(Box::new(document.parse().ok()?)),
            Self::Sweep => Valid::Sweep(Box::new(document.parse().ok()?)),
            Self::SelfCheck => Valid::SelfCheck(Box::new(document.parse().ok()?)),
            Self::Capacity => Valid::Capacity(Box::new(document.parse().ok()?)),
            Self::Selftest => Valid::Selftest(Box::new(document.parse().ok()?)),
        })
    }
}

impl Valid {
    /// Shows it in every format, and does with it whatever can be done.
    pub(crate) fn used(self, original: &Original) {
        match self {
            Self::Report(report) => used(&report, original),
            Self::Comparison(comparison) => shown(&comparison),
            Self::Capacity(capacity) => {
                render::text::capacity(&capacity);
                render::markdown::capacity(&capacity);
                render::html::capacity(&capacity);
            }
            Self::Selftest(selftest) => {
                render::text::selftest(&selftest);
                render::markdown::selftest(&selftest);
                render::html::selftest(&selftest);
            }
            Self::Sweep(sweep) => {
                swept(&sweep);
                let analysis = analysis::analyse(&sweep.plan, &sweep.cells, SWEPT);
                let again = Sweep { analysis, ..*sweep };
                again.validate().unwrap();
                swept(&again);
            }
            Self::SelfCheck(check) => {
                render::text::self_check(&check);
                render::markdown::self_check(&check);
                render::html::self_check(&check);
            }
        }
    }
}

fn used(changed: &Report, original: &Original) {
    render::text::report(changed);
    render::markdown::report(changed);
    render::csv::report(changed);
    render::html::run(changed);
    render::hdr::hgrm(changed);
    let _ = render::hdr::hlog(changed);
    let input = Input { source: "changed.json".into(), report: changed.clone() };
    let changed_side = Side { name: "changed".into(), inputs: vec![input.clone()] };
    let mut mixed = side(1);
    mixed.inputs.push(input);
    for candidate in [changed_side, mixed] {
        if let Ok(comparison) = compare::compare(&side(2), &[candidate], OPTIONS) {
            comparison.validate().unwrap();
            shown(&comparison);
        }
    }
    for other in [report(7), original.report().unwrap(), changed.clone()] {
        if let Ok(merged) = merge::merge(&[changed.clone(), other]) {
            render::text::report(&merged);
        }
    }
}

fn shown(comparison: &Comparison) {
    render::text::comparison(comparison);
    render::markdown::comparison(comparison);
    render::html::comparison(comparison);
}

fn swept(sweep: &Sweep) {
    render::text::sweep(sweep);
    render::markdown::sweep(sweep);
    render::html::sweep(sweep);
}
