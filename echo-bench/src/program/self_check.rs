//! The way of a self-check: short runs of one plan, judged against each other.

use anyhow::Context;

use echo_net::signals;
use echo_net::stdout;
use echo_net::stop::{Stage, Stop};

use super::child_run::ChildRuns;
use super::sweep::measure;
use super::{Exit, UsageError};
use crate::cli::{CompareArgs, SelfCheckArgs, plan_file};
use crate::console::{complain, tell};
use crate::outlet::{CompareFormat, Format, Outlet, PageFormat};
use crate::sweep::folder::Folder;
use crate::sweep::reuse::Beginning;
use echo_bench_report::compare::self_check::{SelfCheck, self_check};
use echo_bench_report::render::{self, Screen, Styled, text::Document};
use echo_bench_report::report::{Report, store};

/// Carries out a self-check from what was typed to the exit code.
///
/// # Errors
/// When its runs can't be made or compared, or the result could not be written.
pub(super) fn run(args: &CompareArgs, outlet: &Outlet<CompareFormat>) -> anyhow::Result<u8> {
    let format = PageFormat::try_from(Format::from(outlet.format)).map_err(UsageError::new)?;
    let outlet = Outlet { file: outlet.file.clone(), format, is_silent: outlet.is_silent };
    let options = args.options().map_err(UsageError::new)?;
    // Before anything is looked at.
    args.check.planned().map_err(UsageError::new)?;
    stdout::check().context("writing to stdout")?;
    outlet.check()?;
    let stop = Stop::new();
    let received = signals::ask_on_signals(stop.clone()).context("watching for signals")?;
    let reports = made(&args.check, &stop)?;
    if let Some(code) = received.exit_code() {
        complain("interrupted: nothing was judged");
        return Ok(code);
    }
    let check = self_check(&reports, args.check.runs() as usize, &options)?;
    outlet.hand_over(|format, screen| rendered(&check, format, screen))?;
    Ok(if check.is_kept && check.is_judged() { Exit::Done } else { Exit::Invalid } as u8)
}

/// A self-check in a format.
pub(super) fn rendered(check: &SelfCheck, format: PageFormat, screen: Screen) -> Styled {
    match format {
        PageFormat::Text => render::text::on(screen, Document::SelfCheck(check)),
        PageFormat::Json => store::to_json(check).into(),
        PageFormat::Markdown => render::markdown::self_check(check).into(),
        PageFormat::Html => render::html::self_check(check).into(),
    }
}

/// The runs of a self-check, in the order in which they were made, until it is stopped.
///
/// # Errors
/// When what was typed is no plan, or they can't be made.
pub(super) fn made(check: &SelfCheckArgs, stop: &Stop) -> anyhow::Result<Vec<Report>> {
    let planned = check.planned().map_err(UsageError::new)?;
    let kept = tempfile::tempdir().context("finding a place for the runs")?;
    let folder = Folder::open(kept.path(), &plan_file::identity(&planned.plan))?;
    let beginning = Beginning { folder, found: Vec::new(), finished: false, remark: None };
    let runs = ChildRuns::new(stop.clone());
    let cells = measure(&planned, &beginning, &runs, check.quiet, None)?;
    let failed: usize = cells.iter().map(|cell| cell.failures.len()).sum();
    if failed > 0 && stop.stage() == Stage::Running {
        tell(&format!("warning: {failed} runs gave no report and are left out"));
    }
    Ok(cells.into_iter().flat_map(|cell| cell.runs).collect())
}
