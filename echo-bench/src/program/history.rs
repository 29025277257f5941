//! The way of a history: reports of many runs, one after the other, as numbers; trends; result.

use std::path::Path;

use rayon::prelude::*;

use super::{Exit, sides};
use crate::cli::HistoryArgs;
use crate::console::{complain, tell};
use crate::outlet::{Outlet, PageFormat};
use crate::sweep::folder::Folder;
use echo_bench_report::history::{Entry, History, Options};
use echo_bench_report::render::text::Document;
use echo_bench_report::render::{self, Screen, Styled};
use echo_bench_report::report::{Report, store};
use echo_bench_report::sweep::{self, Sweep};
use echo_bench_report::{capacity, compare, selftest};

/// Shows how runs go over time.
///
/// # Errors
/// When a folder can't be listed, or the result can't be written.
pub fn history(args: &HistoryArgs) -> anyhow::Result<u8> {
    let outlet = Outlet::new(args.output.as_deref(), args.format)?;
    outlet.check()?;
    let mut files = Vec::new();
    for path in &args.paths {
        if path.is_dir() {
            files.extend(sides::files_in(path)?);
            files.extend(Folder::results_in(path)?);
        } else {
            files.push(path.clone());
        }
    }
    // A report is large and its numbers are few: one is read at a time, by each core.
    let read: Vec<_> = files
        .par_iter()
        .map(|file| entries(file, args).map_err(|error| (file, error)))
        .collect();
    let (mut found, mut exit) = (Vec::new(), Exit::Done);
    for outcome in read {
        match outcome {
            Ok(entries) => found.extend(entries),
            // What was named is missed; what else lies in a folder is not.
            Err((file, error)) if args.paths.contains(file) => {
                complain(&format!("{error:#}"));
                exit = Exit::Failed;
            }
            Err((_, error)) => tell(&format!("left out: {error:#}")),
        }
    }
    if found.iter().all(|entry| entry.point.is_none()) {
        complain(&match found.len() {
            0 => "no runs: name folders with reports (they are kept with --report-dir)"
                .to_owned(),
            all => {
                format!("no runs: {all} were interrupted or are invalid by their own report")
            }
        });
        return Ok(if exit == Exit::Done { Exit::Invalid } else { exit } as u8);
    }
    let options = Options { metrics: metrics(args), threshold: args.threshold };
    let history = History::new(found, &options);
    outlet.hand_over(|format, screen| rendered(&history, format, screen))?;
    if args.fail_on.is_some() && history.is_worse() && exit == Exit::Done {
        exit = Exit::Missed;
    }
    Ok(exit as u8)
}

/// The metrics that were asked for, each once.
fn metrics(args: &HistoryArgs) -> Vec<compare::Metric> {
    let mut metrics = Vec::new();
    for metric in &args.metric {
        if !metrics.contains(metric) {
            metrics.push(*metric);
        }
    }
    metrics
}

/// The runs in a file; none in what was made of runs that are kept elsewhere.
fn entries(file: &Path, args: &HistoryArgs) -> anyhow::Result<Vec<Entry>> {
    let source = file.display().to_string();
    let entry = |report: &Report, source: String| {
        Entry::new(report, source, args.by.as_deref(), Some(&args.mark))
    };
    let document = store::open(file)?;
    Ok(match document.schema() {
        Some(
            compare::SCHEMA | capacity::SCHEMA | compare::self_check::SCHEMA | selftest::SCHEMA,
        ) => Vec::new(),
        Some(sweep::SCHEMA) => {
            let sweep: Sweep = document.parse()?;
            let runs = sweep.cells.iter().flat_map(|cell| &cell.runs);
            (1..).zip(runs).map(|(n, run)| entry(run, format!("{source} run {n}"))).collect()
        }
        _ => vec![entry(&document.parse()?, source)],
    })
}

/// A history in a format.
fn rendered(history: &History, format: PageFormat, screen: Screen) -> Styled {
    match format {
        PageFormat::Text => render::text::on(screen, Document::History(history)),
        PageFormat::Json => store::to_json(history).into(),
        PageFormat::Markdown => render::markdown::history(history).into(),
        PageFormat::Html => render::html::history(history).into(),
    }
}
