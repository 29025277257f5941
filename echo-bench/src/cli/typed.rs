//! The flags of a run as they were typed: [`TypedFlags`], from which the same command line can be built.

use clap::parser::ValueSource;
use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::{RunArgs, swept};
use echo_bench_report::sweep::Flag;

/// The flags that say what one run is, in the order of `--help`. Where its results go and how
/// they are judged is none of them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TypedFlags(pub(super) Vec<Flag>);

impl Args for TypedFlags {
    /// There are no flags of its own: it reads those of the others.
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

impl FromArgMatches for TypedFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(swept::typed(matches)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

/// The names of the arguments that were typed, without dashes, whatever they are.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TypedNames(pub(super) Vec<String>);

impl Args for TypedNames {
    /// There are no flags of its own: it reads those of the others.
    fn augment_args(command: Command) -> Command {
        command
    }

    fn augment_args_for_update(command: Command) -> Command {
        command
    }
}

impl FromArgMatches for TypedNames {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let is_typed = |id: &&clap::Id| {
            matches.value_source(id.as_str()) == Some(ValueSource::CommandLine)
        };
        let names = matches.ids().filter(is_typed).map(|id| id.as_str().replace('_', "-"));
        Ok(Self(names.filter(|name| name != "file").collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl RunArgs {
    /// The flags that say what this run is.
    pub fn flags(&self) -> &[Flag] {
        &self.typed.0
    }

    /// The command line that makes this run, word by word, without where its results go.
    pub fn command_line(&self) -> Vec<String> {
        let words = self.typed.0.iter().filter_map(|flag| flag.word(&swept::CommandLine));
        let seed = self.load.seed.map(|seed| format!("--seed={seed}"));
        ["echo-bench", "run"].map(str::to_owned).into_iter().chain(words).chain(seed).collect()
    }
}
