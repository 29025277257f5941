//! `echo-bench` on a machine with few local ports: reported as a limit of the generator.

use std::process::Command;

use echo_test_support::bench_process::{BenchProcess, Finished, each_engine};
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, run, tell_skipped};

/// A number of ports on the loopback of a separate network namespace; exit code 99 without one.
fn with_ports(range: &str) -> Command {
    let script = format!(
        "ip link set lo up \
        && echo '{range}' > /proc/sys/net/ipv4/ip_local_port_range \
        && echo 0 > /proc/sys/net/ipv4/tcp_tw_reuse || exit 99; exec \"$@\""
    );
    let mut command = Command::new("unshare");
    command.args(["-r", "-n", "sh", "-c", &script, "sh"]);
    command
}

/// The same where that is possible.
fn with_ports_or_skip(test: &str, range: &str) -> Option<Command> {
    if !with_ports(range).arg("true").output().is_ok_and(|output| output.status.success()) {
        tell_skipped(test, "no network namespace can be made (unshare -r -n, ip)");
        return None;
    }
    Some(with_ports(range))
}

/// A run with 51 local ports, none of which is free again within a minute.
fn run_with_few_ports(test: &str, flags: &[&str]) -> Option<Finished> {
    let mut command = with_ports_or_skip(test, "32768 32818")?;
    Some(BenchProcess::start_as(command.arg(own_program("echo-bench")), flags).finish(PATIENCE))
}

/// With so few ports the kernel takes the target's own as the source and connects the socket to
/// itself, which echoes every byte.
#[test]
fn a_port_without_a_listener_is_no_echo_server() {
    let test = "a_port_without_a_listener_is_no_echo_server";
    let address = "127.0.0.1:40000";
    let is_told = |said: &str| {
        said.contains(address)
            && (said.contains("nothing listens there") || said.contains("refused"))
    };
    each_engine(|engine| {
        let Some(mut command) = with_ports_or_skip(test, "40000 40001") else { return };
        let flags = [address, "--protocol=raw", "--conns=1", "--requests=10", engine];
        let command = command.arg(own_program("echo-bench"));
        let finished = BenchProcess::start_as(command, &flags).finish(PATIENCE);
        assert_eq!(finished.code, Some(1), "{finished:#?}");
        assert!(is_told(&finished.stderr) && !finished.has_report(), "{finished:#?}");
    });
    let Some(mut command) = with_ports_or_skip(test, "40000 40001") else { return };
    command.arg(own_program("echo-client")).args(["--protocol=raw", address]);
    let output = run(&mut command, b"hello", PATIENCE);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(is_told(&said) && output.stdout.is_empty(), "{said}");
}

#[test]
fn used_up_ports_are_the_generators_limit_and_not_the_servers_failure() {
    let test = "used_up_ports_are_the_generators_limit_and_not_the_servers_failure";
    for load in [
        &["--reconnect-after=1"][..],
        &["--reconnect-after=1", "--rate=500"],
        &["--pool=0"],
        &["--pool=0", "--rate=500"],
    ] {
        let flags = [&["--conns=2", "--duration=1s", "--warmup=0", "--drain=100ms"], load];
        let Some(finished) = run_with_few_ports(test, &flags.concat()) else { return };
        let report = finished.report();
        assert_eq!(report["verdict"], "invalid", "{load:?}: {finished:#?}");
        let warnings = report["warnings"].as_array().expect("by the schema");
        let limits = warnings.iter().filter(|warning| warning["code"] == "generator-limited");
        let warning: String = limits.map(ToString::to_string).collect();
        for named in ["local port", "--source-ip", "ip_local_port_range", "tcp_tw_reuse"] {
            assert!(warning.contains(named), "{named} in {warning}");
        }
        assert_eq!(finished.requests("refused"), 0, "{load:?}: {finished:#?}");
        assert!(!finished.stdout.contains("0 failed"), "{load:?}: {}", finished.stdout);
        assert_ne!(finished.code, Some(0), "{load:?}");
        // It waits for a port instead of asking for one again and again: an attempt costs some
        // 20 us, and each of them is counted.
        let failed = report["errors"].as_array().expect("by the schema");
        let attempts: u64 = failed.iter().filter_map(|error| error["count"].as_u64()).sum();
        assert!((1..2000).contains(&attempts), "{load:?}: {failed:#?}");
        let busy = report["summary"]["cpu"]["client_busy"].as_f64().expect("measured");
        assert!(busy < 0.5, "{load:?}: {busy} CPUs busy with 51 ports");
    }
}
