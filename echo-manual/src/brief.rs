//! What `-h` shows: [`only`] the arguments that are needed most, so that it fits one screen. `--help`
//! shows all.

use clap::Arg;
use clap::builder::PossibleValue;

/// The text below the flags in `-h`.
pub const MORE: &str = "All flags, examples and exit codes: --help";

/// Lists of values that are longer are left to `--help`.
const LONGEST_LIST: usize = 40;

/// Hides all arguments from `-h` but those with these names, for [`clap::Command::mut_args`]. A
/// name is that of the flag without dashes, or of the field of a positional argument.
pub fn only(shown: &[&str]) -> impl Fn(Arg) -> Arg {
    move |arg| {
        let name = arg.get_long().unwrap_or_else(|| arg.get_id().as_str());
        if shown.contains(&name) {
            without_long_list(arg.hide_short_help(false))
        } else {
            arg.hide_short_help(true)
        }
    }
}

/// Moves a long list of values from both helps to the long one.
fn without_long_list(arg: Arg) -> Arg {
    let names = listed(&arg);
    if names.len() <= LONGEST_LIST {
        return arg;
    }
    let help = with_values(&arg, &names);
    arg.long_help(help).hide_possible_values(true)
}

/// The values that help lists, with commas; empty if there are none, or each is explained.
pub(crate) fn listed(arg: &Arg) -> String {
    let values = arg.get_possible_values();
    let is_explained = values.iter().any(|value| value.get_help().is_some());
    if is_explained || arg.is_hide_possible_values_set() {
        return String::new();
    }
    let shown = values.iter().filter(|value| !value.is_hide_set());
    shown.map(PossibleValue::get_name).collect::<Vec<_>>().join(", ")
}

/// The long help with a list of values below it.
pub(crate) fn with_values(arg: &Arg, names: &str) -> String {
    let help = arg.get_long_help().or_else(|| arg.get_help());
    let help = help.map(ToString::to_string).unwrap_or_default();
    if names.is_empty() { help } else { format!("{help}\n\n[possible values: {names}]") }
}
