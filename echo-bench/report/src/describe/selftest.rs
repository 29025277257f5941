//! A selftest in words: [`selftest`].

use super::{
    Body, Cell, Column, Description, NOTHING, Notice, Row, Section, Table, Tone, Verdict,
    or_nothing, units,
};
use crate::selftest::{Check, Expectation, Outcome, Selftest, Unit};

/// Everything that a selftest says.
pub(crate) fn selftest(selftest: &Selftest) -> Description {
    let subject = &selftest.subject;
    let mut phrases =
        vec![format!("{} engine", subject.engine), format!("idle {}", subject.idle)];
    phrases.push(subject.protocol.clone());
    phrases.extend(subject.pool.map(|size| format!("a pool of {size}")));
    phrases.extend(subject.threads.map(|threads| units::counted(threads.into(), "thread")));
    Description {
        title: "selftest: runs whose results are known, on this machine".into(),
        conclusion: vec![conclusion(selftest)],
        detail: None,
        phrases,
        sections: vec![
            Section::new("checks", "Checks", Body::Table(table(selftest))),
            Section::new("findings", "Findings", Body::Notices(notices(selftest))),
            Section::new("machine", "This machine", Body::Rows(rows(selftest))),
        ],
        verdict: verdict(selftest),
        reading: "each number has a closed form and what is accepted of it allows for late \
                  sleeps of this machine, but not for 10 %; a check that fails is measured once \
                  more (2nd try), for the machine may have been busy"
            .into(),
    }
}

fn table(selftest: &Selftest) -> Table {
    let columns = vec![
        Column::text("check"),
        Column::text("what"),
        Column::number("expected"),
        Column::number("accepted"),
        Column::number("measured"),
        Column::text("result"),
    ];
    let mut table = Table::new("checks", "Checks", columns);
    for check in &selftest.checks {
        let result = result(check);
        if check.expectations.is_empty() {
            let cells = [check.name.as_str(), "", NOTHING, NOTHING, NOTHING];
            table.rows.push(row(cells, &result));
        }
        for (place, one) in check.expectations.iter().enumerate() {
            let name = if place == 0 { &*check.name } else { "" };
            let result = match one.holds() {
                false => "FAIL",
                true if place == 0 && check.outcome == Outcome::Passed => &result,
                true => "",
            };
            let [expected, accepted, measured] = numbers(one);
            let cells = [name, &one.name, &expected, &accepted, &measured];
            table.rows.push(row(cells, result));
        }
    }
    table
}

fn row(cells: [&str; 5], result: &str) -> Vec<Cell> {
    let tone = match result {
        failed if failed.starts_with("FAIL") => Tone::Bad,
        passed if passed.starts_with("PASS") => Tone::Better,
        _ => Tone::Plain,
    };
    let result = Cell { tone, ..result.into() };
    cells.into_iter().map(Cell::from).chain([result]).collect()
}

fn result(check: &Check) -> String {
    let word = match check.outcome {
        Outcome::Passed => "PASS",
        Outcome::Failed => "FAIL",
        Outcome::Skipped => "skipped",
    };
    match check.tries {
        0 | 1 => word.into(),
        _ => format!("{word}, 2nd try"),
    }
}

/// Expected, accepted and measured.
fn numbers(one: &Expectation) -> [String; 3] {
    let [low, high] = one.accepted;
    let accepted = match one.unit {
        Unit::Ns => units::time_range(low, high),
        _ if low >= high => String::new(),
        unit => format!("{}..{}", number(low, unit), number(high, unit)),
    };
    let measured = or_nothing(one.measured, |measured| number(measured, one.unit));
    [number(one.expected, one.unit), accepted, measured]
}

fn number(value: f64, unit: Unit) -> String {
    match unit {
        Unit::Ns => units::time(value),
        Unit::PerSecond => format!("{}/s", units::significant(value)),
        Unit::Count => units::count(value.max(0.0) as u64),
        Unit::Number => units::significant(value),
        Unit::Share => format!("{:.1} %", value * 100.0),
        Unit::YesNo if value > 0.0 => "yes".into(),
        Unit::YesNo => "no".into(),
    }
}

