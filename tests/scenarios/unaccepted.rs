//! A server that has fewer descriptors than it counts on, because it has inherited some: its
//! accepts fail before `--max-conns` is reached.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use echo_test_support::deadline::{PATIENCE, wait_until};
use echo_test_support::program::{own_program, third_party_or_skip};
use echo_test_support::running_server::{RunningServer, each_model_at_once};

/// Descriptors that the server inherits, and all that it may have.
const INHERITED: usize = 100;
const LIMIT: usize = 164;

/// More connections than it has descriptors for, and fewer than it would refuse.
const CLIENTS: usize = 120;

fn connect(server: &RunningServer) -> TcpStream {
    let stream = TcpStream::connect(server.address()).expect("the backlog has room");
    stream.set_read_timeout(Some(PATIENCE)).expect("a valid timeout");
    stream
}

/// Sends a line and half-closes.
fn ask(mut stream: &TcpStream) {
    stream.write_all(b"x\n").expect("it is established");
    stream.shutdown(Shutdown::Write).expect("it is open");
}

#[test]
fn accepts_that_fail_for_lack_of_descriptors_lose_no_client() {
    let test = "accepts_that_fail_for_lack_of_descriptors_lose_no_client";
    each_model_at_once(|model| {
        let Some(mut command) = third_party_or_skip(test, "prlimit") else { return };
        let inherited = (20..20 + INHERITED).map(|number| format!("{number}</dev/null"));
        let inherit = format!("exec {}; exec \"$@\"", inherited.collect::<Vec<_>>().join(" "));
        command.arg(format!("--nofile={LIMIT}:{LIMIT}"));
        command.args(["bash", "-c", &inherit, "bash"]).arg(own_program("echo-server")).arg("0");
        let mut server = RunningServer::start_as(&mut command, model, &["--workers", "2"]);
        let clients: Vec<_> = (0..CLIENTS).map(|_| connect(&server)).collect();
        wait_until("it runs out of descriptors", || {
            server.said_so_far().contains("accepting a connection failed")
        });
        let (begin, used) = (Instant::now(), server.cpu_time());
        while begin.elapsed() < Duration::from_secs(1) {
            assert!(server.is_running());
            std::thread::sleep(Duration::from_millis(50));
        }
        let used = server.cpu_time().saturating_sub(used);
        assert!(used * 5 < begin.elapsed(), "it used the CPU for {used:?} to wait");
        let failures = server.said_so_far().matches("accepting a connection failed").count();
        assert!(failures <= 2, "{failures} lines: {}", server.said_so_far());
        // Each that ends makes room for one that waits.
        clients.iter().for_each(ask);
        for mut stream in &clients {
            let mut reply = Vec::new();
            stream.read_to_end(&mut reply).expect("no reset");
            assert_eq!(reply, b"ECHO: x\n");
        }
        server.stop();
    });
}
