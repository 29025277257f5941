//! Sections of a description as parts of a page.

use askama::Template;

use super::{print, table};
use crate::describe::{Notice, Row, Section, Table};

/// Notices as they stand on a page.
#[derive(Debug, Template)]
#[template(path = "notices.html")]
pub(super) struct Notices<'a> {
    section: &'a Section,
    notices: &'a [Notice],
}

/// Notices, for a template; nothing if there are none.
pub(super) fn notices<'a>(section: &'a Section, notices: &'a [Notice]) -> Notices<'a> {
    Notices { section, notices }
}

impl Notices<'_> {
    /// The name of the section without its number, by which it is styled.
    fn kind(&self) -> &str {
        self.section.id.trim_end_matches(|c: char| c == '-' || c.is_ascii_digit())
    }
}

/// A text that a reader may copy.
#[derive(Debug)]
pub(super) struct Copied {
    /// The name of its element.
    pub(super) id: &'static str,
    /// What it is, in a sentence.
    pub(super) name: &'static str,
    /// The same in a word or two.
    pub(super) noun: &'static str,
    pub(super) text: String,
}

/// Rows as a table of names and values.
pub(super) fn facts(section: &Section, rows: &[Row]) -> table::View<'static> {
    let facts = rows.iter().map(|row| (row.label.to_owned(), print::signs(&row.value)));
    table::view_of(Table::of_facts(section.id.clone(), section.title.clone(), facts))
}
