//! The way of a sweep: plan, folder, run after run in a process of its own, analysis,
//! result, exit code.

use std::time::{Duration, Instant, SystemTime};

use anyhow::Context;

use echo_net::settings::TimeSpan;
use echo_net::signals;
use echo_net::stdout;
use echo_net::stop::Stop;

use super::child_run::ChildRuns;
use super::results::refuse_lines_on_view;
use super::servers::Servers;
use super::{Exit, Pace, open_view, warn_of_stored_passwords};
use crate::cli::swept::NATS;
use crate::cli::{RunArgs, SweepArgs, plan_file};
use crate::console::{complain, print, tell};
use crate::fleet::Beats;
use crate::outlet::{Outlet, SweepFormat};
use crate::progress::SweepProgress;
use crate::stream::SharedStream;
use crate::sweep::folder::Folder;
use crate::sweep::reuse::{self, Beginning};
use crate::sweep::study::Study;
use crate::view::{Feed, FullScreen};
use echo_bench_fleet::{Allow, Cidr};
use echo_bench_report::describe::conclusion::Concluded;
use echo_bench_report::describe::units;
use echo_bench_report::output;
use echo_bench_report::render::text::Document;
use echo_bench_report::render::{Screen, Styled};
use echo_bench_report::report::{Report, Tool, store};
use echo_bench_report::sweep::analysis::{self, Options};
use echo_bench_report::sweep::order::{Turn, order};
use echo_bench_report::sweep::{
    Cell, ChangedFile, PlannedCell, PlannedSweep, SCHEMA, Sweep, SweepPlan,
};
use echo_bench_report::{describe, render};
use echo_client::mask::masked;

/// What a run needs beside its window: starting, connecting, stopping. A guess, until runs
/// have shown it.
const AROUND: Duration = Duration::from_millis(300);

/// The same of agents: they are asked one after the other, and start processes.
const AROUND_AGENTS: Duration = Duration::from_secs(4);

/// A run of a sweep, in this process, which ends with its parent, and tells it of its `beats` or
/// of its `pieces`.
///
/// # Errors
/// As of any run.
pub fn cell(
    parent: u32,
    (beats, pieces): (bool, bool),
    permit: &[Cidr],
    run: &RunArgs,
) -> anyhow::Result<u8> {
    signals::end_with_parent(Some(parent)).context("tying to the parent")?;
    let permitted = (!permit.is_empty()).then(|| Allow::new(permit));
    let beats = beats.then(Beats::default);
    let pace = Pace { beats, pieces, permitted, ..Pace::default() };
    super::by_one_or_several(run, run.command_line(), pace)
}

