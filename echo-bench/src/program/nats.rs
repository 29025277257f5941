//! Load from several machines over NATS: an [`agent`] that carries out parts, a [`run`] on agents,
//! and the parts of one whose coordinator has ended ([`collect`]).

mod documents;
mod host;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;

use super::baselines::check_baselines;
use super::fleet::{check, hand_over, refuse_live_results};
use super::results::{Results, rendered};
use super::{Exit, open_view, planned};
use crate::cli::{AgentArgs, CollectArgs, OnAgents, RunArgs};
use crate::console::{complain, tell};
use crate::fleet::{Event, Fleet, Message};
use crate::outlet::Outlet;
use crate::progress::FleetProgress;
use crate::view::{FullScreen, Totals};
use echo_bench_engine::plan::Plan;
use echo_bench_fleet::coordinator::{OfServer, Outcome, Settings};
use echo_bench_fleet::message::{Progress, Work};
use echo_bench_fleet::nats::{self, Bus, Collected, Part, Run, Said, Stopping};
use echo_bench_fleet::plan::{self as fleet_plan, Digest};
use echo_bench_fleet::{Agent, AgentName, Allow};
use echo_bench_report::describe::conclusion::Concluded;
use echo_bench_report::describe::units;
use echo_bench_report::merge::PartOfRun;
use echo_bench_report::report::document::{self, Stored};
use echo_bench_report::report::{ClockOffset, ServerOfRun, Tool};
use echo_client::mask::masked;
use echo_net::signals;
use echo_net::stop::Stop;

use documents::Documents;
use host::ProgramHost;

/// How long agents are waited for.
const WAIT: Duration = Duration::from_secs(10);

/// From the last answer to the load: agents start a process meanwhile, which looks around.
const START_UP: Duration = Duration::from_millis(1500);

/// Connections that a machine makes per second at least.
const CONNECTIONS_PER_S: f64 = 5_000.0;

/// Waits for runs until it is stopped, and carries out a part of each.
///
/// # Errors
/// When the server can't be used.
pub fn agent(args: &AgentArgs) -> anyhow::Result<u8> {
    let stop = Stop::new();
    let received = signals::ask_on_signals(stop.clone()).context("watching for signals")?;
    let (stopping, stops) = nats::stops();
    stop_with(&stop, stopping);
    echo_net::fd_limit::raise();
    let name = args.name.clone().unwrap_or_else(host_name);
    let allow = Allow::new(&args.allow);
    let access = args.access.access(&args.nats);
    let host = Arc::new(ProgramHost::new(access.clone(), allow, args.advertise));
    let cores = std::thread::available_parallelism().map_or(1, Into::into) as u32;
    let agent = Agent::new(name, &Tool::this().build(), cores, random());
    nats::block_on(async move {
        let bus = Bus::connect(&access).await?;
        nats::serve(bus, agent, host, stops).await
    })??;
    Ok(received.exit_code().unwrap_or(Exit::Done as u8))
}

fn stop_with(stop: &Stop, stopping: Stopping) {
    stop.on_advance(move |_| stopping.stop());
}

fn host_name() -> AgentName {
    AgentName::near(&rustix::system::uname().nodename().to_string_lossy())
}

/// A number that no other process has.
fn random() -> u64 {
    use std::hash::{BuildHasher as _, RandomState};
    // The standard library seeds it from the randomness of the system.
    RandomState::new().hash_one(std::process::id())
}

