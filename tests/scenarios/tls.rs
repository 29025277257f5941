//! TLS on every model: the same replies inside it, and no service for plaintext clients.

mod bench;
mod clients;
mod files;
mod programs;

use std::process::Command;

use echo_proto::{ProtocolKind, Request, WriteMode};
use echo_server::ModelKind;
use echo_test_support::client::Text;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, run, third_party_or_skip};
use echo_test_support::running_server::{RunningServer, each_model, on_every_model};
use rustix::process::Signal;
use strum::VariantArray;

use crate::certificates::Certificates;
use crate::lines::numbered;
use crate::secure_client::SecureClient;

const TLS: [&str; 3] = ["--tls-self-signed", "--log-format", "json"];

/// Stops the server; returns the TLS counts in its summary.
#[track_caller]
fn tls_counts(server: &mut RunningServer) -> serde_json::Value {
    server.signal(Signal::TERM);
    let exit = server.wait_exit(PATIENCE);
    assert_eq!(exit.code, Some(0), "{exit:?}");
    exit.summary()["tls"].clone()
}

#[test]
fn the_same_bytes_inside_tls_give_the_same_replies_whatever_the_protocol() {
    for &kind in ProtocolKind::VARIANTS {
        let mut requester = kind.requester(kind.default_max_message());
        let mut stream = Vec::new();
        for number in 0..300 {
            let message = format!("{number} {}", "*".repeat(number as usize % 97));
            requester.encode(number, message.as_bytes(), &mut stream);
        }
        // Closed in the middle of a message.
        stream.extend_from_slice(b"\x00\x01 no end");
        each_model(|model| {
            let protocol = kind.to_string();
            let flags = ["--protocol", &protocol, "--max-message", "200"];
            let plain = RunningServer::start(model, &flags).connect().converse(&stream);
            let flags = [&flags[..], &TLS].concat();
            let server = RunningServer::start(model, &flags);
            for record in [7, 16 * 1024] {
                let seen = SecureClient::connect(&server).converse(&stream, record);
                assert_eq!(Text(&seen), Text(&plain), "{kind}, records of {record} bytes");
            }
        });
    }
}

#[test]
fn every_way_to_write_gives_the_same_bytes_inside_tls() {
    let stream = numbered("", 0..500);
    for &mode in WriteMode::VARIANTS {
        on_every_model(&[&TLS[..], &["--write-mode", &mode.to_string()]].concat(), |server| {
            let seen = SecureClient::connect(server).converse(&stream, 1000);
            assert_eq!(Text(&seen), Text(&numbered("ECHO: ", 0..500)));
        });
    }
}

#[test]
fn megabytes_through_tls_come_back_as_they_were_after_half_close() {
    let stream: Vec<u8> = (0..8 << 20_u32).map(|n| (n >> 8 ^ n) as u8).collect();
    on_every_model(&[&TLS[..], &["--protocol", "raw"]].concat(), |server| {
        let seen = SecureClient::connect(server).converse(&stream, usize::MAX);
        assert!(seen == stream, "{} bytes of {}, or others", seen.len(), stream.len());
        let counts = tls_counts(server);
        assert_eq!((&counts["handshakes"], &counts["truncated"]), (&1.into(), &0.into()));
    });
}

#[test]
fn plaintext_to_a_tls_port_gets_an_alert_is_closed_at_once_and_counted() {
    on_every_model(&TLS, |server| {
        let mut bystander = SecureClient::connect(server);
        let mut lost = server.connect();
        lost.send(b"h");
        // RFC 8446 section 6: alert, fatal, decode error. On the first byte, and not at the end of
        // the time for a handshake, which is counted as something else.
        assert_eq!(lost.read_to_end(), [21, 3, 3, 0, 2, 2, 50]);
        bystander.exchange(b"still here\n", b"ECHO: still here\n");
        drop((lost, bystander));
        let counts = tls_counts(server);
        assert_eq!((&counts["plaintext"], &counts["timeout"]), (&1.into(), &0.into()));
    });
}

#[test]
fn a_stream_that_is_cut_off_is_answered_up_to_its_last_whole_message_and_counted() {
    on_every_model(&TLS, |server| {
        let mut client = SecureClient::connect(server);
        client.send(b"whole\npay 1");
        client.cut_off();
        assert_eq!(Text(&client.read_to_end()), Text(b"ECHO: whole\n"));
        assert_eq!(tls_counts(server)["truncated"], 1);
    });
}

#[test]
fn a_stop_answers_what_was_received_inside_tls_and_announces_the_end() {
    on_every_model(&TLS, |server| {
        let (mut idle, mut busy) =
            (SecureClient::connect(server), SecureClient::connect(server));
        idle.exchange(b"x\n", b"ECHO: x\n");
        busy.exchange(b"x\n", b"ECHO: x\n");
        let handshaking = server.connect();
        server.signal(Signal::STOP);
        busy.send(&numbered("", 0..2000));
        server.signal(Signal::TERM);
        server.signal(Signal::CONT);
        assert_eq!(Text(&busy.read_to_end()), Text(&numbered("ECHO: ", 0..2000)));
        assert_eq!(idle.read_to_end(), b"");
        drop((idle, busy));
        let exit = server.wait_exit(PATIENCE);
        assert_eq!((exit.code, &exit.summary()["cut"]), (Some(0), &0.into()), "{exit:?}");
        drop(handshaking);
    });
}

#[test]
fn an_idle_client_is_told_the_end_inside_tls() {
    on_every_model(&[&TLS[..], &["--idle-timeout", "200ms"]].concat(), |server| {
        let mut client = SecureClient::connect(server);
        client.exchange(b"x\n", b"ECHO: x\n");
        assert_eq!(client.read_to_end(), b"");
        assert_eq!(tls_counts(server)["timeout"], 0, "of the handshake");
    });
}

