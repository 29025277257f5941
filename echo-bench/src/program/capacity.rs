//! The way of a search for capacity: plan, step after step in a process of its own, the steps of
//! several searches in turn, answer, exit code.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Context;

use echo_client::mask::masked;
use echo_net::settings::TimeSpan;
use echo_net::signals;
use echo_net::stdout;
use echo_net::stop::Stop;

use super::child_run::ChildRuns;
use super::results::refuse_lines_on_view;
use super::{Exit, open_view, warn_of_stored_passwords};
use crate::cli::{CapacityArgs, PlannedCapacity};
use crate::console::{complain, tell};
use crate::outlet::{Outlet, PageFormat};
use crate::stream::SharedStream;
use crate::view::{Feed, FullScreen};
use echo_bench_report::capacity::search::{Ending, Next};
use echo_bench_report::capacity::{Capacity, SCHEMA, Session, answer};
use echo_bench_report::output;
use echo_bench_report::render::text::Document;
use echo_bench_report::render::{Screen, Styled};
use echo_bench_report::report::{Report, Tool, store};
use echo_bench_report::{describe, render};

/// Searches for capacity from what was typed to the exit code.
///
/// # Errors
/// When no run could be made, or the result could not be written.
pub fn capacity(args: &CapacityArgs) -> anyhow::Result<u8> {
    let planned = match args.plan() {
        Ok(planned) => planned,
        Err(error) => {
            complain(&masked(&error.to_string()));
            return Ok(Exit::Usage as u8);
        }
    };
    warn_of_stored_passwords(&planned.plan.fixed, &planned.plan.axes);
    let outlet = Outlet::new(args.output.as_deref(), args.format)?;
    let outlet = outlet.beside(args.stream.as_deref())?;
    refuse_lines_on_view(args.live, args.stream.as_deref())?;
    stdout::check().context("writing to stdout")?;
    outlet.check()?;
    check_folder(args)?;
    let stop = Stop::new();
    let received = signals::ask_on_signals(stop.clone()).context("watching for signals")?;
    let kept = tempfile::tempdir().context("finding a place for the runs")?;
    let file = kept.path().join("run.json");
    let view = open_view(args.live)?;
    let feed = view.as_ref().map(FullScreen::feed);
    let stream = args.stream.as_deref().map(SharedStream::open).transpose()?;
    let runs = ChildRuns::new(stop).with_stream(stream).with_view(feed.clone());
    let mut searches = Searches::new(&planned, runs, &file, args.quiet, feed);
    searches.carry_out();
    let is_streamed = searches.runs.close_stream();
    let Searches { sessions, endings, .. } = searches;
    drop(view);
    let interrupted = received.exit_code();
    let capacity = result(&planned, &sessions, &endings, interrupted.is_some());
    if capacity.is_empty() {
        complain(&nothing(&capacity));
        return Ok(interrupted.unwrap_or(Exit::Failed as u8));
    }
    let first = sessions.iter().find_map(Session::first);
    store_and_show(&capacity, first, &outlet, args)?;
    Ok(match (interrupted, exit(&capacity)) {
        (Some(code), _) => code,
        (None, Exit::Done) if !is_streamed => Exit::Failed as u8,
        (None, exit) => exit as u8,
    })
}

/// Makes sure that the result will have a place before minutes are spent on it.
fn check_folder(args: &CapacityArgs) -> anyhow::Result<()> {
    if args.no_report {
        return Ok(());
    }
    let directory = &args.report_dir;
    let probe =
        std::fs::create_dir_all(directory).and_then(|()| output::check(&directory.join("new")));
    probe.with_context(|| {
        format!(
            "storing the result in {} (name another place with --report-dir, or none with \
             --no-report)",
            directory.display()
        )
    })
}

