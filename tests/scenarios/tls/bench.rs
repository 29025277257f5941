//! `echo-bench` over TLS: clean runs on every model, handshakes timed separately, and servers
//! that fail verification.

use std::process::Command;

use echo_server::ModelKind;
use echo_test_support::bench_process::{BenchProcess, Finished};
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, run};
use echo_test_support::running_server::{RunningServer, each_model};
use rustix::process::Signal;
use serde_json::Value;

use crate::certificates::Certificates;

const SHORT: [&str; 3] = ["--duration=300ms", "--warmup=100ms", "--quiet"];

fn bench(arguments: &[&str]) -> Finished {
    BenchProcess::start(&[&SHORT[..], arguments].concat()).finish(PATIENCE)
}

#[track_caller]
fn clean(finished: &Finished) -> &Value {
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert!(finished.stderr.is_empty(), "{finished:#?}");
    let report = finished.report();
    assert_eq!(finished.requests("scheduled"), finished.requests("ok"));
    assert_eq!(report["errors"], Value::Array(Vec::new()));
    report
}

#[test]
fn closed_and_open_loop_run_clean_inside_tls_on_every_embedded_model() {
    each_model(|model| {
        let model = model.to_string();
        for load in [&["--pipeline=4"][..], &["--rate=2000"]] {
            let flags = ["--tls", "--conns=20", "--size=1-3000", "--model", &model];
            let finished = bench(&[&flags[..], load].concat());
            let report = clean(&finished);
            assert_eq!(report["plan"]["tls"]["trust"]["kind"], "embedded");
            let latency = &report["summary"]["latency"];
            // Separate from the connect latency, and all of them full handshakes.
            let set_up = &report["summary"]["set_up"];
            assert_eq!(set_up["connect"]["count"], 20);
            assert_eq!(set_up["tls"]["count"], 20);
            assert_eq!(set_up["tls_resumed"], Value::Null);
            assert_eq!(latency["tls"], Value::Null, "none was made in the window");
            assert_eq!(latency["response"]["count"], finished.requests("ok"));
            assert!(finished.stdout.contains("inside TLS"), "{}", finished.stdout);
            assert!(finished.stdout.contains("\nset-up tls "), "{}", finished.stdout);
        }
    });
}

#[test]
fn without_tls_no_handshake_is_claimed() {
    let finished = bench(&["--conns=2"]);
    let report = clean(&finished);
    assert_eq!(report["summary"]["set_up"]["tls"], Value::Null);
    assert_eq!(report["plan"]["tls"], Value::Null);
}

#[test]
fn every_write_of_a_split_request_arrives_inside_tls() {
    clean(&bench(&["--tls", "--split-writes=3", "--conns=4", "--protocol=frame"]));
}

#[test]
fn handshakes_that_resume_a_session_are_told_apart() {
    // Sequential up to the limit of concurrent attempts: later ones find the session tickets of
    // the first.
    let finished = bench(&["--tls", "--tls-resume", "--conns=200", "--threads=1"]);
    let latency = &clean(&finished)["summary"]["set_up"];
    let count = |name: &str| latency[name]["count"].as_u64().unwrap_or(0);
    assert!(count("tls") > 0 && count("tls_resumed") > 0, "{latency:#}");
    assert_eq!(count("tls") + count("tls_resumed"), 200);
}

#[test]
fn a_target_that_proves_who_it_is_is_loaded_and_both_sides_count_the_same() {
    let certificates = Certificates::new();
    let flags = certificates.flags("localhost", 2400);
    let flags = [&flags.each_ref().map(String::as_str)[..], &["--log-format", "json"]].concat();
    let mut server = RunningServer::start(ModelKind::default(), &flags);
    let target = format!("localhost:{}", server.address().port());
    let finished = bench(&[&target, "--tls", "--cacert", &certificates.issuer(), "--conns=20"]);
    let report = clean(&finished);
    assert_eq!(report["plan"]["tls"]["trust"]["kind"], "issuers");
    server.signal(Signal::TERM);
    let counted = server.wait_exit(PATIENCE).summary()["tls"].clone();
    assert_eq!(counted["handshakes"], 20, "{counted}");
    for failure in ["plaintext", "timeout", "failed", "truncated"] {
        assert_eq!(counted[failure], 0, "{counted}");
    }
}

