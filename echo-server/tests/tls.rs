//! Peers that do not finish a TLS handshake, on every model, with a deadline that is short
//! enough to wait for.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use echo_net::socket::{SocketOptions, listen};
use echo_net::stop::Stop;
use echo_net::tls::ServerTls;
use echo_server::TlsServed;
use echo_server::{Config, ModelKind, run};
use strum::VariantArray;

const PATIENCE: Duration = Duration::from_secs(20);
const HANDSHAKE: Duration = Duration::from_millis(300);

/// Runs `peer` against a new server of each model, telling it an instant before the server
/// can have begun to wait; what each server has counted, which is as many errors as there
/// are failures of TLS.
fn against_each_model(expected: TlsServed, peer: impl Fn(&mut TcpStream, Instant)) {
    for &model in ModelKind::VARIANTS {
        println!("model {model}");
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = listen(any, 16, false, &SocketOptions::default()).unwrap();
        let address = listener.local_addr().unwrap();
        let config = Config {
            model,
            workers: 2,
            tls: Some(ServerTls::self_signed().unwrap()),
            handshake_timeout: HANDSHAKE,
            drain_timeout: PATIENCE,
            ..Config::default()
        };
        let stop = Stop::new();
        let asked = stop.clone();
        let server = thread::spawn(move || run(vec![vec![listener]], config, &asked));
        let begin = Instant::now();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        peer(&mut stream, begin);
        drop(stream);
        stop.ask();
        let outcome = server.join().unwrap().unwrap();
        assert_eq!(outcome.tls, Some(expected));
        let TlsServed { plaintext, timeout, failed, truncated, .. } = expected;
        assert_eq!(outcome.served.errors, plaintext + timeout + failed + truncated);
    }
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
    against_each_model(TlsServed { timeout: 1, ..TlsServed::default() }, |stream, begin| {
        await_end(stream);
        let took = begin.elapsed();
        assert!(took >= HANDSHAKE, "cut off after {took:?}");
    });
}

#[test]
fn a_peer_that_dribbles_its_hello_is_cut_off_all_the_same() {
    against_each_model(TlsServed { timeout: 1, ..TlsServed::default() }, |stream, begin| {
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
fn a_peer_that_only_looks_is_no_error() {
    against_each_model(TlsServed::default(), |stream, _| {
        stream.shutdown(Shutdown::Write).unwrap();
        await_end(stream);
    });
}

#[test]
fn a_peer_that_leaves_within_the_handshake_is_counted() {
    against_each_model(TlsServed { failed: 1, ..TlsServed::default() }, |stream, _| {
        stream.write_all(&[22, 3, 1]).unwrap();
        stream.shutdown(Shutdown::Write).unwrap();
        await_end(stream);
    });
}
