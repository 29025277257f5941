//! The way of a run that several processes carry out together: plan, server, parts, one report.

use std::net::Ipv4Addr;
use std::sync::mpsc::RecvTimeoutError;
use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;

use super::baselines::{check_baselines, with_baselines};
use super::results::Results;
use super::run_server::RunServer;
use super::{Exit, UsageError, doctor, exit_of, open_view, planned, tell_objectives};
use crate::cli::{ResultArgs, RunArgs};
use crate::console::{complain, tell};
use crate::exec;
use crate::fleet::local::LocalParts;
use crate::fleet::{Fleet, Message, Said};
use crate::progress::FleetProgress;
use crate::view::{FullScreen, Watched};
use echo_bench_engine::plan::{Part, Pinning, Plan, PlanError, Target};
use echo_bench_engine::{self as engine, Peer};
use echo_bench_report::describe::conclusion::Concluded;
use echo_bench_report::report::Report;
use echo_net::signals::{self, Received};
use echo_net::stop::{Stage, Stop};

/// How long the processes have to start and to look around before they connect.
const START_UP: Duration = Duration::from_millis(500);

/// Connections that a machine makes per second at least, so that all are made when the load begins.
const CONNECTIONS_PER_S: f64 = 5_000.0;

/// How often it is looked whether all is over.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How long a part may take to write its report once it was told twice to stop.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// Carries out the run of what was typed in so many processes of this machine, to the exit code.
///
/// # Errors
/// When no load could be put on at all, or a result could not be written.
pub(super) fn run(args: &RunArgs, agents: u32, command: Vec<String>) -> anyhow::Result<u8> {
    let Some(plan) = planned(args) else { return Ok(Exit::Usage as u8) };
    // Who gets which CPU is planned for one process.
    let plan = plan.with(|plan| plan.pin = Pinning::off())?;
    if let Err(error) = check(&plan, agents) {
        complain(&error.to_string());
        return Ok(Exit::Usage as u8);
    }
    refuse_live_results(&args.results)?;
    let results = Results::prepare(&args.results)?;
    check_baselines(&args.results)?;
    engine::check(plan.engine)?;
    if !args.results.quiet {
        doctor::before_a_run();
    }
    let stop = Stop::new();
    let received = signals::ask_on_signals(stop.clone()).context("watching for signals")?;
    // Before there is a server, whose words would come to the same terminal.
    let view = open_view(args.results.live)?;
    let started = RunServer::start(&plan, Ipv4Addr::LOCALHOST.into(), &stop)
        .and_then(|server| server.peer(&plan, &stop).map(|peer| (server, peer)));
    let (server, peer) = match started {
        Err(error) if error.is::<exec::Interrupted>() => {
            tell(&error.to_string());
            return Ok(received.exit_code().unwrap_or(Exit::Failed as u8));
        }
        started => started?,
    };
    let begins_at = begin(args, &plan);
    let flags = args.of_part(&plan, agents, &address(&plan, &peer), own_pid(&plan, &peer));
    let start_at = humantime::format_rfc3339_nanos(begins_at).to_string();
    let feed = view.as_ref().map(FullScreen::feed);
    let watched = feed.clone().map(|feed| Watched::new(feed, &plan));
    let parts = LocalParts::start(&flags, agents, &start_at, &stop, feed.clone())?;
    let progress = FleetProgress::new(args.results.quiet, feed);
    let fleet = gather(&parts, agents, &progress, &stop);
    drop((parts, watched));
    let live_view_busy = view.map(FullScreen::close);
    let ending = server.stop(&stop);
    ending.tell();
    let has_lost = fleet.has_lost();
    let merged = fleet.merged().map_err(|error| ending.explain(error.into()));
    let mut report = match merged {
        Ok(report) => report,
        Err(error) => {
            let Some(code) = received.exit_code() else { return Err(error) };
            complain(&format!("{error:#}"));
            return Ok(code);
        }
    };
    // What the parts could not know.
    if let Target::Embedded { .. } = &plan.target {
        let target = plan.target.clone();
        report.plan = report.plan.with(|plan| plan.target = target)?;
        report.summary.server_side = ending.side;
    }
    report.command = command;
    report.summary.cpu.live_view_busy = live_view_busy;
    Ok(hand_over(report, args, &results, &received, has_lost))
}

