//! The balancer as a library, whose backends have the addresses that a test says.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use echo_net::socket::{SocketOptions, listen};
use echo_net::stop::Stop;
use echo_server::balance::{BalanceConfig, BalanceSummary, Balancer, Lookup, Policy};

mod dialing;
mod limits;

/// How long anything may take that has no time of its own.
const PATIENCE: Duration = Duration::from_secs(20);

/// Answers each connection with `name`.
fn backend(address: &str, name: &'static [u8]) -> SocketAddr {
    let listener = TcpListener::bind(address).unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // Fails for a check, which has gone.
            let _ = (&stream).write_all(name);
        }
    });
    address
}

fn config(lookup: Lookup) -> BalanceConfig {
    BalanceConfig {
        backends: vec!["name.test:1".parse().unwrap()],
        lookup,
        policy: Policy::default(),
        proxy_protocol: None,
        max_conns: 100,
        check_interval: Duration::from_millis(20),
        connect_timeout: Duration::from_secs(1),
        dial_timeout: Duration::from_secs(5),
        half_close_timeout: PATIENCE,
        drain_timeout: PATIENCE,
    }
}

/// A balancer that runs.
struct Running {
    address: SocketAddr,
    balancer: Arc<Balancer>,
    stop: Stop,
    thread: JoinHandle<BalanceSummary>,
}

fn start(lookup: Lookup) -> Running {
    start_with(config(lookup))
}

/// In front of one backend.
fn start_before(backend: SocketAddr, change: impl Fn(&mut BalanceConfig)) -> Running {
    let mut config = config(Lookup::new(move |_| Ok(vec![backend])));
    change(&mut config);
    start_with(config)
}

fn start_with(config: BalanceConfig) -> Running {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = listen(any, 128, false, &SocketOptions::default()).unwrap();
    let address = listener.local_addr().unwrap();
    let balancer = Balancer::new(config, vec![address]).unwrap();
    let stop = Stop::new();
    let (runs, asked) = (Arc::clone(&balancer), stop.clone());
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.unwrap().block_on(runs.run(vec![listener], &asked)).unwrap()
    });
    Running { address, balancer, stop, thread }
}

