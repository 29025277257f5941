//! `echo-bench rerun`, as typed: [`RerunArgs`], and the plan that it means.

use std::path::PathBuf;

use clap::{Args, Parser};

use echo_client::Endpoint;

use super::pinning::Pin;
use super::swept::{self, first_line};
use super::{Cli, Command, Inputs, ResultArgs, RunArgs, RunArgsError, SweepArgs};
use echo_bench_engine::plan::{PinMode, Plan, PlanError, Target, Trust};
use echo_bench_report::report::Report;
use echo_bench_report::sweep::{Flag, SweepPlan};

const EXAMPLES: &str = "\
Examples:
  echo-bench rerun reports/runs/20261126T161848-tokio-line-c1000.json
  echo-bench rerun base.json 127.0.0.1:8080       the same load on another server
  echo-bench rerun base.json -o new.json && echo-bench compare base.json new.json

Plan, seed and schedule are those of the report, and so are its objectives unless --slo is given.
Reports of --repeat and of sweeps are measured again whole.
Exit codes: those of run, or of sweep.";

/// The arguments of `rerun`.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct RerunArgs {
    /// The report: JSON, or the web page of it
    #[arg(value_name = "REPORT")]
    pub file: PathBuf,
    /// Load this server instead, HOST:PORT
    #[arg(value_name = "TARGET")]
    pub target: Option<Endpoint>,
    /// CPU affinity (default: as in the report; auto is resolved anew)
    #[arg(long, value_name = "auto|off|CPUS")]
    pin: Option<Pin>,
    /// Run the commands of the report that start its server (--exec, --prepare), and read the files
    /// that it names
    #[arg(long)]
    pub allow_exec: bool,
    /// Where the results go
    #[command(flatten)]
    pub results: ResultArgs,
}

/// Why the run of a report can't be repeated.
#[derive(Debug, thiserror::Error)]
pub enum RerunArgsError {
    /// A URL.
    #[error("name the other target as HOST:PORT: what is spoken with it is in the report")]
    Url,
    /// A fingerprint that is not of this server.
    #[error(
        "the run trusted the certificate of its embedded server, which another target does not \
         have; type the run anew, with --cacert or --insecure"
    )]
    EmbeddedTrust,
    /// Commands that nobody has agreed to.
    #[error(
        "the report runs a command or reads a file, and a report may come from anybody: `{0}` \
         (say --allow-exec to allow it)"
    )]
    Exec(String),
    /// CPUs that are not there.
    #[error("{0} (the report's run was pinned; say --pin auto or --pin off)")]
    Pin(RunArgsError),
    /// What this version can't carry out.
    #[error("the plan of the report can't be carried out: {0}")]
    Plan(#[from] PlanError),
    /// Another schedule.
    #[error(
        "the schedule of this version differs from that of the report's ({then} then, {now} now), \
         so it would be another run"
    )]
    Schedule {
        /// Its digest in the report.
        then: String,
        /// Its digest now.
        now: String,
    },
    /// A flag that a report of several runs has no use for.
    #[error("{0} is for the report of a single run; this one has several")]
    Single(&'static str),
    /// Flags of the stored runs that mean nothing now.
    #[error("the runs of the report can't be repeated: {0}")]
    Flags(String),
}

impl RerunArgs {
    /// Refuses flags that no run has, and what runs of a stored sweep do on this machine unless
    /// that was allowed.
    ///
    /// # Errors
    /// The first such thing.
    pub fn check(&self, plan: &SweepPlan) -> Result<(), RerunArgsError> {
        let levels = plan.axes.iter().flat_map(|axis| &axis.levels);
        for flag in plan.fixed.iter().chain(levels.flat_map(|level| &level.flags)) {
            // A name that holds a value, too, would be another flag on a command line.
            swept::check(&flag.flag, std::slice::from_ref(&flag.value))
                .map_err(|reason| RerunArgsError::Flags(reason.to_string()))?;
        }
        match reaching_out(plan).filter(|_| !self.allow_exec) {
            Some(flag) => Err(RerunArgsError::Exec(format!("--{} {}", flag.flag, flag.value))),
            None => Ok(()),
        }
    }