/// Carries out the run of what was typed on agents, which `command` stands for, to the exit code.
///
/// # Errors
/// When no load could be put on at all, or a result could not be written.
pub(super) fn run(args: &RunArgs, on: &OnAgents, command: &[String]) -> anyhow::Result<u8> {
    let usage = |reason: &dyn std::fmt::Display| {
        complain(&reason.to_string());
        Ok(Exit::Usage as u8)
    };
    if let Err(error) = on.check(args) {
        return usage(&error);
    }
    let Some(plan) = planned(args) else { return Ok(Exit::Usage as u8) };
    if let Err(error) = check(&plan, on.agents) {
        return usage(&error);
    }
    let documents = Documents::new(args, &plan, random())?;
    let server = on.server_agent.as_ref().map(|agent| (agent, documents.of_server()));
    let parts = documents.of_parts(None);
    // Before the server is started, nobody knows where it is.
    let checked = match &server {
        Some((_, server)) => fleet_plan::check(&server.flags, Work::Server {}),
        None => fleet_plan::check(&parts.flags, Work::Part { fewest_parts: 1 }),
    };
    if let Err(error) = checked {
        return usage(&format_args!("--nats: {error}"));
    }
    refuse_live_results(&args.results)?;
    let results = Results::prepare(&args.results)?;
    check_baselines(&args.results)?;
    let stop = Stop::new();
    let received = signals::ask_on_signals(stop.clone()).context("watching for signals")?;
    let (stopping, stops) = nats::stops();
    stop_with(&stop, stopping);
    let run = documents.run().clone();
    let settings = Settings {
        run: run.clone(),
        server: server.as_ref().map(|(agent, plan)| OfServer {
            agent: (*agent).clone(),
            plan: Digest::of(&plan.to_bytes()),
        }),
        version: Tool::this().build(),
        agents: on.agents,
        at_least: on.at_least,
        wait_ns: echo_net::clock::nanos(WAIT),
        lead_ns: echo_net::clock::nanos(lead(&plan)),
        on_loss: on.on_loss,
    };
    let view = open_view(args.results.live)?;
    let feed = view.as_ref().map(FullScreen::feed);
    let mut totals = feed.clone().map(|feed| Totals::new(feed, &plan));
    let progress = FleetProgress::new(args.results.quiet, feed);
    let done = nats::block_on(async {
        let bus = Bus::connect(&on.access).await?;
        let told = format!(
            "run {run}; if this process ends, `echo-bench collect {run} --nats {}` merges its parts",
            on.access.shown
        );
        if !args.results.quiet {
            progress.warn(&told);
        }
        let run = Run {
            plan: Box::new(move |server| documents.of_parts(server)),
            server: server.map(|(_, plan)| plan),
            settings,
        };
        let name = run.settings.run.clone();
        let mut outcome = nats::coordinate(&bus, run, stops, |said| match said {
            Said::Progress { sum, at_work } => {
                if let Some(totals) = &mut totals {
                    totals.stand(sum.measured_ns, sum.answered, sum.failed, at_work);
                }
                progress.say(&line(&sum, at_work));
            }
            Said::Warning(text) => progress.warn(&format!("warning: {text}")),
        })
        .await?;
        let (ends, server) = (std::mem::take(&mut outcome.ends), outcome.server.take());
        let parts = nats::collect_ends(&bus, &name, ends, server).await;
        Ok::<(Outcome, Collected), nats::BusError>((outcome, parts))
    });
    progress.finish();
    let live_view_busy = view.map(FullScreen::close);
    let (outcome, parts) = done??;
    if let Some(failure) = outcome.failure {
        complain(&failure);
        return Ok(received.exit_code().unwrap_or(Exit::Failed as u8));
    }
    if let Some(reason) = &outcome.aborted {
        complain(&format!("aborted: {reason} (--on-loss mark would have gone on)"));
    }
    let fleet = gathered(parts);
    let has_lost = fleet.has_lost();
    let mut report = match fleet.merged() {
        Ok(report) => report,
        Err(error) => {
            complain(&format!("{:#}", anyhow::Error::from(error)));
            return Ok(received.exit_code().unwrap_or(Exit::Failed as u8));
        }
    };
    report.summary.cpu.live_view_busy = live_view_busy;
    report.command = command.iter().map(|word| masked(word).into_owned()).collect();
    Ok(hand_over(report, args, &results, &received, has_lost))
}

/// How long agents have until the load begins.
fn lead(plan: &Plan) -> Duration {
    let rate = plan.connect_rate_per_s.unwrap_or(CONNECTIONS_PER_S).min(CONNECTIONS_PER_S);
    let connecting = Duration::try_from_secs_f64(f64::from(plan.connections) / rate);
    START_UP + connecting.unwrap_or_default()
}