fn nothing(capacity: &Capacity) -> String {
    let mut failures = capacity.levels.iter().flat_map(|level| &level.failures);
    match failures.next() {
        Some(reason) => format!("no step gave a report: {reason}"),
        None if capacity.interrupted => "interrupted before a rate was measured".into(),
        None => {
            "the budget is too small for one step: raise --budget, or shorten the steps with \
                 --duration and --warmup"
                .into()
        }
    }
}

fn result(
    planned: &PlannedCapacity,
    sessions: &[Session],
    endings: &[Option<Ending>],
    interrupted: bool,
) -> Capacity {
    let levels: Vec<_> =
        sessions.iter().zip(endings).map(|(session, ending)| session.finish(*ending)).collect();
    let first = sessions.iter().find_map(Session::first);
    Capacity {
        schema: SCHEMA.into(),
        tool: Tool::this(),
        started_at: first.map(|report| report.started_at.clone()),
        plan: planned.plan.clone(),
        environment: first.map(|report| report.environment.clone()),
        comparisons: answer::compare(&levels),
        levels,
        interrupted,
    }
}

fn exit(capacity: &Capacity) -> Exit {
    if capacity.has_missed() {
        Exit::Missed
    } else if capacity.is_answered() {
        Exit::Done
    } else {
        Exit::Invalid
    }
}

/// The searches of all levels, whose steps are made in turn.
struct Searches<'a> {
    planned: &'a PlannedCapacity,
    runs: ChildRuns,
    file: &'a Path,
    quiet: bool,
    view: Option<Feed>,
    sessions: Vec<Session>,
    endings: Vec<Option<Ending>>,
    made: u64,
}

impl<'a> Searches<'a> {
    fn new(
        planned: &'a PlannedCapacity,
        runs: ChildRuns,
        file: &'a Path,
        quiet: bool,
        view: Option<Feed>,
    ) -> Self {
        let session = |cell: &echo_bench_report::sweep::PlannedCell| {
            let (name, levels) = (cell.cell.name.clone(), cell.cell.levels.clone());
            Session::new(name, levels, planned.plan.slos.clone(), planned.bounds)
        };
        let sessions: Vec<Session> = planned.cells.iter().map(session).collect();
        let endings = vec![None; sessions.len()];
        Self { planned, runs, file, quiet, view, sessions, endings, made: 0 }
    }

    /// Every search to its end, or until it is stopped: those have no ending.
    fn carry_out(&mut self) {
        let mut round: Vec<usize> = (0..self.sessions.len()).collect();
        while self.endings.iter().any(Option::is_none) && !self.is_stopped() {
            for &place in &round {
                if self.endings[place].is_none() && !self.is_stopped() {
                    self.advance(place);
                }
            }
            // What drifts over time meets all of them alike.
            round.reverse();
        }
    }

    fn is_stopped(&self) -> bool {
        self.runs.are_stopped()
    }

    /// Makes the next step of a search.
    fn advance(&mut self, place: usize) {
        match self.sessions[place].next() {
            Next::Done(ending) => self.endings[place] = Some(ending),
            Next::Probe => self.probe(place),
            Next::Step { rate, windows, approach } => {
                let command_line = self.planned.step(place, rate, windows);
                let tells = self.sessions[place].told_by(rate);
                self.announce(place, &format!("{rate}/s for {}", self.window(windows)));
                let (outcome, took) = self.run(place, &command_line, tells);
                if self.is_stopped() && outcome.is_err() {
                    return;
                }
                let failed = outcome.as_ref().err().cloned();
                let session = &mut self.sessions[place];
                let judged = session.stepped(rate, windows, approach, outcome, took);
                let told = match judged {
                    Some(judged) => describe::capacity::step(judged, &self.planned.plan.slos),
                    None => format!("FAILED: {}", first_line(failed.as_deref())),
                };
                self.say(place, &format!("{rate}/s for {}: {told}", self.window(windows)));
            }
        }
    }

    fn window(&self, windows: u32) -> TimeSpan {
        TimeSpan(self.planned.bounds.window * windows)
    }

