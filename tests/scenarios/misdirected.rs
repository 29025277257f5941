//! What the generator says of a target that is not what the command line says.

use echo_server::ModelKind;
use serde_json::Value;

use crate::bench_process::BenchProcess;
use crate::deadline::PATIENCE;
use crate::running_server::RunningServer;

/// A line server's answer to HTTP is told at once, and not when the timeout is over, and as
/// what it is: nobody has reset anything.
#[test]
fn a_server_of_another_protocol_is_malformed_and_neither_slow_nor_broken() {
    let server = RunningServer::start(ModelKind::default(), &[]);
    let address = server.address().to_string();
    for way in [&["--pipeline=2"][..], &["--pool=2"]] {
        let run = [&address, "--protocol=http", "--requests=20", "--warmup=0", "--timeout=60s"];
        let finished = BenchProcess::start(&[&run[..], way].concat()).finish(PATIENCE);
        assert_eq!(finished.code, Some(4), "{finished:#?}");
        assert_eq!(finished.requests("mismatch"), 20, "{finished:#?}");
        let errors = finished.report()["errors"].as_array().expect("by the schema");
        let kinds: Vec<&Value> = errors.iter().map(|error| &error["kind"]).collect();
        assert_eq!(kinds, ["malformed"], "{errors:#?}");
    }
}

#[test]
fn a_server_that_speaks_tls_is_named_so() {
    let server = RunningServer::start(ModelKind::default(), &["--tls-self-signed"]);
    let address = server.address().to_string();
    for protocol in ["line", "frame", "resp", "http"] {
        for way in [&[][..], &["--pool=2"]] {
            let run = [&address, "--protocol", protocol, "--requests=20", "--warmup=0"];
            let finished = BenchProcess::start(&[&run[..], way].concat()).finish(PATIENCE);
            assert_eq!(finished.code, Some(4), "{finished:#?}");
            let errors = finished.report()["errors"].to_string();
            assert!(errors.contains("the server seems to speak TLS"), "{protocol}: {errors}");
        }
    }
}

#[test]
fn a_server_process_that_does_not_exist_is_refused_and_not_left_out() {
    let server = RunningServer::start(ModelKind::default(), &[]);
    let address = server.address().to_string();
    // No system gives out this number.
    let finished =
        BenchProcess::start(&[&address, "--server-pid=2000000000", "-d1"]).finish(PATIENCE);
    assert_eq!(finished.code, Some(1), "{finished:#?}");
    let told = "--server-pid 2000000000: there is no such process";
    assert!(finished.stderr.contains(told), "{}", finished.stderr);
}
