//! Which columns of a table are shown side by side, and how wide each is: [`fit`]. Words wrap
//! before a column is left out; where columns that must be shown do not fit side by side, the
//! table goes on below, with its first columns again.

use std::collections::BTreeMap;

use super::grid::Grid;

/// Columns of space between two columns of a table.
pub(super) const GAP: usize = 2;

/// A name that is longer than this may be cut rather than a column left out.
const LONGEST_NAME: usize = 32;

/// Rows by which the widths of columns are chosen.
const DECIDING_ROWS: usize = 40;

/// The part of a table that is shown side by side: columns and their widths.
pub(super) type Part = Vec<(usize, usize)>;

/// How a table is shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fitted {
    pub(super) parts: Vec<Part>,
    /// Columns that are left out.
    pub(super) left_out: Vec<usize>,
}

/// The widths of a column.
#[derive(Debug, Clone, Copy)]
struct Widths {
    column: usize,
    natural: usize,
    least: usize,
}

/// Fits a grid with these importances of its columns into so many columns of a terminal.
pub(super) fn fit(grid: &Grid, importance: &[u8], kept: u8, room: Option<usize>) -> Fitted {
    let all: Vec<Widths> = (0..importance.len())
        .map(|column| {
            let natural = grid.natural(column);
            Widths { column, natural, least: grid.least(column, LONGEST_NAME).min(natural) }
        })
        .collect();
    let natural: Part = all.iter().map(|widths| (widths.column, widths.natural)).collect();
    let whole: usize = natural.iter().map(|(_, width)| width + GAP).sum();
    let Some(room) = room.filter(|room| whole.saturating_sub(GAP) > *room) else {
        return Fitted { parts: vec![natural], left_out: Vec::new() };
    };
    let mut shown = all;
    let mut left_out = Vec::new();
    while needed(&shown) > room {
        let least = |widths: &&Widths| importance[widths.column];
        let Some(column) = shown.iter().min_by_key(least).map(|widths| widths.column) else {
            break;
        };
        if importance[column] >= kept {
            break;
        }
        shown.retain(|widths| widths.column != column);
        left_out.push(column);
    }
    left_out.sort_unstable();
    let keys = keys(&shown, &grid.numeric, room);
    Fitted { parts: parts(grid, &shown, keys, room), left_out }
}

/// The least room that columns need side by side.
fn needed(columns: &[Widths]) -> usize {
    columns.iter().map(|widths| widths.least + GAP).sum::<usize>().saturating_sub(GAP)
}

/// How many of the first columns name a row: those up to the last before the numbers, unless
/// they take more than half of the room.
fn keys(columns: &[Widths], numeric: &[bool], room: usize) -> usize {
    let is_number = |widths: &Widths| numeric.get(widths.column) == Some(&true);
    let first_text = columns.iter().position(|widths| !is_number(widths)).unwrap_or(0);
    let texts = columns[first_text..].iter().take_while(|widths| !is_number(widths)).count();
    let keys = (first_text + texts).min(columns.len());
    if keys == columns.len() || needed(&columns[..keys]) > room / 2 { 1 } else { keys }
}

/// The columns in as many parts as they take.
fn parts(grid: &Grid, columns: &[Widths], keys: usize, room: usize) -> Vec<Part> {
    if needed(columns) <= room || columns.len() <= keys {
        return vec![widths(grid, columns, room)];
    }
    let (keys, rest) = columns.split_at(keys);
    let mut parts = Vec::new();
    let mut part = keys.to_vec();
    for column in rest {
        part.push(*column);
        if needed(&part) > room && part.len() > keys.len() + 1 {
            part.pop();
            parts.push(widths(grid, &part, room));
            part = keys.to_vec();
            part.push(*column);
        }
    }
    parts.push(widths(grid, &part, room));
    parts
}

/// The widths of columns side by side: each has its least, and what room is left goes where it
/// saves the most lines.
fn widths(grid: &Grid, columns: &[Widths], room: usize) -> Part {
    let mut part: Part = columns.iter().map(|widths| (widths.column, widths.least)).collect();
    let mut left = room.saturating_sub(needed(columns));
    // Of long tables the first rows decide.
    let mut known = BTreeMap::new();
    let mut lines = |column: usize, width: usize| {
        let count = || grid.lines_at(column, width, DECIDING_ROWS);
        *known.entry((column, width)).or_insert_with(count)
    };
    while let Some((place, more)) = best(columns, &part, left, &mut lines) {
        part[place].1 += more;
        left -= more;
    }
    // As the last resort words and numbers are cut.
    let mut over = needed(columns).saturating_sub(room);
    while over > 0
        && let Some(widest) = part.iter_mut().max_by_key(|(_, width)| *width)
        && widest.1 > 2
    {
        widest.1 -= 1;
        over -= 1;
    }
    part
}

/// The column that saves the most lines for each column of the terminal that it gets more, and
/// how much it gets.
fn best(
    columns: &[Widths],
    part: &Part,
    left: usize,
    lines: &mut dyn FnMut(usize, usize) -> usize,
) -> Option<(usize, usize)> {
    let mut best = None;
    let mut most = 0.0;
    for (place, (widths, &(column, width))) in columns.iter().zip(part).enumerate() {
        let now = lines(column, width);
        for more in 1..=widths.natural.saturating_sub(width).min(left) {
            let saved = now.saturating_sub(lines(column, width + more));
            let each = saved as f64 / more as f64;
            if each > most {
                (best, most) = (Some((place, more)), each);
            }
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::describe::{Column, Table};

    /// A name, and so many numbers of these importances, each ten columns wide.
    fn fitted(importance: &[u8], room: usize) -> Fitted {
        let mut columns = vec![Column::text("name")];
        columns.extend(importance.iter().map(|_| Column::number("n")));
        let mut table = Table::new("t", "", columns);
        let mut row = vec!["the first".into()];
        row.extend(importance.iter().map(|_| "9999999.99".into()));
        table.rows.push(row);
        let all: Vec<u8> = std::iter::once(Column::KEPT).chain(importance.to_vec()).collect();
        fit(&Grid::new(&table, str::to_owned), &all, Column::KEPT, Some(room))
    }

    fn columns(part: &Part) -> Vec<usize> {
        part.iter().map(|(column, _)| *column).collect()
    }

    #[test]
    fn names_wrap_before_a_column_is_left_out() {
        let Fitted { parts, left_out } = fitted(&[1, 2], 30);
        assert_eq!((parts, left_out), (vec![vec![(0, 5), (1, 10), (2, 10)]], vec![]));
    }

    #[test]
    fn the_least_important_columns_are_left_out_first() {
        let Fitted { parts, left_out } = fitted(&[3, 1, 2, Column::KEPT], 40);
        assert_eq!((columns(&parts[0]), left_out), (vec![0, 1, 4], vec![2, 3]));
    }

    #[test]
    fn a_table_of_which_all_must_be_shown_goes_on_below_with_its_names() {
        let Fitted { parts, left_out } = fitted(&[Column::KEPT; 5], 45);
        let parts: Vec<_> = parts.iter().map(columns).collect();
        assert_eq!((parts, left_out), (vec![vec![0, 1, 2, 3], vec![0, 4, 5]], vec![]));
    }

    #[test]
    fn a_number_that_is_wider_than_the_terminal_is_cut_as_the_last_resort() {
        let Fitted { parts, .. } = fitted(&[Column::KEPT; 2], 12);
        for part in parts {
            assert!(part.iter().map(|(_, width)| width + GAP).sum::<usize>() - GAP <= 12);
        }
    }
}
