//! `echo-bench man` and `echo-bench completions`.

use clap::CommandFactory as _;
use echo_manual::{Pages, PagesError};

use super::exit::{Exit, UsageError};
use crate::cli::Cli;
use crate::console::print;

/// Prints a manual page or a completion script.
///
/// # Errors
/// When there is no such page, or it can't be written.
pub fn pages(pages: &Pages) -> anyhow::Result<u8> {
    let text = pages.text(Cli::command()).map_err(|error| match error {
        unknown @ PagesError::Unknown(_) => UsageError::new(unknown).into(),
        other => anyhow::Error::from(other),
    })?;
    print(&text)?;
    Ok(Exit::Done as u8)
}
