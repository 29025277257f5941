//! The same bytes give the same replies, whatever the protocol, model and transport. Scripts
//! are generated from a fixed seed; the expected replies come from the protocol alone, without
//! a server.

use std::time::UNIX_EPOCH;

use echo_proto::{
    Flow, MuxRequester, ProtocolKind, Replies, Request, Requester, Respond, WriteMode,
};
use echo_test_support::client::Text;
use echo_test_support::running_server::{RunningServer, on_every_model};
use proptest::prelude::*;
use proptest::sample::Index;
use proptest::test_runner::{RngSeed, TestCaseError, TestRunner};
use strum::VariantArray;

use crate::secure_client::SecureClient;

/// The transport.
struct Carrier {
    name: &'static str,
    server_flags: &'static [&'static str],
    /// Sends the pieces of a script to a server, half-closes, and returns what it receives.
    converse: fn(&RunningServer, &Script) -> Vec<u8>,
}

/// A new transport is one more row.
const CARRIERS: [Carrier; 2] = [
    Carrier { name: "TCP", server_flags: &[], converse: over_tcp },
    Carrier { name: "TLS", server_flags: &["--tls-self-signed"], converse: over_tls },
];

/// Message limit in bytes: small, so that exceeding it is common.
const LIMIT: usize = 300;

const CASES: u32 = 60;
const SEED: u64 = 0x6563_686f;

/// A client script: sends a stream in pieces, waits after some of them until the server has
/// read them, and half-closes.
#[derive(Clone)]
struct Script {
    stream: Vec<u8>,
    cuts: Vec<Index>,
    /// After this many pieces the client no longer waits.
    waits: usize,
}

impl std::fmt::Debug for Script {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let pieces: Vec<_> = self.pieces().into_iter().map(Text).collect();
        f.debug_struct("Script")
            .field("pieces", &pieces)
            .field("waits", &self.waits)
            .finish_non_exhaustive()
    }
}

impl Script {
    fn pieces(&self) -> Vec<&[u8]> {
        let size = self.stream.len() + 1;
        let mut ends: Vec<_> = self.cuts.iter().map(|cut| cut.index(size)).collect();
        ends.push(self.stream.len());
        ends.sort_unstable();
        let mut start = 0;
        let mut pieces = Vec::new();
        for end in ends {
            pieces.push(&self.stream[start..end]);
            start = end;
        }
        pieces.retain(|piece| !piece.is_empty());
        pieces
    }

    /// The replies of `kind`, and the number of the piece with which it finished the
    /// connection.
    fn right_replies(&self, kind: ProtocolKind) -> (Vec<u8>, Option<usize>) {
        let mut responder = kind.responder(LIMIT, || UNIX_EPOCH);
        let mut replies = Replies::new(WriteMode::Whole);
        for (number, piece) in self.pieces().into_iter().enumerate() {
            if responder.receive(piece, &mut replies) == Flow::Finish {
                return (replies.bytes().to_vec(), Some(number));
            }
        }
        responder.end_of_input(&mut replies);
        (replies.bytes().to_vec(), None)
    }
}

fn over_tcp(server: &RunningServer, script: &Script) -> Vec<u8> {
    let mut client = server.connect();
    for (number, piece) in script.pieces().into_iter().enumerate() {
        client.send(piece);
        if number < script.waits {
            client.wait_until_read();
        }
    }
    client.half_close();
    client.read_to_end()
}

/// Each piece is one TLS record, or several.
fn over_tls(server: &RunningServer, script: &Script) -> Vec<u8> {
    let mut client = SecureClient::connect(server);
    for (number, piece) in script.pieces().into_iter().enumerate() {
        client.send(piece);
        if number < script.waits {
            client.wait_until_read();
        }
    }
    client.half_close();
    client.read_to_end()
}

/// Random bytes in which delimiters are common.
fn bytes(size: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        2 => any::<u8>(),
        2 => b'a'..=b'z',
        1 => prop::sample::select(&b"\n\r\0 /\xff"[..]),
    ];
    prop::collection::vec(byte, size)
}

/// A message as a client of `kind` sends it, several times.
fn messages(kind: ProtocolKind) -> impl Strategy<Value = Vec<u8>> {
    let text = prop_oneof![
        6 => bytes(0..40_usize),
        1 => bytes(LIMIT - 2..LIMIT + 2),
        1 => (LIMIT..=LIMIT + 1).prop_map(|size| vec![b'x'; size]),
    ];
    let times = prop_oneof![4 => Just(1_usize), 1 => 2..60_usize];
    (text, 0..5_u64, times).prop_map(move |(mut text, number, times)| {
        if matches!(kind, ProtocolKind::Line | ProtocolKind::Command) {
            text.retain(|&byte| byte != b'\n');
        }
        if kind == ProtocolKind::Raw && text.is_empty() {
            text.push(b'x');
        }
        let mut requester = match kind {
            ProtocolKind::Mux => Requester::Mux(MuxRequester::new(2 * LIMIT, 3)),
            _ => kind.requester(2 * LIMIT),
        };
        let mut wire = Vec::new();
        // The script begins with it.
        requester.open(&mut wire);
        wire.clear();
        requester.encode(number, &text, &mut wire);
        wire.repeat(times)
    })
}

/// What a client of `kind` says before its messages.
fn opening(kind: ProtocolKind) -> Vec<u8> {
    let mut wire = Vec::new();
    if kind == ProtocolKind::Postgres {
        kind.requester(LIMIT).encode(0, b"first", &mut wire);
    }
    wire
}

