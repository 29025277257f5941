//! What a run leaves behind: [`Results`] decides before the load where each result goes, and
//! hands all of them over after it. What can't be written is said and kept from nothing else;
//! the report is never lost while there is a place left for it.

use std::path::{Path, PathBuf};

use anyhow::{Context, anyhow};

use super::UsageError;
use super::partial_file::PartialFile;
use crate::cli::ResultArgs;
use crate::console::{self, print, print_styled, tell, tell_styled};
use crate::outlet::{Outlet, RunFormat, check_file, put_file};
use echo_bench_engine::plan::Plan;
use echo_bench_report::output;
use echo_bench_report::render::text::{self, Document};
use echo_bench_report::render::{self, Screen, Styled};
use echo_bench_report::report::{Circumstances, Report, store};

/// The results of a run, and where they go.
#[derive(Debug)]
pub(super) struct Results<'a> {
    args: &'a ResultArgs,
    outlet: Outlet<RunFormat>,
    printed: Printed,
}

/// What standard output is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Printed {
    /// The report, in a format.
    Report(RunFormat),
    Hgrm,
    Hlog,
    /// Nothing of the report: lines that are written while the run goes.
    Lines,
}

/// What could not be written.
type Lost = Vec<anyhow::Error>;

impl<'a> Results<'a> {
    /// Makes sure that the results will have a place before minutes are spent on them.
    ///
    /// # Errors
    /// A [`UsageError`] if what was typed contradicts itself; else what has no place.
    pub(super) fn prepare(args: &'a ResultArgs) -> anyhow::Result<Self> {
        let outlet = Outlet::new(args.output.as_deref(), args.format)?;
        one_place_each(args)?;
        refuse_lines_on_view(args.live, args.stream.as_deref())?;
        let to_stdout = |file: &Option<PathBuf>| file.as_deref().is_some_and(output::is_stdout);
        let printed = match &outlet.file {
            _ if to_stdout(&args.hgrm) => Printed::Hgrm,
            _ if to_stdout(&args.hlog) => Printed::Hlog,
            _ if to_stdout(&args.stream) => Printed::Lines,
            None => Printed::Report(outlet.format),
            // What went to a file is not for the terminal too.
            Some(_) => Printed::Report(RunFormat::Text),
        };
        echo_net::stdout::check().context("writing to stdout")?;
        if !args.no_report {
            let directory = args.report_dir.display();
            let probe = std::fs::create_dir_all(&args.report_dir)
                .and_then(|()| output::check(&args.report_dir.join("new")));
            probe.with_context(|| {
                format!("storing reports in {directory} (name another place with --report-dir, or none with --no-report)")
            })?;
        }
        outlet.check()?;
        for file in [&args.hgrm, &args.hlog].into_iter().flatten() {
            check_file(file)?;
        }
        Ok(Self { args, outlet, printed })
    }

    /// Where the run is kept while it goes, if reports are kept at all.
    pub(super) fn partial(
        &self,
        plan: &Plan,
        circumstances: &Circumstances,
    ) -> Option<PartialFile> {
        let kept = !self.args.no_report;
        kept.then(|| PartialFile::new(&self.args.report_dir, plan, circumstances))
    }

    /// Whether the report stands on standard output as text, where more may follow it.
    pub(super) fn are_text(&self) -> bool {
        self.printed == Printed::Report(RunFormat::Text)
    }

    /// Stores and prints the report; what could not be written.
    pub(super) fn hand_over(&self, report: &Report, partial: Option<PartialFile>) -> Lost {
        let mut lost = Lost::new();
        let mut kept = None;
        if !self.args.no_report {
            let directory = &self.args.report_dir;
            let saved = store::save_in(report, directory)
                .with_context(|| format!("storing the report in {}", directory.display()));
            kept = unless_lost(saved, &mut lost);
        }
        self.write_files(report, &mut kept, &mut lost);
        match (partial, &kept) {
            (Some(partial), Some(_)) => partial.remove(),
            (Some(partial), None) => partial.mention(),
            (None, _) => {}
        }
        self.show(report, kept.as_deref(), &mut lost);
        lost
    }

    /// Writes every file that was named. A whole report among them is `kept` there.
    fn write_files(&self, report: &Report, kept: &mut Option<PathBuf>, lost: &mut Lost) {
        if let Some(path) = &self.outlet.file {
            let text = rendered(report, self.outlet.format, Screen::FILE).plain();
            // What went into a FIFO is not found there again.
            let place = write(path, &text, lost).filter(|place| place.is_file());
            if matches!(self.outlet.format, RunFormat::Json | RunFormat::Html) {
                *kept = place.or(kept.take());
            }
        }
        for (path, name) in [(&self.args.hgrm, Printed::Hgrm), (&self.args.hlog, Printed::Hlog)]
        {
            if let Some(path) = path.as_deref().filter(|path| !output::is_stdout(path))
                && let Some(text) = unless_lost(document(report, name, Screen::FILE), lost)
            {
                write(path, &text.plain(), lost);
            }
        }
    }

