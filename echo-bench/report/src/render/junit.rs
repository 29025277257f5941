//! What gates came to, as the XML that CI systems show as test results (JUnit): a `testsuite` per
//! run, cell or candidate, a `testcase` per objective or compared metric. An objective that is
//! undecided is `skipped`, and what could not be judged at all an `error`, so that neither passes.
//!
//! There is no one schema; what is written here is in the common part of those of Jenkins
//! (xunit-plugin's `junit-10.xsd`) and of Ant.

use quick_xml::escape::escape;

use echo_proto::terminal::one_line;

use crate::compare::Comparison;
use crate::describe::gates::{self, Gate, GateOutcome, Suite};
use crate::report::Report;
use crate::sweep::Sweep;

/// The objectives of a run.
pub fn report(report: &Report) -> String {
    laid_out(&gates::run(report))
}

/// The objectives of a sweep, cell by cell.
pub fn sweep(sweep: &Sweep) -> String {
    laid_out(&gates::sweep(sweep))
}

/// The metrics of a comparison, case by case.
pub fn comparison(comparison: &Comparison) -> String {
    laid_out(&gates::comparison(comparison))
}

fn laid_out(suites: &[Suite]) -> String {
    let all = || suites.iter().flat_map(|suite| &suite.gates);
    let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites");
    attribute(&mut out, "name", "echo-bench");
    totals(&mut out, all());
    out.push_str(">\n");
    for (number, suite) in suites.iter().enumerate() {
        testsuite(&mut out, number, suite);
    }
    out.push_str("</testsuites>\n");
    out
}

fn testsuite(out: &mut String, number: usize, suite: &Suite) {
    out.push_str("  <testsuite");
    attribute(out, "name", &suite.name);
    attribute(out, "package", "echo-bench");
    attribute(out, "id", &number.to_string());
    totals(out, suite.gates.iter());
    let skipped = count(suite.gates.iter(), GateOutcome::Undecided);
    attribute(out, "skipped", &skipped.to_string());
    if let Some(at) = suite.started_at.as_deref().and_then(without_zone) {
        attribute(out, "timestamp", at);
    }
    attribute(out, "time", &seconds(suite.measured_s));
    out.push_str(">\n");
    for gate in &suite.gates {
        testcase(out, gate);
    }
    out.push_str("    <system-out>");
    for gate in &suite.gates {
        text(out, &format!("{}: {}: {}", gate.place, gate.outcome, gate.text));
        out.push('\n');
    }
    out.push_str("</system-out>\n  </testsuite>\n");
}

fn testcase(out: &mut String, gate: &Gate) {
    out.push_str("    <testcase");
    attribute(out, "name", &gate.name);
    attribute(out, "classname", &gate.place);
    // Of a gate alone nothing is known.
    attribute(out, "time", &seconds(None));
    let element = match gate.outcome {
        GateOutcome::Passed => {
            out.push_str("/>\n");
            return;
        }
        GateOutcome::Failed => "failure",
        GateOutcome::Broken => "error",
        GateOutcome::Undecided => {
            out.push_str(">\n      <skipped");
            attribute(out, "message", &gate.text);
            out.push_str("/>\n    </testcase>\n");
            return;
        }
    };
    out.push_str(">\n      <");
    out.push_str(element);
    attribute(out, "type", &gate.name);
    attribute(out, "message", &gate.text);
    out.push('>');
    text(out, &gate.text);
    out.extend(["</", element, ">\n    </testcase>\n"]);
}

fn totals<'a>(out: &mut String, gates: impl Iterator<Item = &'a Gate> + Clone) {
    attribute(out, "tests", &gates.clone().count().to_string());
    attribute(out, "failures", &count(gates.clone(), GateOutcome::Failed).to_string());
    attribute(out, "errors", &count(gates, GateOutcome::Broken).to_string());
}

fn count<'a>(gates: impl Iterator<Item = &'a Gate>, outcome: GateOutcome) -> usize {
    gates.filter(|gate| gate.outcome == outcome).count()
}

/// The schemas want a time, and take 0 for one that is not known.
fn seconds(seconds: Option<f64>) -> String {
    format!("{:.3}", seconds.unwrap_or(0.0))
}

/// The schemas want a time of day without its zone; that is UTC.
fn without_zone(at: &str) -> Option<&str> {
    let shape = |(at, byte): (usize, u8)| match at {
        4 | 7 => byte == b'-',
        10 => byte == b'T',
        13 | 16 => byte == b':',
        _ => byte.is_ascii_digit(),
    };
    at.get(..19).filter(|short| short.bytes().enumerate().all(shape))
}

fn attribute(out: &mut String, name: &str, value: &str) {
    out.extend([" ", name, "=\"", &escape(&*fit(value)), "\""]);
}

fn text(out: &mut String, text: &str) {
    out.push_str(&escape(&*fit(text)));
}

/// Text from a report or a file on one line, without what XML or a terminal has no place for.
fn fit(text: &str) -> String {
    one_line(text).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

#[cfg(test)]
mod tests;
