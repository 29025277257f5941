//! The `echo-server` command: [`run_from`]. Programs embed it by executing themselves with
//! these arguments, so that the server is a separate process.

use std::any::Any;
use std::ffi::OsString;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use clap::{CommandFactory as _, Parser as _};
use echo_manual::{Pages, PagesError};
use echo_metrics::{Health, ProcessMetrics, Source};
use echo_net::address::SocketAddress;
use echo_net::listener::{Listener, SocketFile};
use echo_net::own_process::OwnProcess;
use echo_net::reactor::uring::kernel_thread;
use echo_net::settings::ByteSize;
use echo_net::signals::Request;
use echo_net::stop::{Stage, Stop};
use echo_net::tls::ServerTls;
use echo_net::{fd_limit, signals, stdout};
use echo_proto::terminal;
use serde::Serialize;
use tracing::{info, warn};

use crate::binding::{Binding, Opened};
use crate::buffered;
use crate::cli::{Cli, Command, InvalidArgs, ServerArgs, check_transport};
use crate::config::{Config, available_cores};
use crate::counted::counted;
use crate::logging::{LogFormat, LogStyle};
use crate::metrics::{Endpoint, ServerMetrics};
use crate::model::{self, WorkerLost};
use crate::processes::{Processes, WorkerSide};
use crate::sandbox::{self, Needs};
use crate::server::{Server, ServerSummary, ServerWatch};
use crate::tuning::Accept;
use ready::{Ready, announce};

mod balance;
mod ready;
#[cfg(test)]
mod tests;
mod worker;

/// Exit code when it can't serve.
const FAILED: u8 = 1;

/// Exit code for invalid usage.
const USAGE: u8 = 2;

/// Exit code after a panic, as of any Rust program.
const PANICKED: u8 = 101;

/// A worker panicked, which is a bug.
#[derive(Debug, thiserror::Error)]
#[error("a worker panicked, so the server has stopped: {0}")]
struct WorkerPanicked(String);

/// What has ended this process was said by the one that has started it.
#[derive(Debug, thiserror::Error)]
#[error("this worker has ended with code {0}")]
struct Reported(u8);

/// Runs the server with the given command line, program name first, until a signal stops it.
pub fn run_from(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    ExitCode::from(code_from(args))
}

fn code_from(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args = match Cli::try_parse_from(args) {
        Ok(args) => args,
        Err(told) => {
            return explain(&told);
        }
    };
    let ended = match &args.command {
        None => run(&args.server),
        Some(Command::Balance(args)) => balance::run(args),
        Some(Command::Pages(pages)) => describe(pages),
    };
    match ended {
        Ok(()) => 0,
        Err(error) if error.is::<Reported>() => code_of(&error),
        Err(error) => {
            let told = terminal::printable(&format!("{error:#}"));
            let _ = writeln!(io::stderr(), "echo-server: {told}");
            code_of(&error)
        }
    }
}

/// The exit code of an error.
fn code_of(error: &anyhow::Error) -> u8 {
    if let Some(Reported(code)) = error.downcast_ref() {
        *code
    } else if error.is::<InvalidArgs>() || is_unknown_page(error) {
        USAGE
    } else if error.is::<WorkerPanicked>() {
        PANICKED
    } else {
        FAILED
    }
}

fn is_unknown_page(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(PagesError::Unknown(_)))
}

/// Prints a manual page or a completion script.
fn describe(pages: &Pages) -> anyhow::Result<()> {
    let text = pages.text(Cli::command())?;
    stdout::finish(io::stdout().write_all(text.as_bytes())).context("writing to stdout")
}

/// Prints clap's output: an error, help or version.
fn explain(told: &clap::Error) -> u8 {
    let printed = told.print();
    if !told.use_stderr()
        && let Err(error) = stdout::finish(printed)
    {
        let _ = writeln!(io::stderr(), "echo-server: writing to stdout: {error}");
        return FAILED;
    }
    u8::try_from(told.exit_code()).unwrap_or(USAGE)
}

