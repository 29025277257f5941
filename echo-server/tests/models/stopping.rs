//! The end of a server: what is answered, what is cut, and how long it takes.

use std::sync::atomic::{AtomicUsize, Ordering};

use echo_test_support::promptness::{at_most, best_of_three};

use super::*;

#[test]
fn a_graceful_stop_answers_what_was_received_and_refuses_what_is_new() {
    for_each_model(|model| {
        let server = Server::start(config(model));
        let (mut idle, mut busy) = (server.connect(), server.connect());
        ask(&mut idle, b"x\n", b"ECHO: x\n");
        ask(&mut busy, b"x\n", b"ECHO: x\n");
        let (request, reply): (String, String) =
            (0..2000).map(|n| (format!("{n}\n"), format!("ECHO: {n}\n"))).unzip();
        busy.write_all(request.as_bytes()).unwrap();
        busy.write_all(b"unfinished").unwrap();
        server.stop.ask();
        assert_eq!(rest(busy), reply.as_bytes());
        assert_eq!(rest(idle), b"");
        let begin = Instant::now();
        while TcpStream::connect(server.address).is_ok() {
            assert!(begin.elapsed() < PATIENCE, "still accepts");
            thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(server.stop().cut, 0);
    });
}

#[test]
fn a_stop_is_forced_at_the_drain_deadline_and_resets_and_counts_what_it_cuts() {
    for_each_model(|model| {
        let drain_timeout = Duration::from_millis(100);
        let server = Server::start(Config { drain_timeout, ..config(model) });
        let stream = server.connect();
        stuff(&stream);
        let outcome = server.stop();
        assert_eq!(outcome.cut, 1);
        let (_, reset) = rest_or_reset(stream);
        assert!(reset, "the end looks complete");
    });
}

/// The kernel resets a connection with unread input by itself; here all input is read.
#[test]
fn a_forced_stop_resets_a_peer_whose_every_message_was_read_too() {
    for_each_model(|model| {
        let socket = SocketOptions { send_buffer: Some(8 << 10), ..Config::default().socket };
        let drain_timeout = Duration::from_millis(100);
        let server = Server::start(Config { socket, drain_timeout, ..config(model) });
        let mut stream = server.connect();
        socket2::SockRef::from(&stream).set_recv_buffer_size(4096).unwrap();
        ask(&mut stream, b"x\n", b"ECHO: x\n");
        // Less than a server queues before it reads no more, and more than the kernels hold.
        let line = [b"x".repeat(999), b"\n".to_vec()].concat();
        stream.write_all(&line.repeat(60)).unwrap();
        let outcome = server.stop();
        assert_eq!(outcome.cut, 1);
        let (replies, reset) = rest_or_reset(stream);
        assert!(reset, "after {} bytes the end looks complete", replies.len());
    });
}

#[test]
fn asking_twice_stops_at_once() {
    for_each_model(|model| {
        let server = Server::start(config(model));
        let stream = server.connect();
        stuff(&stream);
        let begin = Instant::now();
        server.stop.ask();
        server.stop.ask();
        assert_eq!(server.stop().cut, 1);
        assert!(begin.elapsed() < PATIENCE, "waited for the drain deadline");
    });
}

#[test]
fn a_stop_before_the_first_accept_still_answers_who_is_connected() {
    for_each_model(|model| stop_before_the_first_accept(model, vec![vec![listener(0, false)]]));
}

/// Each listener has a queue of its own.
#[test]
fn a_stop_before_the_first_accept_answers_the_clients_of_every_worker_s_listener() {
    for_each_model(|model| {
        if !model.shares_listeners() || config(model).workers < 2 {
            return;
        }
        let first = listener(0, true);
        let second = listener(first.local_addr().unwrap().port(), true);
        stop_before_the_first_accept(model, vec![vec![first], vec![second]]);
    });
}

fn stop_before_the_first_accept(model: Subject, listeners: Vec<Vec<TcpListener>>) {
    let address = listeners[0][0].local_addr().unwrap();
    let streams: Vec<_> = (0..20)
        .map(|_| {
            let mut stream = TcpStream::connect(address).unwrap();
            stream.set_read_timeout(Some(PATIENCE)).unwrap();
            stream.write_all(b"a\nb\n").unwrap();
            stream
        })
        .collect();
    let stop = Stop::new();
    stop.ask();
    let server = thread::spawn(move || run(listeners, config(model), &stop));
    for stream in streams {
        assert_eq!(rest(stream), b"ECHO: a\nECHO: b\n");
    }
    assert_eq!(server.join().unwrap().unwrap().connections, 20);
}

#[test]
fn nobody_listens_any_more_a_moment_after_the_stop() {
    const LIMIT: Duration = Duration::from_millis(100);
    for_each_model(|model| {
        best_of_three(format_args!("{model} accepts after the stop"), || {
            let server = Server::start(config(model));
            ask(&mut server.connect(), b"x\n", b"ECHO: x\n");
            let begin = Instant::now();
            server.stop.ask();
            while TcpStream::connect(server.address).is_ok() {
                assert!(begin.elapsed() < PATIENCE, "still accepts");
            }
            let took = begin.elapsed();
            server.stop();
            at_most(took, LIMIT)
        });
    });
}

#[test]
fn clients_that_keep_connecting_do_not_keep_a_stopped_server_listening() {
    /// What connects in this time before the stop is the most that may connect after it.
    const LIMIT: Duration = Duration::from_millis(100);
    /// A busy machine may delay a single stop by any time.
    const ATTEMPTS: usize = 5;
    for_each_model(|model| {
        let mut seen = Vec::new();
        while seen.last().is_none_or(|(before, after)| after > before) {
            assert!(seen.len() < ATTEMPTS, "{model}: connected before and after: {seen:?}");
            seen.push(connected_before_and_after_a_stop(model, LIMIT));
        }
    });
}

/// How many connections eight clients made in `time` before a stop, and until the first was
/// refused.
fn connected_before_and_after_a_stop(model: Subject, time: Duration) -> (usize, usize) {
    let server = Server::start(config(model));
    ask(&mut server.connect(), b"x\n", b"ECHO: x\n");
    let connected = Arc::new(AtomicUsize::new(0));
    let connecting: Vec<_> = (0..8)
        .map(|_| {
            let (address, connected) = (server.address, Arc::clone(&connected));
            thread::spawn(move || {
                let begin = Instant::now();
                while let Ok(mut stream) = TcpStream::connect(address) {
                    connected.fetch_add(1, Ordering::Relaxed);
                    assert!(begin.elapsed() < PATIENCE, "still accepts");
                    // Waiting for the answer keeps the backlog short: when it is full, a client
                    // is silent for a second.
                    let _ = stream.write_all(b"x\n").and_then(|()| stream.read(&mut [0; 8]));
                }
            })
        })
        .collect();
    thread::sleep(time);
    let before = connected.load(Ordering::Relaxed);
    server.stop.ask();
    for thread in connecting {
        thread.join().unwrap();
    }
    server.stop();
    (before, connected.load(Ordering::Relaxed) - before)
}
