//! The way of one run: plan, server, preflight, engine, report, store, show, exit code.

mod compare;
mod servers;
mod sides;
mod stored;
mod sweep;

use std::io::{ErrorKind, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};

use echo_net::address::Address;
use echo_net::signals::Received;
use echo_net::stop::Stop;
use echo_net::tls::{ClientTls, Fingerprint};
use echo_net::{fd_limit, signals};

use crate::cli::{Format, ResultArgs, RunArgs};
use crate::embedded::{EmbeddedServer, workers_of};
use crate::engine::{self, EngineError, Peer, PeerTls, RunRecord};
use crate::plan::{Plan, Target};
use crate::progress::Progress;
use crate::report::{self, Circumstances, Environment, Report, Verdict, store};
use crate::server_process::{self, ServerProcess};
use crate::{preflight, render};

pub use compare::compare;
pub use stored::{merge, show};
pub use sweep::{CELL, cell, sweep};

/// How a program ends. Part of the interface: scripts rely on the numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// All went well.
    Done = 0,
    /// The run could not be made, or requests failed.
    Failed = 1,
    /// What was typed makes no sense.
    Usage = 2,
    /// An objective was missed.
    Missed = 3,
    /// Nothing was measured, or (strict) the generator was the limit.
    Invalid = 4,
}

/// Carries out a run from what was typed to the exit code.
///
/// # Errors
/// When no load could be put on at all, or a result could not be written.
pub fn run(args: &RunArgs) -> anyhow::Result<u8> {
    let printed = args.results.output.as_deref() == Some(Path::new("-"));
    if printed && matches!(args.results.format, Format::Csv | Format::Markdown) {
        complain("-o - prints the JSON report: leave --format out, or name a file with -o");
        return Ok(Exit::Usage as u8);
    }
    let plan = match args.plan() {
        Ok(plan) => Arc::new(plan),
        Err(error) => {
            complain(&format!("{error}"));
            return Ok(Exit::Usage as u8);
        }
    };
    check_outputs(&args.results)?;
    let limit = fd_limit::raise();
    preflight::check(&plan, limit, preflight::local_ports())?;
    engine::check(plan.engine)?;
    let stop = Stop::new();
    let received = signals::ask_on_signals(stop.clone()).context("watching for signals")?;
    let started_at = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let embedded = match &plan.target {
        Target::Embedded { server } => Some(EmbeddedServer::start(server)?),
        Target::Address { .. } => None,
    };
    let peer = find_peer(&plan, embedded.as_ref())?;
    let server = peer.pid.and_then(ServerProcess::of);
    let mut progress = Progress::new(&plan, args.results.quiet);
    let record = engine::run(&plan, &peer, &stop, &mut progress);
    progress.finish();
    let server_killed = embedded.is_some_and(|server| !server.stop());
    let record = match record {
        Ok(record) => record,
        Err(EngineError::Interrupted) => return Ok(received.exit_code().unwrap_or(1)),
        Err(error) => return Err(error.into()),
    };
    let circumstances = Circumstances {
        server,
        ..circumstances(&plan, &peer, &args.results, started_at, server_killed)
    };
    let report = report::build(&plan, &record, circumstances);
    hand_over(&report, &args.results)?;
    let code = exit_code(&report, &record, &received, args.results.strict);
    let compared = with_baselines(&report, &args.results)?;
    Ok(if code == Exit::Done as u8 { compared } else { code })
}

/// Looks the target up and settles on one that answers.
fn find_peer(plan: &Plan, embedded: Option<&EmbeddedServer>) -> anyhow::Result<Peer> {
    match &plan.target {
        Target::Embedded { .. } => {
            let server = embedded.context("the embedded server was not started")?;
            let tls = tls(plan, "localhost", server.fingerprint())?;
            Ok(Peer { addresses: vec![server.address()], pid: Some(server.pid()), tls })
        }
        Target::Address { address, server_pid } => {
            let typed: Address = address.parse()?;
            let found =
                typed.resolve().with_context(|| format!("looking up {}", typed.host()))?;
            let chosen = answering(&found);
            let local = chosen.ip().is_loopback();
            if let Some(pid) = server_pid.filter(|pid| !server_process::exists(*pid)) {
                bail!("--server-pid {pid}: there is no such process");
            }
            let pid = server_pid
                .or_else(|| local.then(|| server_process::listener_owner(chosen)).flatten());
            Ok(Peer { addresses: vec![chosen], pid, tls: tls(plan, typed.host(), None)? })
        }
    }
}

/// How to speak TLS with the server called `host`, if the plan is to.
fn tls(
    plan: &Plan,
    host: &str,
    embedded: Option<Fingerprint>,
) -> anyhow::Result<Option<PeerTls>> {
    let Some(tls) = &plan.tls else { return Ok(None) };
    let trust = tls.trust.of_servers(embedded);
    if let Some(warning) = trust.warning() {
        compare::tell(&format!("warning: {warning}"));
    }
    let name = tls.server_name.as_deref().unwrap_or(host);
    Ok(Some(PeerTls::new(ClientTls::new(&trust, tls.resume)?, name)?))
}

/// The first address of a name that takes a connection: a name like `localhost` may stand
/// for addresses that nobody listens on. One address alone is not tried.
fn answering(found: &[SocketAddr]) -> SocketAddr {
    let limit = Duration::from_millis(500);
    let answers = |address: &&SocketAddr| TcpStream::connect_timeout(address, limit).is_ok();
    match found {
        [only] => *only,
        several => *several.iter().find(answers).unwrap_or(&several[0]),
    }
}

