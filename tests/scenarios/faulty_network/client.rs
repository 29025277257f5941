//! `echo-client` in a pipe over a faulty network.

use std::process::{Command, Output};
use std::time::Duration;

use echo_server::ModelKind;
use echo_test_support::client::Text;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::fault_proxy::{Fault, FaultProxy, Faults};
use echo_test_support::program::{own_program, run};
use echo_test_support::running_server::RunningServer;

use crate::lines::numbered;

/// The client with 100 lines through a proxy with this fault of replies.
fn through(fault: Fault) -> Output {
    let server = RunningServer::start(ModelKind::Epoll, &[]);
    let proxy = FaultProxy::start(server.address(), &Faults::to_client(&[fault]));
    let mut client = Command::new(own_program("echo-client"));
    client.arg(proxy.address().to_string()).arg("--timeout=500ms");
    run(&mut client, &numbered("", 0..100), PATIENCE)
}

#[test]
fn slices_and_delays_change_no_byte() {
    for fault in [
        Fault::Slice { size: 3, pause: Duration::from_micros(100) },
        Fault::Delay(Duration::from_millis(50)),
    ] {
        let output = through(fault);
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert_eq!(Text(&output.stdout), Text(&numbered("ECHO: ", 0..100)));
    }
}

#[test]
fn replies_that_are_lost_on_the_way_are_an_error_after_those_that_came() {
    let whole = numbered("ECHO: ", 0..100);
    for fault in
        [Fault::ResetAfter(100), Fault::HalfCloseAfter(100), Fault::BlackholeAfter(100)]
    {
        let output = through(fault);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{fault:?}: {output:?}");
        assert!(!said.is_empty(), "{fault:?}: no word about the cause");
        assert!(whole.starts_with(output.stdout.trim_ascii_end()), "{fault:?}: {output:?}");
    }
}
