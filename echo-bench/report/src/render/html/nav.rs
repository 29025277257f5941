//! The links from the head of a page to its sections: [`Links`]. Their targets keep their names
//! from page to page, so that a link into one can be sent around.

use crate::describe::{Body, Description, Section};

/// Links at most: a comparison may have any number of cases.
const MOST: usize = 14;

/// A link to a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// The name of its target.
    pub(super) id: String,
    /// What it is called.
    pub(super) title: String,
}

/// The links of a page, in the order of its sections.
#[derive(Debug, Default)]
pub(super) struct Links(Vec<Link>);

impl Links {
    /// Adds a link.
    pub(super) fn add(&mut self, id: impl Into<String>, title: impl Into<String>) {
        self.0.push(Link { id: id.into(), title: title.into() });
    }

    /// Adds a link if there is such a section.
    pub(super) fn add_if(&mut self, is_there: bool, id: &str, title: &str) {
        if is_there {
            self.add(id, title);
        }
    }

    /// Adds that to a section, if there is anything in it.
    pub(super) fn add_section(&mut self, section: &Section) {
        let is_there = match &section.body {
            Body::Figures(figures) => !figures.is_empty(),
            Body::Rows(rows) => !rows.is_empty(),
            Body::Notices(notices) => !notices.is_empty(),
            Body::Table(_) => true,
            Body::Spread(_) => false,
        };
        let id = if section.headed { &title_id(&section.id) } else { &*section.id };
        self.add_if(is_there, id, &section.title);
    }

    /// Adds those to the `wanted` sections.
    pub(super) fn add_sections(
        &mut self,
        told: &Description,
        wanted: impl Fn(&Section) -> bool,
    ) {
        let sections = told.sections.iter().filter(|section| wanted(section));
        sections.for_each(|section| self.add_section(section));
    }

    /// The links: of too many those in the middle are left out.
    pub(super) fn finish(mut self) -> Vec<Link> {
        if self.0.len() > MOST {
            let ends = 3;
            self.0.drain(MOST - ends..self.0.len() - ends);
        }
        self.0
    }
}

/// The name of the title of a section with a title.
pub(super) fn title_id(section: &str) -> String {
    format!("title-{section}")
}

/// Whether it is a table, which pages show after their charts.
pub(super) fn is_table(section: &Section) -> bool {
    matches!(section.body, Body::Table(_))
}
