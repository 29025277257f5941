//! The JSON Schema of the report, generated from its types, so that it can't drift from
//! them. The copy under `reports/` is compared with it by a test.

use super::Report;

/// The schema (JSON Schema 2020-12), as pretty JSON with a newline at its end.
///
/// # Panics
/// Never: a schema is a JSON value, which always serialises.
pub fn json() -> String {
    let schema = schemars::schema_for!(Report);
    let mut text = serde_json::to_string_pretty(&schema)
        .expect("a schema is a JSON value, which always serialises");
    text.push('\n');
    text
}
