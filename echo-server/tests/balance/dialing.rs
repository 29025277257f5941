//! Backends that never answer, and how long a client waits for another one.

use echo_net::address::Address;

use super::*;

/// A port whose connections never come about: its accept queue is full, which is held by what is
/// returned.
fn black_hole() -> (TcpListener, Vec<TcpStream>) {
    let any = SocketAddr::from(([127, 0, 0, 1], 0));
    let listener = listen(any, 0, false, &SocketOptions::default()).unwrap();
    let address = listener.local_addr().unwrap();
    let fill = || TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
    let filled = std::iter::from_fn(fill).take(16).collect::<Vec<_>>();
    assert!(filled.len() < 16);
    (listener, filled)
}

#[test]
fn a_client_does_not_wait_for_one_dead_backend_after_the_other() {
    let (hole, _filled) = black_hole();
    let hole = hole.local_addr().unwrap();
    let mut config = config(Lookup::new(move |_| Ok(vec![hole])));
    config.backends = vec!["name.test:1".parse().unwrap(); 8];
    config.connect_timeout = Duration::from_millis(500);
    config.dial_timeout = Duration::from_millis(750);
    let running = start_with(config);
    let begin = Instant::now();
    let client = TcpStream::connect(running.address).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_reset(&client);
    let waited = begin.elapsed();
    // All eight would take four seconds.
    assert!((Duration::from_millis(700)..Duration::from_millis(2500)).contains(&waited));
    running.stop.ask();
    assert_eq!(running.thread.join().unwrap().unserved, 1);
}

#[test]
fn a_silent_backend_costs_one_connect_timeout_and_the_next_one_answers() {
    const TIMEOUT: Duration = Duration::from_millis(300);
    let (hole, _filled) = black_hole();
    let (hole, live) = (hole.local_addr().unwrap(), backend("127.0.0.1:0", b"!"));
    let silent: Address = "silent.test:1".parse().unwrap();
    let is_silent = silent.clone();
    let mut config =
        config(Lookup::new(move |name| Ok(vec![if *name == is_silent { hole } else { live }])));
    config.backends = vec![silent, "live.test:1".parse().unwrap()];
    config.connect_timeout = TIMEOUT;
    // The clients have to find out by themselves.
    config.check_interval = PATIENCE;
    let running = start_with(config);
    let waited = [(); 2].map(|()| {
        let begin = Instant::now();
        let mut client = TcpStream::connect(running.address).unwrap();
        client.set_read_timeout(Some(PATIENCE)).unwrap();
        client.read_exact(&mut [0]).unwrap();
        begin.elapsed()
    });
    // In turn: one of the two begins with the silent one.
    let longest = waited.into_iter().max().unwrap();
    assert!((TIMEOUT * 9 / 10..TIMEOUT * 5).contains(&longest), "{waited:?}");
    running.stop.ask();
    let summary = running.thread.join().unwrap();
    assert_eq!((summary.connections, summary.unserved), (2, 0), "{summary:?}");
}
