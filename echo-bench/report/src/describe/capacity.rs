//! A capacity in words: the answer first, then what limits it, then every rate that was measured.

use std::time::Duration;

use echo_net::settings::TimeSpan;

use super::{
    Body, Cell, Column, Description, NOTHING, Notice, Row, Section, Table, Tone, Verdict,
    objective, or_nothing, units,
};
use crate::capacity::{
    Answer, Approach, Capacity, Ended, Level, LevelComparison, LimitKind, RateReason,
    RateVerdict,
};
use crate::report::Slo;

mod limit;
mod rates;

use limit::{limited, short_limit};
use rates::rates;
pub use rates::step;

/// Everything that a capacity says.
pub(crate) fn capacity(capacity: &Capacity) -> Description {
    let mut sections = vec![
        Section::new("plan", "Plan", Body::Rows(plan(capacity))),
        Section::new("notes", "Notes", Body::Notices(notices(capacity))),
    ];
    if capacity.levels.len() > 1 {
        let table = Body::Table(levels(capacity));
        sections.push(Section::headed("levels", "Capacity", table));
    }
    for (place, level) in capacity.levels.iter().enumerate() {
        let title = if level.name.is_empty() { "Rates" } else { &level.name };
        let table = Body::Table(rates(place, level, &capacity.plan.slos));
        sections.push(Section::headed(id_of_level(place), title, table));
    }
    Description {
        conclusion: vec![headlines(capacity).join("; ")],
        title: "capacity".into(),
        detail: None,
        phrases: Vec::new(),
        sections,
        verdict: verdict(capacity),
        reading: reading(capacity),
    }
}

/// The name of the section of a search, by its place.
pub(crate) fn id_of_level(place: usize) -> String {
    format!("level-{place}")
}

/// The answer, line by line: the capacity and what limits it, or how those of the levels compare.
fn headlines(capacity: &Capacity) -> Vec<String> {
    let with = format!(" with {}", objectives(&capacity.plan.slos));
    if let [only] = &capacity.levels[..] {
        let mut lines = vec![carried(&only.answer, &with)];
        let several = capacity.plan.slos.iter().filter(|slo| !slo.is_floor()).count() > 1;
        let decides = only.answer.decided_by.as_deref().filter(|_| several);
        lines.extend(decides.map(|slo| format!("{} decides", spaced(slo))));
        // Without a rate that failed it is why there is none, which is said before.
        let limit = only.answer.limit.filter(|_| only.answer.high_per_s.is_some());
        lines.extend(limit.map(|limit| limited(&limit)));
        return lines;
    }
    let lines = capacity.comparisons.iter().map(|found| compared(capacity, found));
    let mut lines: Vec<String> = lines.collect();
    if let Some(first) = lines.first_mut() {
        first.push_str(&with);
    }
    lines
}

/// How much a level carries.
fn carried(answer: &Answer, with: &str) -> String {
    let rate = |per_s: f64| format!("{} requests/s", short_rate(per_s));
    let ended = answer.ended;
    match (answer.low_per_s, answer.high_per_s) {
        (Some(low), Some(high)) => {
            let estimate = answer.rate_per_s.unwrap_or((low * high).sqrt());
            let [shown, low, high] = [estimate, low, high].map(short_rate);
            format!("{}{}{with}", rate(estimate), units::interval(&shown, &low, &high))
        }
        (Some(low), None) => {
            let why = match ended {
                Ended::AtMaxRate => "the highest rate that was tried",
                Ended::Generator if is_of_link(answer) => {
                    "the emulated link did not keep up above that"
                }
                Ended::Generator => "the generator is the limit",
                _ => "no rate failed until the search ended",
            };
            format!("at least {}{with}: {why}", rate(low))
        }
        (None, Some(high)) => {
            let why = match ended {
                Ended::AtMinRate => "missed already at the lowest rate",
                _ => "no rate passed until the search ended",
            };
            format!("less than {}{with}: {why}", rate(high))
        }
        (None, None) => format!("no answer{with}: {}", unanswered(answer)),
    }
}

/// Whether it was the emulated link that kept the search from going on.
fn is_of_link(answer: &Answer) -> bool {
    answer.limit.is_some_and(|limit| limit.kind == LimitKind::Forwarder)
}

fn unanswered(answer: &Answer) -> &'static str {
    match answer.ended {
        Ended::Generator if is_of_link(answer) => {
            "the emulated link did not keep up at any rate"
        }
        Ended::Generator => "the generator is the limit at every rate",
        Ended::Broken => "the runs gave no report",
        Ended::Interrupted => "interrupted before a rate was judged",
        _ => "no rate could be judged within the budget",
    }
}

