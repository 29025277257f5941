//! A blocking client that says what a user would notice: [`Client`]. Every wait has a
//! deadline, and a reset is told apart from an orderly end.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use socket2::SockRef;

use crate::deadline::{PATIENCE, wait_until};

/// One connection to a server.
#[derive(Debug)]
pub(crate) struct Client {
    stream: TcpStream,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::try_connect(address).unwrap_or_else(|error| panic!("connecting: {error}"))
    }

    pub(crate) fn try_connect(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream })
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap_or_else(|error| panic!("sending: {error}"));
    }

    pub(crate) fn half_close(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("the connection is up");
    }

    /// Just `length` bytes.
    #[track_caller]
    pub(crate) fn read(&mut self, length: usize) -> Vec<u8> {
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

    /// All bytes up to an orderly end; a reset or silence fails the test.
    #[track_caller]
    pub(crate) fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.stream.read_to_end(&mut bytes) {
            Ok(_) => bytes,
            Err(error) => panic!("no orderly end but {error} after {:?}", Text(&bytes)),
        }
    }

    /// Sends `line`; what comes back up to a newline or the end, of whatever kind it is.
    pub(crate) fn try_line(&mut self, line: &[u8]) -> Vec<u8> {
        let mut reply = Vec::new();
        if self.stream.write_all(line).is_ok() {
            let _ = BufReader::new(&self.stream).read_until(b'\n', &mut reply);
        }
        reply
    }

    /// Sends `request` and reads just `reply`.
    #[track_caller]
    pub(crate) fn exchange(&mut self, request: &[u8], reply: &[u8]) {
        self.send(request);
        self.expect(reply);
    }

    /// Reads just `reply`.
    #[track_caller]
    pub(crate) fn expect(&mut self, reply: &[u8]) {
        let seen = self.read(reply.len());
        assert_eq!(Text(&seen), Text(reply));
    }

    /// Sends all of `stream`, half-closes, and returns all that comes back, reading while
    /// sending as any client of a long stream must.
    #[track_caller]
    pub(crate) fn converse(&mut self, stream: &[u8]) -> Vec<u8> {
        let mut sending = self.stream.try_clone().expect("a descriptor is free");
        thread::scope(|scope| {
            let sender = scope.spawn(move || {
                sending.write_all(stream)?;
                sending.shutdown(Shutdown::Write)
            });
            let seen = self.read_to_end();
            let sent = sender.join().expect("sending does not panic");
            sent.unwrap_or_else(|error| panic!("sending: {error}"));
            seen
        })
    }

    /// Whether the server has ended the connection; gives it up to `at_most` to do so.
    pub(crate) fn is_ended_within(&mut self, at_most: Duration) -> bool {
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

    /// Closes so that the peer gets a reset (RFC 9293 section 3.10.4: abort).
    pub(crate) fn reset(self) {
        let no_linger = Some(Duration::ZERO);
        SockRef::from(&self.stream).set_linger(no_linger).expect("the socket is open");
    }

    /// Sends copies of `chunk` until the server takes no more for `still`, or until `most`
    /// bytes are sent; the number of bytes sent.
    pub(crate) fn send_until_stuck(
        &mut self,
        chunk: &[u8],
        still: Duration,
        most: usize,
    ) -> usize {
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

    /// Waits until all that was sent is in the hands of the server's kernel.
    pub(crate) fn wait_until_arrived(&self) {
        let (local, remote) = self.ports();
        wait_until("all that was sent is acknowledged", || {
            KernelSocket::find(local, remote).is_some_and(|socket| socket.to_send == 0)
        });
    }

    /// Waits until the server has read all that was sent, so that what is sent next is
    /// another read of its own.
    pub(crate) fn wait_until_read(&self) {
        self.wait_until_arrived();
        let (local, remote) = self.ports();
        wait_until("the server has read what was sent", || {
            KernelSocket::find(remote, local).is_some_and(|socket| socket.to_read == 0)
        });
    }

    /// Waits until the server has closed its socket, whatever its kernel still has to send.
    pub(crate) fn wait_until_closed_by_server(&self) {
        let (local, remote) = self.ports();
        wait_until("the server has closed its socket", || {
            KernelSocket::find(remote, local).is_none_or(|socket| socket.is_closed)
        });
    }

    fn ports(&self) -> (u16, u16) {
        let local = self.stream.local_addr().expect("connected").port();
        (local, self.stream.peer_addr().expect("connected").port())
    }

    /// Another handle of the same connection, for a thread that sends.
    pub(crate) fn sender(&self) -> TcpStream {
        self.stream.try_clone().expect("a descriptor is free")
    }
}

/// What the kernel knows about one end of a loopback connection.
struct KernelSocket {
    to_send: u64,
    to_read: u64,
    /// No process has it open any more.
    is_closed: bool,
}

impl KernelSocket {
    /// The end with port `local`, as /proc/net/tcp has it.
    fn find(local: u16, remote: u16) -> Option<Self> {
        let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux has it");
        let (local, remote) = (format!(":{local:04X}"), format!(":{remote:04X}"));
        table.lines().skip(1).find_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let [_, near, far, _state, queues, _, _, _, _, inode, ..] = columns[..] else {
                return None;
            };
            if !(near.ends_with(&local) && far.ends_with(&remote)) {
                return None;
            }
            let (to_send, to_read) = queues.split_once(':')?;
            Some(Self {
                to_send: u64::from_str_radix(to_send, 16).ok()?,
                to_read: u64::from_str_radix(to_read, 16).ok()?,
                is_closed: inode == "0",
            })
        })
    }
}

/// Bytes that are shown as text in a failure, and not as a list of numbers.
#[derive(PartialEq, Eq)]
pub(crate) struct Text<'a>(pub(crate) &'a [u8]);

impl std::fmt::Debug for Text<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.0[..self.0.len().min(400)];
        write!(f, "{} bytes \"{}\"", self.0.len(), shown.escape_ascii())
    }
}