fn run(args: &ServerArgs) -> anyhow::Result<()> {
    if let Some(side) = WorkerSide::of_this_process()? {
        return worker::run(args, side);
    }
    if let Some(parent) = args.die_with_parent {
        signals::end_with_parent(parent).context("watching the parent process")?;
    }
    let mut config = Config::try_from(args)?;
    let certificate = args.tls.generated()?;
    config.tls = args.tls.identity_with(certificate.as_ref())?;
    let style = LogStyle::from(args);
    style.begin();
    fd_limit::raise();
    check_model(&config)?;
    let own_listeners = config.tuning.accept == Accept::Reuseport;
    let count = if own_listeners { config.workers } else { 1 };
    let mut opened = Binding::from(args).open(count, &config.socket)?;
    // One that was passed may be of another kind than the address.
    check_transport(args, opened.groups[0][0].transport())?;
    // Removed whatever happens from here on.
    let file = opened.file.take();
    let addresses = addresses_of(&opened.groups[0])?;
    // Before the sandbox, after which nothing can be bound.
    let metrics = args.output.metrics.as_ref().map(Endpoint::bind).transpose()?;
    let ready = Ready::of(&config, addresses, metrics.as_ref());
    for address in &ready.addrs {
        warn_if_public(*address, config.tls.as_ref());
    }
    if let Some(tls) = &config.tls {
        tell_identity(tls);
    }
    // Before the sandbox, which may hide the limits of the control group.
    let most = *config.max_buffered.get_or_insert_with(buffered::most_by_default);
    if most < config.max_message {
        let (buffered, message) = (ByteSize(most), ByteSize(config.max_message));
        warn!(
            "--max-message {message} is more than all connections may buffer ({buffered}, a \
             quarter of the usable memory): longer messages are cut; set --max-buffered"
        );
    }
    // Before the sandbox, which lets nothing be executed.
    let processes = config.model.has_processes();
    let processes =
        processes.then(|| Processes::start(config.workers, &opened.groups)).transpose()?;
    // Before there are threads: each has its own restrictions, and inherits those of its parent.
    if !args.no_sandbox {
        let removes_in = file.as_ref().map(|file| file.folder().to_owned());
        let ends_processes = processes.is_some();
        sandbox::enter(&Needs { removes_in, ends_processes, ..Needs::default() });
    }
    let stop = Stop::new();
    let server = match processes {
        None => Server::new(config, &stop),
        Some(processes) => {
            let were_passed = opened.were_passed;
            Server::of_processes(config, &stop, processes, were_passed, certificate)
        }
    };
    let watch = server.watch();
    let health = Health::new(stop.clone());
    let watched = watch.clone();
    let report = move || tell_so_far(&watched, style.format);
    let answer = move |request| answer(request, &report);
    // Before there are threads, to which a signal could go meanwhile.
    signals::serve_signals(stop.clone(), answer).context("setting up signals")?;
    let processes = match watch.context().processes.clone() {
        Some(workers) => ProcessMetrics::of(move || workers.used_with(OwnProcess::read())),
        None => ProcessMetrics::default(),
    };
    serve_metrics(metrics, ServerMetrics::new(watch.clone()), processes, &health)?;
    let outcome = serve(server, opened, ready, health, stop);
    remove(file);
    let summary = match &outcome {
        Ok(summary) => Some(summary.clone()),
        Err(error) => has_served(error).then(|| watch.summary()),
    };
    if let Some(summary) = summary.as_ref().filter(|_| !style.quiet) {
        summarise(summary, style.format);
    }
    if let Some(summary) = summary.as_ref().filter(|_| args.output.summary_on_stdout) {
        // A parent that has died needs it no more.
        let _ =
            writeln!(io::stdout(), "{}", serde_json::to_string(summary).unwrap_or_default());
    }
    outcome.map(drop)
}

/// Where listeners listen, at least one.
fn addresses_of(listeners: &[Listener]) -> anyhow::Result<Vec<SocketAddress>> {
    let addresses = listeners.iter().map(Listener::local_address).collect::<Result<_, _>>();
    addresses.context("getting the listener's address")
}

/// Removes the file of the listener.
fn remove(file: Option<SocketFile>) {
    if let Some(Err(error)) = file.map(|file| file.remove()) {
        warn!(%error, "removing the unix-domain socket failed (remove its file)");
    }
}

