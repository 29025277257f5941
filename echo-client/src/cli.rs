//! The command line as typed. Flags only: what they mean is decided in `main` and in the
//! library.

use std::fmt::Display;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{Args, CommandFactory as _, Parser, Subcommand};
use echo_client::Endpoint;
use echo_client::ports::PortList;
use echo_net::address::{Address, AddressError};
use echo_net::settings::{ByteSize, Count, TimeSpan};
use echo_net::tls::ServerTrust;
use echo_proto::{HttpHost, ProtocolKind, Service};
use strum::{ParseError, VariantArray};

mod order;

pub(crate) use order::explain;

const EXAMPLES: &str = "\
Examples:
  echo-client                                 talk to 127.0.0.1:8080 at a prompt
  echo-client --time [::1]:9000               with the round trip of each reply
  printf 'a\\nb\\n' | echo-client :9000         send lines from a pipe, print the replies
  echo-client --protocol raw 7 < in > out     send bytes as they are
  echo-client --tls --cacert ca.pem :8443     talk inside TLS
  echo-client --protocol chat :9000           a chat room: /nick NAME first, then text
  echo-client ping -c 10 :9000                how long each reply takes
  echo-client scan localhost --ports 1-1024   which ports take connections

At a prompt Ctrl-D ends. In a pipe every line is a request (with --protocol raw: the bytes
as they are); after the last one the connection is half-closed, and the client ends when all
is answered. In a chat nothing is answered: what others say is printed until the server ends
the connection, or says nothing for --timeout after the half-close.

Exit codes:
  0    all requests were answered
  1    no connection, the connection broke, or fewer replies than requests
  2    usage
  130  interrupted (143: terminated)
";

const PING_HELP: &str = "\
Examples:
  echo-client ping                            127.0.0.1:8080, once a second
  echo-client ping -c 400 -i 10ms [::1]:9000  enough for a p99
  echo-client ping -i 0 -c 10k -q :9000       back to back, the summary alone
  echo-client ping -p resp :6379              a Redis
  echo-client ping --tls --cacert ca.pem 8443 inside TLS; the handshake is timed apart

Ctrl-C ends it and prints the summary. A request without a reply within --timeout counts as
lost, also when its reply comes later. A connection that breaks is reconnected; what falls due
meanwhile is lost. Any reply is timed; one that is an error or not the echo is marked.

Exit codes:
  0  an echo came back
  1  none came back, or no connection at the start
  2  usage
";

/// Talk to an echo server, at a prompt or in a pipe.
#[derive(Debug, Parser)]
#[command(
    name = "echo-client",
    version,
    after_help = EXAMPLES,
    max_term_width = 96,
    args_conflicts_with_subcommands = true,
    allow_negative_numbers = true
)]
pub(crate) struct Cli {
    /// What to do; without one, talk.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// Where the server is: HOST:PORT, [IPv6]:PORT, :PORT, PORT, or a URL (http, https,
    /// redis, rediss)
    #[arg(default_value = "127.0.0.1:8080")]
    pub(crate) addr: Endpoint,

    /// How messages are framed, or chat: a room where others hear what is typed [default:
    /// line, or what a URL says]
    #[arg(short, long, value_parser = choice::<Service>(), help_heading = "Session")]
    pub(crate) protocol: Option<Service>,

    /// How long to wait
    #[command(flatten)]
    pub(crate) patience: Patience,

    /// The longest message or reply
    #[arg(long, value_name = "SIZE", default_value = "16MiB", help_heading = "Session")]
    pub(crate) max_message: ByteSize,

    /// What HTTP requests say.
    #[command(flatten)]
    pub(crate) http: HttpArgs,

    /// Whether to speak TLS.
    #[command(flatten)]
    pub(crate) tls: TlsArgs,

    /// Show the round trip of each reply
    #[arg(long, help_heading = "Output")]
    pub(crate) time: bool,

    /// When to use colours; auto: on a terminal, unless `NO_COLOR` is set
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = "Output")]
    pub(crate) color: ColorChoice,

    /// Say nothing but replies and errors
    #[arg(short, long, help_heading = "Output")]
    pub(crate) quiet: bool,
}

