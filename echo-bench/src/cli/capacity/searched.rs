//! The flags of a run that `capacity` takes: [`SearchedFlags`].

use clap::{ArgMatches, Args, FromArgMatches};

use super::REFUSED;
use crate::cli::swept::{OF_ONE_RUN, SweptFlags, is_of_agents};

/// Flags of a run as in a sweep, without those that the search has itself. `--duration` is the
/// window of a step.
#[derive(Debug, Clone, Default)]
pub struct SearchedFlags(pub SweptFlags);

impl Args for SearchedFlags {
    fn augment_args(command: clap::Command) -> clap::Command {
        let command = SweptFlags::augment_without(command, &OF_ONE_RUN);
        let hidden = |command: clap::Command, (flag, _): &(&'static str, &str)| {
            command.mut_arg(*flag, |arg| arg.hide(true))
        };
        REFUSED
            .iter()
            .fold(command, hidden)
            .mut_args(|arg| match arg.get_long() {
                Some(long) if is_of_agents(long) => arg.hide(true),
                _ => arg,
            })
            .mut_arg("duration", |arg| {
                arg.help("Measured window of a step [default: 3s]").long_help(None::<&str>)
            })
            .mut_arg("slo", |arg| {
                arg.help("Objective that must hold, like p99<2ms (repeatable)").long_help(
                    "Objective that must hold, like p99<2ms or errors<0.1% (repeatable); rps>10k \
                     is a floor of the answer: exit 3 if it is missed",
                )
            })
    }

    fn augment_args_for_update(command: clap::Command) -> clap::Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for SearchedFlags {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        Ok(Self(SweptFlags::typed_without(matches, &OF_ONE_RUN)))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
