//! `echo-bench` against third-party servers: Redis, nginx, and a Python server that replies to
//! streams out of order.

use std::process::Command;

use echo_test_support::bench_process::{BenchProcess, Finished};
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, third_party_or_skip};

use crate::third_party_server::{ThirdPartyServer, free_address};

fn load(server: &ThirdPartyServer, flags: &[&str]) -> Finished {
    let address = server.address();
    let arguments = [&["--target", &address, "--warmup=0"], flags].concat();
    BenchProcess::start(&arguments).finish(PATIENCE)
}

#[track_caller]
fn all_right(finished: &Finished, requests: u64) {
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(finished.requests("ok"), requests, "{finished:#?}");
}

#[test]
fn a_redis_echoes_every_message() {
    let test = "a_redis_echoes_every_message";
    let Some(mut command) = third_party_or_skip(test, "redis-server") else { return };
    let (address, folder) = (free_address(), tempfile::tempdir().expect("there is room"));
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"]);
    command.arg(address.port().to_string()).arg("--dir").arg(folder.path());
    let redis = ThirdPartyServer::start(&mut command, address);
    for flags in [["--conns=50", "--pipeline=1"], ["--conns=5", "--pipeline=16"]] {
        let flags = [&flags[..], &["--protocol=resp", "--requests=5000", "--size=1-2000"]];
        all_right(&load(&redis, &flags.concat()), 5000);
    }
}

#[test]
fn a_redis_lets_in_who_has_its_password_and_tells_who_has_not() {
    let test = "a_redis_lets_in_who_has_its_password_and_tells_who_has_not";
    let Some(mut command) = third_party_or_skip(test, "redis-server") else { return };
    let (address, folder) = (free_address(), tempfile::tempdir().expect("there is room"));
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"]);
    command.arg(address.port().to_string()).arg("--dir").arg(folder.path());
    command.args(["--requirepass", "hidden-password"]);
    command.args(["--user", "me", "on", ">hidden-password", "+@all"]);
    let _redis = ThirdPartyServer::start(&mut command, address);
    let load = |url: &str, flags: &[&str], password: Option<&str>| {
        let mut command = Command::new(own_program("echo-bench"));
        command.env_remove("REDISCLI_AUTH").envs(password.map(|text| ("REDISCLI_AUTH", text)));
        let common = [url, "--warmup=0", "--requests=1000", "--conns=20", "--timeout=2s"];
        let run = BenchProcess::start_as(&mut command, &[&common, flags].concat());
        let finished = run.finish(PATIENCE);
        assert!(!format!("{finished:?}").contains("hidden-password"), "{finished:#?}");
        finished
    };
    let password = Some("hidden-password");
    let url = |user: &str| format!("redis://{user}{address}/3");
    for (url, flags, password) in [
        (url(""), &["--pipeline=4"][..], password),
        (url("me@"), &["--resp3"], password),
        (url(":hidden-password@"), &["--resp3", "--pool=5", "--reconnect-after=100"], None),
    ] {
        all_right(&load(&url, flags, password), 1000);
    }
    for (url, password, told) in [
        (url(""), None, "NOAUTH Authentication required."),
        (url(""), Some("wrong"), "WRONGPASS invalid username-password pair"),
        (url("").replace("/3", "/99"), password, "ERR DB index is out of range"),
    ] {
        let finished = load(&url, &[], password);
        assert_eq!(finished.code, Some(1), "{finished:#?}");
        assert!(finished.stderr.contains(told), "{finished:#?}");
        let is_helped = finished.stderr.contains("REDISCLI_AUTH is the password");
        assert!(is_helped || told.contains("index"), "{finished:#?}");
    }
}