/// How all parts go, in a line.
fn line(sum: &Progress, agents: u32) -> String {
    if sum.measured_ns == 0 {
        return format!("{agents} agents connect and warm up");
    }
    format!(
        "{:6.1} s  {:>10}/s  {} answered, {} failed ({agents} agents)",
        sum.measured_ns as f64 / 1e9,
        units::rate(sum.rate_per_s),
        units::count(sum.answered),
        units::count(sum.failed),
    )
}

/// What has become of the parts, as one.
fn gathered(collected: Collected) -> Fleet {
    let mut fleet = Fleet::new(collected.parts.len() as u32);
    for Part { member, report } in collected.parts {
        let number = member.part;
        let event = match report.and_then(|bytes| part_of(&member, bytes)) {
            Ok(part) => Event::Done(Box::new(part)),
            Err(reason) => Event::Lost(format!("agent {}: {reason}", member.agent)),
        };
        // All of it was told while the run went on.
        let _ = fleet.take(Message { number, event });
    }
    if let Some(server) = collected.server {
        fleet.served(server_of(server));
    }
    fleet
}

/// What an agent saw of the server, if it is that.
fn server_of(Part { member, report }: Part) -> ServerOfRun {
    let agent = member.agent.to_string();
    let seen = report.and_then(|bytes| read(bytes, &format!("what {agent} saw of the server")));
    ServerOfRun { agent, clock: clock_of(&member), seen: seen.map(Box::new) }
}

fn clock_of(member: &echo_bench_fleet::message::Member) -> Option<ClockOffset> {
    let clock = member.clock?;
    Some(ClockOffset { offset_ns: clock.offset_ns, error_ns: clock.error_ns })
}

/// A document of an agent, if it is one.
fn read<T: Stored>(bytes: Vec<u8>, place: &str) -> Result<T, String> {
    let text = String::from_utf8(bytes).map_err(|_| format!("{place} is no text"))?;
    document::interpret(text, place.into())
        .and_then(document::Document::parse)
        .map_err(|error| format!("{:#}", anyhow::Error::from(error)))
}

/// The report of a part, if it is one.
fn part_of(
    member: &echo_bench_fleet::message::Member,
    bytes: Vec<u8>,
) -> Result<PartOfRun, String> {
    let place = format!("the report of {}", member.agent);
    let report: echo_bench_report::report::Report = read(bytes, &place)?;
    let part = report.plan.part.map(|part| part.number);
    if part != Some(member.part) {
        return Err(format!("its report is not of part {}", member.part));
    }
    let clock = clock_of(member);
    Ok(PartOfRun { report, name: Some(member.agent.to_string()), clock })
}

/// Merges the parts of a run that are in the store.
///
/// # Errors
/// When they can't be read or merged, or the result can't be written.
pub fn collect(args: &CollectArgs) -> anyhow::Result<u8> {
    let outlet = Outlet::new(Some(&args.output), args.format)?;
    let access = args.access.access(&args.nats);
    let collected = nats::block_on(async {
        let bus = Bus::connect(&access).await?;
        nats::collect(&bus, &args.run).await
    })??;
    let missing: BTreeSet<String> = collected
        .parts
        .iter()
        .filter_map(|part| {
            let reason = part.report.as_ref().err()?;
            Some(format!("part {} of agent {}: {reason}", part.member.part, part.member.agent))
        })
        .chain(collected.server.as_ref().and_then(|server| {
            let reason = server.report.as_ref().err()?;
            Some(format!("the server as agent {} saw it: {reason}", server.member.agent))
        }))
        .collect();
    if !missing.is_empty() && !args.allow_missing {
        let missing: Vec<String> = missing.into_iter().collect();
        anyhow::bail!("{} (collect again later, or use --allow-missing)", missing.join("; "));
    }
    for part in &missing {
        tell(&format!("warning: {part}"));
    }
    let merged = gathered(collected).merged()?.concluded();
    outlet.put(|format, screen| Ok(rendered(&merged, format, screen)))?;
    Ok(Exit::Done as u8)
}
