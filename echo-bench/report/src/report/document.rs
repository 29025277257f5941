//! Stored documents, read again: [`load`] a report, or [`open`] what may be a report, a
//! comparison or a sweep. A document is a stranger's: it is read with a limit, and one whose
//! numbers can't be those of a measurement is refused, so that nobody behind this has to doubt
//! them.

use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::{DeserializeOwned, IgnoredAny};

use super::{Report, embedding, partial};
use crate::bounded;

/// What is stored as a document of its own.
pub trait Stored: DeserializeOwned {
    /// The name and version of its shape.
    const SCHEMA: &'static str;

    /// Checks what its types can't: that numbers are in range, that sums add up and that
    /// places are those of something.
    ///
    /// # Errors
    /// The first field that can't be.
    fn validate(&self) -> Result<(), Invalid>;
}

/// A field of a document that can't be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    field: String,
    reason: String,
}

impl Invalid {
    /// `field` can't be, and why.
    pub fn new(field: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self { field: field.to_string(), reason: reason.to_string() }
    }
}

impl fmt::Display for Invalid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.reason)
    }
}

impl std::error::Error for Invalid {}

/// Names the part of a document that a check was about.
pub(crate) trait Within {
    /// The field is one of `parent`.
    fn within(self, parent: impl fmt::Display) -> Self;
}

impl Within for Result<(), Invalid> {
    fn within(self, parent: impl fmt::Display) -> Self {
        self.map_err(|Invalid { field, reason }| {
            let parent = parent.to_string();
            let inside = parent.is_empty() || field.is_empty() || field.starts_with('[');
            let dot = if inside { "" } else { "." };
            Invalid { field: format!("{parent}{dot}{field}"), reason }
        })
    }
}

/// Refuses `field` unless the condition holds.
pub(crate) fn ensure(
    holds: bool,
    field: impl fmt::Display,
    reason: impl fmt::Display,
) -> Result<(), Invalid> {
    if holds { Ok(()) } else { Err(Invalid::new(field, reason)) }
}

/// Why a document can't be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file can't be read.
    #[error("reading {path}: {reason}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// The file is no document, or misses a field of one.
    #[error("{path} is not an echo-bench report: {field}{reason}")]
    Shape {
        /// The file.
        path: PathBuf,
        /// Where, with a colon; empty if all of it is wrong.
        field: String,
        /// Why.
        reason: serde_json::Error,
    },
    /// The file is a web page without a document in it.
    #[error("{path} is a page that holds no echo-bench report")]
    Page {
        /// The file.
        path: PathBuf,
    },
    /// The record of a run that can't be read.
    #[error("{path} is no record of a run: {reason}")]
    Partial {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: partial::PartialError,
    },
    /// The document is of another kind or version.
    #[error("{path} has the schema `{found}`, expected `{expected}`")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: String,
        /// The schema that can be read.
        expected: &'static str,
    },
    /// The document holds something that can't be.
    #[error("{path} is damaged: {reason}")]
    Invalid {
        /// The file.
        path: PathBuf,
        /// What.
        reason: Invalid,
    },
}

/// What a file holds, before anything is made of it.
#[derive(Debug)]
pub struct Document {
    path: PathBuf,
    json: String,
    schema: Option<String>,
}

/// All that is known of a document before its kind is.
#[derive(Deserialize)]
struct Head {
    schema: Option<String>,
}

/// What tells repeats of one run from a sweep over settings.
#[derive(Deserialize)]
struct Spanning {
    plan: Axes,
}

#[derive(Deserialize)]
struct Axes {
    axes: Vec<IgnoredAny>,
}

/// Reads JSON, the JSON within a page, or what is left of a run that was killed.
///
/// # Errors
/// When the file can't be read, or holds none of these.
pub fn open(path: &Path) -> Result<Document, LoadError> {
    let path = path.to_owned();
    match bounded::read(&path, bounded::DOCUMENT) {
        Ok(text) => interpret(text, path),
        Err(reason) => Err(LoadError::Read { path, reason }),
    }
}

/// The same of the `text` in the file `path`.
///
/// # Errors
/// When it holds none of these.
pub fn interpret(text: String, path: PathBuf) -> Result<Document, LoadError> {
    if partial::is_partial(&text) {
        let read = partial::read(&text);
        let report =
            read.map_err(|reason| LoadError::Partial { path: path.clone(), reason })?;
        let json = super::store::to_json(&report);
        return Ok(Document { path, json, schema: Some(report.schema) });
    }
    let json = if embedding::is_page(&text) {
        match embedding::find(&text) {
            Some(json) => json.to_owned(),
            None => return Err(LoadError::Page { path }),
        }
    } else {
        text
    };
    let Head { schema } = parsed(&json, &path)?;
    Ok(Document { path, json, schema })
}

fn parsed<T: DeserializeOwned>(json: &str, path: &Path) -> Result<T, LoadError> {
    let mut source = serde_json::Deserializer::from_str(json);
    let shape = |field, reason| LoadError::Shape { path: path.to_owned(), field, reason };
    let parsed = serde_path_to_error::deserialize(&mut source).map_err(|error| {
        let field = match error.path().to_string().as_str() {
            "." => String::new(),
            field => format!("{field}: "),
        };
        shape(field, error.into_inner())
    })?;
    source.end().map_err(|error| shape(String::new(), error))?;
    Ok(parsed)
}

impl Document {
    /// The name and version of its shape, if it says one.
    pub fn schema(&self) -> Option<&str> {
        self.schema.as_deref()
    }

    /// Whether it is a sweep over settings, and not one of repeats.
    ///
    /// # Errors
    /// When it is no sweep.
    pub fn spans_axes(&self) -> Result<bool, LoadError> {
        let Spanning { plan } = parsed(&self.json, &self.path)?;
        Ok(!plan.axes.is_empty())
    }

    /// The valid document of a kind.
    ///
    /// # Errors
    /// When it is of another kind, or not valid.
    pub fn parse<T: Stored>(self) -> Result<T, LoadError> {
        let Self { path, json, schema } = self;
        // Looked at first: another version may well have another shape.
        if schema.as_deref() != Some(T::SCHEMA) {
            let found = schema.unwrap_or_else(|| "none".to_owned());
            return Err(LoadError::Version { path, found, expected: T::SCHEMA });
        }
        let document: T = parsed(&json, &path)?;
        match document.validate() {
            Ok(()) => Ok(document),
            Err(reason) => Err(LoadError::Invalid { path, reason }),
        }
    }
}

/// Reads a report from JSON or from the page of a run.
///
/// # Errors
/// When it can't be read, or is not valid.
pub fn load(path: &Path) -> Result<Report, LoadError> {
    open(path)?.parse()
}
