//! A description as text, for a terminal or a file: [`on`]. On a terminal no line is longer than
//! the terminal is wide.

use echo_proto::terminal::one_line;

use super::fit::{self, Fitted, GAP, Part};
use super::grid::{Grid, Place};
use super::screen::Screen;
use super::spread;
use super::styled::Styled;
use super::wrap::{width, wrap};
use crate::capacity::Capacity;
use crate::compare::Comparison;
use crate::compare::self_check::SelfCheck;
use crate::describe::{self, Body, Column, Description, Notice, Row, Table, Tone};
use crate::doctor::Doctor;
use crate::history::History;
use crate::listing::Entry;
use crate::report::Report;
use crate::selftest::Selftest;
use crate::sweep::Sweep;

/// Least width of the column of labels.
const LABEL: usize = 10;

/// How far the further lines of a sentence are moved in.
const INDENT: usize = 2;

/// Width of the column of marks before notes.
const MARK: usize = 9;

/// What can be shown as text.
#[derive(Debug, Clone, Copy)]
pub enum Document<'a> {
    /// A run.
    Run(&'a Report),
    /// A comparison.
    Comparison(&'a Comparison),
    /// A sweep, or repeats of a run.
    Sweep(&'a Sweep),
    /// A self-check of comparisons.
    SelfCheck(&'a SelfCheck),
    /// The capacity of a server.
    Capacity(&'a Capacity),
    /// A selftest.
    Selftest(&'a Selftest),
    /// Runs over time.
    History(&'a History),
    /// A machine, examined.
    Doctor(&'a Doctor),
    /// What is stored, a line each, and what the names are: files, or baselines.
    Listing(&'a [Entry], &'a str),
}

/// A document, laid out for a terminal or a file.
pub fn on(screen: Screen, document: Document<'_>) -> Styled {
    let description = match document {
        Document::Run(report) => describe::run(report),
        Document::Comparison(comparison) => describe::comparison(comparison),
        Document::Sweep(sweep) => describe::sweep(sweep),
        Document::SelfCheck(check) => describe::self_check(check),
        Document::Capacity(capacity) => describe::capacity(capacity),
        Document::Selftest(selftest) => describe::selftest(selftest),
        Document::History(history) => describe::history(history),
        Document::Doctor(doctor) => describe::doctor(doctor),
        Document::Listing(entries, named) => {
            return shown(&describe::listing(entries, named), screen);
        }
    };
    laid_out(&description, screen)
}

/// The whole report of a run, for a file.
pub fn report(report: &Report) -> String {
    on(Screen::FILE, Document::Run(report)).plain()
}

/// A self-check of comparisons, for a file.
pub fn self_check(check: &SelfCheck) -> String {
    on(Screen::FILE, Document::SelfCheck(check)).plain()
}

/// A selftest, for a file.
pub fn selftest(selftest: &Selftest) -> String {
    on(Screen::FILE, Document::Selftest(selftest)).plain()
}

/// A comparison, for a file.
pub fn comparison(comparison: &Comparison) -> String {
    on(Screen::FILE, Document::Comparison(comparison)).plain()
}

/// A capacity, for a file.
pub fn capacity(capacity: &Capacity) -> String {
    on(Screen::FILE, Document::Capacity(capacity)).plain()
}

/// A sweep, for a file.
pub fn sweep(sweep: &Sweep) -> String {
    on(Screen::FILE, Document::Sweep(sweep)).plain()
}

/// A line with its label, as those of a report are: for what is said after one.
pub fn labelled(screen: Screen, label: &str, text: &str) -> Styled {
    let mut page = Page { screen, labels: LABEL, out: Styled::default() };
    page.line((label, Tone::Plain), (text, Tone::Plain));
    page.out
}

/// Every row on a line, with its label in a column of its own; a table stands apart.
pub(super) fn laid_out(description: &Description, screen: Screen) -> Styled {
    let mut blocks =
        vec![conclusion(&description.conclusion, screen), head(description, screen)];
    let labels = labels(description);
    let new = || Page { screen, labels, out: Styled::default() };
    let mut page = new();
    for section in &description.sections {
        match &section.body {
            Body::Figures(_) => {}
            Body::Table(table) => {
                let above = std::mem::replace(&mut page, new());
                let title =
                    section.headed.then(|| format!("{}, {}", section.title, table.caption));
                let mut block = Styled::default();
                for line in title.iter().flat_map(|title| page.filled(&one_line(title), 0)) {
                    block.push_str(&(line + "\n"));
                }
                block.append(shown(table, screen));
                blocks.extend([above.out, block]);
            }
            Body::Spread(spread) => {
                let above = std::mem::replace(&mut page, new());
                blocks.extend([above.out, spread::drawn(spread, screen, labels + 1)]);
            }
            Body::Rows(rows) => rows.iter().for_each(|row| page.row(row)),
            Body::Notices(notices) => notices.iter().for_each(|one| page.notice(one)),
        }
    }
    let verdict = &description.verdict;
    page.line(("verdict", Tone::Plain), (&verdict.to_string(), verdict.tone));
    page.sentences("reading", &description.reading);
    blocks.push(page.out);
    let mut out = Styled::default();
    for block in blocks.into_iter().filter(|block| !block.is_empty()) {
        if !out.is_empty() {
            out.push_str("\n");
        }
        out.append(block);
    }
    if screen.is_ascii() { out.in_ascii() } else { out }
}

/// The sentences of a conclusion, each in lines of its own.
fn conclusion(sentences: &[String], screen: Screen) -> Styled {
    let mut out = Styled::default();
    for sentence in sentences {
        let lines = wrap(&one_line(sentence), screen.filled().saturating_sub(INDENT));
        for (place, line) in lines.iter().enumerate() {
            let indent = if place == 0 { 0 } else { INDENT };
            out.push_str(&format!("{:indent$}{line}\n", ""));
        }
    }
    out
}

fn head(description: &Description, screen: Screen) -> Styled {
    let detail = description.detail.as_ref().map_or(String::new(), |d| format!(" ({d})"));
    let title = one_line(&format!("{}{detail}", description.title));
    let mut lines = match screen.columns() {
        None => vec![title],
        Some(columns) => wrap(&title, columns),
    };
    let phrases = description.phrases.iter().map(|phrase| one_line(phrase));
    let mut line = String::new();
    for (place, phrase) in phrases.enumerate() {
        let comma = if place + 1 < description.phrases.len() { "," } else { "" };
        let phrase = phrase + comma;
        if !line.is_empty() && width(&line) + 1 + width(&phrase) > screen.filled() {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&phrase);
    }
    lines.push(line);
    let fitting = |line: &String| match screen.columns() {
        None => vec![line.clone()],
        Some(columns) => wrap(line, columns),
    };
    let mut out = Styled::default();
    for line in lines.iter().filter(|line| !line.is_empty()).flat_map(fitting) {
        out.push_str(&(line + "\n"));
    }
    out
}

/// The width of the column of labels.
fn labels(description: &Description) -> usize {
    let rows = description.sections.iter().filter_map(|section| match &section.body {
        Body::Rows(rows) => rows.iter().map(|row| width(row.label)).max(),
        _ => None,
    });
    rows.max().unwrap_or(0).max(LABEL)
}

/// Lines with labels.
struct Page {
    screen: Screen,
    labels: usize,
    out: Styled,
}

impl Page {
    /// Text in the lines that a screen has room for, beside so many columns.
    fn filled(&self, text: &str, beside: usize) -> Vec<String> {
        match self.screen.columns() {
            None => vec![text.to_owned()],
            Some(columns) => wrap(text, columns.saturating_sub(beside)),
        }
    }

    fn row(&mut self, row: &Row) {
        self.line((row.label, Tone::Plain), (&row.value, row.tone));
    }

    fn line(&mut self, (label, tone): (&str, Tone), (text, of_text): (&str, Tone)) {
        let lines = self.filled(&one_line(text), self.labels + 1);
        self.lines((label, tone), (&lines, of_text));
    }

    fn lines(&mut self, (label, tone): (&str, Tone), (lines, of_text): (&[String], Tone)) {
        for (place, line) in lines.iter().enumerate() {
            let label = if place == 0 { label } else { "" };
            self.out.push(tone, label);
            if !line.trim().is_empty() {
                let gap = self.labels.saturating_sub(width(label)) + 1;
                self.out.push_str(&" ".repeat(gap));
            }
            self.out.push(of_text, line);
            self.out.push_str("\n");
        }
    }

    /// Our own sentences, in lines that are easily read.
    fn sentences(&mut self, label: &str, sentences: &str) {
        let lines = wrap(sentences, self.screen.filled().saturating_sub(self.labels + 1));
        self.lines((label, Tone::Plain), (&lines, Tone::Plain));
    }

    fn notice(&mut self, notice: &Notice) {
        let text = format!("{}: {}", notice.name, notice.text);
        self.line((notice.label, notice.tone), (&text, Tone::Plain));
        if let Some(more) = &notice.more {
            self.line(("", Tone::Plain), (&format!("-> {more}"), Tone::Plain));
        }
    }
}

fn shown(table: &Table, screen: Screen) -> Styled {
    let grid = Grid::new(table, one_line);
    let importance: Vec<u8> = table.columns.iter().map(|column| column.importance).collect();
    let Fitted { parts, left_out } =
        fit::fit(&grid, &importance, Column::KEPT, screen.columns());
    let mut out = Styled::default();
    for (place, part) in parts.iter().enumerate() {
        if place > 0 {
            out.push_str("\n");
        }
        if table.has_header() {
            drawn(&mut out, &grid.header, part, &grid);
        }
        grid.lines.iter().for_each(|line| drawn(&mut out, line, part, &grid));
    }
    let mut notes: Vec<(&str, String)> =
        table.notes.iter().map(|note| (note.mark, one_line(&note.text))).collect();
    if !left_out.is_empty() {
        let names: Vec<&str> = left_out.iter().map(|&at| &*table.columns[at].name).collect();
        let names = one_line(&names.join(", "));
        notes.push((
            "",
            format!("not shown in {} columns: {names}", screen.columns().unwrap_or(0)),
        ));
    }
    for (mark, text) in notes {
        note(&mut out, mark, &text, screen);
    }
    out
}

/// A line of a table, in as many lines as its longest cell takes.
fn drawn(out: &mut Styled, places: &[Place], part: &Part, grid: &Grid) {
    let cells: Vec<(Tone, Vec<String>)> = part
        .iter()
        .filter_map(|&(column, columns)| {
            let place = places.get(column)?;
            let numeric = grid.numeric.get(column) == Some(&true);
            Some((place.tone, place.lines(columns, numeric)))
        })
        .collect();
    let height = cells.iter().map(|(_, lines)| lines.len()).max().unwrap_or(0);
    for line in 0..height {
        let text = |place: usize| cells[place].1.get(line).map_or("", String::as_str);
        let filled = |place: &usize| !text(*place).trim().is_empty();
        let last = (0..cells.len()).rev().find(filled).unwrap_or(0);
        for (place, &(_, columns)) in part.iter().enumerate().take(last + 1) {
            let shown = text(place);
            let shown = if place == last { shown.trim_end() } else { shown };
            out.push(cells[place].0, shown);
            if place < last {
                let missing = columns.saturating_sub(width(shown));
                out.push_str(&" ".repeat(missing + GAP));
            }
        }
        out.push_str("\n");
    }
}

fn note(out: &mut Styled, mark: &str, text: &str, screen: Screen) {
    let mark = if mark.is_empty() { String::new() } else { format!("{mark:<MARK$}") };
    let indent = 2 + width(&mark);
    let lines = match screen.columns() {
        None => vec![text.to_owned()],
        Some(columns) => wrap(text, columns.saturating_sub(indent)),
    };
    for (place, line) in lines.iter().enumerate() {
        let mark = if place == 0 { mark.as_str() } else { "" };
        let free = indent - width(mark);
        let line = format!("{:2$}{mark}{:3$}{line}", "", "", 2, free - 2);
        out.push_str(&(line.trim_end().to_owned() + "\n"));
    }
}

#[cfg(test)]
mod tests;
