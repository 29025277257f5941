//! Who may come in: [`Admission`], the one accept policy of all models. An admitted
//! connection holds a [`Permit`]; a refused one is told why where the protocol has words
//! for it, and its socket is [kept](Refused) until the words have arrived.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use echo_net::Nanos;
use echo_net::clock::{self, SECOND};
use echo_net::stop::{Stage, Stop};
use rustix::net::{SendFlags, Shutdown};
use tracing::{debug, warn};

use crate::config::Config;
use crate::log_limit::LogLimit;
use crate::session::NEVER;

/// How long a refused socket is kept. Closing it at once, with the peer's first bytes
/// unread, would reset the connection and could destroy the refusal.
const KEPT_FOR: Nanos = SECOND;

/// Most refused sockets kept at a time by one acceptor, and the fewest that it must have
/// room for; they need descriptors too.
const MOST_KEPT: u64 = 64;
const LEAST_KEPT: u64 = 8;

/// Why most connections are refused.
pub const FULL: &str = "limit of connections reached";

/// Counts connections and says which may come in.
#[derive(Debug)]
pub struct Admission {
    config: Arc<Config>,
    stop: Stop,
    limit: u64,
    /// What a refused peer is told; empty where the protocol has no words for it.
    refusal: Vec<u8>,
    active: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    cut: AtomicU64,
    refusals_logged: LogLimit,
    failures_logged: LogLimit,
}

impl Admission {
    /// Lets at most `limit` connections in at a time.
    pub fn new(config: Arc<Config>, stop: Stop, limit: u64) -> Self {
        // Before a handshake there is no way to say anything inside TLS.
        let words = config.protocol.framing().is_text() && config.tls.is_none();
        let refusal = format!("ERROR: too many connections (limit {limit})\n");
        Self {
            config,
            stop,
            limit,
            refusal: if words { refusal.into_bytes() } else { Vec::new() },
            active: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            cut: AtomicU64::new(0),
            refusals_logged: LogLimit::default(),
            failures_logged: LogLimit::default(),
        }
    }

    /// Whether a socket that was accepted may come in.
    pub fn admit(self: &Arc<Self>, socket: BorrowedFd<'_>, peer: SocketAddr) -> Answer {
        if self.active.fetch_add(1, Ordering::Relaxed) >= self.limit {
            self.active.fetch_sub(1, Ordering::Relaxed);
            return Answer::Full;
        }
        self.accepted.fetch_add(1, Ordering::Relaxed);
        let permit = Permit { admission: Arc::clone(self) };
        if let Err(error) = self.config.socket.apply(socket) {
            debug!(%peer, %error, "can't set socket options");
            return Answer::Gone;
        }
        debug!(%peer, "connected");
        Answer::Enter(permit)
    }

    /// [`admit`](Self::admit), and [`refuse`](Self::refuse) where there is no room.
    pub fn admit_or_refuse(
        self: &Arc<Self>,
        socket: OwnedFd,
        peer: SocketAddr,
        refused: &mut Refused,
    ) -> Option<(OwnedFd, Permit)> {
        match self.admit(socket.as_fd(), peer) {
            Answer::Enter(permit) => Some((socket, permit)),
            Answer::Full => {
                self.refuse(socket, FULL, refused);
                None
            }
            Answer::Gone => None,
        }
    }

    /// Turns a non-blocking socket away.
    pub fn refuse(&self, socket: OwnedFd, reason: &str, refused: &mut Refused) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let now = clock::now();
        if let Some(suppressed) = self.refusals_logged.pass(now) {
            warn!(limit = self.limit, suppressed, "refused a connection: {reason}");
        }
        if !self.refusal.is_empty() {
            // A new socket's buffer is empty, so this fails only if the peer is gone.
            let _ = rustix::net::send(&socket, &self.refusal, SendFlags::NOSIGNAL);
            let _ = rustix::net::shutdown(&socket, Shutdown::Write);
            refused.keep(socket, now);
        }
    }

    /// Logs that accepting has failed and pauses.
    pub fn accept_failed(&self, error: &io::Error) {
        if let Some(suppressed) = self.failures_logged.pass(clock::now()) {
            warn!(%error, suppressed, "accepting failed; pausing for 100 ms");
        }
    }

    /// Room for the sockets that one acceptor refuses.
    pub fn refused_list(&self) -> Refused {
        let spare = echo_net::fd_limit::room_for_connections().saturating_sub(self.limit);
        Refused { sockets: VecDeque::new(), most: spare.clamp(LEAST_KEPT, MOST_KEPT) as usize }
    }

    /// Connections open now.
    pub fn active(&self) -> u64 {
        self.active.load(Ordering::Relaxed)
    }

    /// Connections let in so far.
    pub fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Connections turned away so far.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Connections that a forced stop has cut short.
    pub fn cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }
}

