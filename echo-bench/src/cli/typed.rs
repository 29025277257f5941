//! The flags of a run as they were typed: [`TypedFlags`], for whoever makes the same run again.

use clap::{ArgMatches, Args, Command, FromArgMatches};

use super::swept;
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
