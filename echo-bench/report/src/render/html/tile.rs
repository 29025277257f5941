//! A figure that a page opens with: [`Tile`].

use askama::Template;

/// One figure of a summary.
#[derive(Debug, Template)]
#[template(path = "tile.html")]
pub(super) struct Tile {
    pub(super) name: String,
    pub(super) value: String,
    /// What the value comes to, in words.
    pub(super) said: Option<&'static str>,
    /// Lines below the value.
    pub(super) notes: Vec<String>,
    /// How the value is to be taken.
    pub(super) mood: Mood,
}

/// How a figure is to be taken. Better and worse are also said in words beside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::Display)]
#[strum(serialize_all = "snake_case")]
pub(super) enum Mood {
    Plain,
    /// Something went wrong.
    Bad,
    /// There is nothing that can be backed.
    Absent,
    /// A change for the better.
    Better,
    /// A change for the worse.
    Worse,
}

impl Tile {
    pub(super) fn new(name: impl Into<String>, value: String, notes: Vec<String>) -> Self {
        Self { name: name.into(), value, said: None, notes, mood: Mood::Plain }
    }
}
