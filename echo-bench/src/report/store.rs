//! Reports as files: [`save`] and [`load`]. A report is written whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Report, SCHEMA, embedding, partial};
use crate::output;
use crate::plan::Plan;

/// Why a report can't be read.
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
    /// The file is no report.
    #[error("{path} is no echo-bench report: {reason}")]
    Shape {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: serde_json::Error,
    },
    /// The file is a web page without a report in it.
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
    /// The report is of another version.
    #[error("{path} has the schema `{found}`, and this version reads `{SCHEMA}`")]
    Version {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: String,
    },
}

/// What is stored (a report, a comparison, a sweep) as JSON, with a newline at its end.
///
/// # Panics
/// Never: strings, numbers and lists of them always serialise.
pub fn to_json(stored: &impl serde::Serialize) -> String {
    let mut text = serde_json::to_string_pretty(stored)
        .expect("strings, numbers and lists of them always serialise");
    text.push('\n');
    text
}

/// Writes the report to `path`, in a folder of ours.
pub fn save(report: &Report, path: &Path) -> std::io::Result<()> {
    output::replace(path, &to_json(report))
}

/// Writes the report into `directory`, which is made if need be, under a name of its own;
/// that name.
pub fn save_in(report: &Report, directory: &Path) -> std::io::Result<PathBuf> {
    fs::create_dir_all(directory)?;
    let names = names(&report.started_at, &report.plan, "json");
    output::create(directory, names, &to_json(report))
}

/// Names for what is kept of a run that began at `started_at`, in the order in which they are
/// tried: two runs in one second must not take the same.
pub fn names(started_at: &str, plan: &Plan, ending: &str) -> impl Iterator<Item = String> {
    let stamp: String =
        started_at.chars().filter(char::is_ascii_alphanumeric).take(15).collect();
    let base = format!("{stamp}-{}-c{}", plan.protocol, plan.connections);
    (1_u64..).map(move |number| match number {
        1 => format!("{base}.{ending}"),
        _ => format!("{base}-{number}.{ending}"),
    })
}

/// What a file holds, before anything is made of it.
#[derive(Debug)]
pub struct Document {
    path: PathBuf,
    value: serde_json::Value,
}

/// Reads JSON, the JSON within a page, or what is left of a run that was killed.
pub fn open(path: &Path) -> Result<Document, LoadError> {
    let path = path.to_owned();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(reason) => return Err(LoadError::Read { path, reason }),
    };
    if partial::is_partial(&text) {
        let read = partial::read(&text);
        let report =
            read.map_err(|reason| LoadError::Partial { path: path.clone(), reason })?;
        let value = serde_json::to_value(report);
        return match value {
            Ok(value) => Ok(Document { path, value }),
            Err(reason) => Err(LoadError::Shape { path, reason }),
        };
    }
    let json = if embedding::is_page(&text) {
        embedding::find(&text).ok_or_else(|| LoadError::Page { path: path.clone() })?
    } else {
        &text
    };
    match serde_json::from_str(json) {
        Ok(value) => Ok(Document { path, value }),
        Err(reason) => Err(LoadError::Shape { path, reason }),
    }
}

impl Document {
    /// The name and version of its shape, if it says one.
    pub fn schema(&self) -> Option<&str> {
        self.value.get("schema")?.as_str()
    }

    /// The document of the schema that it says.
    pub fn parse<T: serde::de::DeserializeOwned>(self) -> Result<T, LoadError> {
        let path = self.path;
        serde_json::from_value(self.value).map_err(|reason| LoadError::Shape { path, reason })
    }

    /// The report that it is.
    pub fn report(self) -> Result<Report, LoadError> {
        // The version is looked at first: another version may well have another shape.
        if self.schema() != Some(SCHEMA) {
            let found = self.schema().unwrap_or("none").to_owned();
            return Err(LoadError::Version { path: self.path, found });
        }
        self.parse()
    }
}

/// Reads a report from JSON or from the page of a run.
pub fn load(path: &Path) -> Result<Report, LoadError> {
    open(path)?.report()
}
