//! Which stored runs a sweep goes on with: [`begin`]. A sweep that was cut is continued, a
//! finished one is measured anew in a folder of its own unless it is asked for, and runs of a
//! server that was replaced since, or of a file that was changed, are never reused. Nothing that is
//! stored is overwritten.

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use echo_net::settings::TimeSpan;

use super::folder::{Folder, FolderError};
use echo_bench_report::compare::Caution;
use echo_bench_report::report::Report;
use echo_bench_report::sweep::SweepPlan;
use echo_bench_report::sweep::order::{Turn, order};

/// The folder that a sweep measures into, and what it takes over.
#[derive(Debug)]
pub struct Beginning {
    /// The folder.
    pub folder: Folder,
    /// Runs that are reused.
    pub found: Vec<(Turn, Report)>,
    /// Whether they are of a sweep that was finished.
    pub finished: bool,
    /// Why the runs of another folder are not reused.
    pub remark: Option<String>,
}

/// Chooses the folder for `plan` at `path`, or with a number after it; `identity` says which sweep
/// it is. `resume` takes over a
/// finished sweep too; `replaced` says what of a cell is no longer what a report is about, like
/// `a server that was replaced`.
///
/// # Errors
/// If the folder can't be used.
pub fn begin(
    path: &Path,
    plan: &SweepPlan,
    identity: &str,
    resume: bool,
    replaced: impl Fn(usize, &Report) -> Option<&'static str>,
) -> Result<Beginning, FolderError> {
    let (newest, free) = numbered(path, identity);
    let folder = Folder::open(&newest, identity)?;
    let turns = order(plan.count(), plan.repeats, plan.seed);
    let found: Vec<(Turn, Report)> =
        turns.into_iter().filter_map(|turn| Some((turn, folder.report(turn)?))).collect();
    let finished = folder.result().exists();
    let replaced = found.iter().find_map(|(turn, report)| replaced(turn.cell, report));
    let reason = if found.is_empty() {
        None
    } else if let Some(what) = replaced {
        Some(format!("are of {what} since"))
    } else if finished && !resume {
        Some("are of a finished sweep (--resume reuses them)".to_owned())
    } else {
        None
    };
    let Some(reason) = reason else {
        return Ok(Beginning { folder, found, finished, remark: None });
    };
    let remark = format!(
        "the runs in {} {reason}: measuring anew in {}",
        newest.display(),
        free.display()
    );
    let folder = Folder::open(&free, identity)?;
    Ok(Beginning { folder, found: Vec::new(), finished: false, remark: Some(remark) })
}

/// The newest folder of the sweep at `path`, and one that is free.
fn numbered(path: &Path, identity: &str) -> (PathBuf, PathBuf) {
    let numbered = |number: u32| {
        let mut numbered = path.as_os_str().to_owned();
        numbered.push(format!("-{number}"));
        PathBuf::from(numbered)
    };
    let mut newest = path.to_owned();
    let mut number = 2;
    // What else has such a name is left alone.
    while numbered(number).exists() {
        if Folder::is_of(&numbered(number), identity) {
            newest = numbered(number);
        }
        number += 1;
    }
    (newest, numbered(number))
}

impl Beginning {
    /// How old the reused runs are, like `5m to 2m old`; none if none is reused.
    pub fn age(&self, now: SystemTime) -> Option<String> {
        let age = |report: &Report| {
            let started = humantime::parse_rfc3339(&report.started_at).ok()?;
            let age = now.duration_since(started).unwrap_or_default();
            Some(Duration::from_secs(age.as_secs()))
        };
        let ages: Option<Vec<Duration>> =
            self.found.iter().map(|(_, report)| age(report)).collect();
        let Some(ages) = ages else { return Some("of unknown age".into()) };
        let (oldest, youngest) = (ages.iter().max()?, ages.iter().min()?);
        Some(if oldest == youngest {
            format!("{} old", TimeSpan(*oldest))
        } else {
            format!("{} to {} old", TimeSpan(*oldest), TimeSpan(*youngest))
        })
    }

    /// What a reader of the sweep must know about them; `unidentified` are the servers of which
    /// the address alone is known.
    pub fn caution(&self, now: SystemTime, unidentified: &[String]) -> Option<Caution> {
        let age = self.age(now)?;
        let from = if self.finished { "a finished" } else { "an unfinished" };
        let (runs, are) = match self.found.len() {
            1 => ("1 run".to_owned(), "is"),
            several => (format!("{several} runs"), "are"),
        };
        let unnoticed = match unidentified {
            [] => String::new(),
            servers => format!(
                "; only the address of {} is known, so a replaced server would not be noticed",
                servers.join(", ")
            ),
        };
        let message = format!("{runs} of {from} sweep {are} reused, {age}{unnoticed}");
        Some(Caution { code: "reused-runs".into(), message })
    }
}
