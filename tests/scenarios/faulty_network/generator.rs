//! `echo-bench` over a faulty network: every fault is counted as what it is, and a run ends in
//! its time.

use std::time::Duration;

use echo_server::ModelKind;
use echo_test_support::bench_process::{BenchProcess, Finished, each_engine};
use echo_test_support::deadline::PATIENCE;
use echo_test_support::fault_proxy::{Fault, FaultProxy, Faults};
use echo_test_support::running_server::{RunningServer, on_every_model};
use echo_test_support::turn::turn;

/// A run over two connections through a proxy, for every engine.
fn each_run(
    faults: impl Fn(usize) -> Faults + Copy + Send + 'static,
    flags: &[&str],
    check: impl Fn(&FaultProxy, &Finished),
) {
    let _turn = turn();
    let server = RunningServer::start(ModelKind::Epoll, &[]);
    each_engine(|engine| {
        let proxy = FaultProxy::start_with(server.address(), faults);
        let address = proxy.address().to_string();
        let run = [&address, engine, "--conns=2", "--threads=1", "--warmup=0", "--quiet"];
        let finished = BenchProcess::start(&[&run[..], flags].concat()).finish(PATIENCE);
        check(&proxy, &finished);
    });
}

fn latency_ns(finished: &Finished, clock: &str, figure: &str) -> u64 {
    let latency = &finished.report()["summary"]["latency"][clock][figure];
    latency.as_u64().unwrap_or_else(|| panic!("no {clock} {figure}: {finished:#?}"))
}

#[test]
fn slices_and_a_low_rate_are_no_errors() {
    for fault in
        [Fault::Slice { size: 3, pause: Duration::from_micros(100) }, Fault::Throttle(30_000)]
    {
        let flags = ["--requests=100", "--pipeline=4", "--timeout=5s"];
        each_run(
            move |_| Faults::both(&[fault]),
            &flags,
            |_, finished| {
                assert_eq!(finished.code, Some(0), "{fault:?}: {finished:#?}");
                assert_eq!(finished.requests("ok"), 100, "{fault:?}");
                assert_eq!(finished.report()["errors"], serde_json::json!([]), "{fault:?}");
            },
        );
    }
}

#[test]
fn a_delay_is_in_every_percentile_of_both_clocks() {
    let delay = Duration::from_millis(20);
    for load in [&["--requests=100"][..], &["--requests=100", "--rate=500"]] {
        each_run(
            move |_| Faults::to_client(&[Fault::Delay(delay)]),
            load,
            |_, finished| {
                assert_eq!(finished.requests("ok"), 100, "{load:?}");
                for clock in ["service", "response"] {
                    for figure in ["min_ns", "p50_ns", "p90_ns", "max_ns"] {
                        let latency = latency_ns(finished, clock, figure);
                        // Recorded values have three significant digits.
                        assert!(latency >= 19_900_000, "{load:?} {clock} {figure}: {latency}");
                    }
                }
            },
        );
    }
}

#[test]
fn resets_are_counted_as_resets() {
    each_run(
        |_| Faults::to_client(&[Fault::ResetAfter(5000)]),
        &["--requests=400"],
        |proxy, finished| {
            assert_eq!(finished.code, Some(1), "{finished:#?}");
            // A closed loop has one request in flight on each connection.
            let resets = finished.requests("reset");
            assert!((1..=proxy.injected()).contains(&resets), "{resets}: {finished:#?}");
            assert_eq!(finished.requests("ok") + resets, 400, "{finished:#?}");
            assert!(proxy.accepted() > 2, "it reconnects");
            let errors = finished.report()["errors"].as_array().expect("by the schema");
            let reset = errors.iter().find(|error| error["kind"] == "reset");
            let detail = reset.and_then(|reset| reset["first"]["detail"].as_str());
            // The kernel's words, with the number.
            assert!(
                detail.is_some_and(|detail| detail.contains("os error 104")),
                "{errors:#?}"
            );
        },
    );
}

#[test]
fn requests_that_a_black_hole_swallows_are_counted_and_the_run_ends_in_its_time() {
    let flags = ["--duration=1s", "--timeout=300ms", "--rate=200", "--drain=300ms"];
    each_run(
        |_| Faults::to_client(&[Fault::BlackholeAfter(2000)]),
        &flags,
        |_, finished| {
            // Duration, timeout, drain, and time to start on a busy machine.
            assert!(finished.took < Duration::from_secs(5), "{finished:#?}");
            assert_ne!(finished.code, Some(0), "{finished:#?}");
            let lost = finished.requests("timeout") + finished.requests("in_flight");
            assert!(lost > 0 && finished.requests("ok") > 0, "{finished:#?}");
            assert_eq!(finished.requests("mismatch"), 0, "{finished:#?}");
        },
    );
}

#[test]
fn a_byte_that_is_corrupted_on_the_way_is_one_mismatch() {
    let faults = |connection| match connection {
        0 => Faults::to_client(&[Fault::Corrupt(300)]),
        _ => Faults::default(),
    };
    each_run(faults, &["--requests=200", "--size=64"], |proxy, finished| {
        assert_eq!(proxy.injected(), 1);
        assert_eq!(finished.requests("mismatch"), 1, "{finished:#?}");
        assert_eq!(finished.requests("ok"), 199, "{finished:#?}");
        assert_eq!(finished.code, Some(1), "{finished:#?}");
    });
}

#[test]
fn a_handshake_in_slices_is_a_handshake() {
    let slices = Faults::both(&[Fault::Slice { size: 50, pause: Duration::from_micros(100) }]);
    on_every_model(&["--tls-self-signed"], |server| {
        let proxy = FaultProxy::start(server.address(), &slices);
        let address = proxy.address().to_string();
        let run = [&address, "--tls", "--insecure", "--conns=2", "--requests=50", "--warmup=0"];
        let finished = BenchProcess::start(&run).finish(PATIENCE);
        assert_eq!((finished.code, finished.requests("ok")), (Some(0), 50), "{finished:#?}");
    });
}
