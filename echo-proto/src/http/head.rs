//! Finds the end of an HTTP/1 head ([`HeadEnd`]) and reads its framing fields ([`Framing`]).
//! Other fields are ignored.

use httparse::Header;

use crate::decimal;

/// Maximum size of a request line and its header fields, in bytes.
pub(super) const HEAD_LIMIT: usize = 16 * 1024;

/// Header fields parsed without the larger buffer.
pub(super) const FIELDS: usize = 64;

/// Finds the empty line that ends a head, scanning each byte once.
#[derive(Debug, Clone, Default)]
pub(super) struct HeadEnd {
    searched: usize,
    /// Start of the line that is being scanned.
    line: usize,
    /// Whether a non-empty line was seen: leading empty lines are skipped (RFC 9112 section
    /// 2.2).
    begun: bool,
}

impl HeadEnd {
    /// The length of the head at the start of `bytes`; `Ok(None)` if it is incomplete.
    pub(super) fn find(&mut self, bytes: &[u8]) -> Result<Option<usize>, HeadTooLong> {
        self.find_within(bytes, HEAD_LIMIT)
    }

    /// Like [`find`](Self::find), with a head limit of `limit` bytes.
    pub(super) fn find_within(
        &mut self,
        bytes: &[u8],
        limit: usize,
    ) -> Result<Option<usize>, HeadTooLong> {
        while let Some(end) = memchr::memchr(b'\n', &bytes[self.searched..]) {
            let end = self.searched + end;
            if end >= limit {
                return Err(HeadTooLong);
            }
            let line = &bytes[self.line..end];
            let is_empty = matches!(line, b"" | b"\r");
            self.searched = end + 1;
            self.line = end + 1;
            if is_empty && self.begun {
                return Ok(Some(end + 1));
            }
            self.begun |= !is_empty;
        }
        self.searched = bytes.len();
        if bytes.len() > limit { Err(HeadTooLong) } else { Ok(None) }
    }
}

/// The head exceeds its limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct HeadTooLong;

/// What the header fields say about the body and the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a field of its own on the wire")]
pub(super) struct Framing {
    pub(super) length: Option<usize>,
    /// A transfer coding is present.
    pub(super) chunked: bool,
    /// The last transfer coding is `chunked`, so the body is self-delimiting.
    pub(super) ends_chunked: bool,
    pub(super) close: bool,
    pub(super) keep_alive: bool,
    pub(super) expects_continue: bool,
}

impl Framing {
    /// Parses `fields`; `None` if lengths conflict or are not numbers, which allows request
    /// smuggling (RFC 9112 section 6.3).
    pub(super) fn of(fields: &[Header<'_>]) -> Option<Self> {
        let mut framing = Self::default();
        for Header { name, value } in fields {
            let named = |known: &str| name.eq_ignore_ascii_case(known);
            let says = |token: &str| {
                let mut tokens = value.split(|byte| *byte == b',');
                tokens.any(|said| said.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
            };
            if named("Content-Length") {
                let length = decimal::parse(value.trim_ascii())?;
                if framing.length.is_some_and(|known| known != length) {
                    return None;
                }
                framing.length = Some(length);
            } else if named("Transfer-Encoding") {
                framing.chunked = true;
                let last = value.rsplit(|byte| *byte == b',').next().unwrap_or_default();
                framing.ends_chunked = last.trim_ascii().eq_ignore_ascii_case(b"chunked");
            } else if named("Connection") {
                framing.close |= says("close");
                framing.keep_alive |= says("keep-alive");
            } else if named("Expect") {
                framing.expects_continue |= says("100-continue");
            }
        }
        Some(framing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_with_an_empty_line_after_others() {
        for (bytes, length) in [
            ("GET / HTTP/1.1\r\n\r\nbody", Some(18)),
            ("GET / HTTP/1.1\n\nbody", Some(16)),
            ("\r\n\nGET /\r\na: b\r\n\r\n", Some(18)),
            ("\r\n\r\n\r\n", None),
            ("GET / HTTP/1.1\r\na: b\r\n\r", None),
        ] {
            assert_eq!(HeadEnd::default().find(bytes.as_bytes()), Ok(length), "{bytes:?}");
            let mut piecewise = HeadEnd::default();
            let found = (1..=bytes.len())
                .find_map(|end| piecewise.find(&bytes.as_bytes()[..end]).transpose());
            assert_eq!(found, length.map(Ok), "{bytes:?}");
        }
    }

    #[test]
    fn a_head_over_the_limit_is_refused_whatever_the_pieces() {
        let fits = [&vec![b'x'; HEAD_LIMIT - 4][..], b"\r\n\r\n"].concat();
        assert_eq!(HeadEnd::default().find(&fits), Ok(Some(HEAD_LIMIT)));
        let over = [b"x", &fits[..]].concat();
        assert_eq!(HeadEnd::default().find(&over), Err(HeadTooLong));
        let mut piecewise = HeadEnd::default();
        let found = (1..=over.len()).find_map(|end| piecewise.find(&over[..end]).transpose());
        assert_eq!(found, Some(Err(HeadTooLong)));
    }

    #[test]
    fn fields_that_contradict_each_other_are_none() {
        let field = |name, value: &'static str| Header { name, value: value.as_bytes() };
        let framing = Framing::of(&[
            field("content-length", " 5 "),
            field("Content-Length", "5"),
            field("CONNECTION", "Upgrade, close"),
        ]);
        let expected = Framing { length: Some(5), close: true, ..Framing::default() };
        assert_eq!(framing, Some(expected));
        for values in [["5", "6"], ["5", "+5"], ["5, 5", "5"]] {
            let fields = values.map(|value| field("Content-Length", value));
            assert_eq!(Framing::of(&fields), None, "{values:?}");
        }
    }
}
