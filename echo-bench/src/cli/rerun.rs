//! `echo-bench rerun`, as typed: [`RerunArgs`], and the plan that it means.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser};

use echo_client::Endpoint;
use echo_client::credentials::Credentials;
use echo_manual::{MORE, only};
use echo_net::settings::TimeSpan;

use super::login;
use super::pinning::Pin;
use super::swept::{self, first_line};
use super::typed::TypedNames;
use super::{CapacityArgs, Cli, Command, Inputs, ResultArgs, RunArgs, RunArgsError, SweepArgs};
use echo_bench_engine::plan::{PinMode, Plan, PlanError, Target, Trust};
use echo_bench_report::capacity::CapacityPlan;
use echo_bench_report::report::Report;
use echo_bench_report::sweep::{Flag, SweepPlan};

const EXAMPLES: &str = "\
Examples:
  echo-bench rerun reports/runs/20261126T161848-tokio-line-c1000.json
  echo-bench rerun base.json 127.0.0.1:8080
      the same load on another server
  echo-bench rerun base.json -o new.json && \\
  echo-bench compare base.json new.json

Plan, seed and schedule are those of the report, and so are its objectives
unless --slo is given. Reports of --repeat and of sweeps are measured again
whole. Exit codes are those of run, sweep or capacity.";

/// What `-h` shows.
const SHOWN: [&str; 10] = [
    "file",
    "target",
    "pin",
    "allow-exec",
    "output",
    "label",
    "slo",
    "no-report",
    "live",
    "quiet",
];

