//! Many peers that send a message byte by byte and never complete it.

use super::*;

use std::io::ErrorKind;

const TIMEOUT: Duration = Duration::from_millis(600);

/// Sends the next byte of messages that were not begun before `begin` on each connection again and
/// again, and calls `meanwhile`, until the server has ended them all.
fn drip(begin: Instant, mut open: Vec<TcpStream>, mut meanwhile: impl FnMut()) {
    for stream in &open {
        stream.set_nonblocking(true).unwrap();
    }
    loop {
        open.retain(|mut stream| {
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
            return;
        }
        assert!(taken < PATIENCE, "{} still open after {taken:?}", open.len());
        meanwhile();
        thread::sleep(TIMEOUT / 16);
    }
}

#[test]
fn many_that_drip_all_end_in_time_while_others_are_served() {
    const DRIPPING: usize = 200;
    for_each_model(|model| {
        let server = Server::start(Config { message_timeout: Some(TIMEOUT), ..config(model) });
        let mut bystander = server.connect();
        let dripping = (0..DRIPPING).map(|_| server.connect()).collect();
        drip(Instant::now(), dripping, || ask(&mut bystander, b"a\n", b"ECHO: a\n"));
        drop(bystander);
        assert_eq!(server.stop().limits.message_timeout, DRIPPING as u64);
    });
}

#[test]
fn a_body_and_a_line_of_a_chat_that_drip_end_in_time() {
    let head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n";
    for_each_model(|model| {
        thread::scope(|scope| {
            for (protocol, begun) in
                [(ProtocolKind::Http.into(), &head[..]), (Service::Chat, b"/nick ")]
            {
                scope.spawn(move || {
                    let message_timeout = Some(TIMEOUT);
                    let server =
                        Server::start(Config { protocol, message_timeout, ..config(model) });
                    let mut stream = server.connect();
                    let begin = Instant::now();
                    stream.write_all(begun).unwrap();
                    drip(begin, vec![stream], || ());
                    assert_eq!(server.stop().limits.message_timeout, 1, "{protocol}");
                });
            }
        });
    });
}
