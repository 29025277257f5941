//! `echo-bench report`, `echo-bench list` and `echo-bench merge`, as typed.

use std::path::PathBuf;

use clap::Args;

use echo_manual::MORE;
use echo_server::choice::choice;

use crate::outlet::{Format, RunFormat};

/// A stored report or comparison to show, as typed.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The run, comparison, sweep, self-check or capacity: JSON, or the web page of it; or the
    /// .partial file that a killed run left
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Watch a run that goes on, by the .partial file that it keeps in its --report-dir, on the whole
    /// screen (keys: p, c, ? and q, which ends the view and not the run)
    #[arg(long, conflicts_with = "study")]
    pub live: bool,
    /// Format of the output [default: by the ending of -o, else text]
    #[arg(long, value_parser = choice::<Format>())]
    pub format: Option<Format>,
    /// Write to FILE instead of stdout; its ending chooses the format, as in the command that
    /// made it
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Print the README of a published study: of a sweep, the findings in NOTES with their
    /// references, like {{model: epoll -> tokio | p99}}, replaced by what it says
    #[arg(long, value_name = "NOTES", conflicts_with = "format")]
    pub study: Option<PathBuf>,
}

/// Reports to list, as typed.
#[derive(Debug, Args)]
#[command(after_help = MORE, after_long_help = LIST_EXAMPLES)]
pub struct ListArgs {
    /// Reports, or directories of them
    #[arg(value_name = "PATH", default_value = "reports/runs")]
    pub paths: Vec<PathBuf>,
    /// Only the N newest [default: all]
    #[arg(short = 'n', long, value_name = "N")]
    pub newest: Option<std::num::NonZeroUsize>,
    /// Format of the output
    #[arg(long, value_parser = choice::<ListFormat>(), default_value = "text")]
    pub format: ListFormat,
}

const LIST_EXAMPLES: &str = "\
Examples:
  echo-bench list                      what is in reports/runs, the newest last
  echo-bench list -n 5 --format json
  echo-bench rerun reports/runs/FILE   repeat one of them

~ marks a p99 without an interval. Files that are no reports are left out, and
said on stderr.";

/// Formats of a listing.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum ListFormat {
    /// A table.
    Text,
    /// A list of objects.
    Json,
}

/// Reports to merge, as typed.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Reports of the same plan, repeats of it or all its parts (--part), or directories of them
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Merge the parts of a run (--part) that are there, and mark the report: it says which are
    /// missing, and claims no rate for them
    #[arg(long)]
    pub allow_missing: bool,
    /// Write the merged report to FILE, whose ending chooses the format: .json, .html, .csv,
    /// .md or .txt (-: stdout)
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
    /// Format of the output [default: by the ending of -o, else json]
    #[arg(long, value_parser = choice::<RunFormat>())]
    pub format: Option<RunFormat>,
}
