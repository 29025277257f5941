//! A description as Markdown, for an issue or a pull request.

use std::fmt::Write;

use comfy_table::presets;

use echo_proto::terminal::one_line;

use super::grid::grid;
use crate::capacity::Capacity;
use crate::compare::Comparison;
use crate::compare::self_check::SelfCheck;
use crate::describe::{self, Body, Description, Table};
use crate::report::Report;
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

/// The verdict first, as in a pull request few read on; rows and notices as lists.
pub(super) fn laid_out(description: &Description) -> String {
    let mut out = format!("### {}\n\n", inline(&description.title));
    // Writing to a string can't fail, so the results are dropped here and below.
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
            Body::Rows(rows) => {
                for row in rows {
                    let _ = writeln!(out, "- {}: {}", row.label, inline(&row.value));
                }
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
    let mut grid = grid(table, inline);
    grid.load_style(presets::ASCII_MARKDOWN);
    let mut out = format!("{grid}\n\n");
    for note in &table.notes {
        let mark = if note.mark.is_empty() { "" } else { &format!("`{}` ", note.mark) };
        let _ = writeln!(out, "- {mark}{}", inline(&note.text));
    }
    if !table.notes.is_empty() {
        out.push('\n');
    }
    out
}
