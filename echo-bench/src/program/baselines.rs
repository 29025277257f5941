//! The ways of saved baselines: listed, and removed.

use std::path::PathBuf;

use super::{Exit, sides};
use crate::baseline;
use crate::console::{self, complain, print_styled, tell};
use echo_bench_report::listing::Entry;
use echo_bench_report::render::text::{Document, on};

/// Lists the saved baselines.
///
/// # Errors
/// When there is no place for any, or they can't be printed.
pub fn list() -> anyhow::Result<u8> {
    let (mut entries, mut unread) = (Vec::new(), Vec::new());
    for (name, directory) in baseline::all()? {
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
pub fn remove(names: &[String]) -> anyhow::Result<u8> {
    let mut names = names.to_vec();
    names.sort();
    names.dedup();
    let places = names.iter().map(|name| baseline::find(name));
    let places: Vec<PathBuf> = places.collect::<anyhow::Result<_>>()?;
    for (name, place) in names.iter().zip(places) {
        baseline::remove(&place)?;
        tell(&format!("baseline {name} is removed"));
    }
    Ok(Exit::Done as u8)
}
