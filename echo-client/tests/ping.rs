//! `echo-client ping` as a user sees it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv6Addr, TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};

use echo_test_support::one_connection::{answer_lines, echo_lines, serve};

fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_echo-client"));
    command.arg("ping").args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What is printed, with the times made the same, and the exit code.
fn ping(arguments: &[&str]) -> (String, Option<i32>) {
    let output = command(arguments).output().unwrap();
    (without_times(&output), output.status.code())
}

fn without_times(output: &Output) -> String {
    let text = [&output.stdout[..], &output.stderr[..]].concat();
    let text = String::from_utf8(text).unwrap();
    let mut kept = String::new();
    let mut rest = &text[..];
    // A time is the only number with a point that is not an address.
    while let Some(point) = rest.find('.') {
        let digits = |c: char| c.is_ascii_digit();
        let begin = rest[..point].trim_end_matches(digits).len();
        let end = rest.len() - rest[point + 1..].trim_start_matches(digits).len();
        let number = &rest[begin..end];
        let is_time = number.len() > 1 && !rest[end..].starts_with('.');
        kept.push_str(&rest[..begin]);
        kept.push_str(if is_time { "T" } else { number });
        rest = &rest[end..];
        if !is_time {
            let rest_of_address = rest.trim_start_matches(|c: char| digits(c) || c == '.');
            kept.push_str(&rest[..rest.len() - rest_of_address.len()]);
            rest = rest_of_address;
        }
    }
    kept + rest
}

#[test]
fn a_line_a_reply_and_a_summary_with_what_the_count_backs() {
    let (address, server) = serve(|stream| answer_lines(stream, 7));
    let (seen, code) = ping(&["-c", "7", "-i", "1ms", &address]);
    server.join().unwrap();
    let replies: Vec<_> =
        (1..=7).map(|seq| format!("56 bytes: seq={seq} time=T ms\n")).collect();
    let replies = replies.concat();
    assert_eq!(
        seen,
        format!(
            "PING {address}: 56 bytes of payload, protocol line\n{replies}\n\
             --- {address} ping statistics ---\n\
             7 answered, 0 lost (0 %), time T s\n\
             round trip min/mean/max/stdev = T/T/T/T ms\n\
             p50 = T ms, p90 = - (needs 36 replies), p99 = - (needs 368 replies)\n"
        )
    );
    assert_eq!(code, Some(0));
}

#[test]
fn back_to_back_and_quiet_over_ipv6() {
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || echo_lines(listener.accept().unwrap().0));
    let (seen, code) = ping(&["-q", "-i", "0", "-c", "1k", "-s", "4", &address]);
    server.join().unwrap();
    assert!(seen.starts_with(&format!("PING {address}: 4 bytes of payload")), "{seen}");
    assert!(seen.contains("1000 answered, 0 lost (0 %)"), "{seen}");
    assert!(seen.ends_with("p50 = T ms, p90 = T ms, p99 = T ms\n"), "{seen}");
    assert_eq!((seen.lines().count(), code), (6, Some(0)), "{seen}");
}

#[test]
fn silence_counts_as_loss_and_a_late_reply_stays_lost() {
    let (address, server) = serve(|stream: TcpStream| {
        let mut lines = BufReader::new(stream.try_clone().unwrap());
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        // The second request falls due when the first is given up.
        let mut second = String::new();
        lines.read_line(&mut second).unwrap();
        (&stream).write_all(format!("ECHO: {line}").as_bytes()).unwrap();
        lines.read_to_end(&mut Vec::new())
    });
    let (seen, code) = ping(&["-c", "2", "-i", "0", "--timeout", "200ms", &address]);
    drop(server.join());
    for expected in [
        "lost: seq=1: no reply within 200ms\n56 bytes: seq=1 time=T ms (late, counted as lost)\n",
        "lost: seq=2: no reply within 200ms\n",
        "0 answered, 2 lost (100 %), time T s, 1 late\n",
    ] {
        assert!(seen.contains(expected), "{seen}");
    }
    assert_eq!(code, Some(0), "the echo came back");
}

#[test]
fn nothing_coming_back_is_exit_1() {
    let (address, server) =
        serve(|mut stream: TcpStream| stream.read_to_end(&mut Vec::new()).unwrap());
    let (seen, code) = ping(&["-c", "2", "-i", "10ms", "--timeout", "100ms", &address]);
    assert!(seen.ends_with("0 answered, 2 lost (100 %), time T s\n"), "{seen}");
    assert_eq!((server.join().unwrap(), code), (2 * 57, Some(1)));
    let (seen, code) = ping(&["-c", "1", "127.0.0.1:1"]);
    assert!(seen.starts_with("error: connecting to 127.0.0.1:1: connection refused"), "{seen}");
    assert_eq!(code, Some(1));
}

#[test]
fn a_broken_connection_is_told_and_made_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = std::thread::spawn(move || {
        answer_lines(listener.accept().unwrap().0, 1);
        echo_lines(listener.accept().unwrap().0);
    });
    let (seen, code) = ping(&["-c", "3", "-i", "50ms", &address]);
    server.join().unwrap();
    for expected in [
        "connection broken: the server closed the connection\n",
        &format!("reconnected to {address} after T ms\n"),
        "seq=3 time=T ms\n",
        "3 answered, 0 lost (0 %), time T s, 1 reconnected\n",
    ] {
        assert!(seen.contains(expected), "no {expected:?} in {seen}");
    }
    assert_eq!(code, Some(0));
}

