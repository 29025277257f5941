//! `--metrics`: what it serves equals what the server and its clients count, Prometheus can read
//! it, and it says when the server drains.

#![expect(clippy::float_cmp, reason = "counts, which floats hold exactly")]

use std::collections::BTreeSet;
use std::fs;
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use echo_server::model::ModelKind;
use echo_test_support::bench_process::BenchProcess;
use echo_test_support::client::Client;
use echo_test_support::deadline::{PATIENCE, wait_for, wait_until};
use echo_test_support::program::{own_program, run, third_party_or_skip};
use echo_test_support::running_server::{RunningServer, each_model};
use rustix::process::Signal;
use serde_json::Value;

use crate::balancer::Balancer;
use crate::scraping::{Scrape, get};

const METRICS: [&str; 2] = ["--metrics", "127.0.0.1:0"];

/// The address of the metrics in a ready line.
fn endpoint(ready: &Value) -> SocketAddr {
    let address = ready["metrics"].as_str().and_then(|text| text.parse().ok());
    address.unwrap_or_else(|| panic!("no address of metrics in {ready}"))
}

/// A server with two workers and metrics.
fn with_metrics(model: ModelKind, flags: &[&str]) -> RunningServer {
    let workers = if model == ModelKind::Threads { &[][..] } else { &["--workers", "2"] };
    RunningServer::start(model, &[&METRICS, workers, flags].concat())
}

#[test]
fn the_server_its_metrics_and_the_generator_count_the_same() {
    each_model(|model| {
        let mut server = with_metrics(model, &["--log-format", "json"]);
        let target = server.address().to_string();
        let finished = BenchProcess::start(&[
            "--target",
            &target,
            "--conns=8",
            "--requests=2000",
            "--warmup=0",
            "--pipeline=4",
        ])
        .finish(PATIENCE);
        let summary = &finished.report()["summary"];
        let metrics = endpoint(server.ready());
        // A worker counts at the end of its turn.
        let scrape = wait_for("all connections end", || {
            let scrape = Scrape::of(metrics);
            let open = scrape.get("echo_server_connections_active");
            (open == 0.0 && scrape.sum("echo_server_worker_connections_active") == 0.0)
                .then_some(scrape)
        });
        let told = {
            server.signal(Signal::TERM);
            server.wait_exit(PATIENCE).summary()
        };
        for (sample, own, generators) in [
            ("echo_server_connections_total", "connections", &Value::from(8)),
            ("echo_server_messages_total", "messages", &summary["requests"]["ok"]),
            ("echo_server_received_bytes_total", "bytes_in", &summary["bytes"]["sent"]),
            ("echo_server_sent_bytes_total", "bytes_out", &summary["bytes"]["received"]),
        ] {
            let scraped = scrape.get(sample);
            assert_eq!(Some(scraped), generators.as_f64(), "{sample}: {summary}");
            assert_eq!(Some(scraped), told[own].as_f64(), "{sample}: {told}");
        }
        assert_eq!(scrape.sum("echo_server_errors_total"), 0.0);
        assert_eq!(scrape.sum("echo_server_connections_refused_total"), 0.0);
        let ended = "echo_server_connections_ended_total";
        assert_eq!(scrape.get(&format!("{ended}{{cause=\"peer_closed\"}}")), 8.0);
        assert_eq!(scrape.sum(ended), 8.0);
        assert_response_times(&scrape, &told);
        assert_workers(&scrape, &told, model);
    });
}

/// The mean is the one that the server tells, and the sample stands for nearly all messages.
#[track_caller]
fn assert_response_times(scrape: &Scrape, told: &Value) {
    let name = "echo_server_response_time_seconds";
    let count = scrape.get(&format!("{name}_count"));
    assert!((1500.0..=2000.0).contains(&count), "{count} of 2000");
    assert_eq!(scrape.get(&format!("{name}_bucket{{le=\"+Inf\"}}")), count);
    let mean = scrape.get(&format!("{name}_sum")) / count * 1e9;
    let own = told["response_time_mean_ns"].as_f64().expect("messages were timed");
    assert!(mean > 0.0 && (mean - own).abs() <= 1.0, "{mean} and {own}");
}

