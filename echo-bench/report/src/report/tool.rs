//! The program that made a report: [`Tool`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What made a report.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The git revision that it was built from, if known.
    pub revision: Option<String>,
}

impl Tool {
    /// This program.
    pub fn this() -> Self {
        Self {
            name: "echo-bench".into(),
            version: env!("CARGO_PKG_VERSION").into(),
            revision: option_env!("ECHO_BENCH_REVISION").map(Into::into),
        }
    }

    /// Version and revision, which identify a build.
    pub fn build(&self) -> String {
        match &self.revision {
            Some(revision) => format!("{} ({revision})", self.version),
            None => self.version.clone(),
        }
    }
}

impl std::fmt::Display for Tool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.name, self.build())
    }
}
