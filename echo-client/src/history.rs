//! The history file of the prompt: its path, and its permissions.

use std::fs::{DirBuilder, OpenOptions, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use etcetera::base_strategy::{BaseStrategy as _, Xdg};

/// Maximum number of lines.
pub(crate) const KEPT_LINES: usize = 1000;

/// `echo-client/history` in the XDG state directory; `None` without a home directory.
pub(crate) fn path() -> Option<PathBuf> {
    let state = Xdg::new().ok()?.state_dir()?.join("echo-client/history");
    // Not below the working directory, if HOME is relative or empty.
    Some(state).filter(|path| path.is_absolute())
}

/// Creates the file and its directory if they are missing, and makes them private.
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
