//! `--idle-timeout`: idle clients are disconnected, active ones are not.

use std::time::{Duration, Instant};

use echo_test_support::deadline::PATIENCE;
use echo_test_support::running_server::on_every_model;

const TIMEOUT: Duration = Duration::from_millis(400);
const FLAGS: [&str; 2] = ["--idle-timeout", "400ms"];

#[test]
fn the_idle_go_and_the_active_stay() {
    on_every_model(&FLAGS, |server| {
        let mut active = server.connect();
        let started = Instant::now();
        let mut idle = server.connect();
        idle.exchange(b"then silence\n", b"ECHO: then silence\n");
        let ended_after = loop {
            active.exchange(b"here\n", b"ECHO: here\n");
            if idle.is_ended_within(TIMEOUT / 8) {
                break started.elapsed();
            }
            assert!(started.elapsed() < PATIENCE, "the idle client is never ended");
        };
        assert!(ended_after >= TIMEOUT * 9 / 10, "ended after {ended_after:?} already");
        // The active client is connected for longer than the timeout by now.
        active.exchange(b"still here\n", b"ECHO: still here\n");
        assert!(active.is_ended_within(PATIENCE), "it is idle now");
    });
}

#[test]
fn who_never_says_a_word_goes_in_order() {
    on_every_model(&FLAGS, |server| {
        assert_eq!(server.connect().read_to_end(), b"");
    });
}
