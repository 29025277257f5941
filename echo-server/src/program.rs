//! The `echo-server` command: [`run_from`]. Programs embed it by executing themselves with
//! these arguments, so that the server is a separate process.

use std::ffi::OsString;
use std::io::{self, Write};
use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use echo_net::stop::Stop;
use echo_net::tls::ServerTls;
use echo_net::{fd_limit, signals, stdout};
use echo_proto::terminal;
use serde::Serialize;
use tracing::{info, warn};

use crate::binding::Binding;
use crate::cli::{Cli, Command, InvalidArgs, ServerArgs};
use crate::config::{Config, available_cores};
use crate::counted::counted;
use crate::logging::{LogFormat, LogStyle};
use crate::model;
use crate::server::{Server, ServerSummary};

mod balance;

/// Exit code for invalid usage.
const USAGE: u8 = 2;

/// Runs the server with the given command line, program name first, until a signal stops it.
pub fn run_from(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let args = match Cli::try_parse_from(args) {
        Ok(args) => args,
        Err(told) => {
            return explain(&told);
        }
    };
    let ended = match &args.command {
        None => run(&args.server),
        Some(Command::Balance(args)) => balance::run(args),
    };
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let told = terminal::printable(&format!("{error:#}"));
            let _ = writeln!(io::stderr(), "echo-server: {told}");
            if error.is::<InvalidArgs>() { ExitCode::from(USAGE) } else { ExitCode::FAILURE }
        }
    }
}

/// Prints clap's output: an error, help or version.
fn explain(told: &clap::Error) -> ExitCode {
    let printed = told.print();
    if !told.use_stderr()
        && let Err(error) = stdout::finish(printed)
    {
        let _ = writeln!(io::stderr(), "echo-server: writing to stdout: {error}");
        return ExitCode::FAILURE;
    }
    ExitCode::from(u8::try_from(told.exit_code()).unwrap_or(USAGE))
}

fn run(args: &ServerArgs) -> anyhow::Result<()> {
    if let Some(parent) = args.die_with_parent {
        signals::end_with_parent(parent).context("watching the parent process")?;
    }
    let mut config = Config::try_from(args)?;
    config.tls = args.tls.identity()?;
    let style = LogStyle::from(args);
    style.begin();
    fd_limit::raise();
    check_model(&config)?;
    let count = if config.model.shares_listeners() { config.workers } else { 1 };
    let listeners = Binding::from(args).listen(count, &config.socket)?;
    let addresses = listeners[0].iter().map(TcpListener::local_addr).collect::<Result<_, _>>();
    let addresses: Vec<SocketAddr> = addresses.context("getting the listener's address")?;
    let ready = Ready::of(&config, addresses);
    for address in &ready.addrs {
        warn_if_public(*address, config.tls.is_some());
    }
    if let Some(tls) = &config.tls {
        tell_identity(tls);
    }
    let stop = Stop::new();
    let server = Server::new(config, &stop);
    let so_far = server.watch();
    let report = move || tell_so_far(so_far(), style.format);
    signals::serve_signals(stop, report).context("setting up signals")?;
    announce(&ready)?;
    let outcome = server.run(listeners).context("serving")?;
    if !style.quiet {
        summarise(&outcome, style.format);
    }
    Ok(())
}

/// Refuses a model that is unsupported here, before listening.
fn check_model(config: &Config) -> anyhow::Result<()> {
    let model = config.model;
    model::build(model).check().with_context(|| {
        format!("--model {model} is unavailable on this machine (try --model epoll)")
    })?;
    let cores = available_cores();
    if config.busy_poll && config.workers >= cores {
        warn!(
            workers = config.workers,
            cores, "--busy-poll occupies all cores (use fewer --workers)"
        );
    }
    Ok(())
}

fn warn_if_public(address: SocketAddr, secret: bool) {
    if !address.ip().is_loopback() {
        let plaintext =
            if secret { "" } else { " and traffic is not encrypted (see --tls-cert)" };
        warn!(%address, "public address: no authentication{plaintext}");
    }
}

/// For people, who compare it with the one that their client shows.
fn tell_identity(tls: &ServerTls) {
    info!("TLS certificate, SHA-256 fingerprint {}", tls.fingerprint());
    for warning in tls.warnings() {
        warn!("{warning}");
    }
    if let Some(doubt) = tls.doubt() {
        warn!("clients will reject the certificate: {doubt}");
    }
}

/// The ready line on stdout, printed once connections are accepted.
#[derive(Debug, Serialize)]
#[expect(clippy::struct_field_names, reason = "the name in the JSON line")]
struct Ready {
    ready: bool,
    /// The first listen address.
    addr: SocketAddr,
    addrs: Vec<SocketAddr>,
    model: String,
    protocol: String,
    /// Null for a thread per connection.
    workers: Option<usize>,
    busy_poll: bool,
    pid: u32,
    version: &'static str,
    /// Null without TLS.
    tls: Option<ReadyTls>,
}

#[derive(Debug, Serialize)]
struct ReadyTls {
    /// SHA-256 of the certificate.
    fingerprint: String,
}

impl Ready {
    /// `addrs` are the listen addresses, at least one.
    fn of(config: &Config, addrs: Vec<SocketAddr>) -> Self {
        Self {
            ready: true,
            addr: addrs[0],
            addrs,
            model: config.model.to_string(),
            protocol: config.protocol.to_string(),
            workers: config.model.has_workers().then_some(config.workers),
            busy_poll: config.busy_poll,
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION"),
            tls: config
                .tls
                .as_ref()
                .map(|tls| ReadyTls { fingerprint: tls.fingerprint().to_string() }),
        }
    }
}

/// Prints the ready line. A closed pipe is ignored; any other write error is fatal, since a
/// program that waits for the line would wait forever.
fn announce(ready: &impl Serialize) -> anyhow::Result<()> {
    let line = serde_json::to_string(ready).context("writing the ready line")?;
    stdout::finish(writeln!(io::stdout(), "{line}")).context(
        "writing the ready line to stdout (if nobody reads it, redirect stdout to /dev/null)",
    )
}

fn summarise(outcome: &ServerSummary, format: LogFormat) {
    let line = match format {
        LogFormat::Text => format!("echo-server: {outcome}"),
        LogFormat::Json => serde_json::to_string(outcome).unwrap_or_default(),
    };
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints statistics of a running server, also with `--quiet`.
fn tell_so_far((active, outcome): (u64, ServerSummary), format: LogFormat) {
    #[derive(Serialize)]
    struct SoFar {
        active: u64,
        #[serde(flatten)]
        outcome: ServerSummary,
    }
    let line = match format {
        LogFormat::Text => {
            format!("echo-server: {} open; so far {outcome}", counted(active, "connection"))
        }
        LogFormat::Json => {
            serde_json::to_string(&SoFar { active, outcome }).unwrap_or_default()
        }
    };
    let _ = writeln!(io::stderr(), "{line}");
}
