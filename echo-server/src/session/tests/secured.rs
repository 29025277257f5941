//! Limits and stops of a session inside TLS, with a client in memory.

use std::sync::Arc;

use echo_net::tls::{ClientTls, ServerTls, ServerTrust, Transform};

use super::super::stopping::SETTLE;
use super::*;
use crate::handshakes::Handshakes;

const MESSAGE: Nanos = 2 * SECOND;

/// A session after the handshake, and its client.
fn connected(protocol: ProtocolKind) -> (Shell, Transform) {
    let timeouts = Timeouts { message: MESSAGE, ..TIMEOUTS };
    let mut shell = Shell::with(timeouts, protocol, 1024);
    let server = ServerTls::self_signed().unwrap();
    let (until, place) = (shell.now + SECOND, Handshakes::new(8).begin());
    let session = Session::new(protocol.responder(1024, SystemTime::now), timeouts, shell.now);
    shell.session = session.inside_tls(server.accept(), until, place, Arc::default());
    let client = ClientTls::new(&ServerTrust::Anyone, false).unwrap();
    let mut client = client.connect("localhost").unwrap();
    while client.is_handshaking() || shell.session.is_handshaking() {
        let mut wire = Vec::new();
        client.take_output(&mut wire);
        shell.receive(&wire);
        shell.take_all();
        client.receive_all(&std::mem::take(&mut shell.taken), |_| ()).unwrap();
    }
    (shell, client)
}

fn sealed(client: &mut Transform, plaintext: &[u8]) -> Vec<u8> {
    let mut wire = Vec::new();
    assert_eq!(client.send(plaintext, &mut wire), plaintext.len());
    wire
}

#[test]
fn a_record_must_be_complete_in_time_as_a_message_must() {
    for protocol in [ProtocolKind::Line, ProtocolKind::Raw] {
        let (mut shell, mut client) = connected(protocol);
        let record = sealed(&mut client, b"hello\n");
        shell.receive(&record);
        shell.take_all();
        shell.pass(2 * MESSAGE);
        assert_eq!(shell.session.ended_by(), None, "between records");
        let record = sealed(&mut client, b"hello\n");
        for byte in record[..8].chunks(1) {
            shell.receive(byte);
            shell.pass(MESSAGE / 8);
        }
        assert_eq!(shell.session.ended_by(), Some(Limit::MessageTimeout), "{protocol}");
    }
}

#[test]
fn a_stop_in_a_transfer_without_messages_ends_without_close_notify() {
    let (mut shell, mut client) = connected(ProtocolKind::Raw);
    shell.stop(Unread::default());
    shell.receive(&sealed(&mut client, b"more"));
    shell.pass(SETTLE);
    shell.take_all();
    assert_eq!((shell.next, shell.session.ended_by()), (Next::Close, Some(Limit::Stop)));
    assert_eq!((&shell.taken[..], shell.half_closed), (&b""[..], false));
}

#[test]
fn a_client_that_has_every_byte_back_gets_its_close_notify_and_may_answer_it() {
    let (mut shell, mut client) = connected(ProtocolKind::Raw);
    shell.receive(&sealed(&mut client, b"all"));
    shell.stop(Unread::default());
    shell.take_all();
    shell.pass(SETTLE);
    shell.take_all();
    assert!(shell.half_closed);
    let mut echoed = Vec::new();
    client.receive_all(&shell.taken, |piece| echoed.extend_from_slice(piece)).unwrap();
    assert_eq!((&echoed[..], client.end_of_input()), (&b"all"[..], Ok(())));
    let mut wire = Vec::new();
    client.close(&mut wire);
    shell.receive(&wire);
    shell.end();
    assert_eq!((shell.next, shell.session.ended_by()), (Next::Close, None));
}
