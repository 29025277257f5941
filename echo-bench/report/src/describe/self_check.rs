//! A self-check in words: [`self_check`].

use super::comparison::{comparisons, name_of, threshold};
use super::conclusion::of_self_check;
use super::{
    Body, Cell, Column, Description, NOTHING, Note, Row, Section, Table, Tone, Verdict, load,
    or_nothing, units,
};
use crate::compare::Metric;
use crate::compare::self_check::{MetricCheck, SelfCheck};
use crate::report::nouns::Nouns;

/// Everything that a self-check says.
pub(crate) fn self_check(check: &SelfCheck) -> Description {
    let (title, detail) = load::target(&check.plan);
    let mut phrases = load::phrases(&check.plan);
    phrases.insert(0, format!("{} in turns", units::counted(check.runs as u64, "run")));
    let percent = |share: f64| format!("{:.1} %", share * 100.0);
    let [low, high] = check.interval.map(percent);
    let alarms = format!(
        "{} of {} of this plan with itself (95 %: {low} .. {high}); promised: at most {}",
        percent(check.false_alarms),
        comparisons(check.comparisons),
        percent(check.promised),
    );
    let sides = format!(
        "{} a side; {} of {} that have none in common",
        units::counted(check.runs_per_side as u64, "run"),
        units::counted(check.groups as u64, "group"),
        units::counted(check.runs_per_side as u64 * 2, "run"),
    );
    Description {
        title: format!("A against A: {title}"),
        conclusion: vec![of_self_check(check)],
        detail,
        phrases,
        sections: vec![
            Section::new(
                "alarms",
                "False alarms",
                Body::Rows(vec![Row::new("alarms", alarms), Row::new("sides", sides)]),
            ),
            Section::new("smallest", "Smallest differences", Body::Table(table(check))),
        ],
        verdict: verdict(check),
        reading: format!(
            "the runs of each group are dealt to two sides in several ways and compared as any \
             two sides are ({} resamples, Holm-corrected, {} % of noise), so whatever is called \
             better or worse is a false alarm; the smallest difference is one that would be \
             called in 80 % of such comparisons; it holds \
             for this load on this machine and for as many runs a side",
            units::count(check.method.resamples.into()),
            threshold(&check.method),
        ),
    }
}

fn table(check: &SelfCheck) -> Table {
    let columns = vec![
        Column::text("metric"),
        Column::number("smallest difference found"),
        Column::number("false alarms"),
    ];
    let mut table = Table::new("smallest", "Smallest differences", columns);
    let nouns = Nouns::of(&check.plan);
    for metric in &check.metrics {
        let name = name_of(metric.metric, nouns);
        let row = [name.to_owned(), smallest(metric), alarms(metric)];
        table.rows.push(row.map(Cell::from).into());
        let all = metric.judged == check.comparisons;
        if let Some(reason) = metric.reason.as_ref().filter(|_| !all) {
            let missing = check.comparisons - metric.judged;
            let text = format!(
                "{name} not judged in {missing} of {}: {reason}",
                comparisons(check.comparisons)
            );
            table.notes.push(Note { mark: "", text });
        }
    }
    table
}

fn smallest(check: &MetricCheck) -> String {
    or_nothing(check.findable, |smallest| match check.metric {
        Metric::Errors => format!("{:.3} points", smallest * 100.0),
        // An interval that says nothing finds nothing.
        _ if smallest >= 100.0 => "above 10 000 %".into(),
        _ => format!("{:.1} %", smallest * 100.0),
    })
}

fn alarms(check: &MetricCheck) -> String {
    match check.judged {
        0 => NOTHING.into(),
        judged => format!("{} of {}", check.false_alarms, judged),
    }
}

fn verdict(check: &SelfCheck) -> Verdict {
    let (word, meaning, tone) = if !check.is_judged() {
        ("nothing judged", "raise --runs: single runs are never judged", Tone::Absent)
    } else if !check.is_kept {
        (
            "more false alarms than promised",
            "do not trust verdicts on this machine: other load, or a drift, differs between runs",
            Tone::Bad,
        )
    } else if check.false_alarms > check.promised {
        (
            "no evidence against the promise",
            "more false alarms than promised, which chance may explain; make more --comparisons",
            Tone::Fair,
        )
    } else {
        ("as promised", "no more false alarms than promised", Tone::Better)
    };
    let groups = units::counted(check.groups as u64, "independent comparison");
    Verdict { word: format!("{word}, by {groups}"), meaning, tone }
}
