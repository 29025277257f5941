//! Every protocol and every write mode, on every model: what is sent is echoed.

use std::cell::RefCell;

use echo_proto::{Outcome, ProtocolKind, Request, WriteMode};
use echo_test_support::client::Text;
use echo_test_support::running_server::on_every_model;
use strum::VariantArray;

use crate::lines::numbered;

#[test]
fn every_protocol_gives_each_message_back_in_order_and_ends_after_half_close() {
    let messages: Vec<Vec<u8>> = (0..2000)
        .map(|number: usize| format!("{number} {}", "*".repeat(number % 97)).into_bytes())
        .collect();
    for &kind in ProtocolKind::VARIANTS {
        on_every_model(&["--protocol", &kind.to_string()], |server| {
            let mut requester = kind.requester(kind.default_max_message());
            let mut stream = Vec::new();
            for (number, message) in (0..).zip(&messages) {
                requester.encode(number, message, &mut stream);
            }
            let seen = server.connect().converse(&stream);
            let mut replies = Vec::new();
            let decoded = requester.decode(&seen, |reply| {
                assert_eq!(reply.outcome, Outcome::Echo, "{kind}");
                replies.push(reply.body.to_vec());
            });
            assert_eq!(decoded, Ok(()), "{kind}");
            assert_eq!(requester.partial(), b"", "{kind}");
            assert!(replies == messages, "{kind}: {} replies, not the same", replies.len());
        });
    }
}

#[test]
fn raw_bytes_come_back_before_any_newline_or_end() {
    on_every_model(&["--protocol", "raw"], |server| {
        let mut client = server.connect();
        client.exchange(b"no newline", b"no newline");
        client.exchange(b"\0\xff\r\n", b"\0\xff\r\n");
        client.half_close();
        assert_eq!(client.read_to_end(), b"");
    });
}

#[test]
fn an_empty_frame_comes_back_and_a_cut_one_gets_the_end() {
    on_every_model(&["--protocol", "frame"], |server| {
        let mut client = server.connect();
        client.exchange(&[0, 0, 0, 0], &[0, 0, 0, 0]);
        client.exchange(&[0, 0, 0, 2, b'h', b'i'], &[0, 0, 0, 2, b'h', b'i']);
        client.send(&[0, 0, 0, 9, b'c', b'u', b't']);
        client.half_close();
        assert_eq!(client.read_to_end(), b"");
    });
}

#[test]
fn write_modes_give_the_same_bytes() {
    let stream = [&numbered("", 0..1000)[..], b"without newline"].concat();
    let first = RefCell::new(None);
    for &mode in WriteMode::VARIANTS {
        on_every_model(&["--write-mode", &mode.to_string()], |server| {
            let seen = server.connect().converse(&stream);
            let mut first = first.borrow_mut();
            let expected = first.get_or_insert_with(|| seen.clone());
            assert_eq!(Text(&seen), Text(expected), "{mode}");
            assert!(seen.ends_with(b"ECHO: number 999\nECHO: without newline\n"), "{mode}");
        });
    }
}
