//! What a self-check comes to: [`of_self_check`].

use super::leading;
use super::ratios::percent;
use crate::compare::Metric;
use crate::compare::self_check::SelfCheck;
use crate::describe::comparison::{comparisons, name_of};
use crate::report::nouns::Nouns;

/// How often a difference was called where there is none, and which would have been found.
pub(in crate::describe) fn of_self_check(check: &SelfCheck) -> String {
    if !check.is_judged() {
        return "nothing judged: single runs are never judged (raise --runs)".into();
    }
    let nouns = Nouns::of(&check.plan);
    let found = |wanted: &Metric| {
        let check = check.metrics.iter().find(|found| found.metric == *wanted)?;
        Some(format!("{} of {}", percent(check.findable?), name_of(check.metric, nouns)))
    };
    let leading = leading(check.plan.load.is_open());
    let findable: Vec<String> = leading.iter().filter_map(found).collect();
    let would = if findable.is_empty() {
        String::new()
    } else {
        format!("; found would be from {} on", findable.join(", "))
    };
    let [low, high] = check.interval.map(|end| end * 100.0);
    format!(
        "{:.1} % [{low:.1}, {high:.1}] of {} of A with A called a difference (promised: at most \
         {:.0} %){would}",
        check.false_alarms * 100.0,
        comparisons(check.comparisons),
        check.promised * 100.0
    )
}