fn notices(selftest: &Selftest) -> Vec<Notice> {
    let of = |wanted: Outcome, label, tone| {
        let found = selftest.checks.iter().filter(move |check| check.outcome == wanted);
        found.map(move |check| Notice {
            label,
            name: check.name.clone(),
            text: check.reason.clone().unwrap_or_else(|| check.about.clone()),
            more: None,
            tone,
        })
    };
    let failed = of(Outcome::Failed, "FAIL", Tone::Bad);
    failed.chain(of(Outcome::Skipped, "skipped", Tone::Absent)).collect()
}

/// The metrics of which the smallest difference is shown; the document has it of all.
const FOUND: [&str; 3] = ["throughput", "p50", "p99"];

fn rows(selftest: &Selftest) -> Vec<Row> {
    let mut rows = Vec::new();
    if let Some(floor) = &selftest.noise_floor {
        let (p50, p99) = (units::time(floor.p50_ns as f64), units::time(floor.p99_ns as f64));
        let what = "1 connection, a reflector on the loopback";
        rows.push(Row::new("floor", format!("p50 {p50}, p99 {p99} ({what})")));
    }
    if let Some(itself) = &selftest.against_itself {
        let percent = |share: f64| format!("{:.1} %", share * 100.0);
        let [low, high] = itself.interval.map(percent);
        let alarms = format!(
            "{} false alarms in {} (95 %: {low}..{high}; promised {})",
            percent(itself.false_alarms),
            units::counted(itself.comparisons as u64, "comparison"),
            percent(itself.promised),
        );
        rows.push(Row::new("A/A", alarms));
        let smallest = itself.smallest.iter();
        let smallest: Vec<String> = smallest
            .filter(|(metric, _)| FOUND.contains(&metric.as_str()))
            .map(|(metric, share)| format!("{metric} {}", percent(*share)))
            .collect();
        if !smallest.is_empty() {
            let runs = units::counted(itself.runs_per_side as u64, "run");
            let found = format!("{} ({runs} a side)", smallest.join(", "));
            rows.push(Row::new("found from", found));
        }
    }
    rows
}

/// The answer: whether this machine measures right, and what it can't see below.
fn conclusion(selftest: &Selftest) -> String {
    let count = |outcome| selftest.count(outcome);
    let (passed, failed) = (count(Outcome::Passed), count(Outcome::Failed));
    let made = units::counted((passed + failed) as u64, "check");
    let answer = if selftest.is_passed() {
        format!("the generator measures right on this machine: {made} passed")
    } else {
        format!("{failed} of {made} failed")
    };
    let floor = selftest.noise_floor.as_ref().map_or(String::new(), |floor| {
        format!("; noise floor p50 {}", units::time(floor.p50_ns as f64))
    });
    format!("{answer}{floor}")
}

fn verdict(selftest: &Selftest) -> Verdict {
    let count = |outcome| selftest.count(outcome);
    let (passed, failed) = (count(Outcome::Passed), count(Outcome::Failed));
    let (meaning, tone) = if failed > 0 {
        ("do not trust numbers of this machine before that is explained", Tone::Bad)
    } else if passed == 0 {
        ("nothing was checked", Tone::Absent)
    } else {
        ("the generator measures right here", Tone::Better)
    };
    let skipped = match count(Outcome::Skipped) {
        0 => String::new(),
        skipped => format!(", {skipped} skipped"),
    };
    let word = if selftest.is_passed() { "PASS" } else { "FAIL" };
    let word = format!("{word}, {passed} passed, {failed} failed{skipped}");
    Verdict { word, meaning, tone }
}

#[cfg(test)]
mod tests {
    use crate::render;
    use crate::selftest::fixture;

    #[test]
    fn a_selftest_in_words() {
        insta::assert_snapshot!(render::text::selftest(&fixture::selftest()));
        let markdown = render::markdown::selftest(&fixture::selftest());
        assert!(markdown.contains("FAIL, 1 passed, 1 failed, 1 skipped"), "{markdown}");
    }
}
