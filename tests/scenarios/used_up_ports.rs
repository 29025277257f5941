//! `echo-bench` on a machine with few local ports: reported as a limit of the generator.

use std::process::Command;

use echo_test_support::bench_process::{BenchProcess, Finished};
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, tell_skipped};

/// Few ports on the loopback of a separate network namespace; exit code 99 without one.
const FEW_PORTS: &str = "ip link set lo up \
    && echo '32768 32818' > /proc/sys/net/ipv4/ip_local_port_range \
    && echo 0 > /proc/sys/net/ipv4/tcp_tw_reuse || exit 99; exec \"$@\"";

/// A run with 51 local ports, none of which is free again within a minute.
fn run_with_few_ports(test: &str, flags: &[&str]) -> Option<Finished> {
    let mut command = Command::new("unshare");
    command.args(["-r", "-n", "sh", "-c", FEW_PORTS, "sh"]);
    if !command.arg("true").output().is_ok_and(|output| output.status.success()) {
        tell_skipped(test, "no network namespace can be made (unshare -r -n, ip)");
        return None;
    }
    let mut command = Command::new("unshare");
    command.args(["-r", "-n", "sh", "-c", FEW_PORTS, "sh"]).arg(own_program("echo-bench"));
    Some(BenchProcess::start_as(&mut command, flags).finish(PATIENCE))
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
    }
}
