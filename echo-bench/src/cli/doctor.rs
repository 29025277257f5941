//! `echo-bench doctor`, as typed.

use clap::Args;

use echo_manual::MORE;
use echo_server::choice::choice;

use super::ListFormat;

const EXAMPLES: &str = "\
Examples:
  echo-bench doctor                             look before you measure
  echo-bench doctor --strict && echo-bench run  refuse to measure if it warns
  echo-bench doctor --format json

Takes about a second, in which the load of other processes is watched. Changes
nothing.

Exit codes:
  0  done
  4  with --strict, there are warnings";

/// What of a machine is examined, as typed.
#[derive(Debug, Args)]
#[command(after_help = MORE, after_long_help = EXAMPLES)]
pub struct DoctorArgs {
    /// Format of the output
    #[arg(long, value_parser = choice::<ListFormat>(), default_value = "text")]
    pub format: ListFormat,
    /// Exit 4 if there are warnings
    #[arg(long)]
    pub strict: bool,
}
