//! `echo-bench` and `echo-client` where nothing answers: they give up in time, and name the
//! address and the timeout.

use std::process::Command;
use std::time::{Duration, Instant};

use echo_test_support::bench_process::{BenchProcess, each_engine};
use echo_test_support::black_hole::BlackHole;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::program::{own_program, run};

/// Time beside the timeout, on a busy machine.
const OVERHEAD: Duration = Duration::from_secs(4);

#[test]
fn a_generator_gives_up_an_address_that_is_silent_within_its_timeout() {
    let silent = BlackHole::new();
    let address = silent.address().to_string();
    each_engine(|engine| {
        let run = [&address, engine, "--timeout=300ms", "--conns=4", "--duration=20s"];
        let finished = BenchProcess::start(&run).finish(PATIENCE);
        assert_eq!(finished.code, Some(1), "{finished:#?}");
        assert!(finished.took < Duration::from_millis(300) + OVERHEAD, "{finished:#?}");
        for named in [&address[..], "0.3 s", "--timeout"] {
            assert!(finished.stderr.contains(named), "no {named} in {finished:#?}");
        }
        assert!(!finished.has_report(), "{finished:#?}");
    });
}

#[test]
fn a_client_gives_up_an_address_that_is_silent_within_its_timeout() {
    let silent = BlackHole::new();
    let address = silent.address().to_string();
    let begin = Instant::now();
    let mut client = Command::new(own_program("echo-client"));
    let output = run(client.args(["--connect-timeout=300ms", &address]), b"a\n", PATIENCE);
    assert!(begin.elapsed() < Duration::from_millis(300) + OVERHEAD, "{:?}", begin.elapsed());
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{said}");
    for named in [&address[..], "300ms", "--connect-timeout"] {
        assert!(said.contains(named), "no {named} in {said}");
    }
}