/// The TLS flags, as typed.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsArgs {
    /// Speak TLS (1.2 or 1.3); the server must prove who it is
    #[arg(long)]
    pub(crate) tls: bool,

    /// CA certificates (PEM) that verify the server [default: those of the system]
    #[arg(long, value_name = "FILE", conflicts_with = "insecure")]
    pub(crate) cacert: Option<PathBuf>,

    /// Skip certificate verification (the server may be an impostor)
    #[arg(long)]
    pub(crate) insecure: bool,

    /// Server name for SNI and certificate verification [default: the host of the address]
    #[arg(long, value_name = "NAME")]
    pub(crate) server_name: Option<String>,
}

impl TlsArgs {
    /// Whether TLS is spoken with a server.
    ///
    /// # Errors
    /// When something is typed that means nothing without TLS.
    pub(crate) fn is_wanted(&self, server: &Endpoint) -> Result<bool, String> {
        // A URL may mean TLS, so this can't be said where the flags are declared.
        let typed = [
            ("--cacert", self.cacert.is_some()),
            ("--insecure", self.insecure),
            ("--server-name", self.server_name.is_some()),
        ];
        let secure = self.tls || server.is_secure();
        match typed.into_iter().find(|(_, typed)| *typed) {
            Some((flag, _)) if !secure => {
                Err(format!("{flag} needs --tls, or a URL of https or rediss"))
            }
            _ => Ok(secure),
        }
    }

    /// Whom to trust.
    pub(crate) fn trust(&self) -> ServerTrust {
        ServerTrust::of(self.cacert.clone(), self.insecure)
    }
}

/// What HTTP requests say beside the message, as typed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Session")]
pub(crate) struct HttpArgs {
    /// Host header of HTTP requests [default: the host and port of the address]
    #[arg(long, value_name = "HOST")]
    http_host: Option<HttpHost>,
}

impl HttpArgs {
    /// The site that requests to a server are for, inside TLS or not.
    ///
    /// # Errors
    /// When that can't be typed with this protocol, or can't be told from the address.
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
            None => HttpHost::of(server.host(), server.port(), tls)
                .map_err(|error| format!("{error} (name it with --http-host)")),
        }
    }
}

/// How long to wait, as typed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Session")]
pub(crate) struct Patience {
    /// How long to wait for a reply that is due
    #[arg(long, value_name = "TIME", default_value = "5s", value_parser = timeout)]
    pub(crate) timeout: TimeSpan,

    /// How long to wait for the connection, over all addresses of the name [default: as
    /// --timeout]
    #[arg(long, value_name = "TIME", value_parser = timeout)]
    connect_timeout: Option<TimeSpan>,
}

impl Patience {
    /// How long to wait for the connection.
    pub(crate) fn for_connection(&self) -> Duration {
        self.connect_timeout.unwrap_or(self.timeout).0
    }
}

/// Ends the program over a command line that can't be meant.
pub(crate) fn refuse(reason: impl Display) -> ! {
    Cli::command().error(ErrorKind::ArgumentConflict, reason).exit()
}

/// What is spoken with a server.
///
/// # Errors
/// When a URL and the flag disagree, or the URL has a path.
pub(crate) fn service(server: &Endpoint, typed: Option<Service>) -> Result<Service, String> {
    match server.path.as_deref() {
        None | Some("/") => server.service(typed).map_err(|error| error.to_string()),
        Some(path) => {
            Err(format!("leave `{path}` out of the URL: a path is sent as a message"))
        }
    }
}

/// Subcommands.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Time the replies to one small request after the other
    Ping(PingArgs),
    /// Print the ports of a host that take connections, one a line
    Scan(ScanArgs),
}

/// The longest message or reply that the client takes unless it is told another.
pub(crate) const LONGEST_MESSAGE: usize = 16 << 20;