/// Stores and shows the report of all parts, to the exit code.
pub(super) fn hand_over(
    report: Report,
    args: &RunArgs,
    results: &Results<'_>,
    received: &Received,
    has_lost: bool,
) -> u8 {
    let report = report.concluded();
    let mut lost = results.hand_over(&report, None);
    if !results.are_text() {
        tell_objectives(&report);
    }
    let code = match received.exit_code().filter(|_| report.interrupted) {
        Some(code) => code,
        None => of_parts(&report, has_lost, args.results.strict) as u8,
    };
    let compared = with_baselines(&[&report], &args.results, results.are_text(), &mut lost);
    for error in &lost {
        complain(&format!("{error:#}"));
    }
    match code {
        _ if !lost.is_empty() => Exit::Failed as u8,
        code if code == Exit::Done as u8 => compared,
        code => code,
    }
}

/// A report that lacks parts is none of the run that was asked for.
fn of_parts(report: &Report, has_lost: bool, strict: bool) -> Exit {
    match exit_of(report, strict) {
        Exit::Done if has_lost => Exit::Failed,
        exit => exit,
    }
}

/// Refuses results that are made of a run while it goes, which only its own process can.
///
/// # Errors
/// A [`UsageError`] that names the flag.
pub(super) fn refuse_live_results(args: &ResultArgs) -> Result<(), UsageError> {
    let metrics = args.metrics.is_some().then_some("--metrics");
    let flag = args.stream.is_some().then_some("--stream").or(metrics);
    flag.map_or(Ok(()), |flag| {
        Err(UsageError::new(anyhow::anyhow!(
            "{flag} is not supported with --agents (leave one of them out)"
        )))
    })
}

/// Whether so many processes can carry out a plan together.
pub(super) fn check(plan: &Plan, agents: u32) -> Result<(), PlanError> {
    let first = plan.with(|plan| {
        plan.part = Some(Part { number: 1, of: agents });
        if let Target::Embedded { .. } = plan.target {
            // Each will have the address of the one that is started for all.
            plan.target = Target::Address { address: "127.0.0.1:1".into(), server_pid: None };
        }
    });
    first.map(drop)
}

/// When the load begins.
fn begin(args: &RunArgs, plan: &Plan) -> SystemTime {
    let now = SystemTime::now();
    if let Some(typed) = args.start_at() {
        return typed.from(now);
    }
    let rate = plan.connect_rate_per_s.unwrap_or(CONNECTIONS_PER_S).min(CONNECTIONS_PER_S);
    let connecting = Duration::try_from_secs_f64(f64::from(plan.connections) / rate);
    let most = Duration::from_nanos(plan.timeout_ns).max(START_UP);
    now + START_UP + connecting.unwrap_or(most)
}

/// Where the processes find the server.
fn address(plan: &Plan, peer: &Peer) -> String {
    match &plan.target {
        Target::Address { address, .. } => address.clone(),
        Target::Embedded { .. } | Target::Command(_) => {
            peer.addresses.first().map(ToString::to_string).unwrap_or_default()
        }
    }
}

/// Its process, where this program has started it.
fn own_pid(plan: &Plan, peer: &Peer) -> Option<u32> {
    peer.pid.filter(|_| matches!(plan.target, Target::Embedded { .. }))
}

/// Waits until all parts have ended, and says how they go.
fn gather(parts: &LocalParts, of: u32, progress: &FleetProgress, stop: &Stop) -> Fleet {
    let mut fleet = Fleet::new(of);
    let mut forced_at: Option<Instant> = None;
    while !fleet.is_over() {
        match parts.messages().recv_timeout(LOOK_EVERY) {
            Ok(message) => take(&mut fleet, message, progress),
            Err(RecvTimeoutError::Timeout) => {}
            // A thread that waits for a part panicked.
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if stop.stage() == Stage::Forced {
            let since = forced_at.get_or_insert_with(Instant::now).elapsed();
            if since > STOP_LIMIT {
                parts.kill();
            }
        }
    }
    progress.finish();
    fleet
}

fn take(fleet: &mut Fleet, message: Message, progress: &FleetProgress) {
    match fleet.take(message) {
        Some(Said::Progress(told)) => progress.say(&told),
        Some(Said::Loss(told)) => progress.warn(&format!("warning: {told}")),
        None => {}
    }
}
