//! The way of one run: plan, server, preflight, engine, report, store, show, exit code.

mod baselines;
mod capacity;
mod child_run;
mod compare;
mod doctor;
mod exit;
mod fleet;
mod follow;
mod history;
mod link;
#[cfg(feature = "nats")]
mod nats;
mod pages;
mod partial_file;
mod printed_lines;
mod repeats;
mod rerun;
mod results;
mod run_server;
mod self_check;
mod selftest;
mod servers;
mod sides;
mod stored;
mod sweep;
mod watching;

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::Context;

use echo_client::credentials::Credentials;
use echo_client::mask::holds_password;
use echo_net::address::SocketAddress;
use echo_net::stop::Stop;
use echo_net::{fd_limit, signals};

use crate::cli::{Inputs, ResultArgs, RunArgs};
use crate::console::{complain, tell};
use crate::exec;
use crate::link::EmulatedLink;
use crate::live_metrics::LiveMetrics;
use crate::noise_floor;
use crate::preflight;
use crate::progress::Progress;
use crate::stream::Stream;
use crate::view::FullScreen;
use echo_bench_engine::plan::{MessagePlan, Plan, Target};
use echo_bench_engine::{self as engine, EngineError, Peer, RunRecord};
use echo_bench_fleet::Allow;
use echo_bench_report::describe;
use echo_bench_report::describe::conclusion::Concluded;
use echo_bench_report::report::partial::Lines;
use echo_bench_report::report::{
    self, Circumstances, Environment, LinkSeen, Report, UntilWatch,
};
use echo_bench_report::sweep::{Axis, Flag};

use baselines::{check_baselines, with_baselines};
use exit::{exit_code, exit_of};
use partial_file::PartialFile;
use printed_lines::PrintedLines;
use results::Results;
use run_server::RunServer;
use watching::{Pace, ViewCost, Watching, start_of, wall_clock};

pub use baselines::{list as list_baselines, remove as remove_baselines};
pub use capacity::capacity;
pub use compare::compare;
pub use doctor::doctor;
pub use exit::{Exit, UsageError, code_of};
pub use history::history;
pub use link::forward_link;
#[cfg(feature = "nats")]
pub use nats::{agent, collect};
pub use pages::pages;
pub use rerun::rerun;
pub use selftest::{selftest, serve_faults};
pub use stored::{list, merge, show};
pub use sweep::{cell, sweep};

/// Carries out a run from what was typed to the exit code.
///
/// # Errors
/// When no load could be put on at all, or a result could not be written.
pub fn run(args: &RunArgs) -> anyhow::Result<u8> {
    warn_of_stored_passwords(args.flags(), &[]);
    if let Some(runs) = args.repeat() {
        return repeats::run(args, runs);
    }
    by_one_or_several(args, typed(), Pace::default())
}

/// Carries out a run in as many processes as were typed, wherever they are.
fn by_one_or_several(args: &RunArgs, command: Vec<String>, pace: Pace) -> anyhow::Result<u8> {
    #[cfg(feature = "nats")]
    if let Some(on_agents) = args.on_agents() {
        return nats::run(args, &on_agents, &command);
    }
    match args.agents() {
        Err(error) => {
            complain(&error.to_string());
            Ok(Exit::Usage as u8)
        }
        Ok(Some(agents)) => fleet::run(args, agents, command),
        Ok(None) => single(args, command, pace),
    }
}

/// The command line of this process.
fn typed() -> Vec<String> {
    let arguments = std::env::args_os().skip(1);
    let words = arguments.map(|word| word.to_string_lossy().into_owned());
    std::iter::once("echo-bench".to_owned()).chain(words).collect()
}

/// One run, which `command` stands for.
fn single(args: &RunArgs, command: Vec<String>, pace: Pace) -> anyhow::Result<u8> {
    let begins_at = args.start_at().map(|start| start.from(SystemTime::now()));
    let Some(plan) = planned(args) else { return Ok(Exit::Usage as u8) };
    carry_out(plan, &args.results, command, Pace { begins_at, ..pace })
}

/// The plan of what was typed; none if it is no plan, which is said.
fn planned(args: &RunArgs) -> Option<Plan> {
    let planned = Inputs::of(args)
        .and_then(|inputs| args.plan(&inputs).map(|plan| (plan, inputs.credentials)));
    let (plan, credentials) = match planned {
        Ok(planned) => planned,
        Err(error) => {
            complain(&format!("{error}"));
            return None;
        }
    };
    warn_of_credentials(&credentials, &plan);
    if let MessagePlan::Given { crlf: true, .. } = plan.messages {
        tell("note: --message-file has CRLF lines; they are sent without the CR");
    }
    Some(plan)
}