/// A ping, as typed.
#[derive(Debug, Args)]
#[command(after_help = PING_HELP, allow_negative_numbers = true)]
pub(crate) struct PingArgs {
    /// Where the server is: HOST:PORT, [IPv6]:PORT, :PORT, PORT, or a URL (http, https,
    /// redis, rediss)
    #[arg(default_value = "127.0.0.1:8080")]
    pub(crate) addr: Endpoint,

    /// Requests in total (default: until interrupted)
    #[arg(short, long, value_name = "N", value_parser = at_least_one)]
    pub(crate) count: Option<Count>,

    /// From one request to the next; 0: each as soon as the one before it has its reply
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = interval)]
    pub(crate) interval: TimeSpan,

    /// Bytes of payload
    #[arg(short, long, value_name = "SIZE", default_value = "56", value_parser = size)]
    pub(crate) size: ByteSize,

    /// How messages are framed [default: line, or what a URL says]
    #[arg(short, long, value_parser = choice::<ProtocolKind>())]
    pub(crate) protocol: Option<ProtocolKind>,

    /// What HTTP requests say.
    #[command(flatten)]
    pub(crate) http: HttpArgs,

    /// How long to wait
    #[command(flatten)]
    pub(crate) patience: Patience,

    /// Whether to speak TLS.
    #[command(flatten)]
    pub(crate) tls: TlsArgs,

    /// Print the summary only
    #[arg(short, long, help_heading = "Output")]
    pub(crate) quiet: bool,
}

/// A scan, as typed.
#[derive(Debug, Args)]
#[command(allow_negative_numbers = true)]
pub(crate) struct ScanArgs {
    /// Name or address of the host
    #[arg(value_parser = host)]
    pub(crate) host: String,

    /// Ports to try: numbers and ranges
    #[arg(long, value_name = "PORTS", default_value = "1-1024")]
    pub(crate) ports: PortList,

    /// Attempts at a time
    #[arg(long, value_name = "N", default_value = "500", value_parser = at_least_one)]
    pub(crate) concurrency: Count,

    /// How long to wait for an answer; a port that gives none counts as filtered
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = timeout)]
    pub(crate) timeout: TimeSpan,

    /// Print the open ports only, no counts
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
        Ok(TimeSpan(span)) if span.is_zero() => {
            Err("nothing can answer in no time (try 5s)".to_owned())
        }
        Ok(span) => Ok(span),
        Err(error) => Err(format!("{error}")),
    }
}

/// A timer of the runtime is no finer (tokio's wheel has a tick of one millisecond).
const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);

fn interval(typed: &str) -> Result<TimeSpan, String> {
    match typed.parse() {
        Ok(TimeSpan(span)) if !span.is_zero() && span < SHORTEST_INTERVAL => {
            Err("the shortest is 1ms (or 0: as soon as the reply is there)".to_owned())
        }
        Ok(span) => Ok(span),
        Err(error) => Err(format!("{error}")),
    }
}

/// A host by itself: a port beside it would be looked up as part of the name.
fn host(typed: &str) -> Result<String, String> {
    let address = match typed.parse::<Address>() {
        Ok(address) => address,
        Err(error @ (AddressError::Url(_) | AddressError::Path(_))) => {
            return Err(format!("{error}").replace("HOST:PORT", "a host"));
        }
        Err(_) => return Ok(typed.to_owned()),
    };
    let address = address.as_target();
    let (host, port) = (address.host(), address.port());
    Err(format!("ports go into --ports (try: echo-client scan {host} --ports {port})"))
}

fn at_least_one(typed: &str) -> Result<Count, String> {
    match typed.parse() {
        Ok(Count(0)) => Err("at least 1".to_owned()),
        Ok(count) => Ok(count),
        Err(error) => Err(format!("{error}")),
    }
}

fn size(typed: &str) -> Result<ByteSize, String> {
    match typed.parse() {
        Ok(ByteSize(size)) if size > LONGEST_MESSAGE => Err("at most 16MiB".to_owned()),
        Ok(size) => Ok(size),
        Err(error) => Err(format!("{error}")),
    }
}
