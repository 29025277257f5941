//! Splits a byte stream into Redis commands: [`CommandSplitter`]. Arrays of bulk strings and
//! inline commands; resumes where it stopped, scanning each byte once, and buffers at most its
//! limit.

use std::ops::{ControlFlow, Range};

use super::quotes::{self, Unbalanced};
use crate::carry_over::{self, CarryOver};
use crate::decimal;

/// Maximum number of arguments, command name included. Known commands have at most two; more
/// are parsed so that the error can name the command.
const MOST_ARGUMENTS: usize = 1024;

/// Maximum length of a line with a number: type, 20 digits and carriage return.
const NUMBER_LINE: usize = 32;

/// Maximum length of an inline command, as in Redis.
const INLINE_LINE: usize = 64 * 1024;

/// Maximum length of a command name, whatever the message limit.
const NAME_ROOM: usize = 64;

/// Invalid input, as Redis words it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum ProtocolError {
    #[error("invalid multibulk length")]
    ArrayLength,
    #[error("invalid bulk length")]
    BulkLength,
    #[error("expected '$', got '{}'", .0.escape_ascii())]
    NoBulk(u8),
    #[error("bulk string without CRLF at its end")]
    NoBulkEnd,
    #[error("too big inline request")]
    LongInline,
    #[error("unbalanced quotes in request")]
    Quotes,
    #[error("bulk string too long (limit {0} bytes)")]
    LongBulk(usize),
}

/// One complete command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RespCommand<'a> {
    pub(super) name: &'a [u8],
    /// The first argument after the name.
    pub(super) argument: Option<&'a [u8]>,
    /// Arguments after the name.
    pub(super) arguments: usize,
}

/// Splits a byte stream into commands, however the stream is fragmented.
#[derive(Debug)]
pub(super) struct CommandSplitter {
    limit: usize,
    /// The incomplete command.
    partial: CarryOver,
    progress: Progress,
}

/// Parser state of an incomplete command. Offsets count from its beginning.
#[derive(Debug, Clone, Default)]
struct Progress {
    /// Start of the next line or bulk string.
    position: usize,
    /// Bytes after it already searched for a line end.
    searched: usize,
    /// Arguments that are missing; unknown before the first line.
    lacking: Option<usize>,
    /// Length of the bulk string at `position`, if one starts there.
    bulk: Option<usize>,
    /// Complete arguments, command name included.
    whole: usize,
    name: Range<usize>,
    argument: Range<usize>,
    /// Total size of all arguments after the name.
    payload: usize,
}

impl CommandSplitter {
    /// A splitter for commands whose arguments together have at most `limit` bytes.
    pub(super) fn new(limit: usize) -> Self {
        let limit = carry_over::possible(limit);
        Self { limit, partial: CarryOver::default(), progress: Progress::default() }
    }

    /// Consumes all of `input` and calls `each` with every completed command; stops early when
    /// `each` breaks, and returns that.
    pub(super) fn feed(
        &mut self,
        input: &[u8],
        mut each: impl FnMut(RespCommand<'_>) -> ControlFlow<()>,
    ) -> Result<ControlFlow<()>, ProtocolError> {
        let Self { limit, partial, progress } = self;
        let mut flow = ControlFlow::Continue(());
        partial.feed(input, |bytes| {
            let mut used = 0;
            while used < bytes.len() && flow.is_continue() {
                // Does not allocate without quotes.
                let mut unquoted = Vec::new();
                match progress.go_on(&bytes[used..], *limit, &mut unquoted)? {
                    Step::Command(command) => flow = each(command),
                    Step::Empty => {}
                    Step::Unfinished => break,
                }
                used += progress.position;
                *progress = Progress::default();
            }
            Ok(used)
        })?;
        Ok(flow)
    }

    /// Bytes of the incomplete command.
    #[inline]
    pub(super) fn unfinished(&self) -> usize {
        self.partial.bytes().len()
    }
}

/// Result of a parser step.
enum Step<'a> {
    /// More bytes are needed.
    Unfinished,
    /// An empty command, which has no reply.
    Empty,
    Command(RespCommand<'a>),
}

impl<'a> From<Option<RespCommand<'a>>> for Step<'a> {
    fn from(command: Option<RespCommand<'a>>) -> Self {
        command.map_or(Self::Empty, Self::Command)
    }
}

