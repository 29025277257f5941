//! Passwords in URLs of a command line: [`take`] moves them into the environment, where other
//! users can't see them and no report keeps them.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::Command;
use std::{fmt, io};

use percent_encoding::percent_decode_str;

use crate::Scheme;

/// A command line without passwords, and the variables that hold them.
#[derive(Clone, PartialEq, Eq)]
pub struct Taken {
    words: Vec<OsString>,
    variables: Vec<(&'static str, OsString)>,
}

/// Shows no password.
impl fmt::Debug for Taken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.variables.iter().map(|(name, _)| name);
        f.debug_struct("Taken")
            .field("words", &self.words)
            .field("variables", &names.len())
            .finish()
    }
}

/// Two passwords for one variable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("several URLs have different passwords: leave them out and set {0} for all of them")]
pub struct SeveralPasswords(&'static str);

/// Flags whose value may be a URL that is text.
const TEXTS: [&str; 2] = ["--message", "--label"];

/// The command line `words`, the program's name first, without the passwords in the URLs of
/// servers; none if there is no password. A URL within a command, or after `--`, stays.
///
/// # Errors
/// When passwords differ that one variable would hold.
pub fn take(words: &[OsString]) -> Result<Option<Taken>, SeveralPasswords> {
    let mut taken = Taken { words: Vec::new(), variables: Vec::new() };
    let mut before = OsStr::new("");
    let mut is_over = false;
    for word in words {
        is_over |= word == "--";
        let is_text = TEXTS.iter().any(|flag| before == *flag);
        before = word;
        // A word of other bytes is no URL.
        let Some(mut rest) =
            word.to_str().filter(|word| !is_over && !is_text && is_server(word))
        else {
            taken.words.push(word.clone());
            continue;
        };
        let mut kept = String::new();
        while let Some(found) = next(rest) {
            kept.push_str(&rest[..found.start]);
            rest = &rest[found.end..];
            taken.add(found.variable, found.password)?;
        }
        kept.push_str(rest);
        taken.words.push(kept.into());
    }
    Ok((!taken.variables.is_empty()).then_some(taken))
}

/// Whether a word is the URL of a server, or several.
fn is_server(word: &str) -> bool {
    let url = word.strip_prefix("--target=").unwrap_or(word);
    let mut urls = url.split(',').filter_map(|url| url.split_once("://"));
    urls.any(|(scheme, _)| is_scheme(scheme))
}

fn is_scheme(text: &str) -> bool {
    text.to_ascii_lowercase().parse::<Scheme>().is_ok()
}

/// A password in a text, with the colon before it.
struct Found {
    variable: &'static str,
    password: OsString,
    start: usize,
    end: usize,
}

/// The first password in a text that may hold several URLs.
fn next(text: &str) -> Option<Found> {
    let starts = text.match_indices("://").filter_map(|(at, _)| {
        let scheme = text[..at].rsplit(|byte: char| !byte.is_ascii_alphabetic()).next()?;
        let scheme: Scheme = scheme.to_ascii_lowercase().parse().ok()?;
        let variable = scheme.password_variable()?;
        let from = at + "://".len();
        let end = text[from..].find(['/', '?', '#', ',', ' ', '\'', '"']);
        let authority = &text[from..end.map_or(text.len(), |end| from + end)];
        let (user, _) = authority.rsplit_once('@')?;
        let (name, password) = user.split_once(':')?;
        let password = percent_decode_str(password).decode_utf8_lossy().into_owned();
        let start = from + name.len();
        Some(Found { variable, password: password.into(), start, end: from + user.len() })
    });
    starts.into_iter().next()
}

impl Taken {
    fn add(
        &mut self,
        variable: &'static str,
        password: OsString,
    ) -> Result<(), SeveralPasswords> {
        match self.variables.iter().find(|(name, _)| *name == variable) {
            Some((_, known)) if *known != password => Err(SeveralPasswords(variable)),
            Some(_) => Ok(()),
            None => {
                self.variables.push((variable, password));
                Ok(())
            }
        }
    }

    /// Runs this program again in its place, with the passwords in the environment. Returns only
    /// if that fails.
    pub fn run_again(&self) -> io::Error {
        let name = self.words.first().map_or(OsStr::new("/proc/self/exe"), |name| name);
        Command::new("/proc/self/exe")
            .arg0(name)
            .args(self.words.iter().skip(1))
            .envs(self.variables.iter().map(|(name, value)| (*name, value)))
            .exec()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(typed: &[&str]) -> Vec<OsString> {
        typed.iter().map(OsString::from).collect()
    }

    #[test]
    fn passwords_leave_the_command_line_and_all_else_stays() {
        for (typed, kept, variable, password) in [
            ("postgres://me:hidden@host/db", "postgres://me@host/db", "PGPASSWORD", "hidden"),
            (
                "--target=postgresql://me:a%40b@h",
                "--target=postgresql://me@h",
                "PGPASSWORD",
                "a@b",
            ),
            ("redis://:p:q@h/3", "redis://@h/3", "REDISCLI_AUTH", "p:q"),
            ("--target=h:1,redis://:p@h", "--target=h:1,redis://@h", "REDISCLI_AUTH", "p"),
            ("postgres://me:pw@[::1]:5432/d", "postgres://me@[::1]:5432/d", "PGPASSWORD", "pw"),
            (
                "redis://a:p@h,REDISS://b:p@i/x@y:z",
                "redis://a@h,REDISS://b@i/x@y:z",
                "REDISCLI_AUTH",
                "p",
            ),
        ] {
            let taken = take(&words(&["echo-bench", typed, "-c", "1"])).unwrap().unwrap();
            assert_eq!(taken.words, words(&["echo-bench", kept, "-c", "1"]));
            assert_eq!(taken.variables, [(variable, password.into())]);
            assert!(!format!("{taken:?}").contains(password), "{taken:?}");
        }
        for typed in [
            &["http://me:secret@host/"][..],
            &["postgres://me@host:5432/d"],
            &["a:b@c"],
            &["redis://h:1/"],
            // What is not for this program.
            &["--exec", "server --db postgres://me:it@host"],
            &["--exec=redis://me:it@host"],
            &["--message", "redis://me:it@host"],
            &["launch", "--", "redis://me:it@host"],
        ] {
            assert_eq!(take(&words(&[&["echo-bench"], typed].concat())), Ok(None), "{typed:?}");
        }
    }

    #[test]
    fn two_passwords_for_one_variable_are_refused_by_its_name() {
        let typed = words(&["x", "postgres://a:1@h", "postgres://a:2@i"]);
        assert!(take(&typed).unwrap_err().to_string().contains("PGPASSWORD"));
        let typed = words(&["x", "postgres://a:1@h", "redis://:2@i", "postgres://b:1@j"]);
        assert_eq!(take(&typed).unwrap().unwrap().variables.len(), 2);
    }
}
