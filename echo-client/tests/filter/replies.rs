//! Replies that are wrong, unsolicited, incomplete, or none of the protocol.

use super::*;

#[test]
fn a_reply_that_is_not_the_echo_of_its_request_is_an_error() {
    for (protocol, replies, said) in [
        ("line", &b"ECHO: a\nECHO: c\nECHO: b\n"[..], "reply 2 is not the echo of its request"),
        ("line", b"ECHO: a\nhello\nECHO: c\n", "reply 2 is not the echo of its request"),
        ("line", b"ECHO: a\r\nECHO: b\r\nERROR: c\n", "1 error reply, the first is reply 3"),
        ("raw", b"abb", "reply 1 is not the echo of its request"),
        ("resp", b"$1\r\na\r\n-ERR b\r\n$1\r\nc\r\n", "1 error reply, the first is reply 2"),
    ] {
        let (address, _server) = serve(move |mut stream: TcpStream| {
            stream.read_exact(&mut [0; 3]).unwrap();
            stream.write_all(replies).unwrap();
            stream.shutdown(std::net::Shutdown::Write).unwrap();
            stream.read_to_end(&mut Vec::new())
        });
        let input = if protocol == "raw" { &b"abc"[..] } else { b"a\nb\nc\n" };
        let output = filter(&["--protocol", protocol, &address], input);
        let requests = if protocol == "raw" { 1 } else { 3 };
        assert_eq!(
            errors(&output),
            format!("error: {said}; {requests} of {requests} requests answered\n"),
            "{protocol}"
        );
        assert_eq!(output.status.code(), Some(1), "{protocol}");
    }
}

