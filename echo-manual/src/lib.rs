//! Manual pages and shell completions, generated from the same definitions as `--help`, so that
//! they can't differ from it: [`Pages`], the subcommands `man` and `completions` of every program;
//! and [`only`], which keeps `-h` to one screen. It prints nothing.

mod brief;
mod commands;
mod completions;
mod page;
mod sections;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use clap::{Args, Command, Subcommand};
use clap_complete::Shell;

pub use brief::{MORE, only};
use commands::{name_of, shown};

/// Subcommands that describe the program itself.
#[derive(Debug, Clone, Subcommand)]
pub enum Pages {
    /// Print a manual page
    ///
    /// Read one with `man -l -` at the other end of a pipe. With --dir ~/.local/share/man/man1 all
    /// of them are installed for one user.
    Man(ManArgs),
    /// Print a completion script for a shell
    ///
    /// Where it belongs: ~/.local/share/bash-completion/completions/PROGRAM of bash, _PROGRAM in a
    /// directory of $fpath of zsh, ~/.config/fish/completions/PROGRAM.fish of fish.
    Completions {
        /// The shell
        shell: Shell,
    },
}

/// Which manual page, and where it goes.
#[derive(Debug, Clone, Args)]
pub struct ManArgs {
    /// Subcommand that the page describes [default: none, the program]
    #[arg(value_name = "SUBCOMMAND")]
    of: Vec<String>,
    /// Write the pages of the program and of all its subcommands to DIR, which is created
    #[arg(long, value_name = "DIR", conflicts_with = "of")]
    dir: Option<PathBuf>,
}

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub enum PagesError {
    /// The program has no such subcommand: a usage error.
    #[error("there is no subcommand `{0}` (see --help)")]
    Unknown(String),
    /// A page could not be written.
    #[error("writing manual pages to {}", dir.display())]
    Write {
        /// Where to.
        dir: PathBuf,
        /// Why not.
        #[source]
        reason: io::Error,
    },
}

impl Pages {
    /// What to print about a program; nothing if files were written.
    ///
    /// # Errors
    /// When there is no such page, or it can't be written.
    pub fn text(&self, program: Command) -> Result<String, PagesError> {
        let program = whole(program);
        match self {
            Self::Completions { shell } => Ok(completions::script(*shell, &program)),
            Self::Man(ManArgs { dir: Some(dir), .. }) => {
                let reason = |reason| PagesError::Write { dir: dir.clone(), reason };
                fs::create_dir_all(dir).map_err(reason)?;
                write_all(&program, &program, dir).map_err(reason)?;
                Ok(String::new())
            }
            Self::Man(ManArgs { of, .. }) => {
                let mut found = &program;
                for name in of {
                    let inner = shown(found).find(|command| command.get_name() == name);
                    found = inner.ok_or_else(|| PagesError::Unknown(of.join(" ")))?;
                }
                Ok(page::page(&program, found))
            }
        }
    }
}

/// With everything that clap adds itself, except the subcommand `help`, which has no page.
fn whole(program: Command) -> Command {
    let mut program = program.disable_help_subcommand(true);
    program.build();
    program
}

fn write_all(program: &Command, command: &Command, dir: &Path) -> io::Result<()> {
    for inner in shown(command) {
        write_all(program, inner, dir)?;
    }
    let file = format!("{}.1", name_of(command));
    fs::write(dir.join(file), page::page(program, command))
}

#[cfg(test)]
mod tests;
