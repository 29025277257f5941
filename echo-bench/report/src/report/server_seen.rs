//! The server of a run whose load came from other machines, as an agent on its own machine saw it:
//! [`ServerSeen`], the document that the agent hands over, and [`ServerPartReport`], what a report
//! says of it beside the server's cost.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::document::{Invalid, Stored, ensure};
use super::{
    ClockOffset, Cpu, Environment, IntervalReport, Report, ServerSide, SurroundingsReport,
    TcpReport, numbers,
};
use echo_bench_engine::plan::Target;
use echo_bench_engine::server_process::ServerProcess;
use echo_bench_engine::{ServerLog, ServerLook};

/// What an agent saw of a server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ServerSeen {
    /// [`Stored::SCHEMA`].
    pub schema: String,
    /// What was looked at: an embedded server as the agent has started it, or an address.
    pub target: Target,
    /// The process.
    pub process: Option<ServerProcess>,
    /// The machine.
    pub environment: Environment,
    /// What was seen.
    pub log: ServerLog,
    /// What an embedded server said of itself when it ended.
    pub side: Option<ServerSide>,
    /// Whether one that the agent had started was killed since it did not stop.
    pub killed: bool,
}

impl Stored for ServerSeen {
    const SCHEMA: &'static str = "echo-bench.server/1";

    fn validate(&self) -> Result<(), Invalid> {
        numbers::check("log", &self.log)?;
        numbers::check("side", &self.side)?;
        let looks = &self.log.looks;
        ensure(looks.is_sorted_by_key(|look| look.after_ns), "log.looks", "not in order")
    }
}

/// The server as an agent on its machine saw it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ServerPartReport {
    /// The agent.
    pub agent: String,
    /// How far its clock is off; null if that was not measured.
    pub clock: Option<ClockOffset>,
    /// Why what the server cost is not known; null if it is.
    pub failure: Option<String>,
    /// The machine; null where nothing came of it.
    pub environment: Option<Environment>,
    /// What happened there over the window: of the CPUs only the server's are known.
    pub surroundings: Option<SurroundingsReport>,
    /// Whether the server ended before the load did.
    pub ended: bool,
    /// Whether one that the agent had started had to be killed at the end.
    pub killed: bool,
}

/// An agent that was asked to look at the server, and what came of it.
#[derive(Debug, Clone)]
pub struct ServerOfRun {
    /// Its name.
    pub agent: String,
    /// How far its clock is off, where that was measured.
    pub clock: Option<ClockOffset>,
    /// What it saw, or why nothing.
    pub seen: Result<Box<ServerSeen>, String>,
}

impl ServerOfRun {
    /// What the server cost, into a report of the load, which these parts put on.
    pub(crate) fn add_to(&self, report: &mut Report, parts: &[&Report]) -> ServerPartReport {
        let mut told = ServerPartReport {
            agent: self.agent.clone(),
            clock: self.clock,
            failure: None,
            environment: None,
            surroundings: None,
            ended: false,
            killed: false,
        };
        let seen = match &self.seen {
            Ok(seen) => seen,
            Err(reason) => {
                told.failure = Some(reason.clone());
                return told;
            }
        };
        if let Target::Embedded { .. } = &seen.target {
            let target = seen.target.clone();
            // A plan that names an address can name what is there.
            if let Ok(plan) = report.plan.with(|plan| plan.target = target) {
                report.plan = plan;
            }
        }
        report.server.clone_from(&seen.process);
        report.summary.server_side.clone_from(&seen.side);
        told.environment = Some(seen.environment.clone());
        told.killed = seen.killed;
        let (begin_ns, end_ns) = window(parts);
        match seen.log.at(begin_ns).zip(seen.log.at(end_ns)) {
            Some((first, last)) if first.after_ns < last.after_ns => {
                set(&mut report.summary.cpu, first, last, report.summary.answered_in_window);
                told.surroundings = Some(surroundings(&seen.log, first, last));
                told.ended = last.server.is_none();
                if report.summary.cpu.server_busy.is_none() {
                    told.failure =
                        Some("its process did not run throughout the window".to_owned());
                }
            }
            _ => told.failure = Some("no sample at both ends of the window".to_owned()),
        }
        for interval in &mut report.intervals {
            interval.server_us_per_message = in_interval(&seen.log, begin_ns, interval);
        }
        told
    }
}

