//! Our client inside TLS: what it accepts, what it refuses, and what it says then.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::process::{Command, Output};
use std::thread;

use echo_net::tls::ServerTls;
use echo_server::ModelKind;

use crate::certificates::Certificates;
use crate::deadline::PATIENCE;
use crate::lines::numbered;
use crate::program::{own_program, run};
use crate::running_server::{RunningServer, on_every_model};

const SELF_SIGNED: [&str; 1] = ["--tls-self-signed"];

fn client(arguments: &[&str], input: &[u8]) -> Output {
    run(Command::new(own_program("echo-client")).args(arguments), input, PATIENCE)
}

/// Runs the client against a server that is called `name` until the end of `year`, or with
/// its own certificate if there is none.
fn asked(server: &RunningServer, flags: &[&str], input: &[u8]) -> Output {
    let port = server.address().port();
    client(&[&[&format!("localhost:{port}")[..], "--tls"], flags].concat(), input)
}

/// A server called `name` until the end of `year`.
fn server_called(certificates: &Certificates, name: &str, year: i32) -> RunningServer {
    let flags = certificates.flags(name, year);
    RunningServer::start(ModelKind::default(), &flags.each_ref().map(String::as_str))
}

#[track_caller]
fn refused(output: &Output, cause: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(errors.contains(cause), "no `{cause}` in: {errors}");
    assert!(output.stdout.is_empty(), "{output:?}");
}

#[test]
fn a_pipe_through_tls_gets_every_reply() {
    let certificates = Certificates::new();
    let flags = certificates.flags("localhost", 2400);
    let (input, replies) = (numbered("", 0..20_000), numbered("ECHO: ", 0..20_000));
    on_every_model(&flags.each_ref().map(String::as_str), |server| {
        let output = asked(server, &["--cacert", &certificates.issuer()], &input);
        assert!(output.status.success(), "{output:?}");
        assert!(output.stderr.is_empty(), "{output:?}");
        assert!(output.stdout == replies, "{} bytes", output.stdout.len());
    });
}

#[test]
fn raw_megabytes_through_tls_come_back_to_the_client() {
    let input: Vec<u8> = (0..4 << 20_u32).map(|n| (n >> 8 ^ n) as u8).collect();
    on_every_model(&["--tls-self-signed", "--protocol", "raw"], |server| {
        let output = asked(server, &["--insecure", "--protocol", "raw"], &input);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout == input, "{} bytes of {}", output.stdout.len(), input.len());
    });
}

#[test]
fn the_client_refuses_a_server_that_does_not_prove_who_it_is_and_says_why() {
    let certificates = Certificates::new();
    let issuer = certificates.issuer();
    let trusting = ["--cacert", issuer.as_str()];
    let good = server_called(&certificates, "localhost", 2400);
    let other = Certificates::new().issuer();
    refused(&asked(&good, &[], b"secret\n"), "issued by nobody that is trusted");
    let elsewhere = Certificates::new();
    let wrong = ["--cacert", &elsewhere.issuer()];
    refused(&asked(&good, &wrong, b"secret\n"), "issued by nobody that is trusted");
    refused(&asked(&good, &["--cacert", &other], b"secret\n"), "No such file");
    let renamed = [&trusting[..], &["--server-name", "example.org"]].concat();
    refused(&asked(&good, &renamed, b"secret\n"), "is for localhost, not for example.org");
    let expired = server_called(&certificates, "localhost", 2001);
    refused(&asked(&expired, &trusting, b"secret\n"), "expired");
    let called_so = server_called(&certificates, "example.org", 2400);
    refused(&asked(&called_so, &trusting, b"secret\n"), "not for localhost");
    let output = asked(&called_so, &renamed, b"fine\n");
    assert_eq!(output.stdout, b"ECHO: fine\n", "{output:?}");
}

#[test]
fn insecure_talks_to_anyone_and_warns() {
    let server = RunningServer::start(ModelKind::default(), &SELF_SIGNED);
    let output = asked(&server, &["--insecure"], b"to anyone\n");
    assert_eq!(output.stdout, b"ECHO: to anyone\n", "{output:?}");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("warning: --insecure"), "{errors}");
}

#[test]
fn the_flags_of_tls_need_tls() {
    for flags in [&["--insecure"][..], &["--cacert", "x"], &["--server-name", "x"]] {
        let output = client(flags, b"");
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("--tls"), "{output:?}");
    }
}

#[test]
fn a_server_that_speaks_plaintext_or_nothing_is_named_so() {
    // One that greets, and one that waits for a newline which never comes.
    for (greeting, cause) in
        [(&b"* Welcome.\n"[..], "does not speak TLS"), (b"", "no handshake in time")]
    {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("a client comes");
            stream.write_all(greeting).expect("it listens");
            let mut hello = Vec::new();
            // Until the client gives up, in whichever way.
            let _ = stream.read_to_end(&mut hello);
            hello
        });
        let flags = [&address, "--tls", "--insecure", "--quiet", "--timeout", "300ms"];
        refused(&client(&flags, b"secret\n"), cause);
        let hello = server.join().expect("it does not panic");
        assert!(!hello.windows(6).any(|bytes| bytes == b"secret"), "told in plaintext");
    }
}

#[test]
fn a_stream_that_the_server_does_not_end_in_order_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let server = thread::spawn(move || {
        let mut transform = ServerTls::self_signed().expect("random").accept().expect("random");
        let (mut stream, _) = listener.accept().expect("a client comes");
        let (mut buffer, mut plaintext) = ([0; 4096], Vec::<u8>::new());
        while plaintext.is_empty() {
            let length = stream.read(&mut buffer).expect("the client goes on");
            let mut input = &buffer[..length];
            while !input.is_empty() {
                let received = transform.receive(&mut input, |piece| plaintext.extend(piece));
                received.expect("it speaks TLS");
            }
            let mut output = Vec::new();
            transform.take_output(&mut output);
            stream.write_all(&output).expect("the client listens");
        }
        let mut output = Vec::new();
        transform.send(b"half of wha", &mut output);
        stream.write_all(&output).expect("the client listens");
        stream.shutdown(Shutdown::Write).expect("the connection is up");
        // A close with unread input would be a reset.
        let _ = stream.read_to_end(&mut plaintext);
    });
    let flags = [&address, "--tls", "--insecure", "--quiet", "--protocol", "raw"];
    let output = client(&flags, b"half of what was said");
    server.join().expect("it does not panic");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(output.stdout, b"half of wha");
    assert!(String::from_utf8_lossy(&output.stderr).contains("cut off"), "{output:?}");
}
