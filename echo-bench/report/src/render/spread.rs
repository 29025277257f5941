//! A small histogram of characters: [`drawn`]. Its axis is logarithmic, and a bar that stands for
//! any value at all can be seen.

use super::screen::Screen;
use super::styled::Styled;
use super::wrap::{width, wrap};
use crate::describe::spread::Spread;
use crate::describe::units;

/// Rows of the bars.
const ROWS: usize = 3;

/// Widest drawing.
const WIDEST: usize = 72;

/// Parts of a row, from none to all of it.
const BLOCKS: [char; 9] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// The same in ASCII.
const LETTERS: [char; 4] = [' ', '.', ':', '#'];

/// The histogram, so many columns from the left.
pub(super) fn drawn(spread: &Spread, screen: Screen, indent: usize) -> Styled {
    let room = screen.columns().unwrap_or(Screen::USUAL).saturating_sub(indent);
    let scale = Scale::new(spread, room.clamp(10, WIDEST));
    let signs: &[char] = if screen.is_ascii() { &LETTERS } else { &BLOCKS };
    let mut out = Styled::default();
    let title = format!("{}: {}", spread.name, spread.note);
    let label = |first: bool| if first && indent > 0 { "latency" } else { "" };
    let mut line = |label: &str, text: &str| {
        let gap = indent.saturating_sub(width(label));
        let line = format!("{label}{:gap$}{text}", "");
        out.push_str(line.trim_end());
        out.push_str("\n");
    };
    for (place, text) in wrap(&title, room).iter().enumerate() {
        line(label(place == 0), text);
    }
    let bars = scale.bars(spread);
    for row in (0..ROWS).rev() {
        line("", &bars.iter().map(|bar| part(*bar, row, signs)).collect::<String>());
    }
    let [axis, names] = scale.axis(spread, screen.is_ascii());
    line("", &axis);
    line("", &names);
    out
}

/// What a bar of this height, from 0 to 1, shows in a row, from 0 at the bottom.
fn part(height: f64, row: usize, signs: &[char]) -> char {
    let steps = signs.len() - 1;
    let all = (height * (ROWS * steps) as f64).round() as usize;
    let least = usize::from(height > 0.0);
    signs[all.max(least).saturating_sub(row * steps).min(steps)]
}

/// A logarithmic axis over some columns.
struct Scale {
    low: f64,
    high: f64,
    columns: usize,
}

impl Scale {
    fn new(spread: &Spread, columns: usize) -> Self {
        let ends = [spread.counts.first(), spread.counts.last()];
        let [low, high] = ends.map(|end| end.map_or(1.0, |(ns, _)| *ns as f64));
        // Values that are all alike are in the middle of something.
        let (low, high) =
            if high < low * 1.5 { (low / 1.25, high * 1.25) } else { (low, high) };
        Self { low: low.ln(), high: high.ln(), columns }
    }

    fn column(&self, ns: u64) -> usize {
        let share = ((ns.max(1) as f64).ln() - self.low) / (self.high - self.low);
        ((share * self.columns as f64) as usize).min(self.columns - 1)
    }

    /// The heights of the bars, the highest 1.
    fn bars(&self, spread: &Spread) -> Vec<f64> {
        let mut counts = vec![0_u64; self.columns];
        for &(ns, count) in &spread.counts {
            let bar = &mut counts[self.column(ns)];
            *bar = bar.saturating_add(count);
        }
        let most = counts.iter().copied().max().unwrap_or(0).max(1) as f64;
        counts.into_iter().map(|count| count as f64 / most).collect()
    }

    /// The line below the bars, with its marks, and their names.
    fn axis(&self, spread: &Spread, ascii: bool) -> [String; 2] {
        let (rule, mark) = if ascii { ('-', '+') } else { ('─', '┴') };
        let mut axis = vec![rule; self.columns];
        let mut names = String::new();
        let ends = [spread.counts.first(), spread.counts.last()];
        let [first, last] = ends.map(|end| end.map_or(1, |(ns, _)| *ns));
        let marks = spread.marks.iter().map(|&(name, ns)| (format!("{name} "), ns));
        let marks: Vec<_> = [(String::new(), first)].into_iter().chain(marks).collect();
        let end = units::time(last as f64);
        let room = self.columns.saturating_sub(width(&end) + 1);
        for (name, ns) in marks {
            let column = self.column(ns);
            let shown = format!("{name}{}", units::time(ns as f64));
            let free = if names.is_empty() { 0 } else { width(&names) + 2 };
            if column < free || column + width(&shown) > room {
                // A name that has no room beside its mark says nothing.
                continue;
            }
            names.push_str(&" ".repeat(column - width(&names)));
            names.push_str(&shown);
            axis[column] = mark;
        }
        let gap = self.columns.saturating_sub(width(&names) + width(&end));
        names.push_str(&" ".repeat(gap));
        names.push_str(&end);
        if let Some(last) = axis.last_mut() {
            *last = mark;
        }
        [axis.into_iter().collect(), names]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spread(counts: &[(u64, u64)]) -> Spread {
        let marks = vec![("p50", 100_000), ("p99", 20_000_000)];
        Spread { name: "response", counts: counts.to_vec(), marks, note: "some".into() }
    }

    #[test]
    fn a_single_slow_reply_is_seen_beside_a_million_fast_ones() {
        let spread = spread(&[(100_000, 1_000_000), (120_000, 500_000), (90_000_000, 1)]);
        let shown = drawn(&spread, Screen::of_columns(60), 11).plain();
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "latency    response: some");
        assert_eq!(lines.len(), 1 + ROWS + 2);
        let bottom = lines[ROWS];
        assert_eq!(width(bottom), 60, "{shown}");
        assert!(bottom.contains('█') && bottom.ends_with('▁'), "{shown}");
        assert!(lines[5].contains("100 µs") && lines[5].ends_with("90.0 ms"), "{shown}");
    }

    #[test]
    fn without_unicode_it_is_drawn_in_ascii() {
        let spread = spread(&[(100_000, 10), (200_000, 5)]);
        let shown = drawn(&spread, Screen::of_columns(60).in_ascii(), 0).plain();
        assert!(shown.replace('µ', "u").is_ascii(), "{shown}");
        assert!(shown.contains('#'), "{shown}");
    }

    #[test]
    fn whatever_is_stored_can_be_drawn() {
        for counts in [&[][..], &[(0, 5)], &[(7, u64::MAX), (u64::MAX, u64::MAX)]] {
            for columns in [0, 40, 1000] {
                drawn(&spread(counts), Screen::of_columns(columns), 30);
            }
        }
    }
}
