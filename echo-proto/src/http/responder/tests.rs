//! Requests as they come on the wire, in pieces of any size, and the replies to them.

use super::*;

/// What a server says to `script`, which it gets in pieces of `piece` bytes.
fn replies(script: &str, piece: usize) -> (String, Flow, u64) {
    let mut replies = Replies::new(WriteMode::Whole);
    let mut responder = HttpResponder::new(16);
    let mut flow = Flow::Open;
    for piece in script.as_bytes().chunks(piece) {
        flow = responder.receive(piece, &mut replies);
    }
    let text = String::from_utf8(replies.bytes().to_vec()).unwrap();
    (text, flow, replies.errors())
}

fn check(script: &str, expected: &str, flow: Flow, errors: u64) {
    for piece in [1, 2, 7, 100_000] {
        let (seen, flowed, counted) = replies(script, piece);
        assert_eq!(seen, expected, "{script:.60} in pieces of {piece}");
        assert_eq!((flowed, counted), (flow, errors), "{script:.60} in pieces of {piece}");
    }
}

fn ok(kind: &str, extra: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{extra}\r\n{body}"
    )
}

fn refused(status: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{body}"
    )
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let script = "GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n\
                  POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello\
                  PUT /x HTTP/1.1\r\nhost:\r\nContent-Length: 0\r\n\r\n\r\n\
                  GET / HTTP/1.1\nHost: [::1]:80\n\n";
    let expected = ok("text/plain", "", "ECHO: /a?b=c")
        + &ok("application/octet-stream", "", "hello")
        + &ok("application/octet-stream", "", "")
        + &ok("text/plain", "", "ECHO: /");
    check(script, &expected, Flow::Open, 0);
}

#[test]
fn head_tells_the_length_and_sends_no_body() {
    let expected = "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 8\r\n\r\n";
    check("HEAD /x HTTP/1.1\r\nHost: x\r\n\r\n", expected, Flow::Open, 0);
}

#[test]
fn the_connection_ends_when_the_client_says_so_or_is_of_old() {
    let close = ok("text/plain", "Connection: close\r\n", "ECHO: /");
    let after = "GET /no HTTP/1.1\r\nHost: x\r\n\r\n";
    let script = format!("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n{after}");
    check(&script, &close, Flow::Finish, 0);
    check(&format!("GET / HTTP/1.0\r\n\r\n{after}"), &close, Flow::Finish, 0);
    let keep = ok("text/plain", "Connection: keep-alive\r\n", "ECHO: /");
    check("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &keep, Flow::Open, 0);
}

#[test]
fn a_client_that_waits_to_send_its_body_is_asked_to_go_on() {
    let script = "PUT / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\
                  Expect: 100-continue\r\n\r\nhi";
    let expected =
        "HTTP/1.1 100 Continue\r\n\r\n".to_owned() + &ok("application/octet-stream", "", "hi");
    check(script, &expected, Flow::Open, 0);
}

#[test]
fn a_head_may_have_as_many_fields_as_a_proxy_may_add() {
    for count in [FIELDS, FIELDS + 1, 500, 1022] {
        let fields = "a: b\r\n".repeat(count);
        let script =
            format!("PUT / HTTP/1.1\r\nHost: x\r\n{fields}Content-Length: 2\r\n\r\nhi");
        check(&script, &ok("application/octet-stream", "", "hi"), Flow::Open, 0);
    }
}

#[test]
fn each_refusal_has_its_status_and_ends_the_connection() {
    let malformed = refused("400 Bad Request", "ERROR: malformed request");
    let method = refused(
        "405 Method Not Allowed\r\nAllow: GET, HEAD, POST, PUT",
        "ERROR: method not allowed",
    );
    let chunked =
        refused("411 Length Required", "ERROR: length required, chunked bodies are not read");
    let long = refused("413 Content Too Large", "ERROR: body too long (limit 16 bytes)");
    let head = refused(
        "431 Request Header Fields Too Large",
        "ERROR: head too long (limit 16384 bytes)",
    );
    let many =
        refused("431 Request Header Fields Too Large", "ERROR: too many fields (limit 1024)");
    let fields = "a: b\r\n".repeat(1025);
    let path = "x".repeat(16 * 1024);
    for (script, expected) in [
        ("nonsense\r\n\r\n".to_owned(), &malformed),
        ("GET / HTTP/2.0\r\n\r\n".to_owned(), &malformed),
        (
            "POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n".into(),
            &malformed,
        ),
        ("POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n".into(), &malformed),
        ("DELETE / HTTP/1.1\r\nHost: x\r\n\r\n".into(), &method),
        (
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
            &chunked,
        ),
        ("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 17\r\n\r\n".into(), &long),
        (format!("GET /{path} HTTP/1.1\r\n\r\n"), &head),
        (format!("GET / HTTP/1.1\r\n{fields}\r\n"), &many),
    ] {
        check(&script, expected, Flow::Finish, 1);
    }
}

#[test]
fn a_length_that_no_buffer_can_have_is_over_any_limit() {
    let longest = usize::MAX;
    let mut replies = Replies::new(WriteMode::Whole);
    let script = format!("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {longest}\r\n\r\n");
    let flow = HttpResponder::new(longest).receive(script.as_bytes(), &mut replies);
    assert_eq!((flow, replies.errors()), (Flow::Finish, 1));
    assert!(replies.bytes().starts_with(b"HTTP/1.1 413 "));
}

#[test]
fn a_request_has_one_host_or_is_refused() {
    let refused = |text: &str| refused("400 Bad Request", &format!("ERROR: {text}"));
    let missing = refused("no Host field, which HTTP/1.1 requires");
    let several = refused("more than one Host field");
    let invalid = refused("invalid Host field");
    for (head, expected) in [
        ("GET / HTTP/1.1\r\n", &missing),
        ("GET / HTTP/1.1\r\nX-Host: a\r\n", &missing),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n", &several),
        ("GET / HTTP/1.0\r\nHost: a\r\nhost: b\r\n", &several),
        ("GET / HTTP/1.1\r\nHost: a b\r\n", &invalid),
        ("GET / HTTP/1.1\r\nHost: a/b\r\n", &invalid),
        ("POST / HTTP/1.1\r\nContent-Length: 2\r\n", &missing),
    ] {
        check(&format!("{head}\r\nhi"), expected, Flow::Finish, 1);
    }
}

#[test]
fn empty_lines_after_the_last_request_are_no_error_and_half_a_request_is() {
    let body = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";
    for (rest, errors) in [("", 0), ("\r\n", 0), ("\r\n\r\n", 0), ("\r", 0), ("\r\nG", 1)] {
        let mut replies = Replies::new(WriteMode::Whole);
        let mut responder = HttpResponder::new(16);
        let script = format!("{body}{rest}");
        let flow = responder.receive(script.as_bytes(), &mut replies);
        assert_eq!(flow, Flow::Open, "{rest:?}");
        responder.end_of_input(&mut replies);
        assert_eq!((replies.messages(), replies.errors()), (1, errors), "{rest:?}");
    }
}
