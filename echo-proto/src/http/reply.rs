//! Splits a byte stream into HTTP/1 replies: [`ReplyReader`]. Supports all body framings of RFC
//! 9112 section 6.3: Content-Length, chunked with or without trailers, and until close. Buffers
//! at most its limits.

use std::mem::MaybeUninit;
use std::ops::Range;

use httparse::{ParserConfig, Status};

use super::head::{FIELDS, Framing, HeadEnd};
use crate::line::ECHO_PREFIX;
use crate::request::{MOST_REPLY_FIELDS, MOST_REPLY_HEAD};
use crate::{HttpFault, Malformed, carry_over};

/// Maximum length of a chunk-size line, extensions included.
const CHUNK_LINE: usize = 4096;

/// Length of a chunk-size line that is not counted as padding, beside two bytes for each of its
/// chunk: no server needs more. These limits are those of Go's net/http (CVE-2023-39326).
const USUAL_CHUNK_LINE: usize = 16;

/// Maximum padding of a chunked body, so that a small body can't need an endless stream.
const CHUNK_PADDING: usize = 16 * 1024;

/// Capacity kept between chunked bodies.
const KEPT_CAPACITY: usize = 1024 * 1024;

/// Start of every status line.
const VERSION: &[u8] = b"HTTP/1.";

/// See the [module](self).
#[derive(Debug)]
pub(super) struct ReplyReader {
    limit: usize,
    stage: Stage,
    end: HeadEnd,
    head: Head,
    /// Bytes of the interim replies before the present one.
    interim: usize,
    /// Padding of the chunked body so far.
    padding: usize,
    /// The head of a reply whose body arrives in pieces, and the decoded body so far.
    joined: Vec<u8>,
}

/// Parser state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    /// Head and body; the body has this many bytes.
    Whole(usize),
    ChunkSize,
    /// This many bytes of a chunk remain.
    Chunk(usize),
    ChunkEnd,
    /// Trailer fields; this many bytes are still allowed.
    Trailer(usize),
    /// A body until the connection closes.
    UntilEnd,
}

#[derive(Debug, Clone, Copy, Default)]
struct Head {
    status: u16,
    /// Bytes before the body.
    length: usize,
    /// Whether the server closes the connection after this reply.
    last: bool,
}

/// A complete reply.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    pub(super) status: u16,
    /// The body's range in the bytes passed in; `None`: it is [`ReplyReader::body`].
    pub(super) body: Option<Range<usize>>,
    /// Whether the server closes the connection after it.
    pub(super) last: bool,
}

