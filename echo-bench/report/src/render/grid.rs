//! A table as a grid of characters, which text and Markdown share: [`Grid`].

use super::wrap::{longest_part, width, wrap};
use crate::describe::{Cell, Table, Tone};

/// What is in a place of a grid.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    pub(super) text: String,
    pub(super) tone: Tone,
    /// Columns before the text.
    pub(super) indent: usize,
}

/// A table in texts that are fit for the format, line by line: what stands below cells is a line
/// of its own.
#[derive(Debug)]
pub(super) struct Grid {
    pub(super) header: Vec<Place>,
    pub(super) lines: Vec<Vec<Place>>,
    /// Which columns are aligned to the right.
    pub(super) numeric: Vec<bool>,
}

impl Grid {
    /// The grid of `table`; `escape` makes what came from elsewhere fit for the format.
    pub(super) fn new(table: &Table, escape: fn(&str) -> String) -> Self {
        let fit = |place: usize, text: &str| {
            let ours = table.columns.get(place).is_some_and(|column| column.numeric);
            if ours { text.to_owned() } else { escape(text) }
        };
        let plain = |text: String| Place { text, ..Place::default() };
        let header = table.columns.iter().map(|column| plain(escape(&column.name))).collect();
        let mut lines = Vec::new();
        for row in table.rows.iter().chain(&table.total) {
            let cell = |(place, cell): (usize, &Cell)| {
                let tone = table.columns.get(place).map_or(cell.tone, |c| cell.tone_in(c));
                Place { text: fit(place, &cell.text), tone, indent: 0 }
            };
            lines.push(row.iter().enumerate().map(cell).collect());
            if row.iter().any(|cell| cell.below.is_some()) {
                let below = |(place, cell): (usize, &Cell)| match &cell.below {
                    None => Place::default(),
                    Some(below) => {
                        let indent = if place == 0 { 2 } else { 0 };
                        let tone = cell.tone_below();
                        Place { text: fit(place, below), tone, indent }
                    }
                };
                lines.push(row.iter().enumerate().map(below).collect());
            }
        }
        Self { header, lines, numeric: table.columns.iter().map(|c| c.numeric).collect() }
    }

    /// What stands in a column, its name first.
    fn column(&self, column: usize) -> impl Iterator<Item = &Place> {
        std::iter::once(&self.header)
            .chain(&self.lines)
            .filter_map(move |line| line.get(column))
    }

    /// The width of a column in which nothing is broken.
    pub(super) fn natural(&self, column: usize) -> usize {
        self.column(column).map(|place| place.indent + width(&place.text)).max().unwrap_or(0)
    }

    /// How many lines the cells of the first `rows` of a column take together at a width.
    pub(super) fn lines_at(&self, column: usize, width: usize, rows: usize) -> usize {
        let places = self.column(column).take(rows + 1);
        let lines = |place: &Place| {
            let is_short = place.indent + crate::render::width(&place.text) <= width;
            if is_short { 1 } else { place.wrapped(width).len() }
        };
        places.map(lines).sum()
    }

    /// The width of a column in which no word and no number is cut; names and words that are
    /// longer than `most` may be.
    pub(super) fn least(&self, column: usize, most: usize) -> usize {
        let numeric = self.numeric.get(column) == Some(&true);
        let part = |(row, place): (usize, &Place)| {
            let part = place.indent + longest_part(&place.text);
            if numeric && row > 0 { part } else { part.min(most) }
        };
        self.column(column).enumerate().map(part).max().unwrap_or(0)
    }
}

impl Place {
    fn wrapped(&self, columns: usize) -> Vec<String> {
        wrap(&self.text, columns - self.indent.min(columns / 2))
    }

    /// Its lines within so many columns, each filled up to them unless it is `last` of its row.
    pub(super) fn lines(&self, columns: usize, numeric: bool) -> Vec<String> {
        let indent = self.indent.min(columns / 2);
        let lines = self.wrapped(columns).into_iter();
        let padded = |line: String| {
            let free = columns.saturating_sub(indent + width(&line));
            let (before, after) = if numeric { (free, 0) } else { (0, free) };
            format!("{:indent$}{:before$}{line}{:after$}", "", "", "")
        };
        lines.map(padded).collect()
    }
}
