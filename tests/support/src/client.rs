//! A blocking client for tests: [`Client`]. Every wait has a deadline, and a reset is
//! distinguished from a graceful close.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::deadline::PATIENCE;
use crate::kernel_sockets;

/// One connection to a server.
#[derive(Debug)]
pub struct Client {
    stream: TcpStream,
}

impl Client {
    /// Connects, or fails the test.
    pub fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap_or_else(|error| panic!("connecting: {error}"))
    }

    /// Connects; each wait of the connection has a deadline.
    pub fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream })
    }

    /// Sends all of `bytes`.
    #[track_caller]
    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap_or_else(|error| panic!("sending: {error}"));
    }

    /// Half-closes; replies still arrive.
    pub fn half_close(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("the connection is up");
    }

    /// Reads exactly `length` bytes.
    #[track_caller]
    pub fn read(&mut self, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let mut filled = 0;
        while filled < length {
            match self.stream.read(&mut bytes[filled..]) {
                Ok(0) => panic!("the end came after {:?}", Text(&bytes[..filled])),
                Ok(count) => filled += count,
                Err(error) => panic!("{error} after {:?}", Text(&bytes[..filled])),
            }
        }
        bytes
    }

    /// All bytes up to a graceful close; a reset or a timeout fails the test.
    #[track_caller]
    pub fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.stream.read_to_end(&mut bytes) {
            Ok(_) => bytes,
            Err(error) => panic!("no orderly end but {error} after {:?}", Text(&bytes)),
        }
    }

    /// Like [`read_to_end`](Self::read_to_end), with a pause after each piece.
    #[track_caller]
    pub fn read_slowly_to_end(&mut self, pause: Duration) -> Vec<u8> {
        let (mut bytes, mut piece) = (Vec::new(), [0; 16 * 1024]);
        loop {
            match self.stream.read(&mut piece) {
                Ok(0) => return bytes,
                Ok(length) => bytes.extend_from_slice(&piece[..length]),
                Err(error) => panic!("no orderly end but {error} after {:?}", Text(&bytes)),
            }
            thread::sleep(pause);
        }
    }

    /// Sends `line`; returns what is received up to a newline or the end, whatever its kind.
    pub fn try_line(&mut self, line: &[u8]) -> Vec<u8> {
        let mut reply = Vec::new();
        if self.stream.write_all(line).is_ok() {
            let _ = BufReader::new(&self.stream).read_until(b'\n', &mut reply);
        }
        reply
    }

    /// Sends `request` and reads exactly `reply`.
    #[track_caller]
    pub fn exchange(&mut self, request: &[u8], reply: &[u8]) {
        self.send(request);
        self.expect(reply);
    }

    /// Reads exactly `reply`.
    #[track_caller]
    pub fn expect(&mut self, reply: &[u8]) {
        let seen = self.read(reply.len());
        assert_eq!(Text(&seen), Text(reply));
    }

    /// Sends all of `stream`, half-closes, and returns everything received, reading while
    /// sending to avoid deadlock.
    #[track_caller]
    pub fn converse(&mut self, stream: &[u8]) -> Vec<u8> {
        self.try_converse(stream).unwrap_or_else(|error| panic!("conversing: {error}"))
    }

    /// The same where the connection may be refused or reset.
    pub fn try_converse(&mut self, stream: &[u8]) -> io::Result<Vec<u8>> {
        let mut sending = self.sender();
        thread::scope(|scope| {
            let sender = scope.spawn(move || {
                sending.write_all(stream)?;
                sending.shutdown(Shutdown::Write)
            });
            let mut seen = Vec::new();
            let received = self.stream.read_to_end(&mut seen);
            let sent = sender.join().expect("sending does not panic");
            let after = |error: io::Error| {
                io::Error::new(error.kind(), format!("{error} after {:?}", Text(&seen)))
            };
            received.map(|_| ()).and(sent).map_err(after)?;
            Ok(seen)
        })
    }

    /// Whether the server closes the connection within `at_most`.
    pub fn is_ended_within(&mut self, at_most: Duration) -> bool {
        self.stream.set_read_timeout(Some(at_most)).expect("not zero");
        let ended = match self.stream.read(&mut [0]) {
            Ok(count) => count == 0,
            Err(error) => {
                !matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
            }
        };
        self.stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        ended
    }

    /// Resets the connection (RFC 9293 section 3.10.4: abort).
    pub fn reset(self) {
        let no_linger = Some(Duration::ZERO);
        SockRef::from(&self.stream).set_linger(no_linger).expect("the socket is open");
    }

    /// Sends copies of `chunk` until the server accepts no more for `still`, or until `most`
    /// bytes are sent; returns the number of bytes.
    pub fn send_until_stuck(&mut self, chunk: &[u8], still: Duration, most: usize) -> usize {
        self.stream.set_nonblocking(true).expect("the socket is open");
        let (mut sent, mut last_progress) = (0, Instant::now());
        while sent < most && last_progress.elapsed() < still {
            match self.stream.write(&chunk[sent % chunk.len()..]) {
                Ok(count) => {
                    sent += count;
                    last_progress = Instant::now();
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    thread::sleep(Duration::from_millis(1));
                }
                Err(error) => panic!("sending: {error}"),
            }
        }
        self.stream.set_nonblocking(false).expect("the socket is open");
        sent
    }

    /// Waits until the server has read all that was sent.
    pub fn wait_until_read(&self) {
        kernel_sockets::wait_until_read(std::slice::from_ref(self));
    }

    /// The socket.
    pub fn stream(&self) -> &TcpStream {
        &self.stream
    }

    /// Another handle of the same connection, for a thread that sends.
    pub fn sender(&self) -> TcpStream {
        self.stream.try_clone().expect("a descriptor is free")
    }
}

/// Bytes shown as text in failures, rather than as a list of numbers.
#[derive(PartialEq, Eq)]
pub struct Text<'a>(pub &'a [u8]);

impl std::fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.0[..self.0.len().min(400)];
        write!(f, "{} bytes \"{}\"", self.0.len(), shown.escape_ascii())
    }
}