/// Serves until a signal comes; announces that once all workers do.
fn serve(
    server: Server,
    opened: Opened,
    ready: Ready,
    health: Health,
    stop: Stop,
) -> anyhow::Result<ServerSummary> {
    let announced = Arc::new(Mutex::new(Ok(())));
    let outcome = Arc::clone(&announced);
    let server = server.when_ready(move || {
        let told = announce(&ready);
        health.begin();
        if told.is_err() {
            stop.advance(Stage::Forced);
        }
        *outcome.lock().unwrap_or_else(PoisonError::into_inner) = told;
    });
    let Opened { groups, were_passed, .. } = opened;
    let run = || if were_passed { server.run(groups) } else { server.run_on_own(groups) };
    // Nothing of it is used after a panic.
    let result = catch_unwind(AssertUnwindSafe(run))
        .map_err(|payload| WorkerPanicked(cause_of(&*payload)))?;
    std::mem::replace(&mut *announced.lock().unwrap_or_else(PoisonError::into_inner), Ok(()))?;
    result.context("serving")
}

/// Whether the server has ended by the end of a worker, so that there are statistics.
fn has_served(error: &anyhow::Error) -> bool {
    let lost = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    error.is::<WorkerPanicked>()
        || lost.is_some_and(<dyn std::error::Error + Send + Sync>::is::<WorkerLost>)
}

/// What a thread panicked with, in words.
fn cause_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "no cause was given".to_owned())
}

/// Answers a signal that stops nothing: `report` prints statistics.
fn answer(request: Request, report: &impl Fn()) {
    match request {
        Request::Report => report(),
        Request::Reload => {
            info!("SIGHUP: nothing to reload, going on (a change of settings needs a restart)");
        }
        Request::Unused => info!("SIGUSR2: unused, going on (SIGUSR1 prints statistics)"),
    }
}

/// Begins to answer at the endpoint, if there is one.
fn serve_metrics(
    endpoint: Option<Endpoint>,
    source: impl Source + 'static,
    processes: ProcessMetrics,
    health: &Health,
) -> anyhow::Result<()> {
    let Some(endpoint) = endpoint else { return Ok(()) };
    let address = endpoint.address();
    if !address.ip().is_loopback() {
        warn!(%address, "public metrics address: no authentication, and not encrypted");
    }
    endpoint
        .serve(vec![Box::new(source), Box::new(processes)], health.clone())
        .context("starting --metrics")
}

/// Refuses a model that is unsupported here, before listening.
fn check_model(config: &Config) -> anyhow::Result<()> {
    let model = config.model;
    model::build(model).check().with_context(|| {
        format!("--model {model} is unavailable on this machine (try --model epoll)")
    })?;
    if config.tuning.uring_sqpoll {
        kernel_thread::probe()
            .context("--uring-sqpoll is unavailable on this machine (leave it out)")?;
    }
    let cores = available_cores();
    let spinning = config.workers + usize::from(config.tuning.uring_sqpoll);
    if config.busy_poll && spinning >= cores {
        warn!(
            workers = config.workers,
            cores, "--busy-poll occupies all cores (use fewer --workers)"
        );
    }
    Ok(())
}

fn warn_if_public(address: SocketAddress, tls: Option<&ServerTls>) {
    let danger = match tls {
        Some(tls) if tls.requires_clients() => return,
        Some(_) => "no authentication (see --client-ca)",
        None => "no authentication and traffic is not encrypted (see --tls-cert)",
    };
    if !address.is_loopback() {
        warn!(%address, "public address: {danger}");
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

fn summarise(outcome: &ServerSummary, format: LogFormat) {
    let line = match format {
        LogFormat::Text => format!("echo-server: {outcome}"),
        LogFormat::Json => serde_json::to_string(outcome).unwrap_or_default(),
    };
    let _ = writeln!(io::stderr(), "{line}");
}

/// Prints statistics of a running server, also with `--quiet`.
fn tell_so_far(watch: &ServerWatch, format: LogFormat) {
    #[derive(Serialize)]
    struct SoFar {
        active: u64,
        #[serde(flatten)]
        outcome: ServerSummary,
    }
    let (active, outcome) = (watch.active(), watch.summary());
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
