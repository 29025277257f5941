//! The report as Markdown, for an issue or a pull request.

use std::fmt::Write;

use comfy_table::presets;

use echo_proto::terminal::one_line;

use super::{latency_table, slo, text};
use crate::report::Report;

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

/// The whole report.
pub fn report(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string can't fail, so the results are dropped here and below.
    let (subject, load) = (inline(&text::subject(report)), text::load(&report.plan));
    let _ = writeln!(out, "### {subject}\n\n{load}\n");
    if let Some(mut table) = latency_table::of(report) {
        table.load_style(presets::ASCII_MARKDOWN);
        let _ = writeln!(out, "{table}\n");
        for weak in latency_table::weak(report) {
            let _ = writeln!(out, "- `~` {weak}");
        }
        out.push('\n');
    } else {
        let _ = writeln!(out, "No latency: no successful replies.\n");
    }
    let _ = writeln!(out, "```\n{}\n{}\n```\n", text::counts(report), text::costs(report));
    for warning in &report.warnings {
        let parts = [&warning.code, &warning.message, &warning.remedy];
        let [code, message, remedy] = parts.map(|part| inline(part));
        let _ = writeln!(out, "- **{code}**: {message}; {remedy}");
    }
    for objective in &report.slos {
        let _ = writeln!(out, "- slo: {}", inline(&slo::outcome(objective)));
    }
    let _ = writeln!(out, "- verdict: **{}**; {}", report.verdict, text::reading(report));
    out
}
