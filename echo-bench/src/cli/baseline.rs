//! `echo-bench baseline`, as typed, and where baselines are ([`BaselinePlace`]).

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};

/// Where baselines are kept.
#[derive(Debug, Clone, Default, Args)]
pub struct BaselinePlace {
    /// Where baselines are kept, as in a repository or a cache of CI [default: the user's data
    /// directory]
    #[arg(long, value_name = "DIR")]
    pub baseline_dir: Option<PathBuf>,
}

impl BaselinePlace {
    /// The folder that was typed.
    pub fn home(&self) -> Option<&Path> {
        self.baseline_dir.as_deref()
    }
}

/// What to do with saved baselines.
#[derive(Debug, Subcommand)]
pub enum BaselineCommand {
    /// List the saved baselines: when each was made, of how many runs, and what they measured
    List {
        /// Where they are.
        #[command(flatten)]
        place: BaselinePlace,
    },
    /// Remove saved baselines
    Rm {
        /// Their names
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
        /// Where they are.
        #[command(flatten)]
        place: BaselinePlace,
    },
}
