//! Our client over TLS: what it accepts, what it refuses, and its messages.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpListener};
use std::process::{Command, Output, Stdio};
use std::thread;

use echo_net::tls::ServerTls;
use echo_proto::ProtocolKind;
use echo_server::ModelKind;
use echo_test_support::bench_process::BenchProcess;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, run};
use echo_test_support::running_server::{RunningServer, on_every_model};
use rustix::process::{Pid, Signal, kill_process};
use strum::VariantArray;

use crate::certificates::Certificates;
use crate::lines::numbered;

const SELF_SIGNED: [&str; 1] = ["--tls-self-signed"];

fn client(arguments: &[&str], input: &[u8]) -> Output {
    run(Command::new(own_program("echo-client")).args(arguments), input, PATIENCE)
}

/// Runs the client against a server named `name`, valid until the end of `year`, or with a
/// self-signed certificate if there is none.
fn asked(server: &RunningServer, flags: &[&str], input: &[u8]) -> Output {
    let port = server.address().port();
    client(&[&[&format!("localhost:{port}")[..], "--tls"], flags].concat(), input)
}

/// A server named `name`, valid until the end of `year`.
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
fn a_client_that_speaks_no_tls_is_told_that_the_server_does() {
    on_every_model(&SELF_SIGNED, |server| {
        let address = server.address().to_string();
        refused(&client(&[&address], b"hello you\n"), "seems to speak TLS; 0 of 1");
    });
}

#[test]
fn the_client_refuses_a_server_that_does_not_prove_who_it_is_and_says_why() {
    let certificates = Certificates::new();
    let issuer = certificates.issuer();
    let trusting = ["--cacert", issuer.as_str()];
    let good = server_called(&certificates, "localhost", 2400);
    let other = Certificates::new().issuer();
    refused(
        &asked(&good, &[], b"secret\n"),
        "issuer of the server's certificate is not trusted",
    );
    let elsewhere = Certificates::new();
    let wrong = ["--cacert", &elsewhere.issuer()];
    refused(
        &asked(&good, &wrong, b"secret\n"),
        "issuer of the server's certificate is not trusted",
    );
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
fn no_terminal_obeys_a_name_in_a_certificate() {
    let certificates = Certificates::new();
    let server = server_called(&certificates, "a\u{1b}[2Jb.test", 2400);
    let issuer = certificates.issuer();
    let output = asked(&server, &["--cacert", &issuer], b"x\n");
    refused(&output, "not for localhost");
    let target = format!("localhost:{}", server.address().port());
    let run = BenchProcess::start(&[&target, "--tls", "--cacert", &issuer, "--requests=10"]);
    let finished = run.finish(PATIENCE);
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    assert!(finished.stderr.contains("not for localhost"), "{finished:#?}");
    for said in [String::from_utf8_lossy(&output.stderr).into_owned(), finished.stderr] {
        assert!(!said.contains('\u{1b}'), "{}", said.escape_debug());
    }
}

/// Like [`asked`], with a ping of 20 requests.
fn pinged(server: &RunningServer, flags: &[&str]) -> Output {
    let port = server.address().port();
    let address = format!("localhost:{port}");
    client(&[&["ping", "--tls", "-c20", "-i0", "-q", &address], flags].concat(), b"")
}

/// Stops the server, which must have had no failed connection; returns the number of
/// handshakes.
#[track_caller]
fn handshakes_of_a_server_at_peace(server: &mut RunningServer) -> serde_json::Value {
    server.signal(Signal::TERM);
    let exit = server.wait_exit(PATIENCE);
    let summary = exit.summary();
    assert_eq!((&summary["errors"], &summary["tls"]["truncated"]), (&0.into(), &0.into()));
    summary["tls"]["handshakes"].clone()
}

#[test]
fn ping_inside_tls_tells_the_handshake_apart_and_closes_tls() {
    let certificates = Certificates::new();
    let flags = certificates.flags("localhost", 2400);
    for kind in ProtocolKind::VARIANTS.iter().map(ToString::to_string) {
        let more = ["--log-format", "json", "--protocol", &kind];
        let flags = [&flags.each_ref().map(String::as_str)[..], &more].concat();
        on_every_model(&flags, |server| {
            let trusting = ["--cacert", &certificates.issuer(), "--protocol", &kind];
            let output = pinged(server, &trusting);
            let seen = String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(0), "{output:?}");
            assert!(output.stderr.is_empty(), "{output:?}");
            let head = format!("protocol {kind} over TLSv1.3, handshake ");
            assert!(seen.contains(&head), "{seen}");
            assert!(seen.contains("20 answered, 0 lost (0 %)"), "{seen}");
            assert!(!seen.contains("not the echo"), "{seen}");
            assert_eq!(handshakes_of_a_server_at_peace(server), 1);
        });
    }
}

