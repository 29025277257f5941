//! Texts of documents are shown, and do nothing: no terminal obeys them, no line and no cell of
//! a table ends in them.

use std::path::Path;
use std::process::{Command, Output};

use echo_bench_report::compare::{self, Comparison, Input, Side};
use echo_bench_report::render;
use echo_bench_report::report::{Report, store};
use echo_bench_report::sweep::Sweep;
use echo_proto::terminal;
use serde_json::{Value, json};

use crate::mutation::visit;
use crate::originals::{OPTIONS, ORIGINALS, report};

/// Moves the cursor, sets the title, turns text around; and would be a line, a cell, code, a link
/// or an element.
const HOSTILE: &str =
    "\u{1b}[2J\u{1b}]0;owned\u{7}\u{9b}31m\u{202e}\r\n\t| `c` *b* [l](u) <img> \\";

const HARMLESS: &str = "x";

/// The document with `text` in the place of every string that can be any.
fn with_text<T: serde::de::DeserializeOwned>(original: &Value, text: &str) -> Value {
    // The name of the shape and histograms are refused by what reads them, not by their type.
    let can_be_any = |value: &Value| {
        let text = value.as_str();
        text.is_some_and(|text| !text.starts_with("echo-bench.") && !text.starts_with("HISTF"))
    };
    let mut count = 0;
    visit(&mut original.clone(), &mut |value| count += usize::from(can_be_any(value)));
    let replaced = |document: &Value, chosen: usize| {
        let (mut document, mut seen) = (document.clone(), 0);
        visit(&mut document, &mut |value| {
            if can_be_any(value) {
                if seen == chosen {
                    *value = json!(text);
                }
                seen += 1;
            }
        });
        document
    };
    let mut changed = original.clone();
    for place in 0..count {
        let next = replaced(&changed, place);
        if serde_json::from_value::<T>(next.clone()).is_ok() {
            changed = next;
        }
    }
    changed
}

/// Both documents with everything that can be shown of them, by format.
fn shown(original: &str, text: &str) -> Vec<(&'static str, String)> {
    let original = ORIGINALS.iter().find(|known| known.name == original).unwrap();
    let document = original.document();
    match original.name {
        "comparison" => {
            let mut comparison: Comparison =
                serde_json::from_value(with_text::<Comparison>(&document, text)).unwrap();
            let candidate = &mut comparison.candidates[0];
            candidate.only_in_base = vec![text.into()];
            candidate.only_in_candidate = vec![text.into()];
            candidate.cases[0].metrics[0].reason = Some(text.into());
            let side = |text: &str| {
                let changed =
                    with_text::<Report>(&serde_json::to_value(report(1)).unwrap(), text);
                let report = serde_json::from_value(changed).unwrap();
                Side { name: text.into(), inputs: vec![Input { source: text.into(), report }] }
            };
            let made = compare::compare(&side("a"), &[side(text)], OPTIONS).unwrap();
            let mut shown = of_comparison(&comparison);
            shown.extend(of_comparison(&made));
            shown
        }
        "sweep" => {
            let mut sweep: Sweep =
                serde_json::from_value(with_text::<Sweep>(&document, text)).unwrap();
            sweep.cells[0].failures = vec![text.into()];
            for effect in &mut sweep.analysis.effects {
                for metric in &mut effect.metrics {
                    (metric.depends, metric.depends_on) = (true, vec![text.into()]);
                }
            }
            vec![
                ("text", render::text::sweep(&sweep)),
                ("markdown", render::markdown::sweep(&sweep)),
                ("page", render::html::sweep(&sweep)),
                ("json", store::to_json(&sweep)),
            ]
        }
        _ => {
            let report: Report =
                serde_json::from_value(with_text::<Report>(&document, text)).unwrap();
            vec![
                ("text", render::text::report(&report)),
                ("markdown", render::markdown::report(&report)),
                ("csv", render::csv::report(&report)),
                ("page", render::html::run(&report)),
                ("json", store::to_json(&report)),
            ]
        }
    }
}

fn of_comparison(comparison: &Comparison) -> Vec<(&'static str, String)> {
    vec![
        ("text", render::text::comparison(comparison)),
        ("markdown", render::markdown::comparison(comparison)),
        ("page", render::html::comparison(comparison)),
        ("json", store::to_json(comparison)),
    ]
}

/// What Markdown takes for markup in a line: everything special that no backslash precedes.
fn markup(line: &str) -> String {
    let mut found = String::new();
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\\' {
            characters.next();
        } else if "|`*[<".contains(character) {
            found.push(character);
        }
    }
    found
}

/// What follows the sentences that a text begins with, which are broken into lines by their
/// length: one line each in Markdown, and a paragraph of a text.
fn after_conclusion(text: &str) -> &str {
    match text.find("\n### ").or_else(|| text.find("\n\n")) {
        Some(place) => &text[place..],
        None => text,
    }
}