impl Progress {
    /// Continues parsing the command at the start of `bytes`. Unquoted words are written to
    /// `unquoted`.
    fn go_on<'a>(
        &mut self,
        bytes: &'a [u8],
        limit: usize,
        unquoted: &'a mut Vec<u8>,
    ) -> Result<Step<'a>, ProtocolError> {
        loop {
            if let Some(length) = self.bulk {
                let string = self.position..self.position + length;
                match bytes.get(string.end..string.end + 2) {
                    None => return Ok(Step::Unfinished),
                    Some(b"\r\n") => self.take(string),
                    Some(_) => return Err(ProtocolError::NoBulkEnd),
                }
            } else if self.lacking.is_none() && bytes.first() != Some(&b'*') {
                let Some(line) = self.line(bytes, INLINE_LINE, ProtocolError::LongInline)?
                else {
                    return Ok(Step::Unfinished);
                };
                let command = if quotes::has_quotes(line) {
                    inline_with_quotes(line, limit, unquoted)?
                } else {
                    inline(line, limit)?
                };
                return Ok(command.into());
            } else if !self.announcement(bytes, limit)? {
                return Ok(Step::Unfinished);
            }
            if self.lacking == Some(0) {
                let command = (self.whole > 0).then(|| self.command(bytes));
                return Ok(command.into());
            }
        }
    }

    /// Parses the number of arguments or the length of one; whether the line is complete.
    fn announcement(&mut self, bytes: &[u8], limit: usize) -> Result<bool, ProtocolError> {
        let invalid = match (self.lacking, bytes.get(self.position)) {
            (None, _) => ProtocolError::ArrayLength,
            (Some(_), Some(b'$') | None) => ProtocolError::BulkLength,
            (Some(_), Some(other)) => return Err(ProtocolError::NoBulk(*other)),
        };
        let Some(line) = self.line(bytes, NUMBER_LINE, invalid)? else { return Ok(false) };
        let digits = line.get(1..).unwrap_or_default();
        if self.lacking.is_none() {
            // A null array is ignored, like an empty one.
            let count = if digits == b"-1" { Some(0) } else { decimal::parse(digits) };
            let count = count.filter(|count| *count <= MOST_ARGUMENTS);
            self.lacking = Some(count.ok_or(invalid)?);
            return Ok(true);
        }
        let length = decimal::parse(digits).ok_or(invalid)?;
        let (so_far, limit) =
            if self.whole == 0 { (0, limit.max(NAME_ROOM)) } else { (self.payload, limit) };
        if length > limit.saturating_sub(so_far) {
            return Err(ProtocolError::LongBulk(limit));
        }
        self.bulk = Some(length);
        Ok(true)
    }

    /// The line at `position` without its terminator, if it is complete, and advances past it.
    /// A line of more than `most` bytes is an error.
    fn line<'a>(
        &mut self,
        bytes: &'a [u8],
        most: usize,
        too_long: ProtocolError,
    ) -> Result<Option<&'a [u8]>, ProtocolError> {
        let rest = bytes.get(self.position..).unwrap_or_default();
        let end = memchr::memchr(b'\n', &rest[self.searched..]).map(|end| end + self.searched);
        if end.unwrap_or(rest.len()) > most {
            return Err(too_long);
        }
        let Some(end) = end else {
            self.searched = rest.len();
            return Ok(None);
        };
        self.position += end + 1;
        self.searched = 0;
        let line = &rest[..end];
        Ok(Some(line.strip_suffix(b"\r").unwrap_or(line)))
    }

    /// Takes a complete bulk string.
    fn take(&mut self, string: Range<usize>) {
        self.position = string.end + 2;
        self.bulk = None;
        self.lacking = self.lacking.map(|lacking| lacking - 1);
        match self.whole {
            0 => self.name = string,
            1 => {
                self.payload = string.len();
                self.argument = string;
            }
            _ => self.payload += string.len(),
        }
        self.whole += 1;
    }

    fn command<'a>(&self, bytes: &'a [u8]) -> RespCommand<'a> {
        RespCommand {
            name: &bytes[self.name.clone()],
            argument: (self.whole > 1).then(|| &bytes[self.argument.clone()]),
            arguments: self.whole - 1,
        }
    }
}