/// The arguments of `rerun`.
#[derive(Debug, Args)]
#[command(after_help = MORE, after_long_help = EXAMPLES, mut_args(only(&SHOWN)))]
pub struct RerunArgs {
    // Before the others, which take their values out of what was typed.
    #[command(flatten)]
    typed: TypedNames,
    /// The report: JSON, or the web page of it
    #[arg(value_name = "REPORT")]
    pub file: PathBuf,
    /// Load this server instead, HOST:PORT
    #[arg(value_name = "TARGET")]
    pub target: Option<Endpoint>,
    /// CPU affinity [default: as in the report; auto is resolved anew]
    #[arg(long, value_name = "auto|off|CPUS")]
    pin: Option<Pin>,
    /// Run the commands and read the files that the report names
    ///
    /// Commands start its server (--exec, --prepare). A report may come from anybody.
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
    /// A user of a Redis who can't log in.
    #[error(
        "the report names a user of Redis, who can't log in without a password, and reports hold \
         none: set REDISCLI_AUTH"
    )]
    UserWithoutPassword,
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
    /// Other sizes of messages.
    #[error(
        "the sizes that this version draws for its messages differ from those of the report's ({then} \
         then, {now} now), so it would be another run"
    )]
    Sizes {
        /// Their digest in the report.
        then: String,
        /// Their digest now.
        now: String,
    },
    /// A flag that a report of several runs has no use for.
    #[error(
        "--{flag} is not for the report of a {report} (`echo-bench {report} --help` lists the flags \
         of one that is typed anew)"
    )]
    NotTaken {
        /// The flag, without dashes.
        flag: String,
        /// What the report is of.
        report: &'static str,
    },
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

    /// The plan of a report, for this machine and the target that was typed. Passwords, which no
    /// report holds, are those of `credentials`.
    ///
    /// # Errors
    /// Why it would not be the same run.
    pub fn plan(
        &self,
        report: &Report,
        credentials: &Credentials,
    ) -> Result<Plan, RerunArgsError> {
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
        let forwards = before.link.is_some();
        let pin = pin.resolve(before.threads, &target, forwards, &Inputs::of_machine());
        let pin = pin.map_err(RerunArgsError::Pin)?;
        let workload = login::logged_in(before, &target, credentials)?;
        let plan = before.with(|settings| {
            (settings.target, settings.pin, settings.workload) = (target, pin, workload);
        })?;
        match (before.schedule_digest(), plan.schedule_digest()) {
            (Some(then), Some(now)) if then != now => {
                Err(RerunArgsError::Schedule { then: then.into(), now: now.into() })
            }
            _ => same_sizes(before, plan),
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
        if self.target.as_ref().is_some_and(|target| target.scheme.is_some()) {
            return Err(RerunArgsError::Url);
        }
        let mut own = vec![format!("--repeat={runs}"), format!("--seed={seed}")];
        own.extend(self.pin.as_ref().map(|pin| format!("--pin={pin}")));
        own.extend(self.target.as_ref().map(|target| format!("--target={}", target.address)));
        own.extend(self.results.slo.iter().map(|slo| format!("--slo={slo}")));
        let label = |(key, value): &(String, String)| format!("--label={key}={value}");
        own.extend(self.results.label.iter().map(label));
        let replaced = |flag: &&Flag| match flag.flag.as_str() {
            "pin" => self.pin.is_some(),
            "slo" => !self.results.slo.is_empty(),
            "label" => !self.results.label.is_empty(),
            name => self.target.is_some() && names_the_server(name),
        };
        let flags = fixed.iter().filter(|flag| !replaced(flag));
        let words = flags.filter_map(|flag| flag.word(&swept::CommandLine));
        match parsed("run", words.chain(own).collect())? {
            Command::Run(run) => Ok(RunArgs { results: self.results, ..*run }),
            _ => Err(RerunArgsError::Flags("they are not of a run".into())),
        }
    }

    /// The sweep in the file again.
    ///
    /// # Errors
    /// When something was typed that is for a single run.
    pub fn sweep(&self) -> Result<SweepArgs, RerunArgsError> {
        let taken = ["output", "format", "live", "stream", "quiet", "allow-exec"];
        self.refuse_but(&taken, "sweep")?;
        let mut words = vec![self.file.display().to_string()];
        words.extend(self.outlet());
        words.extend(self.allow_exec.then(|| "--allow-exec".to_owned()));
        match parsed("sweep", words)? {
            Command::Sweep(sweep) => Ok(*sweep),
            _ => Err(RerunArgsError::Flags("they are not of a sweep".into())),
        }
    }

    /// The search of a stored capacity again.
    ///
    /// # Errors
    /// When something was typed that a search has no use for, or it can't be the same search.
    pub fn capacity(&self, before: &CapacityPlan) -> Result<CapacityArgs, RerunArgsError> {
        let taken = [
            "output",
            "format",
            "live",
            "stream",
            "quiet",
            "allow-exec",
            "target",
            "report-dir",
            "no-report",
        ];
        self.refuse_but(&taken, "capacity")?;
        if self.target.as_ref().is_some_and(|target| target.scheme.is_some()) {
            return Err(RerunArgsError::Url);
        }
        let (fixed, axes) = (before.fixed.clone(), before.axes.clone());
        self.check(&SweepPlan { fixed, axes, repeats: 1, seed: before.seed })?;
        let kept = |flag: &&Flag| self.target.is_none() || !names_the_server(&flag.flag);
        let mut words = searched(before, kept);
        words.extend(self.target.as_ref().map(|target| format!("--target={}", target.address)));
        words.extend(self.outlet());
        words.push(format!("--report-dir={}", self.results.report_dir.display()));
        words.extend(self.results.no_report.then(|| "--no-report".to_owned()));
        let Command::Capacity(search) = parsed("capacity", words)? else {
            return Err(RerunArgsError::Flags("they are not of a search".into()));
        };
        let planned =
            search.plan().map_err(|reason| RerunArgsError::Flags(reason.to_string()))?;
        let same = planned.plan.axes == before.axes && planned.plan.slos == before.slos;
        // What holds a comma may be split where it was one value.
        if !same && self.target.is_none() {
            return Err(RerunArgsError::Flags("it would be another search".into()));
        }
        Ok(*search)
    }

    fn refuse_but(&self, taken: &[&str], report: &'static str) -> Result<(), RerunArgsError> {
        match self.typed.0.iter().find(|flag| !taken.contains(&flag.as_str())) {
            Some(flag) => Err(RerunArgsError::NotTaken { flag: flag.clone(), report }),
            None => Ok(()),
        }
    }

    /// Where results go, as words.
    fn outlet(&self) -> impl Iterator<Item = String> {
        let results = &self.results;
        let output = results.output.as_ref().map(|file| format!("--output={}", file.display()));
        let format = results.format.map(|format| format!("--format={format}"));
        let live = results.live.then(|| "--live".to_owned());
        let quiet = results.quiet.then(|| "--quiet".to_owned());
        let stream = results.stream.as_ref().map(|file| format!("--stream={}", file.display()));
        output.into_iter().chain(format).chain(stream).chain(live).chain(quiet)
    }
}

