//! Options of TCP beyond Nagle and buffers, as typed: [`TcpArgs`]. The load generator has the
//! same flags for its own sockets.

use std::time::Duration;

use clap::Args;
use echo_net::settings::{ByteSize, OnOff, TimeSpan, Tos};
use echo_net::socket::{CongestionControl, CongestionError, TcpOptions};

use crate::choice::choice;

/// TCP options; the default of each is the system setting
#[derive(Debug, Clone, Default, Args)]
#[command(next_help_heading = "Sockets")]
pub struct TcpArgs {
    /// Congestion control (TCP_CONGESTION), like cubic, reno or bbr [default: system setting]
    #[arg(long, value_name = "NAME")]
    pub congestion: Option<CongestionControl>,

    /// Immediate or delayed ACKs (TCP_QUICKACK). Set once per connection; not permanent: the kernel
    /// soon returns to delayed ACKs on request-reply traffic [default: system setting]
    #[arg(long, value_name = "ON|OFF", value_parser = choice::<OnOff>())]
    pub quickack: Option<OnOff>,

    /// Limit of unsent bytes in the kernel's send queue (TCP_NOTSENT_LOWAT) [default: system
    /// setting]
    #[arg(long, value_name = "SIZE")]
    pub notsent_lowat: Option<ByteSize>,

    /// Reset a connection whose data, or keepalive probe, stays unacknowledged for this long
    /// (TCP_USER_TIMEOUT), in whole milliseconds [default, and 0: system setting]
    #[arg(long, value_name = "TIME")]
    pub user_timeout: Option<TimeSpan>,

    /// Type of service or traffic class (IP_TOS, IPV6_TCLASS) like 0x10: DSCP times four; the
    /// kernel sets the two ECN bits [default: system setting]
    #[arg(long, value_name = "N")]
    pub tos: Option<Tos>,

    /// TCP Fast Open (TCP_FASTOPEN, TCP_FASTOPEN_CONNECT; RFC 7413): a client that has connected
    /// before sends its first request in the SYN. Needs both sides, and sysctl
    /// net.ipv4.tcp_fastopen=3 [default: off]
    #[arg(long, value_name = "ON|OFF", value_parser = choice::<OnOff>())]
    pub fastopen: Option<OnOff>,
}

/// Most that the kernel's own numbers hold.
const MOST_LOWAT: usize = u32::MAX as usize;
const MOST_TIMEOUT: Duration = Duration::from_millis(i32::MAX as u64);

/// Options that this machine does not take.
#[derive(Debug, thiserror::Error)]
pub enum InvalidTcpArgs {
    /// A congestion control that this process can't use.
    #[error("--congestion: {0}")]
    Congestion(#[from] CongestionError),
    /// More than the kernel can count.
    #[error("--notsent-lowat: the maximum is {}", ByteSize(MOST_LOWAT))]
    NotsentLowat,
    /// A time that is not a number of milliseconds.
    #[error("--user-timeout: give whole milliseconds up to {}", TimeSpan(MOST_TIMEOUT))]
    UserTimeout,
}

impl TcpArgs {
    /// The first that was typed, without dashes.
    pub fn first_typed(&self) -> Option<&'static str> {
        let Self { congestion, quickack, notsent_lowat, user_timeout, tos, fastopen } = self;
        [
            ("congestion", congestion.is_some()),
            ("quickack", quickack.is_some()),
            ("notsent-lowat", notsent_lowat.is_some()),
            ("user-timeout", user_timeout.is_some()),
            ("tos", tos.is_some()),
            ("fastopen", fastopen.is_some()),
        ]
        .into_iter()
        .find_map(|(flag, is_typed)| is_typed.then_some(flag))
    }

    /// The options that were typed. Asks the kernel for the congestion control.
    ///
    /// # Errors
    /// What can't be set here, by flag.
    pub fn options(&self) -> Result<TcpOptions, InvalidTcpArgs> {
        if let Some(congestion) = self.congestion {
            congestion.check()?;
        }
        let lowat = self.notsent_lowat.map(|size| u32::try_from(size.0)).transpose();
        let user_timeout = self.user_timeout.map(|time| time.0);
        let is_whole = |time: &Duration| time.subsec_nanos().is_multiple_of(1_000_000);
        if user_timeout.is_some_and(|time| time > MOST_TIMEOUT || !is_whole(&time)) {
            return Err(InvalidTcpArgs::UserTimeout);
        }
        Ok(TcpOptions {
            congestion: self.congestion,
            quickack: self.quickack.map(OnOff::is_on),
            notsent_lowat: lowat.map_err(|_| InvalidTcpArgs::NotsentLowat)?,
            user_timeout,
            tos: self.tos.map(|tos| tos.0),
            fastopen: self.fastopen.map(OnOff::is_on),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Typed {
        #[command(flatten)]
        tcp: TcpArgs,
    }

    fn options(typed: &str) -> Result<TcpOptions, InvalidTcpArgs> {
        let words = std::iter::once("test").chain(typed.split_whitespace());
        Typed::try_parse_from(words).unwrap().tcp.options()
    }

    #[test]
    fn what_is_typed_is_what_is_set() {
        assert_eq!(options("").unwrap(), TcpOptions::SYSTEM);
        let all = "--congestion reno --quickack off --notsent-lowat 16K --user-timeout 1500ms \
                   --tos 0x10 --fastopen on";
        let asked = TcpOptions {
            congestion: Some("reno".parse().unwrap()),
            quickack: Some(false),
            notsent_lowat: Some(16 << 10),
            user_timeout: Some(Duration::from_millis(1_500)),
            tos: Some(16),
            fastopen: Some(true),
        };
        assert_eq!(options(all).unwrap(), asked);
        assert_eq!(options("--user-timeout 0").unwrap().user_timeout, Some(Duration::ZERO));
    }

    #[test]
    fn what_the_kernel_would_not_take_is_refused_by_flag() {
        for (typed, told) in [
            (
                "--congestion nosuch",
                "--congestion: this kernel has no congestion control `nosuch`",
            ),
            ("--notsent-lowat 4G", "--notsent-lowat"),
            ("--user-timeout 1500us", "--user-timeout: give whole milliseconds"),
            ("--user-timeout 600h", "--user-timeout"),
        ] {
            let error = options(typed).unwrap_err().to_string();
            assert!(error.contains(told), "{error}");
        }
    }
}