/// When the window of the first part began and that of the last one ended, after the instant at
/// which the first look was planned: parts may have begun late.
fn window(parts: &[&Report]) -> (u64, u64) {
    let late = |part: &&Report| part.start.as_ref().map_or(0, |start| start.late_ns);
    let measured_ns = |part: &Report| (part.summary.measured_s * 1e9) as u64;
    let ends = parts.iter().map(|part| late(part).saturating_add(measured_ns(part)));
    (parts.iter().map(late).min().unwrap_or(0), ends.max().unwrap_or(0))
}

fn set(cpu: &mut Cpu, first: &ServerLook, last: &ServerLook, answered: u64) {
    let Some(used) = last.server.zip(first.server).map(|(last, first)| last.since(&first))
    else {
        return;
    };
    let elapsed_ns = last.after_ns - first.after_ns;
    let used_ns = used.cpu.as_nanos() as f64;
    cpu.server_us_per_message = (answered > 0).then(|| used_ns / 1e3 / answered as f64);
    cpu.server_busy = Some(used_ns / elapsed_ns as f64);
    let switches = used.voluntary_switches.zip(used.involuntary_switches);
    cpu.server_context_switches = switches.map(|(a, b)| a.saturating_add(b));
    cpu.server_peak_rss_bytes = Some(used.peak_rss_bytes);
}

/// What is between the looks is taken for even: those of a long run are further apart than its
/// intervals end.
fn in_interval(log: &ServerLog, begin_ns: u64, interval: &IntervalReport) -> Option<f64> {
    let at = |seconds: f64| log.at(begin_ns.saturating_add((seconds * 1e9) as u64));
    let (first, last) = at(interval.at_s).zip(at(interval.at_s + interval.length_s))?;
    let answered = interval.answered();
    let used = last.server?.since(&first.server?).cpu;
    let elapsed_ns = last.after_ns.checked_sub(first.after_ns).filter(|ns| *ns > 0)?;
    let busy = used.as_nanos() as f64 / elapsed_ns as f64;
    (answered > 0.0).then(|| busy * interval.length_s * 1e6 / answered)
}

fn surroundings(log: &ServerLog, first: &ServerLook, last: &ServerLook) -> SurroundingsReport {
    let elapsed_s = (last.after_ns - first.after_ns) as f64 / 1e9;
    let mean = |of: fn(&echo_net::cpu::Machine) -> std::time::Duration| {
        let (last, first) = last.machine.as_ref().zip(first.machine.as_ref())?;
        Some(of(last).saturating_sub(of(first)).as_secs_f64() / elapsed_s)
    };
    let tcp = last.tcp.zip(first.tcp).map(|(last, first)| last.since(&first));
    SurroundingsReport {
        generator_cpus: Vec::new(),
        server_cpus: log.cpus.clone(),
        quota_cores: None,
        throttled_s: None,
        machine_busy: mean(|machine| machine.busy),
        stolen: mean(|machine| machine.stolen),
        tcp: tcp.as_ref().map(TcpReport::of),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use echo_net::cpu::Usage;

    use super::*;

    #[test]
    fn an_interval_costs_nothing_of_what_lies_around_it() {
        // Half a core. Of a long run every second look is left out.
        let look = |number: u64| ServerLook {
            after_ns: number * 400_000_000,
            server: Some(Usage {
                cpu: Duration::from_millis(number * 200),
                ..Usage::default()
            }),
            tcp: None,
            machine: None,
        };
        let looks = (0..20).map(look).collect();
        let log = ServerLog { step_ns: 400_000_000, looks, cpus: Vec::new() };
        for second in 0..5 {
            let interval = IntervalReport {
                at_s: f64::from(second),
                length_s: 1.0,
                ok: 100,
                answered: Some(100),
                errors: 0,
                achieved_per_s: Some(100.0),
                response: None,
                client_us_per_message: None,
                server_us_per_message: None,
            };
            let cost = in_interval(&log, 0, &interval).unwrap();
            assert!((cost - 5_000.0).abs() < 1.0, "in second {second}: {cost}");
        }
    }
}
