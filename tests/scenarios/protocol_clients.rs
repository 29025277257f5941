//! Third-party clients for the protocols that are not line-based: the tools of Redis, wrk,
//! curl, and netcat and Python where there is none.

use std::process::Command;

use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{run, third_party_or_skip};
use echo_test_support::running_server::{RunningServer, on_every_model};

/// The output of `command`, with `input` on its standard input; it must succeed.
#[track_caller]
fn printed(command: &mut Command, input: &[u8]) -> String {
    let output = run(command, input, PATIENCE);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {} {errors}", output.status);
    String::from_utf8(output.stdout).expect("text")
}

fn port(server: &RunningServer) -> String {
    server.address().port().to_string()
}

fn url(server: &RunningServer, path: &str) -> String {
    format!("http://{}{path}", server.address())
}

#[test]
fn netcat_s_commands_get_exactly_the_specified_lines() {
    let test = "netcat_s_commands_get_exactly_the_specified_lines";
    let script = "ECHO x\nUPPER straße\nLOWER ΟΔΟΣ\nREVERSE a🇩🇪é\nTIME\nNOPE\nQUIT\nECHO no\n";
    on_every_model(&["--protocol", "command"], |server| {
        let Some(mut netcat) = third_party_or_skip(test, "nc") else { return };
        netcat.args(["-N", "127.0.0.1", &port(server)]);
        let seen = printed(&mut netcat, script.as_bytes());
        let lines: Vec<_> = seen.lines().collect();
        let [echo, upper, lower, reverse, time, unknown] = lines[..] else {
            panic!("{seen}");
        };
        assert_eq!([echo, upper, lower], ["ECHO: x", "STRASSE", "οδος"]);
        assert_eq!([reverse, unknown], ["é🇩🇪a", "ERROR: Unknown command"]);
        let shape: String =
            time.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        assert_eq!(shape, "0000-00-00T00:00:00.000Z", "{time}");
    });
}

#[test]
fn redis_benchmark_and_redis_cli_see_a_redis() {
    let test = "redis_benchmark_and_redis_cli_see_a_redis";
    on_every_model(&["--protocol", "resp"], |server| {
        let Some(mut cli) = third_party_or_skip(test, "redis-cli") else { return };
        let said = printed(cli.args(["-p", &port(server), "echo", "hi"]), b"");
        assert_eq!(said, "hi\n");
        let Some(mut benchmark) = third_party_or_skip(test, "redis-benchmark") else { return };
        benchmark.args(["-p", &port(server), "-t", "ping", "-n", "20000", "-P", "16", "-q"]);
        let said = printed(&mut benchmark, b"");
        for kind in ["PING_INLINE", "PING_MBULK"] {
            let result = format!("{kind}: ");
            let rate = said.split(['\r', '\n']).filter(|line| line.trim().starts_with(&result));
            assert!(rate.clone().any(|line| line.contains("requests per second")), "{said}");
        }
    });
}

#[test]
fn curl_gets_its_path_and_its_body_back() {
    let test = "curl_gets_its_path_and_its_body_back";
    let body = "any body, of some length ".repeat(20_000);
    on_every_model(&["--protocol", "http"], |server| {
        let curl = || third_party_or_skip(test, "curl");
        let Some(mut path) = curl() else { return };
        path.args(["-sS", &url(server, "/a?b=c"), &url(server, "/second")]);
        assert_eq!(printed(&mut path, b""), "ECHO: /a?b=cECHO: /second");
        let Some(mut post) = curl() else { return };
        post.args(["-sS", "--data-binary", "@-", &url(server, "/")]);
        let seen = printed(&mut post, body.as_bytes());
        assert!(seen == body, "{} bytes of {}", seen.len(), body.len());
        let Some(mut head) = curl() else { return };
        let seen = printed(head.args(["-sS", "-I", &url(server, "/abc")]), b"");
        assert!(seen.contains("200 OK") && seen.contains("Content-Length: 10"), "{seen}");
        let Some(mut chunked) = curl() else { return };
        chunked.args(["-sS", "-o", "/dev/null", "-w", "%{http_code}", "--data-binary", "x"]);
        chunked.args(["-H", "Transfer-Encoding: chunked", &url(server, "/")]);
        assert_eq!(printed(&mut chunked, b""), "411");
    });
}

#[test]
fn wrk_counts_answers_and_no_errors() {
    let test = "wrk_counts_answers_and_no_errors";
    on_every_model(&["--protocol", "http"], |server| {
        let Some(mut wrk) = third_party_or_skip(test, "wrk") else { return };
        let seen = printed(wrk.args(["-t1", "-c10", "-d1s", &url(server, "/path")]), b"");
        assert!(seen.contains("requests in"), "{seen}");
        for wrong in ["Non-2xx", "Socket errors"] {
            assert!(!seen.contains(wrong), "{seen}");
        }
        let answered = seen.lines().find(|line| line.contains("requests in"));
        let number = answered.and_then(|line| line.split_whitespace().next()?.parse().ok());
        assert!(number > Some(0_u64), "{seen}");
    });
}

#[test]
fn python_frames_come_back_whole_and_on_their_streams() {
    let test = "python_frames_come_back_whole_and_on_their_streams";
    let script = r#"
import socket, struct, sys
client = socket.create_connection(("127.0.0.1", int(sys.argv[1])), timeout=20)
mux = sys.argv[2] == "mux"
sent = b""
for number in range(200):
    payload = b"x" * (number * 37 % 5000)
    stream = struct.pack(">I", number * 7919 % 2**32) if mux else b""
    sent += stream + struct.pack(">I", len(payload)) + payload
seen = b""
for start in range(0, len(sent), 1000):
    client.sendall(sent[start:start + 1000])
client.shutdown(socket.SHUT_WR)
while piece := client.recv(1 << 16):
    seen += piece
assert seen == sent, (len(seen), len(sent))
print("all came back")
"#;
    for protocol in ["frame", "mux"] {
        on_every_model(&["--protocol", protocol], |server| {
            let Some(mut python) = third_party_or_skip(test, "python3") else { return };
            let seen = printed(python.args(["-c", script, &port(server), protocol]), b"");
            assert_eq!(seen, "all came back\n");
        });
    }
}
