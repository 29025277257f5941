//! The ways of stored reports: shown again, and merged.

use super::results::rendered;
use super::{Exit, compare as compared, sides, sweep as swept};
use crate::cli::{MergeArgs, ReportArgs};
use crate::outlet::Outlet;
use echo_bench_report::report::{Report, store};
use echo_bench_report::sweep;
use echo_bench_report::{compare, merge};

/// Shows what was stored: a run, a comparison or a sweep.
///
/// # Errors
/// When it can't be read, or the result can't be written.
pub fn show(args: &ReportArgs) -> anyhow::Result<u8> {
    let outlet = Outlet::new(args.output.as_deref(), args.format)?;
    let document = store::open(&args.file)?;
    let format = outlet.format;
    let text = match document.schema() {
        Some(compare::SCHEMA) => compared::rendered(&document.parse()?, format.try_into()?),
        Some(sweep::SCHEMA) => swept::rendered(&document.parse()?, format.try_into()?),
        _ => rendered(&document.parse()?, format),
    };
    outlet.put(&text)?;
    Ok(Exit::Done as u8)
}

/// Merges stored reports.
///
/// # Errors
/// When they can't be read or merged, or the result can't be written.
pub fn merge(args: &MergeArgs) -> anyhow::Result<u8> {
    let outlet = Outlet::new(Some(&args.output), args.format)?;
    let inputs = sides::inputs(&args.paths)?;
    let reports: Vec<Report> = inputs.into_iter().map(|input| input.report).collect();
    let merged = merge::merge(&reports)?;
    outlet.put(&rendered(&merged, outlet.format))?;
    Ok(Exit::Done as u8)
}
