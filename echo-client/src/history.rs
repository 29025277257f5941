//! What was typed in earlier sessions: where that is kept, and that nobody else can read it.

use std::ffi::OsString;
use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// Lines that are kept.
pub(crate) const KEPT_LINES: usize = 1000;

/// `echo-client/history` in the directory for state of the XDG base directory
/// specification; `None` where the environment names none.
pub(crate) fn path() -> Option<PathBuf> {
    path_in(std::env::var_os("XDG_STATE_HOME"), std::env::var_os("HOME"))
}

fn path_in(state: Option<OsString>, home: Option<OsString>) -> Option<PathBuf> {
    // The specification says to ignore a path that is not absolute.
    let absolute = |path: OsString| Some(PathBuf::from(path)).filter(|path| path.is_absolute());
    let state = state
        .and_then(absolute)
        .or_else(|| home.and_then(absolute).map(|home| home.join(".local/state")))?;
    Some(state.join("echo-client/history"))
}

/// Makes the file and its directory where they are missing, and shuts others out.
pub(crate) fn prepare(path: &Path) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    }
    let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn follows_the_environment() {
        let path = |state: Option<&str>, home: Option<&str>| {
            path_in(state.map(OsString::from), home.map(OsString::from))
                .map(|path| path.display().to_string())
        };
        for (state, home, expected) in [
            (Some("/state"), Some("/home/a"), Some("/state/echo-client/history")),
            (None, Some("/home/a"), Some("/home/a/.local/state/echo-client/history")),
            (Some("state"), Some("/home/a"), Some("/home/a/.local/state/echo-client/history")),
            (Some(""), None, None),
        ] {
            assert_eq!(path(state, home).as_deref(), expected, "{state:?} {home:?}");
        }
    }

    #[test]
    fn shuts_others_out_of_an_old_file_too() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("deep/er/history");
        prepare(&path).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        std::fs::write(&path, "kept").unwrap();
        prepare(&path).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read(&path).unwrap(), b"kept");
    }
}
