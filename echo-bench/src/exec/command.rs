//! A command as typed: [`NamedCommand`], and its words for one start ([`Place::words`]). There
//! is no shell in between.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::str::FromStr;

use echo_bench_engine::plan::CommandPlan;

/// A command as typed, like `A=./old --port {port}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedCommand {
    /// What is before the first `=`, if it is a plain word.
    pub name: Option<String>,
    /// The command.
    pub command: String,
}

/// A text that is no command.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidCommand {
    /// Nothing.
    #[error("it names no program")]
    Empty,
    /// A quote without its end, or a backslash at the end.
    #[error("a quote in it has no end, or it ends with a backslash")]
    Quotes,
    /// The port is not told.
    #[error(
        "it holds neither {{port}} nor {{addr}}: write one where the server takes its port or \
         address, which is chosen for each run (like ./server --port {{port}})"
    )]
    NoPlace,
}

impl FromStr for NamedCommand {
    type Err = InvalidCommand;

    fn from_str(text: &str) -> Result<Self, InvalidCommand> {
        let named = text.split_once('=').filter(|(name, _)| is_plain(name));
        let (name, command) = named.map_or((None, text), |(name, rest)| (Some(name), rest));
        let command = command.trim().to_owned();
        let words = split(&command)?;
        if !words.iter().any(|word| word.contains("{port}") || word.contains("{addr}")) {
            return Err(InvalidCommand::NoPlace);
        }
        Ok(Self { name: name.map(str::to_owned), command })
    }
}

fn is_plain(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !name.is_empty() && name.chars().all(fits)
}

/// The words of a command, quoted as for a shell.
pub(crate) fn split(command: &str) -> Result<Vec<String>, InvalidCommand> {
    let words = shlex::split(command).ok_or(InvalidCommand::Quotes)?;
    let program = words.first().filter(|word| !word.is_empty());
    program.is_some().then_some(words.clone()).ok_or(InvalidCommand::Empty)
}

impl NamedCommand {
    /// Its name; without one, the file name of its program.
    pub(crate) fn title(&self) -> String {
        let (name, command) = (self.name.clone(), self.command.clone());
        CommandPlan { name, command, ..CommandPlan::default() }.title()
    }
}

/// Where a server is to listen, and on how many CPUs it may run.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// Where it is to listen.
    pub address: SocketAddr,
    /// So many CPUs are left for it.
    pub cpus: usize,
}

impl Place {
    /// The words of a command for a server that is started here.
    ///
    /// # Errors
    /// When it is none.
    pub fn words(&self, command: &str) -> Result<Vec<String>, InvalidCommand> {
        let filled = |word: String| {
            word.replace("{port}", &self.address.port().to_string())
                .replace("{addr}", &self.address.to_string())
                .replace("{host}", &self.address.ip().to_string())
                .replace("{cpus}", &self.cpus.to_string())
        };
        Ok(split(command)?.into_iter().map(filled).collect())
    }
}

/// The file of a program as a shell would find it: by its path, or in `PATH`; `None` if there is
/// none that could be run.
pub fn program_file(word: &str) -> Option<PathBuf> {
    let runs = |path: &PathBuf| {
        let found = std::fs::metadata(path);
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if word.contains('/') {
        return Some(PathBuf::from(word)).filter(runs);
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(word)).find(runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_word_before_the_first_equals_sign_is_the_name() {
        for (typed, name, command, title) in [
            ("A=./old --port {port}", Some("A"), "./old --port {port}", "A"),
            ("v1.2-rc_3=srv {addr}", Some("v1.2-rc_3"), "srv {addr}", "v1.2-rc_3"),
            ("./old --port={port}", None, "./old --port={port}", "old"),
            (" /usr/bin/nginx -p {port} ", None, "/usr/bin/nginx -p {port}", "nginx"),
            ("=srv {port}", None, "=srv {port}", "=srv"),
        ] {
            let parsed: NamedCommand = typed.parse().unwrap();
            assert_eq!((parsed.name.as_deref(), &*parsed.command), (name, command), "{typed}");
            assert_eq!(parsed.title(), title, "{typed}");
        }
    }

    #[test]
    fn what_is_no_command_says_why() {
        for (typed, why) in [
            ("./server --port 80", "neither {port} nor {addr}"),
            ("A=", "names no program"),
            ("", "names no program"),
            ("'' {port}", "names no program"),
            ("sh -c 'x {port}", "has no end"),
        ] {
            let told = typed.parse::<NamedCommand>().unwrap_err().to_string();
            assert!(told.contains(why), "{typed}: {told}");
        }
    }

    #[test]
    fn words_are_those_of_a_shell_and_places_are_filled_in_each() {
        let place = Place { address: "127.0.0.1:4000".parse().unwrap(), cpus: 3 };
        let words =
            place.words(r#"sh -c 'a {port}; b "{addr}"' x\ y {host} --n={cpus} {other}"#);
        let expected = [
            "sh",
            "-c",
            "a 4000; b \"127.0.0.1:4000\"",
            "x y",
            "127.0.0.1",
            "--n=3",
            "{other}",
        ];
        assert_eq!(words.unwrap(), expected);
    }

    #[test]
    fn a_program_is_found_by_its_path_or_in_the_search_path() {
        let shell = program_file("sh").expect("there is a shell");
        assert!(shell.is_absolute());
        assert_eq!(program_file(shell.to_str().unwrap()), Some(shell.clone()));
        for none in ["no-such-program", "/etc/passwd", "/", "./no"] {
            assert_eq!(program_file(none), None, "{none}");
        }
    }
}
