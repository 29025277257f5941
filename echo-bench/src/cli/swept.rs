//! The flags of a run with several values, as typed: [`SweptFlags`], and how they become
//! what is fixed and what varies. Knows no flag by name, but for those that say something
//! about one run only.

mod lists;
mod unfit;

use std::sync::LazyLock;

use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Args, FromArgMatches, Parser};

use crate::cli::copied::described;
use crate::cli::{Cli, Command, Inputs, RunArgs};
use crate::exec::NamedCommand;
use echo_bench_engine::plan::Plan;
use echo_bench_report::sweep::{Axis, Flag, Level, RunFlags};
use echo_client::mask::{holds_password, masked};

use lists::{AnyOf, split};
pub use unfit::UnfitFlag;

/// Flags of a run of which a sweep has its own.
const OF_THE_SWEEP: [&str; 8] =
    ["output", "format", "stream", "threshold", "live", "quiet", "seed", "repeat"];

/// Flags that say which part of a run is carried out.
const OF_ONE_PART: [&str; 2] = ["part", "start-at"];

/// Flags that say where one run's results go or how they are judged.
pub(super) const OF_ONE_RUN: [&str; 12] = [
    "report-dir",
    "no-report",
    "hgrm",
    "hlog",
    "metrics",
    "baseline",
    "save-baseline",
    "baseline-dir",
    "fail-on",
    "allow-single",
    "judge",
    "strict",
];

fn is_of_one_run(flag: &str) -> bool {
    OF_ONE_PART.contains(&flag) || OF_ONE_RUN.contains(&flag)
}

/// The flag that names the server's command, whose levels have names of their own.
const EXEC: &str = "exec";

/// The flag that names the NATS server where agents wait.
pub const NATS: &str = "nats";

/// Whether a flag selects the machines that carry out a run, and not the load.
pub fn is_of_agents(flag: &str) -> bool {
    matches!(flag, "agents" | "local" | "min-agents" | "on-loss" | "server-agent")
        || is_of_nats(flag)
}

/// Whether a flag is of the NATS server, or names a file that lets somebody in there.
pub(super) fn is_of_nats(flag: &str) -> bool {
    flag == NATS || flag.starts_with("nats-")
}

/// Flags whose values are one list, in the order typed. The first takes those of all.
pub(super) const STAGES: [&str; 2] = ["stage", "ramp"];

/// Flags that name files, of which stdin can be read by one run only.
const FILES: [&str; 2] = ["message-file", "arrivals"];

/// The flags of a run that are not the sweep's own, from the definition of a run.
static FLAGS: LazyLock<Vec<Arg>> = LazyLock::new(|| {
    let command = RunArgs::augment_args(clap::Command::new("run"));
    let fit = |flag: &&Arg| {
        flag.get_long().is_some_and(|long| !OF_THE_SWEEP.contains(&long)) && !flag.is_hide_set()
    };
    command.get_arguments().filter(fit).cloned().collect()
});

/// The flag of sizes, whose distributions have settings with commas between them.
const SIZE: &str = "size";

/// The flag that names the server.
pub(super) const TARGET: &str = "target";

fn find(flag: &str) -> Option<&'static Arg> {
    FLAGS.iter().find(|known| known.get_long() == Some(flag))
}

/// Whether `flag` takes no value in a run. In a sweep its values are `on` and `off`.
pub(super) fn is_switch(flag: &str) -> bool {
    find(flag).is_some_and(|flag| !flag.get_action().takes_values())
}

/// Whether a run takes `flag` several times. Its values then go together in each run, and
/// are no levels.
pub(super) fn is_repeatable(flag: &str) -> bool {
    find(flag).is_some_and(|flag| matches!(flag.get_action(), ArgAction::Append))
}

/// The flags of a run, as the command line defines them.
#[derive(Debug, Clone, Copy)]
pub(super) struct CommandLine;

impl RunFlags for CommandLine {
    fn is_switch(&self, flag: &str) -> bool {
        is_switch(flag)
    }

    fn is_repeatable(&self, flag: &str) -> bool {
        is_repeatable(flag)
    }

    fn level_names(&self, flag: &str, values: &[String]) -> Vec<String> {
        level_names(flag, values)
    }

    fn plan(&self, command_line: &[String]) -> Result<Plan, String> {
        let words = ["echo-bench", "run"].map(str::to_owned);
        let typed = Cli::try_parse_from(words.iter().chain(command_line))
            .map_err(|error| first_line(&error))?;
        let Some(Command::Run(run)) = typed.command else { return Err("is no run".into()) };
        run.check_agents()?;
        let inputs = Inputs::of(&run).map_err(|error| error.to_string())?;
        run.plan(&inputs).map_err(|error| error.to_string())
    }
}

