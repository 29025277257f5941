//! `--busy-poll`: a worker with connections does not sleep, one without does.

use std::thread;
use std::time::{Duration, Instant};

use echo_net::cpu::Usage;
use echo_test_support::deadline::PATIENCE;
use echo_test_support::running_server::{RunningServer, each_model};

fn cpu(server: &RunningServer) -> Duration {
    let all = server.processes().into_iter();
    all.map(|pid| Usage::of_process(pid).expect("the server runs").cpu).sum()
}

/// Waits for a period in which the server uses much (`true`) or hardly any CPU time.
fn wait_until_it_spins(server: &RunningServer, spins: bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let before = cpu(server);
        thread::sleep(Duration::from_millis(200));
        let used = cpu(server).saturating_sub(before);
        // On a loaded machine a spinning thread gets little CPU time; a sleeping one needs
        // none.
        if if spins {
            used > Duration::from_millis(40)
        } else {
            used < Duration::from_millis(5)
        } {
            return;
        }
        assert!(Instant::now() < deadline, "{used:?} of CPU time in 200 ms");
    }
}

#[test]
fn a_worker_spins_only_while_it_has_connections() {
    each_model(|model| {
        if !model.can_busy_poll() {
            return;
        }
        let server = RunningServer::start(model, &["--busy-poll", "--workers", "1"]);
        assert_eq!(server.ready()["busy_poll"], true);
        wait_until_it_spins(&server, false);
        let mut client = server.connect();
        client.exchange(b"hello\n", b"ECHO: hello\n");
        wait_until_it_spins(&server, true);
        drop(client);
        wait_until_it_spins(&server, false);
    });
}
