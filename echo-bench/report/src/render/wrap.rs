//! Text in lines of a given width, as a terminal counts it: [`wrap`]. Lines end between words,
//! and never within a number, its thousands and its unit, nor within a path that fits into a
//! line; only a word that is longer than a line is cut.

use std::ffi::OsStr;
use std::path::Path;

use textwrap::core::{Word, display_width};
use textwrap::{Options, WordSeparator, WordSplitter, WrapAlgorithm};

/// Units that stand after a number.
const UNITS: [&str; 9] = ["ns", "µs", "ms", "s", "B", "KiB", "MiB", "GiB", "%"];

/// Whether a word that follows a digit is the rest of a number: its unit, or its next three
/// digits.
pub(super) fn goes_on(word: &str) -> bool {
    let unit = word.trim_end_matches(|c: char| !c.is_alphanumeric() && c != '%');
    let unit = unit.split("..").next().unwrap_or_default();
    let digits = word.bytes().take_while(u8::is_ascii_digit).count();
    UNITS.contains(&unit) || digits == 3
}

/// Columns of a terminal that a text takes.
pub fn width(text: &str) -> usize {
    display_width(text)
}

/// `text` in lines of at most `columns`; one at least.
pub(super) fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(2);
    let fit = text.split(' ').filter(|word| is_path(word)).all(|path| width(path) <= columns);
    let options = Options::new(columns)
        .word_separator(WordSeparator::Custom(if fit { words_and_paths } else { words }))
        .word_splitter(WordSplitter::NoHyphenation)
        .wrap_algorithm(WrapAlgorithm::FirstFit);
    textwrap::wrap(text, options).into_iter().map(Into::into).collect()
}

/// The width of the longest part of a text that is not broken.
pub(super) fn longest_part(text: &str) -> usize {
    parts(text, false).map(|part| width(part.trim_end())).max().unwrap_or(0)
}

fn words(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    Box::new(parts(line, false).map(Word::from))
}

/// The same with paths in one part, so that they can be copied.
fn words_and_paths(line: &str) -> Box<dyn Iterator<Item = Word<'_>> + '_> {
    Box::new(parts(line, true).map(Word::from))
}

/// Whether a word is, or ends with, the path of a file.
fn is_path(word: &str) -> bool {
    let extension = Path::new(word).extension().and_then(OsStr::to_str);
    word.contains('/') || matches!(extension, Some("json" | "html"))
}

/// The parts between which a line may end, each with the spaces after it.
fn parts(line: &str, whole_paths: bool) -> impl Iterator<Item = &str> {
    let mut rest = line;
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let end = first_end(rest);
        let word = &rest[..end];
        let is_whole = whole_paths && is_path(word.trim_end());
        let cut = if is_whole { None } else { end_in_long(word) };
        let (part, after) = rest.split_at(cut.unwrap_or(end));
        rest = after;
        Some(part)
    })
}

/// A word that is longer than that, like the name of a file, may end at a sign within it.
const LONG: usize = 24;

/// Where a line may end within a long word.
fn end_in_long(word: &str) -> Option<usize> {
    let is_long = word.trim_end().chars().count() > LONG;
    let mut signs = word.match_indices(['/', '-', ',', '=']).map(|(place, _)| place + 1);
    signs.find(|&end| is_long && end > 4 && end < word.trim_end().len())
}

/// Where the first part of a line ends.
fn first_end(line: &str) -> usize {
    let mut from = 0;
    loop {
        let space = line[from..].find(' ').map(|place| from + place);
        let range = line[from..].find("..").map(|place| from + place + 2);
        match (space, range) {
            (space, Some(range)) if space.is_none_or(|space| range <= space) => {
                if is_range(line, range) {
                    return range;
                }
                from = range;
            }
            (Some(space), _) => {
                let end = space + line[space..].len() - line[space..].trim_start().len();
                if end >= line.len() || !holds(&line[..space], &line[end..]) {
                    return end.max(1);
                }
                from = end;
            }
            (None, _) => return line.len(),
        }
    }
}

/// Whether a range goes on at `place`, after its two dots.
fn is_range(line: &str, place: usize) -> bool {
    let before = line[..place - 2].ends_with(|last: char| last.is_alphanumeric());
    before
        && line[place..].starts_with(|next: char| next.is_ascii_digit() || "+->".contains(next))
}

/// Whether what is on both sides of a space is one number.
fn holds(before: &str, after: &str) -> bool {
    let last = before.rsplit(' ').next().unwrap_or_default();
    let next = after.split(' ').next().unwrap_or_default();
    let number = after.starts_with(|c: char| c.is_ascii_digit());
    (last.ends_with(|c: char| c.is_ascii_digit()) && goes_on(next))
        || (number && [">=", "/", "~>=", "x"].contains(&last))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn lines_end_between_words_and_not_within_numbers() {
        for (text, columns, lines) in [
            ("3 942 069 within the window", 9, &["3 942 069", "within", "the", "window"][..]),
            ("+0.000..+0.010 points", 15, &["+0.000..+0.010", "points"]),
            ("max >= 5.00 ms", 10, &["max", ">= 5.00 ms"]),
            ("at 80.0 µs..394 ms", 10, &["at", "80.0 µs..", "394 ms"]),
            ("95 % run to run", 8, &["95 % run", "to run"]),
            ("", 8, &[""]),
            ("负载均衡", 4, &["负载", "均衡"]),
            ("a.. b", 3, &["a..", "b"]),
            (
                "runs/20260102T030405-line-c1000.json",
                20,
                &["runs/", "20260102T030405-", "line-c1000.json"],
            ),
            (
                "report runs/20260102T030405-line-c1000.json kept",
                40,
                &["report", "runs/20260102T030405-line-c1000.json", "kept"],
            ),
        ] {
            assert_eq!(wrap(text, columns), lines, "{text}");
        }
        assert_eq!(longest_part("from 7.30..7.52 ms"), 7);
    }

    proptest! {
        #[test]
        fn no_line_is_too_long_and_nothing_is_lost(
            text in "([a-z]{0,12}|[0-9]{1,3}|µs|\\.\\.|>=|负载|é|👩‍💻| ){0,30}",
            columns in 2..40_usize,
        ) {
            let lines = wrap(&text, columns);
            for line in &lines {
                prop_assert!(width(line) <= columns, "{line:?}");
            }
            let bare = |text: &str| text.replace(' ', "");
            prop_assert_eq!(bare(&lines.concat()), bare(&text));
        }
    }
}
