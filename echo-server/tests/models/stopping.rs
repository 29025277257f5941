//! The end of a server: what is answered, what is cut, and how long it takes.

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
fn a_stop_is_forced_at_the_drain_deadline_and_tells_how_many_were_cut() {
    for_each_model(|model| {
        let drain_timeout = Duration::from_millis(100);
        let server = Server::start(Config { drain_timeout, ..config(model) });
        let stream = server.connect();
        stuff(&stream);
        let outcome = server.stop();
        assert_eq!(outcome.cut, 1);
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
    for_each_model(|model| {
        let listener = listener(0, false);
        let address = listener.local_addr().unwrap();
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
        let server = thread::spawn(move || run(vec![vec![listener]], config(model), &stop));
        for stream in streams {
            assert_eq!(rest(stream), b"ECHO: a\nECHO: b\n");
        }
        assert_eq!(server.join().unwrap().unwrap().connections, 20);
    });
}