#[test]
fn a_server_that_is_gone_costs_every_request_that_falls_due() {
    for interval in ["50ms", "0"] {
        let (address, server) = serve(|stream| answer_lines(stream, 1));
        let (seen, code) = ping(&["-c", "4", "-i", interval, &address]);
        server.join().unwrap();
        assert!(seen.contains("1 answered, 3 lost (75 %)"), "-i {interval}: {seen}");
        assert_eq!(seen.matches("connection refused").count(), 1, "-i {interval}: {seen}");
        assert_eq!(code, Some(0));
    }
}

#[test]
fn an_interrupt_prints_the_summary() {
    let (address, server) = serve(echo_lines);
    let mut client = command(&["-i", "10s", &address]).spawn().unwrap();
    let mut lines = BufReader::new(client.stdout.take().unwrap());
    let mut seen = String::new();
    while !seen.contains("seq=1") {
        assert!(lines.read_line(&mut seen).unwrap() > 0, "{seen}");
    }
    let id = client.id().to_string();
    assert!(Command::new("kill").args(["-s", "INT", &id]).status().unwrap().success());
    lines.read_to_string(&mut seen).unwrap();
    assert!(seen.contains("1 answered, 0 lost (0 %)"), "{seen}");
    assert_eq!(client.wait().unwrap().code(), Some(0));
    server.join().unwrap();
}

#[test]
fn what_a_hostile_server_says_is_escaped() {
    let (address, _server) = serve(|mut stream: TcpStream| {
        stream.read_exact(&mut [0; 57]).unwrap();
        stream.write_all(b"ERROR: \x1b]0;mine\x07\r\nECHO: \x1b[2Jagain\n").unwrap();
        stream.read_to_end(&mut Vec::new())
    });
    let (seen, code) = ping(&["-c", "2", "-i", "300ms", "--timeout", "1s", &address]);
    assert!(!seen.contains('\x1b') && !seen.contains('\r'), "{seen:?}");
    assert!(seen.contains("(an error: `ERROR: \\x1b]0;mine\\x07"), "{seen}");
    assert!(seen.contains("unsolicited: `\\x1b[2Jagain`\n"), "{seen}");
    assert!(seen.contains("1 with errors\n"), "{seen}");
    assert_eq!(code, Some(1), "no echo came back");
}

#[test]
fn a_server_that_speaks_tls_is_named_and_its_alert_is_no_reply() {
    for protocol in ["line", "raw"] {
        let (address, _server) = serve(|mut stream: TcpStream| {
            stream.read_exact(&mut [0; 56]).unwrap();
            stream.write_all(b"\x15\x03\x03\x00\x02\x02\x32").unwrap();
            stream.read_to_end(&mut Vec::new())
        });
        let (seen, code) = ping(&["-c", "1", "-p", protocol, &address]);
        let expected = "connection broken: the server seems to speak TLS (try --tls)\n";
        assert!(seen.contains(expected), "{seen}");
        assert!(seen.contains("0 answered, 1 lost"), "{seen}");
        assert_eq!(code, Some(1));
    }
}

#[test]
fn error_replies_are_shown_whole_and_counted_and_without_an_echo_it_is_exit_1() {
    for (last, count, code) in
        [("ERROR: line too long\n", "2 with errors, 1 not the echo\n", 1), ("", "", 0)]
    {
        let (address, _server) = serve(move |mut stream: TcpStream| {
            let mut lines = BufReader::new(stream.try_clone().unwrap());
            for reply in ["ERROR: line too long\n", "what?\n", last] {
                let mut line = String::new();
                lines.read_line(&mut line).unwrap();
                let echo = format!("ECHO: {line}");
                let reply = if reply.is_empty() { &echo } else { reply };
                stream.write_all(reply.as_bytes()).unwrap();
            }
            lines.read_to_end(&mut Vec::new())
        });
        let (seen, exit) = ping(&["-c", "3", "-i", "10ms", &address]);
        let error = "20 bytes: seq=1 time=T ms (an error: `ERROR: line too long`)\n";
        assert!(seen.contains(error), "{seen}");
        assert!(seen.contains("seq=2 time=T ms (not the echo: `what?`)\n"), "{seen}");
        assert!(seen.contains("3 answered, 0 lost"), "{seen}");
        assert!(seen.contains(count), "{seen}");
        assert_eq!(exit, Some(code), "{seen}");
    }
}

#[test]
fn the_status_of_a_web_server_is_shown_and_no_success_is_an_error() {
    let (address, _server) = serve(|mut stream: TcpStream| {
        stream.read_exact(&mut [0; 1]).unwrap();
        stream.write_all(b"HTTP/1.1 500 Oops\r\nContent-Length: 2\r\n\r\nno").unwrap();
        stream.read_to_end(&mut Vec::new())
    });
    let (seen, code) = ping(&["-c", "1", "-p", "http", &address]);
    assert!(seen.contains("2 bytes: seq=1 time=T ms (an error: status 500, `no`)\n"), "{seen}");
    assert_eq!(code, Some(1), "{seen}");
}
