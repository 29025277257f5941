//! Command line arguments; their meaning is decided in `main` and in the library.

use std::fmt::Display;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use echo_client::ports::PortList;
use echo_client::{Endpoint, EndpointError};
use echo_manual::{MORE, Pages, only};
use echo_net::address::{Address, AddressError, HostAddress};
use echo_net::settings::{ByteSize, Count, TimeSpan};
use echo_proto::{HttpHost, ProtocolKind, Service};
use strum::{ParseError, VariantArray};

mod order;
mod texts;
mod tls;

pub(crate) use order::explain;
pub(crate) use tls::TlsArgs;

use texts::{ADDRESS, EXAMPLES, PING_HELP, SCAN_HELP};

/// What `-h` shows.
const SHOWN: [&str; 9] =
    ["addr", "protocol", "timeout", "tls", "cacert", "insecure", "time", "color", "quiet"];

/// Talk to an echo server, at a prompt or in a pipe.
#[derive(Debug, Parser)]
#[command(
    name = "echo-client",
    version,
    after_help = MORE,
    after_long_help = EXAMPLES,
    max_term_width = 96,
    args_conflicts_with_subcommands = true,
    allow_negative_numbers = true,
    mut_args(only(&SHOWN))
)]
pub(crate) struct Cli {
    /// The subcommand; without one, an interactive or piped session.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Server address.
    #[arg(
        default_value = "127.0.0.1:8080",
        value_parser = server,
        help = "Server address: HOST:PORT, unix:/PATH or a URL",
        long_help = ADDRESS
    )]
    pub(crate) addr: Endpoint,

    /// Application protocol; chat is a chat room [default: line, or that of the URL]
    #[arg(short, long, value_parser = choice::<Service>(), help_heading = "Session")]
    pub(crate) protocol: Option<Service>,

    /// Timeouts.
    #[command(flatten)]
    pub(crate) patience: Patience,

    /// Maximum size of a message or reply
    #[arg(long, value_name = "SIZE", default_value = "16MiB", help_heading = "Session")]
    pub(crate) max_message: ByteSize,

    /// Settings of HTTP requests.
    #[command(flatten)]
    pub(crate) http: HttpArgs,

    /// TLS settings.
    #[command(flatten)]
    pub(crate) tls: TlsArgs,

    /// Show the round-trip time of each reply
    #[arg(long, help_heading = "Output")]
    pub(crate) time: bool,

    /// When to use colours; auto: on a terminal, unless `NO_COLOR` is set
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = "Output")]
    pub(crate) color: ColorChoice,

    /// Print nothing but replies and errors
    #[arg(short, long, help_heading = "Output")]
    pub(crate) quiet: bool,
}

/// Arguments of HTTP requests.
#[derive(Debug, Args)]
#[command(next_help_heading = "Session")]
pub(crate) struct HttpArgs {
    /// Host header of HTTP requests [default: the host and port of the address]
    #[arg(long, value_name = "HOST")]
    http_host: Option<HttpHost>,
}

impl HttpArgs {
    /// The `Host` of requests to a server, with or without TLS.
    ///
    /// # Errors
    /// When the flag does not fit the protocol, or the address is not a valid `Host`.
    pub(crate) fn host(
        &self,
        server: &Address,
        protocol: ProtocolKind,
        tls: bool,
    ) -> Result<HttpHost, String> {
        match &self.http_host {
            Some(_) if protocol != ProtocolKind::Http => {
                Err("--http-host needs --protocol http".to_owned())
            }
            Some(typed) => Ok(typed.clone()),
            None if protocol != ProtocolKind::Http => Ok(HttpHost::default()),
            None => HttpHost::of(server.host(), server.http_port(tls), tls)
                .map_err(|error| format!("{error} (name it with --http-host)")),
        }
    }
}

/// Timeout arguments.
#[derive(Debug, Args)]
#[command(next_help_heading = "Session")]
pub(crate) struct Patience {
    /// Reply timeout
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = timeout)]
    pub(crate) timeout: TimeSpan,

    /// Connect timeout, over all addresses of the name [default: same as --timeout]
    #[arg(long, value_name = "TIME", value_parser = timeout)]
    connect_timeout: Option<TimeSpan>,
}

impl Patience {
    /// The connect timeout.
    pub(crate) fn for_connection(&self) -> Duration {
        self.connect_timeout.unwrap_or(self.timeout).0
    }
}

/// Exits with a usage error.
pub(crate) fn refuse(reason: impl Display) -> ! {
    Cli::command().error(ErrorKind::ArgumentConflict, reason).exit()
}

/// The protocol of a server.
///
/// # Errors
/// When URL and flag contradict each other, or the URL has a path, a user or a database.
pub(crate) fn service(server: &Endpoint, typed: Option<Service>) -> Result<Service, String> {
    if server.user.is_some() || server.database.is_some() {
        return Err(
            "remove user and database from the URL (this client does not log in)".into()
        );
    }
    match server.path.as_deref() {
        None | Some("/") => server.service(typed).map_err(|error| error.to_string()),
        Some(path) => {
            Err(format!("remove `{path}` from the URL (a path is sent as a message)"))
        }
    }
}

/// A server as typed. Here no password can be of use.
fn server(typed: &str) -> Result<Endpoint, String> {
    typed.parse().map_err(|error| match error {
        EndpointError::Password(_) => {
            "remove user and password from the URL (this client does not log in)".into()
        }
        other => other.to_string(),
    })
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure the round-trip time of single requests
    Ping(Box<PingArgs>),
    /// List the open TCP ports of a host, one per line
    Scan(ScanArgs),
    /// Manual pages and completions.
    #[command(flatten)]
    Pages(Pages),
}

