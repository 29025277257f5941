//! `echo-bench compare`, as typed.

use std::path::PathBuf;

use clap::Args;

use echo_manual::{MORE, only};
use echo_net::settings::Count;
use echo_server::choice::choice;

use super::{BaselinePlace, SelfCheckArgs};
use crate::outlet::CompareFormat;
use echo_bench_report::compare::{Metric, Options};

const EXAMPLES: &str = "\
Examples:
  echo-bench compare a.json b.json                one run a side: intervals
  echo-bench compare base/ new/                   every report in two folders
  echo-bench compare --base a1.json a2.json --new b1.json b2.json
  echo-bench compare a/ b/ c/                     b and c, each against a
  echo-bench compare base/ new/ -o page.html      curves, ratios, as a web page
  echo-bench compare --save-baseline main --new runs/
  echo-bench compare --baseline main new/ --fail-on worse
  echo-bench compare base/ new/ --judge corrected_p99,fairness
  echo-bench compare --self-check -- -c 100 -P 8  differences seen by chance

The unit of evidence is the run: measure each side several times, in turns.

Exit codes:
  0  done
  1  could not compare
  2  usage
  3  a metric is worse (with --fail-on worse)
  4  no answer: nothing was compared, or a side measured nothing. With
     --fail-on worse also: a part of it measured nothing; one run a side
     (unless --allow-single); what is worse is the generator's own share, or a
     metric was not judged (see --judge). With --self-check: more false alarms
     than promised";

/// What `-h` shows.
const SHOWN: [&str; 11] = [
    "paths",
    "base",
    "new",
    "baseline",
    "save-baseline",
    "threshold",
    "fail-on",
    "output",
    "format",
    "self-check",
    "run",
];

/// Two or more sides, as typed.
#[derive(Debug, Args)]
#[command(after_help = MORE, after_long_help = EXAMPLES, mut_args(only(&SHOWN)))]
pub struct CompareArgs {
    /// Reports or directories of them: the base first
    ///
    /// Each other is compared with the first. After --base or --baseline, all together are the new
    /// side.
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
    /// Where baselines are
    #[command(flatten)]
    pub baselines: BaselinePlace,
    /// How to judge
    #[command(flatten)]
    pub judging: JudgingArgs,
    /// Bootstrap resamples
    #[arg(long, value_name = "N", default_value = "10k")]
    pub resamples: Count,
    /// Seed of the resamples
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: u64,
    /// Allow comparing closed-loop with open-loop runs, and runs of several processes (--part,
    /// --agents) with those of one
    #[arg(long)]
    pub force: bool,
    /// File of the comparison; its ending chooses the format
    ///
    /// Endings: .json, .html, .csv, .md, .txt or .xml (junit). -: print JSON instead of the text.
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Format of the output [default: by the ending of -o, else text]
    ///
    /// github: annotations of a workflow.
    #[arg(long, value_parser = choice::<CompareFormat>())]
    pub format: Option<CompareFormat>,
    /// Whether comparisons keep what they promise
    // The last: its heading is that of all that follows.
    #[command(flatten)]
    pub check: SelfCheckArgs,
}

/// Where the reports of a side are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SidePlace {
    /// Files and directories.
    Paths(Vec<PathBuf>),
    /// A saved baseline, by name.
    Baseline(String),
}

/// What was typed as sides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sides {
    /// The base; none if the new side is only saved.
    pub base: Option<SidePlace>,
    /// What is compared with it, at least one.
    pub candidates: Vec<Vec<PathBuf>>,
}

/// What was typed is no comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CompareArgsError {
    /// Too few sides.
    #[error("nothing to compare: name a base and a new side (see compare --help)")]
    Nothing,
    /// It is not clear which side a path belongs to.
    #[error("several paths before --new: put the base after --base")]
    PathsBeforeNew,
    /// A new side alone.
    #[error("--new needs a base: name it with --base or --baseline")]
    NoBase,
    /// Several sides that would be one baseline.
    #[error("--save-baseline saves one new side; name it with --new")]
    SeveralToSave,
    /// A flag of a self-check without one.
    #[error("{0} needs --self-check")]
    NoSelfCheck(&'static str),
    /// Too few or too many resamples.
    #[error("--resamples must be from {LEAST_RESAMPLES} to {}", u32::MAX)]
    Resamples,
}

