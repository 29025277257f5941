//! The noise floor of this machine, as a selftest left it: `noise-floor.json` in the data
//! directory.

use std::fs;
use std::path::PathBuf;

use anyhow::Context;

use crate::data_dir::data_dir;
use echo_bench_engine::plan::Plan;
use echo_bench_report::output;
use echo_bench_report::report::{Environment, Machine, NoiseFloor, NoiseFloors, store};

fn file() -> anyhow::Result<PathBuf> {
    Ok(data_dir("the noise floor")?.join("noise-floor.json"))
}

/// What is stored of any machine. What can't be read is as if it were not there: it only adds a
/// note to a report.
fn stored() -> Option<NoiseFloors> {
    store::open(&file().ok()?).ok()?.parse().ok()
}

/// The noise floor that a run of `plan` in `environment` can be held against.
pub(crate) fn fitting(environment: &Environment, plan: &Plan) -> Option<NoiseFloor> {
    stored()?.fitting(environment, plan).cloned()
}

/// Keeps a noise floor beside the others of its machine; the file. Those of another machine are
/// dropped.
///
/// # Errors
/// When it can't be written.
pub(crate) fn keep(environment: &Environment, floor: NoiseFloor) -> anyhow::Result<PathBuf> {
    let machine = Machine::of(environment);
    let same = stored().filter(|stored| stored.machine == machine);
    let mut floors = same.unwrap_or_else(|| NoiseFloors::of(machine));
    floors.put(floor);
    let file = file()?;
    let write = || -> std::io::Result<()> {
        file.parent().map_or(Ok(()), fs::create_dir_all)?;
        output::replace(&file, &store::to_json(&floors))
    };
    write().with_context(|| format!("writing {}", file.display()))?;
    Ok(file)
}