/// Valid commands of a protocol, and near misses.
fn words(kind: ProtocolKind) -> &'static [&'static [u8]] {
    match kind {
        ProtocolKind::Command => &[
            b"UPPER stra\xc3\x9fe\n",
            b"lower \xce\x9f\xce\x94\xce\x9f\xce\xa3\r\n",
            b"REVERSE \xf0\x9f\x87\xa9\xf0\x9f\x87\xaae\xcc\x81\n",
            b"REVERSE \xff\n",
            b"HELP\n",
            b"QUIT\n",
            b"NOPE\n",
            b"ECHO\n",
        ],
        ProtocolKind::Resp => &[
            b"PING\r\n",
            b"*2\r\n$4\r\nECHO\r\n$2\r\nhi\r\n",
            b"*1\r\n$4\r\nPING\r\n",
            b"*2\r\n$4\r\nECHO\r\n$1000\r\n",
            b"*0\r\n",
            b"*1\r\n:1\r\n",
            b"CLIENT LIST\r\n",
            b"NOPE a b\r\n",
            b"QUIT\r\n",
        ],
        ProtocolKind::Postgres => &[
            b"Q\0\0\0\x10SELECT 'it'\0",
            b"Q\0\0\0\x1cbegin; select 1; commit\0",
            b"Q\0\0\0\x11select now()\0",
            b"P\0\0\0\x12\0select $1;\0\0\0",
            b"D\0\0\0\x0aSecho\0",
            b"E\0\0\0\x09\0\0\0\0\0",
            b"C\0\0\0\x0aSecho\0",
            b"S\0\0\0\x04",
            b"X\0\0\0\x04",
            b"Q\0\0\x10\0",
        ],
        ProtocolKind::Http => &[
            b"GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n",
            b"HEAD / HTTP/1.0\r\n\r\n",
            b"POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\nabc",
            b"PUT / HTTP/1.1\r\nContent-Length: 301\r\n\r\n",
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n",
            b"DELETE / HTTP/1.1\r\n\r\n",
            b"GET\r\n",
        ],
        ProtocolKind::Line | ProtocolKind::Raw | ProtocolKind::Frame | ProtocolKind::Mux => {
            &[b"\n", b"\r\n", b"\0\0\0\0", b"\0\0\x01\x2d", b"\0\0\0\x01\0\0\0\x02ab"]
        }
    }
}

fn scripts(kind: ProtocolKind) -> impl Strategy<Value = Script> {
    let part = prop_oneof![
        6 => messages(kind),
        2 => prop::sample::select(words(kind)).prop_map(<[u8]>::to_vec),
        1 => bytes(0..12_usize),
    ];
    let parts = prop::collection::vec(part, 0..10).prop_map(|parts| parts.concat());
    let cuts = prop::collection::vec(any::<Index>(), 0..6);
    let cut_short = prop::option::weighted(0.3, any::<Index>());
    // Few: reading the kernel's socket table is slow on a busy machine.
    let waits = prop_oneof![9 => Just(0_usize), 1 => 1..3_usize];
    let begun = prop::bool::weighted(0.9);
    let drawn = (begun, parts, cuts, cut_short, waits);
    drawn.prop_map(move |(begun, parts, cuts, cut_short, waits)| {
        let mut stream = if begun { opening(kind) } else { Vec::new() };
        stream.extend(parts);
        if let Some(end) = cut_short {
            stream.truncate(end.index(stream.len() + 1));
        }
        Script { stream, cuts, waits }
    })
}

/// Checks every script of the fixed seed.
fn for_each_script(kind: ProtocolKind, check: impl Fn(Script) -> Result<(), TestCaseError>) {
    let config = ProptestConfig {
        cases: CASES,
        rng_seed: RngSeed::Fixed(SEED),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..ProptestConfig::default()
    };
    let outcome = TestRunner::new(config).run(&scripts(kind), check);
    outcome.unwrap_or_else(|failure| panic!("--protocol {kind}: {failure}"));
}

#[test]
fn every_model_replies_what_the_protocol_says() {
    let limit = LIMIT.to_string();
    for carrier in CARRIERS {
        for &kind in ProtocolKind::VARIANTS {
            let protocol = kind.to_string();
            let flags = ["--protocol", &protocol, "--max-message", &limit];
            on_every_model(&[&flags[..], carrier.server_flags].concat(), |server| {
                for_each_script(kind, |mut script| {
                    let (right, ended_with) = script.right_replies(kind);
                    // Only where a read's boundaries matter does the client wait.
                    script.waits = script.waits.min(ended_with.unwrap_or(usize::MAX));
                    let seen = (carrier.converse)(server, &script);
                    prop_assert_eq!(Text(&seen), Text(&right), "over {}", carrier.name);
                    Ok(())
                });
            });
        }
    }
}

/// The scripts are only useful if they cover the edge cases.
#[test]
fn scripts_hold_errors_early_ends_pipelines_and_cut_messages() {
    for &kind in ProtocolKind::VARIANTS {
        let (mut ended, mut open, mut longest) = (0, 0, 0);
        let counts = std::cell::RefCell::new((&mut ended, &mut open, &mut longest));
        for_each_script(kind, |script| {
            let (right, ended_with) = script.right_replies(kind);
            let mut counts = counts.borrow_mut();
            *counts.0 += u32::from(ended_with.is_some());
            *counts.1 += u32::from(ended_with.is_none() && !right.is_empty());
            *counts.2 = (*counts.2).max(right.len());
            Ok(())
        });
        assert!(kind == ProtocolKind::Raw || ended >= 5, "{kind}: {ended} ended early");
        assert!(open >= 5, "{kind}: {open} were answered to their end");
        assert!(longest > 1000, "{kind}: no pipeline, {longest} bytes at most");
    }
}
