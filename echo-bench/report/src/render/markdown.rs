//! A description as Markdown, for an issue or a pull request.

use std::fmt::Write;

use echo_proto::terminal::one_line;

use super::grid::{Grid, Place};
use super::screen::Screen;
use super::spread;
use crate::capacity::Capacity;
use crate::compare::Comparison;
use crate::compare::self_check::SelfCheck;
use crate::describe::study::UnfitNotes;
use crate::describe::{self, Body, Description, Row, Table};
use crate::history::History;
use crate::report::Report;
use crate::selftest::Selftest;
use crate::sweep::Sweep;

/// Text that stands within a line or a cell, with everything escaped that Markdown would take
/// for markup, and what a terminal would obey.
pub(super) fn inline(text: &str) -> String {
    let mut escaped = String::new();
    for character in one_line(text).chars() {
        if "\\`*_[]<|~&".contains(character) {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// The whole report of a run.
pub fn report(report: &Report) -> String {
    laid_out(&describe::run(report))
}

/// A self-check of comparisons.
pub fn self_check(check: &SelfCheck) -> String {
    laid_out(&describe::self_check(check))
}

/// A selftest.
pub fn selftest(selftest: &Selftest) -> String {
    laid_out(&describe::selftest(selftest))
}

/// A comparison.
pub fn comparison(comparison: &Comparison) -> String {
    laid_out(&describe::comparison(comparison))
}

/// Runs over time.
pub fn history(history: &History) -> String {
    laid_out(&describe::history(history))
}

/// A capacity.
pub fn capacity(capacity: &Capacity) -> String {
    laid_out(&describe::capacity(capacity))
}

/// A sweep.
pub fn sweep(sweep: &Sweep) -> String {
    laid_out(&describe::sweep(sweep))
}

/// The README of a published study: its title and findings are `notes`, whose references are
/// replaced by numbers of the sweep (see [`UnfitNotes`]); before its first section stands what
/// made it, since nobody should read the findings without.
///
/// # Errors
/// When the notes refer to what the sweep does not say, or have ratios of their own.
pub fn study(sweep: &Sweep, notes: &str) -> Result<String, UnfitNotes> {
    // Writing to a string can't fail, so the results are dropped here and below.
    let notes = describe::study::findings(sweep, notes)?;
    let (question, findings) = match notes.split_once("\n## ") {
        Some((question, findings)) => (question, Some(findings.trim_end())),
        None => (&*notes, None),
    };
    let mut out = question.trim_end().to_owned();
    out.push_str("\n\n## What it was made with\n\n");
    let _ = writeln!(out, "- command: `echo-bench sweep --study DIR`, DIR being this folder");
    list(&mut out, &describe::sweep::plan(sweep));
    list(&mut out, &describe::study::facts(sweep));
    for caution in describe::sweep::cautions(sweep) {
        let _ = writeln!(out, "- caution **{}**: {}", caution.name, inline(&caution.text));
    }
    if let Some(findings) = findings {
        let _ = writeln!(out, "\n## {findings}");
    }
    Ok(out)
}

/// Rows as a list.
fn list(out: &mut String, rows: &[Row]) {
    for row in rows {
        let _ = writeln!(out, "- {}: {}", row.label, inline(&row.value));
    }
}

/// The verdict first, as in a pull request few read on; rows and notices as lists.
pub(super) fn laid_out(description: &Description) -> String {
    let mut out = String::new();
    for sentence in &description.conclusion {
        // Writing to a string can't fail, so the results are dropped here and below.
        let _ = writeln!(out, "**{}**\n", inline(sentence));
    }
    let _ = writeln!(out, "### {}\n", inline(&description.title));
    if let Some(detail) = &description.detail {
        let _ = writeln!(out, "{}\n", inline(detail));
    }
    let verdict = &description.verdict;
    let colon = if verdict.meaning.is_empty() { "" } else { ": " };
    let _ = writeln!(out, "**{}**{colon}{}\n", verdict.word, verdict.meaning);
    if !description.phrases.is_empty() {
        let _ = writeln!(out, "{}\n", inline(&description.phrases.join(", ")));
    }
    for section in &description.sections {
        match &section.body {
            Body::Figures(_) => {}
            Body::Table(table) => {
                if section.headed {
                    let (title, caption) = (inline(&section.title), inline(&table.caption));
                    let _ = writeln!(out, "\n#### {title}\n\n{caption}\n");
                }
                out.push_str(&shown(table));
            }
            Body::Spread(spread) => {
                let lines = spread::drawn(spread, Screen::of_columns(Screen::USUAL), 0);
                let _ = writeln!(out, "```text\n{}```\n", lines.plain());
            }
            Body::Rows(rows) => {
                list(&mut out, rows);
                if !rows.is_empty() {
                    out.push('\n');
                }
            }
            Body::Notices(notices) => {
                for notice in notices {
                    let (name, text) = (inline(&notice.name), inline(&notice.text));
                    let _ = write!(out, "- {} **{name}**: {text}", notice.label);
                    if let Some(more) = &notice.more {
                        let _ = write!(out, "; {}", inline(more));
                    }
                    out.push('\n');
                }
            }
        }
    }
    let _ = writeln!(out, "- reading: {}", inline(&description.reading));
    out
}

fn shown(table: &Table) -> String {
    let grid = Grid::new(table, inline);
    let widths: Vec<usize> =
        (0..table.columns.len()).map(|column| grid.natural(column)).collect();
    let line = |places: &Vec<Place>| {
        let mut line = String::from("|");
        for ((place, &columns), &numeric) in places.iter().zip(&widths).zip(&grid.numeric) {
            for cell in place.lines(columns, numeric) {
                let _ = write!(line, " {cell} |");
            }
        }
        line + "\n"
    };
    let mut out = line(&grid.header);
    let rule: Vec<String> = widths.iter().map(|&columns| "-".repeat(columns + 2)).collect();
    let _ = writeln!(out, "|{}|", rule.join("|"));
    out.extend(grid.lines.iter().map(line));
    out.push('\n');
    for note in &table.notes {
        let mark = if note.mark.is_empty() { "" } else { &format!("`{}` ", note.mark) };
        let _ = writeln!(out, "- {mark}{}", inline(&note.text));
    }
    if !table.notes.is_empty() {
        out.push('\n');
    }
    out
}
