//! Arguments of `echo-server balance`: [`BalanceArgs`].

use std::num::NonZeroU64;

use clap::Args;
use echo_manual::{MORE, only};
use echo_net::address::{Address, HostAddress};
use echo_net::settings::{TimeSpan, at_least_one};

use crate::balance::{Policy, ProxyProtocol};
use crate::choice::choice;

const EXAMPLES: &str = "\
Examples:
  echo-server balance :9000 --backend :9001 --backend :9002
  echo-server balance --backend 10.0.0.7:8080 --policy least-conns

Exit codes:
  0  stopped by a signal
  1  could not serve
  2  usage";

/// What `-h` shows.
const SHOWN: [&str; 9] = [
    "address",
    "backend",
    "policy",
    "proxy-protocol",
    "max-conns",
    "check-interval",
    "metrics",
    "verbose",
    "quiet",
];

/// Command line arguments of a balancer.
#[derive(Debug, Clone, Args)]
#[command(after_help = MORE, after_long_help = EXAMPLES, mut_args(only(&SHOWN)))]
pub struct BalanceArgs {
    /// Listen address: HOST:PORT (IPv6 in brackets), :PORT for all interfaces (IPv4 and IPv6),
    /// PORT, or a unix-domain socket, `unix:/PATH` or `unix:@NAME` (abstract)
    #[arg(default_value = "127.0.0.1:8080")]
    pub address: Address,

    /// Backend server (repeatable): HOST:PORT, `unix:/PATH` or `unix:@NAME`; a name is tried at each of
    /// its addresses
    #[arg(long, value_name = "ADDR", required = true)]
    pub backend: Vec<Address>,

    /// Load balancing policy
    #[arg(long, value_parser = choice::<Policy>(), default_value_t)]
    pub policy: Policy,

    /// Send the client's address to backends (PROXY protocol); one of a unix-domain socket is
    /// unknown
    #[arg(long, value_parser = choice::<ProxyProtocol>())]
    pub proxy_protocol: Option<ProxyProtocol>,

    /// Maximum concurrent connections; more wait in the backlog [default: derived from the open
    /// files limit]
    #[arg(long, value_name = "N", value_parser = at_least_one::<NonZeroU64>)]
    pub max_conns: Option<NonZeroU64>,

    /// Health check interval; a backend is down after 3 failures and back after 2 successes
    #[arg(long, value_name = "TIME", default_value = "2s", value_parser = above_zero)]
    pub check_interval: TimeSpan,

    /// Connect timeout for each address of a backend
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = above_zero)]
    pub connect_timeout: TimeSpan,

    /// Connect timeout for all backends together; a client that gets none is reset
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = above_zero)]
    pub dial_timeout: TimeSpan,

    /// Reset a half-closed connection when nothing moves for this long
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = above_zero)]
    pub half_close_timeout: TimeSpan,

    /// Drain timeout: maximum duration of a graceful stop; then connections are reset
    #[arg(long, value_name = "TIME", default_value = "10s")]
    pub drain_timeout: TimeSpan,

    /// Keep access to files and ports that a running balancer does not need (see SECURITY.md)
    #[arg(long)]
    pub no_sandbox: bool,

    /// Serve metrics (/metrics) and health (/healthz, /readyz) over HTTP on this address
    #[arg(long, value_name = "ADDR")]
    pub metrics: Option<HostAddress>,

    /// Verbose logging (-v debug, -vv trace)
    #[arg(short, long, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Log errors only, and print no summary
    #[arg(short, long, conflicts_with = "verbose")]
    pub quiet: bool,
}

fn above_zero(typed: &str) -> Result<TimeSpan, String> {
    match typed.parse() {
        Ok(TimeSpan(span)) if span.is_zero() => Err("must be above 0 (try 1s)".to_owned()),
        Ok(span) => Ok(span),
        Err(error) => Err(format!("{error}")),
    }
}
