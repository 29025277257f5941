//! Messages that have begun and do not end.

use echo_proto::{Flow, Outcome, ProtocolKind, Replies, Respond, WriteMode};
use strum::VariantArray;

use crate::connection::{clock, connected_in_messages, decode_all, request};

const LIMIT: usize = 64;

/// The protocols that know where a message ends.
fn with_messages() -> impl Iterator<Item = ProtocolKind> {
    ProtocolKind::VARIANTS.iter().copied().filter(|&kind| kind != ProtocolKind::Raw)
}

#[test]
fn unfinished_are_the_bytes_since_the_last_whole_message_however_they_come() {
    for kind in with_messages() {
        let (mut client, mut responder) = connected_in_messages(kind, LIMIT);
        let whole = request(&mut client, b"two words");
        let mut replies = Replies::new(WriteMode::Whole);
        for round in 0..2 {
            for (number, byte) in whole.iter().enumerate() {
                assert_eq!(responder.unfinished(), number, "{kind} {round}");
                assert_eq!(responder.receive(&[*byte], &mut replies), Flow::Open);
            }
            assert_eq!(responder.unfinished(), 0, "{kind} {round}");
        }
        let both = [&whole[..], &whole[..3]].concat();
        assert_eq!(responder.receive(&both, &mut replies), Flow::Open);
        assert_eq!(responder.unfinished(), 3, "{kind}");
    }
}

#[test]
fn a_byte_stream_without_messages_has_none_unfinished() {
    let mut responder = ProtocolKind::Raw.responder(LIMIT, clock);
    let mut replies = Replies::new(WriteMode::Whole);
    assert_eq!(responder.receive(b"abc", &mut replies), Flow::Open);
    assert_eq!(responder.unfinished(), 0);
    replies.clear();
    responder.time_out(&mut replies);
    assert_eq!((replies.bytes(), replies.errors()), (&b""[..], 0));
}

/// Old clients send an empty line after a body.
#[test]
fn an_empty_line_between_http_requests_begins_none() {
    let mut responder = ProtocolKind::Http.responder(LIMIT, clock);
    let mut replies = Replies::new(WriteMode::Whole);
    let mut client = ProtocolKind::Http.requester(LIMIT);
    let both = [&request(&mut client, b"/")[..], b"\r\n"].concat();
    assert_eq!(responder.receive(&both, &mut replies), Flow::Open);
    assert_eq!(responder.unfinished(), 0);
    assert_eq!(responder.receive(b"G", &mut replies), Flow::Open);
    assert_eq!(responder.unfinished(), 3);
}

#[test]
fn a_message_that_takes_too_long_gets_an_error_that_its_client_reads_and_nothing_after_it() {
    for kind in with_messages() {
        let (mut client, mut responder) = connected_in_messages(kind, LIMIT);
        let whole = request(&mut client, b"two words");
        let mut replies = Replies::new(WriteMode::Whole);
        assert_eq!(responder.receive(&whole[..whole.len() - 1], &mut replies), Flow::Open);
        responder.time_out(&mut replies);
        assert_eq!(replies.errors(), 1, "{kind}");
        let told = decode_all(&mut client, [replies.bytes()]).unwrap();
        let [(_, outcome, text)] = &told[..] else { panic!("{kind}: {told:?}") };
        let text = String::from_utf8_lossy(text);
        assert!(text.contains("not completed in time"), "{kind}: {text}");
        // An error in a frame is a frame.
        let framed = matches!(kind, ProtocolKind::Frame | ProtocolKind::Mux);
        assert_eq!(*outcome == Outcome::Error, !framed, "{kind}");
        assert_eq!(responder.receive(&whole, &mut replies), Flow::Finish, "{kind}");
        responder.time_out(&mut replies);
        assert_eq!(replies.errors(), 1, "{kind}");
    }
}
