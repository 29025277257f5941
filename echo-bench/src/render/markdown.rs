//! The report as Markdown, for an issue or a pull request.

use std::fmt::Write;

use comfy_table::presets;

use super::{latency_table, slo, text};
use crate::report::Report;

/// The whole report.
pub fn report(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string can't fail, so the results are dropped here and below.
    let _ = writeln!(out, "### {}\n\n{}\n", text::subject(report), text::load(&report.plan));
    if let Some(mut table) = latency_table::of(report) {
        table.load_style(presets::ASCII_MARKDOWN);
        let _ = writeln!(out, "{table}\n");
        for weak in latency_table::weak(report) {
            let _ = writeln!(out, "- `~` {weak}");
        }
        out.push('\n');
    } else {
        let _ = writeln!(out, "No latency is claimed: nothing was answered rightly.\n");
    }
    let _ = writeln!(out, "```\n{}\n{}\n```\n", text::counts(report), text::costs(report));
    for warning in &report.warnings {
        let _ =
            writeln!(out, "- **{}**: {}; {}", warning.code, warning.message, warning.remedy);
    }
    for objective in &report.slos {
        let _ = writeln!(out, "- slo: {}", slo::outcome(objective));
    }
    let _ = writeln!(out, "- verdict: **{}**; {}", report.verdict, text::reading(report));
    out
}
