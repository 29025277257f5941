//! What `-o` and `--format` come to: [`Outlet`]. The ending of a file chooses its format.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use strum::VariantArray;

use super::{CompareFormat, Format};
use echo_bench_report::output;

/// Formats that files can have, each with its ending.
pub trait FileFormat: VariantArray + Display + Copy + PartialEq {
    /// What is printed unless another is asked for.
    const TEXT: Self;
    /// What holds everything.
    const JSON: Self;

    /// The ending of its files.
    fn ending(self) -> &'static str;
}

impl FileFormat for Format {
    const TEXT: Self = Self::Text;
    const JSON: Self = Self::Json;

    fn ending(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Json => "json",
            Self::Csv => "csv",
            Self::Markdown => "md",
            Self::Html => "html",
        }
    }
}

impl FileFormat for CompareFormat {
    const TEXT: Self = Self::Text;
    const JSON: Self = Self::Json;

    fn ending(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Json => "json",
            Self::Markdown => "md",
            Self::Html => "html",
        }
    }
}

/// Where a document goes, and in which format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outlet<F> {
    /// The file; standard output if there is none.
    pub file: Option<PathBuf>,
    /// The format.
    pub format: F,
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
            return Ok(Self { file: None, format: typed.unwrap_or(F::TEXT) });
        };
        if output::is_stdout(path) {
            return Ok(Self { file: None, format: typed.unwrap_or(F::JSON) });
        }
        let format = match (named(path), typed) {
            (Some(named), Some(typed)) if named != typed => {
                let (named, typed) = (named.to_string(), typed.to_string());
                return Err(InvalidOutlet::Contradiction { path: path.into(), named, typed });
            }
            (Some(format), _) | (None, Some(format)) => format,
            // Devices and FIFOs have no endings; a folder is refused when it is written to.
            (None, None) if path.exists() && !path.is_file() => F::JSON,
            (None, None) => {
                let endings: Vec<_> =
                    F::VARIANTS.iter().map(|format| format!(".{}", format.ending())).collect();
                let endings = endings.join(", ");
                return Err(InvalidOutlet::Ending { path: path.into(), endings });
            }
        };
        Ok(Self { file: Some(path.into()), format })
    }
}

/// The format that a file's ending stands for.
fn named<F: FileFormat>(path: &Path) -> Option<F> {
    let ending = path.extension()?;
    F::VARIANTS.iter().copied().find(|format| ending.eq_ignore_ascii_case(format.ending()))
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
    }

    #[test]
    fn other_endings_and_contradictions_are_refused_in_words() {
        for (path, typed, words) in [
            ("a.xls", None, ".txt, .json, .csv, .md, .html"),
            ("a", None, "--format"),
            ("a.csv.gz", None, "unknown file ending"),
            ("a.json", Some(Format::Html), "is json by its ending and --format says html"),
            ("a.md", Some(Format::Text), "is markdown by its ending and --format says text"),
        ] {
            let told = outlet(Some(path), typed).unwrap_err();
            assert!(told.contains(words) && told.contains(path), "{told}");
        }
        let told = Outlet::<CompareFormat>::new(Some(Path::new("a.csv")), None).unwrap_err();
        assert!(told.to_string().contains(".txt, .json, .md, .html"), "{told}");
    }
}