    fn announce(&self, place: usize, step: &str) {
        self.runs.announce(None, &format!("{}{step}", self.prefix(place)));
    }

    /// The level that a search is of, where there are several.
    fn prefix(&self, place: usize) -> String {
        match self.sessions[place].name() {
            "" => String::new(),
            name => format!("{name}: "),
        }
    }

    fn probe(&mut self, place: usize) {
        let command_line = self.planned.probe(place);
        self.announce(place, "closed loop");
        let answered = |report: &Report| report.summary.requests.ok > 0;
        let (outcome, took) = self.run(place, &command_line, answered);
        if self.is_stopped() && outcome.is_err() {
            return;
        }
        self.sessions[place].probed(outcome.as_ref().map_err(String::as_str), took);
        let rate = outcome.as_ref().ok().and_then(|report| report.summary.achieved_per_s);
        let told = match (&outcome, rate) {
            (Err(reason), _) => format!("FAILED: {}", first_line(Some(reason))),
            (Ok(_), rate) => format!("{}/s", rate.map_or("-".into(), describe::units::rate)),
        };
        self.say(place, &format!("closed loop: {told}"));
    }

    /// A run for the search in this place, of the files of which that was planned, if its report
    /// `tells` something.
    fn run(
        &mut self,
        place: usize,
        command_line: &[String],
        tells: impl FnOnce(&Report) -> bool,
    ) -> (Result<Report, String>, Duration) {
        let begin = Instant::now();
        let seed = self.planned.plan.seed.wrapping_add(self.made);
        self.made += 1;
        let made = self.runs.make_if(command_line, seed, self.file, tells);
        let outcome = made.and_then(|report| {
            let checked = self.planned.cells[place].check(&report.plan);
            checked.map(|()| report).map_err(|changed| changed.to_string())
        });
        (outcome, begin.elapsed())
    }

    /// How much time is left for all searches.
    fn left(&self) -> Duration {
        let open = self.sessions.iter().zip(&self.endings).filter(|(_, end)| end.is_none());
        open.map(|(session, _)| session.left()).sum()
    }

    /// What a step gave, and how much time is left for all searches.
    fn say(&self, place: usize, told: &str) {
        if self.quiet {
            return;
        }
        let name = self.prefix(place);
        let left = self.left();
        if let Some(view) = &self.view {
            view.session("capacity", self.made as usize, None, Some(left));
        }
        let left = TimeSpan(Duration::from_secs(left.as_secs()));
        tell(&format!("{name}{told}; at most {left} left"));
    }
}

fn first_line(reason: Option<&str>) -> &str {
    reason.and_then(|reason| reason.lines().next()).unwrap_or("it can't be pooled")
}

/// Stores the result, and hands it over. One that can't be stored is shown all the same.
fn store_and_show(
    capacity: &Capacity,
    first: Option<&Report>,
    outlet: &Outlet<PageFormat>,
    args: &CapacityArgs,
) -> anyhow::Result<()> {
    let stored = first.filter(|_| !args.no_report).map(|first| {
        store::save_search_in(capacity, capacity.levels.len(), first, &args.report_dir)
            .with_context(|| format!("storing the result in {}", args.report_dir.display()))
    });
    outlet.hand_over(|format, screen| rendered(capacity, format, screen))?;
    if let Some(stored) = stored {
        let place = stored?;
        if !args.quiet {
            tell(&format!("capacity   {}", place.display()));
        }
    }
    Ok(())
}

/// A capacity in a format.
pub(super) fn rendered(capacity: &Capacity, format: PageFormat, screen: Screen) -> Styled {
    match format {
        PageFormat::Text => render::text::on(screen, Document::Capacity(capacity)),
        PageFormat::Json => store::to_json(capacity).into(),
        PageFormat::Markdown => render::markdown::capacity(capacity).into(),
        PageFormat::Html => render::html::capacity(capacity).into(),
    }
}
