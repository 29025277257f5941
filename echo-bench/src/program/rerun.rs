//! Repeats the run of a stored report: its plan is read, and carried out as any other.

use echo_client::credentials::Credentials;
use echo_client::mask::masked;

use super::{Exit, Pace, carry_out, repeats, sweep, typed, warn_of_credentials};
use crate::cli::{RerunArgs, RerunArgsError};
use crate::console::complain;
use echo_bench_report::capacity::{self, Capacity};
use echo_bench_report::report::{Report, Slo, store};
use echo_bench_report::sweep::{SCHEMA, Sweep};

/// Repeats the run, or the runs, of a report.
///
/// # Errors
/// When the report can't be read, or as of any run.
pub fn rerun(args: RerunArgs) -> anyhow::Result<u8> {
    let document = store::open(&args.file)?;
    let made = match document.schema() {
        Some(SCHEMA) => of_several(args, &document.parse()?),
        Some(capacity::SCHEMA) => of_search(&args, &document.parse()?),
        _ => of_one(args, &document.parse()?),
    };
    match made {
        Ok(code) => Ok(code),
        Err(error) if error.is::<RerunArgsError>() => {
            complain(&masked(&format!("{error:#}")));
            Ok(Exit::Usage as u8)
        }
        Err(error) => Err(error),
    }
}

fn of_one(mut args: RerunArgs, report: &Report) -> anyhow::Result<u8> {
    let credentials = Credentials::of_environment();
    let plan = args.plan(report, &credentials)?;
    warn_of_credentials(&credentials, &plan);
    if args.results.slo.is_empty() {
        let slos = report.slos.iter().filter_map(|outcome| outcome.slo.parse::<Slo>().ok());
        args.results.slo = slos.collect();
    }
    carry_out(plan, &args.results, typed(), Pace::default())
}

fn of_several(args: RerunArgs, before: &Sweep) -> anyhow::Result<u8> {
    args.check(&before.plan)?;
    if !before.is_of_repeats() {
        return sweep(&args.sweep()?);
    }
    let plan = &before.plan;
    let run = args.repeats(&plan.fixed, plan.repeats, plan.seed)?;
    repeats::run(&run, plan.repeats)
}

fn of_search(args: &RerunArgs, before: &Capacity) -> anyhow::Result<u8> {
    super::capacity(&args.capacity(&before.plan)?)
}
