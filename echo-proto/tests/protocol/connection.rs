//! Both ends of one connection, without a network between them: [`Heard`] is what a peer
//! of the server would notice.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use echo_proto::{
    Answers, Flow, Malformed, Outcome, PostgresRequester, ProtocolKind, Replies, Request,
    Requester, Respond, Responder, WriteMode,
};
use proptest::prelude::*;
use proptest::sample::Index;

/// The time of day here, always.
pub(crate) fn clock() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

/// What a peer hears from a server, and what the server counted.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Heard {
    pub(crate) bytes: Vec<u8>,
    pub(crate) finished: bool,
    pub(crate) errors: u64,
}

/// One reply with its body copied out.
pub(crate) type OwnedReply = (Answers, Outcome, Vec<u8>);

impl Heard {
    /// Gives `input` to the server in one piece.
    pub(crate) fn receive(&mut self, responder: &mut Responder, input: &[u8]) -> Flow {
        let mut replies = Replies::new(WriteMode::Whole);
        let flow = responder.receive(input, &mut replies);
        self.finished |= flow == Flow::Finish;
        self.add(&replies);
        flow
    }

    /// Half-closes.
    pub(crate) fn end_of_input(&mut self, responder: &mut Responder) {
        let mut replies = Replies::new(WriteMode::Whole);
        responder.end_of_input(&mut replies);
        self.add(&replies);
    }

    fn add(&mut self, replies: &Replies) {
        self.bytes.extend_from_slice(replies.bytes());
        self.errors += replies.errors();
    }
}

/// Both sides of a connection of `kind` on which requests can be sent.
pub(crate) fn connected(kind: ProtocolKind, max_message: usize) -> (Requester, Responder) {
    opened(kind.requester(max_message), kind.responder(max_message, clock))
}

/// The same, where a request is a single message of the protocol.
pub(crate) fn connected_in_messages(
    kind: ProtocolKind,
    max_message: usize,
) -> (Requester, Responder) {
    let requester = match kind {
        ProtocolKind::Postgres => {
            Requester::Postgres(Box::new(PostgresRequester::new(max_message).simple()))
        }
        _ => kind.requester(max_message),
    };
    opened(requester, kind.responder(max_message, clock))
}

fn opened(mut requester: Requester, mut responder: Responder) -> (Requester, Responder) {
    let (mut wire, mut heard) = (Vec::new(), Heard::default());
    requester.open(&mut wire);
    while !wire.is_empty() {
        let _ = heard.receive(&mut responder, &wire);
        wire.clear();
        let replies = decode_all(&mut requester, [&std::mem::take(&mut heard.bytes)[..]]);
        assert_eq!(replies, Ok(Vec::new()), "nothing was asked yet");
        requester.open(&mut wire);
    }
    assert!(requester.is_open());
    (requester, responder)
}

/// The wire form of a request on a connection that is open.
pub(crate) fn request(requester: &mut Requester, payload: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    requester.encode(0, payload, &mut wire);
    wire
}

/// Sends `stream` to a new server in the given pieces, then half-closes.
pub(crate) fn converse<'a>(
    kind: ProtocolKind,
    max_message: usize,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Heard {
    let mut responder = kind.responder(max_message, clock);
    let mut heard = Heard::default();
    for piece in pieces {
        let _ = heard.receive(&mut responder, piece);
    }
    heard.end_of_input(&mut responder);
    heard
}

/// The wire form of all `payloads`, as a new client sends them.
pub(crate) fn encode_all(requester: &mut Requester, payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut wire = Vec::new();
    for (number, payload) in (0u64..).zip(payloads) {
        requester.encode(number, payload, &mut wire);
    }
    wire
}

/// The replies in `pieces`, as the client sees them.
pub(crate) fn decode_all<'a>(
    requester: &mut Requester,
    pieces: impl IntoIterator<Item = &'a [u8]>,
) -> Result<Vec<OwnedReply>, Malformed> {
    let mut seen = Vec::new();
    for piece in pieces {
        requester.decode(piece, |reply| {
            seen.push((reply.answers, reply.outcome, reply.body.to_vec()));
        })?;
    }
    Ok(seen)
}

/// `stream` cut at `cuts`, empty pieces included.
pub(crate) fn cut<'a>(stream: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len() + 1)).collect();
    ends.push(stream.len());
    ends.sort_unstable();
    let mut start = 0;
    let pieces = ends.into_iter().map(|end| {
        let piece = &stream[start..end];
        start = end;
        piece
    });
    pieces.collect()
}

/// Places to cut a stream at.
pub(crate) fn cuts() -> impl Strategy<Value = Vec<Index>> {
    proptest::collection::vec(any::<Index>(), 0..12)
}

/// Bytes among which those that delimit something are common.
pub(crate) fn bytes(size: std::ops::Range<usize>) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        3 => any::<u8>(),
        1 => prop::sample::select(&b"\n\r\0 \xff"[..]),
        1 => 0u8..16,
    ];
    proptest::collection::vec(byte, size)
}

/// Pieces of what clients of all protocols say, well put together or not.
pub(crate) fn sentences() -> impl Strategy<Value = Vec<u8>> {
    let words: [&[u8]; 28] = [
        b"PING\r\n",
        b"*2\r\n$4\r\nECHO\r\n",
        b"*1\r\n$4\r\nPING\r\n",
        b"$2\r\n\r\n\r\n",
        b"$3\r\nabc\r\n",
        b"$99\r\n",
        b"*0\r\n",
        b"QUIT\r\n",
        b"GET /a HTTP/1.1\r\n",
        b"HEAD / HTTP/1.0\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n",
        b"PUT / HTTP/1.1\r\nExpect: 100-continue\r\n",
        b"Content-Length: 5\r\n",
        b"Connection: close\r\n",
        b"\r\n",
        b"\n",
        b"abc",
        "UPPER straße\n".as_bytes(),
        "LOWER ΟΔΟΣ\r\n".as_bytes(),
        "REVERSE 🇩🇪e\u{301}\n".as_bytes(),
        b"REVERSE \xff\n",
        b"\0\0\0\x07\0\0\0\x02",
        b"\0\0\0\x10\0\x03\0\0user\0a\0\0",
        b"Q\0\0\0\x0fselect 'a'\0",
        b"P\0\0\0\x11\0select $1\0\0\0",
        b"B\0\0\0\x11\0\0\0\0\0\x01\0\0\0\x01a\0\0",
        b"E\0\0\0\x09\0\0\0\0\0",
        b"S\0\0\0\x04",
    ];
    proptest::collection::vec(prop::sample::select(words.to_vec()), 0..12)
        .prop_map(|words| words.concat())
}

/// Messages; those that `kind` can't carry are to be left out with [`fit`].
pub(crate) fn payloads() -> impl Strategy<Value = Vec<Vec<u8>>> {
    proptest::collection::vec(bytes(0..24), 0..12)
}

/// The messages that `kind` can carry.
pub(crate) fn fit(kind: ProtocolKind, payloads: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let fits = |payload: &&Vec<u8>| kind.check_message(payload).is_ok();
    payloads.iter().filter(fits).cloned().collect()
}

/// Cases for a property. No file of past failures: the shrunk input is in the message.
pub(crate) fn cases(number: u32) -> ProptestConfig {
    ProptestConfig { cases: number, failure_persistence: None, ..ProptestConfig::default() }
}
