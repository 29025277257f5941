//! `--metrics`: a run that is scraped while it goes.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;

use echo_test_support::program::{run as run_program, third_party_or_skip};

use super::*;

fn get(address: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    body.to_owned()
}

fn value(metrics: &str, name: &str) -> Option<f64> {
    let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.and_then(|value| value.parse().ok())
}

#[test]
fn a_run_is_scraped_while_it_goes() {
    let room = tempfile::tempdir().unwrap();
    let run = ["--conns=2", "-d60s", "-w0", "-q", "--no-report", "--interval=100ms"];
    let mut child =
        command(room.path(), &[&run[..], &["--metrics=127.0.0.1:0"]].concat()).spawn().unwrap();
    let mut words = BufReader::new(child.stderr.take().unwrap()).lines();
    let place = words.find_map(|line| {
        let line = line.unwrap();
        let address = line.split_once("http://")?.1.strip_suffix("/metrics")?.to_owned();
        Some(address)
    });
    let address = place.expect("the address is said");
    let deadline = std::time::Instant::now() + PATIENCE;
    let metrics = loop {
        let metrics = get(&address);
        let ok = value(&metrics, "echo_bench_requests_total{outcome=\"ok\"}");
        if ok > Some(0.0) {
            break metrics;
        }
        assert!(std::time::Instant::now() < deadline, "{metrics}");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert_eq!(value(&metrics, "echo_bench_connections"), Some(2.0), "{metrics}");
    assert_eq!(value(&metrics, "echo_bench_phase{phase=\"window\"}"), Some(1.0), "{metrics}");
    let count = value(&metrics, "echo_bench_response_seconds_count");
    assert!(count > Some(0.0), "{metrics}");
    let later = get(&address);
    assert!(value(&later, "echo_bench_response_seconds_count") >= count);
    rustix::process::kill_process(
        rustix::process::Pid::from_child(&child),
        rustix::process::Signal::INT,
    )
    .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let Some(mut promtool) = third_party_or_skip("a_run_is_scraped_while_it_goes", "promtool")
    else {
        return;
    };
    let checked =
        run_program(promtool.args(["check", "metrics"]), metrics.as_bytes(), PATIENCE);
    let said = text(&checked.stderr);
    assert!(checked.status.success() && said.is_empty(), "{said}\n{metrics}");
}
