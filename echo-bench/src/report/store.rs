//! Reports as files: [`save`] and [`load`]. A report is written whole or not at all; how one is
//! read is [`document`](super::document)'s.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::Report;
pub use super::document::{Document, LoadError, load, open};
use crate::safe_json::safe_json;

/// What is stored (a report, a comparison, a sweep) as JSON, with a newline at its end, and with
/// nothing in it that a terminal would obey.
///
/// # Panics
/// Never: strings, numbers and lists of them always serialise.
pub fn to_json(stored: &impl serde::Serialize) -> String {
    let mut text = serde_json::to_string_pretty(stored)
        .expect("strings, numbers and lists of them always serialise");
    text.push('\n');
    safe_json(&text)
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
