//! Stored documents: what is read of a file or a page is refused or can be shown, compared and
//! merged. Raw texts, and documents that were valid before some edits.

use std::sync::LazyLock;

use echo_bench_report::capacity::Capacity;
use echo_bench_report::compare::self_check::{SelfCheck, self_check};
use echo_bench_report::compare::{self, Comparison, Input as Compared, Options, Side};
use echo_bench_report::merge;
use echo_bench_report::render::{csv, hdr, html, markdown, text};
use echo_bench_report::report::document::{Document, Stored, interpret};
use echo_bench_report::report::{Report, store};
use echo_bench_report::selftest::Selftest;
use echo_bench_report::sweep::Sweep;
use echo_test_support::made_up::{self, Shape};
use serde_json::{Value, json};

use super::input::Input;

/// Few resamples: what they come to is not the matter here.
const OPTIONS: Options =
    Options { threshold: 0.01, resamples: 20, seed: 1, force: true, asked_for: Vec::new() };

/// What is put in the place of something.
const NUMBERS: [f64; 12] =
    [-1.0, 0.0, 1.0, 0.5, -1e300, 1e300, 1e18, 5e-324, 1e-9, 4.3e9, 9.0e15, 1.8e19];
const TEXTS: [&str; 6] =
    ["", "\u{1b}]0;owned\u{7}", "a\r\nb | `c` \u{202e}", "--model", "p99<5ms", "9999-12-31"];

static REPORTS: LazyLock<[Report; 3]> = LazyLock::new(|| [1, 2, 3].map(report));

fn report(number: u64) -> Report {
    let shape = Shape { intervals: 2, answers: 20, spread: 101 };
    serde_json::from_value(made_up::report(shape, number, 100)).expect("made up to be valid")
}

fn side(number: usize) -> Side {
    let report = REPORTS[number].clone();
    let source = format!("{number}.json");
    Side { name: source.clone(), inputs: vec![Compared { source, report }] }
}

static ORIGINALS: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let comparison = compare::compare(&side(0), &[side(1)], OPTIONS).expect("they match");
    let repeats: Vec<Report> = (1..=8).map(report).collect();
    let check = self_check(&repeats, 2, &OPTIONS).expect("they are enough");
    let json = |stored: String| serde_json::from_str(&stored).expect("it was just written");
    vec![
        json(store::to_json(&REPORTS[0])),
        json(store::to_json(&comparison)),
        json(store::to_json(&check)),
    ]
});

/// Documents to begin with, by name.
///
/// # Panics
/// If a page holds no document.
pub fn seeds() -> Vec<(&'static str, String)> {
    let page = html::run(&REPORTS[0]);
    let (opening, closing) = ("<script type=\"application/json\"", "</script>");
    let (_, json) = page.split_once(opening).expect("a page holds its document");
    let (json, _) = json.split_once(closing).expect("a page holds its document");
    let mut seeds = vec![("page", [opening, json, closing].concat())];
    let names = ["report", "comparison", "self-check"];
    seeds.extend(names.into_iter().zip(ORIGINALS.iter().map(ToString::to_string)));
    seeds
}

/// A file of any content.
pub(super) fn document(data: &[u8]) {
    if let Ok(text) = String::from_utf8(data.to_vec())
        && let Ok(document) = interpret(text, "fuzzed".into())
    {
        read(document);
    }
}

/// One of the originals, each of whose edits is three bytes.
pub(super) fn edited(data: &[u8]) {
    let mut input = Input::new(data);
    let which = usize::from(input.byte()) % ORIGINALS.len();
    let mut value = ORIGINALS[which].clone();
    for edit in input.rest().chunks_exact(4).take(6) {
        let place = u16::from_le_bytes([edit[0], edit[1]]);
        change(&mut value, place.into(), edit[2], edit[3]);
    }
    if let Ok(document) = interpret(value.to_string(), "edited".into()) {
        read(document);
    }
}

/// Changes the value at `place` of all values of a document.
fn change(document: &mut Value, place: usize, how: u8, what: u8) {
    let mut count = 0;
    visit(document, &mut |_| count += 1);
    let (chosen, mut seen) = (place % count, 0);
    visit(document, &mut |value| {
        if seen == chosen {
            edit(value, how, what.into());
        }
        seen += 1;
    });
}