    /// The plan of a report, for this machine and the target that was typed.
    ///
    /// # Errors
    /// Why it would not be the same run.
    pub fn plan(&self, report: &Report) -> Result<Plan, RerunArgsError> {
        let before = &report.plan;
        before.check()?;
        before.check_arrivals()?;
        let target = match &self.target {
            None => before.target.clone(),
            Some(other) if other.scheme.is_some() => return Err(RerunArgsError::Url),
            Some(other) => {
                let trust = before.tls.as_ref().map(|tls| &tls.trust);
                if trust == Some(&Trust::Embedded) {
                    return Err(RerunArgsError::EmbeddedTrust);
                }
                let address = other.address.clone().as_target().to_string();
                Target::Address { address, server_pid: None }
            }
        };
        if let (Target::Command(command), false) = (&target, self.allow_exec) {
            let prepared = command.prepare.iter().map(|prepare| format!("{prepare}; "));
            let all = prepared.chain([command.command.clone()]).collect();
            return Err(RerunArgsError::Exec(all));
        }
        let pin = match (&self.pin, before.pin.asked) {
            (Some(typed), _) => typed.clone(),
            (None, PinMode::Auto) => Pin::Auto,
            (None, PinMode::Off) => Pin::Off,
            (None, PinMode::Cpus) => Pin::of_generator(&before.pin),
        };
        let pin = pin.resolve(before.threads, &target, &Inputs::of_machine());
        let pin = pin.map_err(RerunArgsError::Pin)?;
        let plan = before.with(|settings| (settings.target, settings.pin) = (target, pin))?;
        match (before.schedule_digest(), plan.schedule_digest()) {
            (Some(then), Some(now)) if then != now => {
                Err(RerunArgsError::Schedule { then: then.into(), now: now.into() })
            }
            _ => Ok(plan),
        }
    }

    /// So many runs again that were made by `--repeat`, with these flags.
    ///
    /// # Errors
    /// Why they can't be made.
    pub fn repeats(
        self,
        fixed: &[Flag],
        runs: u32,
        seed: u64,
    ) -> Result<RunArgs, RerunArgsError> {
        let of_runs = [format!("--repeat={runs}"), format!("--seed={seed}")];
        let pin = self.pin.as_ref().map(|pin| format!("--pin={pin}"));
        let target = self.target.as_ref().map(|target| format!("--target={}", target.address));
        let replaced = |flag: &&Flag| {
            (flag.flag == "pin" && pin.is_some()) || (flag.flag == "target" && target.is_some())
        };
        let flags = fixed.iter().filter(|flag| !replaced(flag));
        let words = flags.filter_map(|flag| flag.word(&swept::CommandLine));
        let words = words.chain(of_runs).chain(pin.clone()).chain(target.clone());
        match parsed("run", words.collect())? {
            Command::Run(run) => Ok(RunArgs { results: self.results, ..*run }),
            _ => Err(RerunArgsError::Flags("they are not of a run".into())),
        }
    }

    /// The sweep in the file again.
    ///
    /// # Errors
    /// When something was typed that is for a single run.
    pub fn sweep(&self) -> Result<SweepArgs, RerunArgsError> {
        let results = &self.results;
        let for_one = [
            ("TARGET", self.target.is_some()),
            ("--pin", self.pin.is_some()),
            ("--hgrm", results.hgrm.is_some()),
            ("--hlog", results.hlog.is_some()),
            ("--label", !results.label.is_empty()),
            ("--slo", !results.slo.is_empty()),
            ("--baseline", results.baseline.is_some()),
            ("--save-baseline", results.save_baseline.is_some()),
            ("--strict", results.strict),
        ];
        if let Some((flag, _)) = for_one.iter().find(|(_, typed)| *typed) {
            return Err(RerunArgsError::Single(flag));
        }
        let mut words = vec![self.file.display().to_string()];
        words
            .extend(results.output.as_ref().map(|file| format!("--output={}", file.display())));
        words.extend(results.format.map(|format| format!("--format={format}")));
        words.extend(results.quiet.then(|| "--quiet".to_owned()));
        words.extend(self.allow_exec.then(|| "--allow-exec".to_owned()));
        match parsed("sweep", words)? {
            Command::Sweep(sweep) => Ok(*sweep),
            _ => Err(RerunArgsError::Flags("they are not of a sweep".into())),
        }
    }
}

/// What runs of a stored sweep do on this machine, beside load: commands that are run, files that
/// are read and sent. Reports may come from anybody.
pub(super) fn reaching_out(plan: &SweepPlan) -> Option<&Flag> {
    const REACHING_OUT: [&str; 4] = ["exec", "prepare", "message-file", "arrivals"];
    let levels = plan.axes.iter().flat_map(|axis| &axis.levels);
    let mut flags = plan.fixed.iter().chain(levels.flat_map(|level| &level.flags));
    flags.find(|flag| REACHING_OUT.contains(&flag.flag.as_str()))
}

/// A command line, word by word.
fn parsed(command: &str, words: Vec<String>) -> Result<Command, RerunArgsError> {
    let line = ["echo-bench", command].map(str::to_owned).into_iter().chain(words);
    let cli = Cli::try_parse_from(line);
    let cli = cli.map_err(|error| RerunArgsError::Flags(first_line(&error)))?;
    cli.command.ok_or_else(|| RerunArgsError::Flags("there is no command".into()))
}