/// Says which credentials are not used.
fn warn_of_credentials(credentials: &Credentials, plan: &Plan) {
    for warning in credentials.warnings(plan.protocol()) {
        tell(&format!("warning: {warning}"));
    }
}

/// Says so if a flag holds a password whose value reports store as it is typed, to be run again.
fn warn_of_stored_passwords(fixed: &[Flag], axes: &[Axis]) {
    let levels = axes.iter().flat_map(|axis| &axis.levels);
    let flags = fixed.iter().chain(levels.flat_map(|level| &level.flags));
    let told = flags.filter(|flag| holds_password(&flag.value)).find_map(|flag| {
        Some(match flag.flag.as_str() {
            flag @ ("exec" | "prepare") => format!(
                "--{flag} holds a URL with a password, and reports store the command as it is \
                 typed (set a variable, which the command inherits and no report stores: \
                 DB_PASSWORD=... echo-bench --{flag} 'sh -c \"exec COMMAND \\$DB_PASSWORD\"')"
            ),
            "message" => {
                "--message holds a URL with a password, and reports store the message as \
                          it is typed (send one without a password)"
                    .into()
            }
            _ => return None,
        })
    });
    if let Some(told) = told {
        tell(&format!("warning: {told}"));
    }
}

/// Carries out a plan, which `command` stands for, to the exit code.
fn carry_out(
    plan: Plan,
    args: &ResultArgs,
    command: Vec<String>,
    pace: Pace,
) -> anyhow::Result<u8> {
    let results = Results::prepare(args)?;
    check_baselines(args)?;
    let mut stream = args.stream.as_deref().map(Stream::open).transpose()?;
    let done = conduct(plan, &results, args, command, pace, stream.as_mut());
    let is_streamed = stream.is_none_or(|stream| stream.close(done.as_ref().err()));
    match done {
        Ok(code) if code == Exit::Done as u8 && !is_streamed => Ok(Exit::Failed as u8),
        done => done,
    }
}

/// The same, where the place of its results is known.
fn conduct(
    plan: Plan,
    results: &Results<'_>,
    args: &ResultArgs,
    command: Vec<String>,
    pace: Pace,
    mut stream: Option<&mut Stream>,
) -> anyhow::Result<u8> {
    let plan = Arc::new(plan);
    // Before there is a second thread, and before limits are read that are the network's.
    let link = EmulatedLink::of(&plan)?;
    let limit = fd_limit::raise();
    preflight::check(&plan, limit, preflight::local_ports())?;
    engine::check(plan.engine)?;
    if !args.quiet {
        doctor::before_a_run();
    }
    let stop = Stop::new();
    let received = signals::ask_on_signals(stop.clone()).context("watching for signals")?;
    let metrics = args.metrics.as_ref();
    let metrics = metrics.map(|at| LiveMetrics::serve(at, &plan, &stop)).transpose()?;
    let view = open_view(args.live)?;
    let started_at = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let start = |ip| RunServer::start(&plan, ip, &stop);
    let started = match &link {
        None => start(Ipv4Addr::LOCALHOST.into()),
        Some(link) => link.at_server(|| start(link.server_ip())),
    };
    let started =
        started.and_then(|server| server.peer(&plan, &stop).map(|peer| (server, peer)));
    let (server, peer) = match started {
        Err(error) if error.is::<exec::Interrupted>() => {
            tell(&error.to_string());
            return Ok(received.exit_code().unwrap_or(Exit::Failed as u8));
        }
        started => started?,
    };
    check_permitted(pace.permitted.as_ref(), &peer)?;
    for warning in &peer.warnings {
        tell(&format!("warning: {warning}"));
    }
    let mut circumstances = Circumstances {
        server: server.process(&peer),
        ..circumstances(&plan, &peer, args, started_at, command)
    };
    let partial = results.partial(&plan, &circumstances);
    if let Some(stream) = stream.as_deref_mut() {
        stream.begin(&plan, &circumstances);
    }
    let feed = view.as_ref().map(FullScreen::feed);
    let progress = Progress::new(&plan, args.quiet, feed.clone());
    let until = UntilWatch::new(&plan);
    let cost = feed.map(ViewCost::of);
    let lines = pace.pieces.then(|| PrintedLines::new(Lines::new(&plan, &circumstances)));
    let mut watching =
        Watching { progress, partial, stream, metrics, until, pace, view: cost, lines };
    let record = engine::run(&plan, &peer, &stop, &mut watching);
    let Watching { progress, partial, stream, until, pace, view: cost, .. } = watching;
    progress.finish();
    // The history of the terminal goes on with what was said meanwhile.
    drop(view);
    let ending = server.stop(&stop);
    ending.tell();
    let link = link.map(seen);
    let record = match record {
        Ok(record) => record,
        Err(error) => {
            match error {
                // Nothing of it means anything.
                EngineError::Misdirected(_) => {
                    partial.into_iter().for_each(PartialFile::remove);
                }
                _ => partial.into_iter().for_each(PartialFile::mention),
            }
            let is_misdirected = matches!(error, EngineError::Misdirected(_));
            let error = ending.explain(error.into());
            // A signal may come while the server is stopped.
            let interrupted = received.exit_code().filter(|_| is_misdirected);
            let Some(code) = interrupted else { return Err(error) };
            complain(&format!("{error:#}"));
            return Ok(code);
        }
    };
    tell_without_load(&record, &plan);
    circumstances.link = link;
    circumstances.live_view_busy = cost.and_then(|cost| cost.busy());
    circumstances.server_killed = ending.killed;
    circumstances.server_side = ending.side;
    circumstances.server_ended = ending.ended;
    circumstances.ended_early = until.and_then(|until| until.ended());
    circumstances.window_started_at = wall_clock(record.window_start)
        .map(|at| humantime::format_rfc3339_millis(at).to_string());
    let began = record.window_start.saturating_sub(plan.warmup_ns);
    circumstances.start = start_of(pace.begins_at, wall_clock(began));
    let report = report::build(&plan, &record, circumstances).concluded();
    if let Some(stream) = stream {
        stream.end(&report);
    }
    let mut lost = results.hand_over(&report, partial);
    if !results.are_text() {
        tell_objectives(&report);
    }
    let code = exit_code(&report, &record, &received, args.strict);
    let compared = with_baselines(&[&report], args, results.are_text(), &mut lost);
    for error in &lost {
        complain(&format!("{error:#}"));
    }
    Ok(match code {
        _ if !lost.is_empty() => Exit::Failed as u8,
        code if code == Exit::Done as u8 => compared,
        code => code,
    })
}

