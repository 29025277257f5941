//! `echo-bench sweep`, as typed.

use std::path::{Path, PathBuf};

use clap::Args;

use echo_manual::{MORE, only};
use echo_net::address::Address;
use echo_net::settings::Count;
use echo_server::choice::{choice, choice_of};

use super::compare::percent;
use super::plan_file::{self, BadPlanFile, PlanFile};
use super::rerun::reaching_out;
use super::swept::{CommandLine, SweptFlags, TARGET, UnfitFlag};
use crate::outlet::SweepFormat;
use echo_bench_report::bounded;
use echo_bench_report::compare::Metric;
use echo_bench_report::report::store::{self, LoadError};
use echo_bench_report::sweep::{PlannedSweep, Sweep, SweepPlan, SweepPlanError};

const EXAMPLES: &str = "\
Examples:
  echo-bench sweep --model threads,epoll,tokio --conns 1,100,1000 -d 2s
  echo-bench sweep --nodelay on,off --server-nodelay on,off \\
                   --in-step nodelay,server-nodelay -d 2s
  echo-bench sweep --model epoll,tokio -P 1,16 --print-plan > plan.toml
  echo-bench sweep 127.0.0.1:8080 --conns 1,10,100 -d 2s
  echo-bench sweep --exec 'A=./old --port {port}' \\
                   --exec 'B=./new --port {port}' -p raw -d 2s
  echo-bench sweep --server-workers 1,2,3,4,5 --all-pairs -d 2s
      which number is best
  echo-bench sweep plan.toml -o models.html
      heat map, curves and effects as a web page
  echo-bench sweep --study reports/2026-11-27-nagle
      a published study, measured anew

Every flag of a run takes a list here (of --exec, each is a level, named by
what is before =): each combination is a cell, and every cell is run --repeat
times, in rounds of random order. The same command continues a sweep that was
cut, if the server is still the same one; a finished sweep is measured anew,
unless with --resume.

Exit codes:
  0  done
  1  some runs failed
  2  usage
  3  a run missed an objective (--slo)
  129, 130, 143  interrupted";

/// What `-h` shows.
const SHOWN: [&str; 14] = [
    "plan",
    "repeat",
    "in-step",
    "print-plan",
    "rank-by",
    "output",
    "quiet",
    "exec",
    "conns",
    "duration",
    "pipeline",
    "rate",
    "protocol",
    "model",
];

/// A sweep, as typed.
#[derive(Debug, Args)]
#[command(after_help = MORE, after_long_help = EXAMPLES, mut_args(only(&SHOWN)))]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag as typed")]
pub struct SweepArgs {
    /// A plan in TOML, or a stored sweep to measure again; or the server to load
    ///
    /// A stored sweep is a .json or .html file. Flags of the plan are replaced by those typed beside
    /// it. A server is HOST:PORT (same as --target).
    #[arg(value_name = "PLAN.toml|TARGET")]
    pub plan: Option<PathBuf>,
    /// Runs of each cell [default: 5]
    #[arg(long, value_name = "N", help_heading = "Sweep")]
    pub repeat: Option<u32>,
    /// Flags whose values go in step (repeatable)
    ///
    /// Like nodelay,server-nodelay, which then have the same number of values.
    #[arg(long, value_name = "FLAG,FLAG", help_heading = "Sweep")]
    pub in_step: Vec<String>,
    /// Seed of the order of the runs and of their schedules [default: 1]
    #[arg(long, value_name = "N", help_heading = "Sweep")]
    pub seed: Option<u64>,
    /// Print the plan as TOML and measure nothing
    #[arg(long, help_heading = "Sweep")]
    pub print_plan: bool,
    /// Where the reports are kept, and found again; a new folder has a number after it [default: by
    /// the plan, in reports/runs]
    #[arg(long, value_name = "DIR", help_heading = "Sweep")]
    pub dir: Option<PathBuf>,
    /// Reuse the runs of a finished sweep too, which is otherwise measured anew in a new folder
    #[arg(long, help_heading = "Sweep")]
    pub resume: bool,
    /// Run the commands and read the files that a stored sweep names
    #[arg(long, help_heading = "Sweep")]
    pub allow_exec: bool,
    /// Metric of the ranking [default: throughput; with --rate p99]
    #[arg(long, value_name = "METRIC", value_parser = choice_of(&Metric::PRIMARY), help_heading = "Sweep")]
    pub rank_by: Option<Metric>,
    /// Compare all levels of an axis with each other, so that the best can be named; false: with the
    /// first only [default: true for axes with at most 4 levels]
    #[arg(
        long, value_name = "true|false", num_args = 0..=1, require_equals = true,
        default_missing_value = "true", help_heading = "Sweep"
    )]
    pub all_pairs: Option<bool>,
    /// Noise threshold: smaller differences are ignored even if significant
    #[arg(
        long, value_name = "PERCENT", value_parser = percent, default_value = "1%",
        help_heading = "Sweep"
    )]
    pub threshold: f64,
    /// Bootstrap resamples of each cell
    #[arg(long, value_name = "N", default_value = "10k", help_heading = "Sweep")]
    pub resamples: Count,
    /// File of the sweep; its ending chooses the format
    ///
    /// Endings: .json, .html, .csv, .md, .txt, .bmf or .xml (junit). -: print JSON instead of the
    /// text.
    #[arg(short, long, value_name = "FILE", help_heading = "Sweep")]
    pub output: Option<PathBuf>,
    /// Format of the output [default: by the ending of -o, else text]
    #[arg(long, value_parser = choice::<SweepFormat>(), help_heading = "Sweep")]
    pub format: Option<SweepFormat>,
    /// Write a line of JSON to FILE for each interval of each run, as soon as it is over (-: stdout,
    /// which has nothing else then)
    #[arg(long, value_name = "FILE", help_heading = "Sweep")]
    pub stream: Option<PathBuf>,
    /// Publish the sweep as a study in DIR: measure DIR/plan.toml (unless another plan is given),
    /// and write sweep.json, sweep.html, sweep.txt, and README.md from DIR/notes.md. Refused of a
    /// program that was not built from a committed tree
    #[arg(long, value_name = "DIR", conflicts_with_all = ["output", "format"], help_heading = "Sweep")]
    pub study: Option<PathBuf>,
    /// Watch the runs on the whole screen (keys: p, c, q and ?)
    #[arg(long, conflicts_with = "quiet", help_heading = "Sweep")]
    pub live: bool,
    /// No progress
    #[arg(short, long, help_heading = "Sweep")]
    pub quiet: bool,
    /// Settings and axes.
    #[command(flatten)]
    pub flags: SweptFlags,
}

