//! Limits and timeouts: lines, connections, idling.

use super::*;

#[test]
fn a_line_over_the_limit_is_told_so_and_the_rest_discarded() {
    for_each_model(|model| {
        let server = Server::start(Config { max_message: 100, ..config(model) });
        let exact = [b"x".repeat(100), b"\r\n".to_vec()].concat();
        let reply = [b"ECHO: ".to_vec(), b"x".repeat(100), b"\n".to_vec()].concat();
        let mut stream = server.connect();
        ask(&mut stream, &exact, &reply);
        // More than the server reads at once: a plain close would reset the connection.
        stream.write_all(&b"y".repeat(100_000)).unwrap();
        assert_eq!(rest(stream), b"ERROR: line too long (limit 100 bytes)\n");
        assert_eq!(server.stop().served.errors, 1);
    });
}

#[test]
fn lingering_ends_although_the_peer_goes_on_sending() {
    for_each_model(|model| {
        let server = Server::start(Config { max_message: 1, ..config(model) });
        let mut stream = server.connect();
        stream.write_all(b"too long\n").unwrap();
        let begin = Instant::now();
        while stream.write_all(b"and on\n").is_ok() {
            assert!(begin.elapsed() < PATIENCE, "never closed");
            thread::sleep(Duration::from_millis(5));
        }
        server.stop();
    });
}

#[test]
fn one_connection_too_many_is_told_so_and_a_place_that_is_left_is_taken() {
    for_each_model(|model| {
        let server = Server::start(Config { max_conns: Some(1), ..config(model) });
        let mut first = server.connect();
        ask(&mut first, b"x\n", b"ECHO: x\n");
        let mut second = server.connect();
        second.write_all(b"what a peer sends before it reads\n").unwrap();
        assert_eq!(rest(second), b"ERROR: server full\n");
        drop(first);
        let begin = Instant::now();
        loop {
            let mut third = server.connect();
            third.write_all(b"y\n").unwrap();
            third.shutdown(Shutdown::Write).unwrap();
            if rest(third) == b"ECHO: y\n" {
                break;
            }
            assert!(begin.elapsed() < PATIENCE, "the place stays taken");
        }
        assert!(server.stop().refused >= 1);
    });
}

#[test]
fn a_full_server_says_so_in_the_words_of_the_protocol_whatever_the_peer_sends_meanwhile() {
    for_each_model(|model| {
        for &protocol in Service::VARIANTS {
            let server =
                Server::start(Config { protocol, max_conns: Some(1), ..config(model) });
            let first = server.connect();
            let begin = Instant::now();
            // The other one may be accepted first where both have come.
            loop {
                let mut second = server.connect();
                // More than a kernel holds: it is read and discarded, or the peer gets a reset.
                let sent = second.write_all(&b"GET".repeat(3 << 20));
                let _ = second.shutdown(Shutdown::Write);
                let told = rest(second);
                if sent.is_ok() && told == words(protocol) {
                    break;
                }
                assert!(begin.elapsed() < PATIENCE, "{protocol}: {}", told.escape_ascii());
            }
            drop(first);
            assert!(server.stop().refused >= 1);
        }
    });
}

/// As the protocols have it, written out.
fn words(protocol: Service) -> &'static [u8] {
    match protocol {
        Service::Chat | Service::Echo(ProtocolKind::Line | ProtocolKind::Command) => {
            b"ERROR: server full\n"
        }
        Service::Echo(ProtocolKind::Frame) => b"\0\0\0\x12ERROR: server full",
        Service::Echo(ProtocolKind::Mux) => b"\0\0\0\0\0\0\0\x12ERROR: server full",
        Service::Echo(ProtocolKind::Resp) => b"-ERR max number of clients reached\r\n",
        Service::Echo(ProtocolKind::Postgres) => {
            b"E\0\0\0\x3bSFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0"
        }
        Service::Echo(ProtocolKind::Http) => {
            b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\n\
              Content-Length: 18\r\nConnection: close\r\n\r\nERROR: server full"
        }
        Service::Echo(ProtocolKind::Raw) => b"",
    }
}

#[test]
fn who_was_turned_away_and_stays_is_let_go_and_does_not_keep_a_place() {
    for_each_model(|model| {
        let server = Server::start(Config { max_conns: Some(1), ..config(model) });
        let mut first = server.connect();
        ask(&mut first, b"x\n", b"ECHO: x\n");
        let mut second = server.connect();
        assert_eq!(rest(second.try_clone().unwrap()), b"ERROR: server full\n");
        drop(first);
        let begin = Instant::now();
        while second.write_all(b"still here\n").is_ok() {
            assert!(begin.elapsed() < PATIENCE, "never closed");
            thread::sleep(Duration::from_millis(5));
        }
        let mut third = server.connect();
        ask(&mut third, b"y\n", b"ECHO: y\n");
        drop(third);
        let outcome = server.stop();
        assert_eq!((outcome.connections, outcome.refused, outcome.cut), (2, 1, 0));
    });
}

#[test]
fn an_idle_connection_is_ended_and_a_busy_one_is_not() {
    for_each_model(|model| {
        let idle = Duration::from_millis(400);
        let server = Server::start(Config { idle_timeout: Some(idle), ..config(model) });
        let (quiet, mut busy) = (server.connect(), server.connect());
        let begin = Instant::now();
        while begin.elapsed() < 2 * idle {
            ask(&mut busy, b"x\n", b"ECHO: x\n");
            thread::sleep(idle / 8);
        }
        assert_eq!(rest(quiet), b"");
        ask(&mut busy, b"still here\n", b"ECHO: still here\n");
        drop(busy);
        server.stop();
    });
}

#[test]
fn more_listeners_than_can_be_served_are_refused() {
    for_each_model(|model| {
        let listeners = (0..3).map(|_| vec![listener(0, false)]).collect();
        let outcome = run(listeners, config(model), &Stop::new());
        assert_eq!(outcome.unwrap_err().kind(), io::ErrorKind::InvalidInput);
    });
    assert!(run(Vec::<Vec<TcpListener>>::new(), Config::default(), &Stop::new()).is_err());
}
