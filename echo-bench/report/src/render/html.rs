//! Reports as web pages, each one self-contained file: [`run`], [`comparison`], [`sweep`]
//! [`self_check`](fn@self_check) and [`capacity`](fn@capacity). A page asks the network for nothing, works without scripts (every number is in a table), holds what it shows as JSON,
//! and can be read back with [`store`](crate::report::store).
//!
//! Everything that comes from a report goes through the escaping of the templates; the only
//! text that does not is our own style, our own script and uPlot.

mod capacity;
mod comparison;
mod curve;
mod curve_table;
mod forest;
mod heat_map;
mod history;
mod limits;
mod nav;
mod parts;
mod print;
mod run;
mod self_check;
mod selftest;
mod strip;
mod sweep;
mod sweep_curves;
mod sweep_matrix;
mod table;
mod tile;
mod timeline;

use askama::Template;

use crate::capacity::Capacity;
use crate::compare::Comparison;
use crate::compare::self_check::SelfCheck;
use crate::history::History;
use crate::report::{Report, coarsen};
use crate::safe_json::safe_json;
use crate::selftest::Selftest;
use crate::sweep::Sweep;

/// The drawing library, as its authors ship it, with the licence that goes with it.
const UPLOT_SCRIPT: &str = include_str!("../../assets/uplot/uPlot.iife.min.js");
const UPLOT_STYLE: &str = include_str!("../../assets/uplot/uPlot.min.css");
const UPLOT_LICENCE: &str = include_str!("../../assets/uplot/LICENSE");

const STYLE: &str = include_str!("../../assets/report/report.css");
const PAGE_SCRIPT: &str = include_str!("../../assets/report/page.js");

/// What draws the charts.
const SCRIPT: &str = concat!(
    include_str!("../../assets/report/tools.js"),
    include_str!("../../assets/report/percentiles.js"),
    include_str!("../../assets/report/timeline.js"),
    include_str!("../../assets/report/report.js"),
);

/// What pages of comparisons and sweeps have beside that.
const FOREST_STYLE: &str = include_str!("../../assets/report/forest.css");
const SWEEP_STYLE: &str = include_str!("../../assets/report/sweep.css");
const SWEEP_SCRIPT: &str = include_str!("../../assets/report/sweep.js");

/// What the page of a capacity has beside that of a run.
const CAPACITY_SCRIPT: &str = include_str!("../../assets/report/capacity.js");

/// Bytes that the page of a run should not exceed.
const RUN_BYTES: usize = 250_000;

/// Intervals to begin with, and those below which a page may rather be too large.
const MOST_INTERVALS: usize = 300;
const LEAST_INTERVALS: usize = 20;

/// The page of a run. A page of very many intervals would be too large to be sent around, so
/// they are merged until it is not, which the page then says.
///
/// # Panics
/// Never: writing to memory can't fail and a report is plain data.
pub fn run(report: &Report) -> String {
    let mut most = report.intervals.len();
    if most <= MOST_INTERVALS {
        let page = whole_run(report);
        if page.len() <= RUN_BYTES {
            return page;
        }
    }
    let without = whole_run(&Report { intervals: Vec::new(), ..report.clone() }).len();
    most = most.min(MOST_INTERVALS);
    loop {
        let page = whole_run(&coarsen(report, most));
        if page.len() <= RUN_BYTES || most <= LEAST_INTERVALS {
            return page;
        }
        // Longer intervals are a little larger each, so a little fewer than fit by share.
        let share = RUN_BYTES.saturating_sub(without) as f64 / (page.len() - without) as f64;
        most = ((most as f64 * share * 0.95) as usize).clamp(LEAST_INTERVALS, most - 1);
    }
}

fn whole_run(report: &Report) -> String {
    rendered(&run::RunPage::new(report))
}

/// The page of a comparison.
///
/// # Panics
/// Never: writing to memory can't fail and a comparison is plain data.
pub fn comparison(comparison: &Comparison) -> String {
    rendered(&comparison::ComparisonPage::new(comparison))
}

/// The page of a sweep.
///
/// # Panics
/// Never: writing to memory can't fail and a sweep is plain data.
pub fn sweep(sweep: &Sweep) -> String {
    rendered(&sweep::SweepPage::new(sweep))
}

/// The page of a self-check.
///
/// # Panics
/// Never: writing to memory can't fail and a self-check is plain data.
pub fn self_check(check: &SelfCheck) -> String {
    rendered(&self_check::SelfCheckPage::new(check))
}

/// The page of a selftest.
///
/// # Panics
/// Never: writing to memory can't fail and a selftest is plain data.
pub fn selftest(selftest: &Selftest) -> String {
    rendered(&selftest::SelftestPage::new(selftest))
}

/// The page of runs over time.
///
/// # Panics
/// Never: writing to memory can't fail and a history is plain data.
pub fn history(history: &History) -> String {
    rendered(&history::HistoryPage::new(history))
}

/// The page of a capacity.
///
/// # Panics
/// Never: writing to memory can't fail and a capacity is plain data.
pub fn capacity(capacity: &Capacity) -> String {
    rendered(&capacity::CapacityPage::new(capacity))
}

/// A page, with nothing in it that a terminal would obey.
fn rendered(page: &impl Template) -> String {
    let page = page.render().expect("writing to memory can't fail and reports are plain data");
    safe_json(&page)
}

#[cfg(test)]
pub(crate) mod tests;