#[test]
fn an_nginx_answers_every_path_and_body_errors_are_told() {
    let test = "an_nginx_answers_every_path_and_body_errors_are_told";
    let Some(mut command) = third_party_or_skip(test, "nginx") else { return };
    let (address, folder) = (free_address(), tempfile::tempdir().expect("there is room"));
    let place = folder.path().display();
    std::fs::write(
        folder.path().join("nginx.conf"),
        format!(
            "daemon off; master_process off; pid {place}/pid; error_log {place}/errors;
             events {{ worker_connections 256; }}
             http {{
                 access_log off; keepalive_requests 1000000000;
                 client_body_temp_path {place}/1; proxy_temp_path {place}/2;
                 fastcgi_temp_path {place}/3; uwsgi_temp_path {place}/4;
                 scgi_temp_path {place}/5;
                 server {{
                     listen {address};
                     location / {{ return 200 \"ECHO: $request_uri\"; }}
                     location /few {{ keepalive_requests 10; return 200 \"ECHO: /few\"; }}
                     location /missing {{ return 404; }}
                 }}
             }}"
        ),
    )
    .expect("there is room");
    let paths = folder.path().join("paths");
    std::fs::write(&paths, "/\n/a?b=c\n/a/longer/path-of_words\n").expect("there is room");
    command.arg("-e").arg(folder.path().join("errors"));
    command.arg("-c").arg(folder.path().join("nginx.conf"));
    let nginx = ThirdPartyServer::start(&mut command, address);

    let paths = format!("--message-file={}", paths.display());
    let http = ["--protocol=http", "--requests=3000", "--conns=20", "--pipeline=4"];
    all_right(&load(&nginx, &[&http[..], &[&paths]].concat()), 3000);

    // Each tenth reply is the last of its connection, and announces it.
    let few = ["--protocol=http", "--requests=3000", "--conns=20", "--message=/few"];
    for more in
        [&["--pipeline=1"][..], &["--pipeline=1", "--rate=20k"], &["--pool=20"], &["--pool=0"]]
    {
        let finished = load(&nginx, &[&few[..], more].concat());
        all_right(&finished, 3000);
        assert_eq!(finished.report()["errors"], serde_json::json!([]), "{more:?}");
        let summary = &finished.report()["summary"];
        let again = summary["connections"]["reconnects"].as_u64();
        let discarded = summary["pool"]["discarded_closed"].as_u64();
        assert!(
            again >= Some(280) || discarded >= Some(280) || more == ["--pool=0"],
            "{summary}"
        );
    }

    let finished = load(&nginx, &[&http[..], &["--message=/missing"]].concat());
    assert_ne!(finished.code, Some(0), "{finished:#?}");
    assert_eq!(finished.requests("error"), 3000, "{finished:#?}");
    let errors = finished.report()["errors"].to_string();
    assert!(errors.contains("status 404"), "{errors}");
}

/// An HTTP server that sends `Connection: close` in each response, and closes.
const ONE_RESPONSE_EACH: &str = r#"
import socket, sys, threading
def serve(client):
    request = b""
    while b"\r\n\r\n" not in request:
        piece = client.recv(1 << 16)
        if not piece:
            return
        request += piece
    body = b"ECHO: " + request.split(b" ")[1]
    head = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
    client.sendall(head + body)
    client.shutdown(socket.SHUT_WR)
    # A close with unread input would be a reset.
    while client.recv(1 << 16):
        pass
    client.close()
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"#;

#[test]
fn http_connections_that_the_server_closes_are_counted_and_made_again() {
    let test = "http_connections_that_the_server_closes_are_counted_and_made_again";
    let Some(mut command) = third_party_or_skip(test, "python3") else { return };
    let address = free_address();
    command.args(["-c", ONE_RESPONSE_EACH, &address.port().to_string()]);
    let server = ThirdPartyServer::start(&mut command, address);
    let http = ["--protocol=http", "--message=/a", "--conns=5", "--requests=60"];
    for pipeline in ["--pipeline=1", "--pipeline=4"] {
        let finished = load(&server, &[&http[..], &[pipeline]].concat());
        let report = finished.report();
        if pipeline == "--pipeline=1" {
            // No request was sent beyond those that the server had announced to answer.
            assert_eq!(finished.code, Some(0), "{finished:#?}");
            assert_eq!(finished.requests("ok"), 60, "{finished:#?}");
            let again = &report["summary"]["connections"]["reconnects"];
            assert!((55..=60).contains(&again.as_u64().expect("by the schema")), "{again}");
            continue;
        }
        assert_eq!(finished.code, Some(1), "{finished:#?}");
        // Each connection has one correct reply; other requests in flight on it have none.
        let connections = &report["summary"]["connections"];
        let made = connections["established"].as_u64().zip(connections["reconnects"].as_u64());
        let made = made.map(|(established, again)| established + again).expect("by the schema");
        assert!(made > 5 && finished.requests("ok") <= made, "{finished:#?}");
        assert!(finished.requests("ok") >= 10, "{finished:#?}");
        assert_eq!(finished.requests("ok") + finished.requests("closed"), 60, "{finished:#?}");
        let errors = report["errors"].as_array().expect("by the schema");
        assert!(errors.iter().all(|error| error["kind"] == "closed"), "{errors:#?}");
        assert!(finished.stdout.contains("the server closed the connection"), "{finished:#?}");
        assert_ne!(report["verdict"], "valid", "connections were lost");
    }
}

/// A mux server for one connection, which replies to the requests of one read in the order of
/// the expression `argv[2]`.
const MUX_SERVER: &str = r#"
import socket, struct, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    client, _ = listener.accept()
    rest = b""
    while piece := client.recv(1 << 16):
        rest += piece
        frames = []
        while len(rest) >= 8:
            stream, length = struct.unpack(">II", rest[:8])
            if len(rest) < 8 + length:
                break
            frames.append((stream, rest[:8 + length]))
            rest = rest[8 + length:]
        if sys.argv[2] == "streams":
            frames.sort(key=lambda frame: -frame[0])
        else:
            frames.reverse()
        client.sendall(b"".join(frame for _, frame in frames))
"#;

fn mux_server(test: &str, reorders: &str) -> Option<ThirdPartyServer> {
    let mut command: Command = third_party_or_skip(test, "python3")?;
    let address = free_address();
    command.args(["-c", MUX_SERVER, &address.port().to_string(), reorders]);
    Some(ThirdPartyServer::start(&mut command, address))
}

const MUX: [&str; 5] =
    ["--protocol=mux", "--streams=4", "--pipeline=16", "--conns=1", "--requests=1600"];

#[test]
fn streams_that_overtake_each_other_are_no_error() {
    let test = "streams_that_overtake_each_other_are_no_error";
    if let Some(server) = mux_server(test, "streams") {
        all_right(&load(&server, &MUX), 1600);
    }
}

#[test]
fn a_stream_out_of_turn_is_told() {
    let test = "a_stream_out_of_turn_is_told";
    if let Some(server) = mux_server(test, "all") {
        let finished = load(&server, &MUX);
        assert_eq!(finished.code, Some(1), "{finished:#?}");
        assert!(finished.requests("mismatch") > 0, "{finished:#?}");
        let errors = finished.report()["errors"].to_string();
        assert!(errors.contains("reordered"), "{errors}");
    }
}
