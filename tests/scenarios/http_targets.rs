//! Generator and client with foreign HTTP servers: the Host header, every legal body framing,
//! and exceeded limits.

use std::collections::BTreeSet;
use std::process::Command;
use std::sync::{Arc, Mutex};

use echo_test_support::bench_process::{BenchProcess, Finished};
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, run};

use crate::scripted_server::{ScriptedServer, path_in};

fn load(target: &str, flags: &[&str]) -> Finished {
    let always = [target, "--requests=20", "--conns=2", "--warmup=0"];
    BenchProcess::start(&[&always[..], flags].concat()).finish(PATIENCE)
}

/// What `echo-client` prints on both outputs, and whether it succeeds.
fn client(arguments: &[&str], input: &[u8]) -> (String, String, bool) {
    let mut command = Command::new(own_program("echo-client"));
    let output = run(command.args(arguments), input, PATIENCE);
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (text(&output.stdout), text(&output.stderr), output.status.success())
}

#[test]
fn requests_name_the_site_that_was_asked_for() {
    for (listen, host) in [("127.0.0.1:0", "127.0.0.1"), ("[::1]:0", "[::1]")] {
        let seen = Arc::<Mutex<BTreeSet<String>>>::default();
        let heads = Arc::clone(&seen);
        let server = ScriptedServer::of_http(listen, false, move |head| {
            let host = head.lines().find_map(|line| line.strip_prefix("Host: "));
            heads.lock().unwrap().insert(host.unwrap_or("none").to_owned());
            let body = format!("ECHO: {}", path_in(head));
            format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into()
        });
        let asked_for = || std::mem::take(&mut *seen.lock().unwrap());
        let address = server.address().to_string();
        let (site, url) =
            (format!("{host}:{}", server.address().port()), format!("http://{address}"));
        let only = |site: &str| BTreeSet::from([site.to_owned()]);
        let other = "--http-host=site.example";
        for pool in [&[][..], &["--pool=1"]] {
            let http = ["--protocol=http", "--message=/a"];
            let finished = load(&address, &[&http[..], pool].concat());
            assert_eq!(finished.code, Some(0), "{finished:#?}");
            assert_eq!(finished.report()["plan"]["http_host"], *site);
            assert_eq!(asked_for(), only(&site));
            let finished = load(&url, &[&[other][..], pool].concat());
            assert_eq!(finished.code, Some(0), "{finished:#?}");
            assert_eq!(asked_for(), only("site.example"));
        }
        for flags in [&[][..], &["ping", "-c1"]] {
            client(&[flags, &["-p", "http", &address]].concat(), b"/a\n");
            assert_eq!(asked_for(), only(&site), "{flags:?}");
            client(&[flags, &[&url, other]].concat(), b"/a\n");
            assert_eq!(asked_for(), only("site.example"), "{flags:?}");
        }
    }
}

/// Replies with the body `ECHO: /a`, and whether the server closes the connection after each.
fn legal_replies() -> Vec<(&'static str, bool, String)> {
    let fields = "X-Field: some value of a proxy\r\n".repeat(200);
    let chunks = "4\r\nECHO\r\n4;extension=1\r\n: /a\r\n0\r\n";
    vec![
        ("ended by close", true, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nECHO: /a".into()),
        ("of HTTP/1.0", true, "HTTP/1.0 200 OK\r\n\r\nECHO: /a".into()),
        (
            "with trailer fields",
            false,
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}A: b\r\n\r\n"
            ),
        ),
        (
            "with 200 fields",
            false,
            format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 8\r\n\r\nECHO: /a"),
        ),
    ]
}

#[test]
fn every_legal_reply_is_an_echo() {
    for (what, closes, reply) in legal_replies() {
        let server =
            ScriptedServer::of_http("127.0.0.1:0", closes, move |_| reply.clone().into());
        let address = server.address().to_string();
        for way in [&[][..], &["--pool=2"], &["--pool=0"]] {
            let http = ["--protocol=http", "--message=/a"];
            let finished = load(&address, &[&http[..], way].concat());
            assert_eq!(finished.code, Some(0), "{what}, {way:?}: {finished:#?}");
            assert_eq!(finished.requests("ok"), 20, "{what}, {way:?}: {finished:#?}");
        }
        let (said, errors, well) = client(&["-p", "http", &address], b"/a\n");
        assert!(well && said == "/a\n", "{what}: {said} {errors}");
        let (said, errors, _) = client(&["ping", "-c1", "-p", "http", &address], b"");
        assert!(said.contains("1 answered, 0 lost"), "{what}: {said} {errors}");
    }
}

#[test]
fn a_body_of_several_mebibytes_is_read_and_a_limit_is_named() {
    let server = ScriptedServer::of_http("127.0.0.1:0", false, |head| {
        let length = path_in(head)[1..].parse().expect("a number");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
        [head.into_bytes(), vec![b'x'; length]].concat()
    });
    let address = server.address().to_string();
    let few = ["--protocol=http", "--verify=off", "--requests=4"];
    let finished = BenchProcess::start(
        &[&[&address, "--message=/5000000", "--conns=1", "--warmup=0"][..], &few].concat(),
    )
    .finish(PATIENCE);
    assert_eq!(finished.requests("ok"), 4, "{finished:#?}");
    for way in [&[][..], &["--pool=1"]] {
        let finished = BenchProcess::start(
            &[&[&address, "--message=/20000000", "--conns=1", "--warmup=0"][..], &few, way]
                .concat(),
        )
        .finish(PATIENCE);
        assert_eq!(finished.requests("mismatch"), 4, "{finished:#?}");
        let errors = finished.report()["errors"].as_array().expect("by the schema");
        assert_eq!(errors.len(), 1, "{errors:#?}");
        assert_eq!(errors[0]["kind"], "too_long", "{errors:#?}");
        assert!(errors[0].to_string().contains("limit of 16777216 bytes"), "{errors:#?}");
    }
    let (_, errors, well) = client(&["-p", "http", &address], b"/20000000\n");
    let told = "the reply exceeds the limit of 16777216 bytes";
    assert!(
        !well && errors.contains(told) && errors.contains("increase --max-message"),
        "{errors}"
    );
    let (said, errors, well) =
        client(&["-p", "http", "--max-message=20MiB", &address], b"/20000000\n");
    assert!(well && said.len() == 20_000_001, "{} {errors}", said.len());
}

#[test]
fn a_redis_reply_over_the_limit_is_no_other_protocol() {
    let server = ScriptedServer::of_lines(|line| match line {
        "ECHO" => "$17000000\r\n".to_owned(),
        _ => String::new(),
    });
    let (_, errors, well) = client(&["-p", "resp", &server.address().to_string()], b"a\n");
    let told = "the reply exceeds the limit of 16777216 bytes";
    assert!(
        !well && errors.contains(told) && errors.contains("increase --max-message"),
        "{errors}"
    );
    assert!(!errors.contains("--protocol"), "{errors}");
}
