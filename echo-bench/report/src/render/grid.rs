//! A table as a grid of characters, which text and Markdown share: [`grid`].

use comfy_table::CellAlignment;

use crate::describe::{Cell, Table};

/// The table without a style; `escape` makes what came from elsewhere fit for a cell. What
/// stands below cells is a row of its own.
pub(super) fn grid(table: &Table, escape: fn(&str) -> String) -> comfy_table::Table {
    let mut grid = comfy_table::Table::new();
    let fit = |place: usize, text: &str| {
        let ours = table.columns.get(place).is_some_and(|column| column.numeric);
        if ours { text.to_owned() } else { escape(text) }
    };
    grid.set_header(table.columns.iter().map(|column| escape(&column.name)));
    for row in table.rows.iter().chain(&table.total) {
        grid.add_row(row.iter().enumerate().map(|(place, cell)| fit(place, &cell.text)));
        if row.iter().any(|cell| cell.below.is_some()) {
            let below = |(place, cell): (usize, &Cell)| match &cell.below {
                None => String::new(),
                Some(below) if place == 0 => format!("  {}", fit(place, below)),
                Some(below) => fit(place, below),
            };
            grid.add_row(row.iter().enumerate().map(below));
        }
    }
    for (place, column) in table.columns.iter().enumerate().filter(|(_, c)| c.numeric) {
        if let Some(shown) = grid.column_mut(place) {
            shown.set_cell_alignment(CellAlignment::Right);
        }
        debug_assert!(!column.name.is_empty(), "numbers of no name");
    }
    grid
}
