//! What keeps a run from being faster: [`Limit`], from what its report knows.

use std::fmt;

use crate::describe::units;
use crate::report::nouns::Nouns;
use crate::report::{GENERATOR_LIMITED, LinkReport, Report};
use echo_bench_engine::plan::Load;

/// A side that is busier than this of what it may use has no room left.
const SATURATED: f64 = 0.9;

/// Less than this of the offered rate is not what was offered.
const AS_OFFERED: f64 = 0.99;

/// So full is a queue that nothing more gets into.
const FULL: f64 = 0.95;

/// What limits the rate of a run.
#[derive(Debug, Clone, PartialEq)]
pub enum Limit {
    /// The generator: its own share decides, or it ran out of ports or descriptors.
    Generator,
    /// A generator thread without rest, so much of the time.
    GeneratorCpu(f64),
    /// The server's CPU: cores that it kept busy, of those that it may use.
    ServerCpu(f64, usize),
    /// Both of these.
    BothCpus(f64, f64, usize),
    /// The CPU of the machine, which both sides share: cores busy, and cores.
    Machine(f64, usize),
    /// The rate that was offered.
    OfferedRate,
    /// The pauses between a reply and the next request.
    ThinkTime,
    /// The number of requests that may be in flight.
    InFlight(u64, &'static str),
    /// Nothing that is known.
    Unknown,
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Generator => write!(f, "limited by the generator"),
            Self::GeneratorCpu(busy) => {
                write!(f, "limited by the generator's CPU (a thread {} busy)", percent(*busy))
            }
            Self::ServerCpu(busy, cores) => {
                write!(f, "limited by the server's CPU ({})", of_cores(*busy, *cores))
            }
            Self::BothCpus(thread, busy, cores) => write!(
                f,
                "limited by the CPU of generator (a thread {} busy) and server ({})",
                percent(*thread),
                of_cores(*busy, *cores)
            ),
            Self::Machine(busy, cores) => write!(
                f,
                "limited by the CPU that both sides share ({})",
                of_cores(*busy, *cores)
            ),
            Self::OfferedRate => write!(f, "limited by the offered rate"),
            Self::ThinkTime => write!(f, "limited by the think time"),
            Self::InFlight(most, what) => {
                write!(f, "limited by {} {what} in flight", units::count(*most))
            }
            Self::Unknown => write!(f, "what limits it is not known"),
        }
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share.min(1.0) * 100.0)
}

/// Like `97 % of 1 core`.
fn of_cores(busy: f64, cores: usize) -> String {
    let share = percent(busy / cores.max(1) as f64);
    format!("{share} of {}", units::counted(cores as u64, "core"))
}

impl Limit {
    /// What limits the rate of a run.
    pub fn of(report: &Report) -> Self {
        let plan = &report.plan;
        let most = u64::from(plan.connections) * u64::from(plan.load.pipeline());
        let in_flight = Self::InFlight(most, Nouns::of(plan).sent.of(most));
        let is_offered = |offered: f64| {
            report.summary.achieved_per_s.is_some_and(|rate| rate >= offered * AS_OFFERED)
        };
        if report.summary.offered_per_s.is_some_and(is_offered) {
            return Self::OfferedRate;
        }
        if plan.think.is_some() && !is_full(report, most) {
            return Self::ThinkTime;
        }
        if report.warnings.iter().any(|warning| warning.code == GENERATOR_LIMITED) {
            return match saturated(report) {
                Some(cpu @ (Self::GeneratorCpu(_) | Self::BothCpus(..))) => cpu,
                _ => Self::Generator,
            };
        }
        if let Some(cpu) = saturated(report) {
            return cpu;
        }
        let is_known = report.summary.cpu.server_busy.is_some();
        match plan.load {
            Load::Closed { .. } if is_known => in_flight,
            Load::Closed { .. } => Self::Unknown,
            _ if is_full(report, most) => in_flight,
            _ => Self::Unknown,
        }
    }
}

fn is_full(report: &Report, most: u64) -> bool {
    report.summary.in_flight_mean.is_some_and(|mean| mean >= most as f64 * FULL)
}

/// How busy the busiest generator thread was, if it had no rest.
fn saturated_generator(report: &Report) -> Option<f64> {
    let busiest = report.threads.iter().filter_map(|thread| thread.busy).fold(0.0, f64::max);
    (busiest > SATURATED).then_some(busiest)
}

/// Which CPU has no room left.
fn saturated(report: &Report) -> Option<Limit> {
    let cpu = &report.summary.cpu;
    let cores = report.environment.cores;
    let server = cpu.server_busy.zip(report.plan.server_cores(cores));
    let server = server.filter(|(busy, cores)| *busy > SATURATED * *cores as f64);
    match (saturated_generator(report), server) {
        (Some(thread), Some((busy, cores))) => Some(Limit::BothCpus(thread, busy, cores)),
        (Some(thread), None) => Some(Limit::GeneratorCpu(thread)),
        (None, Some((busy, cores))) => Some(Limit::ServerCpu(busy, cores)),
        (None, None) => {
            let forwarder = report.link.as_ref().and_then(LinkReport::busy).unwrap_or(0.0);
            let both = cpu.client_busy? + cpu.server_busy? + forwarder;
            let cores = cores.filter(|cores| *cores > 0 && !report.plan.is_pinned_apart())?;
            (both > SATURATED * cores as f64).then_some(Limit::Machine(both, cores))
        }
    }
}
