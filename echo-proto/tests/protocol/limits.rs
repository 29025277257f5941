//! The limit of a message, and where a stream ends.

use echo_proto::{Flow, Outcome, ProtocolKind};
use proptest::prelude::*;
use strum::VariantArray;

use crate::connection::{
    Heard, bytes, cases, connected, converse, cut, cuts, decode_all, request,
};

const LIMIT: usize = 8;

/// The protocols that know where a message ends, and so can find it too long.
fn limited() -> impl Iterator<Item = ProtocolKind> {
    ProtocolKind::VARIANTS.iter().copied().filter(|&kind| kind != ProtocolKind::Raw)
}

#[test]
fn exactly_the_limit_is_accepted_and_the_connection_goes_on() {
    for &kind in ProtocolKind::VARIANTS {
        let (mut client, mut responder) = connected(kind, LIMIT);
        let mut heard = Heard::default();
        for _ in 0..2 {
            let flow = heard.receive(&mut responder, &request(&mut client, &[b'x'; LIMIT]));
            assert_eq!(flow, Flow::Open, "{kind}");
        }
        assert_eq!(heard.errors, 0, "{kind}");
    }
}

#[test]
fn one_over_the_limit_is_told_once_and_ends_the_connection() {
    for kind in limited() {
        let (mut client, mut responder) = connected(kind, LIMIT);
        let mut heard = Heard::default();
        let _ = heard.receive(&mut responder, &request(&mut client, b"before"));
        let flow = heard.receive(&mut responder, &request(&mut client, &[b'x'; LIMIT + 1]));
        assert_eq!((flow, heard.errors), (Flow::Finish, 1), "{kind}");

        let replies = decode_all(&mut client, [&heard.bytes[..]]).unwrap();
        assert_eq!(replies.len(), 2, "{kind}: {replies:?}");
        assert_eq!(
            (replies[0].1, &replies[0].2[..]),
            (Outcome::Echo, &b"before"[..]),
            "{kind}"
        );
        let told = String::from_utf8(replies[1].2.clone()).unwrap();
        assert!(told.ends_with(&format!("too long (limit {LIMIT} bytes)")), "{kind}: {told}");
    }
}

#[test]
fn an_endless_message_is_refused_before_its_end() {
    for kind in limited() {
        let (mut client, mut responder) = connected(kind, LIMIT);
        let mut heard = Heard::default();
        let whole = request(&mut client, &[b'x'; 100 * LIMIT]);
        let beginning = &whole[..whole.len() - 50 * LIMIT];
        let flow = heard.receive(&mut responder, beginning);
        assert_eq!((flow, heard.errors), (Flow::Finish, 1), "{kind}");
    }
}

#[test]
fn a_carriage_return_that_is_dropped_does_not_count_wherever_the_stream_is_cut() {
    let mut stream = vec![b'x'; LIMIT];
    stream.extend_from_slice(b"\r\n");
    for end in 0..=stream.len() {
        let heard = converse(ProtocolKind::Line, LIMIT, [&stream[..end], &stream[end..]]);
        assert_eq!(heard.bytes, b"ECHO: xxxxxxxx\n", "cut at {end}");
    }
}

#[test]
fn after_the_last_word_all_input_is_ignored() {
    for kind in limited() {
        let (mut client, mut responder) = connected(kind, LIMIT);
        let mut heard = Heard::default();
        let _ = heard.receive(&mut responder, &request(&mut client, &[b'x'; LIMIT + 1]));
        let told = heard.bytes.len();
        for _ in 0..3 {
            let flow = heard.receive(&mut responder, &request(&mut client, b"after"));
            assert_eq!(flow, Flow::Finish, "{kind}");
        }
        heard.end_of_input(&mut responder);
        assert_eq!((heard.bytes.len(), heard.errors), (told, 1), "{kind}");
    }
}

proptest! {
    #![proptest_config(cases(300))]

    /// Many ways to be over the limit, one report.
    #[test]
    fn however_a_stream_goes_wrong_it_is_told_at_most_once(
        stream in bytes(0..400),
        cuts in cuts(),
    ) {
        for kind in limited() {
            let heard = converse(kind, LIMIT, cut(&stream, &cuts));
            let told = b"too long (limit 8 bytes)";
            let times = heard.bytes.windows(told.len()).filter(|window| window == told).count();
            prop_assert!(heard.errors <= 1, "{}: {:?}", kind, heard);
            prop_assert!(times as u64 <= heard.errors, "{}: {:?}", kind, heard);
            // Others end for more reasons: they are asked to, or what came means nothing.
            let only_reason = matches!(
                kind,
                ProtocolKind::Line | ProtocolKind::Frame | ProtocolKind::Mux
            );
            prop_assert!(!heard.finished || times == 1 || !only_reason, "{}: {:?}", kind, heard);
        }
    }
}

#[test]
fn end_of_input_after_a_whole_message_says_nothing_more() {
    for &kind in ProtocolKind::VARIANTS {
        let (mut client, mut responder) = connected(kind, LIMIT);
        let mut heard = Heard::default();
        let _ = heard.receive(&mut responder, &request(&mut client, b"whole"));
        let before = heard.bytes.clone();
        heard.end_of_input(&mut responder);
        assert_eq!((heard.bytes, heard.errors), (before, 0), "{kind}");
    }
}

#[test]
fn end_of_input_in_a_message_answers_what_the_protocol_answers() {
    for (kind, stream, reply, errors) in [
        (ProtocolKind::Line, &b"last"[..], &b"ECHO: last\n"[..], 0),
        (ProtocolKind::Line, b"last\r", b"ECHO: last\n", 0),
        (ProtocolKind::Line, b"\r", b"ECHO: \n", 0),
        (ProtocolKind::Command, b"ECHO last\r", b"ECHO: last\n", 0),
        (ProtocolKind::Line, b"", b"", 0),
        (ProtocolKind::Frame, &[0, 0, 0, 5, b'l'], b"", 1),
        (ProtocolKind::Frame, &[0, 0], b"", 1),
        (ProtocolKind::Raw, b"last", b"last", 0),
        (ProtocolKind::Command, b"ECHO last", b"ECHO: last\n", 0),
        (ProtocolKind::Command, b"TIME", b"2023-11-14T22:13:20.000Z\n", 0),
        (ProtocolKind::Mux, &[0, 0, 0, 5, 0, 0, 0, 2, b'l'], b"", 1),
        (ProtocolKind::Resp, b"PING", b"", 1),
        (ProtocolKind::Http, b"GET / HTTP/1.1\r\n", b"", 1),
        (ProtocolKind::Postgres, &[0, 0, 0, 16, 0], b"", 1),
    ] {
        let heard = converse(kind, LIMIT, [stream]);
        assert_eq!((&heard.bytes[..], heard.errors), (reply, errors), "{kind} {stream:?}");
    }
}