/// Two levels: `epoll carries 1.40 x [1.30, 1.50] of threads`.
fn compared(capacity: &Capacity, comparison: &LevelComparison) -> String {
    let name = |place: usize| match capacity.levels.get(place) {
        Some(level) => level.levels.join(" / "),
        None => NOTHING.into(),
    };
    let (base, level) = (name(comparison.base), name(comparison.level));
    let by = |ratio: f64| format!("{ratio:.2}");
    match (comparison.interval, comparison.ratio) {
        ([Some(low), Some(high)], _) if low <= 1.0 && 1.0 <= high => {
            format!("{level} and {base}: no difference found [{}, {}]", by(low), by(high))
        }
        ([Some(low), Some(high)], Some(ratio)) => {
            format!("{level} carries {} x [{}, {}] of {base}", by(ratio), by(low), by(high))
        }
        ([Some(low), None], _) if low > 1.0 => {
            format!("{level} carries at least {} x of {base}", by(low))
        }
        ([None, Some(high)], _) if high < 1.0 => {
            format!("{level} carries at most {} x of {base}", by(high))
        }
        _ => format!("{level} and {base}: not compared, an end of an interval is open"),
    }
}

/// `p99 < 2 ms and errors < 0.1 %`.
fn objectives(slos: &[Slo]) -> String {
    let searched = slos.iter().filter(|slo| !slo.is_floor());
    let spaced: Vec<String> = searched.map(|slo| spaced(&slo.to_string())).collect();
    spaced.join(" and ")
}

/// An objective with its signs and its unit apart.
pub(crate) fn spaced(slo: &str) -> String {
    let Some(place) = slo.find(['<', '>']) else { return slo.to_owned() };
    let (name, limit) = (&slo[..place], &slo[place + 1..]);
    let unit = limit.find(|c: char| c.is_alphabetic() || c == '%').unwrap_or(limit.len());
    let (number, unit) = limit.split_at(unit);
    let gap = if unit.is_empty() || slo.starts_with("rps") { "" } else { " " };
    format!("{name} {} {number}{gap}{unit}", &slo[place..=place])
}

/// A rate in three digits, like `41.3k`.
pub(crate) fn short_rate(per_s: f64) -> String {
    let scaled = [(1e9, "G"), (1e6, "M"), (1e3, "k")];
    match scaled.into_iter().find(|(factor, _)| per_s >= factor * 0.9995) {
        Some((factor, unit)) => format!("{}{unit}", units::significant(per_s / factor)),
        None => units::significant(per_s),
    }
}

fn plan(capacity: &Capacity) -> Vec<Row> {
    let plan = &capacity.plan;
    let seconds = |s: f64| TimeSpan(Duration::try_from_secs_f64(s).unwrap_or_default());
    let mut rows: Vec<Row> = plan
        .axes
        .iter()
        .map(|axis| {
            let levels: Vec<&str> = axis.levels.iter().map(|level| &*level.name).collect();
            Row::new("axis", format!("{}: {}", axis.name, levels.join(" | ")))
        })
        .collect();
    let fixed: Vec<String> = plan.fixed.iter().map(ToString::to_string).collect();
    if !fixed.is_empty() {
        rows.push(Row::new("fixed", fixed.join(", ")));
    }
    rows.push(Row::new(
        "search",
        format!(
            "{} to {}/s, to within {} %, budget {}{}, steps of {}",
            short_rate(plan.min_rate_per_s),
            short_rate(plan.max_rate_per_s),
            units::significant(plan.precision * 100.0),
            seconds(plan.budget_s),
            if capacity.levels.len() > 1 { " each" } else { "" },
            seconds(plan.window_s),
        ),
    ));
    for level in &capacity.levels {
        let runs = units::counted(level.runs.len() as u64, "run");
        let probe = or_nothing(level.closed_loop_per_s, |rate| {
            format!("closed loop {}/s", short_rate(rate))
        });
        let name = if level.name.is_empty() { "" } else { &format!("{}: ", level.name) };
        let spent = seconds(level.spent_s.round());
        rows.push(Row::new("runs", format!("{name}{runs} in {spent}, {probe}")));
        rows.extend(
            level
                .floors
                .iter()
                .map(|floor| Row::new("floor", format!("{name}{}", objective::outcome(floor)))),
        );
    }
    rows
}

