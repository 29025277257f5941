//! Stored reports by path: files, and directories of files.

use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use rayon::prelude::*;

use crate::compare::{Input, Side};
use crate::report::store;

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
    let mut files = Vec::new();
    for path in paths {
        if path.is_dir() {
            files.extend(reports_in(path)?);
        } else {
            files.push(path.clone());
        }
    }
    let input = |file: &PathBuf| -> anyhow::Result<Input> {
        Ok(Input { source: file.display().to_string(), report: store::load(file)? })
    };
    files.par_iter().map(input).collect()
}

fn reports_in(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let listed = || -> std::io::Result<Vec<PathBuf>> {
        let entries = std::fs::read_dir(directory)?;
        entries.map(|entry| entry.map(|entry| entry.path())).collect()
    };
    let mut files = listed().with_context(|| format!("listing {}", directory.display()))?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    if files.is_empty() {
        bail!("{} holds no report (no file that ends in .json)", directory.display());
    }
    Ok(files)
}
