//! Settings as names and values, whatever they are: [`settings`]. Works on the report's JSON,
//! so that a setting that is added to a plan or an environment is shown without a line here.

use echo_bench_engine::schedule::Stage;
use serde::Deserialize;
use serde_json::Value;

use super::{NOTHING, or_nothing, units};

/// Texts of a list that are shown; the rest is in the report itself.
const SHOWN_ITEMS: usize = 12;

/// Every setting of `value` with its path in words, in the order of its fields. Units that
/// stand in a name are shown with the value instead.
pub(super) fn settings(value: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    collect("", value, &mut found);
    found
}

fn collect(path: &str, value: &Value, found: &mut Vec<(String, String)>) {
    if let Value::Object(fields) = value {
        for (name, value) in fields {
            let path = if path.is_empty() { name.clone() } else { format!("{path} {name}") };
            collect(&path, value, found);
        }
        return;
    }
    let name = ["_ns", "_bytes", "_per_s", "_us"]
        .iter()
        .find_map(|unit| path.strip_suffix(unit))
        .unwrap_or(path);
    let shown = match value {
        Value::Array(items) => list(items),
        value => scalar(path, value),
    };
    found.push((name.replace('_', " "), shown));
}

fn scalar(path: &str, value: &Value) -> String {
    let number = value.as_f64();
    match value {
        Value::Null => NOTHING.into(),
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::String(text) => text.clone(),
        _ if path.ends_with("_ns") => or_nothing(number, units::time),
        _ if path.ends_with("_us") => or_nothing(number, units::microseconds),
        _ if path.ends_with("_bytes") => or_nothing(value.as_u64(), units::bytes),
        _ if path.ends_with("_buffer") => or_nothing(value.as_u64(), units::bytes),
        _ if path.ends_with("_per_s") => {
            or_nothing(number, |rate| format!("{} per second", units::rate(rate)))
        }
        // A seed is typed again, not read: its digits stay together.
        other if path.ends_with("seed") => other.to_string(),
        other => other.as_u64().map_or_else(|| other.to_string(), units::count),
    }
}

fn list(items: &[Value]) -> String {
    let mut shown: Vec<_> = items.iter().take(SHOWN_ITEMS).map(item).collect();
    if shown.is_empty() {
        return NOTHING.into();
    }
    // A command line reads as one; anything else is listed by field.
    let separator = if shown.iter().any(|item| item.starts_with("--")) { " " } else { ", " };
    if items.len() > SHOWN_ITEMS && separator == ", " {
        shown.push(format!("and {} more", items.len() - SHOWN_ITEMS));
    } else {
        shown = items.iter().map(item).collect();
    }
    shown.join(separator)
}

/// A stage as it is typed, or any other thing.
fn item(item: &Value) -> String {
    let stage = item.is_object().then(|| Stage::deserialize(item).ok()).flatten();
    stage.map_or_else(|| scalar("", item), |stage| stage.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_any_setting_with_its_unit() {
        let plan = serde_json::json!({
            "target": {"kind": "embedded", "server": ["--model", "tokio", "--a", "1", "--b", "2",
                "--c", "3", "--d", "4", "--e", "5", "--f", "6"]},
            "warmup_ns": 2_000_000_000_u64,
            "load": {"rate_per_s": 8000.0},
            "messages": {"min_bytes": 4096, "texts": vec!["x"; 14]},
            "socket": {"nodelay": true, "send_buffer": null, "sources": []},
            "seed": 5_664_302_443_927_192_u64,
            "connections": 1000,
        });
        let found = settings(&plan);
        let of = |name: &str| {
            let fact = found.iter().find(|(found, _)| found == name);
            fact.unwrap_or_else(|| panic!("{name} in {found:?}")).1.clone()
        };
        assert!(of("target server").ends_with("--e 5 --f 6"), "a command line is whole");
        assert_eq!(of("warmup"), "2.00 s");
        assert_eq!(of("load rate"), "8 000 per second");
        assert_eq!(of("messages min"), "4.00 KiB");
        assert!(of("messages texts").ends_with("x, and 2 more"));
        assert_eq!(of("socket nodelay"), "yes");
        assert_eq!(of("socket send buffer"), "-");
        assert_eq!(of("socket sources"), "-");
        assert_eq!(of("seed"), "5664302443927192");
        assert_eq!(of("connections"), "1 000");
    }
}