    /// Prints what standard output is for, and the report itself if it would be lost.
    fn show(&self, report: &Report, kept: Option<&Path>, lost: &mut Lost) {
        // Among lines there is no place for it.
        let whole = [
            Printed::Report(RunFormat::Json),
            Printed::Report(RunFormat::Html),
            Printed::Lines,
        ];
        let rescue = !lost.is_empty() && kept.is_none() && !whole.contains(&self.printed);
        if self.printed == Printed::Lines && !lost.is_empty() && kept.is_none() {
            tell_styled(&rendered(report, RunFormat::Text, console::screen_of_stderr()));
        }
        let screen = console::screen();
        let shown = document(report, self.printed, screen);
        let mut text = unless_lost(shown, lost).unwrap_or_default();
        match kept.map(Path::display) {
            Some(place) if self.are_text() => {
                text.append(text::labelled(screen, "report", &place.to_string()));
            }
            Some(place) if !lost.is_empty() => {
                tell(&format!("the report is in {place}"));
            }
            _ => {}
        }
        let printed = if rescue {
            tell_styled(&text);
            tell("the report could not be stored, so it is printed on stdout as JSON");
            print(&store::to_json(report))
        } else {
            print_styled(&text)
        };
        if let Err(error) = printed {
            lost.push(error);
            if kept.is_none() && !rescue {
                tell_styled(&rendered(report, RunFormat::Text, console::screen_of_stderr()));
            }
        }
    }
}

/// Refuses two results for one place: one of them would be lost.
fn one_place_each(args: &ResultArgs) -> anyhow::Result<()> {
    let files = [
        ("-o", &args.output),
        ("--hgrm", &args.hgrm),
        ("--hlog", &args.hlog),
        ("--stream", &args.stream),
    ];
    let mut places = Vec::new();
    // Without -o, what --format names is printed.
    if args.output.is_none() && args.format.is_some() {
        places.push(("--format", Path::new("-")));
    }
    for (flag, path) in files {
        let Some(path) = path.as_deref() else { continue };
        let path = if output::is_stdout(path) { Path::new("-") } else { path };
        if let Some((other, _)) = places.iter().find(|(_, place)| *place == path) {
            let place = if path == Path::new("-") {
                "stdout".into()
            } else {
                path.display().to_string()
            };
            return Err(UsageError::new(anyhow!(
                "{other} and {flag} both write to {place}: name a file of its own for one of them"
            ))
            .into());
        }
        places.push((flag, path));
    }
    Ok(())
}

/// Refuses lines that would be written over the full-screen view.
///
/// # Errors
/// A [`UsageError`] that names both flags.
pub(super) fn refuse_lines_on_view(
    live: bool,
    stream: Option<&Path>,
) -> Result<(), UsageError> {
    let is_view = live && console::is_stderr_live();
    let Some(path) = stream.filter(|path| is_view && console::is_terminal_of_stderr(path))
    else {
        return Ok(());
    };
    Err(UsageError::new(anyhow!(
        "--live and --stream {} both write to this terminal: stream to a file or into a pipe",
        path.display()
    )))
}

/// The report in a format.
pub(super) fn rendered(report: &Report, format: RunFormat, screen: Screen) -> Styled {
    match format {
        RunFormat::Text => text::on(screen, Document::Run(report)),
        RunFormat::Json => store::to_json(report).into(),
        RunFormat::Csv => render::csv::report(report).into(),
        RunFormat::Markdown => render::markdown::report(report).into(),
        RunFormat::Html => render::html::run(report).into(),
        RunFormat::Bmf => render::bmf::report(report).into(),
        RunFormat::Junit => render::junit::report(report).into(),
        RunFormat::Openmetrics => render::openmetrics::report(report).into(),
    }
}

fn document(report: &Report, what: Printed, screen: Screen) -> anyhow::Result<Styled> {
    match what {
        Printed::Report(format) => Ok(rendered(report, format, screen)),
        Printed::Lines => Ok(Styled::default()),
        Printed::Hgrm => Ok(render::hdr::hgrm(report).into()),
        Printed::Hlog => {
            let log = render::hdr::hlog(report).context("writing the interval log")?;
            Ok(log.into())
        }
    }
}

/// Writes a file that the user has named; its path, if that went well.
fn write(path: &Path, text: &str, lost: &mut Lost) -> Option<PathBuf> {
    unless_lost(put_file(path, text), lost).map(|()| path.to_owned())
}

/// What came of something, if it went well.
fn unless_lost<T>(outcome: anyhow::Result<T>, lost: &mut Lost) -> Option<T> {
    outcome.map_err(|error| lost.push(error)).ok()
}
