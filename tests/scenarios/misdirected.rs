//! The generator with a target that does not match the command line.

use std::io::{Read, Write};
use std::net::SocketAddr;

use echo_server::ModelKind;
use echo_test_support::bench_process::BenchProcess;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::running_server::RunningServer;

use crate::scripted_server::ScriptedServer;

/// Runs of minutes that must end at once, with a reason.
#[track_caller]
fn ends_at_once(address: SocketAddr, flags: &[&str], reason: &str) {
    let address = address.to_string();
    for way in [&[][..], &["--pool=2"], &["--rate=100"], &["--threads=2"]] {
        let run = [&address, "--duration=10m", "--warmup=10m", "--timeout=1m"];
        let finished = BenchProcess::start(&[&run[..], flags, way].concat()).finish(PATIENCE);
        assert_eq!(finished.code, Some(1), "{way:?}: {finished:#?}");
        assert!(finished.stderr.contains(reason), "{way:?}: {}", finished.stderr);
    }
}

/// The reply of Redis to a line that is not a command.
fn redis() -> ScriptedServer {
    ScriptedServer::of_lines(|line| {
        format!("-ERR unknown command '{line}', with args beginning with: \r\n")
    })
}

#[test]
fn a_redis_is_named_with_its_flag() {
    let redis = redis();
    let reason = "the server speaks resp, not line: it answered `-ERR unknown command";
    ends_at_once(redis.address(), &[], reason);
    ends_at_once(redis.address(), &[], "(try --protocol resp)");
}

#[test]
fn a_web_server_is_named_with_its_flag() {
    let nginx = ScriptedServer::start(|stream| {
        stream.peek(&mut [0])?;
        // In pieces, as a network may deliver it.
        for piece in ["HT", "TP/1.1 400 Bad", " Request\r\nContent-Length: 0\r\n\r\n"] {
            (&mut &*stream).write_all(piece.as_bytes())?;
        }
        Ok(())
    });
    for protocol in ["line", "command", "frame", "resp", "raw"] {
        let reason =
            format!("the server speaks http, not {protocol}: it answered `HTTP/1.1 400");
        ends_at_once(nginx.address(), &["--protocol", protocol], &reason);
    }
}

#[test]
fn a_line_server_is_named_with_its_flag() {
    let server = RunningServer::start(ModelKind::default(), &[]);
    let reason = "the server speaks line, not http: it answered `ECHO: POST / HTTP/1.1`";
    ends_at_once(server.address(), &["--protocol=http"], reason);
}

#[test]
fn a_chat_with_a_server_of_no_chat_ends_before_it_begins() {
    let (redis, line) = (redis(), RunningServer::start(ModelKind::default(), &[]));
    for (address, protocol) in [(redis.address(), "resp"), (line.address(), "line")] {
        let address = address.to_string();
        let chat = [&address, "--protocol=chat", "--rate=10", "--conns=3", "--timeout=1m"];
        let finished = BenchProcess::start(&chat).finish(PATIENCE);
        assert_eq!(finished.code, Some(1), "{finished:#?}");
        let reason = format!("the server speaks {protocol}, not chat");
        assert!(finished.stderr.contains(&reason), "{}", finished.stderr);
    }
}

/// Silence does not identify the protocol, and neither does a server with wrong replies in the
/// requested protocol.
#[test]
fn a_server_that_is_slow_or_wrong_is_measured_to_the_end() {
    let slow = ScriptedServer::start(|stream| {
        let mut first = [0; 650];
        (&mut &*stream).read_exact(&mut first)?;
        for line in first.split_inclusive(|byte| *byte == b'\n') {
            (&mut &*stream).write_all(&[b"ECHO: ", line].concat())?;
        }
        Ok(())
    });
    let address = slow.address().to_string();
    let run = [&address, "--conns=1", "--rate=20", "--requests=10", "--warmup=0"];
    let finished = BenchProcess::start(&run).finish(PATIENCE);
    assert_eq!(finished.requests("ok"), 10, "{finished:#?}");
    // Echoes without a prefix, and receives text that looks like another protocol.
    let plain = ScriptedServer::of_lines(|line| format!("{line}\n"));
    let address = plain.address().to_string();
    for message in ["HTTP/1.1 200 OK", "-ERR unknown"] {
        let message = format!("--message={message}");
        let run = [&address, &message, "--requests=10", "--warmup=0", "--conns=1"];
        let finished = BenchProcess::start(&run).finish(PATIENCE);
        assert_eq!(finished.requests("mismatch"), 10, "{finished:#?}");
    }
}

#[test]
fn a_server_that_speaks_tls_is_named_so() {
    let server = RunningServer::start(ModelKind::default(), &["--tls-self-signed"]);
    let address = server.address().to_string();
    for protocol in ["line", "frame", "resp", "http"] {
        for way in [&[][..], &["--pool=2"]] {
            let run = [&address, "--protocol", protocol, "--requests=20", "--warmup=0"];
            let finished = BenchProcess::start(&[&run[..], way].concat()).finish(PATIENCE);
            assert_eq!(finished.code, Some(1), "{finished:#?}");
            let told = "the server seems to speak TLS (try --tls)";
            assert!(finished.stderr.contains(told), "{protocol}: {}", finished.stderr);
        }
    }
}

#[test]
fn a_server_process_that_does_not_exist_is_refused_and_not_left_out() {
    let server = RunningServer::start(ModelKind::default(), &[]);
    let address = server.address().to_string();
    // No system returns this error number.
    let finished =
        BenchProcess::start(&[&address, "--server-pid=2000000000", "-d1"]).finish(PATIENCE);
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    let told = "--server-pid 2000000000: there is no such process";
    assert!(finished.stderr.contains(told), "{}", finished.stderr);
}