/// Carries out a sweep from what was typed to the exit code.
///
/// # Errors
/// When its folder can't be used, or the result could not be written.
pub fn sweep(args: &SweepArgs) -> anyhow::Result<u8> {
    let planned = match args.plan() {
        Ok(planned) => planned,
        Err(error) => {
            // The level of a plan file may be a URL with a password.
            complain(&masked(&error.to_string()));
            return Ok(Exit::Usage as u8);
        }
    };
    warn_of_stored_passwords(&planned.plan.fixed, &planned.plan.axes);
    let Ok(resamples @ 100..) = u32::try_from(args.resamples.0) else {
        complain("--resamples must be from 100 to 4294967295");
        return Ok(Exit::Usage as u8);
    };
    if args.print_plan {
        print(&plan_file::write(&planned.plan))?;
        return Ok(Exit::Done as u8);
    }
    if args.study.is_some() && cfg!(debug_assertions) {
        complain(
            "--study: this is a debug build, whose figures say nothing: build with --release",
        );
        return Ok(Exit::Usage as u8);
    }
    let study = match args.study.as_deref().map(|dir| Study::open(dir, Tool::this())) {
        None => None,
        Some(Ok(study)) => Some(study),
        Some(Err(error)) => {
            complain(&error.to_string());
            return Ok(Exit::Usage as u8);
        }
    };
    if args.stream.is_some() && planned.plan.sets("agents") {
        complain("--stream is not supported with --agents (leave one of them out)");
        return Ok(Exit::Usage as u8);
    }
    let outlet = Outlet::new(args.output.as_deref(), args.format)?;
    let outlet = outlet.beside(args.stream.as_deref())?;
    refuse_lines_on_view(args.live, args.stream.as_deref())?;
    stdout::check().context("writing to stdout")?;
    outlet.check()?;
    let identity = plan_file::identity(&planned.plan);
    let path = args.dir.clone().unwrap_or_else(|| Folder::default_path(&identity));
    let servers = match Servers::now(&planned.cells, planned.plan.sets(NATS)) {
        Ok(servers) => servers,
        Err(error) => {
            complain(&format!("{error:#}"));
            return Ok(Exit::Usage as u8);
        }
    };
    let replaced = |cell: usize, report: &Report| match &planned.cells[cell] {
        _ if !servers.is_same(cell, report) => Some("a server that was replaced"),
        cell if cell.check(&report.plan).is_err() => Some("a file that was changed"),
        _ => None,
    };
    let beginning = reuse::begin(&path, &planned.plan, &identity, args.resume, replaced)?;
    let reused = beginning.caution(SystemTime::now(), &servers.unidentified());
    let stop = Stop::new();
    let received = signals::ask_on_signals(stop.clone()).context("watching for signals")?;
    let view = open_view(args.live)?;
    let feed = view.as_ref().map(FullScreen::feed);
    let stream = args.stream.as_deref().map(SharedStream::open).transpose()?;
    let on_agents = planned.plan.sets(NATS);
    let runs = if on_agents { ChildRuns::on_agents } else { ChildRuns::new };
    let runs = runs(stop.clone()).with_stream(stream).with_view(feed.clone());
    let cells = measure(&planned, &beginning, &runs, args.quiet, feed)?;
    let is_streamed = runs.close_stream();
    drop(view);
    let folder = &beginning.folder;
    let plan = planned.plan;
    if let Some(code) = received.exit_code() {
        let done: usize = cells.iter().map(|cell| cell.runs.len()).sum();
        let all = cells.len() * plan.repeats as usize;
        let place = folder.path().display();
        complain(&format!(
            "interrupted: {done} of {all} runs are in {place}; the same command continues with the rest"
        ));
        return Ok(code);
    }
    let options = Options {
        threshold: args.threshold,
        resamples,
        seed: plan.seed,
        rank_by: args.rank_by,
        all_pairs: args.all_pairs,
    };
    let mut analysis = analysis::analyse(&plan, &cells, options);
    analysis.cautions.splice(0..0, reused);
    let (schema, tool, conclusion) = (SCHEMA.into(), Tool::this(), Vec::new());
    let sweep = Sweep { schema, tool, conclusion, plan, cells, analysis }.concluded();
    store_and_show(&sweep, folder, &outlet, args.quiet)?;
    if let Some(study) = study {
        tell(&format!("study      {}", study.publish(&sweep)?.display()));
    }
    let exit = if sweep.has_missed() {
        Exit::Missed
    } else if sweep.has_failures() || !is_streamed {
        Exit::Failed
    } else {
        Exit::Done
    };
    Ok(exit as u8)
}

/// Makes every run that is missing; the reports and failures of all of them.
pub(super) fn measure(
    planned: &PlannedSweep,
    beginning: &Beginning,
    runs: &ChildRuns,
    quiet: bool,
    view: Option<Feed>,
) -> anyhow::Result<Vec<Cell>> {
    let Beginning { folder, found, remark, .. } = beginning;
    let PlannedSweep { plan, cells: plans } = planned;
    let mut missing = order(plans.len(), plan.repeats, plan.seed);
    missing.retain(|turn| found.iter().all(|(there, _)| there != turn));
    if let (Some((_, there)), false) = (found.first(), missing.is_empty()) {
        folder.check_tool(&there.tool, &Tool::this())?;
    }
    if !missing.is_empty() {
        folder.unfinish()?;
    }
    let reused = found.iter().map(|(turn, report)| (*turn, Ok(report.clone())));
    let mut made: Vec<(Turn, Result<Report, String>)> = reused.collect();
    let on_agents = plan.sets(NATS);
    let around = if on_agents { AROUND_AGENTS } else { AROUND };
    let expected: Duration =
        missing.iter().map(|turn| expected(&plans[turn.cell], around)).sum();
    let what = if plan.axes.is_empty() { "repeats" } else { "sweep" };
    let mut progress = SweepProgress::new(what, missing.len(), expected, quiet, view);
    if let Some(remark) = remark {
        progress.say(remark);
    }
    progress.say(&announced(planned, beginning, made.len(), expected));
    let many = missing.len() as u64;
    let mut changed: Option<ChangedFile> = None;
    for turn in missing {
        if runs.are_stopped() {
            break;
        }
        let cell = &plans[turn.cell];
        let begin = Instant::now();
        let outcome = match &changed {
            // It would be measured for nothing.
            Some(changed) if cell.files.contains(&changed.file) => Err(changed.to_string()),
            _ => {
                runs.announce(Some(many), &named(plan, cell, turn));
                one(plan, cell, turn, folder, runs, &mut changed)
            }
        };
        if runs.are_stopped() && outcome.is_err() {
            break;
        }
        progress.run(&named(plan, cell, turn), begin.elapsed(), &outcome);
        made.push((turn, outcome));
    }
    progress.finish();
    made.sort_by_key(|(turn, _)| *turn);
    Ok(gathered(plans, made))
}

