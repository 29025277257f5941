//! Peers that are slow, do not end what they began, or make the server hold too much.

use super::*;

use std::io::ErrorKind;

#[test]
fn a_reader_that_is_alive_is_not_cut_however_slow_it_is() {
    const TIMEOUT: Duration = Duration::from_millis(600);
    let bytes: Arc<[u8]> = (0..4 << 20_u32).map(|n| (n >> 8 ^ n) as u8).collect();
    for_each_model(|model| {
        // The kernel wants more only when a third of its buffer is free, which takes this
        // reader longer than the timeout.
        let socket = SocketOptions { send_buffer: Some(1 << 20), ..Config::default().socket };
        let server = Server::start(Config {
            protocol: ProtocolKind::Raw.into(),
            write_timeout: TIMEOUT,
            socket,
            ..config(model)
        });
        let mut stream = server.connect();
        socket2::SockRef::from(&stream).set_recv_buffer_size(64 << 10).unwrap();
        let (mut sender, sent) = (stream.try_clone().unwrap(), Arc::clone(&bytes));
        let sending = thread::spawn(move || {
            sender.write_all(&sent)?;
            sender.shutdown(Shutdown::Write)
        });
        let (begin, mut got) = (Instant::now(), Vec::new());
        while begin.elapsed() < 3 * TIMEOUT {
            let mut piece = [0; 16 << 10];
            let length = stream.read(&mut piece).unwrap();
            assert_ne!(length, 0, "it was ended");
            got.extend_from_slice(&piece[..length]);
            thread::sleep(TIMEOUT / 16);
        }
        socket2::SockRef::from(&stream).set_recv_buffer_size(1 << 20).unwrap();
        let (remaining, reset) = rest_or_reset(stream);
        got.extend(remaining);
        assert!(!reset && got == *bytes, "{} of {} bytes, {reset}", got.len(), bytes.len());
        sending.join().unwrap().unwrap();
        let outcome = server.stop();
        assert_eq!((outcome.limits.write_timeout, outcome.cut), (0, 0));
    });
}

#[test]
fn one_that_takes_nothing_is_reset_and_counted_by_its_cause() {
    for_each_model(|model| {
        let write_timeout = Duration::from_millis(200);
        let server = Server::start(Config { write_timeout, ..config(model) });
        let stream = server.connect();
        stream.set_nonblocking(true).unwrap();
        let line = [b"x".repeat(999), b"\n".to_vec()].concat();
        let begin = Instant::now();
        let ended = loop {
            match (&stream).write(&line) {
                Err(error) if error.kind() != ErrorKind::WouldBlock => break error.kind(),
                _ => assert!(begin.elapsed() < PATIENCE, "still open"),
            }
        };
        assert_eq!(ended, ErrorKind::ConnectionReset);
        assert!(begin.elapsed() >= write_timeout, "cut off too early");
        let outcome = server.stop();
        assert_eq!((outcome.limits.write_timeout, outcome.cut), (1, 0));
    });
}

/// A blocking write begins its timeout again with each part that the kernel takes.
#[test]
fn a_thread_that_waits_for_a_peer_waits_no_longer_than_its_timeout() {
    let write_timeout = Duration::from_secs(1);
    let server = Server::start(Config { write_timeout, ..config(ModelKind::Threads) });
    let stream = server.connect();
    stream.set_nonblocking(true).unwrap();
    let line = [b"x".repeat(9999), b"\n".to_vec()].concat();
    let mut taken_at = Instant::now();
    loop {
        match (&stream).write(&line) {
            Ok(_) => taken_at = Instant::now(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                assert!(taken_at.elapsed() < PATIENCE, "still open");
                thread::sleep(Duration::from_millis(1));
            }
            Err(_) => break,
        }
    }
    let took = taken_at.elapsed();
    assert!(took < 2 * write_timeout, "cut after {took:?}");
    server.stop();
}

#[test]
fn a_message_that_drips_is_ended_in_time_and_others_are_not_affected() {
    for_each_model(|model| {
        let timeout = Duration::from_millis(400);
        let server = Server::start(Config { message_timeout: Some(timeout), ..config(model) });
        let (mut dripping, mut other) = (server.connect(), server.connect());
        ask(&mut dripping, b"whole\n", b"ECHO: whole\n");
        let begin = Instant::now();
        dripping.set_nonblocking(true).unwrap();
        let mut told = Vec::new();
        loop {
            assert!(begin.elapsed() < PATIENCE, "never ended");
            let _ = dripping.write(b"x");
            ask(&mut other, b"in between\n", b"ECHO: in between\n");
            let mut piece = [0; 100];
            match dripping.read(&mut piece) {
                Ok(0) => break,
                Ok(length) => told.extend_from_slice(&piece[..length]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) => panic!("{error}"),
            }
            thread::sleep(timeout / 16);
        }
        assert_eq!(told, b"ERROR: line not completed in time\n");
        assert!(begin.elapsed() >= timeout * 9 / 10, "after {:?}", begin.elapsed());
        drop((dripping, other));
        let outcome = server.stop();
        assert_eq!((outcome.limits.message_timeout, outcome.served.errors), (1, 1));
    });
}

