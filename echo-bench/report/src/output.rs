//! Where results are written: [`write()`] for a file that the user has named, [`replace`] and
//! [`create`] for files of our own folders. A file is written whole or not at all, and an
//! old one stays whole until the new one is.
//!
//! Drafts have random names that nobody can plant a link at, stand in the folder of the
//! result, and are gone when writing fails.

use std::fs::{self, File, Metadata, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{OFlags, fcntl_setfl};
use rustix::io::Errno;
use tempfile::{Builder, NamedTempFile};

/// How long a FIFO is waited for that nobody reads.
const FIFO_PATIENCE: Duration = Duration::from_secs(10);

/// From one look at it to the next.
const FIFO_LOOK: Duration = Duration::from_millis(10);

/// Names of open descriptors. What they lead to is written on, and not replaced.
const DESCRIPTORS: [&str; 3] = ["/dev/fd", "/dev/stderr", "/proc"];

/// Links that lead to links, as many as the kernel follows.
const MOST_LINKS: usize = 40;

/// Whether a file that the user has named stands for standard output.
pub fn is_stdout(path: &Path) -> bool {
    path == Path::new("-") || path == Path::new("/dev/stdout")
}

/// Writes `text` to a file that the user has named. Links are followed, a regular file is
/// replaced and keeps its owner and permissions, and what is neither (a device, a FIFO) is
/// written into.
///
/// # Errors
/// When it can't be written. A FIFO whose reader goes away early is no error.
pub fn write(path: &Path, text: &str) -> io::Result<()> {
    match target(path)? {
        Target::Replace { path, old } => {
            let mut draft = draft(&path)?;
            if let Some(old) = old {
                inherit(draft.as_file(), &old)?;
            }
            fill(&mut draft, text)?;
            draft.persist(path).map(drop).map_err(|failed| failed.error)
        }
        Target::InPlace(mut file) => match file.write_all(text.as_bytes()) {
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error),
            _ => Ok(()),
        },
    }
}

/// Opens a file that the user has named for lines that are written as they come: a regular file
/// is emptied, what is neither (a device, a FIFO) is written into. Several processes may write
/// to it in turn.
///
/// # Errors
/// When it can't be written.
pub fn open_stream(path: &Path) -> io::Result<File> {
    let file = match target(path)? {
        Target::InPlace(file) => file,
        Target::Replace { path, .. } => {
            let flags = OFlags::APPEND.bits().cast_signed();
            let mut options = OpenOptions::new();
            let file = options.write(true).create(true).custom_flags(flags).open(path)?;
            file.set_len(0)?;
            file
        }
    };
    Ok(file)
}

/// Makes sure that [`write()`] can write to a file, as far as can be known before.
///
/// # Errors
/// When it can't.
pub fn check(path: &Path) -> io::Result<()> {
    // To open a FIFO would already show its reader a writer that comes and goes.
    if fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir()) {
        return Ok(());
    }
    match target(path)? {
        Target::Replace { path, .. } => draft(&path).map(drop),
        Target::InPlace(_) => Ok(()),
    }
}

/// Writes `text` to a file of a folder of ours, whatever has that name: a link is replaced
/// and not followed.
///
/// # Errors
/// When it can't be written.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let mut draft = draft(path)?;
    fill(&mut draft, text)?;
    draft.persist(path).map(drop).map_err(|failed| failed.error)
}

/// Writes `text` to a new file in `folder`, under the first of `names` that is free; that
/// name.
///
/// # Errors
/// When it can't be written, or no name is free.
pub fn create(
    folder: &Path,
    names: impl IntoIterator<Item = String>,
    text: &str,
) -> io::Result<PathBuf> {
    let mut draft = draft(&folder.join("new"))?;
    fill(&mut draft, text)?;
    for name in names {
        let path = folder.join(name);
        match draft.persist_noclobber(&path) {
            Ok(_) => return Ok(path),
            Err(failed) if failed.error.kind() == ErrorKind::AlreadyExists => {
                draft = failed.file;
            }
            Err(failed) => return Err(failed.error),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}

/// What a name leads to.
enum Target {
    /// A regular file or nothing: another file takes its place.
    Replace { path: PathBuf, old: Option<Metadata> },
    /// Anything else, open.
    InPlace(File),
}

fn target(path: &Path) -> io::Result<Target> {
    if path.as_os_str().as_bytes().ends_with(b"/") {
        return Err(ErrorKind::IsADirectory.into());
    }
    // The kernel follows the links, by its own rules for those of other users. Opening also
    // tells whether the file may be written: one that is read-only is not to be replaced.
    let Some(file) = open(path)? else {
        return Ok(Target::Replace { path: followed(path)?, old: None });
    };
    let found = file.metadata()?;
    if found.is_file() && !DESCRIPTORS.iter().any(|name| path.starts_with(name)) {
        return Ok(Target::Replace { path: fs::canonicalize(path)?, old: Some(found) });
    }
    fcntl_setfl(&file, OFlags::APPEND)?;
    Ok(Target::InPlace(file))
}

/// Opens what is there for writing, and changes nothing of it; `None` if there is nothing.
fn open(path: &Path) -> io::Result<Option<File>> {
    let deadline = Instant::now() + FIFO_PATIENCE;
    loop {
        // A FIFO without a reader would otherwise be waited for without end.
        let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed();
        match OpenOptions::new().write(true).custom_flags(flags).open(path) {
            Ok(file) => return Ok(Some(file)),
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) if Errno::from_io_error(&error) == Some(Errno::NXIO) => {
                if !fs::metadata(path)?.file_type().is_fifo() {
                    return Err(error);
                }
                if Instant::now() >= deadline {
                    let reason = "nobody reads this FIFO (start its reader first)";
                    return Err(io::Error::new(ErrorKind::TimedOut, reason));
                }
                std::thread::sleep(FIFO_LOOK);
            }
            Err(error) => return Err(error),
        }
    }
}

/// Where a name of nothing leads to: itself, or where links lead to that end in nothing.
fn followed(path: &Path) -> io::Result<PathBuf> {
    let mut path = path.to_owned();
    for _ in 0..MOST_LINKS {
        match fs::read_link(&path) {
            Ok(target) => path = folder_of(&path).join(target),
            Err(_) => return Ok(path),
        }
    }
    Err(Errno::LOOP.into())
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

fn draft(path: &Path) -> io::Result<NamedTempFile> {
    Builder::new()
        .prefix(".echo-bench-")
        .suffix(".tmp")
        // Opened here, for the crate adds to an error the name of the draft, which nobody has
        // typed. Permissions are those of any new file.
        .make_in(folder_of(path), |draft| {
            OpenOptions::new().read(true).write(true).create_new(true).open(draft)
        })
}

/// Owner and permissions of the file whose place is taken, before there is anything to read.
fn inherit(draft: &File, old: &Metadata) -> io::Result<()> {
    // Only root can give a file away; whoever may write here becomes the owner otherwise.
    let _ = fchown(draft, Some(old.uid()), Some(old.gid()));
    draft.set_permissions(Permissions::from_mode(old.mode() & 0o777))
}

fn fill(draft: &mut NamedTempFile, text: &str) -> io::Result<()> {
    draft.as_file_mut().write_all(text.as_bytes())?;
    draft.as_file().sync_all()
}
