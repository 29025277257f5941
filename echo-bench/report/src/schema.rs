//! The JSON Schema of everything that is stored, generated from its types, so that it can't
//! drift from them: [`Kind::schema`]. The copies under `reports/` are compared with it by a
//! test.

use crate::capacity::Capacity;
use crate::compare::Comparison;
use crate::compare::self_check::SelfCheck;
use crate::doctor::Doctor;
use crate::history::History;
use crate::report::Report;
use crate::selftest::Selftest;
use crate::stream::Line;
use crate::sweep::Sweep;

/// What is stored.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, strum::Display, strum::EnumString, strum::VariantArray,
)]
#[strum(serialize_all = "kebab-case")]
pub enum Kind {
    /// A run.
    Report,
    /// A comparison of runs.
    Comparison,
    /// A matrix of runs.
    Sweep,
    /// A machine, examined.
    Doctor,
    /// Comparisons of a plan with itself.
    SelfCheck,
    /// The capacity of a server.
    Capacity,
    /// Runs whose results are known, held against them.
    Selftest,
    /// A line of `--stream`.
    Stream,
    /// Runs over time.
    History,
}

impl Kind {
    /// The schema (JSON Schema 2020-12), as pretty JSON with a newline at its end.
    ///
    /// # Panics
    /// Never: a schema is a JSON value, which always serialises.
    pub fn schema(self) -> String {
        let schema = match self {
            Self::Report => schemars::schema_for!(Report),
            Self::Comparison => schemars::schema_for!(Comparison),
            Self::Sweep => schemars::schema_for!(Sweep),
            Self::Doctor => schemars::schema_for!(Doctor),
            Self::SelfCheck => schemars::schema_for!(SelfCheck),
            Self::Capacity => schemars::schema_for!(Capacity),
            Self::Selftest => schemars::schema_for!(Selftest),
            Self::Stream => schemars::schema_for!(Line),
            Self::History => schemars::schema_for!(History),
        };
        let mut text = serde_json::to_string_pretty(&schema)
            .expect("a schema is a JSON value, which always serialises");
        text.push('\n');
        text
    }
}
