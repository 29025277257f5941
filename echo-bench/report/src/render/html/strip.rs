//! How evenly connections were served, drawn: [`Strip`], a bar for each connection or for each
//! percent of them, in rising order. It needs no script.

use std::fmt::Write;

use askama::Template;

use super::print;
use crate::describe::{Cell, Column, Table, units};
use crate::report::Fairness;
use crate::report::nouns::Nouns;

/// Height of the drawing, in which the greatest number has all of it.
const HEIGHT: f64 = 100.0;

/// Part of the width that a bar has for itself which it fills.
const FILLED: f64 = 0.86;

/// The strip of a run.
#[derive(Debug, Template)]
#[template(path = "strip.html")]
pub(super) struct Strip {
    /// Width of the drawing: one for each bar.
    bars: usize,
    /// The outline of the bars.
    path: String,
    /// Where a tenth of the median lies, from above.
    tenth: f64,
    /// The least, the median and the greatest number.
    ends: [String; 3],
    hint: String,
    nouns: Nouns,
}

impl Strip {
    /// The strip of a run; `None` of fewer than two connections, or where nothing was answered.
    pub(super) fn new(fairness: &Fairness, nouns: Nouns) -> Option<Self> {
        if fairness.connections < 2 || fairness.max == 0 || fairness.spread.is_empty() {
            return None;
        }
        let most = fairness.max as f64;
        let from_above = |count: f64| (HEIGHT - HEIGHT * (count / most).min(1.0)).max(0.0);
        let mut path = String::new();
        for (place, &count) in fairness.spread.iter().enumerate() {
            let top = from_above(count as f64);
            if top < HEIGHT {
                // Writing to a string can't fail, so the result is dropped.
                let _ = write!(path, "M{place} {HEIGHT}V{top:.1}h{FILLED}V{HEIGHT}z");
            }
        }
        let one = if fairness.spread.len() as u64 == fairness.connections {
            format!("each a {}", nouns.party.one)
        } else {
            let all = units::count(fairness.connections);
            format!("each a percent of the {all} {}", nouns.party.many)
        };
        let few = match fairness.below_tenth {
            0 => String::new(),
            few => format!(
                "; {} {} got less than a tenth of the median, the dashed line",
                units::count(few),
                nouns.party.of(few)
            ),
        };
        let ends = [fairness.min, fairness.median, fairness.max].map(units::count);
        Some(Self {
            bars: fairness.spread.len(),
            path,
            tenth: from_above(fairness.median as f64 / 10.0),
            ends: ends.map(|count| print::signs(&count)),
            hint: print::signs(&format!(
                "Bars are {one}, in rising order. Jain’s index {:.3}{few}.",
                fairness.jain
            )),
            nouns,
        })
    }
}

/// What is drawn, in numbers.
pub(super) fn table(fairness: &Fairness, nouns: Nouns) -> Table {
    let spread = &fairness.spread;
    let whole = spread.len() as u64 == fairness.connections;
    let of = if whole { nouns.party.one } else { "percentile" };
    let columns = vec![Column::number(of), Column::number(nouns.answer.many)];
    let caption = format!("Served, by {of}");
    let mut table = Table::new("served", caption, columns);
    let first = usize::from(whole);
    table.rows = spread
        .iter()
        .enumerate()
        .map(|(place, &count)| vec![(place + first).to_string().into(), cell(count)])
        .collect();
    table
}

fn cell(count: u64) -> Cell {
    units::count(count).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fairness(spread: &[u64], connections: u64) -> Fairness {
        Fairness {
            connections,
            starved: 0,
            below_tenth: 1,
            min: spread[0],
            median: spread[spread.len() / 2],
            max: spread[spread.len() - 1],
            jain: 0.5,
            mean_latency_ns: None,
            spread: spread.to_vec(),
        }
    }

    #[test]
    fn bars_are_as_high_as_their_share_of_the_greatest_and_starved_ones_have_none() {
        let strip = Strip::new(&fairness(&[0, 500, 1000], 3), Nouns::default()).unwrap();
        assert_eq!(strip.path, "M1 100V50.0h0.86V100zM2 100V0.0h0.86V100z");
        assert!((strip.tenth - 95.0).abs() < 1e-9, "{}", strip.tenth);
        let page = strip.render().unwrap();
        for said in
            ["each a connection", "1 connection got less", "fewest 0", "most 1\u{202f}000"]
        {
            assert!(page.contains(said), "{said} in {page}");
        }
    }

    #[test]
    fn of_many_connections_bars_are_percents_and_nothing_is_drawn_of_nothing() {
        let spread: Vec<u64> = (0..101).collect();
        let strip = Strip::new(&fairness(&spread, 5000), Nouns::default()).unwrap();
        assert!(
            strip.hint.contains("each a percent of the 5\u{202f}000 connections"),
            "{}",
            strip.hint
        );
        assert_eq!(
            Strip::new(&fairness(&[7], 1), Nouns::default()).map(|strip| strip.bars),
            None
        );
        assert!(Strip::new(&fairness(&[0, 0], 2), Nouns::default()).is_none());
    }

    #[test]
    fn the_table_has_what_is_drawn() {
        let table = table(&fairness(&[3, 20, 1000], 3), Nouns::default());
        let rows = table.rows.iter().map(|row| row.iter().map(|cell| cell.text.as_str()));
        let rows: Vec<Vec<&str>> = rows.map(Iterator::collect).collect();
        assert_eq!(rows, [["1", "3"], ["2", "20"], ["3", "1 000"]]);
    }
}