/// With fewer resamples an interval says little.
const LEAST_RESAMPLES: u32 = 100;

impl CompareArgs {
    /// What was typed, as sides.
    ///
    /// # Errors
    /// What is missing or ambiguous.
    pub fn sides(&self) -> Result<Sides, CompareArgsError> {
        if let Some(flag) = self.check.stray() {
            return Err(CompareArgsError::NoSelfCheck(flag));
        }
        let saves = self.save_baseline.is_some();
        let named = match &self.baseline {
            Some(name) => Some(SidePlace::Baseline(name.clone())),
            None if self.base.is_empty() => None,
            None => Some(SidePlace::Paths(self.base.clone())),
        };
        let one = |path: &PathBuf| vec![path.clone()];
        let (base, candidates) = match (named, &self.paths[..]) {
            (None, [_]) if saves && self.new.is_empty() => (None, vec![self.paths.clone()]),
            (None, [first, others @ ..]) if self.new.is_empty() => {
                (Some(SidePlace::Paths(one(first))), others.iter().map(one).collect())
            }
            (None, [first]) => (Some(SidePlace::Paths(one(first))), vec![self.new.clone()]),
            (None, [_, _, ..]) => return Err(CompareArgsError::PathsBeforeNew),
            (None, []) if !saves && !self.new.is_empty() => {
                return Err(CompareArgsError::NoBase);
            }
            (base, paths) => {
                let together: Vec<PathBuf> = paths.iter().chain(&self.new).cloned().collect();
                (base, if together.is_empty() { Vec::new() } else { vec![together] })
            }
        };
        match candidates.len() {
            0 => Err(CompareArgsError::Nothing),
            2.. if saves => Err(CompareArgsError::SeveralToSave),
            _ => Ok(Sides { base, candidates }),
        }
    }

    /// How to compare.
    ///
    /// # Errors
    /// A setting out of its range.
    pub fn options(&self) -> Result<Options, CompareArgsError> {
        let resamples = u32::try_from(self.resamples.0).ok();
        let resamples = resamples.filter(|count| *count >= LEAST_RESAMPLES);
        Ok(Options {
            threshold: self.judging.threshold,
            resamples: resamples.ok_or(CompareArgsError::Resamples)?,
            seed: self.seed,
            force: self.force,
            asked_for: self.judging.judge.clone(),
        })
    }
}

/// How to judge a comparison.
#[derive(Debug, Clone, Args)]
pub struct JudgingArgs {
    /// Noise threshold: smaller differences are ignored even if significant
    #[arg(long, value_name = "PERCENT", value_parser = percent, default_value = "1%")]
    pub threshold: f64,
    /// Judge these metrics too, as a list with commas; one that is named counts for --fail-on
    /// though its change is the generator's own share
    #[arg(long, value_name = "METRIC", value_parser = choice::<Metric>(), value_delimiter = ',')]
    pub judge: Vec<Metric>,
    /// Exit 3 if a metric is worse, and 4 if that can't be said
    #[arg(long, value_name = "WHAT", value_parser = choice::<FailOn>())]
    pub fail_on: Option<FailOn>,
    /// Let --fail-on judge single runs by their intervals, though run-to-run variance is unknown
    #[arg(long, requires = "fail_on")]
    pub allow_single: bool,
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

/// A share, typed like `1%` or `0.5%`.
pub(super) fn percent(text: &str) -> Result<f64, String> {
    let number = text.strip_suffix('%').and_then(|number| number.parse::<f64>().ok());
    match number {
        Some(percent) if (0.0..1000.0).contains(&percent) => Ok(percent / 100.0),
        _ => Err("write it like 1% or 0.5%".into()),
    }
}
