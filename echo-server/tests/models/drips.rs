//! Many peers that send a message byte by byte and never complete it.

use super::*;

use std::io::ErrorKind;
use std::sync::atomic::{AtomicBool, Ordering};

use echo_net::fd_limit;
use echo_test_support::promptness::{SCHEDULING, at_most, best_of_three, p99, timed};
use echo_test_support::turn::turn;

const TIMEOUT: Duration = Duration::from_millis(600);

/// How often each peer sends a byte, at most.
const PERIOD: Duration = Duration::from_millis(100);

/// Peers that send a byte at the same time. All at once would be a load, and not a drip.
const AT_ONCE: usize = 50;

/// Sends the next byte of messages that were not begun before `begin` on each connection again and
/// again until the server has ended them all: when that was.
fn drip(begin: Instant, mut open: Vec<TcpStream>) -> Duration {
    for stream in &open {
        stream.set_nonblocking(true).unwrap();
    }
    let pause = PERIOD / open.len().div_ceil(AT_ONCE) as u32;
    loop {
        let mut sent = 0;
        open.retain(|mut stream| {
            if sent % AT_ONCE == 0 {
                thread::sleep(pause);
            }
            sent += 1;
            let _ = stream.write(b"x");
            loop {
                match stream.read(&mut [0; 256]) {
                    Ok(1..) => {}
                    Err(error) if error.kind() == ErrorKind::WouldBlock => return true,
                    Ok(0) | Err(_) => return false,
                }
            }
        });
        let taken = begin.elapsed();
        if open.is_empty() {
            assert!(taken >= TIMEOUT * 9 / 10, "ended after {taken:?}");
            return taken;
        }
        assert!(taken < PATIENCE, "{} still open after {taken:?}", open.len());
    }
}

/// 2,000 peers drip while another one asks: all of them are cut, and how much longer the other
/// one waits than without them is at most `more`.
fn many_drip(model: Subject, more: Duration) -> Result<(), String> {
    const DRIPPING: usize = 2_000;
    const ASKED_BEFORE: usize = 200;
    let server = Server::start(Config { message_timeout: Some(TIMEOUT), ..config(model) });
    let mut bystander = server.connect();
    let mut asked = || {
        thread::sleep(Duration::from_millis(1));
        timed(|| ask(&mut bystander, b"a\n", b"ECHO: a\n"))
    };
    let before = p99((0..ASKED_BEFORE).map(|_| asked()).collect());
    let dripping: Vec<_> = (0..DRIPPING).map(|_| server.connect()).collect();
    let all_ended = AtomicBool::new(false);
    let (during, ended) = thread::scope(|scope| {
        let drips = scope.spawn(|| {
            let ended = drip(Instant::now(), dripping);
            all_ended.store(true, Ordering::Relaxed);
            ended
        });
        let mut times = vec![asked()];
        while !all_ended.load(Ordering::Relaxed) && !drips.is_finished() {
            times.push(asked());
        }
        (p99(times), drips.join().unwrap())
    });
    drop(bystander);
    assert_eq!(server.stop().limits.message_timeout, DRIPPING as u64);
    println!("{model}: p99 {before:?} before, {during:?} during; ended within {ended:?}");
    at_most(during, before * 2 + more)
}

fn many_drip_on_each_model(more: Duration) {
    assert!(
        fd_limit::raise() >= 4_200,
        "too few descriptors for both ends of 2,000 connections"
    );
    let _turn = turn();
    for_each_model(|model| {
        let what = format_args!("{model}: p99 of another peer");
        best_of_three(what, || many_drip(model, more));
    });
}

#[test]
fn many_that_drip_all_end_in_time_while_others_are_served() {
    // A debug build needs most of two busy CPUs for both ends of this. What must not happen is
    // that another peer waits until those that drip are cut.
    many_drip_on_each_model(TIMEOUT / 2);
}

#[test]
#[ignore = "needs a quiet machine: cargo test --release -p echo-server --test models -- --ignored"]
fn many_that_drip_do_not_double_the_p99_of_others() {
    many_drip_on_each_model(SCHEDULING);
}

#[test]
fn what_drips_ends_in_time_in_every_protocol_with_messages() {
    let body = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n";
    let starts: [(Service, &[u8]); 7] = [
        (ProtocolKind::Http.into(), b"GET / HTTP/1.1\r\nHost: "),
        (ProtocolKind::Http.into(), body),
        (ProtocolKind::Frame.into(), b"\0\0\x03\xe8"),
        (ProtocolKind::Mux.into(), b"\0\0\0\x01\0\0\x03\xe8"),
        (ProtocolKind::Resp.into(), b"*1\r\n$1000\r\n"),
        (ProtocolKind::Command.into(), b"ECHO "),
        (Service::Chat, b"/nick "),
    ];
    for_each_model(|model| {
        thread::scope(|scope| {
            for (protocol, start) in starts {
                scope.spawn(move || {
                    let message_timeout = Some(TIMEOUT);
                    let server =
                        Server::start(Config { protocol, message_timeout, ..config(model) });
                    let mut stream = server.connect();
                    let begin = Instant::now();
                    stream.write_all(start).unwrap();
                    drip(begin, vec![stream]);
                    assert_eq!(server.stop().limits.message_timeout, 1, "{protocol}");
                });
            }
        });
    });
}