fn edit(value: &mut Value, how: u8, what: usize) {
    match (value, how % 4) {
        (Value::Array(items), 0) => items.clear(),
        (Value::Array(items), 1) if !items.is_empty() => {
            items.remove(what % items.len());
        }
        (Value::Array(items), 2) if !items.is_empty() => {
            items.push(items[what % items.len()].clone());
        }
        (Value::Object(fields), _) if !fields.is_empty() => {
            let name = fields.keys().nth(what % fields.len()).cloned().unwrap_or_default();
            if how.is_multiple_of(2) {
                fields.remove(&name);
            } else {
                fields.insert(name, Value::Null);
            }
        }
        (Value::String(text), 0) => TEXTS[what % TEXTS.len()].clone_into(text),
        (Value::String(text), _) => {
            // One byte of a histogram, or of a name.
            let mut bytes = std::mem::take(text).into_bytes();
            if let Some(length) = bytes.len().checked_sub(1) {
                bytes[(what * 7) % (length + 1)] = b"A/+z09"[what % 6];
            }
            *text = String::from_utf8(bytes).unwrap_or_default();
        }
        (value @ Value::Number(_), 0) => *value = json!(NUMBERS[what % NUMBERS.len()]),
        (value @ Value::Number(_), 1) => {
            *value = json!([0, 1, u64::from(u32::MAX), 1 << 53, u64::MAX][what % 5]);
        }
        (value @ Value::Number(_), _) => {
            let more = what as f64 / 16.0;
            *value = match value.as_u64() {
                Some(whole) => json!(whole.saturating_add(what as u64).saturating_sub(8)),
                None => json!(value.as_f64().unwrap_or_default() * more),
            };
        }
        (value, 3) => *value = json!(what),
        (value, _) => *value = Value::Null,
    }
}

/// Every value within `value`, and itself.
fn visit(value: &mut Value, see: &mut impl FnMut(&mut Value)) {
    see(value);
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| visit(item, see)),
        Value::Object(fields) => fields.values_mut().for_each(|field| visit(field, see)),
        _ => {}
    }
}

/// Does with a document whatever can be done with one of its kind.
fn read(document: Document) {
    let schema = document.schema().unwrap_or_default().to_owned();
    match schema.as_str() {
        Report::SCHEMA => document.parse().iter().for_each(used),
        Comparison::SCHEMA => document.parse().iter().for_each(compared),
        SelfCheck::SCHEMA => document.parse().iter().for_each(|check| {
            text::self_check(check);
            markdown::self_check(check);
            html::self_check(check);
        }),
        Sweep::SCHEMA => document.parse().iter().for_each(|sweep| {
            text::sweep(sweep);
            markdown::sweep(sweep);
            html::sweep(sweep);
        }),
        Capacity::SCHEMA => document.parse().iter().for_each(|capacity| {
            text::capacity(capacity);
            markdown::capacity(capacity);
            html::capacity(capacity);
        }),
        Selftest::SCHEMA => document.parse().iter().for_each(|selftest| {
            text::selftest(selftest);
            markdown::selftest(selftest);
            html::selftest(selftest);
        }),
        _ => {}
    }
}

fn used(report: &Report) {
    text::report(report);
    markdown::report(report);
    csv::report(report);
    html::run(report);
    hdr::hgrm(report);
    let _ = hdr::hlog(report);
    let inputs = vec![Compared { source: "fuzzed.json".into(), report: report.clone() }];
    let candidate = Side { name: "fuzzed".into(), inputs };
    if let Ok(comparison) = compare::compare(&side(1), &[candidate], OPTIONS) {
        comparison.validate().expect("what is compared is valid");
        compared(&comparison);
    }
    for other in [&REPORTS[2], report] {
        if let Ok(merged) = merge::merge(&[report.clone(), other.clone()]) {
            text::report(&merged);
        }
    }
}

fn compared(comparison: &Comparison) {
    text::comparison(comparison);
    markdown::comparison(comparison);
    html::comparison(comparison);
}
