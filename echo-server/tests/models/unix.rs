//! Every model over unix-domain sockets: what a peer sees is the same as over TCP.

use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use echo_net::address::UnixAddress;
use echo_net::listener::{SocketFile, listen_at};

use super::*;

/// A server at a path of its own.
struct AtPath {
    path: PathBuf,
    _file: Option<SocketFile>,
    stop: Stop,
    thread: JoinHandle<io::Result<ServerSummary>>,
}

impl AtPath {
    fn start(folder: &Path, config: Config) -> Self {
        let path = folder.join("echo.sock");
        let (listener, file) = listen_at(UnixAddress::at(&path).unwrap(), 1024).unwrap();
        let stop = Stop::new();
        let asked = stop.clone();
        let thread = thread::spawn(move || run(vec![vec![listener]], config, &asked));
        Self { path, _file: file, stop, thread }
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(&self.path).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_write_timeout(Some(PATIENCE)).unwrap();
        stream
    }

    fn stop(self) -> ServerSummary {
        self.stop.ask();
        self.thread.join().unwrap().unwrap()
    }
}

fn each_model(test: impl Fn(Subject, &Path)) {
    for_each_model(|model| test(model, tempfile::tempdir().unwrap().path()));
}

/// What comes until the end.
fn rest(mut stream: &UnixStream) -> Vec<u8> {
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
    rest
}

#[test]
fn lines_are_answered_and_a_half_close_gets_everything() {
    each_model(|model, folder| {
        let server = AtPath::start(folder, config(model));
        let clients: Vec<_> = (0..20).map(|_| server.connect()).collect();
        for (number, mut client) in clients.iter().enumerate() {
            write!(client, "one {number}\ntwo").unwrap();
            client.shutdown(Shutdown::Write).unwrap();
        }
        for (number, client) in clients.iter().enumerate() {
            let expected = format!("ECHO: one {number}\nECHO: two\n");
            assert_eq!(rest(client), expected.as_bytes(), "{model}");
        }
        let summary = server.stop();
        assert_eq!((summary.connections, summary.served.messages), (20, 40), "{model}");
        let socket = summary.socket.unwrap();
        assert_eq!((socket.effective.nodelay, socket.changed), (None, vec![]), "{model}");
    });
}

#[test]
fn a_stop_answers_what_had_arrived_and_ends_idle_connections() {
    each_model(|model, folder| {
        let server = AtPath::start(folder, config(model));
        let (idle, mut busy) = (server.connect(), server.connect());
        for mut client in [&idle, &busy] {
            client.write_all(b"a\n").unwrap();
            client.read_exact(&mut [0; 8]).unwrap();
        }
        busy.write_all(b"last\n").unwrap();
        let summary = server.stop();
        assert_eq!(rest(&busy), b"ECHO: last\n", "{model}");
        assert_eq!(rest(&idle), b"", "{model}");
        assert_eq!(summary.cut, 0, "{model}");
    });
}

/// The kernel of a unix-domain socket acknowledges nothing, so that it must be seen otherwise that
/// the peer reads.
#[test]
fn a_reader_that_is_slow_is_kept_and_one_that_never_reads_is_not() {
    const LINES: usize = 30_000;
    each_model(|model, folder| {
        let write_timeout = Duration::from_millis(600);
        let server = AtPath::start(folder, Config { write_timeout, ..config(model) });
        let (slow, deaf) = (server.connect(), server.connect());
        let feed = |stream: &UnixStream| {
            let mut stream = stream.try_clone().unwrap();
            // Fails once the server has closed.
            thread::spawn(move || {
                for _ in 0..LINES {
                    if stream.write_all(&[&[b'y'; 63][..], b"\n"].concat()).is_err() {
                        return;
                    }
                }
                let _ = stream.shutdown(Shutdown::Write);
            })
        };
        let feeding = [feed(&slow), feed(&deaf)];
        let (mut seen, mut buffer) = (0, vec![0; 96 * 1024]);
        loop {
            // Slower than the timeout allows to be idle, for a good part of the time.
            if seen < 1_000_000 {
                thread::sleep(write_timeout / 6);
            }
            match (&slow).read(&mut buffer).unwrap() {
                0 => break,
                length => seen += length,
            }
        }
        assert_eq!(seen, LINES * 70, "{model}");
        let end = Instant::now() + PATIENCE;
        while !feeding[1].is_finished() {
            assert!(Instant::now() < end, "{model}: one that never reads is kept");
            thread::sleep(Duration::from_millis(5));
        }
        let summary = server.stop();
        assert_eq!(summary.limits.write_timeout, 1, "{model}");
    });
}

#[test]
fn a_chat_wakes_its_members() {
    each_model(|model, folder| {
        let chat = Config { protocol: Service::Chat, ..config(model) };
        let server = AtPath::start(folder, chat);
        let (mut one, mut two) = (server.connect(), server.connect());
        one.write_all(b"/nick one\n").unwrap();
        let mut seen = Vec::new();
        let mut until = |wanted: &str| {
            while !String::from_utf8_lossy(&seen).contains(wanted) {
                let mut buffer = [0; 1024];
                let length = (&one).read(&mut buffer).unwrap();
                assert!(length > 0, "{model}: {seen:?}");
                seen.extend_from_slice(&buffer[..length]);
            }
        };
        until("1 online: one");
        two.write_all(b"/nick two\nhello\n/quit\n").unwrap();
        until("two: hello");
        until("* two left");
        server.stop();
    });
}
