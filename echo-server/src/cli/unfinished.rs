//! Limits on what peers leave unfinished: [`UnfinishedArgs`].

use std::time::Duration;

use clap::Args;
use echo_net::settings::{ByteSize, TimeSpan};

/// Limits on unfinished messages and unsent replies
#[derive(Debug, Clone, Args)]
pub struct UnfinishedArgs {
    /// Disconnect a peer that does not complete a message so long after its first byte, however
    /// many more it sends; 0 disables it
    #[arg(long, value_name = "TIME", default_value = "30s", help_heading = "Limits")]
    pub message_timeout: TimeSpan,

    /// Maximum bytes that all connections together buffer: unfinished messages and unsent
    /// replies. Above it the largest are cut [default: a quarter of the usable memory]
    #[arg(long, value_name = "SIZE", help_heading = "Limits")]
    pub max_buffered: Option<ByteSize>,
}

impl UnfinishedArgs {
    /// `None`: disabled.
    pub(super) fn message_timeout(&self) -> Option<Duration> {
        Some(self.message_timeout.0).filter(|time| !time.is_zero())
    }
}