#[test]
fn the_largest_unfinished_messages_are_cut_at_the_limit_of_all_and_the_first_are_kept() {
    const SIZE: usize = 1 << 20;
    for_each_model(|model| {
        let server = Server::start(Config {
            protocol: ProtocolKind::Frame.into(),
            max_message: SIZE,
            max_buffered: Some(4 * SIZE),
            ..config(model)
        });
        let frame = [&(SIZE as u32).to_be_bytes()[..], &vec![b'x'; SIZE]].concat();
        let (most, last) = frame.split_at(frame.len() - 1);
        let mut first = server.connect();
        first.write_all(most).unwrap();
        let mut others: Vec<_> = (0..12).map(|_| server.connect()).collect();
        for other in &mut others {
            // It may be cut while it still sends.
            let _ = other.write_all(most);
        }
        // Whether it has ended, and if so with a reset, which only one read tells.
        let reset_of = |mut stream: &TcpStream| {
            stream.set_nonblocking(true).unwrap();
            let read = stream.read(&mut [0; 256]);
            stream.set_nonblocking(false).unwrap();
            match read {
                Err(error) if error.kind() == ErrorKind::WouldBlock => None,
                Ok(1..) => None,
                end => Some(end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset)),
            }
        };
        let (begin, mut resets) = (Instant::now(), Vec::new());
        while others.len() > 4 {
            assert!(begin.elapsed() < PATIENCE, "more is kept than allowed");
            others.retain(|other| {
                let end = reset_of(other);
                resets.extend(end);
                end.is_none()
            });
            thread::sleep(Duration::from_millis(5));
        }
        // A small one is served as ever.
        ask(&mut server.connect(), b"\0\0\0\x05hello", b"\0\0\0\x05hello");
        assert!(resets.iter().all(|reset| *reset), "an end looks complete: {resets:?}");
        let mut complete = 0;
        for mut stream in others.into_iter().chain([first]) {
            let mut reply = vec![0; frame.len()];
            if stream.write_all(last).is_ok() && stream.read_exact(&mut reply).is_ok() {
                assert!(reply == frame);
                complete += 1;
            }
        }
        assert!(complete >= 2, "{complete} were kept");
        let outcome = server.stop();
        assert_eq!(outcome.limits.buffered, 13 - complete, "{} were seen", resets.len());
    });
}

#[test]
fn a_stop_in_the_middle_of_a_transfer_without_messages_is_no_orderly_end() {
    for_each_model(|model| {
        let server =
            Server::start(Config { protocol: ProtocolKind::Raw.into(), ..config(model) });
        let mut complete = server.connect();
        ask(&mut complete, b"all of it", b"all of it");
        let stream = server.connect();
        stream.set_nonblocking(true).unwrap();
        // One thread reads and writes: it sees the reset, whichever call reports it.
        let (begin, mut sent, mut got) = (Instant::now(), 0, 0);
        let byte = |number: u64| (number % 251) as u8;
        let mut piece = vec![0; 50_000];
        let reset = loop {
            assert!(begin.elapsed() < PATIENCE, "never ends");
            let next: Vec<u8> = (sent..sent + 10_000).map(byte).collect();
            let written = (&stream).write(&next);
            let received = written.and_then(|length| {
                sent += length as u64;
                (&stream).read(&mut piece)
            });
            let received = match received {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    (&stream).read(&mut piece)
                }
                other => other,
            };
            match received {
                Ok(0) => break false,
                Ok(length) => {
                    assert!(piece[..length].iter().copied().eq((got..).map(byte).take(length)));
                    got += length as u64;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => break true,
                Err(error) => panic!("{error}"),
            }
            if got > 1 << 20 && server.stop.stage() == echo_net::stop::Stage::Running {
                server.stop.ask();
            }
        };
        assert!(reset, "after {got} bytes the end looks complete");
        assert_eq!(rest(complete), b"", "who has every byte gets an orderly end");
        assert_eq!(server.stop().cut, 1);
    });
}

/// Reads are small, so that there is always more input than was read.
#[test]
fn a_peer_that_never_pauses_delays_neither_its_deadline_nor_a_stop() {
    const SOON: Duration = Duration::from_secs(8);
    /// What the server says while the peer goes on sending.
    fn told(server: &Server, meanwhile: impl FnOnce()) -> Vec<u8> {
        let stream = server.connect();
        stream.set_read_timeout(Some(SOON)).unwrap();
        let piece = vec![b'x'; 64 << 10];
        let pour = || while (&stream).write_all(&piece).is_ok() {};
        thread::scope(|scope| {
            scope.spawn(pour);
            thread::sleep(Duration::from_millis(50));
            meanwhile();
            let mut told = Vec::new();
            let end = (&stream).read_to_end(&mut told);
            let _ = stream.shutdown(Shutdown::Both);
            end.unwrap();
            told
        })
    }
    for_each_model(|model| {
        let config = Config {
            read_buffer: 64,
            max_message: 1 << 30,
            max_buffered: Some(1 << 40),
            message_timeout: None,
            ..config(model)
        };
        let message_timeout = Some(Duration::from_millis(200));
        let timed = Server::start(Config { message_timeout, ..config.clone() });
        assert_eq!(told(&timed, || ()), b"ERROR: line not completed in time\n");
        timed.stop();
        let stopped = Server::start(config);
        told(&stopped, || stopped.stop.ask());
        stopped.stop();
    });
}
