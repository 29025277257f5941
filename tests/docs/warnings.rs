//! Every warning that a run can have is explained in docs/reading-a-report.md.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::page::Page;

/// Where warnings get their names.
const SOURCES: &str = "echo-bench/report/src/report";

#[test]
fn every_warning_is_explained() {
    let page = Page::read("docs/reading-a-report.md");
    let (_, table) = page.text.split_once("| code | ").expect("the table of warnings");
    let (table, _) = table.split_once("\n\n").expect("something after it");
    let cells = table.lines().filter_map(|row| row.strip_prefix("| `")?.split('|').next());
    let explained: BTreeSet<String> = cells
        .flat_map(|cell| cell.split(['`', ',', ' ']))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();
    let named = codes();
    assert!(named.len() > 30, "{named:?}");
    assert_eq!(named, explained);
}

/// The codes in the source: strings on a line of their own, which a message follows, and the
/// constants for some of them.
fn codes() -> BTreeSet<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(SOURCES);
    let more = fs::read_dir(folder.join("verdict")).expect("part of the project");
    let files = more.map(|file| file.expect("it can be listed").path());
    let mut codes = BTreeSet::new();
    for file in files.chain([folder.join("verdict.rs")]) {
        let text = fs::read_to_string(&file).expect("it is text");
        let source = text.split("#[cfg(test)]").next().unwrap_or_default();
        codes.extend(source.lines().filter_map(code).map(str::to_owned));
    }
    codes
}

fn code(line: &str) -> Option<&str> {
    let line = line.trim();
    let named = if let Some((_, constant)) = line.split_once("const ") {
        constant.split_once(": &str = \"")?.1.strip_suffix("\";")?
    } else {
        let text = line.strip_prefix('(').unwrap_or(line);
        let text = text.rsplit("=> ").next()?.trim_start_matches(['{', '(', ' ']);
        text.strip_prefix('"')?.split_once("\",")?.0
    };
    let is_code = named.chars().all(|c| c.is_ascii_lowercase() || c == '-');
    (is_code && !named.is_empty() && named != "late sends").then_some(named)
}
