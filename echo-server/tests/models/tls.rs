//! Peers that do not finish a TLS handshake, on every model.

use echo_net::tls::{ClientTls, Fingerprint, ServerTls, ServerTrust};
use echo_server::TlsServed;
use std::io::ErrorKind;

use super::*;

/// Short enough to be waited for.
const HANDSHAKE: Duration = Duration::from_millis(300);
/// Longer than any test waits for a peer that is meant to act within it.
const NEVER: Duration = Duration::from_secs(2000);

/// Runs `peer` against a new server of each model with this deadline for handshakes, telling it an
/// instant before the server can have begun to wait; what each server has counted, which is as many
/// errors as there are failures of TLS.
fn against_each_model(
    handshake_timeout: Duration,
    expected: TlsServed,
    peer: impl Fn(&mut TcpStream, Instant),
) {
    for_each_model(|model| {
        let tls = Some(ServerTls::self_signed().unwrap());
        let server = Server::start(Config { tls, handshake_timeout, ..config(model) });
        let begin = Instant::now();
        let mut stream = server.connect();
        peer(&mut stream, begin);
        drop(stream);
        let outcome = server.stop();
        assert_eq!(outcome.tls, Some(expected));
        let TlsServed { plaintext, timeout, failed, truncated, .. } = expected;
        assert_eq!(outcome.served.errors, plaintext + timeout + failed + truncated);
    });
}

/// Waits for the end, of whatever kind, and whatever comes before it.
fn await_end(stream: &mut TcpStream) {
    match stream.read_to_end(&mut Vec::new()) {
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("no end but {error}"),
    }
}

#[test]
fn a_silent_peer_is_cut_off_at_the_handshake_deadline_and_counted() {
    let expected = TlsServed { timeout: 1, ..TlsServed::default() };
    against_each_model(HANDSHAKE, expected, |stream, begin| {
        await_end(stream);
        let took = begin.elapsed();
        assert!(took >= HANDSHAKE, "cut off after {took:?}");
    });
}

#[test]
fn a_peer_that_dribbles_its_hello_is_cut_off_all_the_same() {
    let expected = TlsServed { timeout: 1, ..TlsServed::default() };
    against_each_model(HANDSHAKE, expected, |stream, begin| {
        // A record that never becomes whole.
        let hello = [22, 3, 1, 2, 0, 1, 0, 1, 0xfc].into_iter().chain(std::iter::repeat(3));
        stream.set_nonblocking(true).unwrap();
        for byte in hello {
            let is_open = stream.write(&[byte]).is_ok()
                && matches!(
                    stream.read(&mut [0; 64]),
                    Err(error) if error.kind() == ErrorKind::WouldBlock
                );
            if !is_open {
                return;
            }
            assert!(begin.elapsed() < PATIENCE, "never cut off");
            thread::sleep(HANDSHAKE / 20);
        }
    });
}

#[test]
fn silent_peers_do_not_shut_out_those_who_shake_hands() {
    for_each_model(|model| {
        let tls = ServerTls::self_signed().unwrap();
        let trust = tls.fingerprint();
        let server = Server::start(Config {
            // Two would begin handshakes in another order.
            workers: 1,
            max_conns: Some(8),
            tls: Some(tls),
            handshake_timeout: NEVER,
            ..config(model)
        });
        // As many as there are places.
        let silent: Vec<_> = (0..8).map(|_| server.connect()).collect();
        let is_open = |stream: &TcpStream| {
            stream.set_nonblocking(true).unwrap();
            let read = { stream }.read(&mut [0]);
            matches!(read, Err(error) if error.kind() == ErrorKind::WouldBlock)
        };
        let begin = Instant::now();
        while silent.iter().filter(|stream| is_open(stream)).count() > 2 {
            assert!(begin.elapsed() < PATIENCE, "more than a quarter shakes hands");
            thread::sleep(Duration::from_millis(5));
        }
        assert!(silent[6..].iter().all(is_open), "the oldest go first");
        let echo = echo_inside_tls(server.connect(), trust, b"hello\n");
        assert_eq!(echo, b"ECHO: hello\n");
        drop(silent);
        let outcome = server.stop();
        // The last one may leave before it notices.
        let displaced = outcome.tls.unwrap().displaced;
        assert!((6..=7).contains(&displaced), "{displaced}");
    });
}

/// Sends `request` to the server with this certificate and half-closes; its replies.
fn echo_inside_tls(mut stream: TcpStream, certificate: Fingerprint, request: &[u8]) -> Vec<u8> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let tls = ClientTls::new(&ServerTrust::Certificate(certificate), false).unwrap();
    let mut transform = tls.connect("localhost").unwrap();
    let (mut output, mut replies, mut piece) = (Vec::new(), Vec::new(), [0; 4096]);
    transform.send(request, &mut output);
    transform.take_output(&mut output);
    while !transform.is_input_over() {
        stream.write_all(&std::mem::take(&mut output)).unwrap();
        let length = stream.read(&mut piece).unwrap();
        assert!(length > 0, "the server ended the connection");
        transform
            .receive_all(&piece[..length], |text| replies.extend_from_slice(text))
            .unwrap();
        transform.take_output(&mut output);
        if !transform.is_handshaking() {
            transform.close(&mut output);
        }
    }
    replies
}

#[test]
fn a_peer_that_only_looks_is_no_error() {
    against_each_model(NEVER, TlsServed::default(), |stream, _| {
        stream.shutdown(Shutdown::Write).unwrap();
        await_end(stream);
    });
}

#[test]
fn a_peer_that_leaves_within_the_handshake_is_counted() {
    let expected = TlsServed { failed: 1, ..TlsServed::default() };
    against_each_model(NEVER, expected, |stream, _| {
        stream.write_all(&[22, 3, 1]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        await_end(stream);
    });
}
