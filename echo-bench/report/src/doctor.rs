//! What of a machine limits or disturbs measurements on it: [`Doctor`], one [`Check`] for each
//! limit or setting with its value, a verdict and a remedy as a command. Judges [`Facts`]; changes
//! nothing, and says nothing of what it could not read but that.

mod facts;
mod judge;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::report::Tool;

pub use facts::{Facts, Limit};
pub use judge::examine;

/// The name and version of the document's shape.
pub const SCHEMA: &str = "echo-bench.doctor/1";

/// A machine, examined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Doctor {
    /// Name and version of this shape: `echo-bench.doctor/1`.
    pub schema: String,
    /// What examined it.
    pub tool: Tool,
    /// What was looked at.
    pub checks: Vec<Check>,
}

/// A limit or a setting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Check {
    /// Its name.
    pub name: String,
    /// Its value, for people.
    pub value: String,
    /// How it is for measurements.
    pub health: Health,
    /// Why it matters; null where it is as it should be.
    pub reason: Option<String>,
    /// A command that fixes it, or what to do; null where there is nothing to fix.
    pub remedy: Option<String>,
}

/// How a setting is for measurements.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Health {
    /// As it should be.
    Ok,
    /// It could not be read.
    Unknown,
    /// Worth knowing: it matters for some loads.
    Note,
    /// It limits or disturbs most measurements.
    Warning,
}

impl Doctor {
    /// Examines a machine.
    pub fn new(facts: &Facts) -> Self {
        Self { schema: SCHEMA.into(), tool: Tool::this(), checks: examine(facts) }
    }

    /// Checks of a verdict.
    pub fn count(&self, health: Health) -> usize {
        self.checks.iter().filter(|check| check.health == health).count()
    }
}

impl Check {
    fn new(name: &str, value: impl Into<String>, health: Health) -> Self {
        Self { name: name.into(), value: value.into(), health, reason: None, remedy: None }
    }

    /// As it should be.
    fn ok(name: &str, value: impl Into<String>) -> Self {
        Self::new(name, value, Health::Ok)
    }

    /// Not to be seen from within a virtual machine.
    fn of_host(name: &str) -> Self {
        Self::new(name, "set by the host", Health::Unknown)
    }

    /// Not to be read.
    fn unknown(name: &str) -> Self {
        Self::new(name, "not readable", Health::Unknown)
    }

    /// With a reason, and what to do.
    fn because(self, reason: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), remedy: Some(remedy.into()), ..self }
    }

    /// With a reason for which nothing is to be done.
    fn said(self, reason: impl Into<String>) -> Self {
        Self { reason: Some(reason.into()), ..self }
    }
}