/// The plan, if its messages have the sizes of those `before`.
fn same_sizes(before: &Plan, plan: Plan) -> Result<Plan, RerunArgsError> {
    match (before.drawn_sizes(), plan.drawn_sizes()) {
        (Some(then), Some(now)) if then.digest != now.digest => {
            let [then, now] = [then, now].map(|drawn| drawn.digest.clone());
            Err(RerunArgsError::Sizes { then, now })
        }
        _ => Ok(plan),
    }
}

/// The words of a search, with its flags of a run that are `kept`.
fn searched(before: &CapacityPlan, kept: impl Fn(&&Flag) -> bool) -> Vec<String> {
    let seconds = |s: f64| TimeSpan(Duration::try_from_secs_f64(s).unwrap_or_default());
    let mut words = vec![
        format!("--budget={}", seconds(before.budget_s)),
        format!("--duration={}", seconds(before.window_s)),
        format!("--precision={}%", before.precision * 100.0),
        format!("--min-rate={}", before.min_rate_per_s),
        format!("--max-rate={}", before.max_rate_per_s),
        format!("--seed={}", before.seed),
    ];
    words.extend(before.slos.iter().map(|slo| format!("--slo={slo}")));
    // In a search a switch has a value, as in a sweep.
    let word = |flag: &Flag| format!("--{}={}", flag.flag, flag.value);
    words.extend(before.fixed.iter().filter(&kept).map(word));
    for axis in &before.axes {
        let flags = axis.levels.iter().flat_map(|level| &level.flags);
        words.extend(flags.filter(&kept).map(word));
        let first = axis.levels.first().map_or(&[][..], |level| &level.flags[..]);
        let names: Vec<&str> = first.iter().filter(&kept).map(|flag| &*flag.flag).collect();
        if names.len() > 1 {
            words.push(format!("--in-step={}", names.join(",")));
        }
    }
    words
}

/// Whether a flag says which server is loaded, or how it is started.
fn names_the_server(flag: &str) -> bool {
    const NAMES: [&str; 8] = [
        "target",
        "server-pid",
        "model",
        "exec",
        "ready",
        "exec-timeout",
        "prepare",
        "prepare-timeout",
    ];
    NAMES.contains(&flag) || flag.starts_with("server-")
}

/// What runs of a stored sweep do on this machine, beside load: commands that are run, files that
/// are read and sent. Reports may come from anybody.
pub(super) fn reaching_out(plan: &SweepPlan) -> Option<&Flag> {
    const REACHING_OUT: [&str; 4] = ["exec", "prepare", "message-file", "arrivals"];
    let levels = plan.axes.iter().flat_map(|axis| &axis.levels);
    let mut flags = plan.fixed.iter().chain(levels.flat_map(|level| &level.flags));
    flags.find(|flag| {
        let names_a_file = flag.flag == "size" && flag.value.starts_with("file:");
        names_a_file
            || REACHING_OUT.contains(&flag.flag.as_str())
            || swept::is_of_nats(&flag.flag)
    })
}

/// A command line, word by word.
fn parsed(command: &str, words: Vec<String>) -> Result<Command, RerunArgsError> {
    let line = ["echo-bench", command].map(str::to_owned).into_iter().chain(words);
    let cli = Cli::try_parse_from(line);
    let cli = cli.map_err(|error| RerunArgsError::Flags(first_line(&error)))?;
    cli.command.ok_or_else(|| RerunArgsError::Flags("there is no command".into()))
}
