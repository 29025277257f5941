//! The client in a pipe, as a user sees it: standard input, output, errors and exit codes.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use echo_test_support::one_connection::{answer_lines, echo_bytes, echo_lines, serve};
use echo_test_support::program::ignores_hangup;

mod chat;
mod replies;

fn start(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_echo-client"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Runs the client with `input` and the end of it.
fn filter(arguments: &[&str], input: &[u8]) -> Output {
    let mut client = start(arguments);
    let written = client.stdin.take().unwrap().write_all(input);
    // The client may have ended before it read all.
    drop(written);
    client.wait_with_output().unwrap()
}

fn errors(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

#[test]
fn prints_every_reply_as_it_was_sent_and_exits_0() {
    let (address, server) = serve(echo_lines);
    let output = filter(&[&address], b"a\n\nno \xff utf-8 \x1b[31m\nlast without newline");
    server.join().unwrap();
    assert_eq!(
        output.stdout,
        b"ECHO: a\nECHO: \nECHO: no \xff utf-8 \x1b[31m\nECHO: last without newline\n"
    );
    assert_eq!((output.status.code(), errors(&output)), (Some(0), String::new()));
}

#[test]
fn a_carriage_return_belongs_to_the_end_of_its_line() {
    for protocol in ["line", "command"] {
        let (address, server) = serve(|mut stream: TcpStream| {
            let mut received = Vec::new();
            stream.read_to_end(&mut received).unwrap();
            let lines = received.split(|&byte| byte == b'\n').count() - 1;
            stream.write_all(&b"ECHO: \n".repeat(lines)).unwrap();
            received
        });
        filter(&["--protocol", protocol, &address], b"a\r\n\r\nb\rc\r\r\nlast\r");
        assert_eq!(server.join().unwrap(), b"a\n\nb\rc\r\nlast\n", "{protocol}");
    }
}

#[test]
fn raw_bytes_come_back_as_they_are() {
    let (address, server) = serve(echo_bytes);
    let bytes: Vec<u8> = (0..300_000_u32).map(|n| (n.wrapping_mul(n) >> 7) as u8).collect();
    let output = filter(&["--protocol", "raw", &address], &bytes);
    server.join().unwrap();
    assert!(output.stdout == bytes);
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
}

#[test]
fn each_line_becomes_a_frame() {
    let (address, server) = serve(|mut stream: TcpStream| {
        let mut received = Vec::new();
        stream.read_to_end(&mut received).unwrap();
        stream.write_all(&received).unwrap();
        received
    });
    let output = filter(&["--protocol", "frame", &address], b"ab\n\nc\n");
    assert_eq!(server.join().unwrap(), b"\0\0\0\x02ab\0\0\0\0\0\0\0\x01c");
    assert_eq!(output.stdout, b"ab\n\nc\n");
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
}

#[test]
fn no_input_is_no_error() {
    let (address, _server) = serve(echo_lines);
    let output = filter(&[&address], b"");
    assert_eq!((output.status.code(), errors(&output)), (Some(0), String::new()));
}

#[test]
fn the_round_trip_of_each_reply_is_shown_on_its_line() {
    let (address, _server) = serve(echo_lines);
    let output = filter(&["--time", &address], b"a\nb\n");
    let text = String::from_utf8(output.stdout).unwrap();
    let times: Vec<f64> = text
        .lines()
        .zip(["ECHO: a", "ECHO: b"])
        .map(|(line, reply)| {
            let time = line.strip_prefix(reply).unwrap().strip_prefix('\t').unwrap();
            time.strip_suffix(" ms").unwrap().parse().unwrap()
        })
        .collect();
    assert_eq!(times.len(), 2);
    assert!(times.iter().all(|ms| (0.001..5_000.0).contains(ms)), "{times:?}");
    let refused = filter(&["--time", "--protocol", "raw", &address], b"a");
    assert_eq!(refused.status.code(), Some(2));
    assert!(errors(&refused).contains("--time"), "{}", errors(&refused));
}

#[test]
fn fewer_replies_than_requests_are_counted_and_exit_1() {
    let (address, _server) = serve(|stream| answer_lines(stream, 2));
    let output = filter(&[&address], b"a\nb\nc\n");
    assert_eq!(output.stdout, b"ECHO: a\nECHO: b\n");
    assert_eq!(
        errors(&output),
        "error: the server closed the connection; 2 of 3 requests answered\n"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_server_that_goes_while_there_is_input_to_come_ends_the_client() {
    let (address, _server) = serve(|stream| answer_lines(stream, 1));
    let mut client = start(&[&address]);
    let mut input = client.stdin.take().unwrap();
    input.write_all(b"a\n").unwrap();
    let output = client.wait_with_output().unwrap();
    assert_eq!(output.stdout, b"ECHO: a\n");
    assert_eq!(errors(&output), "the server closed the connection; 1 of 1 requests answered\n");
    assert_eq!(output.status.code(), Some(0), "nothing is lost");
}

#[test]
fn the_beginning_of_a_line_that_a_server_did_not_get_is_an_error() {
    for (sent, told) in [(&b"a\nhalf a line"[..], 11), (b"a\n\r", 1)] {
        let (address, _server) = serve(|stream| answer_lines(stream, 1));
        let mut client = start(&[&address]);
        let mut input = client.stdin.take().unwrap();
        input.write_all(sent).unwrap();
        let output = client.wait_with_output().unwrap();
        assert_eq!(output.stdout, b"ECHO: a\n");
        let error = format!(
            "error: the server closed the connection; 1 of 1 requests answered; at least {told} \
             bytes of the input were not sent\n"
        );
        assert_eq!(errors(&output), error);
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn a_server_that_goes_before_it_has_answered_anything_is_an_error() {
    let (address, _server) = serve(drop);
    let mut client = start(&["-q", &address]);
    let _input = client.stdin.take().unwrap();
    let output = client.wait_with_output().unwrap();
    assert_eq!(
        errors(&output),
        "error: the server closed the connection; no request was pending\n"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_silent_server_is_given_up_after_the_timeout() {
    let (address, _open) = serve(|mut stream: TcpStream| {
        stream.read_exact(&mut [0; 2]).unwrap();
        stream.write_all(b"ECHO: a\n").unwrap();
        stream // Neither answered nor closed until the test ends.
    });
    let begun = Instant::now();
    let output = filter(&["--timeout", "300ms", &address], b"a\nb\n");
    assert!(begun.elapsed() >= Duration::from_millis(300));
    assert_eq!(output.stdout, b"ECHO: a\n");
    assert_eq!(
        errors(&output),
        "error: no reply within 300ms; 1 of 2 requests answered (increase --timeout)\n"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_server_that_does_not_hang_up_is_left_after_the_last_reply() {
    let (address, _open) = serve(|mut stream: TcpStream| {
        stream.read_to_end(&mut Vec::new()).unwrap();
        stream.write_all(b"ECHO: a\n").unwrap();
        stream
    });
    let output = filter(&["--timeout", "1h", &address], b"a\n");
    assert_eq!(output.stdout, b"ECHO: a\n");
    assert_eq!((output.status.code(), errors(&output)), (Some(0), String::new()));
}

#[test]
fn what_the_server_says_after_a_late_last_reply_is_shown() {
    let (address, _server) = serve(|mut stream: TcpStream| {
        stream.read_to_end(&mut Vec::new()).unwrap();
        // Longer than a server has to hang up after its last reply.
        std::thread::sleep(Duration::from_millis(1_200));
        stream.write_all(b"ECHO: a\n").unwrap();
        std::thread::sleep(Duration::from_millis(100));
        stream.write_all(b"* bye\n").unwrap();
    });
    let output = filter(&[&address], b"a\n");
    assert_eq!(output.stdout, b"ECHO: a\n* bye\n");
    let told = "error: 1 unsolicited reply; 1 of 1 requests answered\n";
    assert_eq!((output.status.code(), errors(&output).as_str()), (Some(1), told));
}

#[test]
fn a_reset_is_named() {
    // Closing with a byte unread makes the kernel reset the connection.
    let (address, _server) = serve(|mut stream: TcpStream| stream.read_exact(&mut [0; 1]));
    let output = filter(&[&address], b"ab\n");
    assert_eq!(
        errors(&output),
        "error: the connection broke: connection reset; 0 of 1 requests answered\n"
    );
    assert_eq!(output.status.code(), Some(1));
}

/// What a server that speaks TLS says to one that does not: a fatal alert.
const ALERT: &[u8] = b"\x15\x03\x03\x00\x02\x02\x32";

#[test]
fn nobody_listening_is_an_error_with_a_remedy() {
    let output = filter(&["127.0.0.1:1"], b"a\n");
    assert_eq!(
        errors(&output),
        "error: connecting to 127.0.0.1:1: connection refused (is a server running there? \
         start one with: echo-server 127.0.0.1:1)\n"
    );
    assert_eq!((output.status.code(), output.stdout), (Some(1), Vec::new()));
}

#[test]
fn a_line_over_the_limit_is_refused_after_what_came_before_it() {
    let (address, _server) = serve(echo_lines);
    let output = filter(&["--max-message", "4", &address], b"abcd\nabcde\nx\n");
    assert_eq!(output.stdout, b"ECHO: abcd\n");
    assert_eq!(
        errors(&output),
        "error: a line of the input is longer than 4 (increase --max-message)\n"
    );
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn an_interrupt_ends_it_with_130_and_a_termination_with_143() {
    for (name, code) in [("INT", 130), ("TERM", 143), ("HUP", 129)] {
        if name == "HUP" && ignores_hangup() {
            continue;
        }
        let (address, server) = serve(echo_lines);
        let mut client = start(&[&address]);
        let mut input = client.stdin.take().unwrap();
        input.write_all(b"a\n").unwrap();
        let mut reply = [0; 8];
        client.stdout.as_mut().unwrap().read_exact(&mut reply).unwrap();
        let id = client.id().to_string();
        let signal = |name: &str| {
            let signal = ["-s", name, &id].map(str::to_owned);
            assert!(Command::new("kill").args(signal).status().unwrap().success());
        };
        // What means nothing to it does not end it.
        signal("USR1");
        signal("USR2");
        input.write_all(b"b\n").unwrap();
        client.stdout.as_mut().unwrap().read_exact(&mut reply).unwrap();
        signal(name);
        let output = client.wait_with_output().unwrap();
        assert_eq!((output.status.code(), errors(&output)), (Some(code), String::new()));
        server.join().unwrap();
    }
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let (address, _server) =
        serve(|stream| drop(std::panic::catch_unwind(|| echo_lines(stream))));
    let mut client = start(&[&address]);
    drop(client.stdout.take());
    let mut input = client.stdin.take().unwrap();
    // Until the client notices: its own end closes the pipe.
    while input.write_all(b"a\n").is_ok() {}
    let output = client.wait_with_output().unwrap();
    assert_eq!((output.status.code(), errors(&output)), (Some(0), String::new()));
}

#[test]
fn much_flows_through_without_a_standstill_and_without_filling_memory() {
    const LINES: usize = 400_000;
    const LINE: &[u8] =
        b"a line of a fair length, again and again, so that 32 MB of it fill every buffer\n";
    let (address, _server) = serve(echo_lines);
    let mut client = start(&["--timeout", "30s", &address]);
    let mut input = client.stdin.take().unwrap();
    let id = client.id();
    let writer = std::thread::spawn(move || {
        for _ in 0..LINES {
            input.write_all(LINE).unwrap();
        }
        // Alive and with everything behind it but the last buffers.
        peak_memory(id)
    });
    let mut received = 0;
    let mut buffer = vec![0; 1 << 20];
    let mut output = client.stdout.take().unwrap();
    loop {
        match output.read(&mut buffer).unwrap() {
            0 => break,
            length => received += length,
        }
    }
    assert_eq!(received, LINES * (b"ECHO: ".len() + LINE.len()));
    assert!(client.wait().unwrap().success());
    let peak = writer.join().unwrap();
    assert!(peak < 16 << 20, "{peak} bytes at the peak for {received} of traffic");
}

/// The most memory that a process has held so far, from its own line in proc(5).
fn peak_memory(id: u32) -> usize {
    peak_memory_so_far(id).unwrap()
}

/// The same, or nothing once it has ended.
fn peak_memory_so_far(id: u32) -> Option<usize> {
    let status = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: usize = peak.trim().strip_suffix(" kB").unwrap().parse().unwrap();
    Some(kib * 1024)
}
