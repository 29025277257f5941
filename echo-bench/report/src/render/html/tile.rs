//! A figure that a page opens with: [`view`].

use askama::Template;

use crate::describe::Figure;

/// A figure as it stands on a page.
#[derive(Debug, Template)]
#[template(path = "tile.html")]
pub(super) struct View<'a> {
    figure: &'a Figure,
}

/// The figure, for a template.
pub(super) fn view(figure: &Figure) -> View<'_> {
    View { figure }
}