/// Default of the maximum message size.
pub(crate) const LONGEST_MESSAGE: usize = 16 << 20;

/// What `ping -h` shows.
const SHOWN_OF_PING: [&str; 10] = [
    "addr", "count", "interval", "size", "protocol", "timeout", "tls", "cacert", "insecure",
    "quiet",
];

/// Arguments of `ping`.
#[derive(Debug, Args)]
#[command(
    after_help = MORE,
    after_long_help = PING_HELP,
    allow_negative_numbers = true,
    mut_args(only(&SHOWN_OF_PING))
)]
pub(crate) struct PingArgs {
    /// Server address.
    #[arg(
        default_value = "127.0.0.1:8080",
        value_parser = server,
        help = "Server address: HOST:PORT, unix:/PATH or a URL",
        long_help = ADDRESS
    )]
    pub(crate) addr: Endpoint,

    /// Number of requests [default: until interrupted]
    #[arg(short, long, value_name = "N", value_parser = at_least_one)]
    pub(crate) count: Option<Count>,

    /// Interval between requests; 0: send each after the previous reply
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub(crate) interval: TimeSpan,

    /// Payload size in bytes
    #[arg(short, long, value_name = "SIZE", default_value = "56", value_parser = size)]
    pub(crate) size: ByteSize,

    /// Application protocol [default: line, or that of the URL]
    #[arg(short, long, value_parser = choice::<ProtocolKind>())]
    pub(crate) protocol: Option<ProtocolKind>,

    /// Settings of HTTP requests.
    #[command(flatten)]
    pub(crate) http: HttpArgs,

    /// Timeouts.
    #[command(flatten)]
    pub(crate) patience: Patience,

    /// TLS settings.
    #[command(flatten)]
    pub(crate) tls: TlsArgs,

    /// Print only the summary
    #[arg(short, long, help_heading = "Output")]
    pub(crate) quiet: bool,
}

/// Arguments of `scan`.
#[derive(Debug, Args)]
#[command(after_help = MORE, after_long_help = SCAN_HELP, allow_negative_numbers = true)]
pub(crate) struct ScanArgs {
    /// Host name or address
    #[arg(value_parser = host)]
    pub(crate) host: String,

    /// Ports to scan: numbers and ranges
    #[arg(long, value_name = "PORTS", default_value = "1-1024")]
    pub(crate) ports: PortList,

    /// Maximum concurrent connection attempts
    #[arg(long, value_name = "N", default_value = "500", value_parser = at_least_one)]
    pub(crate) concurrency: Count,

    /// Connect timeout; a port without an answer counts as filtered
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = timeout)]
    pub(crate) timeout: TimeSpan,

    /// Print the open ports only, no summary
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// When to use colours.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    Auto,
    Always,
    Never,
}

impl From<ColorChoice> for anstream::ColorChoice {
    fn from(choice: ColorChoice) -> Self {
        match choice {
            ColorChoice::Auto => Self::Auto,
            ColorChoice::Always => Self::Always,
            ColorChoice::Never => Self::Never,
        }
    }
}

fn choice<T>() -> impl TypedValueParser<Value = T>
where
    T: VariantArray + Display + FromStr<Err = ParseError> + Clone + Send + Sync,
{
    let names = T::VARIANTS.iter().map(ToString::to_string);
    PossibleValuesParser::new(names).try_map(|name| name.parse::<T>())
}

fn timeout(typed: &str) -> Result<TimeSpan, String> {
    match typed.parse() {
        Ok(TimeSpan(span)) if span.is_zero() => Err("must be above 0 (try 5s)".to_owned()),
        Ok(span) => Ok(span),
        Err(error) => Err(format!("{error}")),
    }
}

/// Tokio's timers have a resolution of one millisecond.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);

fn interval(typed: &str) -> Result<TimeSpan, String> {
    match typed.parse() {
        Ok(TimeSpan(span)) if !span.is_zero() && span < SHORTEST_INTERVAL => {
            Err("the minimum is 1ms (or 0: send after each reply)".to_owned())
        }
        Ok(span) => Ok(span),
        Err(error) => Err(format!("{error}")),
    }
}

/// A host without port: with one it would be resolved as part of the name.
fn host(typed: &str) -> Result<String, String> {
    let address = match typed.parse::<HostAddress>() {
        Ok(address) => address,
        Err(error @ AddressError::Url(_)) => {
            return Err(format!("{error}").replace("HOST:PORT", "a host"));
        }
        Err(AddressError::Path(_) | AddressError::NotTcp(_)) => {
            return Err(format!(
                "`{typed}`: a unix-domain socket has no ports: use a host here"
            ));
        }
        Err(_) => return Ok(typed.to_owned()),
    };
    let address = address.as_target();
    let (host, port) = (address.host(), address.port());
    Err(format!("specify ports with --ports (try: echo-client scan {host} --ports {port})"))
}

fn at_least_one(typed: &str) -> Result<Count, String> {
    match typed.parse() {
        Ok(Count(0)) => Err("must be at least 1".to_owned()),
        Ok(count) => Ok(count),
        Err(error) => Err(format!("{error}")),
    }
}

fn size(typed: &str) -> Result<ByteSize, String> {
    match typed.parse() {
        Ok(ByteSize(size)) if size > LONGEST_MESSAGE => Err("the maximum is 16MiB".to_owned()),
        Ok(size) => Ok(size),
        Err(error) => Err(format!("{error}")),
    }
}

#[cfg(test)]
mod tests;
