//! The ways of stored reports: shown again, and merged.

use std::path::Path;

use anyhow::Context;

use super::{Exit, compare as compared, is_page, print, rendered, sides, sweep as swept};
use crate::cli::{Format, MergeArgs, ReportArgs};
use crate::report::{Report, store};
use crate::{compare, merge, sweep};

/// Shows what was stored: a run, a comparison or a sweep.
///
/// # Errors
/// When it can't be read, or the result can't be written.
pub fn show(args: &ReportArgs) -> anyhow::Result<u8> {
    let document = store::open(&args.file)?;
    let file = args.output.as_deref().filter(|path| *path != Path::new("-"));
    // A file that is named as a page is one.
    let format = match file {
        Some(path) if is_page(path, args.format) => Format::Html,
        _ => args.format,
    };
    let text = match document.schema() {
        Some(compare::SCHEMA) => compared::rendered(&document.parse()?, format.try_into()?),
        Some(sweep::SCHEMA) => swept::rendered(&document.parse()?, format.try_into()?),
        _ => rendered(&document.parse()?, format),
    };
    match file {
        Some(path) => store::write_whole(path, &text)
            .with_context(|| format!("writing {}", path.display()))?,
        None => print(&text)?,
    }
    Ok(Exit::Done as u8)
}

/// Merges stored reports.
///
/// # Errors
/// When they can't be read or merged, or the result can't be written.
pub fn merge(args: &MergeArgs) -> anyhow::Result<u8> {
    let inputs = sides::inputs(&args.paths)?;
    let reports: Vec<Report> = inputs.into_iter().map(|input| input.report).collect();
    let merged = merge::merge(&reports)?;
    if args.output.as_os_str() == "-" {
        print(&store::to_json(&merged))?;
    } else {
        store::save(&merged, &args.output)
            .with_context(|| format!("writing {}", args.output.display()))?;
    }
    Ok(Exit::Done as u8)
}
