//! Third-party clients: netcat-openbsd, bash's /dev/tcp, Python's sockets.

use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{run, third_party_or_skip};
use echo_test_support::running_server::{RunningServer, on_every_model};

/// The output of `program` with `arguments` (the port is appended) for `input`.
fn printed(
    test: &str,
    server: &RunningServer,
    program: &str,
    arguments: &[&str],
    input: &[u8],
) -> Option<String> {
    let mut command = third_party_or_skip(test, program)?;
    let port = server.address().port().to_string();
    let output = run(command.args(arguments).arg(port), input, PATIENCE);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program}: {} {errors}", output.status);
    Some(String::from_utf8(output.stdout).expect("text"))
}

#[test]
fn netcat_gets_every_line_and_ends() {
    on_every_model(&[], |server| {
        let test = "netcat_gets_every_line_and_ends";
        let input = b"a\nb\r\n\nlast";
        if let Some(seen) = printed(test, server, "nc", &["-N", "127.0.0.1"], input) {
            assert_eq!(seen, "ECHO: a\nECHO: b\nECHO: \nECHO: last\n");
        }
    });
}

#[test]
fn netcat_with_crlf_gets_lines_without_carriage_returns() {
    on_every_model(&[], |server| {
        let test = "netcat_with_crlf_gets_lines_without_carriage_returns";
        let seen = printed(test, server, "nc", &["-C", "-N", "127.0.0.1"], b"a\n\nb\n");
        if let Some(seen) = seen {
            assert_eq!(seen, "ECHO: a\nECHO: \nECHO: b\n");
        }
    });
}

#[test]
fn netcat_gets_raw_bytes_back() {
    on_every_model(&["--protocol", "raw"], |server| {
        let test = "netcat_gets_raw_bytes_back";
        let input = "no newline at all ".repeat(10_000);
        let seen = printed(test, server, "nc", &["-N", "127.0.0.1"], input.as_bytes());
        if let Some(seen) = seen {
            assert!(seen == input, "{} bytes of {}", seen.len(), input.len());
        }
    });
}

#[test]
fn bash_without_any_program_gets_a_reply() {
    let script = r#"
        exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 9
        printf 'from bash\n' >&3
        IFS= read -r -t 20 reply <&3 || exit 8
        printf '%s\n' "$reply"
    "#;
    on_every_model(&[], |server| {
        let test = "bash_without_any_program_gets_a_reply";
        let seen = printed(test, server, "bash", &["-c", script, "bash"], b"");
        assert!(seen.is_none_or(|seen| seen == "ECHO: from bash\n"));
    });
}

#[test]
fn python_sockets_get_replies_on_many_connections() {
    let script = r#"
import socket, sys
address = ("127.0.0.1", int(sys.argv[1]))
clients = [socket.create_connection(address, timeout=20) for _ in range(50)]
for number, client in enumerate(clients):
    client.sendall(b"python %d\nand the last" % number)
    client.shutdown(socket.SHUT_WR)
for number, client in enumerate(clients):
    seen = b""
    while piece := client.recv(4096):
        seen += piece
    assert seen == b"ECHO: python %d\nECHO: and the last\n" % number, seen
print("all answered")
"#;
    on_every_model(&[], |server| {
        let test = "python_sockets_get_replies_on_many_connections";
        let seen = printed(test, server, "python3", &["-c", script], b"");
        assert!(seen.is_none_or(|seen| seen == "all answered\n"));
    });
}
