//! What a document says to people: `Description`, made of phrases, labelled rows, tables and
//! notices, each said once. Text, Markdown and pages only lay a description out, so they can't
//! disagree.
//!
//! Numbers and signs are those of a terminal (`>=`, `->`); a layout may replace them by
//! those of print, and escapes what came from elsewhere. Nothing here knows a format.

use std::borrow::Cow;

use crate::report::Conclusion;
use echo_bench_engine::plan::Plan;

pub mod capacity;
pub(crate) mod comparison;
pub mod conclusion;
mod doctor;
mod figures;
pub(crate) mod gates;
pub(crate) mod history;
mod latency;
mod link;
mod listing;
mod load;
pub mod objective;
mod parts;
mod placement;
mod repeats;
mod run;
mod run_details;
mod run_figures;
mod self_check;
mod selftest;
mod settings;
mod sides;
pub(crate) mod spread;
mod stages;
pub mod study;
pub mod sweep;
mod sweep_figures;
pub(crate) mod table;
pub mod units;

pub(crate) use capacity::capacity;
pub(crate) use comparison::comparison;
pub(crate) use doctor::doctor;
pub(crate) use history::history;
pub(crate) use listing::listing;
pub(crate) use repeats::repeats;
pub(crate) use run::run;
pub(crate) use run_details::{command, run_details};
pub(crate) use self_check::self_check;
pub(crate) use selftest::selftest;
pub(crate) use sweep::sweep;
pub(crate) use table::{Cell, Column, Note, Table};

/// What was not measured.
pub(crate) const NOTHING: &str = "-";

/// What a plan loads, and how, each in a few words.
pub fn plan_in_words(plan: &Plan) -> (String, String) {
    (load::target(plan).0, load::phrases(plan).join(", "))
}

/// A document in words.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Description {
    /// What it is about.
    pub(crate) title: String,
    /// What it comes to, in sentences: the first thing that is said.
    pub(crate) conclusion: Vec<String>,
    /// More of that, for those who want to know exactly.
    pub(crate) detail: Option<String>,
    /// How it was measured, piece by piece.
    pub(crate) phrases: Vec<String>,
    /// What there is to say, in the order of reading.
    pub(crate) sections: Vec<Section>,
    /// What it comes to.
    pub(crate) verdict: Verdict,
    /// How the numbers are to be read.
    pub(crate) reading: String,
}

/// A part of a description.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Section {
    /// Its name, unique in the description.
    pub(crate) id: Cow<'static, str>,
    /// Its title.
    pub(crate) title: String,
    /// Whether it needs its title: where there is little room, others go without.
    pub(crate) headed: bool,
    /// What it says.
    pub(crate) body: Body,
}

impl Section {
    /// A section that is understood without its title.
    pub(crate) fn new(
        id: impl Into<Cow<'static, str>>,
        title: impl Into<String>,
        body: Body,
    ) -> Self {
        Self { id: id.into(), title: title.into(), headed: false, body }
    }

    /// A section that needs its title.
    pub(crate) fn headed(
        id: impl Into<Cow<'static, str>>,
        title: impl Into<String>,
        body: Body,
    ) -> Self {
        Self { headed: true, ..Self::new(id, title, body) }
    }
}

/// What a section says.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Body {
    /// The numbers to look at first, where there is room to say them twice: each is in another
    /// section, too.
    Figures(Vec<Figure>),
    /// Labels and what belongs to them.
    Rows(Vec<Row>),
    /// A table.
    Table(Table),
    /// A small histogram, where there is no better drawing.
    Spread(spread::Spread),
    /// What a reader should know before the numbers.
    Notices(Vec<Notice>),
}

/// A label and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    /// The label.
    pub(crate) label: &'static str,
    /// A phrase.
    pub(crate) value: String,
    /// How it is to be taken.
    pub(crate) tone: Tone,
}

impl Row {
    /// A row.
    pub(crate) fn new(label: &'static str, value: impl Into<String>) -> Self {
        Self { label, value: value.into(), tone: Tone::Plain }
    }
}

/// Something a reader should know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Notice {
    /// Of which kind: `warning`.
    pub(crate) label: &'static str,
    /// Its name among those.
    pub(crate) name: String,
    /// What is the case.
    pub(crate) text: String,
    /// What to do about it, or more about it.
    pub(crate) more: Option<String>,
    /// How grave it is.
    pub(crate) tone: Tone,
}

/// A number to look at first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Figure {
    /// What it is.
    pub(crate) name: String,
    /// The number with its unit.
    pub(crate) value: String,
    /// What the value comes to, in words.
    pub(crate) said: Option<&'static str>,
    /// What belongs to it.
    pub(crate) notes: Vec<String>,
    /// How it is to be taken.
    pub(crate) tone: Tone,
}

impl Figure {
    /// A figure without a tone.
    pub(crate) fn new(
        name: impl Into<String>,
        value: impl Into<String>,
        notes: Vec<String>,
    ) -> Self {
        let (name, value) = (name.into(), value.into());
        Self { name, value, said: None, notes, tone: Tone::Plain }
    }
}

/// How something is to be taken. What a tone says is also said in words beside it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, strum::Display)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Tone {
    /// As it is.
    #[default]
    Plain,
    /// There is nothing that can be backed.
    Absent,
    /// Good, or a change for the better.
    Better,
    /// With care.
    Fair,
    /// A change for the worse.
    Worse,
    /// Something went wrong.
    Bad,
}

/// What a document comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// In a word.
    pub(crate) word: String,
    /// What that means for the reader; empty if the word is plain.
    pub(crate) meaning: &'static str,
    /// How grave it is.
    pub(crate) tone: Tone,
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let colon = if self.meaning.is_empty() { "" } else { ": " };
        write!(f, "{}{colon}{}", self.word, self.meaning)
    }
}

/// The sentences of conclusions.
fn sentences(conclusions: Vec<Conclusion>) -> Vec<String> {
    conclusions.into_iter().map(|conclusion| conclusion.text).collect()
}

/// A value in words, or [`NOTHING`].
pub(crate) fn or_nothing<T>(value: Option<T>, shown: impl FnOnce(T) -> String) -> String {
    value.map_or_else(|| NOTHING.into(), shown)
}