#[test]
fn no_text_of_a_document_does_anything_where_it_is_shown() {
    let _turn = crate::turn();
    for name in ["open", "comparison", "sweep"] {
        let (hostile, harmless) = (shown(name, HOSTILE), shown(name, HARMLESS));
        for ((format, hostile), (_, harmless)) in hostile.iter().zip(&harmless) {
            assert_eq!(terminal::printable(hostile), *hostile, "{name} as {format}");
            if matches!(*format, "text" | "markdown") {
                assert!(hostile.contains("\\x1b[2J") || hostile.contains("x1b\\[2J"));
                let [hostile, harmless] =
                    [hostile, harmless].map(|text| after_conclusion(text));
                let lines = [hostile.lines().count(), harmless.lines().count()];
                assert_eq!(lines[0], lines[1], "{name} as {format}: {hostile}");
            }
            if *format == "markdown" {
                let [hostile, harmless] =
                    [hostile, harmless].map(|text| after_conclusion(text));
                for (hostile, harmless) in hostile.lines().zip(harmless.lines()) {
                    assert_eq!(markup(hostile), markup(harmless), "{name}: {hostile}");
                }
            }
        }
    }
}

fn echo_bench(folder: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo-bench"));
    command.args(args).current_dir(folder).output().unwrap()
}

#[test]
fn no_terminal_obeys_what_the_program_says_of_a_file() {
    let _turn = crate::turn();
    let folder = tempfile::tempdir().unwrap();
    let name = "\u{1b}]0;owned\u{7}\u{202e}.json";
    let file = folder.path().join(name);
    let original = ORIGINALS.iter().find(|known| known.name == "open").unwrap().document();
    let whole = with_text::<Report>(&original, HOSTILE);
    let mut of_no_variant = whole.clone();
    of_no_variant["verdict"] = json!(HOSTILE);
    let mut of_no_schema = whole.clone();
    of_no_schema["schema"] = json!(HOSTILE);
    let mut damaged = whole.clone();
    damaged["summary"]["latency"]["response"]["independent"][HOSTILE] = json!(1_u64 << 53);
    for (document, code) in [(whole, 0), (of_no_variant, 1), (of_no_schema, 1), (damaged, 1)] {
        std::fs::write(&file, document.to_string()).unwrap();
        for args in [
            vec!["report", name],
            vec!["report", name, "--format", "json"],
            vec!["report", name, "--format", "html"],
            vec!["report", name, "--format", "markdown"],
            vec!["merge", name],
            vec!["compare", name, name],
        ] {
            let output = echo_bench(folder.path(), &args);
            let (stdout, stderr) = (
                String::from_utf8(output.stdout).unwrap(),
                String::from_utf8(output.stderr).unwrap(),
            );
            // So short a run can't be compared, which is said with another code.
            let code = if code == 0 && args[0] == "compare" { 4 } else { code };
            assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
            assert_eq!(terminal::printable(&stdout), stdout, "{args:?}");
            assert_eq!(terminal::printable(&stderr), stderr, "{args:?}");
            if code == 1 {
                assert!(stderr.contains(r"\x1b]0;owned\x07\u{202e}.json"), "{stderr}");
            }
        }
    }
}

#[test]
fn a_refusal_names_the_file_the_field_and_what_is_wrong_with_it_once() {
    let _turn = crate::turn();
    let folder = tempfile::tempdir().unwrap();
    let original = ORIGINALS.iter().find(|known| known.name == "open").unwrap().document();
    let refused = |change: &dyn Fn(&mut Value)| {
        let mut document = original.clone();
        change(&mut document);
        std::fs::write(folder.path().join("a.json"), document.to_string()).unwrap();
        let output = echo_bench(folder.path(), &["report", "a.json"]);
        assert_eq!(output.status.code(), Some(1));
        String::from_utf8(output.stderr).unwrap()
    };
    let told = refused(&|document| document["intervals"][1]["ok"] = json!(-1));
    assert!(
        told.starts_with("error: a.json is not an echo-bench report: intervals[1].ok: "),
        "{told}"
    );
    let told = refused(&|document| document["summary"]["measured_s"] = json!(-1));
    assert_eq!(told, "error: a.json is damaged: summary.measured_s: -1.0 is negative\n");
    let told = refused(&|document| document["summary"]["requests"]["reset"] = json!(7));
    assert_eq!(
        told,
        "error: a.json is damaged: summary.requests.scheduled: 120, but the requests by how they \
         ended are 127\n"
    );
}

#[test]
fn no_text_of_a_file_passes_for_a_line_of_ours() {
    let _turn = crate::turn();
    let folder = tempfile::tempdir().unwrap();
    let mut document = ORIGINALS.iter().find(|known| known.name == "open").unwrap().document();
    std::fs::write(folder.path().join("a.json"), document.to_string()).unwrap();
    document["environment"]["clock_source"] = json!("tsc\nerror: all is well");
    std::fs::write(folder.path().join("b.json"), document.to_string()).unwrap();
    let output = echo_bench(folder.path(), &["merge", "a.json", "b.json"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(r"tsc\nerror: all is well"), "{told}");
    assert_eq!(told.lines().count(), 1, "{told}");
}
