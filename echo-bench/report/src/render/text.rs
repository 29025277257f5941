//! A description as text for a terminal.

use std::fmt::Write;

use comfy_table::presets;

use echo_proto::terminal::one_line;

use super::grid::grid;
use crate::capacity::Capacity;
use crate::compare::Comparison;
use crate::compare::self_check::SelfCheck;
use crate::describe::{self, Body, Description, Notice, Table};
use crate::doctor::Doctor;
use crate::listing::Entry;
use crate::report::Report;
use crate::sweep::Sweep;

/// Columns of a terminal that phrases are filled up to.
const WIDTH: usize = 80;

/// Least width of the column of labels.
const LABEL: usize = 10;

/// The whole report of a run.
pub fn report(report: &Report) -> String {
    laid_out(&describe::run(report))
}

/// A self-check of comparisons.
pub fn self_check(check: &SelfCheck) -> String {
    laid_out(&describe::self_check(check))
}

/// A comparison.
pub fn comparison(comparison: &Comparison) -> String {
    laid_out(&describe::comparison(comparison))
}

/// A capacity.
pub fn capacity(capacity: &Capacity) -> String {
    laid_out(&describe::capacity(capacity))
}

/// A sweep.
pub fn sweep(sweep: &Sweep) -> String {
    laid_out(&describe::sweep(sweep))
}

/// A machine, examined.
pub fn doctor(doctor: &Doctor) -> String {
    laid_out(&describe::doctor(doctor))
}

/// What is stored, a line each; `named` says what the names are: files, or baselines.
pub fn listing(entries: &[Entry], named: &str) -> String {
    shown(&describe::listing(entries, named))
}

/// Every row on a line, with its label in a column of its own; a table stands apart.
pub(super) fn laid_out(description: &Description) -> String {
    let mut blocks = vec![head(description)];
    let mut lines = String::new();
    let labels = labels(description);
    for section in &description.sections {
        match &section.body {
            Body::Figures(_) => {}
            Body::Table(table) => {
                let title =
                    section.headed.then(|| format!("{}, {}", section.title, table.caption));
                let title = title.map_or(String::new(), |title| one_line(&title) + "\n");
                blocks.extend([std::mem::take(&mut lines), title + &shown(table)]);
            }
            Body::Rows(rows) => {
                for row in rows {
                    line(&mut lines, labels, row.label, &row.value);
                }
            }
            Body::Notices(notices) => {
                for one in notices {
                    notice(&mut lines, labels, one);
                }
            }
        }
    }
    line(&mut lines, labels, "verdict", &description.verdict.to_string());
    reading(&mut lines, labels, &description.reading);
    blocks.push(lines);
    blocks.retain(|block| !block.is_empty());
    blocks.join("\n")
}

fn head(description: &Description) -> String {
    let detail = description.detail.as_ref().map_or(String::new(), |d| format!(" ({d})"));
    let mut out = one_line(&format!("{}{detail}", description.title));
    let mut width = usize::MAX;
    for phrase in description.phrases.iter().map(|phrase| one_line(phrase)) {
        let more = phrase.chars().count();
        if width.saturating_add(more + 3) > WIDTH {
            out.push_str(if width == usize::MAX { "\n" } else { ",\n" });
            width = 0;
        } else {
            out.push_str(", ");
            width += 2;
        }
        out.push_str(&phrase);
        width += more;
    }
    out + "\n"
}

/// The width of the column of labels.
fn labels(description: &Description) -> usize {
    let rows = description.sections.iter().filter_map(|section| match &section.body {
        Body::Rows(rows) => rows.iter().map(|row| row.label.len()).max(),
        _ => None,
    });
    rows.max().unwrap_or(0).max(LABEL)
}

fn line(out: &mut String, labels: usize, label: &str, text: &str) {
    // Writing to a string can't fail, so the result is dropped.
    let _ = writeln!(out, "{label:<labels$} {}", one_line(text));
}

/// Our own sentences, broken between words but not within numbers.
fn reading(out: &mut String, labels: usize, sentences: &str) {
    let mut line = format!("{:<labels$}", "reading");
    let mut words = sentences.split(' ').peekable();
    while let Some(first) = words.next() {
        let mut word = first.to_owned();
        let is_rest = |next: &&str| next.bytes().take_while(u8::is_ascii_digit).count() == 3;
        while word.ends_with(|last: char| last.is_ascii_digit())
            && let Some(rest) = words.next_if(is_rest)
        {
            word.extend([" ", rest]);
        }
        if line.chars().count() + 1 + word.chars().count() > WIDTH {
            out.push_str(&line);
            out.push('\n');
            line = " ".repeat(labels);
        }
        line.extend([" ", &word]);
    }
    out.push_str(&line);
    out.push('\n');
}

fn notice(out: &mut String, labels: usize, notice: &Notice) {
    line(out, labels, notice.label, &format!("{}: {}", notice.name, notice.text));
    if let Some(more) = &notice.more {
        line(out, labels, "", &format!("-> {more}"));
    }
}

fn shown(table: &Table) -> String {
    let mut grid = grid(table, one_line);
    grid.load_style(presets::NOTHING);
    for column in grid.column_iter_mut().take(1) {
        column.set_padding((0, 1));
    }
    let mut out = String::new();
    for line in grid.lines() {
        out.push_str(line.trim_end());
        out.push('\n');
    }
    for note in &table.notes {
        let mark = if note.mark.is_empty() { "" } else { &format!("{:<9}", note.mark) };
        let _ = writeln!(out, "  {mark}{}", one_line(&note.text));
    }
    out
}
