//! The page of a selftest: [`SelftestPage`], its description without charts.

use askama::Template;

use super::nav::{Link, Links};
use super::{parts, print, table};
use crate::describe::{self, Body, Description};
use crate::report::embedding;
use crate::selftest::Selftest;

/// Everything that the page of a selftest shows.
#[derive(Debug, Template)]
#[template(path = "selftest.html")]
pub(super) struct SelftestPage<'a> {
    selftest: &'a Selftest,
    told: Description,
    links: Vec<Link>,
}

impl<'a> SelftestPage<'a> {
    pub(super) fn new(selftest: &'a Selftest) -> Self {
        let told = describe::selftest(selftest);
        let mut links = Links::default();
        links.add_sections(&told, |_| true);
        Self { selftest, told, links: links.finish() }
    }
}
