//! The way of a run that is repeated (`--repeat`): each run in a process of its own with its
//! own server, as in a sweep; one report of all of them, which is a sweep without an axis.

use anyhow::Context;

use echo_net::signals;
use echo_net::stdout;
use echo_net::stop::Stop;

use super::child_run::ChildRuns;
use super::results::refuse_lines_on_view;
use super::sweep::{measure, rendered};
use super::{Exit, check_baselines, exit_of, open_view, with_baselines};
use crate::cli::{ResultArgs, RunArgs, plan_file};
use crate::console::{complain, tell};
use crate::outlet::{Format, Outlet, SweepFormat};
use crate::stream::SharedStream;
use crate::sweep::folder::Folder;
use crate::sweep::reuse::Beginning;
use crate::view::FullScreen;
use echo_bench_report::describe::conclusion::Concluded;
use echo_bench_report::report::{Report, Tool, store};
use echo_bench_report::sweep::analysis::{self, Options};
use echo_bench_report::sweep::{SCHEMA, Sweep};

/// Carries out so many runs from what was typed to the exit code.
///
/// # Errors
/// When no run could be made, or a result could not be written.
pub(super) fn run(args: &RunArgs, runs: u32) -> anyhow::Result<u8> {
    let planned = match args.repeats(runs) {
        Ok(planned) => planned,
        Err(error) => {
            complain(&error.to_string());
            return Ok(Exit::Usage as u8);
        }
    };
    let results = &args.results;
    let format = results.format.map(Format::from).map(SweepFormat::try_from).transpose()?;
    let outlet = Outlet::new(results.output.as_deref(), format)?;
    let outlet = outlet.beside(results.stream.as_deref())?;
    refuse_lines_on_view(results.live, results.stream.as_deref())?;
    stdout::check().context("writing to stdout")?;
    outlet.check()?;
    check_baselines(results)?;
    let kept = tempfile::tempdir().context("finding a place for the runs")?;
    let folder = Folder::open(kept.path(), &plan_file::identity(&planned.plan))?;
    let beginning = Beginning { folder, found: Vec::new(), finished: false, remark: None };
    let stop = Stop::new();
    let received = signals::ask_on_signals(stop.clone()).context("watching for signals")?;
    let view = open_view(results.live)?;
    let feed = view.as_ref().map(FullScreen::feed);
    let stream = results.stream.as_deref().map(SharedStream::open).transpose()?;
    let runs = ChildRuns::new(stop).with_stream(stream).with_view(feed.clone());
    let cells = measure(&planned, &beginning, &runs, results.quiet, feed)?;
    let is_streamed = runs.close_stream();
    drop(view);
    let made = cells.iter().map(|cell| cell.runs.len()).sum::<usize>();
    if made == 0 {
        if let Some(code) = received.exit_code() {
            complain("interrupted: no run was finished, so there is no report");
            return Ok(code);
        }
        let reasons = cells.iter().flat_map(|cell| &cell.failures).next();
        complain(reasons.map_or("no run was made", String::as_str));
        return Ok(Exit::Failed as u8);
    }
    let plan = planned.plan;
    let threshold = results.judging.threshold;
    let options = Options { threshold, seed: plan.seed, ..Options::default() };
    let analysis = analysis::analyse(&plan, &cells, options);
    let (schema, tool, conclusion) = (SCHEMA.into(), Tool::this(), Vec::new());
    let sweep = Sweep { schema, tool, conclusion, plan, cells, analysis }.concluded();
    let mut lost = Vec::new();
    lost.extend(hand_over(&sweep, results, &outlet).err());
    let reports: Vec<&Report> = sweep.cells.iter().flat_map(|cell| &cell.runs).collect();
    let in_text =
        !outlet.is_silent && (outlet.file.is_some() || outlet.format == SweepFormat::Text);
    let compared = with_baselines(&reports, results, in_text, &mut lost);
    for error in &lost {
        complain(&format!("{error:#}"));
    }
    Ok(match (received.exit_code(), exit(&sweep, results.strict)) {
        (Some(code), _) => code,
        _ if !lost.is_empty() || !is_streamed => Exit::Failed as u8,
        (None, Exit::Done) => compared,
        (None, exit) => exit as u8,
    })
}

/// Stores and shows the report.
fn hand_over(
    sweep: &Sweep,
    results: &ResultArgs,
    outlet: &Outlet<SweepFormat>,
) -> anyhow::Result<()> {
    let first = sweep.cells.iter().flat_map(|cell| &cell.runs).next();
    let stored = first.filter(|_| !results.no_report).map(|first| {
        store::save_repeats_in(sweep, first, &results.report_dir)
            .with_context(|| format!("storing the report in {}", results.report_dir.display()))
    });
    outlet.hand_over(|format, screen| rendered(sweep, format, screen))?;
    if let Some(stored) = stored {
        let place = stored?;
        if !results.quiet {
            tell(&format!("report     {}", place.display()));
        }
    }
    Ok(())
}

/// How runs end together: as the gravest of them.
fn exit(sweep: &Sweep, strict: bool) -> Exit {
    let runs = sweep.cells.iter().flat_map(|cell| &cell.runs);
    let exits: Vec<Exit> = runs.map(|report| exit_of(report, strict)).collect();
    let gravest = [Exit::Invalid, Exit::Missed, Exit::Failed];
    let found = gravest.into_iter().find(|exit| exits.contains(exit));
    match found {
        None if sweep.has_failures() => Exit::Failed,
        found => found.unwrap_or(Exit::Done),
    }
}
