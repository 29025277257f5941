//! Quantiles that have a closed form.

use std::thread;
use std::time::{Duration, Instant};

use echo_server::model::ModelKind;
use echo_test_support::bench_process::{BenchProcess, Finished};
use echo_test_support::deadline::PATIENCE;
use echo_test_support::running_server::RunningServer;
use echo_test_support::turn::turn;
use rustix::process::Signal;
use serde_json::Value;

use echo_bench::fault_server::{Fault, FaultServer};

fn quantile_s(finished: &Finished, clock: &str, name: &str) -> f64 {
    let value = &finished.report()["summary"]["latency"][clock][format!("{name}_ns")];
    value.as_f64().unwrap_or_else(|| panic!("{clock} {name}: {value}")) / 1e9
}

/// Two thousand requests per second for ten seconds, with a stall of two seconds in the middle:
/// quantile(q) = S - (1 - q) T (Tene 2013).
fn stalled_run() -> (Finished, f64) {
    let server = RunningServer::start(ModelKind::Epoll, &[]);
    let address = server.address().to_string();
    let mut bench = BenchProcess::start(&[
        &address,
        "--rate=2k",
        "--conns=10",
        "--threads=1",
        "--duration=10s",
        "--warmup=200ms",
        "--idle=sleep",
    ]);
    bench.wait_until_measuring();
    let middle = Instant::now() + Duration::from_secs(3);
    thread::sleep(middle - Instant::now());
    server.signal(Signal::STOP);
    let stopped = Instant::now();
    thread::sleep(Duration::from_secs(2).saturating_sub(stopped.elapsed()));
    server.signal(Signal::CONT);
    // A busy machine lengthens the sleep, and with it the stall.
    let stall_s = stopped.elapsed().as_secs_f64();
    (bench.finish(PATIENCE), stall_s)
}

/// What is wrong with a stalled run, if anything.
fn deviation((finished, stall_s): &(Finished, f64)) -> Option<String> {
    for (name, quantile) in [("p90", 0.9), ("p95", 0.95), ("p99", 0.99)] {
        let expected = stall_s - (1.0 - quantile) * 10.0;
        let got = quantile_s(finished, "response", name);
        if (got / expected - 1.0).abs() > 0.03 {
            return Some(format!("response {name} is {got} s and should be {expected} s"));
        }
    }
    let p50 = quantile_s(finished, "response", "p50");
    (p50 >= 0.002).then(|| format!("response p50 is {p50} s and should be below 2 ms"))
}

#[test]
fn a_stall_shows_in_full_on_the_response_clock() {
    let _turn = turn();
    let mut run = stalled_run();
    if let Some(reason) = deviation(&run) {
        // The machine may have been busy.
        eprintln!("measured again: {reason}");
        run = stalled_run();
    }
    assert_eq!(deviation(&run), None);
    let (finished, _) = run;
    assert_eq!(finished.requests("scheduled"), 20_000);
    assert_eq!(finished.requests("ok"), 20_000);
    let service = quantile_s(&finished, "service", "p90");
    assert!(service < 0.5, "the service clock alone hides the stall, and both are told");
}

#[test]
fn each_reply_of_a_batch_is_timed_by_its_own_last_byte() {
    let _turn = turn();
    let server =
        FaultServer::start(Fault::Delay(Duration::from_millis(5))).expect("a free port");
    let address = server.address();
    let run = || {
        // One batch of eight: the j-th reply takes j times 5 ms.
        BenchProcess::start(&[
            &address,
            "--conns=1",
            "--pipeline=8",
            "--requests=8",
            "--warmup=0",
            "--quiet",
        ])
        .finish(PATIENCE)
    };
    let wrong = |finished: &Finished| {
        let response = &finished.report()["summary"]["latency"]["service"];
        let at = |name: &str| response[name].as_f64().expect("measured") / 1e6;
        // A sleep is never shorter than requested, and on an idle machine hardly longer.
        [
            ("min_ns", 5.0),
            ("p50_ns", 20.0),
            ("p90_ns", 40.0),
            ("max_ns", 40.0),
            ("mean_ns", 22.5),
        ]
        .into_iter()
        .find(|&(name, ms)| !(ms * 0.999..ms * 1.02 + 0.2 + slack(ms)).contains(&at(name)))
        .map(|(name, ms)| format!("{name} is {} ms and should be {ms} ms", at(name)))
    };
    // The machine may be busy for a while.
    let deadline = Instant::now() + PATIENCE;
    while let Some(reason) = wrong(&run()) {
        assert!(Instant::now() < deadline, "to the last: {reason}");
    }
}

/// Accumulated error of the server's sleeps, each up to 0.1 ms late.
fn slack(ms: f64) -> f64 {
    ms / 5.0 * 0.1
}

/// Mean in flight = rate x mean latency (Little 1961), counted and timed independently.
#[test]
fn littles_law_holds_in_every_load_model() {
    let _turn = turn();
    for load in [
        vec!["--conns=50"],
        vec!["--conns=20", "--pipeline=16"],
        vec!["--conns=20", "--rate=5k"],
        vec!["--conns=20", "--rate=5k", "--arrival=poisson", "--protocol=frame"],
        vec!["--conns=4", "--rate=2k", "--protocol=raw", "--idle=spin"],
    ] {
        let mut arguments = vec!["--duration=2s", "--warmup=200ms", "--quiet", "--model=epoll"];
        arguments.extend(&load);
        let finished = BenchProcess::start(&arguments).finish(PATIENCE);
        let summary = &finished.report()["summary"];
        let number = |value: &Value| value.as_f64().expect("measured");
        let response = number(&summary["latency"]["response"]["mean_ns"]) / 1e9;
        let expected = number(&summary["achieved_per_s"]) * response;
        let ratio = number(&summary["in_flight_mean"]) / expected;
        assert!((ratio - 1.0).abs() < 0.02, "{load:?}: {ratio}");
    }
}

/// The same law for a stall in the server, within two seconds.
#[test]
fn a_short_stall_shows_in_full_too() {
    let _turn = turn();
    let wrong = || {
        let (at, length) = (Duration::from_millis(800), Duration::from_millis(400));
        let server = FaultServer::start(Fault::Stall { at, length }).expect("a free port");
        let address = server.address();
        let plan = ["--rate=1k", "--conns=4", "--duration=2s", "--warmup=0", "--quiet"];
        let finished =
            BenchProcess::start(&[&[&*address], &plan[..]].concat()).finish(PATIENCE);
        assert_eq!((finished.requests("ok"), finished.requests("scheduled")), (2000, 2000));
        [("p90", 0.2), ("p95", 0.3), ("p99", 0.38)].into_iter().find_map(|(name, expected)| {
            let got = quantile_s(&finished, "response", name);
            let off = (got / expected - 1.0_f64).abs() > 0.05;
            off.then(|| format!("response {name} is {got} s and should be {expected} s"))
        })
    };
    // Once more if a busy machine has lengthened the stall.
    assert_eq!(wrong().and_then(|_| wrong()), None);
}
