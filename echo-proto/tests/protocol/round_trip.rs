//! What a client sends is what it gets back, in order, each reply to its own request.

use echo_proto::{Answers, Outcome, ProtocolKind, Request};
use proptest::prelude::*;
use strum::VariantArray;

use crate::connection::{
    Heard, cases, clock, cut, cuts, decode_all, encode_all, fit, payloads,
};

const MAX_MESSAGE: usize = 64;

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn each_payload_comes_back_in_order(
        payloads in payloads(),
        to_server in cuts(),
        to_client in cuts(),
    ) {
        for &kind in ProtocolKind::VARIANTS {
            let payloads = fit(kind, &payloads);
            let mut requester = kind.requester(MAX_MESSAGE);
            let mut responder = kind.responder(MAX_MESSAGE, clock);
            let wire = encode_all(&mut requester, &payloads);
            let mut heard = Heard::default();
            for piece in cut(&wire, &to_server) {
                let _ = heard.receive(&mut responder, piece);
            }
            prop_assert!(!heard.finished, "{}: nothing here ends a connection", kind);
            prop_assert_eq!(heard.errors, 0, "{}", kind);

            let replies = decode_all(&mut requester, cut(&heard.bytes, &to_client));
            let replies = replies.map_err(|reason| TestCaseError::fail(reason.to_string()))?;
            prop_assert!(requester.partial().is_empty(), "{}: no reply is left half read", kind);
            for (answers, outcome, _) in &replies {
                prop_assert!(matches!(answers, Answers::Oldest | Answers::OldestOf(_)));
                prop_assert_eq!(*outcome, Outcome::Echo, "{}", kind);
            }
            let bodies: Vec<Vec<u8>> = replies.into_iter().map(|(_, _, body)| body).collect();
            prop_assert_eq!(bodies, payloads, "{}", kind);
        }
    }
}

#[test]
fn a_request_is_answered_as_soon_as_it_is_whole() {
    for &kind in ProtocolKind::VARIANTS {
        let mut requester = kind.requester(MAX_MESSAGE);
        let mut responder = kind.responder(MAX_MESSAGE, clock);
        for number in 0..3 {
            let text = format!("request {number}").into_bytes();
            let mut wire = Vec::new();
            requester.encode(number, &text, &mut wire);
            let mut heard = Heard::default();
            let _ = heard.receive(&mut responder, &wire);
            let replies = decode_all(&mut requester, [&heard.bytes[..]]).unwrap();
            let bodies: Vec<_> = replies.into_iter().map(|(_, _, body)| body).collect();
            assert_eq!(bodies, [text], "{kind}");
        }
    }
}

#[test]
fn eight_bit_data_comes_back_as_it_was() {
    let every_byte: Vec<u8> = (0..=u8::MAX).filter(|&byte| byte != b'\n').collect();
    for &kind in ProtocolKind::VARIANTS {
        let mut requester = kind.requester(1024);
        let wire = encode_all(&mut requester, std::slice::from_ref(&every_byte));
        let mut heard = Heard::default();
        let _ = heard.receive(&mut kind.responder(1024, clock), &wire);
        let replies = decode_all(&mut requester, [&heard.bytes[..]]).unwrap();
        assert_eq!(replies, [(replies[0].0, Outcome::Echo, every_byte.clone())], "{kind}");
    }
}