/// What the levels of a flag with these values are called: as the values, but for commands, whose
/// names are short. Commands without a name have that of their program, numbered if need be.
fn level_names(flag: &str, values: &[String]) -> Vec<String> {
    if flag != EXEC {
        return values.to_vec();
    }
    let parsed = |value: &String| value.parse::<NamedCommand>().ok();
    let mut names: Vec<String> = Vec::new();
    for value in values {
        // What is no command is refused by the run.
        let command = parsed(value);
        let title = command.as_ref().map_or_else(|| value.clone(), NamedCommand::title);
        let is_named = command.is_some_and(|command| command.name.is_some());
        let numbered = (2..).map(|number| format!("{title}-{number}"));
        let mut candidates = std::iter::once(title.clone()).chain(numbered);
        let free = candidates.find(|name| is_named || !names.contains(name));
        names.push(free.unwrap_or(title));
    }
    names
}

/// What clap says, without the usage that it adds, and without the password of a URL.
pub(super) fn first_line(error: &clap::Error) -> String {
    let text = error.to_string();
    let text = masked(&text);
    let lines = text.lines().take_while(|line| !line.is_empty());
    let lines: Vec<&str> =
        lines.map(|line| line.trim_start_matches("error: ").trim()).collect();
    lines.join(" ")
}

/// A flag that was typed of those that say where the results of a run go, or how they are
/// judged.
pub(super) fn result_flag(matches: &ArgMatches) -> Option<&'static str> {
    const RESULTS: [&str; 4] = ["output", "format", "stream", "threshold"];
    let command = RunArgs::augment_args(clap::Command::new("run"));
    OF_ONE_PART.into_iter().chain(OF_ONE_RUN).chain(RESULTS).find(|&long| {
        let arg = command.get_arguments().find(|arg| arg.get_long() == Some(long));
        arg.is_some_and(|arg| {
            let id = arg.get_id().as_str();
            matches.try_contains_id(id).is_ok()
                && matches.value_source(id) == Some(ValueSource::CommandLine)
        })
    })
}

/// What of a run was typed that says what it is, and not where its results go.
pub(super) fn typed(matches: &ArgMatches) -> Vec<Flag> {
    let of_the_run = |flag: &&Arg| {
        flag.get_long().is_some_and(|long| !is_of_one_run(long))
            && matches.try_contains_id(flag.get_id().as_str()).is_ok()
            && matches.value_source(flag.get_id().as_str()) == Some(ValueSource::CommandLine)
    };
    let (mut typed, mut stages) = (Vec::new(), Vec::new());
    // The address alone has no name.
    let address = matches.try_get_raw("address").ok().flatten();
    typed.extend(
        address.into_iter().flatten().map(|word| setting(TARGET, &word.to_string_lossy())),
    );
    for flag in FLAGS.iter().filter(of_the_run) {
        let (id, long) = (flag.get_id().as_str(), flag.get_long().unwrap_or_default());
        if is_switch(long) {
            typed.push(setting(long, "on"));
            continue;
        }
        let words = matches.get_raw(id).into_iter().flatten();
        if STAGES.contains(&long) {
            let places = matches.indices_of(id).into_iter().flatten();
            let words = words.map(|word| word.to_string_lossy().into_owned());
            stages.extend(places.zip(words));
            continue;
        }
        typed.extend(words.map(|word| setting(long, &word.to_string_lossy())));
    }
    typed.extend(in_order(stages).iter().map(|stage| setting(STAGES[0], stage)));
    typed
}

/// Stages in the order in which they were typed, by whichever flag.
fn in_order(mut stages: Vec<(usize, String)>) -> Vec<String> {
    stages.sort();
    stages.into_iter().map(|(_, stage)| stage).collect()
}

/// Checks that a flag and its values can be swept.
///
/// # Errors
/// Why not.
pub(super) fn check(flag: &str, values: &[String]) -> Result<(), UnfitFlag> {
    if is_of_one_run(flag) || OF_THE_SWEEP.contains(&flag) {
        return Err(UnfitFlag::OfOneRun(flag.to_owned()));
    }
    if find(flag).is_none() {
        return Err(UnfitFlag::Unknown(flag.to_owned()));
    }
    if values.is_empty() {
        return Err(UnfitFlag::Empty(flag.to_owned()));
    }
    let is_stdin = |value: &String| match flag {
        SIZE => value == "file:-",
        _ => FILES.contains(&flag) && value == "-",
    };
    if values.iter().any(is_stdin) {
        return Err(UnfitFlag::Stdin(flag.to_owned()));
    }
    if flag == NATS && values.iter().any(|url| holds_password(url)) {
        return Err(UnfitFlag::Password);
    }
    let odd = values.iter().find(|value| !matches!(value.as_str(), "on" | "off"));
    match odd.filter(|_| is_switch(flag)) {
        Some(value) => Err(UnfitFlag::NoSwitch { flag: flag.to_owned(), value: value.clone() }),
        None => Ok(()),
    }
}

/// Every flag of a run that can be swept, each with its values, in the order typed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SweptFlags(pub Vec<(String, Vec<String>)>);

