//! The ways of stored reports: shown again, and merged.

use std::path::{Path, PathBuf};

use rayon::iter::Either;
use rayon::prelude::*;

use super::follow::follow;
use super::results::rendered;
use super::{
    Exit, capacity as carried, compare as compared, self_check as checked, selftest as tested,
    sides, sweep as swept,
};
use crate::cli::{ListArgs, ListFormat, MergeArgs, ReportArgs};
use crate::console::{self, complain, print, print_styled, tell};
use crate::outlet::{Outlet, put_file};
use crate::sweep::folder::Folder;
use crate::sweep::study;
use echo_bench_report::capacity;
use echo_bench_report::compare::{self, Comparison, self_check};
use echo_bench_report::describe::conclusion::Concluded;
use echo_bench_report::listing::Entry;
use echo_bench_report::merge;
use echo_bench_report::output;
use echo_bench_report::render::text::{Document, on};
use echo_bench_report::report::{Report, store};
use echo_bench_report::selftest;
use echo_bench_report::sweep::{self, Sweep};

/// Shows what was stored: a run, a comparison, a sweep, a self-check or a capacity.
///
/// # Errors
/// When it can't be read, or the result can't be written.
pub fn show(args: &ReportArgs) -> anyhow::Result<u8> {
    let outlet = Outlet::new(args.output.as_deref(), args.format)?;
    let document = if args.live { follow(&args.file)? } else { store::open(&args.file)? };
    if let Some(notes) = &args.study {
        let readme = study::readme(&document.parse()?, notes)?;
        return match &args.output {
            Some(path) if !output::is_stdout(path) => put_file(path, &readme),
            _ => print(&readme),
        }
        .map(|()| Exit::Done as u8);
    }
    outlet.put(|format, screen| {
        Ok(match document.schema() {
            Some(compare::SCHEMA) => {
                let comparison = document.parse::<Comparison>()?.concluded();
                compared::rendered(&comparison, format.try_into()?, screen)
            }
            Some(sweep::SCHEMA) => {
                let sweep = document.parse::<Sweep>()?.concluded();
                swept::rendered(&sweep, format.try_into()?, screen)
            }
            Some(capacity::SCHEMA) => {
                carried::rendered(&document.parse()?, format.try_into()?, screen)
            }
            Some(self_check::SCHEMA) => {
                checked::rendered(&document.parse()?, format.try_into()?, screen)
            }
            Some(selftest::SCHEMA) => {
                tested::rendered(&document.parse()?, format.try_into()?, screen)
            }
            _ => {
                let report = document.parse::<Report>()?.concluded();
                rendered(&report, format.try_into()?, screen)
            }
        })
    })?;
    Ok(Exit::Done as u8)
}

/// Lists stored documents, the newest last.
///
/// # Errors
/// When a folder can't be listed, or the list can't be printed.
pub fn list(args: &ListArgs) -> anyhow::Result<u8> {
    let mut files = Vec::new();
    for path in &args.paths {
        if path.is_dir() {
            files.extend(sides::files_in(path)?);
            files.extend(Folder::results_in(path)?);
        } else {
            files.push(path.clone());
        }
    }
    let (mut entries, unread): (Vec<Entry>, Vec<(PathBuf, String)>) =
        files.into_par_iter().partition_map(|file| match entry(&file) {
            Ok(entry) => Either::Left(entry),
            Err(error) => Either::Right((file, format!("{error:#}"))),
        });
    entries.sort_by(|a, b| (&a.started_at, &a.name).cmp(&(&b.started_at, &b.name)));
    let newest = args.newest.map_or(usize::MAX, Into::into);
    entries.drain(..entries.len().saturating_sub(newest));
    match args.format {
        ListFormat::Json => print(&store::to_json(&entries))?,
        ListFormat::Text if entries.is_empty() => tell("no reports"),
        ListFormat::Text => {
            print_styled(&on(console::screen(), Document::Listing(&entries, "file")))?;
        }
    }
    let mut exit = Exit::Done;
    for (file, reason) in unread {
        // What was named is missed; what else lies in a folder is not.
        if args.paths.contains(&file) {
            complain(&reason);
            exit = Exit::Failed;
        } else {
            tell(&format!("left out: {reason}"));
        }
    }
    Ok(exit as u8)
}

/// A stored document, in a line.
fn entry(file: &Path) -> anyhow::Result<Entry> {
    let name = file.display().to_string();
    let document = store::open(file)?;
    Ok(match document.schema() {
        Some(compare::SCHEMA) => Entry::of_comparison(name, &document.parse()?),
        Some(capacity::SCHEMA) => Entry::of_capacity(name, &document.parse()?),
        Some(sweep::SCHEMA) => Entry::of_sweep(name, &document.parse()?),
        Some(self_check::SCHEMA) => Entry::of_self_check(name, &document.parse()?),
        Some(selftest::SCHEMA) => Entry::of_selftest(name, &document.parse()?),
        _ => Entry::of_runs(name, &[&document.parse()?]),
    })
}

/// Merges stored reports.
///
/// # Errors
/// When they can't be read or merged, or the result can't be written.
pub fn merge(args: &MergeArgs) -> anyhow::Result<u8> {
    let outlet = Outlet::new(Some(&args.output), args.format)?;
    let inputs = sides::inputs(&args.paths)?;
    let reports: Vec<Report> = inputs.into_iter().map(|input| input.report).collect();
    let merged = if args.allow_missing {
        let parts = reports.iter().map(merge::PartOfRun::from).collect();
        merge::merge_parts(parts, &[], true, None)?
    } else {
        merge::merge(&reports)?
    };
    let merged = merged.concluded();
    outlet.put(|format, screen| Ok(rendered(&merged, format, screen)))?;
    Ok(Exit::Done as u8)
}
