//! The way of a comparison: sides, comparison, rendering, exit code.

use std::path::Path;

use super::{Exit, sides};
use crate::baseline;
use crate::cli::{CompareArgs, FailOn, JudgingArgs, SidePlace};
use crate::console::{complain, tell};
use crate::outlet::{CompareFormat, Outlet};
use echo_bench_report::compare::{self, Comparison, Input, Options, Side};
use echo_bench_report::describe::conclusion::Concluded;
use echo_bench_report::render::text::Document;
use echo_bench_report::render::{self, Screen, Styled};
use echo_bench_report::report::{Report, store};

/// Carries out a comparison from what was typed to the exit code.
///
/// # Errors
/// When reports can't be read or compared, or a result could not be written.
pub fn compare(args: &CompareArgs) -> anyhow::Result<u8> {
    let outlet = Outlet::new(args.output.as_deref(), args.format)?;
    if args.check.self_check {
        return super::self_check::run(args, &outlet);
    }
    let typed = args.sides().and_then(|sides| Ok((sides, args.options()?)));
    let (sides, options) = match typed {
        Ok(typed) => typed,
        Err(error) => {
            complain(&error.to_string());
            return Ok(Exit::Usage as u8);
        }
    };
    let base = match &sides.base {
        Some(SidePlace::Paths(paths)) => Some(sides::side(paths)?),
        Some(SidePlace::Baseline(name)) => Some(baseline_side(args.baselines.home(), name)?),
        None => None,
    };
    let candidates: Vec<Side> =
        sides.candidates.iter().map(|paths| sides::side(paths)).collect::<Result<_, _>>()?;
    if let (Some(name), [candidate]) = (&args.save_baseline, &candidates[..]) {
        let reports: Vec<&Report> =
            candidate.inputs.iter().map(|input| &input.report).collect();
        let place = baseline::save(args.baselines.home(), name, &reports)?;
        tell(&format!("baseline {name}: {} reports in {}", reports.len(), place.display()));
    }
    let Some(base) = base else { return Ok(Exit::Done as u8) };
    let comparison = compare::compare(&base, &candidates, options)?.concluded();
    outlet.hand_over(|format, screen| rendered(&comparison, format, screen))?;
    Ok(judged(&comparison, &args.judging) as u8)
}

/// A comparison in a format.
pub(super) fn rendered(
    comparison: &Comparison,
    format: CompareFormat,
    screen: Screen,
) -> Styled {
    match format {
        CompareFormat::Text => render::text::on(screen, Document::Comparison(comparison)),
        CompareFormat::Json => store::to_json(comparison).into(),
        CompareFormat::Markdown => render::markdown::comparison(comparison).into(),
        CompareFormat::Html => render::html::comparison(comparison).into(),
        CompareFormat::Csv => render::csv::comparison(comparison).into(),
        CompareFormat::Junit => render::junit::comparison(comparison).into(),
        CompareFormat::Github => render::github::comparison(comparison).into(),
    }
}

/// Compares runs that were just made with a baseline.
///
/// # Errors
/// When there is no such baseline, or it can't be compared with the run.
pub(super) fn with_baseline(
    reports: &[&Report],
    home: Option<&Path>,
    name: &str,
    judging: &JudgingArgs,
) -> anyhow::Result<(Comparison, u8)> {
    let base = baseline_side(home, name)?;
    let this = if reports.len() == 1 { "this run" } else { "these runs" };
    let input = |report: &&Report| Input { source: this.into(), report: (*report).clone() };
    let candidate = Side { name: this.into(), inputs: reports.iter().map(input).collect() };
    let asked_for = judging.judge.clone();
    let options = Options { threshold: judging.threshold, asked_for, ..Options::default() };
    let comparison = compare::compare(&base, &[candidate], options)?;
    let judged = judged(&comparison, judging) as u8;
    Ok((comparison, judged))
}

/// How a comparison ends; the reason is told where it can't carry an answer.
fn judged(comparison: &Comparison, judging: &JudgingArgs) -> Exit {
    let gated = matches!(judging.fail_on, Some(FailOn::Worse));
    let shortfalls = comparison.shortfalls(judging.allow_single);
    let open = comparison.is_void() || (gated && !shortfalls.is_empty());
    let worse =
        comparison.is_worse() || (judging.allow_single && comparison.is_worse_within_runs());
    if gated && worse && !comparison.is_void() {
        Exit::Missed
    } else if open {
        complain(&format!("the comparison is inconclusive: {}", shortfalls.join("; ")));
        Exit::Invalid
    } else {
        let left_out = comparison.not_judged();
        if gated && !left_out.is_empty() {
            let left_out: Vec<_> = left_out.iter().map(ToString::to_string).collect();
            tell(&format!(
                "note: --fail-on did not judge {}: not compared in every case (run longer)",
                left_out.join(", ")
            ));
        }
        Exit::Done
    }
}

fn baseline_side(home: Option<&Path>, name: &str) -> anyhow::Result<Side> {
    let directory = baseline::find(home, name)?;
    let inputs = sides::inputs(&[directory])?;
    Ok(Side { name: format!("baseline {name}"), inputs })
}
