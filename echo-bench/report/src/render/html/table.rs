//! A table of a page: [`Table`]. It is plain text in cells; how it looks is the style's.

use std::borrow::Cow;

use askama::Template;

/// Rows of text under column names.
#[derive(Debug, Clone, Template)]
#[template(path = "table.html")]
pub(super) struct Table {
    /// Unique on the page.
    pub(super) id: Cow<'static, str>,
    pub(super) caption: String,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Vec<Cell>>,
    /// The last row, set apart: a sum.
    pub(super) total: Option<Vec<Cell>>,
}

/// A column: its name, and whether it holds numbers, which are aligned to the right.
#[derive(Debug, Clone)]
pub(super) struct Column {
    name: String,
    numeric: bool,
}

/// A cell: its text, and a quieter line below it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cell {
    text: String,
    below: Option<String>,
}

impl Table {
    pub(super) fn new(
        id: impl Into<Cow<'static, str>>,
        caption: impl Into<String>,
        columns: Vec<Column>,
    ) -> Self {
        let (id, caption) = (id.into(), caption.into());
        Self { id, caption, columns, rows: Vec::new(), total: None }
    }

    /// A table of names and values, without a header.
    pub(super) fn of_facts(
        id: &'static str,
        caption: impl Into<String>,
        facts: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let mut table = Self::new(id, caption, vec![text(""), text("")]);
        table.rows = facts
            .into_iter()
            .map(|(name, value)| vec![Cell::from(name), Cell::from(value)])
            .collect();
        table
    }

    fn has_header(&self) -> bool {
        self.columns.iter().any(|column| !column.name.is_empty())
    }

    /// A column's class by its place.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "templates pass references")]
    fn class(&self, place: &usize) -> &'static str {
        if self.columns.get(*place).is_some_and(|column| column.numeric) { "n" } else { "t" }
    }
}

/// A column of text.
pub(super) fn text(name: impl Into<String>) -> Column {
    Column { name: name.into(), numeric: false }
}

/// A column of numbers.
pub(super) fn number(name: impl Into<String>) -> Column {
    Column { name: name.into(), numeric: true }
}

impl Cell {
    pub(super) fn with_below(text: impl Into<String>, below: impl Into<String>) -> Self {
        Self { text: text.into(), below: Some(below.into()) }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), below: None }
    }
}
