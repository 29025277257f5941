//! A table of a page: [`view`]. It is plain text in cells; how it looks is the style's.

use std::borrow::Cow;

use askama::Template;

use super::print;
pub(super) use crate::describe::Cell;
use crate::describe::{Column, Table};

/// A table as it stands on a page.
#[derive(Debug, Template)]
#[template(path = "table.html")]
pub(super) struct View<'a> {
    table: Cow<'a, Table>,
}

/// The table, for a template.
pub(super) fn view(table: &Table) -> View<'_> {
    View { table: Cow::Borrowed(table) }
}

/// A table that was made for the page.
pub(super) fn view_of(table: Table) -> View<'static> {
    View { table: Cow::Owned(table) }
}

impl View<'_> {
    /// Whether every column is of numbers, so that its cells need not say so.
    fn is_of_numbers(&self) -> bool {
        self.table.columns.iter().all(|column| column.numeric)
    }

    /// The attribute of a cell of a column, by its place.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
    fn class(&self, place: &usize) -> &'static str {
        match self.is_numeric(*place) {
            _ if self.is_of_numbers() => "",
            true => " class=\"n\"",
            false => " class=\"t\"",
        }
    }

    fn is_numeric(&self, place: usize) -> bool {
        self.table.columns.get(place).is_some_and(|column| column.numeric)
    }

    /// What a cell of that column shows: numbers in the signs of print.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
    fn shown(&self, place: &usize, text: &str) -> String {
        if self.is_numeric(*place) { print::signs(text) } else { text.to_owned() }
    }
}

/// A column of text.
pub(super) fn text(name: impl Into<String>) -> Column {
    Column::text(name)
}

/// A column of numbers.
pub(super) fn number(name: impl Into<String>) -> Column {
    Column::number(name)
}
