//! Reports as files: [`save`] and [`load`]. A report is written whole or not at all; how one is
//! read is [`document`](super::document)'s.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use super::Report;
pub use super::document::{Document, LoadError, load, open};
use crate::output;
use crate::safe_json::safe_json;
use echo_bench_engine::plan::{Load, Plan, Target};

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

/// The same in one line.
///
/// # Panics
/// Never: strings, numbers and lists of them always serialise.
pub fn to_json_line(said: &impl serde::Serialize) -> String {
    let mut text = serde_json::to_string(said)
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
    let names = names(&report.started_at, &report.plan, &report.labels, "json");
    output::create(directory, names, &to_json(report))
}

/// Writes what was made of several runs, the first of them given, in the same way.
pub fn save_repeats_in(
    repeats: &impl serde::Serialize,
    first: &Report,
    directory: &Path,
) -> std::io::Result<PathBuf> {
    fs::create_dir_all(directory)?;
    let names = names(&first.started_at, &first.plan, &first.labels, "json");
    output::create(directory, names, &to_json(repeats))
}

/// Writes a search for capacity, its first run given, in the same way: the rates of its runs are
/// not what its name says.
pub fn save_search_in(
    search: &impl serde::Serialize,
    levels: usize,
    first: &Report,
    directory: &Path,
) -> std::io::Result<PathBuf> {
    fs::create_dir_all(directory)?;
    let [server, spoken, _] = parts(&first.plan);
    let server = if levels > 1 { format!("{levels} levels") } else { server };
    let said = [server, spoken, format!("c{} capacity", first.plan.connections)];
    let names = named(&first.started_at, said, &first.labels, "json");
    output::create(directory, names, &to_json(search))
}

/// Names for what is kept of a run that began at `started_at`, in the order in which they are
/// tried: two runs in one second must not take the same. A name says when, what was loaded, how,
/// and the values of the labels.
pub fn names(
    started_at: &str,
    plan: &Plan,
    labels: &BTreeMap<String, String>,
    ending: &str,
) -> impl Iterator<Item = String> {
    named(started_at, parts(plan), labels, ending)
}

fn named(
    started_at: &str,
    said: [String; 3],
    labels: &BTreeMap<String, String>,
    ending: &str,
) -> impl Iterator<Item = String> {
    let stamp: String =
        started_at.chars().filter(char::is_ascii_alphanumeric).take(15).collect();
    let values = labels.values().map(String::as_str).collect::<Vec<_>>().join("-");
    let [server, spoken, load] = said;
    let parts = [stamp, in_a_name(&server), spoken, in_a_name(&load), in_a_name(&values)];
    let base: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    let base = base.join("-");
    (1_u64..).map(move |number| match number {
        1 => format!("{base}.{ending}"),
        _ => format!("{base}-{number}.{ending}"),
    })
}

/// What a plan loads and how, in few words, like `tokio line c1000 P16`.
pub(crate) fn in_words(plan: &Plan) -> String {
    parts(plan).join(" ")
}

/// The server, the protocol, and how much load, in the flags that say it.
fn parts(plan: &Plan) -> [String; 3] {
    let server = match &plan.target {
        Target::Embedded { server } => server.model.clone().unwrap_or_default(),
        Target::Command(command) => command.title(),
        Target::Address { address, .. } => address.clone(),
    };
    let connections = plan.connections;
    let load = match &plan.load {
        Load::Closed { pipeline: 1 } => format!("c{connections}"),
        Load::Closed { pipeline } => format!("c{connections} P{pipeline}"),
        Load::Open { rate_per_s, .. } => format!("c{connections} R{rate_per_s}"),
        Load::Staged { stages, .. } => format!("c{connections} {} stages", stages.len()),
        Load::Recorded { .. } => format!("c{connections} recorded"),
    };
    let think = plan.think.map_or_else(String::new, |think| format!(" think {think}"));
    let part = plan.part.map_or_else(String::new, |part| format!(" part {part}"));
    [server, plan.service().to_string(), load + &think + &part]
}

/// Most characters of a part of a name: the whole must fit into the 255 bytes of a file's.
const LONGEST_PART: usize = 40;

/// What can stand in a file's name anywhere, and be typed without quotes.
fn in_a_name(text: &str) -> String {
    let fits = |letter: char| letter.is_ascii_alphanumeric() || "._-".contains(letter);
    let words = text.split(|letter| !fits(letter)).filter(|word| !word.is_empty());
    let name = words.collect::<Vec<_>>().join("-");
    name.trim_matches(['.', '-']).chars().take(LONGEST_PART).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_says_what_was_measured_and_can_be_typed() {
        let name = |plan: Plan, labels: &[(&str, &str)]| {
            let label = |&(key, value): &(&str, &str)| (key.to_owned(), value.to_owned());
            let labels = labels.iter().map(label).collect();
            names("2026-01-02T03:04:05.678Z", &plan, &labels, "json").next().unwrap()
        };
        let plan = || Plan::builder("[::1]:80").connections(50);
        assert_eq!(
            name(plan().pipeline(16).build().unwrap(), &[]),
            "20260102T030405-1-80-line-c50-P16.json"
        );
        assert_eq!(
            name(plan().rate(2500.5).build().unwrap(), &[("a", "new build/2"), ("b", "../é")]),
            "20260102T030405-1-80-line-c50-R2500.5-new-build-2.json"
        );
        let long = "x".repeat(300);
        assert!(name(plan().build().unwrap(), &[("a", &long)]).len() < 100);
    }
}
