//! The folder of a published study: [`Study`]. Somebody writes `plan.toml` and `notes.md`; the
//! rest is written here from what was measured. Refuses what was measured by a program whose
//! source nobody can get back.

use std::io;
use std::path::{Path, PathBuf};

use echo_bench_report::describe::study::UnfitNotes;
use echo_bench_report::report::{Tool, store};
use echo_bench_report::sweep::Sweep;
use echo_bench_report::{bounded, output, render};

/// The findings as they are written, with references in the place of numbers.
const NOTES: &str = "notes.md";

/// The folder of a study, whose notes could be read.
#[derive(Debug)]
pub struct Study {
    folder: PathBuf,
}

/// A study that can't be made.
#[derive(Debug, thiserror::Error)]
pub enum StudyError {
    /// Nobody can build this program again.
    #[error(
        "--study: this program is {0}, not built from a committed tree: commit, build, and \
         measure again"
    )]
    Uncommitted(Tool),
    /// The same of runs.
    #[error("--study: runs were made by {0}, not built from a committed tree")]
    UncommittedRuns(Tool),
    /// The notes can't be read.
    #[error("--study: reading {path}: {reason} (write what is asked into it, as Markdown)")]
    Notes {
        /// Where.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// The notes do not fit the sweep.
    #[error("{path}, {reason}")]
    Unfit {
        /// Where.
        path: PathBuf,
        /// What is wrong.
        reason: UnfitNotes,
    },
    /// A file can't be written.
    #[error("--study: writing {path}: {reason}")]
    Write {
        /// Where.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
}

/// The revision of a tree that was not committed, as git describes it, or none at all.
fn is_uncommitted(tool: &Tool) -> bool {
    tool.revision.as_ref().is_none_or(|revision| revision.ends_with("-dirty"))
}

/// The README of `sweep` with the notes in a file.
///
/// # Errors
/// When they can't be read or do not fit the sweep, or when a run was made by a program that was
/// not built from a committed tree.
pub fn readme(sweep: &Sweep, notes: &Path) -> Result<String, StudyError> {
    let mut runs = sweep.cells.iter().flat_map(|cell| &cell.runs);
    if let Some(run) = runs.find(|run| is_uncommitted(&run.tool)) {
        return Err(StudyError::UncommittedRuns(run.tool.clone()));
    }
    let text = read(notes)?;
    render::markdown::study(sweep, &text)
        .map_err(|reason| StudyError::Unfit { path: notes.to_owned(), reason })
}

fn read(notes: &Path) -> Result<String, StudyError> {
    bounded::read(notes, bounded::PLAN)
        .map_err(|reason| StudyError::Notes { path: notes.to_owned(), reason })
}

impl Study {
    /// The study in `folder`, before anything is measured for it.
    ///
    /// # Errors
    /// When `tool`, which is to measure, was not built from a committed tree, or the folder has
    /// no notes.
    pub fn open(folder: &Path, tool: Tool) -> Result<Self, StudyError> {
        if is_uncommitted(&tool) {
            return Err(StudyError::Uncommitted(tool));
        }
        read(&folder.join(NOTES))?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Writes the data, the page and the text, and the README from the notes; its path.
    ///
    /// # Errors
    /// When one can't be written. The data are written before the notes are looked at, so that
    /// notes which do not fit lose nothing.
    pub fn publish(&self, sweep: &Sweep) -> Result<PathBuf, StudyError> {
        self.write("sweep.json", &store::to_json(sweep))?;
        self.write("sweep.html", &render::html::sweep(sweep))?;
        self.write("sweep.txt", &render::text::sweep(sweep))?;
        self.write("README.md", &readme(sweep, &self.folder.join(NOTES))?)
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf, StudyError> {
        let path = self.folder.join(name);
        match output::replace(&path, text) {
            Ok(()) => Ok(path),
            Err(reason) => Err(StudyError::Write { path, reason }),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn tool(revision: Option<&str>) -> Tool {
        Tool { revision: revision.map(Into::into), ..Tool::this() }
    }

    #[test]
    fn a_program_that_nobody_can_build_again_measures_no_study() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(NOTES), "# Anything\n").unwrap();
        for revision in [None, Some("c7822c989b49-dirty")] {
            let told = Study::open(folder.path(), tool(revision)).unwrap_err().to_string();
            assert!(told.contains("not built from a committed tree"), "{told}");
        }
        Study::open(folder.path(), tool(Some("c7822c989b49"))).unwrap();
    }

    #[test]
    fn a_study_without_notes_is_refused_before_it_is_measured() {
        let folder = tempfile::tempdir().unwrap();
        let told =
            Study::open(folder.path(), tool(Some("c7822c989b49"))).unwrap_err().to_string();
        assert!(told.contains("notes.md") && told.contains("No such file"), "{told}");
    }
}