fn circumstances(
    plan: &Plan,
    peer: &Peer,
    results: &ResultArgs,
    started_at: String,
    server_killed: bool,
) -> Circumstances {
    let server_workers = match &plan.target {
        Target::Embedded { server } => workers_of(server).map(|workers| workers as u32),
        // Of a server that is already there one worker is known to exist.
        Target::Address { .. } => peer.pid.map(|_| 1),
    };
    let loopback = peer.addresses.iter().all(|address| address.ip().is_loopback());
    Circumstances {
        started_at,
        labels: results.label.iter().cloned().collect(),
        environment: Environment::read(loopback),
        server: None,
        slos: results.slo.clone(),
        server_workers,
        server_killed,
    }
}

/// Makes sure that the results will have a place before minutes are spent on them.
fn check_outputs(results: &ResultArgs) -> anyhow::Result<()> {
    if !results.no_report {
        let directory = results.report_dir.display();
        let probe = std::fs::create_dir_all(&results.report_dir)
            .and_then(|()| tempfile::tempfile_in(&results.report_dir));
        probe.with_context(|| {
            format!("storing reports in {directory} (name another place with --report-dir, or none with --no-report)")
        })?;
    }
    if let Some(name) = &results.baseline {
        crate::baseline::find(name)?;
    }
    if let Some(name) = &results.save_baseline {
        crate::baseline::directory(name)?;
    }
    let files = [&results.output, &results.hgrm, &results.hlog];
    files.into_iter().flatten().try_for_each(|file| check_file(file))
}

/// Makes sure that a file can be written, unless it stands for stdout.
fn check_file(file: &Path) -> anyhow::Result<()> {
    if file.as_os_str() == "-" {
        return Ok(());
    }
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    tempfile::tempfile_in(directory.unwrap_or(Path::new(".")))
        .map(drop)
        .with_context(|| format!("writing {}", file.display()))
}

/// Whether the report is to be written to `path` as a web page.
fn is_page(path: &Path, format: Format) -> bool {
    let named =
        path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("html"));
    named || format == Format::Html
}

/// The report in a format.
fn rendered(report: &Report, format: Format) -> String {
    match format {
        Format::Text => render::text::report(report),
        Format::Json => store::to_json(report),
        Format::Csv => render::csv::report(report),
        Format::Markdown => render::markdown::report(report),
        Format::Html => render::html::run(report),
    }
}

/// Stores and prints the report.
fn hand_over(report: &Report, results: &ResultArgs) -> anyhow::Result<()> {
    let mut kept = None;
    if !results.no_report {
        let directory = &results.report_dir;
        let path = store::save_in(report, directory)
            .with_context(|| format!("storing the report in {}", directory.display()))?;
        kept = Some(path);
    }
    let to_stdout = results.output.as_deref() == Some(Path::new("-"));
    if let Some(path) = results.output.as_deref().filter(|_| !to_stdout) {
        let written = if is_page(path, results.format) {
            store::write_whole(path, &render::html::run(report))
        } else {
            store::save(report, path)
        };
        written.with_context(|| format!("writing {}", path.display()))?;
        kept = Some(path.to_owned());
    }
    for (path, text) in [
        (&results.hgrm, render::hdr::hgrm(report)),
        (&results.hlog, render::hdr::hlog(report)?),
    ] {
        if let Some(path) = path {
            std::fs::write(path, text)
                .with_context(|| format!("writing {}", path.display()))?;
        }
    }
    if to_stdout && results.format != Format::Html {
        return print(&store::to_json(report));
    }
    let kept = kept.map_or(String::new(), |path| format!("report     {}\n", path.display()));
    // A page that went to a file is not for the terminal too.
    let paged = results.format == Format::Html && results.output.is_some() && !to_stdout;
    let shown = if paged { Format::Text } else { results.format };
    let kept = if shown == Format::Text { kept } else { String::new() };
    print(&(rendered(report, shown) + &kept))
}

/// Compares the run with the baseline that was asked for, and saves it as one.
fn with_baselines(report: &Report, results: &ResultArgs) -> anyhow::Result<u8> {
    let mut code = Exit::Done as u8;
    if let Some(name) = &results.baseline {
        let (text, judged) = compare::with_baseline(report, name, results.judging)?;
        code = judged;
        // Other formats are for machines, which do not want two documents in one.
        if results.format == Format::Text && results.output.as_deref() != Some(Path::new("-")) {
            print(&format!("\n{text}"))?;
        } else {
            compare::tell(&text);
        }
    }
    if let Some(name) = &results.save_baseline {
        let place = crate::baseline::save(name, &[report])?;
        compare::tell(&format!("baseline {name}: this run, in {}", place.display()));
    }
    Ok(code)
}

/// Prints on stdout; a reader that has gone away is no error.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = anstream::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("writing to stdout")
        }
        _ => Ok(()),
    }
}

/// Prints an error on stderr.
pub fn complain(text: &str) {
    // There is nowhere left to complain about a stderr that is closed.
    let _ = writeln!(anstream::stderr(), "error: {text}");
}

fn exit_code(report: &Report, record: &RunRecord, received: &Received, strict: bool) -> u8 {
    if record.interrupted {
        return received.exit_code().unwrap_or(Exit::Failed as u8);
    }
    let requests = &report.summary.requests;
    let limited = report.warnings.iter().any(|w| w.code == report::GENERATOR_LIMITED);
    let invalid = report.verdict == Verdict::Invalid || limited;
    let exit = if requests.ok == 0 || (strict && invalid) {
        Exit::Invalid
    } else if report.slos.iter().any(|slo| !slo.met) {
        Exit::Missed
    } else if requests.ok < requests.scheduled
        || !report.errors.is_empty()
        || record.established < report.summary.connections.requested
    {
        Exit::Failed
    } else {
        Exit::Done
    };
    exit as u8
}
