//! What a sweep is to measure: [`SweepPlan`], fixed flags and axes, and the cells that they
//! span. A cell becomes a run by being parsed as the command line of one.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use echo_bench_engine::plan::{Plan, PlanFile, StopRule, Target};
use echo_net::Nanos;

/// Most axes of a sweep, those of a single level included.
const MOST_AXES: usize = 64;

/// Most cells of a sweep; more is a slip of the keyboard.
pub(super) const MOST_CELLS: usize = 10_000;

/// Most runs of a sweep: of one second each, more than a day of them.
pub(super) const MOST_RUNS: usize = 100_000;

/// What the command line of a run knows about its flags.
pub trait RunFlags {
    /// Whether a flag takes no value in a run. In a sweep its values are `on` and `off`.
    fn is_switch(&self, flag: &str) -> bool;

    /// Whether a run takes a flag several times. Its values then go together in each run, and
    /// are no levels.
    fn is_repeatable(&self, flag: &str) -> bool;

    /// What the levels of an axis of a flag with these values are called.
    fn level_names(&self, _flag: &str, values: &[String]) -> Vec<String> {
        values.to_vec()
    }

    /// The plan that a run with this command line has.
    ///
    /// # Errors
    /// What a run says to it.
    fn plan(&self, command_line: &[String]) -> Result<Plan, String>;
}

/// A flag of a run, as typed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Flag {
    /// Its long name, without dashes.
    pub flag: String,
    /// Its value; `on` and `off` of a flag that takes none.
    pub value: String,
}

/// A setting that varies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Axis {
    /// Its name: the flag that it sets, or what the plan file calls it.
    pub name: String,
    /// Its levels; others are compared with the first.
    pub levels: Vec<Level>,
}

/// A level of an axis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Level {
    /// Its name: the value of the flag, or what the plan file calls it.
    pub name: String,
    /// What it sets.
    pub flags: Vec<Flag>,
}

/// What a sweep is to measure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SweepPlan {
    /// Flags of every run.
    pub fixed: Vec<Flag>,
    /// What varies; every combination of levels is a cell.
    pub axes: Vec<Axis>,
    /// Runs of each cell.
    pub repeats: u32,
    /// Seed of the order of the runs, and of their schedules and sizes.
    pub seed: u64,
}

/// A combination of levels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CellPlan {
    /// Like `model=epoll, conns=10`.
    pub name: String,
    /// The name of its level of each axis.
    pub levels: Vec<String>,
    /// The flags of its runs.
    pub flags: Vec<Flag>,
}

/// A sweep that can be carried out.
#[derive(Debug, Clone)]
pub struct PlannedSweep {
    /// Its plan.
    pub plan: SweepPlan,
    /// Its cells, in order.
    pub cells: Vec<PlannedCell>,
}

/// A cell whose flags make a run, with what a sweep must know of it. Not the whole plan: a
/// thousand cells would hold a thousand copies of a message file.
#[derive(Debug, Clone)]
pub struct PlannedCell {
    /// The cell.
    pub cell: CellPlan,
    /// The command line of its runs, without the program's name.
    pub command_line: Vec<String>,
    /// Whom they load.
    pub target: Target,
    /// Warm-up and window of a run; the warm-up alone if it ends with a number of requests.
    pub load_ns: Nanos,
    /// The files that their plan is read from, as they were when the sweep was planned. Each run
    /// reads them again.
    pub files: Vec<PlanFile>,
}

/// A file that says something else than when the sweep was planned.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{file} was changed after the first run was planned (digest {} then, {now} now), so the runs would not \
     be comparable: start again with the file as it is",
    .file.digest
)]
pub struct ChangedFile {
    /// It, as it was.
    pub file: PlanFile,
    /// Its digest in a run.
    now: String,
}

impl PlannedCell {
    /// Makes sure that a run of this cell was read from the files of which it was planned.
    ///
    /// # Errors
    /// The first that was changed.
    pub fn check(&self, run: &Plan) -> Result<(), ChangedFile> {
        for (then, now) in self.files.iter().zip(run.files()) {
            if then.digest != now.digest {
                return Err(ChangedFile { file: then.clone(), now: now.digest });
            }
        }
        Ok(())
    }
}

