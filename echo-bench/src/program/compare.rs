//! The way of a comparison: sides, comparison, rendering, exit code.

use std::path::PathBuf;

use anyhow::{Context, bail};

use echo_proto::terminal;

use super::results::hand_over;
use super::{Exit, UsageError, sides};
use crate::cli::{CompareArgs, CompareFormat, FailOn, JudgingArgs, Outlet};
use crate::compare::{self, Comparison, Input, Options, Side};
use crate::report::{Report, store};
use crate::{baseline, render};

/// Carries out a comparison from what was typed to the exit code.
///
/// # Errors
/// When reports can't be read or compared, or a result could not be written.
pub fn compare(args: &CompareArgs) -> anyhow::Result<u8> {
    let outlet = Outlet::new(args.output.as_deref(), args.format).map_err(UsageError::new)?;
    let (base, candidates) = read_sides(args)?;
    if let Some(name) = &args.save_baseline {
        let [candidate] = &candidates[..] else {
            bail!("--save-baseline saves one new side; name it with --new");
        };
        let reports: Vec<&Report> =
            candidate.inputs.iter().map(|input| &input.report).collect();
        let place = baseline::save(name, &reports)?;
        tell(&format!("baseline {name}: {} reports in {}", reports.len(), place.display()));
    }
    let Some(base) = base else { return Ok(Exit::Done as u8) };
    let options = Options {
        threshold: args.judging.threshold,
        resamples: u32::try_from(args.resamples.0).context("--resamples is too many")?,
        seed: args.seed,
        force: args.force,
    };
    if options.resamples < 100 {
        bail!("--resamples must be at least 100");
    }
    let comparison = compare::compare(&base, &candidates, options)?;
    hand_over(&outlet, |format| rendered(&comparison, format))?;
    Ok(exit_code(&comparison, args.judging))
}

/// A comparison in a format.
pub(super) fn rendered(comparison: &Comparison, format: CompareFormat) -> String {
    match format {
        CompareFormat::Text => render::comparison::text(comparison),
        CompareFormat::Json => store::to_json(comparison),
        CompareFormat::Markdown => render::comparison::markdown(comparison),
        CompareFormat::Html => render::html::comparison(comparison),
    }
}

/// Compares a run that was just made with a baseline.
///
/// # Errors
/// When there is no such baseline, or it can't be compared with the run.
pub(super) fn with_baseline(
    report: &Report,
    name: &str,
    judging: JudgingArgs,
) -> anyhow::Result<(String, u8)> {
    let base = baseline_side(name)?;
    let input = Input { source: "this run".into(), report: report.clone() };
    let candidate = Side { name: "this run".into(), inputs: vec![input] };
    let options = Options { threshold: judging.threshold, ..Options::default() };
    let comparison = compare::compare(&base, &[candidate], options)?;
    Ok((render::comparison::text(&comparison), exit_code(&comparison, judging)))
}

fn exit_code(comparison: &Comparison, judging: JudgingArgs) -> u8 {
    match judging.fail_on {
        Some(FailOn::Worse) if comparison.is_worse() => Exit::Missed as u8,
        _ => Exit::Done as u8,
    }
}

/// The base, if there is one, and what is compared with it.
fn read_sides(args: &CompareArgs) -> anyhow::Result<(Option<Side>, Vec<Side>)> {
    let mut rest = &args.paths[..];
    let mut base = match &args.baseline {
        Some(name) => Some(baseline_side(name)?),
        None if !args.base.is_empty() => Some(sides::side(&args.base)?),
        None => None,
    };
    let together: Vec<PathBuf> = rest.iter().chain(&args.new).cloned().collect();
    if base.is_none() && args.new.is_empty() {
        let only_saves = args.save_baseline.is_some() && rest.len() == 1;
        if let [first, others @ ..] = rest
            && !only_saves
        {
            base = Some(sides::side(std::slice::from_ref(first))?);
            rest = others;
        }
        let candidates: Vec<Side> = rest
            .iter()
            .map(|path| sides::side(std::slice::from_ref(path)))
            .collect::<Result<_, _>>()?;
        return named(base, candidates);
    }
    if base.is_none()
        && let [first] = rest
    {
        let base = sides::side(std::slice::from_ref(first))?;
        return named(Some(base), vec![sides::side(&args.new)?]);
    }
    if base.is_none() && !rest.is_empty() {
        bail!("several paths before --new: put the base after --base");
    }
    if base.is_none() && args.save_baseline.is_none() {
        bail!("--new needs a base: name it with --base or --baseline");
    }
    let candidates =
        if together.is_empty() { Vec::new() } else { vec![sides::side(&together)?] };
    named(base, candidates)
}

fn named(
    base: Option<Side>,
    candidates: Vec<Side>,
) -> anyhow::Result<(Option<Side>, Vec<Side>)> {
    if candidates.is_empty() {
        bail!("nothing to compare: name a base and a new side (see compare --help)");
    }
    Ok((base, candidates))
}

fn baseline_side(name: &str) -> anyhow::Result<Side> {
    let directory = baseline::find(name)?;
    let inputs = sides::inputs(&[directory])?;
    Ok(Side { name: format!("baseline {name}"), inputs })
}

/// A remark, apart from the results, with nothing that a terminal would obey.
pub(super) fn tell(text: &str) {
    use std::io::Write;
    // A remark that nobody can see is no reason to fail.
    let _ = writeln!(anstream::stderr(), "{}", terminal::printable(text));
}