/// Parses an inline command without quotes.
fn inline(line: &[u8], limit: usize) -> Result<Option<RespCommand<'_>>, ProtocolError> {
    let words = || line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let Some(name) = words().next() else { return Ok(None) };
    if words().skip(1).map(<[u8]>::len).sum::<usize>() > limit {
        return Err(ProtocolError::LongBulk(limit));
    }
    let argument = words().nth(1);
    Ok(Some(RespCommand { name, argument, arguments: words().count() - 1 }))
}

/// Parses an inline command with quotes; all words are written to `unquoted`.
fn inline_with_quotes<'a>(
    mut line: &[u8],
    limit: usize,
    unquoted: &'a mut Vec<u8>,
) -> Result<Option<RespCommand<'a>>, ProtocolError> {
    let mut whole = Progress::default();
    loop {
        let begin = unquoted.len();
        let found = quotes::next_word(&mut line, unquoted);
        if !found.map_err(|Unbalanced| ProtocolError::Quotes)? {
            break;
        }
        whole.take(begin..unquoted.len());
    }
    if whole.payload > limit {
        return Err(ProtocolError::LongBulk(limit));
    }
    Ok((whole.whole > 0).then(|| whole.command(unquoted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    type Seen = Vec<(Vec<u8>, Option<Vec<u8>>, usize)>;

    fn seen(stream: &[u8], piece: usize) -> Result<Seen, ProtocolError> {
        let mut splitter = CommandSplitter::new(8);
        let mut seen = Vec::new();
        for piece in stream.chunks(piece) {
            let _ = splitter.feed(piece, |command| {
                let argument = command.argument.map(<[u8]>::to_vec);
                seen.push((command.name.to_vec(), argument, command.arguments));
                ControlFlow::Continue(())
            })?;
        }
        assert_eq!(splitter.unfinished(), 0);
        Ok(seen)
    }

    #[test]
    fn arrays_and_inline_commands_are_cut_alike_whatever_the_pieces() {
        let stream = b"PING\r\n*2\r\n$4\r\nECHO\r\n$2\r\n\r\n\r\n\r\n*0\r\n*-1\r\n  set k v \n\
                       *3\r\n$1\r\na\r\n$0\r\n\r\n$1\r\nb\r\necho \"a b\\n\" 'c' d\r\n";
        let expected = [
            (b"PING".to_vec(), None, 0),
            (b"ECHO".to_vec(), Some(b"\r\n".to_vec()), 1),
            (b"set".to_vec(), Some(b"k".to_vec()), 2),
            (b"a".to_vec(), Some(Vec::new()), 2),
            (b"echo".to_vec(), Some(b"a b\n".to_vec()), 3),
        ];
        for piece in 1..=stream.len() {
            assert_eq!(seen(stream, piece).unwrap(), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn each_nonsense_is_told_by_name_whatever_the_pieces() {
        use ProtocolError::*;
        let zeros = format!("*2\r\n${}3\r\n", "0".repeat(40));
        let long = "x".repeat(INLINE_LINE + 1);
        for (stream, reason) in [
            ("*x\r\n", ArrayLength),
            ("*-2\r\n", ArrayLength),
            ("*1025\r\n", ArrayLength),
            ("*1\r\nPING\r\n", NoBulk(b'P')),
            ("*1\r\n$x\r\n", BulkLength),
            ("*1\r\n$-1\r\n", BulkLength),
            ("*1\r\n$2\r\nPING\r\n", NoBulkEnd),
            ("*2\r\n$4\r\nECHO\r\n$9\r\n", LongBulk(8)),
            ("*3\r\n$1\r\na\r\n$8\r\n12345678\r\n$1\r\n", LongBulk(8)),
            ("ECHO 123456789\r\n", LongBulk(8)),
            ("ECHO '123456789'\r\n", LongBulk(8)),
            ("\"unbalanced\r\n", Quotes),
            ("ECHO 'a'b\r\n", Quotes),
            (&zeros, BulkLength),
            (&long, LongInline),
        ] {
            for piece in [1, 3, 100_000] {
                assert_eq!(seen(stream.as_bytes(), piece), Err(reason), "{stream:.40}");
            }
        }
    }
}
