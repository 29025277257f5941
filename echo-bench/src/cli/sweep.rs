//! `echo-bench sweep`, as typed.

use std::path::PathBuf;

use clap::Args;

use echo_net::settings::Count;
use echo_server::choice::choice;

use super::CompareFormat;
use super::compare::percent;
use crate::bounded;
use crate::compare::Metric;
use crate::sweep::file::{self, BadPlanFile};
use crate::sweep::typed::{SweptFlags, UnfitFlag};
use crate::sweep::{SweepPlan, SweepPlanError};

const EXAMPLES: &str = "\
Examples:
  echo-bench sweep --model threads,epoll,tokio --conns 1,100,1000 -d 2s
  echo-bench sweep --nodelay on,off --server-nodelay on,off --link nodelay,server-nodelay \\
                   --split-writes 1,2 -d 2s --repeat 3
  echo-bench sweep --model epoll,tokio --pipeline 1,16 --print-plan > plan.toml
  echo-bench sweep plan.toml -o models.html       heat map, curves and effects as a web page

Every flag of a run takes a list here: each combination is a cell, and every cell is run
--repeat times, in rounds of random order. A sweep that was cut goes on where it stopped.
Exit codes: 0 done; 1 some runs failed; 2 usage; 3 a run missed an objective (--slo);
130/143 interrupted.";

/// A sweep, as typed.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct SweepArgs {
    /// A plan in TOML; flags typed beside it take the place of its own
    #[arg(value_name = "PLAN.toml")]
    pub plan: Option<PathBuf>,
    /// Runs of each cell (5)
    #[arg(long, value_name = "N", help_heading = "Sweep")]
    pub repeat: Option<u32>,
    /// Flags whose values go in step, like nodelay,server-nodelay (repeatable)
    #[arg(long, value_name = "FLAG,FLAG", help_heading = "Sweep")]
    pub link: Vec<String>,
    /// Seed of the order of the runs and of their schedules (1)
    #[arg(long, value_name = "N", help_heading = "Sweep")]
    pub seed: Option<u64>,
    /// Print the plan as TOML and measure nothing
    #[arg(long, help_heading = "Sweep")]
    pub print_plan: bool,
    /// Where the reports are kept, and found again (default: by the plan, in reports/runs)
    #[arg(long, value_name = "DIR", help_heading = "Sweep")]
    pub dir: Option<PathBuf>,
    /// What the ranking goes by (throughput; under --rate p99)
    #[arg(long, value_name = "METRIC", value_parser = choice::<Metric>(), help_heading = "Sweep")]
    pub rank_by: Option<Metric>,
    /// Differences up to this are noise, however sure they are
    #[arg(
        long, value_name = "PERCENT", value_parser = percent, default_value = "1%",
        help_heading = "Sweep"
    )]
    pub threshold: f64,
    /// Bootstrap resamples of each cell
    #[arg(long, value_name = "N", default_value = "10k", help_heading = "Sweep")]
    pub resamples: Count,
    /// Write the sweep to FILE, whose ending chooses the format: .json, .html, .md or .txt
    /// (-: print JSON instead of the text)
    #[arg(short, long, value_name = "FILE", help_heading = "Sweep")]
    pub output: Option<PathBuf>,
    /// Format of the output (default: by the ending of -o, else text)
    #[arg(long, value_parser = choice::<CompareFormat>(), help_heading = "Sweep")]
    pub format: Option<CompareFormat>,
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
    /// Nothing varies.
    #[error("nothing varies: give a flag several values, like --model epoll,tokio")]
    NoAxis,
}

impl SweepArgs {
    /// What was typed, with the plan file, as a plan.
    ///
    /// # Errors
    /// What is wrong, by flag, cell or line.
    pub fn plan(&self) -> Result<SweepPlan, SweepArgsError> {
        let mut file = file::PlanFile::default();
        if let Some(path) = &self.plan {
            let text = bounded::read(path, bounded::PLAN)
                .map_err(|reason| SweepArgsError::Read { path: path.clone(), reason })?;
            file = file::read(&text)
                .map_err(|reason| SweepArgsError::File { path: path.clone(), reason })?;
        }
        let mut flags = file.flags;
        for (flag, values) in &self.flags.0 {
            match flags.0.iter_mut().find(|(known, _)| known == flag) {
                Some((_, old)) => old.clone_from(values),
                None => flags.0.push((flag.clone(), values.clone())),
            }
        }
        let (fixed, mut axes) = flags.resolve(&self.link)?;
        axes.extend(file.axes);
        if axes.is_empty() {
            return Err(SweepArgsError::NoAxis);
        }
        let repeats = self.repeat.or(file.repeats).unwrap_or(5);
        let seed = self.seed.or(file.seed).unwrap_or(1);
        Ok(SweepPlan { fixed, axes, repeats, seed }.validated()?)
    }
}
