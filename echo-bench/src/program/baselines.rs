//! The ways of saved baselines: compared with, saved, listed, and removed.

use std::path::{Path, PathBuf};

use super::{Exit, compare, sides};
use crate::baseline;
use crate::cli::ResultArgs;
use crate::console::{self, complain, print, print_styled, tell, tell_styled};
use echo_bench_report::listing::Entry;
use echo_bench_report::render::text::{Document, on};
use echo_bench_report::report::Report;

/// Lists the saved baselines.
///
/// # Errors
/// When there is no place for any, or they can't be printed.
pub fn list(home: Option<&Path>) -> anyhow::Result<u8> {
    let (mut entries, mut unread) = (Vec::new(), Vec::new());
    for (name, directory) in baseline::all(home)? {
        match sides::inputs(&[directory]) {
            Ok(inputs) => {
                let reports: Vec<_> = inputs.iter().map(|input| &input.report).collect();
                entries.push(Entry::of_runs(name, &reports));
            }
            Err(error) => unread.push(format!("baseline {name}: {error:#}")),
        }
    }
    if entries.is_empty() && unread.is_empty() {
        tell("no baseline is saved (save a run as one with --save-baseline NAME)");
    } else {
        print_styled(&on(console::screen(), Document::Listing(&entries, "baseline")))?;
    }
    for error in &unread {
        complain(error);
    }
    Ok(if unread.is_empty() { Exit::Done } else { Exit::Failed } as u8)
}

/// Removes saved baselines. A name that is none keeps all others from being removed.
///
/// # Errors
/// When one is not there, or can't be removed.
pub fn remove(names: &[String], home: Option<&Path>) -> anyhow::Result<u8> {
    let mut names = names.to_vec();
    names.sort();
    names.dedup();
    let places = names.iter().map(|name| baseline::find(home, name));
    let places: Vec<PathBuf> = places.collect::<anyhow::Result<_>>()?;
    for (name, place) in names.iter().zip(places) {
        baseline::remove(&place)?;
        tell(&format!("baseline {name} is removed"));
    }
    Ok(Exit::Done as u8)
}

/// Makes sure of the names of baselines before minutes are spent.
pub(super) fn check_baselines(results: &ResultArgs) -> anyhow::Result<()> {
    if let Some(name) = &results.baseline {
        baseline::find(results.baselines.home(), name)?;
    }
    if let Some(name) = &results.save_baseline {
        baseline::directory(results.baselines.home(), name)?;
    }
    Ok(())
}

/// Compares the runs with the baseline that was asked for, and saves them as one.
pub(super) fn with_baselines(
    reports: &[&Report],
    results: &ResultArgs,
    in_text: bool,
    lost: &mut Vec<anyhow::Error>,
) -> u8 {
    let mut code = Exit::Done as u8;
    if let Some(name) = &results.baseline {
        match compare::with_baseline(reports, results.baselines.home(), name, &results.judging)
        {
            Ok((comparison, judged)) => {
                code = judged;
                let shown = |screen| on(screen, Document::Comparison(&comparison));
                // Other formats are for machines, which do not want two documents in one.
                if in_text {
                    let printed =
                        print("\n").and_then(|()| print_styled(&shown(console::screen())));
                    lost.extend(printed.err());
                } else {
                    tell_styled(&shown(console::screen_of_stderr()));
                }
            }
            Err(error) => lost.push(error),
        }
    }
    if let Some(name) = &results.save_baseline {
        match baseline::save(results.baselines.home(), name, reports) {
            Ok(place) => {
                let these = match reports.len() {
                    1 => "this run".to_owned(),
                    runs => format!("these {runs} runs"),
                };
                tell(&format!("baseline {name}: {these}, in {}", place.display()));
            }
            Err(error) => lost.push(error),
        }
    }
    code
}
