//! Percentile curves in numbers: [`table`].

use std::borrow::Cow;

use super::curve::{Curve, Curves};
use super::table::{Cell, number};
use crate::describe::units::TimeUnit;
use crate::describe::{Table, or_nothing};

/// Every value that is drawn.
pub(super) fn table(id: impl Into<Cow<'static, str>>, curves: &Curves) -> Table {
    let mut columns = vec![number("percentile")];
    columns.extend(curves.clocks.iter().map(|clock| number(clock.name.as_str())));
    columns.extend(curves.corrected.iter().map(|_| number("without own share")));
    let mut table = Table::new(id, "Percentile curves", columns);
    let unit_of =
        |values: &[Option<u64>]| TimeUnit::of(values.iter().flatten().map(|&ns| ns as f64));
    let of_clocks: Vec<_> = curves.clocks.iter().map(|clock| unit_of(&clock.ns)).collect();
    let of_corrected = curves
        .corrected
        .as_ref()
        .map(|corrected| TimeUnit::of(corrected.iter().flatten().map(|&ns| ns as f64)));
    for (place, &quantile) in curves.quantiles.iter().enumerate() {
        let mut row = vec![Cell::from(percent(quantile))];
        let clocks = curves.clocks.iter().zip(&of_clocks);
        row.extend(clocks.map(|(clock, &unit)| curve_cell(clock, place, unit)));
        row.extend(curves.corrected.iter().zip(of_corrected).map(|(corrected, unit)| {
            Cell::from(or_nothing(corrected[place], |ns| unit.time(ns as f64)))
        }));
        table.rows.push(row);
    }
    table
}

fn curve_cell(clock: &Curve, place: usize, unit: TimeUnit) -> Cell {
    let shown = |ns: u64| {
        let bound = clock.least_censored_ns.is_some_and(|least| ns >= least);
        format!("{}{}", if bound { ">= " } else { "" }, unit.time(ns as f64))
    };
    or_nothing(clock.ns[place], shown).into()
}

/// A quantile in percent, with as many digits as its nines need.
fn percent(quantile: f64) -> String {
    let nines = -(1.0 - quantile).log10();
    let digits = if nines <= 1.0 { 1 } else { nines.ceil() as usize };
    let shown = format!("{:.digits$}", quantile * 100.0);
    shown.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::percent;

    #[test]
    fn percentiles_have_as_many_digits_as_nines() {
        for (quantile, shown) in [
            (0.0, "0"),
            (0.5, "50"),
            (0.9, "90"),
            (0.95, "95"),
            (0.99, "99"),
            (0.999, "99.9"),
            (0.99937, "99.937"),
            (0.9999, "99.99"),
            (0.999_999_5, "99.99995"),
        ] {
            assert_eq!(percent(quantile), shown);
        }
    }
}
