//! Where a sweep keeps what it has measured: [`Folder`]. One file per run, written whole, so
//! that a sweep that was cut goes on with what is missing. What a sweep is, is a text here:
//! its identity. Refuses the folder of another one.

use std::fs::{self, TryLockError};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;

use echo_bench_report::report::{Report, Tool, store};
use echo_bench_report::sweep::order::Turn;
use echo_bench_report::{bounded, output};

/// The file that says which sweep a folder belongs to.
const PLAN: &str = "plan.toml";

/// The file of the whole result.
const RESULT: &str = "sweep.json";

/// The file that the sweep which uses a folder holds locked.
const LOCK: &str = "lock";

/// A folder of a sweep, in use until it is dropped.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    /// The kernel takes the lock back however the process ends.
    _lock: fs::File,
}

/// A folder that can't be used.
#[derive(Debug, thiserror::Error)]
pub enum FolderError {
    /// It can't be read or written.
    #[error(
        "keeping the runs of the sweep in {path}: {reason} (name another place with --dir)"
    )]
    Io {
        /// Where.
        path: PathBuf,
        /// Why.
        reason: io::Error,
    },
    /// Another sweep measures into it.
    #[error("another sweep is using {path}; wait for it, or name another place with --dir")]
    InUse {
        /// Where.
        path: PathBuf,
    },
    /// Another build would be measured beside the one that is there already.
    #[error(
        "the runs in {path} were made by {made_by} and this is {this}, which may measure otherwise: \
         go on with that one, or begin anew in another place with --dir"
    )]
    OtherTool {
        /// Where.
        path: PathBuf,
        /// What made the runs.
        made_by: String,
        /// What would make the others.
        this: String,
    },
    /// It holds something else.
    #[error(
        "{path} holds the runs of another sweep, which differs in: {differs} (name another place with --dir)"
    )]
    OtherPlan {
        /// Where.
        path: PathBuf,
        /// The lines that differ.
        differs: String,
    },
}

impl Folder {
    /// The folder at `path` of the sweep with this `identity`, made if need be.
    ///
    /// # Errors
    /// If it can't be made, or belongs to another sweep.
    pub fn open(path: &Path, identity: &str) -> Result<Self, FolderError> {
        let failed = |reason| FolderError::Io { path: path.to_owned(), reason };
        fs::create_dir_all(path).map_err(failed)?;
        let lock = open_lock(&path.join(LOCK)).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(FolderError::InUse { path: path.to_owned() });
            }
            Err(TryLockError::Error(reason)) => return Err(failed(reason)),
        }
        let file = path.join(PLAN);
        match bounded::read(&file, bounded::PLAN) {
            Ok(found) if found == identity => {}
            Ok(found) => {
                let differs = differing_lines(&found, identity);
                return Err(FolderError::OtherPlan { path: path.to_owned(), differs });
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                output::replace(&file, identity).map_err(failed)?;
            }
            Err(error) => return Err(failed(error)),
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// Where the folder of a sweep is kept if the user names none: the same sweep finds its
    /// own again.
    pub fn default_path(identity: &str) -> PathBuf {
        let digest = echo_bench_engine::fingerprint::digest(identity.bytes());
        Path::new("reports/runs").join(format!("sweep-{digest}"))
    }

    /// The results of the sweeps whose folders are in `directory`.
    ///
    /// # Errors
    /// If it can't be listed.
    pub fn results_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
        let entries: Vec<_> = fs::read_dir(directory)?.collect::<io::Result<_>>()?;
        let folders = entries.iter().map(fs::DirEntry::path);
        let folders = folders.filter(|folder| folder.join(PLAN).is_file());
        Ok(folders.map(|folder| folder.join(RESULT)).filter(|file| file.is_file()).collect())
    }

    /// Whether there is a folder of this sweep at `path`.
    pub(crate) fn is_of(path: &Path, identity: &str) -> bool {
        bounded::read(&path.join(PLAN), bounded::PLAN).is_ok_and(|found| found == identity)
    }

    /// Takes back that the sweep is finished, before further runs are made.
    ///
    /// # Errors
    /// If the result can't be removed.
    pub(crate) fn unfinish(&self) -> Result<(), FolderError> {
        match fs::remove_file(self.result()) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(FolderError::Io { path: self.path.clone(), reason: source })
            }
            _ => Ok(()),
        }
    }

    /// The file of a run.
    pub fn file(&self, turn: Turn) -> PathBuf {
        self.path.join(format!("cell{:03}-repeat{:02}.json", turn.cell + 1, turn.repeat + 1))
    }

    /// The report of a run, if it was finished. One that can't be read or that was
    /// interrupted counts as not made.
    pub fn report(&self, turn: Turn) -> Option<Report> {
        let report = store::load(&self.file(turn)).ok()?;
        (!report.interrupted).then_some(report)
    }

    /// Refuses to add runs of `this` to those of another build.
    ///
    /// # Errors
    /// If they are of another build.
    pub fn check_tool(&self, made_by: &Tool, this: &Tool) -> Result<(), FolderError> {
        if made_by == this {
            return Ok(());
        }
        let (path, made_by, this) = (self.path.clone(), made_by.to_string(), this.to_string());
        Err(FolderError::OtherTool { path, made_by, this })
    }

    /// The file of the whole result, which is there once the sweep is finished.
    pub fn result(&self) -> PathBuf {
        self.path.join(RESULT)
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Opens the lock, or makes it. Who has planted a link of that name must not choose what is
/// made or changed.
fn open_lock(path: &Path) -> io::Result<fs::File> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let mut options = fs::OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).custom_flags(flags);
    options.open(path).map_err(|error| match Errno::from_io_error(&error) {
        Some(Errno::LOOP) => io::Error::other(format!("its file `{LOCK}` is a link")),
        _ => error,
    })
}

fn differing_lines(found: &str, wanted: &str) -> String {
    let lacks = |line: &&str, other: &str| !other.lines().any(|known| known == *line);
    let gone = found.lines().filter(|line| lacks(line, wanted)).map(|line| format!("- {line}"));
    let new = wanted.lines().filter(|line| lacks(line, found)).map(|line| format!("+ {line}"));
    gone.chain(new).collect::<Vec<_>>().join("; ")
}