#[test]
fn ping_refuses_a_server_that_does_not_prove_who_it_is_and_warns_where_anyone_will_do() {
    let certificates = Certificates::new();
    let issuer = certificates.issuer();
    let elsewhere = Certificates::new();
    let good = server_called(&certificates, "localhost", 2400);
    refused(
        &pinged(&good, &["--cacert", &elsewhere.issuer()]),
        "issuer of the server's certificate is not",
    );
    refused(&pinged(&good, &["--cacert", "/nowhere.pem"]), "/nowhere.pem: No such file");
    let renamed = ["--cacert", &issuer, "--server-name", "example.org"];
    refused(&pinged(&good, &renamed), "is for localhost, not for example.org");
    let called_so = server_called(&certificates, "example.org", 2400);
    assert!(pinged(&called_so, &renamed).status.success());
    let expired = server_called(&certificates, "localhost", 2001);
    refused(&pinged(&expired, &["--cacert", &issuer]), "expired");
    let plain = RunningServer::start(ModelKind::default(), &[]);
    refused(
        &pinged(&plain, &["--insecure", "--timeout", "300ms"]),
        "does the server speak TLS",
    );
    let address = good.address().to_string();
    let ping = ["ping", "--tls", "--insecure", "-c1", &address];
    let output = client(&ping, b"");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.contains("warning: --insecure"), "{output:?}");
}

#[test]
fn a_ping_that_was_hung_up_on_shakes_hands_anew_and_says_goodbye_when_interrupted() {
    let flags = ["--tls-self-signed", "--log-format", "json", "--idle-timeout", "100ms"];
    on_every_model(&flags, |server| {
        let address = server.address().to_string();
        let mut ping = Command::new(own_program("echo-client"));
        ping.args(["ping", "--tls", "--insecure", "-c50", "-i300ms", &address]);
        let mut ping =
            ping.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it can start");
        let mut lines = BufReader::new(ping.stdout.take().expect("piped")).lines();
        let mut await_line = |wanted: &str| {
            let mut seen = lines.by_ref().map_while(Result::ok);
            assert!(seen.any(|line| line.contains(wanted)), "no {wanted}");
        };
        await_line("seq=1 ");
        await_line("connection broken: the server closed the connection");
        await_line("reconnected");
        let id = Pid::from_raw(ping.id().cast_signed()).expect("a child has an id");
        kill_process(id, Signal::INT).expect("it was not waited for");
        await_line(" answered, ");
        assert_eq!(ping.wait().expect("it was started").code(), Some(0));
        assert!(handshakes_of_a_server_at_peace(server).as_u64() >= Some(2));
    });
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
        for command in [&[][..], &["ping"]] {
            let output = client(&[command, flags].concat(), b"");
            assert_eq!(output.status.code(), Some(2), "{output:?}");
            assert!(String::from_utf8_lossy(&output.stderr).contains("--tls"), "{output:?}");
        }
    }
}

#[test]
fn a_server_that_speaks_plaintext_or_nothing_is_named_so() {
    // One that sends a greeting, and one that waits for a newline that never comes.
    for (greeting, cause) in [(&b"* Welcome.\n"[..], "does not speak TLS"), (b"", "timed out")]
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
    // After the last reply, too: more might have followed.
    for (protocol, input, reply) in
        [("raw", "half of what was said", "half of wha"), ("line", "hello\n", "ECHO: hello\n")]
    {
        is_truncated(protocol, input, reply);
    }
}

#[track_caller]
fn is_truncated(protocol: &str, input: &str, reply: &'static str) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    let server = thread::spawn(move || {
        let mut transform = ServerTls::self_signed().expect("random").accept().expect("random");
        let (mut stream, _) = listener.accept().expect("a client comes");
        let (mut buffer, mut plaintext) = ([0; 4096], Vec::<u8>::new());
        while plaintext.is_empty() {
            let length = stream.read(&mut buffer).expect("the client goes on");
            let received =
                transform.receive_all(&buffer[..length], |piece| plaintext.extend(piece));
            received.expect("it speaks TLS");
            let mut output = Vec::new();
            transform.take_output(&mut output);
            stream.write_all(&output).expect("the client listens");
        }
        let mut output = Vec::new();
        transform.send(reply.as_bytes(), &mut output);
        stream.write_all(&output).expect("the client listens");
        stream.shutdown(Shutdown::Write).expect("the connection is up");
        // A close with unread input would be a reset.
        let _ = stream.read_to_end(&mut plaintext);
    });
    let flags = [&address, "--tls", "--insecure", "--quiet", "--protocol", protocol];
    let output = client(&flags, input.as_bytes());
    server.join().expect("it does not panic");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(output.stdout, reply.as_bytes());
    assert!(String::from_utf8_lossy(&output.stderr).contains("truncated"), "{output:?}");
}
