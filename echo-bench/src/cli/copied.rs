//! The help of a flag that is defined once and offered twice, under another name or with several
//! values: [`described`].

use clap::Arg;

/// A copy of `flag` with its help and, since it has no default itself, with a word of the default.
pub(super) fn described(copy: Arg, flag: &Arg) -> Arg {
    let values = flag.get_default_values().iter();
    let default: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
    let default = match default.join(" ") {
        none if none.is_empty() => none,
        default => format!("[default: {default}]"),
    };
    let text = |help: Option<&clap::builder::StyledStr>, between: &str| match help {
        Some(help) if default.is_empty() => help.to_string(),
        Some(help) => format!("{help}{between}{default}"),
        None => default.clone(),
    };
    let help = flag.get_help();
    copy.help(text(help, " ")).long_help(text(flag.get_long_help().or(help), "\n\n"))
}
