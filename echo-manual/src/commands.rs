//! Commands as `--help` lists them: [`shown`], and the names of their pages.

use clap::Command;

/// The subcommands that `--help` lists.
pub(crate) fn shown(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set())
}

/// The name of a command's page, like `echo-bench-sweep`.
pub(crate) fn name_of(command: &Command) -> &str {
    command.get_display_name().unwrap_or_else(|| command.get_name())
}
