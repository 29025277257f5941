//! The page of a self-check: [`SelfCheckPage`], its description without charts.

use askama::Template;

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
    method: Table,
}

impl<'a> SelfCheckPage<'a> {
    pub(super) fn new(check: &'a SelfCheck) -> Self {
        let method = comparison::method(&check.method, &check.schema);
        Self { check, told: describe::self_check(check), method }
    }
}