#[track_caller]
fn assert_workers(scrape: &Scrape, told: &Value, model: ModelKind) {
    if model == ModelKind::Threads {
        assert_eq!(told["per_worker"], Value::Null);
        assert_eq!(scrape.sum("echo_server_worker_messages_total"), 0.0);
        return;
    }
    for (sample, own) in [("connections", "connections"), ("messages", "messages")] {
        let sample = format!("echo_server_worker_{sample}_total");
        assert_eq!(Some(scrape.sum(&sample)), told[own].as_f64());
        for worker in 0..2 {
            let scraped = scrape.get(&format!("{sample}{{worker=\"{worker}\"}}"));
            assert_eq!(Some(scraped), told["per_worker"][worker][own].as_f64(), "{told}");
        }
    }
}

#[test]
fn open_refused_and_ended_connections_are_told_apart() {
    each_model(|model| {
        let server = with_metrics(model, &["--max-conns", "2"]);
        let metrics = endpoint(server.ready());
        let mut open: Vec<Client> = (0..2).map(|_| server.connect()).collect();
        for client in &mut open {
            client.exchange(b"x\n", b"ECHO: x\n");
        }
        assert_eq!(server.connect().read_to_end(), b"ERROR: server full\n");
        let scrape = Scrape::of(metrics);
        assert_eq!(scrape.get("echo_server_connections_active"), 2.0);
        assert_eq!(scrape.get("echo_server_connections_limit"), 2.0);
        assert_eq!(scrape.get("echo_server_connections_refused_total{reason=\"limit\"}"), 1.0);
        assert_eq!(scrape.sum("echo_server_connections_ended_total"), 0.0);
        open.remove(0).reset();
        drop(open);
        let ended = |cause: &str| {
            Scrape::of(metrics)
                .get(&format!("echo_server_connections_ended_total{{cause=\"{cause}\"}}"))
        };
        wait_until("both have ended", || ended("reset") == 1.0 && ended("peer_closed") == 1.0);
    });
}

#[test]
fn errors_of_peers_are_counted_by_kind() {
    let server =
        with_metrics(ModelKind::default(), &["--max-message", "4", "--idle-timeout=1"]);
    let mut client = server.connect();
    client.send(b"12345\n");
    assert_eq!(client.read_to_end(), b"ERROR: line too long (limit 4 bytes)\n");
    drop(client);
    let _idle = server.connect();
    wait_until("both are counted", || {
        let scrape = Scrape::of(endpoint(server.ready()));
        let ended = |cause: &str| {
            scrape.get(&format!("echo_server_connections_ended_total{{cause=\"{cause}\"}}"))
        };
        scrape.get("echo_server_errors_total{kind=\"message\"}") == 1.0
            && ended("rejected") == 1.0
            && ended("idle_timeout") == 1.0
    });
}

#[test]
fn promtool_has_no_complaint() {
    let test = "promtool_has_no_complaint";
    for (model, flags) in [
        (ModelKind::default(), &["--tls-self-signed"][..]),
        (ModelKind::Epoll, &["--protocol", "chat"]),
        (ModelKind::Threads, &[]),
    ] {
        let Some(mut promtool) = third_party_or_skip(test, "promtool") else { return };
        let server = with_metrics(model, flags);
        let (_, head, body) = get(endpoint(server.ready()), "/metrics", "");
        assert!(head.contains("text/plain; version=0.0.4"), "{head}");
        let checked = run(promtool.args(["check", "metrics"]), body.as_bytes(), PATIENCE);
        let said = String::from_utf8_lossy(&checked.stderr).into_owned();
        assert!(checked.status.success() && said.is_empty(), "{flags:?}: {said}\n{body}");
    }
}

#[test]
fn it_is_ready_until_it_drains_and_alive_while_it_does() {
    each_model(|model| {
        let mut server = with_metrics(model, &["--send-buffer", "16K", "--drain-timeout=60s"]);
        let metrics = endpoint(server.ready());
        let status = |path: &str| get(metrics, path, "").0;
        // The ready line comes first.
        wait_until("it is ready", || status("/readyz") == 200);
        assert_eq!(status("/healthz"), 200);
        // Replies that nobody reads keep it from ending.
        let mut deaf = server.connect();
        let line = [&[b'x'; 1023][..], b"\n"].concat();
        deaf.send_until_stuck(&line, Duration::from_millis(300), usize::MAX);
        server.signal(Signal::TERM);
        wait_until("it drains", || get(metrics, "/readyz", "").2 == "draining\n");
        assert_eq!((status("/readyz"), status("/healthz")), (503, 200));
        assert!(Scrape::of(metrics).get("echo_server_connections_active") >= 1.0);
        server.signal(Signal::TERM);
        assert_eq!(server.wait_exit(PATIENCE).code, Some(0));
    });
}

