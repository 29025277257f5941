//! What a command says: [`Output`], of which the last lines are kept. Bounded, whatever is said.

use std::collections::VecDeque;

use memchr::memmem;

/// Most lines that are kept.
const MOST_LINES: usize = 20;

/// Most bytes that are kept of a line.
const LONGEST_LINE: usize = 400;

/// The last lines of a command's output, and whether a text was among all of them.
#[derive(Debug, Default)]
pub(super) struct Output {
    lines: VecDeque<Vec<u8>>,
    /// The beginning of the line that has not ended yet.
    unfinished: Vec<u8>,
    /// Whether lines, or the rest of one, were left out.
    is_cut: bool,
    /// What is looked for; nothing once it was found.
    wanted: Option<Vec<u8>>,
    /// The end of what was said, in which the text may have begun.
    carried: Vec<u8>,
}

impl Output {
    /// One in which `wanted`, a text within a line, is looked for.
    pub(super) fn looking_for(wanted: Option<&str>) -> Self {
        let wanted = wanted.map(|text| text.as_bytes().to_vec());
        Self { wanted, ..Self::default() }
    }

    /// Adds what was said; whether that completes the first line part with the wanted text.
    pub(super) fn add(&mut self, said: &[u8]) -> bool {
        let mut rest = said;
        while let Some(end) = memchr::memchr(b'\n', rest) {
            self.extend(&rest[..end]);
            self.end_line();
            rest = &rest[end + 1..];
        }
        self.extend(rest);
        self.finds(said)
    }

    fn extend(&mut self, part: &[u8]) {
        let room = LONGEST_LINE - self.unfinished.len();
        self.is_cut |= part.len() > room;
        self.unfinished.extend_from_slice(&part[..part.len().min(room)]);
    }

    fn end_line(&mut self) {
        if self.lines.len() == MOST_LINES {
            self.lines.pop_front();
            self.is_cut = true;
        }
        self.lines.push_back(std::mem::take(&mut self.unfinished));
    }

    fn finds(&mut self, said: &[u8]) -> bool {
        let Some(wanted) = &self.wanted else { return false };
        self.carried.extend_from_slice(said);
        if memmem::find(&self.carried, wanted).is_some() {
            (self.wanted, self.carried) = (None, Vec::new());
            return true;
        }
        let begin = self.carried.len().saturating_sub(wanted.len().saturating_sub(1));
        self.carried.drain(..begin);
        false
    }

    /// The last lines; empty if nothing was said.
    pub(super) fn tail(&self) -> String {
        let unfinished = (!self.unfinished.is_empty()).then_some(&self.unfinished);
        let lines = self.lines.iter().chain(unfinished);
        let lines: Vec<String> =
            lines.map(|line| String::from_utf8_lossy(line).trim_end().to_owned()).collect();
        let text = lines.join("\n");
        if self.is_cut { format!("[...]\n{text}") } else { text.trim().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_lines_are_kept_however_much_is_said() {
        let mut output = Output::default();
        assert_eq!(output.tail(), "");
        output.add(b"one\ntw");
        output.add(b"o\r\nthree");
        assert_eq!(output.tail(), "one\ntwo\nthree");
        for number in 0..100_000 {
            output.add(format!("{number} {}\n", "x".repeat(number % 1000)).as_bytes());
        }
        let tail = output.tail();
        assert!(tail.starts_with("[...]\n99980 x"), "{tail}");
        assert!(tail.len() < (MOST_LINES + 1) * (LONGEST_LINE + 1), "{}", tail.len());
        output.add(&vec![b'y'; 1 << 20]);
        assert!(output.unfinished.len() <= LONGEST_LINE);
    }

    #[test]
    fn the_text_is_found_once_wherever_it_is_cut() {
        let said = b"warming up\n-- ready to serve --\nready to serve\n";
        for cut in 0..said.len() {
            let mut output = Output::looking_for(Some("ready to serve"));
            let found = [output.add(&said[..cut]), output.add(&said[cut..])];
            assert_eq!(found.iter().filter(|found| **found).count(), 1, "cut at {cut}");
        }
        let mut output = Output::looking_for(Some("ready to serve"));
        assert!(!output.add(b"ready\nto serve\n") && !output.add(&vec![b'r'; 1 << 20]));
        assert!(output.carried.len() < 14);
    }
}