/// What was typed is no sweep.
#[derive(Debug, thiserror::Error)]
pub enum SweepArgsError {
    /// A plan file that can't be read.
    #[error("reading {path}: {reason}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// Commands that nobody has agreed to.
    #[error(
        "the sweep runs a command or reads a file, and a stored sweep may come from anybody: \
         `{0}` (say --allow-exec to allow it)"
    )]
    Exec(String),
    /// A sweep that can't be read.
    #[error(transparent)]
    Stored(#[from] LoadError),
    /// A plan file that can't be understood.
    #[error("{path}, {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: BadPlanFile,
    },
    /// A flag that can't be swept.
    #[error(transparent)]
    Flag(#[from] UnfitFlag),
    /// A combination that can't be measured.
    #[error(transparent)]
    Plan(#[from] SweepPlanError),
    /// The target is there twice.
    #[error("the target is given twice; name it once, as TARGET or with --target")]
    TwoTargets,
    /// Nothing varies.
    #[error("nothing varies: give a flag several values, like --model epoll,tokio")]
    NoAxis,
}

/// The addresses that were typed in the place of a plan file; `None` of anything else.
fn targets(typed: &Path) -> Option<Vec<String>> {
    let text = typed.to_str().filter(|_| !typed.exists())?;
    let addresses: Vec<String> = text.split(',').map(str::to_owned).collect();
    let are_addresses = addresses.iter().all(|address| address.parse::<Address>().is_ok());
    are_addresses.then_some(addresses)
}

/// The plan in a file: TOML, or that of a sweep that was stored.
fn read(path: &Path, allow_exec: bool) -> Result<PlanFile, SweepArgsError> {
    let is_plan = path.extension().is_none_or(|ending| ending != "json" && ending != "html");
    if !is_plan {
        let sweep: Sweep = store::open(path)?.parse()?;
        if let Some(flag) = reaching_out(&sweep.plan).filter(|_| !allow_exec) {
            return Err(SweepArgsError::Exec(format!("--{} {}", flag.flag, flag.value)));
        }
        return Ok(PlanFile::of(sweep.plan));
    }
    let text = bounded::read(path, bounded::PLAN)
        .map_err(|reason| SweepArgsError::Read { path: path.to_owned(), reason })?;
    plan_file::read(&text)
        .map_err(|reason| SweepArgsError::File { path: path.to_owned(), reason })
}

impl SweepArgs {
    /// What was typed, with the plan file, as a plan.
    ///
    /// # Errors
    /// What is wrong, by flag, cell or line.
    pub fn plan(&self) -> Result<PlannedSweep, SweepArgsError> {
        let mut file = PlanFile::default();
        let of_study = self.study.as_ref().map(|study| study.join("plan.toml"));
        let plan = self.plan.as_ref().or(of_study.as_ref());
        let target = plan.and_then(|plan| targets(plan));
        if let Some(path) = plan.filter(|_| target.is_none()) {
            file = read(path, self.allow_exec)?;
        }
        let mut flags = file.flags;
        if let Some(target) = target {
            if self.flags.0.iter().any(|(flag, _)| flag == TARGET) {
                return Err(SweepArgsError::TwoTargets);
            }
            flags.0.push((TARGET.into(), target));
        }
        for (flag, values) in &self.flags.0 {
            match flags.0.iter_mut().find(|(known, _)| known == flag) {
                Some((_, old)) => old.clone_from(values),
                None => flags.0.push((flag.clone(), values.clone())),
            }
        }
        let (fixed, mut axes) = flags.resolve(&self.in_step)?;
        axes.extend(file.axes);
        if axes.is_empty() {
            return Err(SweepArgsError::NoAxis);
        }
        let repeats = self.repeat.or(file.repeats).unwrap_or(5);
        let seed = self.seed.or(file.seed).unwrap_or(1);
        Ok(SweepPlan { fixed, axes, repeats, seed }.planned(&CommandLine)?)
    }
}
