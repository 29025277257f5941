//! The way of a selftest: runs in processes of their own against a server whose behaviour is
//! known, held against what they must have measured, result, exit code.

mod arrange;
mod freeze;

use std::path::PathBuf;

use anyhow::Context;

use echo_net::signals;
use echo_net::stdout;
use echo_net::stop::{Stage, Stop};

use super::child_run::ChildRuns;
use super::self_check;
use super::{Exit, UsageError};
use crate::cli::{SERVE_FAULTS, SelfCheckArgs, SelftestArgs, ServeFaultsArgs};
use crate::console::{complain, tell};
use crate::fault_server::{self, FaultProcess, ServiceOptions};
use crate::noise_floor;
use crate::outlet::{Outlet, PageFormat};
use echo_bench_engine as engine;
use echo_bench_report::compare::Options;
use echo_bench_report::compare::self_check::{self as compared, SelfCheck};
use echo_bench_report::render::text::Document;
use echo_bench_report::render::{self, Screen, Styled};
use echo_bench_report::report::{Environment, NoiseFloor, Report, Tool, Verdict, store};
use echo_bench_report::selftest::{
    self, AgainstItself, Check, Expectation, Oracle, Outcome, SCHEMA, Selftest, Subject,
    oracles,
};

use arrange::{Arrangement, Server};

/// A check that fails is measured so often.
const TRIES: u32 = 2;

/// Runs of which the quietest is the noise floor.
const FLOOR_RUNS: usize = 3;

/// Carries out a selftest from what was typed to the exit code.
///
/// # Errors
/// When no run can be made, or the result could not be written.
pub fn selftest(args: &SelftestArgs) -> anyhow::Result<u8> {
    let subject = args.subject().map_err(UsageError::new)?;
    let outlet = Outlet::new(args.output.as_deref(), args.format)?;
    stdout::check().context("writing to stdout")?;
    outlet.check()?;
    engine::check(subject.engine)?;
    let stop = Stop::new();
    let received = signals::ask_on_signals(stop.clone()).context("watching for signals")?;
    let kept = tempfile::tempdir().context("finding a place for the runs")?;
    let started_at = humantime::format_rfc3339_millis(std::time::SystemTime::now());
    let mut session = Session {
        runs: ChildRuns::new(stop.clone()),
        stop,
        subject,
        lie: args.lie,
        quiet: args.quiet,
        file: kept.path().join("run.json"),
        checks: Vec::new(),
    };
    let (noise_floor, against_itself) = session.carry_out();
    if let Some(code) = received.exit_code() {
        complain("interrupted: nothing was judged");
        return Ok(code);
    }
    let environment = Environment::read(true);
    let Session { subject, checks, .. } = session;
    let selftest = Selftest {
        schema: SCHEMA.into(),
        tool: Tool::this(),
        started_at: started_at.to_string(),
        environment,
        subject,
        checks,
        noise_floor,
        against_itself,
    };
    // That of a machine which did not pass would excuse too much.
    if let Some(floor) = selftest.noise_floor.clone().filter(|_| selftest.is_passed()) {
        keep(&selftest.environment, floor, args.quiet);
    }
    outlet.hand_over(|format, screen| rendered(&selftest, format, screen))?;
    Ok(exit(&selftest) as u8)
}

/// The life of the fault server's process.
///
/// # Errors
/// As those of [`fault_server::serve`].
pub fn serve_faults(args: &ServeFaultsArgs) -> anyhow::Result<u8> {
    let &ServeFaultsArgs { die_with_parent: parent, framing, fault, from, lie } = args;
    fault_server::serve(&ServiceOptions { parent, framing, fault, from, lie })?;
    Ok(Exit::Done as u8)
}

fn exit(selftest: &Selftest) -> Exit {
    let is_made = |check: &Check| !check.expectations.is_empty();
    if selftest.is_passed() {
        Exit::Done
    } else if selftest.checks.iter().any(is_made) {
        Exit::Invalid
    } else {
        Exit::Failed
    }
}

fn keep(environment: &Environment, floor: NoiseFloor, quiet: bool) {
    match noise_floor::keep(environment, floor) {
        Ok(place) if !quiet => tell(&format!("noise floor kept in {}", place.display())),
        Ok(_) => {}
        Err(error) => tell(&format!("warning: the noise floor was not kept: {error:#}")),
    }
}

/// A selftest in a format.
pub(super) fn rendered(selftest: &Selftest, format: PageFormat, screen: Screen) -> Styled {
    match format {
        PageFormat::Text => render::text::on(screen, Document::Selftest(selftest)),
        PageFormat::Json => store::to_json(selftest).into(),
        PageFormat::Markdown => render::markdown::selftest(selftest).into(),
        PageFormat::Html => render::html::selftest(selftest).into(),
    }
}

/// A selftest that goes on.
struct Session {
    runs: ChildRuns,
    stop: Stop,
    subject: Subject,
    lie: f64,
    quiet: bool,
    /// Where a run leaves its report.
    file: PathBuf,
    checks: Vec<Check>,
}

impl Session {
    /// Every check, one after the other, until it is stopped.
    fn carry_out(&mut self) -> (Option<NoiseFloor>, Option<AgainstItself>) {
        let oracles = oracles(self.subject.quick);
        let all = oracles.len() + 2;
        for oracle in oracles {
            let check = match oracle.skipped(&self.subject) {
                Some(reason) => Check::skipped(oracle.name(), oracle.about(), reason),
                None => self.tried(oracle.name(), &oracle.about(), |own| own.of_oracle(oracle)),
            };
            self.push(check, all);
        }
        let (mut floor, mut itself) = (None, None);
        let about = "closed loop, 1 connection, raw, a reflector that echoes at once";
        let check = self.tried("noise-floor", about, |own| {
            let (found, expectations) = own.floor()?;
            floor = found;
            Ok(expectations)
        });
        self.push(check, all);
        let about = "runs of one plan, compared with each other: differences are false alarms";
        let check = self.tried("a-a", about, |own| {
            let (found, expectations) = AgainstItself::of(&own.self_check()?);
            itself = Some(found);
            Ok(expectations)
        });
        self.push(check, all);
        (floor, itself)
    }

