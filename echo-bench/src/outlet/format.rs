//! In which formats documents come: [`Format`], all of them, and those of each kind of document,
//! which are a type each: [`RunFormat`], [`SweepFormat`], [`CompareFormat`], [`PageFormat`]. The
//! endings of their files: [`FileFormat`].

use std::fmt::Display;

use strum::VariantArray;

/// Formats that files can have.
pub trait FileFormat: VariantArray + Display + Copy + PartialEq {
    /// What is printed unless another is asked for.
    const TEXT: Self;
    /// What holds everything.
    const JSON: Self;

    /// The endings of its files, the usual one first. Of an ending that several formats have, the
    /// first is meant.
    fn endings(self) -> &'static [&'static str];
}

/// Formats of documents.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Format {
    /// For a terminal.
    Text,
    /// The document itself.
    Json,
    /// Rows for a spreadsheet.
    Csv,
    /// For an issue or a pull request.
    Markdown,
    /// A web page in one file, with charts.
    Html,
    /// Bencher Metric Format: JSON for a service that follows results over time.
    Bmf,
    /// What a gate came to, as the test results that CI systems show.
    Junit,
    /// Metrics for the textfile collector of `node_exporter`.
    Openmetrics,
    /// Annotations of a GitHub workflow.
    Github,
}

impl FileFormat for Format {
    const TEXT: Self = Self::Text;
    const JSON: Self = Self::Json;

    fn endings(self) -> &'static [&'static str] {
        match self {
            Self::Text => &["txt"],
            Self::Json => &["json"],
            Self::Csv => &["csv"],
            Self::Markdown => &["md"],
            Self::Html => &["html"],
            Self::Bmf => &["bmf", "json"],
            Self::Junit => &["xml"],
            Self::Openmetrics => &["prom"],
            Self::Github => &[],
        }
    }
}

/// A document has not every format.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} has no {wanted}: use --format {others}")]
pub struct NoFormat {
    what: &'static str,
    wanted: Format,
    others: String,
}

/// The formats of a kind of document.
macro_rules! formats {
    ($(#[$about:meta])* $name:ident, $what:literal: $($(#[$meaning:meta])* $format:ident),*) => {
        $(#[$about])*
        #[derive(
            Debug,
            Clone,
            Copy,
            PartialEq,
            Eq,
            strum::Display,
            strum::EnumString,
            strum::VariantArray,
        )]
        #[strum(serialize_all = "kebab-case")]
        pub enum $name {
            $(
                #[doc = concat!("See [`Format::", stringify!($format), "`].")]
                $format,
            )*
        }

        impl FileFormat for $name {
            const TEXT: Self = Self::Text;
            const JSON: Self = Self::Json;

            fn endings(self) -> &'static [&'static str] {
                Format::from(self).endings()
            }
        }

        impl From<$name> for Format {
            fn from(format: $name) -> Self {
                match format {
                    $( $name::$format => Self::$format, )*
                }
            }
        }

        impl TryFrom<Format> for $name {
            type Error = NoFormat;

            fn try_from(format: Format) -> Result<Self, NoFormat> {
                match format {
                    $( Format::$format => Ok(Self::$format), )*
                    wanted => {
                        let others: Vec<_> = Self::VARIANTS.iter().map(Self::to_string).collect();
                        Err(NoFormat { what: $what, wanted, others: others.join(", ") })
                    }
                }
            }
        }
    };
}

formats! {
    /// Formats of a run.
    RunFormat, "a run": Text, Json, Csv, Markdown, Html, Bmf, Junit, Openmetrics
}

formats! {
    /// Formats of a sweep, and of a run that is repeated.
    SweepFormat, "a sweep": Text, Json, Csv, Markdown, Html, Bmf, Junit
}

formats! {
    /// Formats of a comparison.
    CompareFormat, "a comparison": Text, Json, Csv, Markdown, Html, Junit, Github
}

formats! {
    /// Formats of other documents.
    PageFormat, "this document": Text, Json, Markdown, Html
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_format_that_a_document_has_not_is_refused_with_those_it_has() {
        let told = CompareFormat::try_from(Format::Bmf).unwrap_err().to_string();
        let others = "text, json, csv, markdown, html, junit, github";
        assert_eq!(told, format!("a comparison has no bmf: use --format {others}"));
        for format in RunFormat::VARIANTS {
            assert_eq!(RunFormat::try_from(Format::from(*format)).as_ref(), Ok(format));
        }
    }

    #[test]
    fn endings_are_of_one_format_unless_it_is_typed() {
        let usual = Format::VARIANTS.iter().filter_map(|format| format.endings().first());
        let mut usual: Vec<_> = usual.collect();
        let all = usual.len();
        usual.sort_unstable();
        usual.dedup();
        assert_eq!(usual.len(), all);
    }
}
