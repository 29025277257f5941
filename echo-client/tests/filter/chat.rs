//! The client in a chat, in a pipe: no line has a reply, and what others say is printed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use echo_test_support::one_connection::{echo_lines, serve};

fn chat(arguments: &[&str]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_echo-client"))
        .args(["--protocol", "chat"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Says `input` and no more.
fn said(mut client: Child, input: &[u8]) -> Output {
    client.stdin.take().unwrap().write_all(input).unwrap();
    client.wait_with_output().unwrap()
}

#[track_caller]
fn assert_ended(output: &Output, code: i32, stdout: &str, stderr: &str) {
    assert_eq!(String::from_utf8_lossy(&output.stdout), stdout);
    assert_eq!(String::from_utf8_lossy(&output.stderr), stderr);
    assert_eq!(output.status.code(), Some(code));
}

#[test]
fn what_others_say_is_printed_until_the_server_ends_it() {
    let (address, server) = serve(|mut stream| {
        stream.write_all(b"* hello\n").unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).unwrap();
        stream.write_all(b"ERROR: no\nbob: hi \xff\nno newline").unwrap();
        heard
    });
    let output = said(chat(&[&address]), b"/nick anna\nhi all");
    assert_eq!(server.join().unwrap(), "/nick anna\nhi all\n");
    assert_ended(&output, 0, "* hello\nERROR: no\nbob: hi \u{fffd}\nno newline", "");
}

#[test]
fn a_server_that_goes_silent_after_the_last_line_is_left_after_the_timeout() {
    let (address, _open) = serve(|mut stream| {
        let mut heard = String::new();
        stream.read_to_string(&mut heard).unwrap();
        stream.write_all(b"bob: hi\n").unwrap();
        stream
    });
    let begin = Instant::now();
    let output = said(chat(&["--timeout", "1500ms", &address]), b"hi\n");
    assert!(begin.elapsed() >= Duration::from_millis(1500));
    assert_ended(&output, 0, "bob: hi\n", "");
}

#[test]
fn who_has_quit_ends_in_order_though_the_input_is_open() {
    let (address, _server) = serve(|mut stream| {
        let mut line = String::new();
        BufReader::new(stream.try_clone().unwrap()).read_line(&mut line).unwrap();
        stream.write_all(b"bye\n").unwrap();
    });
    let mut client = chat(&[&address]);
    let mut input = client.stdin.take().unwrap();
    input.write_all(b"/quit\n").unwrap();
    let output = client.wait_with_output().unwrap();
    assert_ended(&output, 0, "bye\n", "");
    drop(input);
}

#[test]
fn a_server_that_goes_away_is_an_error_and_there_is_nothing_to_time() {
    let (address, _server) = serve(|mut stream| stream.write_all(b"* bye\n").unwrap());
    let mut client = chat(&[&address]);
    let input = client.stdin.take().unwrap();
    let output = client.wait_with_output().unwrap();
    let error = "error: the server closed the connection; no request was pending\n";
    assert_ended(&output, 1, "* bye\n", error);
    drop(input);

    let (address, _server) = serve(echo_lines);
    let output = said(chat(&["--time", &address]), b"");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--time"));
}
