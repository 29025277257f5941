//! `echo-client ping` against our own server: every protocol with replies, and IPv6.

use std::process::Command;

use echo_proto::ProtocolKind;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, run};
use echo_test_support::running_server::on_every_model;
use strum::VariantArray;

#[test]
fn ping_gets_the_echo_of_every_protocol() {
    for kind in ProtocolKind::VARIANTS.iter().map(ToString::to_string) {
        on_every_model(&["--protocol", &kind], |server| {
            let address = server.address().to_string();
            let mut ping = Command::new(own_program("echo-client"));
            ping.args(["ping", "-c", "40", "-i", "0", "-q", "--protocol", &kind, &address]);
            let output = run(&mut ping, b"", PATIENCE);
            let seen = String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(0), "{kind}: {seen}");
            assert!(seen.contains("40 answered, 0 lost (0 %)"), "{kind}: {seen}");
            assert!(!seen.contains("not the echo"), "{kind}: {seen}");
        });
    }
}

#[test]
fn percentiles_take_as_many_replies_in_a_ping_as_in_a_report() {
    for percentile in echo_client::ping::PERCENTILES {
        let needed = echo_bench_report::stats::order::needed(percentile.quantile);
        assert_eq!(percentile.needs, needed, "{}", percentile.name);
    }
}