#[track_caller]
fn wait_until(what: &str, condition: impl Fn() -> bool) {
    let begin = Instant::now();
    while !condition() {
        assert!(begin.elapsed() < PATIENCE, "not {what} in time");
        thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_name_is_tried_at_each_address_and_is_looked_up_again_only_while_it_is_down() {
    let nobody = TcpListener::bind("127.0.0.9:0").unwrap().local_addr().unwrap();
    let (first, second) = (backend("127.0.0.1:0", b"1"), backend("127.0.0.1:0", b"2"));
    let (found, asked) = (Arc::new(Mutex::new(vec![nobody, first])), Arc::new(Mutex::new(0)));
    let (known, times) = (Arc::clone(&found), Arc::clone(&asked));
    let lookup = Lookup::new(move |_| {
        *times.lock().unwrap() += 1;
        Ok(known.lock().unwrap().clone())
    });
    let Running { address, balancer, stop, thread } = start(lookup);
    // What is said to a client, or nothing.
    let answer = || {
        let mut said = Vec::new();
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let _ = stream.read_to_end(&mut said);
        said
    };
    for _ in 0..5 {
        assert_eq!(answer(), b"1");
    }
    assert_eq!(*asked.lock().unwrap(), 1, "it is up");
    assert!(balancer.backends().all(|state| state.starts_with("name.test:1 is up")));

    // Only a name that is down is looked up again, so that a new address alone changes nothing.
    *found.lock().unwrap() = vec![second];
    assert_eq!(answer(), b"1");
    stop.ask();
    let BalanceSummary { connections, unserved, .. } = thread.join().unwrap();
    assert_eq!((connections, unserved), (6, 0));
}

#[test]
fn a_backend_that_is_down_is_found_where_its_name_leads_now() {
    let nobody = TcpListener::bind("127.0.0.9:0").unwrap().local_addr().unwrap();
    let there = backend("127.0.0.1:0", b"!");
    let (found, asked) = (Arc::new(Mutex::new(vec![nobody])), Arc::new(Mutex::new(0)));
    let (known, times) = (Arc::clone(&found), Arc::clone(&asked));
    let lookup = Lookup::new(move |_| {
        *times.lock().unwrap() += 1;
        Ok(known.lock().unwrap().clone())
    });
    let Running { address, balancer, stop, thread } = start(lookup);
    let answers = || {
        let mut byte = [0];
        TcpStream::connect(address).unwrap().read_exact(&mut byte).is_ok()
    };
    assert!(!answers());
    // Neither itself nor nothing is an answer: it keeps the address that it has.
    for of_no_use in [vec![address], Vec::new()] {
        *found.lock().unwrap() = of_no_use;
        let before = *asked.lock().unwrap();
        wait_until("asked again, and the answer seen", || *asked.lock().unwrap() > before + 2);
        assert!(!answers());
        let taken: Vec<_> = balancer.backends().collect();
        assert_eq!(taken, ["name.test:1 is down, 0 connections open"]);
    }
    *found.lock().unwrap() = vec![there];
    wait_until("found", answers);
    stop.ask();
    assert!(thread.join().unwrap().unserved >= 2);
}

/// A client and the backend's end of its connection, which have exchanged a byte.
fn connected(running: &Running, backend: &TcpListener) -> (TcpStream, TcpStream) {
    let mut client = TcpStream::connect(running.address).unwrap();
    client.write_all(b"?").unwrap();
    let mut served = accept_client(backend);
    served.write_all(b"!").unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.read_exact(&mut [0]).unwrap();
    (client, served)
}

/// The backend's end of the next connection of a client, which has sent a byte.
fn accept_client(backend: &TcpListener) -> TcpStream {
    loop {
        let (mut served, _) = backend.accept().unwrap();
        served.set_read_timeout(Some(PATIENCE)).unwrap();
        // Health checks connect without sending.
        if matches!(served.read(&mut [0]), Ok(1)) {
            return served;
        }
    }
}

/// Resets the connection.
fn reset(stream: TcpStream) {
    socket2::SockRef::from(&stream).set_linger(Some(Duration::ZERO)).unwrap();
    drop(stream);
}

/// Reads up to the reset.
#[track_caller]
fn assert_reset(mut stream: &TcpStream) {
    let ended = stream.read_to_end(&mut Vec::new());
    assert!(
        matches!(&ended, Err(error) if error.kind() == ErrorKind::ConnectionReset),
        "{ended:?}"
    );
}

/// The same without reading, which finds an end of output before the reset.
#[track_caller]
fn assert_reset_unread(stream: &TcpStream) {
    wait_until("reset", || stream.take_error().unwrap().is_some());
}

#[test]
fn a_reset_of_one_side_is_a_reset_of_the_other() {
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let running = start_before(backend.local_addr().unwrap(), |_| ());
    let (client, served) = connected(&running, &backend);
    reset(client);
    assert_reset(&served);
    let (client, served) = connected(&running, &backend);
    reset(served);
    assert_reset(&client);
    // After a half-close nothing is read from that side any longer.
    let (client, served) = connected(&running, &backend);
    client.shutdown(Shutdown::Write).unwrap();
    assert_eq!((&served).read(&mut [0]).unwrap(), 0);
    reset(client);
    assert_reset_unread(&served);
    // Nor while the other side does not take what was read.
    let (client, served) = connected(&running, &backend);
    client.set_write_timeout(Some(Duration::from_millis(200))).unwrap();
    let stuck = (&client).write_all(&vec![0; 64 << 20]);
    assert_eq!(stuck.unwrap_err().kind(), ErrorKind::WouldBlock);
    reset(client);
    assert_reset_unread(&served);
    wait_until("all counted", || running.balancer.so_far().reset == 4);
    running.stop.ask();
    assert_eq!(running.thread.join().unwrap().cut, 0);
}

#[test]
fn an_orderly_end_of_both_sides_is_no_reset() {
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let running = start_before(backend.local_addr().unwrap(), |_| ());
    for client_first in [true, false] {
        let (client, served) = connected(&running, &backend);
        let (first, second) =
            if client_first { (&client, &served) } else { (&served, &client) };
        first.shutdown(Shutdown::Write).unwrap();
        assert_eq!({ second }.read(&mut [0]).unwrap(), 0);
        second.shutdown(Shutdown::Write).unwrap();
        assert_eq!({ first }.read(&mut [0]).unwrap(), 0);
    }
    running.stop.ask();
    let summary = running.thread.join().unwrap();
    assert_eq!((summary.connections, summary.reset, summary.cut), (2, 0, 0));
}

#[test]
fn a_forced_stop_resets_both_sides_of_what_is_open() {
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let running = start_before(backend.local_addr().unwrap(), |_| ());
    let (client, served) = connected(&running, &backend);
    running.stop.ask();
    running.stop.ask();
    assert_reset(&client);
    assert_reset(&served);
    assert_eq!(running.thread.join().unwrap().cut, 1);
}

#[test]
fn the_drain_timeout_resets_both_sides_of_what_is_open() {
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let running = start_before(backend.local_addr().unwrap(), |config| {
        config.drain_timeout = Duration::from_millis(50);
    });
    let (client, served) = connected(&running, &backend);
    running.stop.ask();
    assert_reset(&client);
    assert_reset(&served);
    assert_eq!(running.thread.join().unwrap().cut, 1);
}

#[test]
fn the_half_close_timeout_resets_who_does_nothing_and_spares_a_slow_reader() {
    const LIMIT: Duration = Duration::from_millis(500);
    let backend = TcpListener::bind("127.0.0.1:0").unwrap();
    let running = start_before(backend.local_addr().unwrap(), |config| {
        config.half_close_timeout = LIMIT;
    });
    let (idle, idle_served) = connected(&running, &backend);
    let (slow, served) = connected(&running, &backend);
    idle.shutdown(Shutdown::Write).unwrap();
    // The balancer hands all of it to its kernel at once, for which the backend takes six times
    // the timeout.
    let sent = vec![7; 1 << 20];
    (&slow).write_all(&sent).unwrap();
    slow.shutdown(Shutdown::Write).unwrap();
    let (mut received, mut bytes) = (0, vec![0; sent.len() / 48]);
    let begin = Instant::now();
    loop {
        // Slowness is what is tested here.
        thread::sleep(LIMIT / 8);
        match (&served).read(&mut bytes).unwrap() {
            0 => break,
            length => received += length,
        }
    }
    assert_eq!(received, sent.len());
    assert!(begin.elapsed() > LIMIT * 4);
    (&served).write_all(b"done").unwrap();
    drop(served);
    let mut reply = Vec::new();
    (&slow).read_to_end(&mut reply).unwrap();
    assert_eq!(reply, b"done");
    assert_reset(&idle);
    assert_reset_unread(&idle_served);
    running.stop.ask();
    let summary = running.thread.join().unwrap();
    assert_eq!((summary.timed_out, summary.reset), (1, 0));
}

/// Runs `scenario` where there are only 51 local ports: a network namespace of its own, which
/// this test program enters by running the test `name` again.
fn with_few_ports(name: &str, scenario: impl FnOnce()) {
    const INSIDE: &str = "ECHO_TEST_FEW_PORTS";
    const SCRIPT: &str = "ip link set lo up \
        && echo '32768 32818' > /proc/sys/net/ipv4/ip_local_port_range || exit 99; exec \"$@\"";
    if std::env::var_os(INSIDE).is_some() {
        return scenario();
    }
    let inside = || {
        let mut command = Command::new("unshare");
        command.args(["-r", "-n", "sh", "-c", SCRIPT, "sh"]).env(INSIDE, "1");
        command
    };
    if !inside().arg("true").output().is_ok_and(|output| output.status.success()) {
        println!("skipped: {name}: no network namespace can be made (unshare -r -n, ip)");
        return;
    }
    let program = std::env::current_exe().unwrap();
    let output = inside().arg(program).args(["--exact", name]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn its_own_lack_of_ports_is_not_the_backend_s_fault() {
    with_few_ports("its_own_lack_of_ports_is_not_the_backend_s_fault", || {
        let backend = backend("127.0.0.1:0", b"!");
        let running = start_before(backend, |config| {
            config.dial_timeout = Duration::from_millis(300);
            // The ports of checks stay in use for a minute.
            config.check_interval = Duration::from_secs(1);
        });
        // Clients have more ports than the balancer: those of several addresses.
        let mut clients = Vec::new();
        for ip in [[127, 0, 0, 2], [127, 0, 0, 3]] {
            for _ in 0..40 {
                let client =
                    socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None);
                let client = client.unwrap();
                client.bind(&SocketAddr::from((ip, 0)).into()).unwrap();
                client.connect(&running.address.into()).unwrap();
                clients.push(TcpStream::from(client));
            }
        }
        wait_until("short of ports", || running.balancer.so_far().exhausted >= 10);
        let states: Vec<_> = running.balancer.backends().collect();
        assert!(states[0].starts_with("name.test:1 is up"), "{states:?}");
        drop(clients);
        wait_until("served again", || {
            let mut client = TcpStream::connect(running.address).unwrap();
            client.read_exact(&mut [0]).is_ok()
        });
        running.stop.advance(echo_net::stop::Stage::Forced);
        let summary = running.thread.join().unwrap();
        assert!(summary.exhausted <= summary.unserved, "{summary:?}");
    });
}
