//! Lists of values in a word: [`split`], and what help says of each of them: [`AnyOf`].

use std::ffi::OsStr;

use clap::builder::{PossibleValue, StringValueParser, TypedValueParser};
use clap::{Arg, Command};

use super::{EXEC, SIZE, is_of_nats, is_repeatable};

/// Flags whose values may hold commas. Several levels of them are given by several flags, or
/// by a list in a plan file.
const WITH_COMMAS: [&str; 9] = [
    "message",
    "message-file",
    "arrivals",
    "pin",
    "server-pin",
    "link",
    EXEC,
    "prepare",
    "ready",
];

/// The values in a word, which is a list unless its flag's values may hold commas.
pub(super) fn split(flag: &str, word: &str) -> Vec<String> {
    if WITH_COMMAS.contains(&flag) || is_of_nats(flag) || is_repeatable(flag) {
        return vec![word.to_owned()];
    }
    let pieces = word.split(',').map(|value| value.trim().to_owned());
    if flag == SIZE { sizes(pieces) } else { pieces.collect() }
}

/// Pieces of a list of sizes as sizes: `p99=20K` belongs to the distribution before it, and what
/// follows the name of a file to the name.
fn sizes(pieces: impl Iterator<Item = String>) -> Vec<String> {
    let mut sizes: Vec<String> = Vec::new();
    for piece in pieces {
        let is_setting = piece.contains('=') && !piece.contains(':');
        match sizes.last_mut() {
            Some(last) if last.starts_with("file:") || (is_setting && last.contains(':')) => {
                last.push(',');
                last.push_str(&piece);
            }
            _ => sizes.push(piece),
        }
    }
    sizes
}

/// Takes any text, as it may be a list, and tells help and completions which values it is a list of.
/// What is none of them is refused by the run.
#[derive(Debug, Clone)]
pub(super) struct AnyOf(pub(super) Vec<PossibleValue>);

impl TypedValueParser for AnyOf {
    type Value = String;

    fn parse_ref(
        &self,
        command: &Command,
        arg: Option<&Arg>,
        value: &OsStr,
    ) -> Result<String, clap::Error> {
        StringValueParser::new().parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let values = self.0.iter().cloned();
        if self.0.is_empty() { None } else { Some(Box::new(values)) }
    }
}
