//! Arguments about what a server tells: [`OutputArgs`].

use clap::Args;
use echo_net::address::HostAddress;

use crate::choice::choice;
use crate::logging::{LogFormat, LogStyle};

/// Metrics and log of the server.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Serve metrics and health over HTTP on this address
    ///
    /// /metrics for Prometheus, /healthz and /readyz.
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<HostAddress>,

    /// Log format on stderr
    #[arg(long, value_name = "FORMAT", value_parser = choice::<LogFormat>(), default_value_t)]
    pub log_format: LogFormat,

    /// Verbose logging (-v connections, -vv details, -vvv messages)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Log errors only, and print no summary
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,

    /// Print the statistics at the end as a line of JSON on stdout, for the parent process
    #[arg(long)]
    pub summary_on_stdout: bool,
}

impl OutputArgs {
    /// Format and level of the log.
    pub(super) fn style(&self) -> LogStyle {
        LogStyle { format: self.log_format, verbose: self.verbose, quiet: self.quiet }
    }
}