impl Args for SweptFlags {
    fn augment_args(command: clap::Command) -> clap::Command {
        Self::augment_without(command, &[])
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl SweptFlags {
    /// The flags for a command that has some of them itself.
    pub(super) fn augment_without(command: clap::Command, own: &[&str]) -> clap::Command {
        let left = FLAGS.iter().filter(|flag| !is_own(flag, own));
        left.fold(command, |command, flag| {
            let long = flag.get_long().unwrap_or_default();
            let mut swept = Arg::new(long)
                .long(long)
                .action(ArgAction::Append)
                .value_parser(AnyOf(flag.get_possible_values()))
                .hide(is_of_one_run(long))
                .hide_short_help(flag.is_hide_short_help_set());
            swept = described(swept, flag);
            if let Some(short) = flag.get_short() {
                swept = swept.short(short);
            }
            if let Some(heading) = flag.get_help_heading() {
                swept = swept.help_heading(heading.to_owned());
            }
            swept = if is_switch(long) {
                let values = swept.value_name("on|off").num_args(0..=1);
                values.require_equals(true).default_missing_value("on")
            } else {
                let name = flag.get_value_names().and_then(<[_]>::first);
                swept.value_name(name.map_or("VALUE".to_owned(), ToString::to_string))
            };
            command.arg(swept)
        })
    }

    /// What was typed of the flags for a command that has some of them itself.
    pub(super) fn typed_without(matches: &ArgMatches, own: &[&str]) -> Self {
        let mut typed: Vec<(usize, String, Vec<String>)> = Vec::new();
        let mut stages: Vec<(usize, String)> = Vec::new();
        for flag in FLAGS.iter().filter(|flag| !is_own(flag, own)) {
            let long = flag.get_long().unwrap_or_default();
            let Some(first) = matches.indices_of(long).and_then(|mut places| places.next())
            else {
                continue;
            };
            let words = matches.get_many::<String>(long).into_iter().flatten();
            if STAGES.contains(&long) {
                let places = matches.indices_of(long).into_iter().flatten();
                stages.extend(places.zip(words.cloned()));
                continue;
            }
            let values = words.flat_map(|word| split(long, word)).collect();
            typed.push((first, long.to_owned(), values));
        }
        if let Some(&(first, _)) = stages.iter().min() {
            typed.push((first, STAGES[0].to_owned(), in_order(stages)));
        }
        typed.sort();
        Self(typed.into_iter().map(|(_, flag, values)| (flag, values)).collect())
    }
}

fn is_own(flag: &Arg, own: &[&str]) -> bool {
    flag.get_long().is_some_and(|long| own.contains(&long))
}

impl FromArgMatches for SweptFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self::typed_without(matches, &[]))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl SweptFlags {
    /// What is fixed and what varies: a flag with several values is an axis, unless a run
    /// takes it several times, and those that `in_step` names together are one axis.
    ///
    /// # Errors
    /// The first flag that can't be swept, or flags that can't go in step.
    pub fn resolve(&self, in_step: &[String]) -> Result<(Vec<Flag>, Vec<Axis>), UnfitFlag> {
        let (mut fixed, mut axes): (Vec<Flag>, Vec<Axis>) = Default::default();
        let group =
            |flag: &str| in_step.iter().find(|group| parts(group).any(|part| part == flag));
        for (flag, values) in &self.0 {
            check(flag, values)?;
            match (group(flag), values.as_slice()) {
                (Some(group), _) => {
                    let together = self.in_step(group)?;
                    if axes.iter().all(|axis| axis.name != together.name) {
                        axes.push(together);
                    }
                }
                (None, values) if values.len() == 1 || is_repeatable(flag) => {
                    fixed.extend(values.iter().map(|value| setting(flag, value)));
                }
                (None, values) => {
                    let named = level_names(flag, values).into_iter().zip(values);
                    let levels = named
                        .map(|(name, value)| Level { name, flags: vec![setting(flag, value)] });
                    axes.push(Axis { name: flag.clone(), levels: levels.collect() });
                }
            }
        }
        for group in in_step {
            self.in_step(group)?;
        }
        Ok((fixed, axes))
    }

    /// Flags that go in step, as one axis.
    fn in_step(&self, group: &str) -> Result<Axis, UnfitFlag> {
        let unfit = || UnfitFlag::InStep(group.to_owned());
        let find = |part| self.0.iter().find(|(flag, _)| *flag == part).ok_or_else(unfit);
        let members = parts(group).map(find).collect::<Result<Vec<_>, _>>()?;
        let count = members.first().ok_or_else(unfit)?.1.len();
        if members.len() < 2 || count < 2 || members.iter().any(|m| m.1.len() != count) {
            return Err(unfit());
        }
        let level = |place: usize| {
            let flags: Vec<Flag> =
                members.iter().map(|(flag, values)| setting(flag, &values[place])).collect();
            let name = |(flag, values): &&(String, Vec<String>)| {
                level_names(flag, values).swap_remove(place)
            };
            let mut names: Vec<String> = members.iter().map(name).collect();
            names.dedup();
            Level { name: names.join("/"), flags }
        };
        let name = parts(group).collect::<Vec<_>>().join("+");
        Ok(Axis { name, levels: (0..count).map(level).collect() })
    }
}

fn parts(group: &str) -> impl Iterator<Item = &str> {
    group.split([',', '+']).map(|part| part.trim().trim_start_matches("--"))
}

fn setting(flag: &str, value: &str) -> Flag {
    Flag { flag: flag.to_owned(), value: value.to_owned() }
}

#[cfg(test)]
mod tests;