#[test]
fn a_server_that_does_not_prove_who_it_is_gets_no_load_and_the_cause_is_told() {
    let (certificates, elsewhere) = (Certificates::new(), Certificates::new());
    for (name, year, issuer, cause) in [
        (
            "localhost",
            2400,
            elsewhere.issuer(),
            "issuer of the server's certificate is not trusted",
        ),
        ("example.org", 2400, certificates.issuer(), "is for example.org, not for localhost"),
        ("localhost", 2001, certificates.issuer(), "expired"),
    ] {
        let flags = certificates.flags(name, year);
        let server =
            RunningServer::start(ModelKind::default(), &flags.each_ref().map(String::as_str));
        let target = format!("localhost:{}", server.address().port());
        // Each of these connects differently.
        for load in [&[][..], &["--pool=1"], &["--protocol=chat", "--rate=10"]] {
            let flags = [&[&target, "--tls", "--cacert", &issuer][..], load].concat();
            let finished = bench(&flags);
            assert_eq!(finished.code, Some(1), "{finished:#?}");
            assert!(finished.stderr.contains(cause), "no `{cause}` in: {}", finished.stderr);
            assert!(!finished.has_report(), "{finished:#?}");
        }
    }
}

#[test]
fn a_server_that_speaks_plaintext_is_named_so() {
    // One that waits for a newline, which the random bytes of a ClientHello may contain, and
    // one that echoes the ClientHello.
    for protocol in ["line", "raw"] {
        let server = RunningServer::start(ModelKind::default(), &["--protocol", protocol]);
        let target = server.address().to_string();
        let finished = bench(&[&target, "--tls", "--insecure", "--timeout=500ms"]);
        assert_eq!(finished.code, Some(1), "{finished:#?}");
        let told = &finished.stderr;
        let known = ["does the server speak TLS?", "TLS failed"];
        assert!(known.iter().any(|cause| told.contains(cause)), "{protocol}: {told}");
        assert!(!finished.has_report(), "{finished:#?}");
    }
}

#[test]
fn connections_refused_within_the_handshake_are_counted_by_their_kind() {
    let finished = bench(&["--tls", "--conns=10", "--server-max-conns=5"]);
    let report = finished.report();
    assert_eq!(report["summary"]["connections"]["established"], 5);
    assert_eq!(report["summary"]["set_up"]["tls"]["count"], 5);
    let errors = report["errors"].as_array().expect("by the schema");
    assert!(errors.iter().all(|error| error["kind"] == "tls_handshake"), "{errors:#?}");
    assert!(!errors.is_empty());
}

#[test]
fn insecure_is_warned_of_recorded_and_shown_as_a_difference() {
    let reports = tempfile::tempdir().expect("room for files");
    let path = |name: &str| reports.path().join(name).display().to_string();
    let (checked, believed) = (path("checked.json"), path("believed.json"));
    clean(&bench(&["--tls", "--conns=2", "-o", &checked]));
    let finished = bench(&["--tls", "--conns=2", "--insecure", "-o", &believed]);
    assert_eq!(finished.code, Some(0), "{finished:#?}");
    assert!(finished.stderr.contains("warning: --insecure"), "{}", finished.stderr);
    let report = finished.report();
    assert_eq!(report["plan"]["tls"]["trust"]["kind"], "anyone");
    let codes = report["warnings"].as_array().expect("by the schema").iter();
    assert!(codes.into_iter().any(|warning| warning["code"] == "unverified-server"));
    let mut compare = Command::new(own_program("echo-bench"));
    let compared = run(compare.args(["compare", &checked, &believed]), b"", PATIENCE);
    let told = String::from_utf8_lossy(&compared.stdout);
    assert!(told.contains("tls.trust.kind"), "{told}");
    assert!(told.contains("anyone"), "{told}");
}

#[test]
fn tls_flags_that_make_no_sense_are_usage_errors_that_name_the_way_out() {
    for flags in [&["--insecure"][..], &["--tls-resume"], &["--server-tls-self-signed"]] {
        let finished = bench(flags);
        assert_eq!(finished.code, Some(2), "{finished:#?}");
        assert!(finished.stderr.contains("--tls"), "{}", finished.stderr);
    }
}
