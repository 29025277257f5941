//! `compare --self-check` as typed: [`SelfCheckArgs`], and what is to be measured for it.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, CommandFactory, FromArgMatches};

use super::swept::{self, CommandLine, first_line};
use super::{Cli, Command, RepeatsError};
use echo_bench_report::sweep::{Flag, PlannedSweep, SweepPlan};
use echo_net::clock::nanos;

/// How long a self-check takes about, unless its runs are long.
const ABOUT: Duration = Duration::from_secs(100);

/// What a run needs beside warm-up and window.
const AROUND: Duration = Duration::from_millis(300);

/// Groups of runs, at most and at least, unless they are typed.
const GROUPS: (u32, u32) = (2, 20);

/// Window and warm-up of a run, unless they are typed.
const WINDOW: &str = "1s";
const WARMUP: &str = "200ms";

/// Most runs of each side.
const MOST_RUNS: u32 = 1000;

/// The flags of a self-check.
#[derive(Debug, Args)]
#[command(next_help_heading = "Self-check")]
pub struct SelfCheckArgs {
    /// Compare a plan with itself, by short runs
    ///
    /// Says how often a difference is called where there is none, and which would have been found.
    /// Flags of the runs follow after --.
    #[arg(long, conflicts_with_all = [
        "paths", "base", "new", "baseline", "save_baseline", "fail_on", "allow_single"
    ])]
    pub self_check: bool,
    /// Runs of each side of a comparison [default: 5]
    #[arg(long, value_name = "N", requires = "self_check")]
    pub runs: Option<u32>,
    /// Independent comparisons [default: as many as take about two minutes, 2 to 20]
    #[arg(long, value_name = "N", requires = "self_check")]
    pub comparisons: Option<u32>,
    /// No progress
    #[arg(short, long, requires = "self_check")]
    pub quiet: bool,
    /// Flags of the runs [default: an embedded server, 1 s each]
    ///
    /// As of echo-bench run.
    #[arg(last = true, value_name = "RUN FLAGS", requires = "self_check")]
    pub run: Vec<OsString>,
}

/// What was typed is no self-check.
#[derive(Debug, thiserror::Error)]
pub enum SelfCheckArgsError {
    /// No runs.
    #[error("--runs must be from 2 to {MOST_RUNS}: single runs are never judged")]
    Runs,
    /// No comparison.
    #[error("--comparisons must be at least 1")]
    Comparisons,
    /// What is after `--` is no run.
    #[error("after --: {0}")]
    NoRun(String),
    /// Runs that are repeated by themselves.
    #[error("after --: leave --repeat out (see --runs and --comparisons)")]
    Repeat,
    /// A flag that says where the results of a run go, or how it is judged.
    #[error("after --: leave --{0} out (a self-check keeps no runs and judges them together)")]
    OfOneRun(&'static str),
    /// Runs that can't be made.
    #[error("after --: {0}")]
    Run(#[from] RepeatsError),
}

impl SelfCheckArgs {
    /// Runs of each side.
    pub fn runs(&self) -> u32 {
        self.runs.unwrap_or(5)
    }

    /// What was typed that means nothing without `--self-check`. (What conflicts with a flag
    /// takes away that others require it.)
    pub fn stray(&self) -> Option<&'static str> {
        let typed = [
            ("--runs", self.runs.is_some()),
            ("--comparisons", self.comparisons.is_some()),
            ("--quiet", self.quiet),
            ("what is after --", !self.run.is_empty()),
        ];
        let stray = typed.into_iter().find(|(_, typed)| *typed && !self.self_check);
        stray.map(|(flag, _)| flag)
    }

    /// The runs that are to be made.
    ///
    /// # Errors
    /// What is wrong, by flag.
    pub fn planned(&self) -> Result<PlannedSweep, SelfCheckArgsError> {
        let runs = self.runs();
        if !(2..=MOST_RUNS).contains(&runs) {
            return Err(SelfCheckArgsError::Runs);
        }
        if self.comparisons == Some(0) {
            return Err(SelfCheckArgsError::Comparisons);
        }
        let words = ["echo-bench", "run"].map(OsString::from);
        let no_run = |error: clap::Error| SelfCheckArgsError::NoRun(first_line(&error));
        let matches = Cli::command().try_get_matches_from(words.iter().chain(&self.run));
        let matches = matches.map_err(no_run)?;
        if let Some(flag) = matches.subcommand_matches("run").and_then(swept::result_flag) {
            return Err(SelfCheckArgsError::OfOneRun(flag));
        }
        let typed = Cli::from_arg_matches(&matches).map_err(no_run)?;
        let Some(Command::Run(run)) = typed.command else {
            return Err(SelfCheckArgsError::NoRun("no flags of a run".into()));
        };
        if run.repeat().is_some() {
            return Err(SelfCheckArgsError::Repeat);
        }
        let planned = run.repeats(runs * 2)?;
        let mut fixed = planned.plan.fixed.clone();
        let has = |names: &[&str]| fixed.iter().any(|flag| names.contains(&&*flag.flag));
        let (window, warmup) = (has(&["duration", "requests"]), has(&["warmup"]));
        let mut add = |typed: bool, flag: &str, value: &str| {
            if !typed {
                fixed.push(Flag { flag: flag.into(), value: value.into() });
            }
        };
        add(window, "duration", WINDOW);
        add(warmup, "warmup", WARMUP);
        let plan =
            |repeats| SweepPlan { fixed: fixed.clone(), repeats, ..planned.plan.clone() };
        let of_runs = |repeats| plan(repeats).planned(&CommandLine).map_err(RepeatsError::from);
        let one = of_runs(1)?;
        let each_ns = one.cells.first().map_or(0, |cell| cell.load_ns) + nanos(AROUND);
        let group_ns = each_ns.saturating_mul(u64::from(runs) * 2);
        let fit = (nanos(ABOUT) / group_ns.max(1)).min(GROUPS.1.into()) as u32;
        let groups = self.comparisons.unwrap_or(fit.max(GROUPS.0));
        Ok(of_runs(groups.saturating_mul(runs * 2))?)
    }
}