    fn is_stopped(&self) -> bool {
        self.stop.stage() > Stage::Running
    }

    fn push(&mut self, check: Check, all: usize) {
        if !self.quiet && !self.is_stopped() {
            let word = match check.outcome {
                Outcome::Passed => "PASS",
                Outcome::Failed => "FAIL",
                Outcome::Skipped => "skipped",
            };
            let reason = check.reason.as_ref().and_then(|reason| reason.lines().next());
            let reason = reason.map_or(String::new(), |reason| format!(": {reason}"));
            let place = self.checks.len() + 1;
            tell(&format!("[{place:>2}/{all}] {}: {word}{reason}", check.name));
        }
        self.checks.push(check);
    }

    /// What comes of measuring once, and once more if that fails.
    fn tried(
        &mut self,
        name: &str,
        about: &str,
        mut once: impl FnMut(&Self) -> anyhow::Result<Vec<Expectation>>,
    ) -> Check {
        for tries in 1.. {
            if self.is_stopped() {
                break;
            }
            let check = match once(self) {
                Ok(expectations) => Check::judged(name, about.into(), tries, expectations),
                Err(error) => Check::unmade(name, about.into(), tries, format!("{error:#}")),
            };
            if check.outcome == Outcome::Passed || tries >= TRIES {
                return check;
            }
            if !self.quiet && !self.is_stopped() {
                tell(&format!("        {name}: {}; measured once more", why(&check)));
            }
        }
        Check::skipped(name, about.into(), "interrupted")
    }

    /// The run of an oracle, against a server that does what it says.
    fn of_oracle(&self, oracle: Oracle) -> anyhow::Result<Vec<Expectation>> {
        let arrangement = Arrangement::of(oracle, &self.subject);
        let (report, committed) = match &arrangement.server {
            Server::Embedded => (self.against_embedded(oracle, &arrangement)?, 0),
            Server::Faulty(injection) => {
                let injection = fault_server::Injection { lie: self.lie, ..*injection };
                let server = FaultProcess::start(SERVE_FAULTS, &injection)?;
                self.against(oracle, &arrangement, server)?
            }
        };
        Ok(oracle.judge(&self.subject, &report, committed))
    }

    fn against(
        &self,
        oracle: Oracle,
        arrangement: &Arrangement,
        server: FaultProcess,
    ) -> anyhow::Result<(Report, u64)> {
        let flags = arrangement.with_target(server.address());
        let (report, server) = match oracle {
            Oracle::Frozen { at, length, .. } => {
                let wait = move || {
                    freeze::wait_for_first(&server, at);
                    server
                };
                freeze::during(&self.runs, wait, length, || self.run(&flags))?
            }
            _ => (self.run(&flags), server),
        };
        Ok((report?, server.stop()?))
    }

    /// Of a generator that is stopped in its midst.
    fn against_embedded(
        &self,
        oracle: Oracle,
        arrangement: &Arrangement,
    ) -> anyhow::Result<Report> {
        let Oracle::Frozen { at, length, .. } = oracle else {
            return self.run(&arrangement.flags);
        };
        let runs = &self.runs;
        let wait = || freeze::wait_for_start(runs, at);
        freeze::during(runs, wait, length, || self.run(&arrangement.flags))?.0
    }

    fn run(&self, flags: &[String]) -> anyhow::Result<Report> {
        self.runs.make(flags, 1, &self.file).map_err(anyhow::Error::msg)
    }

    /// The quietest of some runs against a reflector.
    fn floor(&self) -> anyhow::Result<(Option<NoiseFloor>, Vec<Expectation>)> {
        let (injection, flags) = arrange::reflector(&self.subject);
        let server = FaultProcess::start(SERVE_FAULTS, &injection)?;
        let flags = [vec![server.address().to_owned()], flags].concat();
        let made: Vec<Report> =
            (0..FLOOR_RUNS).map(|_| self.run(&flags)).collect::<anyhow::Result<_>>()?;
        server.stop()?;
        let clean = made.iter().all(|report| report.summary.requests.failed() == 0);
        let valid = made.iter().any(|report| report.verdict != Verdict::Invalid);
        let expectations =
            vec![Expectation::yes("no failures", clean), Expectation::yes("usable", valid)];
        Ok((selftest::noise_floor(&made), expectations))
    }

    fn self_check(&self) -> anyhow::Result<SelfCheck> {
        let (runs, comparisons) = if self.subject.quick { (3, 1) } else { (3, 3) };
        let check = SelfCheckArgs {
            self_check: true,
            runs: Some(runs),
            comparisons: Some(comparisons),
            quiet: true,
            run: arrange::against_itself(&self.subject),
        };
        let reports = self_check::made(&check, &self.stop)?;
        Ok(compared::self_check(&reports, runs as usize, &Options::default())?)
    }
}

/// The first thing that failed.
fn why(check: &Check) -> String {
    let broken = check.expectations.iter().find(|one| !one.holds());
    match (&check.reason, broken) {
        (Some(reason), _) => reason.lines().next().unwrap_or_default().to_owned(),
        (None, Some(one)) => format!("{} is not as expected", one.name),
        (None, None) => "nothing was measured".into(),
    }
}
