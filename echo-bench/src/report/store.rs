//! Reports as files: [`save`] and [`load`]. A report is written whole or not at all.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Report, SCHEMA, embedding};

/// Why a report can't be read.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The file can't be read.
    #[error("reading {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is no report.
    #[error("{path} is no echo-bench report: {source}")]
    Shape {
        /// The file.
        path: PathBuf,
        /// Why.
        source: serde_json::Error,
    },
    /// The file is a web page without a report in it.
    #[error("{path} is a page that holds no echo-bench report")]
    Page {
        /// The file.
        path: PathBuf,
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

/// Writes the report to `path`; an old file there stays whole until the new one is.
pub fn save(report: &Report, path: &Path) -> std::io::Result<()> {
    write_whole(path, &to_json(report))
}

/// Writes `text` to `path`; an old file there stays whole until the new one is.
pub fn write_whole(path: &Path, text: &str) -> std::io::Result<()> {
    let mut draft = path.as_os_str().to_owned();
    draft.push(".part");
    let draft = PathBuf::from(draft);
    let mut file = fs::File::create(&draft)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(draft, path)
}

/// Writes the report into `directory`, which is made if need be, under a name of its own;
/// that name.
pub fn save_in(report: &Report, directory: &Path) -> std::io::Result<PathBuf> {
    fs::create_dir_all(directory)?;
    let stamp: String =
        report.started_at.chars().filter(char::is_ascii_alphanumeric).take(15).collect();
    let base = format!("{stamp}-{}-c{}", report.plan.protocol, report.plan.connections);
    for number in 1_u64.. {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        let path = directory.join(format!("{base}{suffix}.json"));
        // Two runs in one second must not take the same name.
        match fs::File::create_new(&path) {
            Ok(_) => return save(report, &path).map(|()| path),
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    unreachable!("numbers do not end")
}

/// What a file holds, before anything is made of it.
#[derive(Debug)]
pub struct Document {
    path: PathBuf,
    value: serde_json::Value,
}

/// Reads JSON, or the JSON within a page.
pub fn open(path: &Path) -> Result<Document, LoadError> {
    let path = path.to_owned();
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(source) => return Err(LoadError::Read { path, source }),
    };
    let json = if embedding::is_page(&text) {
        embedding::find(&text).ok_or_else(|| LoadError::Page { path: path.clone() })?
    } else {
        &text
    };
    match serde_json::from_str(json) {
        Ok(value) => Ok(Document { path, value }),
        Err(source) => Err(LoadError::Shape { path, source }),
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
        serde_json::from_value(self.value).map_err(|source| LoadError::Shape { path, source })
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
