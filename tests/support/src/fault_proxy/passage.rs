//! One connection through the proxy: [`Passage`], a client's and a server's socket, and a thread
//! that carries bytes between them. One thread owns both, so that a reset closes both at once.

use std::collections::VecDeque;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags};
use socket2::SockRef;

use super::lane::{Lane, Step};
use super::{Faults, NOTICE_STOP, reset_at_close, wait};

/// Bytes that a direction holds back, and each of its kernel buffers, at most: a slow direction
/// is to be felt by its sender.
const MOST_HELD: usize = 16 * 1024;

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Passage {
    client: TcpStream,
    server: TcpStream,
    to_server: Direction,
    to_client: Direction,
}

#[derive(Debug)]
struct Direction {
    lane: Lane,
    /// By their instants.
    steps: VecDeque<(Instant, Step)>,
    held: usize,
    sender_ended: bool,
    /// The receiver's buffers are full.
    is_blocked: bool,
}

/// A connection that is to be reset, on purpose or because one side was.
struct Broken;

impl From<io::Error> for Broken {
    fn from(_: io::Error) -> Self {
        Self
    }
}

impl Passage {
    pub(super) fn new(
        client: TcpStream,
        server: TcpStream,
        faults: &Faults,
    ) -> io::Result<Self> {
        for stream in [&client, &server] {
            stream.set_nonblocking(true)?;
            stream.set_nodelay(true)?;
            SockRef::from(stream).set_recv_buffer_size(MOST_HELD)?;
            SockRef::from(stream).set_send_buffer_size(MOST_HELD)?;
        }
        let now = Instant::now();
        let direction = |faults: &[_]| Direction::new(Lane::new(faults, now), now);
        let (to_server, to_client) =
            (direction(&faults.to_server), direction(&faults.to_client));
        Ok(Self { client, server, to_server, to_client })
    }

    /// Carries bytes until both sides have ended, one is reset, or the proxy stops.
    pub(super) fn run(mut self, stop: &AtomicBool, injected: &AtomicU64) {
        let mut buffer = vec![0; 16 * 1024];
        let mut counted = 0;
        let is_done =
            |passage: &Self| passage.to_server.is_done() && passage.to_client.is_done();
        while !stop.load(Ordering::SeqCst) && !is_done(&self) {
            let carried = self.carry(&mut buffer);
            let seen = self.to_server.lane.injected + self.to_client.lane.injected;
            injected.fetch_add(seen - counted, Ordering::SeqCst);
            counted = seen;
            if carried.is_err() {
                let _ = reset_at_close(&self.client);
                let _ = reset_at_close(&self.server);
                return;
            }
            self.wait();
        }
    }

    fn carry(&mut self, buffer: &mut [u8]) -> Result<(), Broken> {
        self.to_server.carry(&self.client, &self.server, buffer)?;
        self.to_client.carry(&self.server, &self.client, buffer)
    }

    fn wait(&self) {
        let interest = |incoming: &Direction, outgoing: &Direction| {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::IN, incoming.wants_bytes());
            flags.set(PollFlags::OUT, outgoing.is_blocked);
            flags
        };
        let of_client = interest(&self.to_server, &self.to_client);
        let of_server = interest(&self.to_client, &self.to_server);
        let ends = [(&self.client, of_client), (&self.server, of_server)];
        // An end without interest would still report that it is closed, again and again.
        let mut ends: Vec<_> = ends
            .into_iter()
            .filter(|(_, flags)| !flags.is_empty())
            .map(|(stream, flags)| PollFd::new(stream, flags))
            .collect();
        let now = Instant::now();
        let due = [&self.to_server, &self.to_client].into_iter().filter_map(Direction::due_at);
        let time = due.map(|at| at.saturating_duration_since(now)).min();
        wait(&mut ends, time.unwrap_or(NOTICE_STOP).min(NOTICE_STOP));
    }
}

impl Direction {
    fn new(mut lane: Lane, now: Instant) -> Self {
        // A fault may be due before the first byte.
        let steps = lane.take(Vec::new(), now).into();
        Self { lane, steps, held: 0, sender_ended: false, is_blocked: false }
    }

    /// Nothing more comes, and nothing is left to be sent.
    fn is_done(&self) -> bool {
        self.sender_ended && self.steps.is_empty()
    }

    fn wants_bytes(&self) -> bool {
        !self.sender_ended && self.held < MOST_HELD
    }

    fn due_at(&self) -> Option<Instant> {
        let (at, _) = self.steps.front()?;
        (!self.is_blocked).then_some(*at)
    }

    fn carry(
        &mut self,
        mut sender: &TcpStream,
        receiver: &TcpStream,
        buffer: &mut [u8],
    ) -> Result<(), Broken> {
        if self.wants_bytes() {
            match sender.read(buffer) {
                Ok(0) => {
                    self.sender_ended = true;
                    self.steps.extend(self.lane.take_end(Instant::now()));
                }
                Ok(length) => {
                    let steps = self.lane.take(buffer[..length].to_vec(), Instant::now());
                    self.held += steps.iter().map(|(_, step)| step.length()).sum::<usize>();
                    self.steps.extend(steps);
                }
                Err(error) if is_temporary(&error) => {}
                // Beyond a blackhole nobody hears of it.
                Err(_) if self.lane.is_over() => self.sender_ended = true,
                Err(error) => return Err(error.into()),
            }
        }
        self.deliver(receiver)
    }

    fn deliver(&mut self, mut receiver: &TcpStream) -> Result<(), Broken> {
        self.is_blocked = false;
        let now = Instant::now();
        while let Some((_, step)) = self.steps.front_mut().filter(|(at, _)| *at <= now) {
            match step {
                Step::Reset => return Err(Broken),
                Step::End => receiver.shutdown(Shutdown::Write)?,
                Step::Send(bytes) => match receiver.write(bytes) {
                    Ok(length) => {
                        self.held -= length;
                        bytes.drain(..length);
                        if !bytes.is_empty() {
                            continue;
                        }
                    }
                    Err(error) if is_temporary(&error) => {
                        self.is_blocked = true;
                        return Ok(());
                    }
                    Err(error) => return Err(error.into()),
                },
            }
            self.steps.pop_front();
        }
        Ok(())
    }
}

impl Step {
    fn length(&self) -> usize {
        match self {
            Self::Send(bytes) => bytes.len(),
            Self::End | Self::Reset => 0,
        }
    }
}

fn is_temporary(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}