/// What is going to be measured, with how many runs of it `reused`, and how long that takes.
fn announced(
    planned: &PlannedSweep,
    beginning: &Beginning,
    reused: usize,
    expected: Duration,
) -> String {
    let PlannedSweep { plan, cells } = planned;
    let about = TimeSpan(Duration::from_secs(expected.as_secs()));
    let runs = units::counted(cells.len() as u64 * u64::from(plan.repeats), "run");
    if plan.axes.is_empty() {
        return format!("{runs}, about {about}");
    }
    format!(
        "{} x {} = {runs}{}, about {about}, kept in {}",
        units::counted(cells.len() as u64, "cell"),
        units::counted(plan.repeats.into(), "repeat"),
        match beginning.age(SystemTime::now()) {
            Some(age) => format!(", {reused} of them reused ({age})"),
            None => String::new(),
        },
        beginning.folder.path().display(),
    )
}

/// A run in words; where nothing varies, its number alone.
fn named(plan: &SweepPlan, cell: &PlannedCell, turn: Turn) -> String {
    let number = turn.repeat + 1;
    if plan.axes.is_empty() {
        return format!("run {number}");
    }
    format!("{}, repeat {number}", cell.cell.label())
}

fn gathered(plans: &[PlannedCell], made: Vec<(Turn, Result<Report, String>)>) -> Vec<Cell> {
    let empty = |plan: &PlannedCell| Cell {
        name: plan.cell.name.clone(),
        levels: plan.cell.levels.clone(),
        runs: Vec::new(),
        failures: Vec::new(),
    };
    let mut cells: Vec<Cell> = plans.iter().map(empty).collect();
    for (turn, outcome) in made {
        match outcome {
            Ok(report) => cells[turn.cell].runs.push(report),
            Err(reason) => cells[turn.cell].failures.push(reason),
        }
    }
    cells
}

/// How long a run takes, as far as its plan tells.
fn expected(cell: &PlannedCell, around: Duration) -> Duration {
    Duration::from_nanos(cell.load_ns) + around
}

/// Makes a run. One that read a file which was changed is not kept, and says which in `changed`.
fn one(
    plan: &SweepPlan,
    cell: &PlannedCell,
    turn: Turn,
    folder: &Folder,
    runs: &ChildRuns,
    changed: &mut Option<ChangedFile>,
) -> Result<Report, String> {
    let (seed, file) = (plan.seed.wrapping_add(turn.repeat.into()), folder.file(turn));
    let report = runs.make(&cell.command_line, seed, &file)?;
    if let Err(found) = cell.check(&report.plan) {
        // Were it left, the sweep would go on with it the next time.
        let _ = std::fs::remove_file(&file);
        let reason = found.to_string();
        *changed = Some(found);
        return Err(reason);
    }
    Ok(report)
}

/// Stores a sweep in its folder, and hands it over. One that can't be stored is shown all the
/// same.
fn store_and_show(
    sweep: &Sweep,
    folder: &Folder,
    outlet: &Outlet<SweepFormat>,
    quiet: bool,
) -> anyhow::Result<()> {
    let result = folder.result();
    let stored = output::replace(&result, &store::to_json(sweep))
        .with_context(|| format!("writing {}", result.display()));
    outlet.hand_over(|format, screen| rendered(sweep, format, screen)).and(stored)?;
    if outlet.file.is_none() && outlet.format == SweepFormat::Json {
        // In the other formats there is a table of them.
        for slo in sweep.analysis.slos.iter().filter(|slo| !slo.worst.met) {
            tell(&format!("slo {}", describe::sweep::objective(sweep, slo)));
        }
    }
    if !quiet {
        tell(&format!("sweep      {}", outlet.file.as_ref().unwrap_or(&result).display()));
    }
    Ok(())
}

/// A sweep in a format.
pub(super) fn rendered(sweep: &Sweep, format: SweepFormat, screen: Screen) -> Styled {
    match format {
        SweepFormat::Text => render::text::on(screen, Document::Sweep(sweep)),
        SweepFormat::Json => store::to_json(sweep).into(),
        SweepFormat::Markdown => render::markdown::sweep(sweep).into(),
        SweepFormat::Html => render::html::sweep(sweep).into(),
        SweepFormat::Csv => render::csv::sweep(sweep).into(),
        SweepFormat::Bmf => render::bmf::sweep(sweep).into(),
        SweepFormat::Junit => render::junit::sweep(sweep).into(),
    }
}
