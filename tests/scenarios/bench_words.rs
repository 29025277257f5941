//! Messages of the generator: singular and plural, where a reply differs, and a signal before
//! there is anything to report.

use echo_server::ModelKind;
use echo_test_support::bench_process::BenchProcess;
use echo_test_support::deadline::{PATIENCE, wait_until};
use echo_test_support::running_server::RunningServer;
use rustix::process::Signal;

use crate::scripted_server::ScriptedServer;

#[test]
fn one_of_a_thing_is_no_plural() {
    let server = RunningServer::start(ModelKind::default(), &[]);
    let address = server.address().to_string();
    let one = [&address, "--conns=1", "--requests=1", "--message=a", "--warmup=0"];
    let finished = BenchProcess::start(&one).finish(PATIENCE);
    for wrong in ["1 connections", "1 requests", "1 given messages", "1 retransmits"] {
        let said = [&finished.stdout, &finished.stderr].map(|text| format!(" {text}"));
        assert!(!said.iter().any(|text| text.contains(&format!(" {wrong}"))), "{finished:#?}");
    }
    assert!(
        finished.stdout.contains("closed loop, 1 connection x 1 in flight"),
        "{finished:#?}"
    );
    assert!(finished.stderr.contains("1 connection, warming up"), "{finished:#?}");
}

#[test]
fn a_server_that_ends_its_lines_with_crlf_is_explained() {
    let server = ScriptedServer::of_lines(|line| format!("ECHO: {line}\r\n"));
    let address = server.address().to_string();
    for way in [&[][..], &["--pool=1"]] {
        // More than an excerpt from the beginning contains.
        let run = [&address, "--size=200", "--requests=5", "--warmup=0"];
        let finished = BenchProcess::start(&[&run[..], way].concat()).finish(PATIENCE);
        assert_eq!(finished.requests("mismatch"), 5, "{finished:#?}");
        let told = "the expected reply, and then 1 byte more: `\\r` (the server ends its lines \
                    with CRLF";
        assert!(finished.stdout.contains(told), "{}", finished.stdout);
    }
}

#[test]
fn an_interruption_before_the_load_says_how_far_it_came() {
    let server = ScriptedServer::of_lines(|line| format!("ECHO: {line}\n"));
    let address = server.address().to_string();
    let slow = [&address, "--conns=1000", "--connect-rate=20"];
    let run = BenchProcess::start(&slow);
    wait_until("it connects", || server.accepted() > 2);
    run.signal(Signal::INT);
    let finished = run.finish(PATIENCE);
    assert_eq!(finished.code, Some(130), "{finished:#?}");
    let told = "interrupted before the load began: ";
    assert!(finished.stderr.contains(told), "{finished:#?}");
    assert!(finished.stderr.contains(" of 1000 connections were made"), "{finished:#?}");
}
