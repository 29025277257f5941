//! The page of a self-check: [`SelfCheckPage`], its description without charts.

use askama::Template;

use super::nav::{Link, Links};
use super::{comparison, parts, print, table};
use crate::compare::self_check::SelfCheck;
use crate::describe::{self, Body, Description, Table};
use crate::report::embedding;

/// Everything that the page of a self-check shows.
#[derive(Debug, Template)]
#[template(path = "self_check.html")]
pub(super) struct SelfCheckPage<'a> {
    check: &'a SelfCheck,
    told: Description,
    links: Vec<Link>,
    method: Table,
}

impl<'a> SelfCheckPage<'a> {
    pub(super) fn new(check: &'a SelfCheck) -> Self {
        let method = comparison::method(&check.method, &check.schema);
        let told = describe::self_check(check);
        let mut links = Links::default();
        links.add_sections(&told, |_| true);
        links.add("method", "Method");
        Self { check, told, links: links.finish(), method }
    }
}
