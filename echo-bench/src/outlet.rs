//! What `-o` and `--format` come to: [`Outlet`]. The ending of a file chooses its format. All
//! programs write their documents through it.

mod format;

use std::path::{Path, PathBuf};

use anyhow::Context;

use crate::console::{self, print_styled};
use echo_bench_report::output;
use echo_bench_report::render::{Screen, Styled};

pub use format::{
    CompareFormat, FileFormat, Format, NoFormat, PageFormat, RunFormat, SweepFormat,
};

/// Where a document goes, and in which format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlet<F> {
    /// The file; standard output if there is none.
    pub file: Option<PathBuf>,
    /// The format.
    pub format: F,
    /// Standard output is for something else.
    pub is_silent: bool,
}

/// `-o` and `--format` that are no outlet.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOutlet {
    /// No format has this ending.
    #[error(
        "-o {}: unknown file ending (use {endings}, or name the format with --format)",
        .path.display()
    )]
    Ending {
        /// The file.
        path: PathBuf,
        /// The endings that there are.
        endings: String,
    },
    /// Two results for standard output.
    #[error("--stream - has stdout for itself: name a file with -o, or stream to a file")]
    Stream,
    /// The ending says one thing and the flag another.
    #[error(
        "-o {} is {named} by its ending and --format says {typed}: leave --format out, or rename \
         the file",
        .path.display()
    )]
    Contradiction {
        /// The file.
        path: PathBuf,
        /// The format of its ending.
        named: String,
        /// The format that was typed.
        typed: String,
    },
}

impl<F: FileFormat> Outlet<F> {
    /// What `-o` and `--format` mean, if they were typed.
    ///
    /// # Errors
    /// When the ending is of no format, or of another than was typed.
    pub fn new(output: Option<&Path>, typed: Option<F>) -> Result<Self, InvalidOutlet> {
        let Some(path) = output else {
            return Ok(Self::printed(typed.unwrap_or(F::TEXT)));
        };
        if output::is_stdout(path) {
            return Ok(Self::printed(typed.unwrap_or(F::JSON)));
        }
        let format = match (named(path), typed) {
            (Some(_), Some(typed)) if has_ending(typed, path) => typed,
            (Some(named), Some(typed)) => {
                let (named, typed) = (named.to_string(), typed.to_string());
                return Err(InvalidOutlet::Contradiction { path: path.into(), named, typed });
            }
            (Some(format), None) | (None, Some(format)) => format,
            // Devices and FIFOs have no endings; a folder is refused when it is written to.
            (None, None) if path.exists() && !path.is_file() => F::JSON,
            (None, None) => {
                let usual = F::VARIANTS.iter().filter_map(|format| format.endings().first());
                let endings: Vec<_> = usual.map(|ending| format!(".{ending}")).collect();
                let endings = endings.join(", ");
                return Err(InvalidOutlet::Ending { path: path.into(), endings });
            }
        };
        Ok(Self { file: Some(path.into()), format, is_silent: false })
    }

    fn printed(format: F) -> Self {
        Self { file: None, format, is_silent: false }
    }

    /// The same where lines go to `stream` beside it: it leaves stdout to them, if they go there.
    ///
    /// # Errors
    /// When both want it.
    pub(crate) fn beside(self, stream: Option<&Path>) -> Result<Self, InvalidOutlet> {
        if !stream.is_some_and(output::is_stdout) {
            return Ok(self);
        }
        match &self.file {
            None if self.format != F::TEXT => Err(InvalidOutlet::Stream),
            _ => Ok(Self { is_silent: true, ..self }),
        }
    }

    /// Makes sure that its file can be written, before minutes are spent.
    ///
    /// # Errors
    /// Why it can't.
    pub fn check(&self) -> anyhow::Result<()> {
        self.file.as_deref().map_or(Ok(()), check_file)
    }

    /// Writes a document, `rendered` for a file or a terminal, to its file, or prints it.
    ///
    /// # Errors
    /// When it can't be rendered, written or printed.
    pub fn put(
        &self,
        rendered: impl FnOnce(F, Screen) -> anyhow::Result<Styled>,
    ) -> anyhow::Result<()> {
        match &self.file {
            Some(path) => put_file(path, &rendered(self.format, Screen::FILE)?.plain()),
            None => print_styled(&rendered(self.format, console::screen())?),
        }
    }

