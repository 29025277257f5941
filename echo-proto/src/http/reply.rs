//! Cuts a byte stream into HTTP/1 replies: [`ReplyReader`]. Reads every way in which a reply
//! may tell its end (RFC 9112 section 6.3): a length, chunks with or without trailer fields,
//! and the end of the connection. Keeps no more of a reply than its limits allow.

use std::mem::MaybeUninit;
use std::ops::Range;

use httparse::{ParserConfig, Status};

use super::head::{FIELDS, Framing, HeadEnd};
use crate::line::ECHO_PREFIX;
use crate::request::{MOST_REPLY_FIELDS, MOST_REPLY_HEAD};
use crate::{HttpFault, Malformed, carry_over};

/// Longest line that tells the size of a chunk, with its extensions.
const CHUNK_LINE: usize = 4096;

/// Memory that is kept from one body in pieces to the next.
const KEPT_CAPACITY: usize = 1024 * 1024;

/// What every reply begins with.
const VERSION: &[u8] = b"HTTP/1.";

/// See the [module](self).
#[derive(Debug)]
pub(super) struct ReplyReader {
    limit: usize,
    stage: Stage,
    end: HeadEnd,
    head: Head,
    /// The head of a reply whose body comes in pieces, and the pieces so far without what
    /// is between them.
    joined: Vec<u8>,
}

/// What the next bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    /// Head and body, of which the body has so many bytes.
    Whole(usize),
    ChunkSize,
    /// So many bytes of a chunk.
    Chunk(usize),
    ChunkEnd,
    /// Fields after the last chunk, with room for so many bytes.
    Trailer(usize),
    /// A body until the connection ends.
    UntilEnd,
}

#[derive(Debug, Clone, Copy, Default)]
struct Head {
    status: u16,
    /// Bytes before the body.
    length: usize,
    /// Whether the connection ends with this reply.
    last: bool,
}

/// A whole reply.
#[derive(Debug, Clone)]
pub(super) struct Whole {
    pub(super) status: u16,
    /// Where its body is in the bytes that were shown; `None`: it is [`ReplyReader::body`].
    pub(super) body: Option<Range<usize>>,
    /// Whether the connection ends with it.
    pub(super) last: bool,
}

impl ReplyReader {
    /// Reads bodies of at most `limit` bytes, and what an echo has before them.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit: carry_over::possible(limit),
            stage: Stage::Head,
            end: HeadEnd::default(),
            head: Head::default(),
            joined: Vec::new(),
        }
    }

    /// Reads on at `bytes`: how many of them are used up, and the reply that ends there.
    /// What is not used up is to be shown again, with what follows.
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

    /// The reply that the end of the connection completes, if it does.
    pub(super) fn end_of_input(&mut self) -> Option<Whole> {
        (self.stage == Stage::UntilEnd).then(|| self.finish(None))
    }

    /// The body of a reply that came in pieces; of an unfinished one, what there is of it.
    pub(super) fn body(&self) -> &[u8] {
        self.joined.get(self.head.length..).unwrap_or_default()
    }

    /// Bytes that the unfinished body may still have.
    fn room(&self) -> usize {
        let most = self.limit.saturating_add(ECHO_PREFIX.len());
        most.saturating_sub(self.body().len())
    }

    /// What there is of a reply that has begun, comes in pieces and has not ended.
    pub(super) fn partial(&self) -> &[u8] {
        match self.stage {
            Stage::Head | Stage::Whole(_) => &[],
            _ => &self.joined,
        }
    }

    fn finish(&mut self, body: Option<Range<usize>>) -> Whole {
        (self.stage, self.end) = (Stage::Head, HeadEnd::default());
        let Head { status, last, .. } = self.head;
        Whole { status, body, last }
    }

    /// Reads the head, if it is whole; the bytes that are used up.
    fn read_head(&mut self, bytes: &[u8]) -> Result<Option<usize>, Malformed> {
        // Not only once there is an empty line: what is no HTTP may never have one.
        let begun = bytes.trim_ascii_start();
        let seen = begun.len().min(VERSION.len());
        if begun[..seen] != VERSION[..seen] {
            return Err(Malformed::NotHttp);
        }
        let found = self.end.find_within(bytes, MOST_REPLY_HEAD);
        let Some(length) = found.map_err(|_| Malformed::HeadTooLong)? else { return Ok(None) };
        let head = match understand::<FIELDS>(&bytes[..length]) {
            Err(Malformed::HeadTooLong) => understand_many(&bytes[..length]),
            understood => understood,
        }?;
        self.head = Head { status: head.status, length, last: head.last };
        self.joined.clear();
        self.stage = match head.body {
            Body::Length(body) if body > self.room() => {
                return Err(Malformed::TooLong(self.limit));
            }
            Body::Length(body) => {
                // It stays where it is, before its body.
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
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        if size > self.room() {
            return Err(Malformed::TooLong(self.limit));
        }
        self.stage =
            if size == 0 { Stage::Trailer(MOST_REPLY_HEAD) } else { Stage::Chunk(size) };
        Ok(Some(line))
    }

    /// Passes over a line of the trailer section; whether it is the empty one at its end.
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

/// What a head says.
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

/// Apart, so that replies with a usual head don't carry the room for an unusual one on their
/// stack.
#[cold]
#[inline(never)]
fn understand_many(head: &[u8]) -> Result<Understood, Malformed> {
    understand::<MOST_REPLY_FIELDS>(head)
}

/// What a whole head of at most `MOST` fields says.
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
