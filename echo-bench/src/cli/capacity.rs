//! `echo-bench capacity`, as typed.

mod searched;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use echo_manual::{MORE, only};
use echo_net::settings::{Rate, TimeSpan};
use echo_server::choice::choice;

use super::compare::percent;
use super::swept::{CommandLine, SweptFlags, TARGET, UnfitFlag, is_of_agents};
use crate::outlet::PageFormat;
use echo_bench_report::capacity::CapacityPlan;
use echo_bench_report::capacity::search::Bounds;
use echo_bench_report::report::{InvalidSlo, Slo};
use echo_bench_report::sweep::{Flag, PlannedCell, SweepPlan, SweepPlanError};

use searched::SearchedFlags;

const EXAMPLES: &str = "\
Examples:
  echo-bench capacity --slo 'p99<2ms'
      the most that an embedded server carries
  echo-bench capacity 127.0.0.1:8080 -c 100 \\
                      --slo 'p99<5ms' --slo 'errors<0.1%'
  echo-bench capacity --slo 'p99<2ms' --model threads,epoll,tokio
  echo-bench capacity --slo 'p99<2ms' --slo 'rps>20k'
      gate: exit 3 if it carries less
  echo-bench capacity --slo 'p99<2ms' --arrival poisson -o capacity.html

The search begins with a closed loop, brackets the limit, and bisects with
runs of open load, each with a server of its own if it is embedded. Flags of a
run hold for every step; one with several values is an axis: one search for
each, with its own budget, and a comparison with the first. --slo rps>N is not
searched: it is the least that the server should carry.

Exit codes:
  0  an answer
  1  could not run
  2  usage
  3  a floor (rps>N) is missed
  4  no answer: the generator is the limit, or nothing could be judged within
     the budget
  129, 130, 143  interrupted; the interval so far is printed";

/// What a run needs beside its window and its warm-up: starting, connecting, draining. A guess
/// for the first of them.
const AROUND: Duration = Duration::from_millis(500);

/// The window of a step, unless it is typed.
const WINDOW: TimeSpan = TimeSpan(Duration::from_secs(3));

/// Most searches at once.
const MOST_LEVELS: usize = 100;

/// Replies are waited for this many times the limit, and at least so long: what comes later has
/// missed the objective, and a backlog takes no more time than that.
const DRAIN_LIMITS: u32 = 4;
const LEAST_DRAIN: Duration = Duration::from_secs(1);

/// Longer drains are those that a run has by itself.
const MOST_DRAIN: Duration = Duration::from_secs(5);

/// Flags that would fix what is searched, or end a step early, with what to say instead.
const REFUSED: [(&str, &str); 7] = [
    ("stage", "each step has one rate, which is searched"),
    ("ramp", "each step has one rate, which is searched"),
    ("arrivals", "each step has one rate, which is searched"),
    ("think", "it is for a closed loop, and the steps are open loops"),
    ("rate", "it is what is searched; bound it with --min-rate and --max-rate"),
    ("requests", "a step ends after a time: give it with --duration"),
    ("until", "the search decides how long a rate is measured: see --precision and --budget"),
];

/// What `-h` shows.
const SHOWN: [&str; 14] = [
    "address",
    "slo",
    "budget",
    "precision",
    "min-rate",
    "max-rate",
    "output",
    "quiet",
    "exec",
    "conns",
    "duration",
    "arrival",
    "protocol",
    "model",
];