fn notices(capacity: &Capacity) -> Vec<Notice> {
    let mut notices = Vec::new();
    for level in &capacity.levels {
        let mut add = |name: &str, text: String, more: Option<String>| {
            let of = if level.name.is_empty() { "" } else { &format!("{}: ", level.name) };
            let text = format!("{of}{text}");
            let (label, tone) = ("warning", Tone::Fair);
            notices.push(Notice { label, name: name.into(), text, more, tone });
        };
        let at = |verdict| level.rates.iter().filter(move |rate| rate.verdict == verdict);
        let differing: Vec<String> =
            at(RateVerdict::Differs).map(|rate| short_rate(rate.rate_per_s)).collect();
        if !differing.is_empty() {
            let text = format!(
                "{}/s differ by the side from which they are approached: {}",
                differing.join(", "),
                sides(level)
            );
            add("hysteresis", text, Some("both lie inside the interval".into()));
        }
        let low = level.answer.low_per_s.unwrap_or(0.0);
        let below = at(RateVerdict::Failed).rfind(|rate| rate.rate_per_s < low);
        if let Some(rate) = below {
            let [failed, passed] = [rate.rate_per_s, low].map(short_rate);
            let text = format!("{failed}/s failed although {passed}/s passed");
            let more = "latency is worse at lower rates where CPUs fall asleep between requests; \
                        compare with --idle spin and --server-busy-poll";
            add("worse-below", text, Some(more.into()));
        }
        if let Some(rate) = at(RateVerdict::Generator).next() {
            let from = short_rate(rate.rate_per_s);
            let (name, what) = match rate.reason {
                Some(RateReason::Link) => ("link-limited", "emulated link does not keep up"),
                _ => ("generator-limited", "generator is the limit"),
            };
            add(name, format!("from {from}/s on the {what}"), rate.remedy.clone());
        }
        if level.answer.ended == Ended::Undecided {
            let text = "the rates inside the interval stayed undecided".into();
            let mut undecided = at(RateVerdict::Undecided);
            let more = if undecided.all(|rate| rate.reason == Some(RateReason::Backlog)) {
                "their objectives are met, and whether a backlog grows can't be told; a longer -d \
                 may tell"
            } else {
                "their interval contains the limit however long they are measured; a quieter \
                 machine or a longer -d may narrow it"
            };
            add("undecided", text, Some(more.into()));
        }
        if level.answer.ended == Ended::Budget && level.answer.high_per_s.is_some() {
            let text = "the budget ended before the interval was narrow enough".into();
            add("budget", text, Some("raise --budget, or -d for longer steps".into()));
        }
        for reason in &level.failures {
            let text = reason.lines().next().unwrap_or_default().to_owned();
            add("failed-run", text, None);
        }
    }
    notices
}

/// From which side rates pass that differ.
fn sides(level: &Level) -> String {
    let differing = level.rates.iter().find(|rate| rate.verdict == RateVerdict::Differs);
    let rate = differing.map_or(0.0, |rate| rate.rate_per_s);
    let passed = level.runs.iter().rfind(|run| {
        run.rate_per_s.total_cmp(&rate).is_eq() && run.verdict == RateVerdict::Passed
    });
    match passed.map(|run| run.approach) {
        Some(Approach::Above) => "passed after a rate that failed, failed otherwise".into(),
        _ => "passed after lower rates, failed after a rate that failed".into(),
    }
}

fn levels(capacity: &Capacity) -> Table {
    let mut columns: Vec<Column> =
        capacity.plan.axes.iter().map(|axis| Column::text(axis.name.as_str())).collect();
    columns.push(Column::text("carries"));
    columns.push(Column::text("limited by"));
    let with = objectives(&capacity.plan.slos);
    let mut table = Table::new("levels", format!("with {with}"), columns);
    let row = |level: &Level| {
        let mut row: Vec<Cell> = level.levels.iter().map(|name| name.as_str().into()).collect();
        row.push(carried(&level.answer, "").into());
        row.push(or_nothing(level.answer.limit, |limit| short_limit(&limit)).into());
        row
    };
    table.rows = capacity.levels.iter().map(row).collect();
    table
}

fn verdict(capacity: &Capacity) -> Verdict {
    let (word, meaning, tone) = if capacity.interrupted {
        ("interrupted", "the interval is what was known until then", Tone::Fair)
    } else if capacity.has_missed() {
        ("floor missed", "the server carries less than was asked for", Tone::Bad)
    } else if capacity.is_answered() {
        ("answered", "", Tone::Better)
    } else {
        ("not answered", "the search ended without both ends of an interval", Tone::Fair)
    };
    Verdict { word: word.into(), meaning, tone }
}

fn reading(capacity: &Capacity) -> String {
    let mut told = String::from(
        "the interval goes from the highest rate that passed to the lowest that failed; a rate \
         passes or fails only if the 95 % interval of every objective, or of one, excludes its \
         limit; else it is undecided and lies inside; a rate fails, too, if a backlog grows, or \
         would if its requests did not time out; both ends were measured again after a rate on \
         the other side of the limit, where the budget allowed it; latency counts from the due \
         instant; own is the generator's own share of the judged percentile, which never \
         counts against the server",
    );
    if capacity.levels.len() > 1 {
        told.push_str(
            "; ratios are from the ends of both intervals; each level was searched once: \
             run-to-run variance unknown",
        );
    }
    told
}

#[cfg(test)]
mod tests;
