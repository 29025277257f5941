//! TCP keeps bytes, not boundaries: how a stream was cut into reads changes nothing.

use echo_proto::{ProtocolKind, Replies, Respond, WriteMode};
use proptest::prelude::*;
use strum::VariantArray;

use crate::connection::{
    bytes, cases, clock, converse, cut, cuts, decode_all, encode_all, fit, payloads, sentences,
};

/// Shorter than many of the messages, so that some streams go over it.
const MAX_MESSAGE: usize = 16;

proptest! {
    #![proptest_config(cases(400))]

    #[test]
    fn any_split_of_messages_gives_the_same_replies(payloads in payloads(), cuts in cuts()) {
        for &kind in ProtocolKind::VARIANTS {
            let payloads = fit(kind, &payloads);
            let wire = encode_all(&mut kind.requester(MAX_MESSAGE), &payloads);
            let whole = converse(kind, MAX_MESSAGE, [&wire[..]]);
            prop_assert_eq!(&converse(kind, MAX_MESSAGE, cut(&wire, &cuts)), &whole, "{}", kind);
            let single_bytes = wire.chunks(1);
            prop_assert_eq!(&converse(kind, MAX_MESSAGE, single_bytes), &whole, "{}", kind);
        }
    }

    #[test]
    fn any_split_of_arbitrary_bytes_gives_the_same_replies(stream in bytes(0..200), cuts in cuts()) {
        for &kind in ProtocolKind::VARIANTS {
            let whole = converse(kind, MAX_MESSAGE, [&stream[..]]);
            prop_assert_eq!(&converse(kind, MAX_MESSAGE, cut(&stream, &cuts)), &whole, "{}", kind);
        }
    }

    #[test]
    fn any_split_of_what_clients_say_gives_the_same_replies(
        stream in sentences(),
        cuts in cuts(),
    ) {
        for &kind in ProtocolKind::VARIANTS {
            let whole = converse(kind, MAX_MESSAGE, [&stream[..]]);
            prop_assert_eq!(&converse(kind, MAX_MESSAGE, cut(&stream, &cuts)), &whole, "{}", kind);
            let single_bytes = stream.chunks(1);
            prop_assert_eq!(&converse(kind, MAX_MESSAGE, single_bytes), &whole, "{}", kind);
        }
    }

    #[test]
    fn any_split_of_replies_is_read_the_same(payloads in payloads(), cuts in cuts()) {
        for &kind in ProtocolKind::VARIANTS {
            let payloads = fit(kind, &payloads);
            let read = |cuts: &[_]| {
                let mut requester = kind.requester(64);
                let wire = encode_all(&mut requester, &payloads);
                let heard = converse(kind, 64, [&wire[..]]);
                decode_all(&mut requester, cut(&heard.bytes, cuts))
            };
            prop_assert_eq!(read(&cuts), read(&[]), "{}", kind);
        }
    }

    #[test]
    fn write_modes_differ_in_writes_and_never_in_bytes(payloads in payloads()) {
        for &kind in ProtocolKind::VARIANTS {
            let wire = encode_all(&mut kind.requester(MAX_MESSAGE), &fit(kind, &payloads));
            let expected = {
                let mut replies = Replies::new(WriteMode::Whole);
                let _ = kind.responder(MAX_MESSAGE, clock).receive(&wire, &mut replies);
                replies.bytes().to_vec()
            };
            for &mode in WriteMode::VARIANTS {
                let mut replies = Replies::new(mode);
                let _ = kind.responder(MAX_MESSAGE, clock).receive(&wire, &mut replies);
                prop_assert_eq!(replies.writes().collect::<Vec<_>>().concat(), &expected[..]);
                prop_assert!(replies.writes().all(|write| !write.is_empty()));
                prop_assert!(mode != WriteMode::Whole || replies.writes().count() <= 1);
            }
        }
    }
}
