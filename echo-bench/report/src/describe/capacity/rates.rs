//! The rates that a search measured: as a [table](rates), and each as a [line](step).

use super::{id_of_level, short_rate};
use crate::capacity::judge::deciding;
use crate::capacity::{Level, RateReason, RateReport, RateVerdict};
use crate::describe::{Cell, Column, Note, Table, objective, or_nothing, units};
use crate::report::{Slo, SloOutcome};

/// What stands after a verdict that is not by all of the latency.
const BY_PATH: &str = "*";

/// Every rate of a search.
pub(super) fn rates(place: usize, level: &Level, slos: &[Slo]) -> Table {
    let searched = slos.iter().filter(|slo| !slo.is_floor());
    let names: Vec<String> = searched.map(|slo| slo.unknown().quantile().to_owned()).collect();
    let judged = if let [only] = &names[..] { only } else { "nearest" };
    let mut columns =
        ["rate/s", "achieved", judged, "95 %", "own"].map(Column::number).to_vec();
    columns.extend([Column::number("s"), Column::text("verdict")]);
    let caption = "offered and achieved, the judged value, the generator's own share of it";
    let mut table = Table::new(id_of_level(place), caption, columns);
    let one = names.len() == 1;
    table.rows = level.rates.iter().map(|rate| rate_row(rate, slos, one)).collect();
    if level.rates.iter().any(|rate| rate.without_own_share) {
        let text = "judged without the generator's own share".into();
        table.notes.push(Note { mark: BY_PATH, text });
    }
    table
}

fn rate_row(rate: &RateReport, slos: &[Slo], one: bool) -> Vec<Cell> {
    let judged = deciding(slos, &rate.slos).map(|(_, outcome)| outcome);
    vec![
        short_rate(rate.rate_per_s).into(),
        or_nothing(rate.achieved_per_s, short_rate).into(),
        or_nothing(judged, |judged| measured(judged, one)).into(),
        or_nothing(judged.and_then(interval), |shown| shown).into(),
        or_nothing(rate.own_share, |share| format!("{:.0} %", share * 100.0)).into(),
        units::significant(rate.measured_s).into(),
        verdict_of(rate).into(),
    ]
}

fn measured(outcome: &SloOutcome, one: bool) -> String {
    let value =
        outcome.measured.map(|share| format!("{} %", units::significant(share * 100.0)));
    let value = value.or_else(|| objective::measured(outcome));
    let name = if one { "" } else { &format!("{} ", outcome.quantile()) };
    format!("{name}{}", or_nothing(value, |value| value))
}

fn interval(outcome: &SloOutcome) -> Option<String> {
    let percent = |share: f64| units::significant(share * 100.0);
    match (outcome.ci95, outcome.interval) {
        ([Some(low), Some(high)], _) => Some(units::time_range(low as f64, high as f64)),
        // Measured to its end at one side alone, which is enough for a verdict.
        ([Some(low), None], _) => Some(format!(">= {}", units::time(low as f64))),
        ([None, Some(high)], _) => Some(format!("<= {}", units::time(high as f64))),
        (_, Some([low, high])) => Some(format!("{}..{} %", percent(low), percent(high))),
        _ => None,
    }
}

fn verdict_of(rate: &RateReport) -> String {
    let mark = if rate.without_own_share { BY_PATH } else { "" };
    let verdict = match rate.verdict {
        RateVerdict::Failed => "FAILED".to_owned(),
        // The generator or the link: the reason says which.
        RateVerdict::Generator if rate.reason == Some(RateReason::Link) => "link".to_owned(),
        verdict => verdict.to_string(),
    };
    let reason = match (rate.verdict, rate.reason) {
        (RateVerdict::Failed | RateVerdict::Undecided, Some(RateReason::Backlog)) => {
            ", backlog"
        }
        (RateVerdict::Failed, Some(RateReason::Timeouts)) => ", timeouts",
        // Of an older report.
        (RateVerdict::Failed, None) if rate.backlog.is_some() => ", backlog",
        _ => mark,
    };
    format!("{verdict}{reason}")
}

/// A step in a line, for who watches: `passed, p99 1.62 ms (1.55..1.70 ms), 41.0k/s achieved`.
pub fn step(rate: &RateReport, slos: &[Slo]) -> String {
    let judged = deciding(slos, &rate.slos).map(|(_, outcome)| outcome);
    let value = judged.map_or_else(String::new, |judged| {
        let interval = interval(judged).map_or_else(String::new, |shown| format!(" ({shown})"));
        format!(", {}{interval}", measured(judged, false))
    });
    let achieved = or_nothing(rate.achieved_per_s, short_rate);
    format!("{}{value}, {achieved}/s achieved", verdict_of(rate))
}
