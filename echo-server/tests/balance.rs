//! The balancer as a library, whose backends have the addresses that a test says.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use echo_net::socket::{SocketOptions, listen};
use echo_net::stop::Stop;
use echo_server::balance::{BalanceConfig, BalanceSummary, Balancer, Lookup, Policy};

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
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = listen(any, 16, false, &SocketOptions::default()).unwrap();
    let address = listener.local_addr().unwrap();
    let balancer = Balancer::new(config(lookup), vec![address]).unwrap();
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
