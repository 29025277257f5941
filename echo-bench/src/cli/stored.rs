//! `echo-bench report` and `echo-bench merge`, as typed.

use std::path::PathBuf;

use clap::Args;

use echo_server::choice::choice;

use super::Format;

/// A stored report or comparison to show, as typed.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// The run or comparison: JSON, or the web page of it
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// What is printed
    #[arg(long, value_parser = choice::<Format>(), default_value = "text")]
    pub format: Format,
    /// Write to FILE instead of stdout (a web page if it ends in .html)
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Reports to merge, as typed.
#[derive(Debug, Args)]
pub struct MergeArgs {
    /// Reports of the same plan, or directories of them
    #[arg(value_name = "PATH", required = true)]
    pub paths: Vec<PathBuf>,
    /// Write the merged report to FILE (- is stdout)
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
}
