//! Completion scripts: [`script`]. Only what `--help` shows is offered; values of a closed set are
//! completed, files where a file is wanted, and nothing for a number or an address.

use clap::builder::PossibleValuesParser;
use clap::{Arg, ArgAction, Command, ValueHint};
use clap_complete::Shell;

use crate::commands::shown;

/// The script of `program`, which is built.
pub(crate) fn script(shell: Shell, program: &Command) -> String {
    let (name, mut script) = (program.get_name().to_owned(), Vec::new());
    let mut offered = offered(program).subcommand(help_of(program));
    clap_complete::generate(shell, &mut offered, name.clone(), &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    match shell {
        Shell::Bash => {
            // clap_complete writes the dash of the name in two ways, and so finds no subcommand.
            let (one, other) = (name.replace('-', "__subcmd__"), name.replace('-', "__"));
            script.replace(&one, &other).replacen(BASH_PREVIOUS, BASH_EQUALS, 1)
        }
        Shell::Fish => script.replacen(FISH_UNFINISHED, FISH_NO_COMMAND, 1),
        _ => script,
    }
}

/// What fish does where a flag's value is still to come, which therefore is not completed.
const FISH_UNFINISHED: &str = "2>/dev/null\n    or return\n";

/// The same, but so that no subcommand has been typed yet.
const FISH_NO_COMMAND: &str = "2>/dev/null\n    or return 0\n";

/// Where the script for bash learns the word before the cursor's.
const BASH_PREVIOUS: &str = "    prev=\"$3\"\n";

/// The same with `--flag=value`, which is three words where `COMP_WORDBREAKS` has a `=`.
const BASH_EQUALS: &str = "    prev=\"$3\"
    if [[ \"${prev}\" == \"=\" && \"${COMP_CWORD}\" -ge 2 ]]; then
        prev=\"${COMP_WORDS[COMP_CWORD-2]}\"
    elif [[ \"${COMP_WORDS[COMP_CWORD]}\" == \"=\" ]]; then
        prev=\"${COMP_WORDS[COMP_CWORD-1]}\"
        cur=\"\"
    fi
";

/// A command with what a script offers: not its hidden arguments and subcommands, which clap
/// would offer too, nor what arguments require of each other.
fn offered(command: &Command) -> Command {
    let visible = command.get_arguments().filter(|arg| !arg.is_hide_set());
    Command::new(command.get_name().to_owned())
        .about(command.get_about().cloned().unwrap_or_default())
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .args(visible.map(offered_arg))
        .subcommands(shown(command).map(offered))
}

fn offered_arg(arg: &Arg) -> Arg {
    let action = match arg.get_action() {
        // Those of clap need more of the command.
        ArgAction::Help | ArgAction::HelpShort | ArgAction::HelpLong | ArgAction::Version => {
            ArgAction::SetTrue
        }
        other => other.clone(),
    };
    let takes_values = action.takes_values();
    let mut offered = Arg::new(arg.get_id().clone())
        .action(action)
        .help(arg.get_help().cloned().unwrap_or_default())
        .last(arg.is_last_set())
        .required(arg.is_positional() && arg.is_required_set())
        .require_equals(arg.is_require_equals_set());
    if let Some(short) = arg.get_short() {
        offered = offered.short(short);
    }
    if let Some(long) = arg.get_long() {
        offered = offered.long(long.to_owned());
    }
    if !takes_values {
        return offered;
    }
    if let Some(count) = arg.get_num_args() {
        offered = offered.num_args(count);
    }
    if let Some(names) = arg.get_value_names() {
        offered = offered.value_names(names.to_vec());
    }
    let mut values = arg.get_possible_values();
    values.retain(|value| !value.is_hide_set());
    if values.is_empty() {
        return offered.value_hint(hint(arg));
    }
    offered.value_parser(PossibleValuesParser::new(values))
}

/// What the value is, by its type or its name.
fn hint(arg: &Arg) -> ValueHint {
    let name = arg.get_value_names().and_then(<[_]>::first).map(clap::builder::Str::as_str);
    match (arg.get_value_hint(), name) {
        (ValueHint::Unknown | ValueHint::AnyPath, Some("DIR")) => ValueHint::DirPath,
        (ValueHint::AnyPath, _) | (ValueHint::Unknown, Some("FILE")) => ValueHint::FilePath,
        // Its first word may be a file.
        (ValueHint::Unknown, Some("CMD")) => ValueHint::Unknown,
        (ValueHint::Unknown, _) => ValueHint::Other,
        (hint, _) => hint,
    }
}

/// `help`, with the subcommands that have some.
fn help_of(program: &Command) -> Command {
    let bare = |command: &Command| {
        let name = command.get_name().to_owned();
        let about = command.get_about().cloned().unwrap_or_default();
        Command::new(name).about(about).disable_help_flag(true)
    };
    Command::new("help")
        .about("Print help of a subcommand")
        .disable_help_flag(true)
        .disable_help_subcommand(true)
        .subcommands(shown(program).map(bare))
}
