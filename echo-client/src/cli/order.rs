//! Handles flags before a subcommand, which must follow it: [`explain`].

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{CommandFactory as _, Error, Parser as _};

use super::Cli;

/// Replaces `error` by one that says that flags go after the subcommand, with the corrected
/// command line, if that is the problem. Otherwise returns it unchanged: clap treats any word
/// as a possible subcommand.
pub(crate) fn explain(error: Error, typed: &[String]) -> Error {
    if !error.use_stderr() {
        return error;
    }
    let command = Cli::command();
    let is_subcommand = |word: &String| command.find_subcommand(word).is_some();
    let [program, words @ ..] = typed else { return error };
    let place = words.iter().take_while(|word| *word != "--").position(is_subcommand);
    let (before, name, after) = match place {
        Some(place @ 1..) => (&words[..place], &words[place], &words[place + 1..]),
        _ => return error,
    };
    let moved = || [program, name].into_iter().chain(before).chain(after);
    let is_right = Cli::try_parse_from(moved()).is_ok();
    if !can_be_about(&error, name, is_right) {
        return error;
    }
    let line: Vec<&str> = moved().skip(1).map(String::as_str).collect();
    let hint = if is_right && line.iter().all(|word| is_plain(word)) {
        format!("try: echo-client {}", line.join(" "))
    } else {
        format!("see: echo-client {name} --help")
    };
    let reason = format!("flags and addresses go after the subcommand ({hint})");
    Cli::command().error(ErrorKind::ArgumentConflict, reason)
}

/// Whether `error` may be caused by flags before subcommand `name`; `is_right`: the reordered
/// line is valid. Otherwise the word was a value, or something else is wrong.
fn can_be_about(error: &Error, name: &str, is_right: bool) -> bool {
    match error.kind() {
        ErrorKind::ArgumentConflict => true,
        ErrorKind::UnknownArgument => is_right,
        _ => {
            let value = error.get(ContextKind::InvalidValue);
            matches!(value, Some(ContextValue::String(value)) if value == name)
        }
    }
}

/// Whether a word needs no quoting in a shell and no escaping on a terminal.
fn is_plain(word: &str) -> bool {
    !word.is_empty()
        && word
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_./:=,[]@%+".contains(&byte))
}