/// A search for capacity, as typed.
#[derive(Debug, Args)]
#[command(after_help = MORE, after_long_help = EXAMPLES, mut_args(only(&SHOWN)))]
pub struct CapacityArgs {
    /// The server to load.
    #[arg(
        value_name = "TARGET",
        help = "Server to load: HOST:PORT, unix:/PATH or a URL",
        long_help = "Server to load: HOST:PORT, unix:/PATH or a URL; the same as --target [default: \
                     without --exec, an embedded echo-server is started for each step]"
    )]
    pub address: Option<String>,
    /// Time for the runs of a search
    #[arg(long, value_name = "TIME", default_value = "3m", help_heading = "Search")]
    pub budget: TimeSpan,
    /// Stop once the interval is this narrow
    #[arg(
        long, value_name = "PERCENT", value_parser = percent, default_value = "2%",
        help_heading = "Search"
    )]
    pub precision: f64,
    /// The lowest rate to try, requests per second
    #[arg(long, value_name = "N", default_value = "100", help_heading = "Search")]
    pub min_rate: Rate,
    /// The highest rate to try
    #[arg(long, value_name = "N", default_value = "10M", help_heading = "Search")]
    pub max_rate: Rate,
    /// Flags whose values go in step (repeatable)
    ///
    /// Like nodelay,server-nodelay, which then have the same number of values.
    #[arg(long, value_name = "FLAG,FLAG", help_heading = "Search")]
    pub in_step: Vec<String>,
    /// Seed of the schedules [default: 1]
    #[arg(long, value_name = "N", help_heading = "Search")]
    pub seed: Option<u64>,
    /// File of the result; its ending chooses the format
    ///
    /// Endings: .json, .html, .md or .txt. -: print JSON instead of the text.
    #[arg(short, long, value_name = "FILE", help_heading = "Search")]
    pub output: Option<PathBuf>,
    /// Format of the output [default: by the ending of -o, else text]
    #[arg(long, value_parser = choice::<PageFormat>(), help_heading = "Search")]
    pub format: Option<PageFormat>,
    /// Write a line of JSON to FILE for each interval of each run, as soon as it is over (-: stdout,
    /// which has nothing else then)
    #[arg(long, value_name = "FILE", help_heading = "Search")]
    pub stream: Option<PathBuf>,
    /// Where the result is kept
    #[arg(long, value_name = "DIR", default_value = "reports/runs", help_heading = "Search")]
    pub report_dir: PathBuf,
    /// Keep no result
    #[arg(long, help_heading = "Search")]
    pub no_report: bool,
    /// Watch the runs on the whole screen (keys: p, c, q and ?)
    #[arg(long, conflicts_with = "quiet", help_heading = "Search")]
    pub live: bool,
    /// No progress
    #[arg(short, long, help_heading = "Search")]
    pub quiet: bool,
    /// Settings and axes.
    #[command(flatten)]
    pub flags: SearchedFlags,
}

