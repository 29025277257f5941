//! `echo-bench compare`, as typed.

use std::path::PathBuf;

use clap::Args;

use echo_net::settings::Count;
use echo_server::choice::choice;

use super::Format;

const EXAMPLES: &str = "\
Examples:
  echo-bench compare a.json b.json                one run a side: intervals are the evidence
  echo-bench compare base/ new/                   every report in two directories
  echo-bench compare --base a1.json a2.json --new b1.json b2.json
  echo-bench compare a/ b/ c/                     b and c, each against a
  echo-bench compare base/ new/ -o page.html      curves and ratios as a web page
  echo-bench compare --save-baseline main --new runs/
  echo-bench compare --baseline main new/ --fail-on worse

The unit of evidence is the run: measure each side several times, in turns. Exit codes: 0
done; 1 could not compare; 2 usage; 3 something is worse (with --fail-on worse).";

/// Two or more sides, as typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct CompareArgs {
    /// Reports or directories of reports: the first is the base, each other is compared
    /// with it (after --base or --baseline, all together are the new side)
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// The base: reports or directories
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub base: Vec<PathBuf>,
    /// What is compared with it: reports or directories
    #[arg(long, value_name = "PATH", num_args = 1..)]
    pub new: Vec<PathBuf>,
    /// Take a saved baseline as the base
    #[arg(long, value_name = "NAME", conflicts_with = "base")]
    pub baseline: Option<String>,
    /// Save the new side as a baseline
    #[arg(long, value_name = "NAME")]
    pub save_baseline: Option<String>,
    /// How to judge
    #[command(flatten)]
    pub judging: JudgingArgs,
    /// Bootstrap resamples
    #[arg(long, value_name = "N", default_value = "10k")]
    pub resamples: Count,
    /// Seed of the resamples
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: u64,
    /// Compare closed with open loop all the same
    #[arg(long)]
    pub force: bool,
    /// Write the comparison to FILE, whose ending chooses the format: .json, .html, .md or
    /// .txt (-: print JSON instead of the text)
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Format of the output (default: by the ending of -o, else text)
    #[arg(long, value_parser = choice::<CompareFormat>())]
    pub format: Option<CompareFormat>,
}

/// How to judge a comparison.
#[derive(Debug, Clone, Copy, Args)]
pub struct JudgingArgs {
    /// Differences up to this are noise, however sure they are
    #[arg(long, value_name = "PERCENT", value_parser = percent, default_value = "1%")]
    pub threshold: f64,
    /// Exit 3 if a metric is worse
    #[arg(long, value_name = "WHAT", value_parser = choice::<FailOn>())]
    pub fail_on: Option<FailOn>,
}

/// What makes a comparison fail.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum FailOn {
    /// Any metric called worse.
    Worse,
}

/// Formats of a printed comparison.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum CompareFormat {
    /// For a terminal.
    Text,
    /// The comparison itself.
    Json,
    /// For a pull request.
    Markdown,
    /// A web page of its own.
    Html,
}

impl TryFrom<Format> for CompareFormat {
    type Error = NoCsv;

    fn try_from(format: Format) -> Result<Self, NoCsv> {
        match format {
            Format::Text => Ok(Self::Text),
            Format::Json => Ok(Self::Json),
            Format::Csv => Err(NoCsv),
            Format::Markdown => Ok(Self::Markdown),
            Format::Html => Ok(Self::Html),
        }
    }
}

/// A comparison is wanted as CSV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a comparison has no CSV: say --format json, text, markdown or html")]
pub struct NoCsv;

/// A share, typed like `1%` or `0.5%`.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
    match number {
        Some(percent) if (0.0..1000.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("write it like 1% or 0.5%".into()),
    }
}