/// A plan that can't be carried out.
#[derive(Debug, thiserror::Error)]
pub enum SweepPlanError {
    /// No repeats.
    #[error("--repeat must be at least 1")]
    NoRepeats,
    /// More than anyone can read.
    #[error("{0} axes are too many (at most {MOST_AXES})")]
    TooManyAxes(usize),
    /// More than anyone means.
    #[error("{0} cells are too many (at most {MOST_CELLS}); leave out levels or axes")]
    TooManyCells(usize),
    /// The same with its repeats.
    #[error("{0} runs are too many (at most {MOST_RUNS}); lower --repeat or leave out levels")]
    TooManyRuns(usize),
    /// A file that was written to in the meantime.
    #[error("{0} was changed while the cells were planned: start again with the file as it is")]
    Changed(String),
    /// Axes of one name.
    #[error("two axes are named {0}")]
    SameName(String),
    /// Closed and open loop.
    #[error(
        "{closed} is a closed loop and {open} an open one, whose numbers mean different things; \
         sweep them apart"
    )]
    LoadModels {
        /// A cell.
        closed: String,
        /// Another cell.
        open: String,
    },
    /// A level that is there twice.
    #[error("axis {axis} has the level {level} twice")]
    Twice {
        /// The axis.
        axis: String,
        /// The level.
        level: String,
    },
    /// A flag that two axes set.
    #[error("--{0} is set in two places; a flag is fixed or belongs to one axis")]
    TwoPlaces(String),
    /// A cell that is no run.
    #[error("cell {cell}: {reason}")]
    Cell {
        /// The cell.
        cell: String,
        /// What a run says to it.
        reason: String,
    },
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}={}", self.flag, self.value)
    }
}

impl Flag {
    /// It on a command line, in one word, for a value may begin with a dash; none of a switch that
    /// is off.
    pub fn word(&self, run: &impl RunFlags) -> Option<String> {
        let Self { flag, value } = self;
        match (run.is_switch(flag), value.as_str()) {
            (true, "on") => Some(format!("--{flag}")),
            (true, _) => None,
            (false, value) => Some(format!("--{flag}={value}")),
        }
    }
}

impl Axis {
    /// Whether its levels are values of the one flag that it is named for, and named as these.
    pub fn is_plain(&self, run: &impl RunFlags) -> bool {
        let value = |level: &Level| match &level.flags[..] {
            [only] if only.flag == self.name => Some(only.value.clone()),
            _ => None,
        };
        let values: Option<Vec<String>> = self.levels.iter().map(value).collect();
        let are_named_so = |values: Vec<String>| {
            let names = run.level_names(&self.name, &values);
            names.iter().eq(self.levels.iter().map(|level| &level.name))
        };
        self.levels.len() > 1
            && !run.is_repeatable(&self.name)
            && values.is_some_and(are_named_so)
    }
}

