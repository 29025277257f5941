//! What is said to whoever has started the program: results on stdout ([`print`](print()),
//! [`print_styled`]), all else on stderr. Nothing in it is obeyed by a terminal but our own styles.
//!
//! While a full-screen view has the terminal, what is said on stderr is [held](hold) back.

mod held;

use std::io::{self, IsTerminal, Write};
use std::path::Path;

use anyhow::Context;
use rustix::fs::{FileType, major, minor};

use echo_bench_report::output;
use echo_bench_report::render::{Screen, Styled};
use echo_net::stdout;
use echo_proto::terminal;

pub use held::{held_from, hold, pass_on, release, stderr_of_child};

/// What of the surroundings text is laid out by.
#[derive(Debug, Clone, Default)]
struct Surroundings {
    /// The variable COLUMNS, by which a width is asked for whatever the output is.
    asked: Option<String>,
    /// Whether it is a terminal.
    terminal: bool,
    /// How wide the terminal says it is.
    columns: Option<usize>,
    /// The variable TERM.
    term: Option<String>,
    /// The locale of characters, if one is set.
    locale: Option<String>,
}

impl Surroundings {
    /// Those of an output that is a terminal or not, and says that it is so wide.
    fn of(terminal: bool, columns: Option<u16>) -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            asked: variable("COLUMNS"),
            terminal,
            columns: columns.map(usize::from),
            term: variable("TERM"),
            locale: ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(variable),
        }
    }

    fn screen(&self) -> Screen {
        let asked = self.asked.as_ref().and_then(|columns| columns.trim().parse().ok());
        let asked = asked.filter(|&columns: &usize| columns > 0);
        let of_terminal = self.terminal.then(|| self.columns.unwrap_or(Screen::USUAL));
        let screen = asked.or(of_terminal).map_or(Screen::FILE, Screen::of_columns);
        if self.is_ascii() { screen.in_ascii() } else { screen }
    }

    fn is_ascii(&self) -> bool {
        let utf8 = |locale: &str| {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        };
        self.is_dumb() || self.locale.as_deref().is_some_and(|locale| !utf8(locale))
    }

    fn is_dumb(&self) -> bool {
        self.terminal && self.term.as_deref() == Some("dumb")
    }
}

fn columns_of(output: impl std::os::fd::AsFd) -> Option<u16> {
    terminal_size::terminal_size_of(output).map(|(width, _)| width.0)
}

/// What text on stdout is laid out for.
pub fn screen() -> Screen {
    let out = io::stdout();
    Surroundings::of(out.is_terminal(), columns_of(&out)).screen()
}

/// What text on stderr is laid out for.
pub fn screen_of_stderr() -> Screen {
    let err = io::stderr();
    Surroundings::of(err.is_terminal(), columns_of(&err)).screen()
}

/// Whether stderr is a terminal whose cursor can be moved.
pub fn is_stderr_live() -> bool {
    let err = io::stderr();
    err.is_terminal() && !Surroundings::of(true, None).is_dumb()
}

/// Whether what is written to a file that was typed comes to the terminal that stderr is.
pub fn is_terminal_of_stderr(path: &Path) -> bool {
    /// `/dev/tty`, which is the terminal that a process belongs to.
    const OWN: (u32, u32) = (5, 0);
    let place = if output::is_stdout(path) {
        rustix::fs::fstat(io::stdout())
    } else {
        // It is not opened: the reader of a FIFO would see a writer that comes and goes.
        rustix::fs::stat(path)
    };
    let (Ok(place), Ok(err)) = (place, rustix::fs::fstat(io::stderr())) else { return false };
    let is_device = FileType::from_raw_mode(place.st_mode).is_char_device();
    let is_own = (major(place.st_rdev), minor(place.st_rdev)) == OWN;
    is_device && (is_own || place.st_rdev == err.st_rdev)
}

/// Whether text on stderr has colours.
pub fn has_colours() -> bool {
    anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

/// Prints on stdout, with nothing that a terminal would obey; a reader that has gone away is no
/// error. JSON and pages are escaped in their own way before.
///
/// # Errors
/// When it can't be written.
pub fn print(text: &str) -> anyhow::Result<()> {
    write_out(&terminal::printable(text))
}

/// Prints text with its styles on stdout, where these are wanted.
///
/// # Errors
/// When it can't be written.
pub fn print_styled(text: &Styled) -> anyhow::Result<()> {
    write_out(&text.ansi())
}

fn write_out(text: &str) -> anyhow::Result<()> {
    let written = anstream::stdout().lock().write_all(text.as_bytes());
    stdout::finish(written).context("writing to stdout")
}

/// Prints an error on stderr, with nothing that a terminal would obey.
pub fn complain(text: &str) {
    say(format!("error: {}", terminal::printable(text)));
}

/// A remark, apart from the results, with nothing that a terminal would obey.
pub fn tell(text: &str) {
    say(terminal::printable(text));
}

/// The same of text with styles.
pub fn tell_styled(text: &Styled) {
    say(text.ansi());
}

/// Writes a line on stderr, or holds it back.
fn say(line: String) {
    if let Some(line) = held::hold_back(line) {
        // There is nowhere left to complain about a stderr that is closed.
        let _ = writeln!(anstream::stderr(), "{line}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_terminal_is_fitted_and_a_pipe_is_not_unless_columns_says_so() {
        let pipe = Surroundings::default();
        let terminal = Surroundings { terminal: true, columns: Some(110), ..pipe.clone() };
        let asking = |of: &Surroundings, columns: &str| Surroundings {
            asked: Some(columns.into()),
            ..of.clone()
        };
        for (around, screen) in [
            (pipe.clone(), Screen::FILE),
            (terminal.clone(), Screen::of_columns(110)),
            (Surroundings { columns: None, ..terminal.clone() }, Screen::of_columns(80)),
            (asking(&terminal, "60"), Screen::of_columns(60)),
            (asking(&pipe, "60"), Screen::of_columns(60)),
            (asking(&pipe, "0"), Screen::FILE),
            (asking(&pipe, "wide"), Screen::FILE),
        ] {
            assert_eq!(around.screen(), screen, "{around:?}");
        }
    }

    #[test]
    fn drawings_are_ascii_where_nothing_else_is_understood() {
        for (term, locale, ascii) in [
            (None, None, false),
            (Some("dumb"), None, true),
            (None, Some("C"), true),
            (Some("xterm"), Some("de_DE.UTF-8"), false),
            (None, Some("C.utf8"), false),
        ] {
            let (term, locale) = (term.map(str::to_owned), locale.map(str::to_owned));
            let around =
                Surroundings { terminal: true, term, locale, ..Surroundings::default() };
            assert_eq!(around.is_ascii(), ascii, "{around:?}");
        }
    }
}
