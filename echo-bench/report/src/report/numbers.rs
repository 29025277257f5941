//! Whether the numbers of a stored document can be numbers of a measurement: [`check`]. Works
//! on JSON, so that a field that is added is checked without a line here.

use serde::Serialize;
use serde_json::{Number, Value};

use super::document::{Invalid, Within};

/// The greatest count: up to it every JSON reader gets whole numbers back exactly, and sums
/// of thousands of them fit into 64 bits.
pub(crate) const LARGEST_COUNT: u64 = 1 << 53;

/// The least and the greatest rate, cost or time; products and ratios of such numbers are
/// finite.
const LEAST: f64 = 1e-18;
const GREATEST: f64 = 1e18;

/// Checks every number of a part of a document.
///
/// # Errors
/// The first that is out of range, and its path below `field`.
pub(crate) fn check(field: &str, part: &impl Serialize) -> Result<(), Invalid> {
    let value = serde_json::to_value(part).map_err(|error| Invalid::new(field, error))?;
    walk(&value).within(field)
}

fn walk(value: &Value) -> Result<(), Invalid> {
    match value {
        Value::Number(number) => in_range(number),
        Value::Array(items) => {
            let mut items = items.iter().enumerate();
            items.try_for_each(|(place, item)| walk(item).within(format_args!("[{place}]")))
        }
        Value::Object(fields) => fields
            .iter()
            .filter(|(name, value)| !(value.is_u64() && is_any_integer(name)))
            .try_for_each(|(name, value)| walk(value).within(name)),
        Value::Null | Value::Bool(_) | Value::String(_) => Ok(()),
    }
}

/// Seeds are any number, and so are times of a plan.
fn is_any_integer(name: &str) -> bool {
    name == "seed" || name.ends_with("_ns")
}

fn in_range(number: &Number) -> Result<(), Invalid> {
    let refused = |reason| Err(Invalid::new("", format_args!("{number} is {reason}")));
    match (number.as_u64(), number.as_f64().unwrap_or(f64::NAN)) {
        (Some(count), _) if count > LARGEST_COUNT => refused("more than 2^53"),
        (None, value) if value < 0.0 => refused("negative"),
        (None, value) if value > GREATEST => refused("too large"),
        (None, value) if value > 0.0 && value < LEAST => refused("too small"),
        (None, value) if value.is_nan() => refused("no number"),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_no_run_can_have_measured_is_refused_with_its_path() {
        for (part, told) in [
            (json!({"a": [{"b": -1}]}), "plan.a[0].b: -1 is negative"),
            (json!({"a": -0.5}), "plan.a: -0.5 is negative"),
            (json!({"a": 1e300}), "plan.a: 1e+300 is too large"),
            (json!({"a": 5e-324}), "plan.a: 5e-324 is too small"),
            (json!({"a": 1_u64 << 54}), "plan.a: 18014398509481984 is more than 2^53"),
        ] {
            assert_eq!(check("plan", &part).unwrap_err().to_string(), told);
        }
        let fine = json!({"seed": u64::MAX, "timeout_ns": u64::MAX, "a": [0, 0.0, 0.5, null]});
        assert_eq!(check("plan", &fine), Ok(()));
    }
}
