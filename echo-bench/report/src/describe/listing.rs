//! What is stored, in a table: [`listing`].

use super::units::{self, TimeUnit};
use super::{Column, Table, or_nothing};
use crate::listing::{Entry, EntryKind};

/// A line for each entry; `named` says what their names are.
pub(crate) fn listing(entries: &[Entry], named: &str) -> Table {
    let columns = vec![
        Column::text("when (UTC)"),
        Column::text("what"),
        Column::number("requests/s"),
        Column::number("p99"),
        Column { importance: 2, ..Column::text("verdict") },
        Column { importance: 1, ..Column::text("label") },
        Column::text(named),
    ];
    let mut table = Table::new("listing", "Stored reports", columns);
    let unit = TimeUnit::of(entries.iter().filter_map(|entry| Some(entry.p99_ns? as f64)));
    for entry in entries {
        table.rows.push(vec![
            or_nothing(entry.started_at.as_deref(), when).into(),
            what(entry).into(),
            or_nothing(entry.achieved_per_s, units::rate).into(),
            or_nothing(entry.p99_ns, |ns| {
                let weak = match (entry.p99_is_lower_bound, entry.p99_weak) {
                    (true, _) => ">= ",
                    (_, true) => "~",
                    _ => "",
                };
                format!("{weak}{}", unit.time(ns as f64))
            })
            .into(),
            or_nothing(entry.verdict, |verdict| verdict.to_string()).into(),
            labels(entry).into(),
            entry.name.clone().into(),
        ]);
    }
    table
}

/// The minute of an instant.
fn when(started_at: &str) -> String {
    started_at.chars().take(16).map(|letter| if letter == 'T' { ' ' } else { letter }).collect()
}

fn what(entry: &Entry) -> String {
    match entry.kind {
        EntryKind::Run => entry.what.clone(),
        EntryKind::Repeats => format!("{} x {}", entry.runs, entry.what),
        EntryKind::Sweep
        | EntryKind::Comparison
        | EntryKind::Capacity
        | EntryKind::SelfCheck
        | EntryKind::Selftest => format!("{}: {}", entry.kind, entry.what),
    }
}

fn labels(entry: &Entry) -> String {
    let labels = entry.labels.iter().map(|(key, value)| format!("{key}={value}"));
    labels.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selftest::{Outcome, fixture};

    #[test]
    fn a_selftest_is_listed_as_what_it_is() {
        let mut selftest = fixture::selftest();
        selftest.checks.truncate(2);
        selftest.checks[0].outcome = Outcome::Passed;
        selftest.checks[1].outcome = Outcome::Failed;
        let entry = Entry::of_selftest("a.json".into(), &selftest);
        assert_eq!(what(&entry), "selftest: 1 of 2 checks passed");
        assert_eq!(EntryKind::SelfCheck.to_string(), "self-check");
    }
}
