//! Stored reports by path: files, and directories of files.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rayon::prelude::*;

use echo_bench_report::compare::{self, Input, Side};
use echo_bench_report::report::store;
use echo_bench_report::sweep;

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
            inputs
                .push(Input { source: path.display().to_string(), report: store::load(path)? });
        }
    }
    Ok(inputs)
}

/// The reports in a directory. The sweeps and comparisons that were made of them may well be
/// kept beside them, and are left out.
fn inputs_in(directory: &Path) -> anyhow::Result<Vec<Input>> {
    let files = files_in(directory)?;
    let input = |file: &PathBuf| -> anyhow::Result<Option<Input>> {
        let document = store::open(file)?;
        if matches!(document.schema(), Some(compare::SCHEMA | sweep::SCHEMA)) {
            return Ok(None);
        }
        let source = file.display().to_string();
        Ok(Some(Input { source, report: document.parse()? }))
    };
    let found: Vec<Option<Input>> =
        files.par_iter().map(input).collect::<anyhow::Result<_>>()?;
    let found: Vec<Input> = found.into_iter().flatten().collect();
    if found.is_empty() {
        bail!("{} holds no report of a run (a file that ends in .json)", directory.display());
    }
    Ok(found)
}

fn files_in(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listed = || -> std::io::Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(directory)?;
        entries.map(|entry| entry.map(|entry| entry.path())).collect()
    };
    let mut files = listed().with_context(|| format!("listing {}", directory.display()))?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    Ok(files)
}
