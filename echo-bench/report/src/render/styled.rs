//! Text with meaning for a terminal: [`Styled`]. Here alone it is known which colour a tone has.

use anstyle::{AnsiColor, Style};

use echo_proto::terminal;

use crate::describe::Tone;

/// Text in pieces, each with the tone that it is to be taken in.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Styled {
    pieces: Vec<(Tone, String)>,
}

impl Styled {
    /// Adds text in a tone.
    pub(super) fn push(&mut self, tone: Tone, text: &str) {
        // What is not seen has no style.
        let tone = if text.trim().is_empty() { Tone::Plain } else { tone };
        match self.pieces.last_mut() {
            Some((last, piece)) if *last == tone => piece.push_str(text),
            _ => self.pieces.push((tone, text.to_owned())),
        }
    }

    /// Adds plain text.
    pub fn push_str(&mut self, text: &str) {
        self.push(Tone::Plain, text);
    }

    /// Adds all of another text.
    pub fn append(&mut self, other: Self) {
        self.pieces.extend(other.pieces);
    }

    /// The same with our own signs in ASCII, where no others are understood.
    #[must_use]
    pub(super) fn in_ascii(mut self) -> Self {
        for (_, text) in &mut self.pieces {
            *text = text.replace("µs", "us");
        }
        self
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.pieces.iter().all(|(_, text)| text.is_empty())
    }

    /// The text alone.
    pub fn plain(&self) -> String {
        self.pieces.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// The text with the escape codes of its styles, and no others: what else a terminal would
    /// obey is escaped.
    pub fn ansi(&self) -> String {
        let piece = |(tone, text): &(Tone, String)| {
            let (style, text) = (style(*tone), terminal::printable(text));
            format!("{style}{text}{style:#}")
        };
        self.pieces.iter().map(piece).collect()
    }
}

impl From<String> for Styled {
    fn from(text: String) -> Self {
        Self { pieces: vec![(Tone::Plain, text)] }
    }
}

/// How a tone looks. Colours are those of the terminal's own palette, which its user has chosen.
fn style(tone: Tone) -> Style {
    let colour = |colour: AnsiColor| Style::new().fg_color(Some(colour.into()));
    match tone {
        Tone::Plain => Style::new(),
        Tone::Absent => Style::new().dimmed(),
        Tone::Better => colour(AnsiColor::Green),
        Tone::Fair => colour(AnsiColor::Yellow),
        Tone::Worse => colour(AnsiColor::Red),
        Tone::Bad => colour(AnsiColor::Red).bold(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_our_own_styles_reach_a_terminal() {
        let mut text = Styled::default();
        text.push_str("a ");
        text.push(Tone::Bad, "\x1b[2Jb");
        assert_eq!(text.plain(), "a \x1b[2Jb");
        assert_eq!(text.ansi(), "a \x1b[1m\x1b[31m\\x1b[2Jb\x1b[0m");
    }
}
