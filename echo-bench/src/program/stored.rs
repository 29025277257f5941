//! The ways of stored reports: shown again, and merged.

use std::path::Path;

use anyhow::Context;

use super::{Exit, print, rendered, sides};
use crate::cli::{MergeArgs, ReportArgs};
use crate::merge;
use crate::report::{Report, store};

/// Shows a stored report.
///
/// # Errors
/// When it can't be read, or the result can't be written.
pub fn show(args: &ReportArgs) -> anyhow::Result<u8> {
    let report = store::load(&args.file)?;
    let text = rendered(&report, args.format);
    match args.output.as_deref().filter(|path| *path != Path::new("-")) {
        Some(path) => {
            std::fs::write(path, text)
                .with_context(|| format!("writing {}", path.display()))?;
        }
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
