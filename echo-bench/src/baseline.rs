//! Saved baselines: reports kept under a name, to compare later runs with. They live in the folder
//! that was typed (`--baseline-dir`), else in `$XDG_DATA_HOME/echo-bench/baselines`, or in
//! `~/.local/share` if that is not set.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use crate::data_dir::data_dir;
use echo_bench_report::report::{Report, Verdict, store};

/// The directory of a baseline, which need not exist.
///
/// # Errors
/// If the name is none, or there is no home to keep it in.
pub fn directory(home: Option<&Path>, name: &str) -> anyhow::Result<PathBuf> {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.+".contains(letter);
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        bail!("`{name}` can't name a baseline: use letters, digits and - _ + .");
    }
    Ok(folder(home)?.join(name))
}

/// Where all of them are.
fn folder(typed: Option<&Path>) -> anyhow::Result<PathBuf> {
    match typed {
        Some(folder) => Ok(folder.to_owned()),
        None => Ok(data_dir("baselines")?.join("baselines")),
    }
}

/// Keeps `reports` under `name`, in place of what was kept there.
///
/// # Errors
/// If one of them is no reference (it was interrupted, or is invalid), or they can't be written;
/// an older baseline of the name is then still whole.
pub fn save(home: Option<&Path>, name: &str, reports: &[&Report]) -> anyhow::Result<PathBuf> {
    let directory = directory(home, name)?;
    if let Some(reason) = reports.iter().find_map(|report| unfit(report)) {
        bail!(
            "baseline `{name}` was not saved: {reason}; save a run that is complete and valid"
        );
    }
    let parent = directory.parent().context("a baseline has a parent directory")?;
    let write = || -> std::io::Result<()> {
        fs::create_dir_all(parent)?;
        let (draft, replaced) = (tempfile::tempdir_in(parent)?, tempfile::tempdir_in(parent)?);
        for (number, report) in reports.iter().enumerate() {
            store::save(report, &draft.path().join(format!("{:04}.json", number + 1)))?;
        }
        let old = replaced.path().join("old");
        if directory.exists() {
            fs::rename(&directory, &old)?;
        }
        fs::rename(draft.path(), &directory).inspect_err(|_| {
            // What was there is better than nothing.
            let _ = fs::rename(&old, &directory);
        })
    };
    write().with_context(|| format!("saving the baseline in {}", directory.display()))?;
    Ok(directory)
}

/// Why later runs can't be judged by a run.
fn unfit(report: &Report) -> Option<String> {
    let of = |what: String| format!("the run of {} {what}", report.started_at);
    if report.interrupted {
        return Some(of("was interrupted".into()));
    }
    let codes: Vec<&str> = report.warnings.iter().map(|warning| &*warning.code).collect();
    let reason = format!("is invalid (warnings: {})", codes.join(", "));
    (report.verdict == Verdict::Invalid).then(|| of(reason))
}

/// Every saved baseline, by name, with its directory.
///
/// # Errors
/// If there is no home to keep them in.
pub fn all(home: Option<&Path>) -> anyhow::Result<Vec<(String, PathBuf)>> {
    let parent = folder(home)?;
    Ok(names(&parent).into_iter().map(|name| (name.clone(), parent.join(name))).collect())
}

/// Removes the directory of a saved baseline.
///
/// # Errors
/// If it can't be removed.
pub fn remove(directory: &Path) -> anyhow::Result<()> {
    let removed = fs::remove_dir_all(directory);
    removed.with_context(|| format!("removing {}", directory.display()))
}

/// The directory of a baseline that was saved.
///
/// # Errors
/// If there is none of the name; the message lists those that there are.
pub fn find(home: Option<&Path>, name: &str) -> anyhow::Result<PathBuf> {
    let directory = directory(home, name)?;
    if !directory.is_dir() {
        let known = directory.parent().map(names).unwrap_or_default();
        let known = if known.is_empty() { "none".into() } else { known.join(", ") };
        bail!("no baseline `{name}` (saved: {known}; save one with --save-baseline {name})");
    }
    Ok(directory)
}

fn names(parent: &Path) -> Vec<String> {
    let entries = fs::read_dir(parent).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.retain(|name| !name.starts_with('.') && parent.join(name).is_dir());
    names.sort();
    names
}
