//! A comparison as annotations of a GitHub workflow: lines that its runner turns into remarks on a
//! pull request. The gravest come first: of each kind, GitHub shows ten per step.
//!
//! The lines are commands to the runner, so everything of a report in them is escaped as its
//! documentation asks ("Workflow commands": `%`, line ends; in properties `:` and `,` too).

use echo_proto::terminal::one_line;

use crate::compare::Comparison;
use crate::describe::gates::{self, Gate, GateOutcome};

/// The annotations: an error for each metric that is worse, a warning for what was not judged, and
/// a notice with the conclusion.
pub fn comparison(comparison: &Comparison) -> String {
    let suites = gates::comparison(comparison);
    let gates = || suites.iter().flat_map(|suite| suite.gates.iter().map(move |g| (suite, g)));
    let mut out = String::new();
    for outcome in [GateOutcome::Broken, GateOutcome::Failed] {
        for (suite, gate) in gates().filter(|(_, gate)| gate.outcome == outcome) {
            line(&mut out, "error", &title(&suite.name, gate), &gate.text);
        }
    }
    let open = gates().filter(|(_, gate)| gate.outcome == GateOutcome::Undecided);
    for (suite, gate) in open {
        line(&mut out, "warning", &title(&suite.name, gate), &gate.text);
    }
    for said in &comparison.conclusion {
        line(&mut out, "notice", "echo-bench", &said.text);
    }
    out
}

fn title(suite: &str, gate: &Gate) -> String {
    format!("{suite}: {} ({})", gate.name, gate.place)
}

fn line(out: &mut String, command: &str, title: &str, message: &str) {
    out.extend(["::", command, " title=", &property(title), "::", &data(message), "\n"]);
}

fn data(text: &str) -> String {
    one_line(text).replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_ends_its_line_or_its_property(title in ".*", message in "(.|\\r|\\n|::)*") {
            let mut out = String::new();
            line(&mut out, "error", &title, &message);
            prop_assert_eq!(out.matches('\n').count(), 1);
            prop_assert!(!out.contains('\r'));
            let rest = out.strip_prefix("::error title=").unwrap();
            let (shown, text) = rest.split_once("::").unwrap();
            prop_assert!(!shown.contains(',') && !shown.contains(':'));
            let back = |text: &str| {
                let text = text.replace("%3A", ":").replace("%2C", ",");
                text.replace("%0A", "\n").replace("%0D", "\r").replace("%25", "%")
            };
            prop_assert_eq!(back(shown), one_line(&title));
            prop_assert_eq!(back(text.trim_end_matches('\n')), one_line(&message));
        }
    }
}
