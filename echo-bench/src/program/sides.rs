//! Stored reports by path: files, and directories of files.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rayon::prelude::*;

use echo_bench_report::compare::{self, Input, Side, self_check};
use echo_bench_report::report::store::{self, Document};
use echo_bench_report::sweep::{self, Sweep};

/// The reports of all `paths`, in order, as one side.
///
/// # Errors
/// The first that can't be read, or that there are none.
pub(super) fn side(paths: &[PathBuf]) -> anyhow::Result<Side> {
    let names: Vec<_> = paths.iter().map(|path| path.display().to_string()).collect();
    let inputs = inputs(paths)?;
    Ok(Side { name: names.join(" "), inputs })
}

/// The reports of all `paths`, in order.
pub(super) fn inputs(paths: &[PathBuf]) -> anyhow::Result<Vec<Input>> {
    let mut inputs = Vec::new();
    for path in paths {
        if path.is_dir() {
            inputs.extend(inputs_in(path)?);
        } else {
            inputs.extend(inputs_of(path, store::open(path)?)?);
        }
    }
    Ok(inputs)
}

/// The report in a file, or those of all runs in a report of repeats.
fn inputs_of(path: &Path, document: Document) -> anyhow::Result<Vec<Input>> {
    let source = path.display().to_string();
    if document.schema() != Some(sweep::SCHEMA) {
        return Ok(vec![Input { source, report: document.parse()? }]);
    }
    if document.spans_axes()? {
        bail!("{source} is a sweep over several settings: name its folder, or runs in it");
    }
    let sweep: Sweep = document.parse()?;
    let runs = sweep.cells.into_iter().flat_map(|cell| cell.runs);
    let input = |(number, report)| Input { source: format!("{source} run {number}"), report };
    Ok((1..).zip(runs).map(input).collect())
}

/// The reports in a directory. The sweeps and comparisons that were made of them may well be
/// kept beside them, and are left out.
fn inputs_in(directory: &Path) -> anyhow::Result<Vec<Input>> {
    let files = files_in(directory)?;
    let input = |file: &PathBuf| -> anyhow::Result<Vec<Input>> {
        let document = store::open(file)?;
        match document.schema() {
            Some(compare::SCHEMA | self_check::SCHEMA) => Ok(Vec::new()),
            // One whose plan can't be read is not of repeats either.
            Some(sweep::SCHEMA) if document.spans_axes().unwrap_or(true) => Ok(Vec::new()),
            _ => inputs_of(file, document),
        }
    };
    let found: Vec<Vec<Input>> = files.par_iter().map(input).collect::<anyhow::Result<_>>()?;
    let found: Vec<Input> = found.into_iter().flatten().collect();
    if found.is_empty() {
        bail!("{} holds no report of a run (a file that ends in .json)", directory.display());
    }
    Ok(found)
}

pub(super) fn files_in(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listed = || -> std::io::Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(directory)?;
        entries.map(|entry| entry.map(|entry| entry.path())).collect()
    };
    let mut files = listed().with_context(|| format!("listing {}", directory.display()))?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}