#[test]
fn a_scraper_may_ask_for_open_metrics_and_nobody_for_more() {
    let server = with_metrics(ModelKind::default(), &[]);
    let metrics = endpoint(server.ready());
    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5\r\n";
    let (_, head, body) = get(metrics, "/metrics", accept);
    assert!(head.contains("application/openmetrics-text"), "{head}");
    assert!(body.ends_with("# EOF\n"), "{body}");
    assert_eq!(get(metrics, "/metrics/../etc/passwd", "").0, 404);
    for (request, status) in [
        (&b"POST /metrics HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"[..], "405"),
        (b"\x16\x03\x01\x02\0\x01\r\n\r\n", "400"),
    ] {
        let mut client = Client::connect(metrics);
        client.send(request);
        let response = client.read_to_end();
        let response = String::from_utf8_lossy(&response);
        assert!(response.starts_with(&format!("HTTP/1.1 {status}")), "{response}");
    }
    assert_eq!(get(metrics, "/healthz", "").0, 200);
}

#[test]
fn an_address_in_use_is_an_error_that_names_the_flag() {
    let holder = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let taken = holder.local_addr().expect("bound").to_string();
    let mut server = Command::new(own_program("echo-server"));
    let refused = run(server.args(["127.0.0.1:0", "--metrics", &taken]), b"", PATIENCE);
    let said = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("--metrics: binding {taken}: ")), "{said}");
}

#[test]
fn a_balancer_tells_its_connections_and_which_backends_are_up() {
    let mut server = RunningServer::start(ModelKind::default(), &[]);
    let backend = server.address().to_string();
    let balancer = Balancer::start(&[server.address()], &METRICS);
    let metrics = endpoint(balancer.ready());
    let of_backend = |name: &str| {
        Scrape::of(metrics)
            .get(&format!("echo_balancer_backend_{name}{{backend=\"{backend}\"}}"))
    };
    let mut client = Client::connect(balancer.address());
    client.exchange(b"x\n", b"ECHO: x\n");
    assert_eq!((of_backend("up"), of_backend("connections_active")), (1.0, 1.0));
    assert_eq!(Scrape::of(metrics).get("echo_balancer_connections_total"), 1.0);
    drop(client);
    wait_until("it has ended", || of_backend("connections_active") == 0.0);
    let of_all = |what: &str| {
        Scrape::of(metrics).get(&format!("echo_balancer_connections_{what}_total"))
    };
    let mut broken = Client::connect(balancer.address());
    broken.exchange(b"x\n", b"ECHO: x\n");
    broken.reset();
    wait_until("the reset is counted", || of_all("reset") == 1.0);
    assert_eq!((of_all("timed_out"), of_all("exhausted"), of_all("unserved")), (0.0, 0.0, 0.0));
    server.stop();
    wait_until("the backend is seen to be down", || of_backend("up") == 0.0);
}

/// The dashboard and the documentation name no metric that does not exist.
#[test]
fn every_metric_of_the_dashboard_and_the_documentation_exists() {
    let server = with_metrics(ModelKind::default(), &["--tls-self-signed"]);
    let chat = with_metrics(ModelKind::default(), &["--protocol", "chat"]);
    let balancer = Balancer::start(&[chat.address()], &METRICS);
    let mut known = BTreeSet::new();
    for metrics in [server.ready(), chat.ready(), balancer.ready()].map(endpoint) {
        known.extend(Scrape::of(metrics).names().map(str::to_owned));
    }
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let dashboard = fs::read_to_string(docs.join("grafana.json")).expect("it is there");
    let dashboard: Value = serde_json::from_str(&dashboard).expect("it is JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let queries: Vec<&str> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten())
        .map(|target| target["expr"].as_str().expect("a query"))
        .collect();
    assert!(queries.len() >= 10, "{queries:?}");
    let page = fs::read_to_string(docs.join("operations.md")).expect("it is there");
    for text in queries.iter().chain([&page.as_str()]) {
        for name in metrics_in(text) {
            assert!(known.contains(name), "no metric {name}; there are {known:#?}");
        }
    }
    for query in queries {
        assert!(metrics_in(query).next().is_some(), "no metric in {query}");
    }
}

fn metrics_in(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').filter(|word| {
        ["echo_server_", "echo_balancer_", "process_"].iter().any(|part| word.starts_with(part))
    })
}
