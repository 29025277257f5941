//! `echo-bench baseline`, as typed.

use clap::Subcommand;

/// What to do with saved baselines.
#[derive(Debug, Subcommand)]
pub enum BaselineCommand {
    /// List the saved baselines: when each was made, of how many runs, and what they measured
    List,
    /// Remove saved baselines
    Rm {
        /// Their names
        #[arg(value_name = "NAME", required = true)]
        names: Vec<String>,
    },
}
