//! Where what outlives a run is kept, unless the user names a place: `$XDG_DATA_HOME/echo-bench`,
//! or the same in `~/.local/share` if that is not set.

use std::path::PathBuf;

use anyhow::Context;
use etcetera::base_strategy::{BaseStrategy as _, Xdg};

/// The directory, which need not exist.
///
/// # Errors
/// If there is no home; `what` is to be kept in it.
pub(crate) fn data_dir(what: &str) -> anyhow::Result<PathBuf> {
    let data = Xdg::new().ok().map(|xdg| xdg.data_dir()).filter(|path| path.is_absolute());
    let data =
        data.with_context(|| format!("finding a place for {what}: set HOME or XDG_DATA_HOME"))?;
    Ok(data.join("echo-bench"))
}
