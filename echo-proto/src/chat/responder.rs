//! One member's byte stream, split into lines: [`ChatLines`].

use std::ops::ControlFlow;

use super::Stay;
use crate::line_splitter::{CarriageReturn, LineSplitter, LineTooLong};

/// Splits a member's bytes into lines of at most `max_message` bytes.
#[derive(Debug)]
pub struct ChatLines {
    lines: LineSplitter,
}

impl ChatLines {
    /// Accepts lines of at most `max_message` bytes of text.
    pub fn new(max_message: usize) -> Self {
        Self { lines: LineSplitter::new(max_message, CarriageReturn::Drop) }
    }

    /// Calls `each` with every line that `input` completes, until one of them leaves the room.
    ///
    /// # Errors
    /// A line over the limit; the caller sends the error and disconnects the member.
    pub fn feed(
        &mut self,
        input: &[u8],
        mut each: impl FnMut(&[u8]) -> Stay,
    ) -> Result<Stay, LineTooLong> {
        let flow = self.lines.feed(input, |line| match each(line) {
            Stay::In => ControlFlow::Continue(()),
            Stay::Out => ControlFlow::Break(()),
        })?;
        Ok(if flow.is_break() { Stay::Out } else { Stay::In })
    }

    /// Bytes of the incomplete line.
    pub fn unfinished(&self) -> usize {
        self.lines.partial().len()
    }

    /// The last line, if it has no newline.
    ///
    /// # Errors
    /// If it is over the limit.
    pub fn end_of_input(&mut self) -> Result<Option<Vec<u8>>, LineTooLong> {
        self.lines.end_of_input()
    }
}
