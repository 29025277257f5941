//! In which formats documents come: [`Format`] of a run, [`CompareFormat`] of a comparison or
//! a sweep, and the endings of their files: [`FileFormat`].

use std::fmt::Display;

use strum::VariantArray;

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

/// Formats of the printed report.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Format {
    /// For a terminal.
    Text,
    /// The report itself.
    Json,
    /// Rows for a spreadsheet: the window, and each interval.
    Csv,
    /// For an issue or a pull request.
    Markdown,
    /// A web page in one file, with charts.
    Html,
}

/// Formats of a printed comparison.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum CompareFormat {
    /// For a terminal.
    Text,
    /// The comparison itself.
    Json,
    /// For a pull request.
    Markdown,
    /// A web page of its own.
    Html,
}

impl TryFrom<Format> for CompareFormat {
    type Error = NoCsv;

    fn try_from(format: Format) -> Result<Self, NoCsv> {
        match format {
            Format::Text => Ok(Self::Text),
            Format::Json => Ok(Self::Json),
            Format::Csv => Err(NoCsv),
            Format::Markdown => Ok(Self::Markdown),
            Format::Html => Ok(Self::Html),
        }
    }
}

/// A comparison is wanted as CSV.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a comparison has no CSV: say --format json, text, markdown or html")]
pub struct NoCsv;