#[test]
fn the_reply_to_a_command_may_be_an_error_that_was_asked_for() {
    let (address, _server) = serve(|mut stream: TcpStream| {
        stream.read_to_end(&mut Vec::new()).unwrap();
        stream.write_all(b"ERROR: Unknown command\nECHO: a\n2026-01-01T00:00:00.000Z\n")
    });
    let output = filter(&["--protocol", "command", &address], b"what\necho a\nTIME\n");
    assert_eq!((output.status.code(), errors(&output)), (Some(0), String::new()));
    let (address, _server) = serve(|mut stream: TcpStream| {
        stream.read_to_end(&mut Vec::new()).unwrap();
        stream.write_all(b"ERROR: Unknown command\na\n")
    });
    let output = filter(&["--protocol", "command", &address], b"what\necho a\n");
    assert!(errors(&output).contains("reply 2 is not the echo"), "{}", errors(&output));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn unsolicited_replies_without_end_end_the_session() {
    let babble =
        |mut stream: TcpStream| while stream.write_all(&b"hello\n".repeat(999)).is_ok() {};
    for input_is_open in [false, true] {
        let (address, _server) = serve(babble);
        let mut client = start(&[&address]);
        let mut input = client.stdin.take().unwrap();
        // It may be over before.
        let _ = input.write_all(b"a\n");
        let input = input_is_open.then_some(input);
        // It must not fill the pipe.
        let mut received = client.stdout.take().unwrap();
        let reading = std::thread::spawn(move || {
            std::io::copy(&mut received, &mut std::io::sink()).unwrap()
        });
        let output = client.wait_with_output().unwrap();
        drop(input);
        assert!(reading.join().unwrap() < 16 << 20);
        assert!(
            errors(&output).contains("of unsolicited replies received"),
            "{}",
            errors(&output)
        );
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn a_reply_line_without_end_is_refused_in_little_memory() {
    let said = said_of_endless_reply("line", b"ECHO: ", vec![b'x'; 8 << 10]);
    assert!(said.contains("line too long"), "{said}");
}

/// Most of it is no data.
#[test]
fn a_body_of_endless_chunks_is_refused_in_little_memory() {
    let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let one_byte = format!("1;{}\r\nx\r\n", "e".repeat(240)).repeat(30);
    let said = said_of_endless_reply("http", head, one_byte.into_bytes());
    assert!(said.contains("chunk"), "{said}");
}

/// What the client says when it ends, which it does soon and in little memory.
fn said_of_endless_reply(protocol: &str, head: &'static [u8], piece: Vec<u8>) -> String {
    let (address, server) = serve(move |mut stream: TcpStream| {
        let _ = stream.write_all(head);
        while stream.write_all(&piece).is_ok() {}
    });
    let mut client = start(&["--max-message=1M", "--protocol", protocol, &address]);
    client.stdin.take().unwrap().write_all(b"a\n").unwrap();
    // It must not fill the pipe.
    let mut received = client.stdout.take().unwrap();
    let reading =
        std::thread::spawn(move || std::io::copy(&mut received, &mut std::io::sink()));
    let (begin, mut peak) = (Instant::now(), 0);
    while client.try_wait().unwrap().is_none() {
        assert!(begin.elapsed() < Duration::from_secs(20), "it never ends");
        peak = peak_memory_so_far(client.id()).unwrap_or(peak);
        std::thread::sleep(Duration::from_millis(1));
    }
    let output = client.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(peak < 16 << 20, "{peak} bytes at the peak");
    reading.join().unwrap().unwrap();
    server.join().unwrap();
    errors(&output)
}

#[test]
fn half_a_reply_is_shown_but_does_not_count() {
    let (address, _server) = serve(|mut stream: TcpStream| {
        stream.read_exact(&mut [0; 2]).unwrap();
        stream.write_all(b"ECHO: ha").unwrap();
    });
    let output = filter(&[&address], b"a\n");
    assert_eq!(output.stdout, b"ECHO: ha");
    assert!(errors(&output).contains("0 of 1 requests answered"), "{}", errors(&output));
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn what_is_no_reply_is_named() {
    for (reply, reason) in [
        (
            &b"HTTP/1.1 400 Bad Request\r\n"[..],
            "the server speaks http, not frame; 0 of 1 requests answered (try --protocol http)",
        ),
        (
            b"\xff\xff\xff\xff",
            "frame too long (limit 16777216 bytes); 0 of 1 requests answered (increase \
             --max-message, unless --protocol is wrong)",
        ),
    ] {
        let (address, _server) = serve(move |mut stream: TcpStream| {
            stream.read_exact(&mut [0; 5]).unwrap();
            stream.write_all(reply).unwrap();
            stream.read_to_end(&mut Vec::new())
        });
        let output = filter(&["--protocol", "frame", &address], b"a\n");
        assert_eq!(errors(&output).trim_end(), format!("error: {reason}"));
        assert_eq!(output.status.code(), Some(1));
    }
}

#[test]
fn a_server_that_speaks_tls_is_named_and_its_alert_is_no_reply() {
    for protocol in ["line", "raw", "frame", "resp", "http"] {
        let (address, _server) = serve(|mut stream: TcpStream| {
            stream.read_exact(&mut [0; 1]).unwrap();
            stream.write_all(ALERT).unwrap();
            stream.read_to_end(&mut Vec::new())
        });
        let output = filter(&["--protocol", protocol, &address], b"hello\n");
        assert_eq!(
            errors(&output),
            "error: the server seems to speak TLS; 0 of 1 requests answered (try --tls)\n"
        );
        assert_eq!((output.status.code(), output.stdout), (Some(1), Vec::new()));
    }
}

#[test]
fn an_alert_that_was_sent_may_come_back() {
    let (address, server) = serve(echo_bytes);
    let output = filter(&["--protocol", "raw", &address], ALERT);
    server.join().unwrap();
    assert_eq!((output.stdout.as_slice(), errors(&output)), (ALERT, String::new()));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn typed_commands_are_shown_whole_and_quit_wants_no_reply() {
    let (address, server) = serve(|mut stream: TcpStream| {
        let mut asked = [0; 21];
        stream.read_exact(&mut asked).unwrap();
        stream.write_all("STRASSE\nECHO: a\n".as_bytes()).unwrap();
        asked
    });
    let input = "UPPER ß\nECHO a\nQUIT\n".as_bytes();
    let output = filter(&["--protocol", "command", &address], input);
    assert_eq!(output.stdout, b"STRASSE\nECHO: a\n");
    assert_eq!(output.status.code(), Some(0), "{}", errors(&output));
    assert_eq!(server.join().unwrap()[..], *input);
}

#[test]
fn a_status_that_is_no_success_is_told_beside_the_body() {
    const REPLIES: usize = 7;
    let (address, _server) = serve(|mut stream: TcpStream| {
        stream.read_exact(&mut [0; 1]).unwrap();
        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").unwrap();
        let reply = b"HTTP/1.1 500 Oops\r\nContent-Length: 8\r\n\r\nECHO: /x";
        stream.write_all(&reply.repeat(REPLIES)).unwrap();
        stream.read_to_end(&mut Vec::new())
    });
    let output = filter(&["-q", "--protocol", "http", &address], &b"/x\n".repeat(REPLIES + 1));
    let bodies = "ECHO: /x\n".repeat(REPLIES);
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("ok\n{bodies}"));
    let told = "reply 2: status 500\nreply 3: status 500\nreply 4: status 500\n\
                reply 5: status 500\nreply 6: status 500\n2 more replies with an error status\n\
                error: 7 error replies, the first is reply 2; 8 of 8 requests answered\n";
    assert_eq!(errors(&output), told);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_quit_does_not_excuse_requests_without_a_reply() {
    let (address, _server) = serve(|mut stream: TcpStream| {
        stream.read_exact(&mut [0; 12]).unwrap();
    });
    let output = filter(&["--protocol", "command", &address], b"QUIT\nECHO a\n");
    assert!(errors(&output).contains("; 0 of 1 requests answered"), "{}", errors(&output));
    assert_eq!(output.status.code(), Some(1));
}