impl SweepPlan {
    /// The plan with its cells, if every cell of it is a run. The command line of each is
    /// parsed once, here.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn planned(self, run: &impl RunFlags) -> Result<PlannedSweep, SweepPlanError> {
        if self.repeats == 0 {
            return Err(SweepPlanError::NoRepeats);
        }
        if self.axes.len() > MOST_AXES {
            return Err(SweepPlanError::TooManyAxes(self.axes.len()));
        }
        let count = self.count();
        if count > MOST_CELLS {
            return Err(SweepPlanError::TooManyCells(count));
        }
        let runs = count.saturating_mul(self.repeats as usize);
        if runs > MOST_RUNS {
            return Err(SweepPlanError::TooManyRuns(runs));
        }
        self.refuse_doubles(run)?;
        let (mut closed, mut open) = (None, None);
        let mut cells = Vec::with_capacity(count);
        let mut read: BTreeMap<String, String> = BTreeMap::new();
        for cell in self.cells() {
            let command_line = cell.command_line(run);
            let plan = run.plan(&command_line);
            let refused = |reason| SweepPlanError::Cell { cell: cell.label(), reason };
            let plan = plan.map_err(refused)?;
            let of_its_kind = if plan.load.is_open() { &mut open } else { &mut closed };
            *of_its_kind = Some(cell.label());
            if let (Some(closed), Some(open)) = (&closed, &open) {
                let (closed, open) = (closed.clone(), open.clone());
                return Err(SweepPlanError::LoadModels { closed, open });
            }
            let window_ns = match plan.stop {
                StopRule::Duration { duration_ns } => duration_ns,
                StopRule::Requests { .. } => 0,
            };
            let (target, load_ns) = (plan.target.clone(), plan.warmup_ns + window_ns);
            let files = plan.files();
            // Cells are planned one after the other, and may share a file.
            for file in files.iter().filter(|file| file.name.is_some()) {
                let known = read.entry(file.to_string()).or_insert_with(|| file.digest.clone());
                if *known != file.digest {
                    return Err(SweepPlanError::Changed(file.to_string()));
                }
            }
            cells.push(PlannedCell { cell, command_line, target, load_ns, files });
        }
        Ok(PlannedSweep { plan: self, cells })
    }

    /// Whether a flag of this name is set, in some cell at least.
    pub fn sets(&self, name: &str) -> bool {
        let levels = self.axes.iter().flat_map(|axis| &axis.levels);
        let mut flags = self.fixed.iter().chain(levels.flat_map(|level| &level.flags));
        flags.any(|flag| flag.flag == name)
    }

    /// How many cells the axes span.
    pub fn count(&self) -> usize {
        self.axes.iter().map(|axis| axis.levels.len()).fold(1, usize::saturating_mul)
    }

    fn refuse_doubles(&self, run: &impl RunFlags) -> Result<(), SweepPlanError> {
        let mut places: Vec<&str> = self.fixed.iter().map(|flag| &*flag.flag).collect();
        // One that a run takes several times may stand here several times.
        places.dedup_by(|a, b| a == b && run.is_repeatable(a));
        for (place, axis) in self.axes.iter().enumerate() {
            if self.axes[..place].iter().any(|other| other.name == axis.name) {
                return Err(SweepPlanError::SameName(axis.name.clone()));
            }
            for (place, level) in axis.levels.iter().enumerate() {
                if axis.levels[..place].iter().any(|other| other.name == level.name) {
                    let (axis, level) = (axis.name.clone(), level.name.clone());
                    return Err(SweepPlanError::Twice { axis, level });
                }
            }
            let flags = axis.levels.iter().flat_map(|level| &level.flags);
            let mut own: Vec<&str> = flags.map(|flag| &*flag.flag).collect();
            own.sort_unstable();
            own.dedup();
            places.extend(own);
        }
        places.sort_unstable();
        match places.windows(2).find(|pair| pair[0] == pair[1]) {
            Some(pair) => Err(SweepPlanError::TwoPlaces(pair[0].to_owned())),
            None => Ok(()),
        }
    }

    /// Every combination of levels, the last axis changing fastest.
    pub fn cells(&self) -> Vec<CellPlan> {
        let mut combinations: Vec<Vec<&Level>> = vec![Vec::new()];
        for axis in &self.axes {
            let longer = |levels: &Vec<_>| {
                let levels = levels.clone();
                axis.levels.iter().map(move |level| {
                    let mut longer = levels.clone();
                    longer.push(level);
                    longer
                })
            };
            combinations = combinations.iter().flat_map(longer).collect();
        }
        combinations.iter().map(|levels| self.cell(levels)).collect()
    }

    fn cell(&self, levels: &[&Level]) -> CellPlan {
        let names = self.axes.iter().zip(levels);
        let names: Vec<String> =
            names.map(|(axis, level)| format!("{}={}", axis.name, level.name)).collect();
        let own = levels.iter().flat_map(|level| &level.flags);
        CellPlan {
            name: names.join(", "),
            levels: levels.iter().map(|level| level.name.clone()).collect(),
            flags: self.fixed.iter().chain(own).cloned().collect(),
        }
    }
}

impl CellPlan {
    fn command_line(&self, run: &impl RunFlags) -> Vec<String> {
        self.flags.iter().filter_map(|flag| flag.word(run)).collect()
    }

    /// Its name for people.
    pub fn label(&self) -> String {
        if self.name.is_empty() { "(the only one)".into() } else { self.name.clone() }
    }
}

#[cfg(test)]
mod tests;