impl ReplyReader {
    /// Accepts bodies of at most `limit` bytes plus the echo prefix.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: carry_over::possible(limit),
            stage: Stage::Head,
            end: HeadEnd::default(),
            head: Head::default(),
            interim: 0,
            padding: 0,
            joined: Vec::new(),
        }
    }

    /// Continues at `bytes`: returns the number of bytes consumed and the reply that ends
    /// there. Unconsumed bytes must be passed again, followed by new ones.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Result<(usize, Option<Whole>), Malformed> {
        let mut used = 0;
        loop {
            let rest = &bytes[used..];
            let step = match self.stage {
                Stage::Head => self.read_head(rest)?,
                Stage::Whole(body) => {
                    let end = used + self.head.length + body;
                    if bytes.len() < end {
                        return Ok((used, None));
                    }
                    return Ok((end, Some(self.finish(Some(end - body..end)))));
                }
                Stage::ChunkSize => self.read_chunk_size(rest)?,
                Stage::Chunk(left) => {
                    let piece = &rest[..left.min(rest.len())];
                    self.joined.extend_from_slice(piece);
                    self.stage = match left - piece.len() {
                        0 => Stage::ChunkEnd,
                        left => Stage::Chunk(left),
                    };
                    (!piece.is_empty()).then_some(piece.len())
                }
                Stage::ChunkEnd => match rest {
                    [b'\r', b'\n', ..] => {
                        self.stage = Stage::ChunkSize;
                        Some(2)
                    }
                    [] | [b'\r'] => None,
                    _ => return Err(HttpFault::Chunk.into()),
                },
                Stage::Trailer(room) => match self.read_trailer(rest, room)? {
                    Some((length, true)) => {
                        return Ok((used + length, Some(self.finish(None))));
                    }
                    step => step.map(|(length, _)| length),
                },
                Stage::UntilEnd => {
                    if rest.len() > self.room() {
                        return Err(Malformed::TooLong(self.limit));
                    }
                    self.joined.extend_from_slice(rest);
                    return Ok((bytes.len(), None));
                }
            };
            match step {
                Some(length) => used += length,
                None => return Ok((used, None)),
            }
        }
    }

    /// The reply that the end of the connection completes, if any.
    pub(super) fn end_of_input(&mut self) -> Option<Whole> {
        (self.stage == Stage::UntilEnd).then(|| self.finish(None))
    }

    /// The body of a reply that arrived in pieces, or its beginning if it is incomplete.
    pub(super) fn body(&self) -> &[u8] {
        self.joined.get(self.head.length..).unwrap_or_default()
    }

    /// Bytes that the incomplete body may still have.
    fn room(&self) -> usize {
        let most = self.limit.saturating_add(ECHO_PREFIX.len());
        most.saturating_sub(self.body().len())
    }

    /// The bytes so far of an incomplete reply that arrives in pieces.
    pub(super) fn partial(&self) -> &[u8] {
        match self.stage {
            Stage::Head | Stage::Whole(_) => &[],
            _ => &self.joined,
        }
    }

    fn finish(&mut self, body: Option<Range<usize>>) -> Whole {
        (self.stage, self.end) = (Stage::Head, HeadEnd::default());
        let Head { status, last, length } = self.head;
        // Interim replies are skipped: without a limit they could go on for ever.
        self.interim = if status < 200 { self.interim.saturating_add(length) } else { 0 };
        Whole { status, body, last }
    }

    /// Parses the head, if it is complete; returns the bytes consumed.
    fn read_head(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        // Checked before the empty line arrives: another protocol may never send one.
        let begun = bytes.trim_ascii_start();
        let seen = begun.len().min(VERSION.len());
        if begun[..seen] != VERSION[..seen] {
            return Err(Malformed::NotHttp);
        }
        let found = self.end.find_within(bytes, MOST_REPLY_HEAD);
        let Some(length) = found.map_err(|_| Malformed::HeadTooLong)? else { return Ok(None) };
        if length > MOST_REPLY_HEAD.saturating_sub(self.interim) {
            return Err(Malformed::HeadTooLong);
        }
        let head = match understand::<FIELDS>(&bytes[..length]) {
            Err(Malformed::HeadTooLong) => understand_many(&bytes[..length]),
            understood => understood,
        }?;
        self.head = Head { status: head.status, length, last: head.last };
        self.joined.clear();
        self.padding = 0;
        self.stage = match head.body {
            Body::Length(body) if body > self.room() => {
                return Err(Malformed::TooLong(self.limit));
            }
            Body::Length(body) => {
                // The head stays in place, before its body.
                self.stage = Stage::Whole(body);
                return Ok(Some(0));
            }
            Body::Chunked => Stage::ChunkSize,
            Body::UntilEnd => Stage::UntilEnd,
        };
        if self.joined.capacity() > KEPT_CAPACITY {
            self.joined = Vec::new();
        }
        self.joined.extend_from_slice(&bytes[..length]);
        Ok(Some(length))
    }

    fn read_chunk_size(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        let (line, size) = match httparse::parse_chunk_size(bytes) {
            Ok(Status::Complete(found)) => found,
            Ok(Status::Partial) if bytes.len() < CHUNK_LINE => return Ok(None),
            _ => return Err(HttpFault::Chunk.into()),
        };
        if line > CHUNK_LINE {
            return Err(HttpFault::Chunk.into());
        }
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if size > self.room() {
            return Err(Malformed::TooLong(self.limit));
        }
        let usual = size.saturating_mul(2).saturating_add(USUAL_CHUNK_LINE);
        self.padding = self.padding.saturating_add(line).saturating_sub(usual);
        if self.padding > CHUNK_PADDING {
            return Err(HttpFault::Padding.into());
        }
        self.stage =
            if size == 0 { Stage::Trailer(MOST_REPLY_HEAD) } else { Stage::Chunk(size) };
        Ok(Some(line))
    }

    /// Skips a trailer line; whether it is the final empty one.
    fn read_trailer(
        &mut self,
        bytes: &[u8],
        room: usize,
    ) -> Result<Option<(usize, bool)>, Malformed> {
        let end = memchr::memchr(b'\n', bytes);
        let length = end.map_or(bytes.len(), |end| end + 1);
        let Some(left) = room.checked_sub(length) else { return Err(Malformed::HeadTooLong) };
        let Some(end) = end else { return Ok(None) };
        self.stage = Stage::Trailer(left);
        Ok(Some((length, matches!(&bytes[..end], b"" | b"\r"))))
    }
}

/// Parses a head.
struct Understood {
    status: u16,
    body: Body,
    last: bool,
}

enum Body {
    Length(usize),
    Chunked,
    UntilEnd,
}

/// Separate, so that replies with few header fields don't reserve stack space for many.
#[cold]
#[inline(never)]
fn understand_many(head: &[u8]) -> Result<Understood, Malformed> {
    understand::<MOST_REPLY_FIELDS>(head)
}

/// Parses a complete head of at most `MOST` fields.
#[inline]
fn understand<const MOST: usize>(head: &[u8]) -> Result<Understood, Malformed> {
    let mut fields = [MaybeUninit::uninit(); MOST];
    let mut response = httparse::Response::new(&mut []);
    let parsed = ParserConfig::default().parse_response_with_uninit_headers(
        &mut response,
        head,
        &mut fields,
    );
    let status = match (parsed, response.code) {
        (Ok(Status::Complete(_)), Some(status)) => status,
        (Err(httparse::Error::TooManyHeaders), _) => return Err(Malformed::HeadTooLong),
        (Err(httparse::Error::Version), _) => return Err(Malformed::NotHttp),
        _ => return Err(HttpFault::Head.into()),
    };
    let framing = Framing::of(response.headers).ok_or(HttpFault::Length)?;
    let body = match (status, framing) {
        (100..200 | 204 | 304, _) => Body::Length(0),
        (_, Framing { ends_chunked: true, .. }) => Body::Chunked,
        (_, Framing { chunked: false, length: Some(length), .. }) => Body::Length(length),
        _ => Body::UntilEnd,
    };
    let is_old = response.version == Some(0);
    let last =
        framing.close || (is_old && !framing.keep_alive) || matches!(body, Body::UntilEnd);
    Ok(Understood { status, body, last })
}
