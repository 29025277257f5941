//! Reports as files: [`save`] and [`load`]. A report is written whole or not at all; how one is
//! read is [`document`](super::document)'s.

use std::fs;
use std::path::{Path, PathBuf};

use super::Report;
pub use super::document::{Document, LoadError, load, open};
use crate::output;
use crate::safe_json::safe_json;
use echo_bench_engine::plan::Plan;

/// What is stored (a report, a comparison, a sweep) as JSON, with a newline at its end, and with
/// nothing in it that a terminal would obey.
///
/// # Panics
/// Never: strings, numbers and lists of them always serialise.
pub fn to_json(stored: &impl serde::Serialize) -> String {
    let mut text = serde_json::to_string_pretty(stored)
        .expect("strings, numbers and lists of them always serialise");
    text.push('\n');
    safe_json(&text)
}

/// Writes the report to `path`, in a folder of ours.
pub fn save(report: &Report, path: &Path) -> std::io::Result<()> {
    output::replace(path, &to_json(report))
}

/// Writes the report into `directory`, which is made if need be, under a name of its own;
/// that name.
pub fn save_in(report: &Report, directory: &Path) -> std::io::Result<PathBuf> {
    fs::create_dir_all(directory)?;
    let names = names(&report.started_at, &report.plan, "json");
    output::create(directory, names, &to_json(report))
}

/// Writes what was made of several runs, the first of them given, in the same way.
pub fn save_repeats_in(
    repeats: &impl serde::Serialize,
    first: &Report,
    directory: &Path,
) -> std::io::Result<PathBuf> {
    fs::create_dir_all(directory)?;
    let names = names(&first.started_at, &first.plan, "json");
    output::create(directory, names, &to_json(repeats))
}

/// Names for what is kept of a run that began at `started_at`, in the order in which they are
/// tried: two runs in one second must not take the same.
pub fn names(started_at: &str, plan: &Plan, ending: &str) -> impl Iterator<Item = String> {
    let stamp: String =
        started_at.chars().filter(char::is_ascii_alphanumeric).take(15).collect();
    let base = format!("{stamp}-{}-c{}", plan.protocol(), plan.connections);
    (1_u64..).map(move |number| match number {
        1 => format!("{base}.{ending}"),
        _ => format!("{base}-{number}.{ending}"),
    })
}