#[test]
fn a_connection_too_many_is_refused_without_a_word_in_plaintext() {
    on_every_model(&[&TLS[..], &["--max-conns", "1"]].concat(), |server| {
        let _only = SecureClient::connect(server);
        assert_eq!(Text(&server.connect().read_to_end()), Text(b""));
    });
}

#[test]
fn openssl_speaks_1_2_and_1_3_and_is_refused_with_1_1() {
    let test = "openssl_speaks_1_2_and_1_3_and_is_refused_with_1_1";
    let certificates = Certificates::new();
    let flags = certificates.flags("localhost", 2400);
    on_every_model(
        &[&flags.each_ref().map(String::as_str)[..], &["-p", "command"]].concat(),
        |server| {
            for (version, accepted) in
                [("-tls1_3", true), ("-tls1_2", true), ("-tls1_1", false)]
            {
                let Some(mut command) = third_party_or_skip(test, "openssl") else { return };
                let address = server.address().to_string();
                let issuer = certificates.issuer();
                command.args([
                    "s_client", "-connect", &address, "-quiet", version, "-CAfile", &issuer,
                ]);
                command.args(["-verify_return_error", "-verify_hostname", "localhost"]);
                // Otherwise openssl itself refuses to offer 1.1.
                command.args(["-cipher", "DEFAULT:@SECLEVEL=0"]);
                let output = run(&mut command, b"ECHO from openssl\nQUIT\n", PATIENCE);
                let seen = String::from_utf8_lossy(&output.stdout);
                assert_eq!(seen == "ECHO: from openssl\n", accepted, "{version}: {output:?}");
                if !accepted {
                    let errors = String::from_utf8_lossy(&output.stderr);
                    assert!(errors.contains("alert"), "{version}: {errors}");
                }
            }
        },
    );
}

#[test]
fn python_verifies_the_server_and_gets_replies_on_many_connections() {
    let test = "python_verifies_the_server_and_gets_replies_on_many_connections";
    let script = r#"
import socket, ssl, sys
context = ssl.create_default_context(cafile=sys.argv[1])
address = ("127.0.0.1", int(sys.argv[2]))
clients = [
    context.wrap_socket(socket.create_connection(address, timeout=20), server_hostname="localhost")
    for _ in range(20)
]
for number, client in enumerate(clients):
    client.sendall(b"python %d\n" % number * 2000)
for number, client in enumerate(clients):
    expected = b"ECHO: python %d\n" % number * 2000
    seen = b""
    while len(seen) < len(expected):
        seen += client.recv(65536)
    assert seen == expected, seen[:100]
    client.unwrap().close()
print("all answered")
"#;
    let certificates = Certificates::new();
    let flags = certificates.flags("localhost", 2400);
    let flags = [&flags.each_ref().map(String::as_str)[..], &TLS[1..]].concat();
    on_every_model(&flags, |server| {
        let Some(mut command) = third_party_or_skip(test, "python3") else { return };
        let port = server.address().port().to_string();
        command.args(["-c", script, &certificates.issuer(), &port]);
        let output = run(&mut command, b"", PATIENCE);
        assert_eq!(String::from_utf8_lossy(&output.stdout), "all answered\n", "{output:?}");
        let counts = tls_counts(server);
        assert_eq!((&counts["handshakes"], &counts["truncated"]), (&20.into(), &0.into()));
    });
}

#[test]
fn a_server_whose_files_are_no_good_says_so_and_does_not_start() {
    let certificates = Certificates::new();
    let [_, good, _, key] = certificates.flags("localhost", 2400);
    for (arguments, said) in [
        (
            ["--tls-cert", "/nowhere.pem", "--tls-key", &key],
            "--tls-cert /nowhere.pem: No such file",
        ),
        (["--tls-cert", &key, "--tls-key", &key], "no certificate found"),
        (["--tls-cert", &good, "--tls-key", &good], "no private key"),
        (
            ["--tls-cert", &certificates.issuer(), "--tls-key", &key],
            "does not match the certificate",
        ),
    ] {
        let mut command = Command::new(own_program("echo-server"));
        let output = run(command.arg("127.0.0.1:0").args(arguments), b"", PATIENCE);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {errors}");
        assert!(errors.contains(said), "{arguments:?}: {errors}");
        assert!(output.stdout.is_empty(), "{output:?}");
    }
}

#[test]
fn an_expired_certificate_is_warned_of_at_the_start() {
    let certificates = Certificates::new();
    let flags = certificates.flags("localhost", 2001);
    let mut server =
        RunningServer::start(ModelKind::default(), &flags.each_ref().map(String::as_str));
    server.signal(Signal::TERM);
    let exit = server.wait_exit(PATIENCE);
    assert!(exit.stderr.contains("expired"), "{exit:?}");
    let fingerprint = server.ready()["tls"]["fingerprint"].as_str().expect("it speaks TLS");
    assert!(exit.stderr.contains(fingerprint), "{exit:?}");
}

/// An end with close_notify would say that this was all.
#[test]
fn a_transfer_inside_tls_that_a_stop_cuts_is_reset_without_close_notify() {
    let flags =
        [&TLS[..], &["--protocol=raw", "--send-buffer=16K", "--drain-timeout=300ms"]].concat();
    on_every_model(&flags, |server| {
        let mut client = SecureClient::connect(server);
        client.send_until_stuck();
        server.signal(Signal::TERM);
        let exit = server.wait_exit(PATIENCE);
        assert_eq!(exit.summary()["cut"], 1, "{exit:?}");
        assert!(client.is_reset(), "the end looks complete");
    });
}
