//! Numbered lines, which reveal lost, duplicated or swapped ones.

use std::io::Write;
use std::ops::Range;

/// One line for each number, `prefix` before it.
pub(crate) fn numbered(prefix: &str, numbers: Range<usize>) -> Vec<u8> {
    let mut lines = Vec::new();
    for number in numbers {
        writeln!(lines, "{prefix}number {number}").expect("memory takes all");
    }
    lines
}
