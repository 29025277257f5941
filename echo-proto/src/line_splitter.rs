//! Splits a byte stream into lines: [`LineSplitter`]. Scans each byte once, buffers at most one
//! incomplete line, and refuses lines over its limit.

use std::ops::ControlFlow;

/// A line with more bytes of text than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line too long (limit {limit} bytes)")]
pub struct LineTooLong {
    /// The most bytes of text a line may have.
    pub limit: usize,
}

/// What to do with a carriage return at the end of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CarriageReturn {
    /// Drop one: telnet and `nc -C` send it.
    Drop,
    /// Keep it as text.
    Keep,
}

/// Splits a byte stream into lines that end with `\n`, however the stream is fragmented.
#[derive(Debug)]
pub struct LineSplitter {
    limit: usize,
    carriage_return: CarriageReturn,
    /// The incomplete line; holds no `\n`, so only new input is searched.
    partial: Vec<u8>,
}

/// Capacity above this is freed after an incomplete line, so that thousands of connections that
/// once sent a long line do not hold it forever.
const KEPT_CAPACITY: usize = 4096;

impl LineSplitter {
    /// A splitter for lines of at most `limit` bytes of text, terminator not counted.
    pub fn new(limit: usize, carriage_return: CarriageReturn) -> Self {
        Self { limit, carriage_return, partial: Vec::new() }
    }

    /// Consumes all of `input` and calls `each` with the text of every completed line.
    ///
    /// Stops early and drops the rest of the input when `each` breaks; the return value reports
    /// it.
    pub fn feed(
        &mut self,
        input: &[u8],
        mut each: impl FnMut(&[u8]) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, LineTooLong> {
        let mut start = 0;
        for newline in memchr::memchr_iter(b'\n', input) {
            let ended = &input[start..newline];
            start = newline + 1;
            let flow = if self.partial.is_empty() {
                each(self.text_of(ended)?)
            } else {
                self.partial.extend_from_slice(ended);
                let line = std::mem::take(&mut self.partial);
                let flow = each(self.text_of(&line)?);
                self.keep_memory_of(line);
                flow
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
        self.partial.extend_from_slice(&input[start..]);
        self.check_partial()?;
        Ok(ControlFlow::Continue(()))
    }

    /// The text of a last line without newline, if any. Its carriage return is treated like one
    /// before a newline.
    pub fn end_of_input(&mut self) -> Result<Option<Vec<u8>>, LineTooLong> {
        let mut last = std::mem::take(&mut self.partial);
        if last.is_empty() {
            return Ok(None);
        }
        last.truncate(self.text_of(&last)?.len());
        Ok(Some(last))
    }

    /// The incomplete line so far.
    pub fn partial(&self) -> &[u8] {
        &self.partial
    }

    fn text_of<'a>(&self, line: &'a [u8]) -> Result<&'a [u8], LineTooLong> {
        let text = match self.carriage_return {
            CarriageReturn::Drop => line.strip_suffix(b"\r").unwrap_or(line),
            CarriageReturn::Keep => line,
        };
        if text.len() > self.limit { Err(self.too_long()) } else { Ok(text) }
    }

    /// An incomplete line may exceed the limit by one byte, which may be a carriage return that
    /// does not count.
    fn check_partial(&self) -> Result<(), LineTooLong> {
        let over = self.partial.len().saturating_sub(self.limit);
        let may_be_dropped = over == 1
            && self.carriage_return == CarriageReturn::Drop
            && self.partial.last() == Some(&b'\r');
        if over == 0 || may_be_dropped { Ok(()) } else { Err(self.too_long()) }
    }

    fn keep_memory_of(&mut self, mut line: Vec<u8>) {
        if line.capacity() <= KEPT_CAPACITY {
            line.clear();
            self.partial = line;
        }
    }

    fn too_long(&self) -> LineTooLong {
        LineTooLong { limit: self.limit }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lines(splitter: &mut LineSplitter, input: &[u8]) -> Result<Vec<Vec<u8>>, LineTooLong> {
        let mut seen = Vec::new();
        splitter
            .feed(input, |line| {
                seen.push(line.to_vec());
                ControlFlow::Continue(())
            })
            .map(|_| seen)
    }

    #[test]
    fn limit_counts_neither_newline_nor_dropped_carriage_return() {
        for (input, fits) in [
            (&b"abc\n"[..], true),
            (b"abc\r\n", true),
            (b"abc\r", true),
            (b"abcd\n", false),
            (b"abcd", false),
            (b"abc\r\r\n", false),
            (b"abc\rx", false),
            (b"\r\r\r\r\n", true),
        ] {
            let mut splitter = LineSplitter::new(3, CarriageReturn::Drop);
            assert_eq!(lines(&mut splitter, input).is_ok(), fits, "{input:?}");
        }
        let mut keeping = LineSplitter::new(3, CarriageReturn::Keep);
        assert!(lines(&mut keeping, b"abc\r\n").is_err());
    }

    #[test]
    fn a_last_line_without_newline_loses_its_carriage_return_too() {
        for (input, last) in [
            (&b"ab\r"[..], Ok(Some(&b"ab"[..]))),
            (b"abc\r", Ok(Some(b"abc"))),
            (b"a\r\r", Ok(Some(b"a\r"))),
            (b"\r", Ok(Some(b""))),
            (b"", Ok(None)),
        ] {
            let mut splitter = LineSplitter::new(3, CarriageReturn::Drop);
            lines(&mut splitter, input).unwrap();
            let last = last.map(|last| last.map(<[u8]>::to_vec));
            assert_eq!(splitter.end_of_input(), last, "{input:?}");
            assert_eq!(splitter.end_of_input(), Ok(None), "once");
        }
        let mut keeping = LineSplitter::new(3, CarriageReturn::Keep);
        lines(&mut keeping, b"ab\r").unwrap();
        assert_eq!(keeping.end_of_input(), Ok(Some(b"ab\r".to_vec())));
    }

    #[test]
    fn break_drops_the_rest() {
        let mut splitter = LineSplitter::new(9, CarriageReturn::Drop);
        let mut seen = 0;
        let flow = splitter.feed(b"a\nb\nc", |_| {
            seen += 1;
            ControlFlow::Break(())
        });
        assert_eq!(flow, Ok(ControlFlow::Break(())));
        assert_eq!(seen, 1);
    }

    proptest! {
        #[test]
        fn any_split_gives_the_lines_of_the_whole(
            stream in proptest::collection::vec(prop_oneof![Just(b'\n'), Just(b'\r'), any::<u8>()], 0..200),
            cuts in proptest::collection::vec(0usize..200, 0..8),
        ) {
            let mut whole = LineSplitter::new(1000, CarriageReturn::Drop);
            let expected = lines(&mut whole, &stream).unwrap();
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).collect();
            cuts.extend([0, stream.len()]);
            cuts.sort_unstable();
            let mut split = LineSplitter::new(1000, CarriageReturn::Drop);
            let mut seen = Vec::new();
            for pair in cuts.windows(2) {
                seen.extend(lines(&mut split, &stream[pair[0]..pair[1]]).unwrap());
            }
            prop_assert_eq!(seen, expected);
            prop_assert_eq!(split.end_of_input(), whole.end_of_input());
        }
    }
}