/// Whether a connection may come in.
#[derive(Debug)]
#[must_use]
pub enum Answer {
    /// It may, for as long as it holds this.
    Enter(Permit),
    /// There is no room.
    Full,
    /// Its peer is gone already.
    Gone,
}

/// The right to be connected; given back when it is dropped.
#[derive(Debug)]
pub struct Permit {
    admission: Arc<Admission>,
}

impl Permit {
    /// Tells that the connection ends although something was owed to its peer. It counts
    /// as cut if the server was forced to stop; else the peer did it.
    pub fn ends_early(&self) {
        if self.admission.stop.stage() == Stage::Forced {
            self.admission.cut.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.admission.active.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Sockets that were turned away, each kept for a moment so that the reason arrives.
#[derive(Debug)]
pub struct Refused {
    /// With the instant at which each is to be closed, soonest first.
    sockets: VecDeque<(Nanos, OwnedFd)>,
    most: usize,
}

impl Refused {
    fn keep(&mut self, socket: OwnedFd, now: Nanos) {
        if self.sockets.len() >= self.most {
            self.sockets.pop_front();
        }
        self.sockets.push_back((now + KEPT_FOR, socket));
    }

    /// Whether none is kept.
    pub fn is_empty(&self) -> bool {
        self.sockets.is_empty()
    }

    /// Closes those whose time is over.
    pub fn expire(&mut self, now: Nanos) {
        while self.sockets.front().is_some_and(|(until, _)| *until <= now) {
            self.sockets.pop_front();
        }
    }

    /// The instant at which [`expire`](Self::expire) is due; [`NEVER`] for none.
    pub fn deadline(&self) -> Nanos {
        self.sockets.front().map_or(NEVER, |(until, _)| *until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixStream;

    /// Whether the other end of `stream` is closed.
    fn is_closed(stream: &mut UnixStream) -> bool {
        stream.set_nonblocking(true).unwrap();
        matches!(stream.read(&mut [0]), Ok(0))
    }

    #[test]
    fn a_refused_socket_is_kept_for_its_time_and_no_longer() {
        let mut refused = Refused { sockets: VecDeque::new(), most: 8 };
        assert_eq!(refused.deadline(), NEVER);
        let (socket, mut peer) = UnixStream::pair().unwrap();
        refused.keep(socket.into(), SECOND);
        assert_eq!(refused.deadline(), SECOND + KEPT_FOR);
        refused.expire(SECOND + KEPT_FOR - 1);
        assert!(!is_closed(&mut peer));
        refused.expire(SECOND + KEPT_FOR);
        assert!(is_closed(&mut peer));
        assert!(refused.is_empty());
    }

    #[test]
    fn no_more_refused_sockets_are_kept_than_there_is_room_for() {
        let mut refused = Refused { sockets: VecDeque::new(), most: 2 };
        let mut peers: Vec<_> = (0..3)
            .map(|now| {
                let (socket, peer) = UnixStream::pair().unwrap();
                refused.keep(socket.into(), now);
                peer
            })
            .collect();
        assert_eq!(peers.iter_mut().map(is_closed).collect::<Vec<_>>(), [true, false, false]);
    }

    fn admission(config: Config, limit: u64) -> Arc<Admission> {
        Arc::new(Admission::new(Arc::new(config), Stop::new(), limit))
    }

    #[test]
    fn a_place_is_free_again_once_its_permit_is_dropped() {
        let admission = admission(Config::default(), 1);
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = socket.local_addr().unwrap();
        let Answer::Enter(permit) = admission.admit(socket.as_fd(), peer) else {
            panic!("there is room for one");
        };
        assert!(matches!(admission.admit(socket.as_fd(), peer), Answer::Full));
        drop(permit);
        assert_eq!(admission.active(), 0);
        assert!(matches!(admission.admit(socket.as_fd(), peer), Answer::Enter(_)));
        assert_eq!(admission.accepted(), 2);
    }

    #[test]
    fn a_refused_socket_is_told_why_and_stays_open_for_the_peer_to_read_it() {
        let admission = admission(Config::default(), 7);
        let mut refused = admission.refused_list();
        let (socket, mut peer) = UnixStream::pair().unwrap();
        admission.refuse(socket.into(), FULL, &mut refused);
        let mut told = String::new();
        peer.read_to_string(&mut told).unwrap();
        assert_eq!(told, "ERROR: too many connections (limit 7)\n");
        assert!(!refused.is_empty());
        assert_eq!(admission.refused(), 1);
    }
}