    /// Writes a document to its file, and prints it: as text, if there is a file. What can't be
    /// written is printed all the same.
    ///
    /// # Errors
    /// When it can't be written or printed.
    pub fn hand_over(&self, rendered: impl Fn(F, Screen) -> Styled) -> anyhow::Result<()> {
        let screen = console::screen();
        let Some(path) = &self.file else {
            if self.is_silent {
                return Ok(());
            }
            return print_styled(&rendered(self.format, screen));
        };
        let written = put_file(path, &rendered(self.format, Screen::FILE).plain());
        if self.is_silent {
            return written;
        }
        print_styled(&rendered(F::TEXT, screen)).and(written)
    }
}

/// Makes sure that a file can be written, unless it stands for stdout.
///
/// # Errors
/// Why it can't.
pub(crate) fn check_file(file: &Path) -> anyhow::Result<()> {
    if output::is_stdout(file) {
        return Ok(());
    }
    output::check(file).with_context(|| format!("writing {}", file.display()))
}

/// Writes a file that the user has named.
///
/// # Errors
/// When it can't be written.
pub(crate) fn put_file(path: &Path, text: &str) -> anyhow::Result<()> {
    output::write(path, text).with_context(|| format!("writing {}", path.display()))
}

/// The format that a file's ending stands for.
fn named<F: FileFormat>(path: &Path) -> Option<F> {
    F::VARIANTS.iter().copied().find(|format| has_ending(*format, path))
}

fn has_ending<F: FileFormat>(format: F, path: &Path) -> bool {
    let ending = path.extension();
    ending.is_some_and(|ending| {
        format.endings().iter().any(|known| ending.eq_ignore_ascii_case(known))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outlet(path: Option<&str>, typed: Option<Format>) -> Result<Format, String> {
        let outlet = Outlet::new(path.map(Path::new), typed);
        outlet.map(|outlet| outlet.format).map_err(|error| error.to_string())
    }

    #[test]
    fn the_ending_chooses_the_format() {
        for (path, format) in [
            ("a.json", Format::Json),
            ("b/a.HTML", Format::Html),
            ("a.csv", Format::Csv),
            ("a.md", Format::Markdown),
            ("a.b.txt", Format::Text),
            ("a.bmf", Format::Bmf),
            ("a.xml", Format::Junit),
            ("a.prom", Format::Openmetrics),
            ("-", Format::Json),
            ("/dev/stdout", Format::Json),
        ] {
            assert_eq!(outlet(Some(path), None), Ok(format), "{path}");
            assert_eq!(outlet(Some(path), Some(format)), Ok(format), "{path}");
        }
        assert_eq!(outlet(None, None), Ok(Format::Text));
        assert_eq!(outlet(None, Some(Format::Csv)), Ok(Format::Csv));
        assert_eq!(outlet(Some("-"), Some(Format::Csv)), Ok(Format::Csv));
        assert_eq!(outlet(Some("plain"), Some(Format::Csv)), Ok(Format::Csv));
        assert_eq!(outlet(Some("a.json"), Some(Format::Bmf)), Ok(Format::Bmf));
    }

    #[test]
    fn other_endings_and_contradictions_are_refused_in_words() {
        for (path, typed, words) in [
            ("a.xls", None, ".txt, .json, .csv, .md, .html, .bmf, .xml, .prom"),
            ("a", None, "--format"),
            ("a.csv.gz", None, "unknown file ending"),
            ("a.json", Some(Format::Html), "is json by its ending and --format says html"),
            ("a.md", Some(Format::Text), "is markdown by its ending and --format says text"),
        ] {
            let told = outlet(Some(path), typed).unwrap_err();
            assert!(told.contains(words) && told.contains(path), "{told}");
        }
        let told = Outlet::<PageFormat>::new(Some(Path::new("a.csv")), None).unwrap_err();
        assert!(told.to_string().contains(".txt, .json, .md, .html,"), "{told}");
    }
}