/// Says so if a run was interrupted before its load began.
fn tell_without_load(record: &RunRecord, plan: &Plan) {
    if record.ended_before_load() {
        let (made, wanted) = (record.established, plan.connections_at_start());
        tell(&format!(
            "interrupted before the load began: {made} of {wanted} connections were made; nothing \
             was measured"
        ));
    }
}

/// The full-screen view, if it is wanted and the terminal can show one.
fn open_view(wanted: bool) -> anyhow::Result<Option<FullScreen>> {
    FullScreen::open(wanted)
        .context("opening the full-screen view (leave --live out for ordinary progress)")
}

/// Refuses a server that an agent may not load. Here its addresses are those that will be
/// connected to, whatever its name meant before.
fn check_permitted(permitted: Option<&Allow>, peer: &Peer) -> anyhow::Result<()> {
    let Some(allow) = permitted else { return Ok(()) };
    for address in &peer.addresses {
        let ip = address.as_tcp().map(|address| address.ip());
        anyhow::ensure!(
            ip.is_some_and(|ip| allow.permits(ip)),
            "{address} is not permitted by --allow of the agent ({allow})"
        );
    }
    Ok(())
}

/// Ends an emulated link. What the report has to say of it is there even if it broke.
fn seen(link: EmulatedLink) -> LinkSeen {
    let own_rtt_ns = link.own_rtt_ns();
    let counts = link.finish();
    if let Err(error) = &counts {
        tell(&format!("warning: {error:#}"));
    }
    LinkSeen { own_rtt_ns, counts: counts.ok() }
}

fn circumstances(
    plan: &Plan,
    peer: &Peer,
    results: &ResultArgs,
    started_at: String,
    command: Vec<String>,
) -> Circumstances {
    let server_workers = match &plan.target {
        Target::Embedded { server } => server.workers,
        // Of any other server one worker is known to exist.
        Target::Command(_) | Target::Address { .. } => peer.pid.map(|_| 1),
    };
    let on_loopback = peer.addresses.iter().all(SocketAddress::is_loopback);
    let environment = Environment::read(on_loopback || plan.link.is_some());
    let noise_floor = noise_floor::fitting(&environment, plan);
    Circumstances {
        command,
        started_at,
        window_started_at: None,
        labels: results.label.iter().cloned().collect(),
        environment,
        server: None,
        slos: results.slo.clone(),
        server_workers,
        server_killed: false,
        server_ended: None,
        ended_early: None,
        link: None,
        start: None,
        server_side: None,
        noise_floor,
        live_view_busy: None,
    }
}

fn tell_objectives(report: &Report) {
    for slo in report.slos.iter().filter(|slo| !slo.met) {
        tell(&format!("slo {}", describe::objective::outcome(slo)));
    }
}
