//! A server for client tests: one connection, one behaviour, without our own protocol code.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::thread::JoinHandle;

/// Serves one connection on a thread; returns its address, and the thread with its result.
pub fn serve<T: Send + 'static>(
    behaviour: impl FnOnce(TcpStream) -> T + Send + 'static,
) -> (String, JoinHandle<T>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (address, std::thread::spawn(move || behaviour(listener.accept().unwrap().0)))
}

/// Replies to each line with `ECHO: ` before it, sequentially, until the client half-closes.
pub fn echo_lines(stream: TcpStream) {
    answer_lines(stream, usize::MAX);
}

/// Like [`echo_lines`], for at most this many lines; then closes.
pub fn answer_lines(mut stream: TcpStream, most: usize) {
    let mut lines = BufReader::new(stream.try_clone().unwrap());
    let mut line = Vec::new();
    for _ in 0..most {
        line.clear();
        if lines.read_until(b'\n', &mut line).unwrap() == 0 {
            break;
        }
        let reply = [b"ECHO: ", line.as_slice()].concat();
        stream.write_all(&reply).unwrap();
    }
    stream.shutdown(Shutdown::Write).unwrap();
}

/// Echoes every byte.
pub fn echo_bytes(mut stream: TcpStream) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        match stream.read(&mut buffer).unwrap() {
            0 => break,
            length => stream.write_all(&buffer[..length]).unwrap(),
        }
    }
}