/// What was typed is no search.
#[derive(Debug, thiserror::Error)]
pub enum CapacityArgsError {
    /// A flag that makes no sense here.
    #[error("--{flag} can't be used with capacity: {instead}")]
    Refused {
        /// The flag.
        flag: &'static str,
        /// What to do instead.
        instead: &'static str,
    },
    /// Several processes.
    #[error(
        "--agents can't be used with capacity: it pools the runs of one rate, and those of several \
         agents can't be pooled (give `sweep` a list of --rate)"
    )]
    Agents,
    /// Nothing that must hold.
    #[error("capacity needs an objective that gets worse under load, like --slo 'p99<2ms'")]
    NoObjective,
    /// An objective that is none.
    #[error(transparent)]
    Slo(#[from] InvalidSlo),
    /// Several lengths of a step.
    #[error("--duration is the window of a step here: give one, like --duration 3s")]
    Duration,
    /// No precision.
    #[error("--precision must be above 0 % and at most 100 %")]
    Precision,
    /// Bounds the wrong way round.
    #[error("--min-rate {0} is not below --max-rate {1}")]
    Bounds(Rate, Rate),
    /// The target twice.
    #[error("the target is given twice; name it once, as TARGET or with --target")]
    TwoTargets,
    /// Too many searches.
    #[error("{0} searches are too many (at most {MOST_LEVELS}); leave out levels or axes")]
    TooMany(usize),
    /// A flag that can't be swept.
    #[error(transparent)]
    Flag(#[from] UnfitFlag),
    /// A combination that can't be run.
    #[error(transparent)]
    Plan(#[from] SweepPlanError),
}

/// A search that can be carried out.
#[derive(Debug)]
pub struct PlannedCapacity {
    /// What is searched.
    pub plan: CapacityPlan,
    /// One cell for each search.
    pub cells: Vec<PlannedCell>,
    /// The bounds of each.
    pub bounds: Bounds,
}

impl CapacityArgs {
    /// What was typed, as a plan.
    ///
    /// # Errors
    /// What is wrong, by flag or level.
    pub fn plan(&self) -> Result<PlannedCapacity, CapacityArgsError> {
        let mut flags = self.flags.0.clone();
        let has = |flags: &SweptFlags, name: &str| flags.0.iter().any(|(flag, _)| flag == name);
        for (flag, instead) in REFUSED {
            if has(&flags, flag) {
                return Err(CapacityArgsError::Refused { flag, instead });
            }
        }
        if flags.0.iter().any(|(flag, _)| is_of_agents(flag)) {
            return Err(CapacityArgsError::Agents);
        }
        if let Some(address) = &self.address {
            if has(&flags, TARGET) {
                return Err(CapacityArgsError::TwoTargets);
            }
            let addresses = address.split(',').map(str::to_owned).collect();
            flags.0.push((TARGET.into(), addresses));
        }
        if !(self.precision > 0.0 && self.precision <= 1.0) {
            return Err(CapacityArgsError::Precision);
        }
        let (min, max) = (self.min_rate, self.max_rate);
        if min >= max {
            return Err(CapacityArgsError::Bounds(min, max));
        }
        let slos = slos(&flags)?;
        let window = window(&mut flags)?;
        let (typed, axes) = flags.resolve(&self.in_step)?;
        let seed = self.seed.unwrap_or(1);
        let mut fixed = typed.clone();
        fixed.push(setting("rate", &min.to_string()));
        fixed.push(setting("duration", &window.to_string()));
        if let Some(drain) = drain(&flags, &slos) {
            fixed.push(setting("drain", &drain.to_string()));
        }
        let count = axes.iter().map(|axis| axis.levels.len()).product();
        if count > MOST_LEVELS {
            return Err(CapacityArgsError::TooMany(count));
        }
        let swept = SweepPlan { fixed, axes, repeats: 1, seed }.planned(&CommandLine)?;
        let load = swept.cells.iter().map(|cell| cell.load_ns).max().unwrap_or(0);
        let around = Duration::from_nanos(load).saturating_sub(window.0) + AROUND;
        let bounds = Bounds {
            min_rate: min.per_second(),
            max_rate: max.per_second(),
            precision: self.precision,
            budget: self.budget.0,
            window: window.0,
            around,
        };
        let plan = CapacityPlan {
            fixed: typed.into_iter().filter(|flag| flag.flag != "slo").collect(),
            axes: swept.plan.axes,
            slos,
            min_rate_per_s: bounds.min_rate,
            max_rate_per_s: bounds.max_rate,
            precision: self.precision,
            budget_s: self.budget.0.as_secs_f64(),
            window_s: window.0.as_secs_f64(),
            seed,
        };
        Ok(PlannedCapacity { plan, cells: swept.cells, bounds })
    }
}

fn setting(flag: &str, value: &str) -> Flag {
    Flag { flag: flag.to_owned(), value: value.to_owned() }
}

/// The objectives, of which one at least gets worse under load.
fn slos(flags: &SweptFlags) -> Result<Vec<Slo>, CapacityArgsError> {
    let typed = flags.0.iter().filter(|(flag, _)| flag == "slo");
    let slos: Vec<Slo> = typed
        .flat_map(|(_, values)| values)
        .map(|slo| slo.parse())
        .collect::<Result<_, _>>()?;
    if slos.iter().all(Slo::is_floor) {
        return Err(CapacityArgsError::NoObjective);
    }
    Ok(slos)
}

/// Takes the window of a step out of the flags.
fn window(flags: &mut SweptFlags) -> Result<TimeSpan, CapacityArgsError> {
    let place = flags.0.iter().position(|(flag, _)| flag == "duration");
    let Some(place) = place else { return Ok(WINDOW) };
    match &flags.0.remove(place).1[..] {
        [only] => only
            .parse()
            .ok()
            .filter(|window: &TimeSpan| !window.0.is_zero())
            .ok_or(CapacityArgsError::Duration),
        _ => Err(CapacityArgsError::Duration),
    }
}

/// How long the replies of a step are waited for, unless that was typed.
fn drain(flags: &SweptFlags, slos: &[Slo]) -> Option<TimeSpan> {
    if flags.0.iter().any(|(flag, _)| flag == "drain" || flag == "timeout") {
        return None;
    }
    let limit = slos.iter().filter_map(Slo::latency).max()?;
    let drain = (limit * DRAIN_LIMITS).max(LEAST_DRAIN);
    (drain < MOST_DRAIN).then_some(TimeSpan(drain))
}

impl PlannedCapacity {
    /// The command line of the closed loop that a search begins with.
    pub fn probe(&self, cell: usize) -> Vec<String> {
        let of_open_load = ["--rate=", "--arrival="];
        let words = self.cells[cell].command_line.iter();
        let left = words.filter(|word| !of_open_load.iter().any(|flag| word.starts_with(flag)));
        left.cloned().collect()
    }

    /// The command line of a run of so many windows at a rate.
    pub fn step(&self, cell: usize, rate: f64, windows: u32) -> Vec<String> {
        let replaced = ["--rate=", "--duration="];
        let words = self.cells[cell].command_line.iter();
        let left = words.filter(|word| !replaced.iter().any(|flag| word.starts_with(flag)));
        let mut step: Vec<String> = left.cloned().collect();
        step.push(format!("--rate={rate}"));
        step.push(format!("--duration={}", TimeSpan(self.bounds.window * windows)));
        step
    }
}

#[cfg(test)]
mod tests;
