//! What the help of a program must keep, looked for in the definitions of its command line:
//! [`faults_of_help`] and [`hidden_flags`].

use clap::{Arg, Command};

/// Columns of the narrowest terminal that is served.
const COLUMNS: usize = 80;

/// Lines of `-h`: one screen.
const SCREEN: usize = 40;

/// What is wrong with the help of `program` and its subcommands: `-h` has at most 40 lines, no
/// line of help is longer than 80 columns, and `--help` has every argument with its default.
pub fn faults_of_help(program: Command) -> Vec<String> {
    let mut faults = Vec::new();
    each(program, |path, command| {
        let told = faults_of(command).into_iter();
        faults.extend(told.map(|fault| format!("{path}: {fault}")));
    });
    faults
}

/// The flags that `--help` does not show, with the subcommand that has them, if it is shown: like
/// `("sweep", "part")`.
pub fn hidden_flags(program: Command) -> Vec<(String, String)> {
    let mut hidden = Vec::new();
    each(program, |path, command| {
        let arguments = command.get_arguments().filter(|arg| arg.is_hide_set());
        let path = path.split_once(' ').map_or("", |(_, path)| path);
        hidden.extend(arguments.map(|arg| (path.to_owned(), name_of(arg).to_owned())));
    });
    hidden
}

/// Calls `look` with every command that help shows, and its name with those of its parents.
fn each(program: Command, mut look: impl FnMut(&str, &Command)) {
    let mut program = program;
    program.build();
    let mut left = vec![(program.get_name().to_owned(), &program)];
    while let Some((path, command)) = left.pop() {
        look(&path, command);
        let shown = command.get_subcommands().filter(|inner| !inner.is_hide_set());
        // It has the help of all others, and none of its own.
        let shown = shown.filter(|inner| inner.get_name() != "help");
        left.extend(shown.map(|inner| (format!("{path} {}", inner.get_name()), inner)));
    }
}

fn name_of(arg: &Arg) -> &str {
    arg.get_long().unwrap_or_else(|| arg.get_id().as_str())
}

fn faults_of(command: &Command) -> Vec<String> {
    let mut command = command.clone().term_width(COLUMNS);
    let short = command.render_help().to_string();
    let long = command.render_long_help().to_string();
    let mut faults = Vec::new();
    let lines = short.lines().count();
    if lines > SCREEN {
        faults.push(format!("-h has {lines} lines, more than {SCREEN}:\n{short}"));
    }
    let written = [command.get_after_help(), command.get_after_long_help()];
    let written: Vec<_> = written.into_iter().flatten().map(ToString::to_string).collect();
    let texts = [&short, &long].into_iter().chain(&written);
    for line in texts.flat_map(|text| text.lines()) {
        if line.chars().count() > COLUMNS {
            faults.push(format!("longer than {COLUMNS} columns: {line}"));
        }
    }
    let long = long.split_whitespace().collect::<Vec<_>>().join(" ");
    if long.contains("(default") {
        faults.push("write a default as [default: ...]".to_owned());
    }
    let arguments = command.get_arguments().filter(|arg| !arg.is_hide_set());
    faults.extend(arguments.filter_map(|arg| fault_of(arg, &long)));
    faults
}

/// What is missing of an argument in the long help.
fn fault_of(arg: &Arg, long: &str) -> Option<String> {
    let name = name_of(arg);
    if arg.get_help().is_none() && arg.get_long_help().is_none() {
        return Some(format!("{name} has no help"));
    }
    let shown = if let Some(flag) = arg.get_long() {
        format!("--{flag}")
    } else {
        let first = arg.get_value_names().and_then(<[_]>::first);
        first.map_or_else(|| name.to_uppercase(), ToString::to_string)
    };
    let Some((_, told)) = long.split_once(&shown) else {
        return Some(format!("{name} is not in --help"));
    };
    let defaults = arg.get_default_values().iter();
    let default = defaults.map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(" ");
    let is_told = told.contains(&format!("[default: {default}]"));
    let takes_values = arg.get_action().takes_values();
    (takes_values && !default.is_empty() && !is_told)
        .then(|| format!("--help does not say the default of {name}, {default}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_found() {
        let flag = |name: &'static str| Arg::new(name).long(name).help("What it is");
        let good = Command::new("good")
            .arg(flag("one").default_value("1"))
            .subcommand(Command::new("inner").arg(flag("secret").hide(true)));
        assert_eq!(faults_of_help(good.clone()), Vec::<String>::new());
        assert_eq!(hidden_flags(good), [("inner".to_owned(), "secret".to_owned())]);
        let many = (0..40).map(|number| {
            let name = format!("flag-{number}");
            Arg::new(name.clone()).long(name).help("One of many")
        });
        for (bad, fault) in [
            (Command::new("bad").args(many), "lines, more than 40"),
            (Command::new("bad").arg(flag("one").help("One (default: 1)")), "write a default"),
            (Command::new("bad").arg(flag("one").hide_long_help(true)), "one is not in --help"),
            (Command::new("bad").arg(Arg::new("one").long("one")), "one has no help"),
            (
                Command::new("bad")
                    .arg(flag("one").default_value("1").hide_default_value(true)),
                "does not say the default of one, 1",
            ),
            (Command::new("bad").after_long_help("x ".repeat(41)), "longer than 80 columns"),
        ] {
            let faults = faults_of_help(bad);
            assert!(faults.iter().any(|told| told.contains(fault)), "{fault}: {faults:?}");
        }
    }
}
