//! Rows of text under column names: [`Table`]. How it looks is the layout's.

use std::borrow::Cow;

use super::{NOTHING, Tone};

/// What begins a line that says how many values an interval needs.
pub(crate) const NEEDS: &str = "needs";

/// A table.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Table {
    /// Unique in a document.
    pub(crate) id: Cow<'static, str>,
    /// What it shows, where there is room to say it.
    pub(crate) caption: String,
    /// Its columns.
    pub(crate) columns: Vec<Column>,
    /// Its rows, each a cell for every column.
    pub(crate) rows: Vec<Vec<Cell>>,
    /// The last row, set apart: a sum.
    pub(crate) total: Option<Vec<Cell>>,
    /// What its marks mean.
    pub(crate) notes: Vec<Note>,
}

/// A column: its name, and whether it holds numbers of ours, which are aligned to the right;
/// text may be anybody's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Column {
    /// Its name.
    pub(crate) name: String,
    /// Whether it holds numbers.
    pub(crate) numeric: bool,
    /// Where there is no room for all, columns of the least importance are left out first, and
    /// those that are [`KEPT`](Self::KEPT) never.
    pub(crate) importance: u8,
}

/// A cell: its text, and a quieter line below it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cell {
    /// The text.
    pub(crate) text: String,
    /// The line below.
    pub(crate) below: Option<String>,
    /// How the text is to be taken.
    pub(crate) tone: Tone,
}

/// A line below a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    /// The mark that it explains; empty without one.
    pub(crate) mark: &'static str,
    /// What it says.
    pub(crate) text: String,
}

impl Table {
    /// A table without rows.
    pub(crate) fn new(
        id: impl Into<Cow<'static, str>>,
        caption: impl Into<String>,
        columns: Vec<Column>,
    ) -> Self {
        let (id, caption) = (id.into(), caption.into());
        Self { id, caption, columns, rows: Vec::new(), total: None, notes: Vec::new() }
    }

    /// A table of names and values, without a header.
    pub(crate) fn of_facts(
        id: impl Into<Cow<'static, str>>,
        caption: impl Into<String>,
        facts: impl IntoIterator<Item = (String, String)>,
    ) -> Self {
        let mut table = Self::new(id, caption, vec![Column::text(""), Column::text("")]);
        let row = |(name, value): (String, String)| vec![name.into(), value.into()];
        table.rows = facts.into_iter().map(row).collect();
        table
    }

    /// Whether any column has a name.
    pub(crate) fn has_header(&self) -> bool {
        self.columns.iter().any(|column| !column.name.is_empty())
    }
}

impl Column {
    /// Of a column that is never left out.
    pub(crate) const KEPT: u8 = u8::MAX;

    /// A column of text.
    pub(crate) fn text(name: impl Into<String>) -> Self {
        Self { name: name.into(), numeric: false, importance: Self::KEPT }
    }

    /// A column of numbers.
    pub(crate) fn number(name: impl Into<String>) -> Self {
        Self { numeric: true, ..Self::text(name) }
    }
}

impl Cell {
    /// How the line below is to be taken: what is missing for an interval is none.
    pub(crate) fn tone_below(&self) -> Tone {
        let missing = self.below.as_ref().is_some_and(|below| below.starts_with(NEEDS));
        if missing { Tone::Absent } else { Tone::Plain }
    }

    /// How the text is to be taken in a column: numbers that are weak or absent say so by their
    /// signs.
    pub(crate) fn tone_in(&self, column: &Column) -> Tone {
        let weak = self.text.starts_with('~') || self.text == NOTHING;
        let is_said = self.tone != Tone::Plain || !column.numeric || !weak;
        if is_said { self.tone } else { Tone::Absent }
    }

    /// A cell with a line below its text.
    pub(crate) fn with_below(text: impl Into<String>, below: impl Into<String>) -> Self {
        Self { below: Some(below.into()), ..text.into().into() }
    }
}

impl<T: Into<String>> From<T> for Cell {
    fn from(text: T) -> Self {
        Self { text: text.into(), ..Self::default() }
    }
}
