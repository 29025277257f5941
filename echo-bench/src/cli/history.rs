//! `echo-bench history`, as typed.

use std::path::PathBuf;

use clap::Args;

use echo_manual::MORE;
use echo_server::choice::{choice, choice_of};

use super::FailOn;
use super::compare::percent;
use crate::outlet::PageFormat;
use echo_bench_report::compare::Metric;

const EXAMPLES: &str = "\
Examples:
  echo-bench run --label commit=$(git rev-parse --short HEAD) \\
                 --report-dir ci/ -d 10s
  echo-bench history ci/               trends, and where they changed
  echo-bench history ci/ --metric p99,server_cpu -o history.html
  echo-bench history ci/ --by host --fail-on worse

A point is a run. Its plan and its label --by decide which series it belongs
to. A change is a place where the runs before and after differ more than in
nearly all random orders of them (E-divisive means): a change of any trend is
found by chance alone in at most 5 % of histories.

Exit codes:
  0  done
  1  could not read
  2  usage
  3  the newest level of a metric is worse than the one before (with
     --fail-on worse)
  4  there are no runs";

/// Runs over time, as typed.
#[derive(Debug, Args)]
#[command(after_help = MORE, after_long_help = EXAMPLES)]
pub struct HistoryArgs {
    /// Reports, or directories of them
    #[arg(value_name = "PATH", default_value = "reports/runs")]
    pub paths: Vec<PathBuf>,
    /// Metrics to look at, as a list with commas
    #[arg(
        long, value_name = "METRIC", value_parser = choice_of(&Metric::PRIMARY),
        value_delimiter = ',', default_values = ["throughput", "p50", "p99"]
    )]
    pub metric: Vec<Metric>,
    /// A series for each value of this label, beside each plan
    #[arg(long, value_name = "LABEL")]
    pub by: Option<String>,
    /// The label that tells runs apart, which is shown at a change
    #[arg(long, value_name = "LABEL", default_value = "commit")]
    pub mark: String,
    /// Noise threshold: smaller changes are ignored
    #[arg(long, value_name = "PERCENT", value_parser = percent, default_value = "1%")]
    pub threshold: f64,
    /// Exit 3 if the newest level of a metric is worse than the one before
    #[arg(long, value_name = "WHAT", value_parser = choice::<FailOn>())]
    pub fail_on: Option<FailOn>,
    /// Write the history to FILE, whose ending chooses the format: .json, .html, .md or .txt
    /// (-: print JSON instead of the text)
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Format of the output [default: by the ending of -o, else text]
    #[arg(long, value_parser = choice::<PageFormat>())]
    pub format: Option<PageFormat>,
}
