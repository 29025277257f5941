//! Connection limit: [`Admission`], the accept policy of all models. Every connection holds a
//! [`Permit`]: it is served, or it was refused with an error reply and only lingers until the
//! peer has received it.

use std::io;
use std::net::SocketAddr;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use echo_net::clock;
use echo_net::fd_limit;
use echo_net::stop::{Stage, Stop};
use rustix::net::{SendFlags, Shutdown};
use tracing::{debug, warn};

use crate::config::Config;
use crate::log_limit::LogLimit;

/// Maximum number of refused connections that linger at a time, and the minimum that must be
/// possible; they need descriptors too. Those beyond are closed at once.
const MOST_LINGERING: u64 = 64;
const LEAST_LINGERING: u64 = 8;

/// Counts connections and enforces the limit.
#[derive(Debug)]
pub(crate) struct Admission {
    config: Arc<Config>,
    stop: Stop,
    limit: u64,
    /// The error reply to refused connections; empty where the protocol has none.
    refusal: Vec<u8>,
    active: AtomicU64,
    accepted: AtomicU64,
    refused: AtomicU64,
    /// Refused connections that linger.
    lingering: AtomicU64,
    most_lingering: u64,
    cut: AtomicU64,
    refusals_logged: LogLimit,
    failures_logged: LogLimit,
}

impl Admission {
    /// Admits at most `limit` concurrent connections.
    pub(crate) fn new(config: Arc<Config>, stop: Stop, limit: u64) -> Self {
        // Inside TLS no error can be sent before the handshake.
        let words = config.tls.is_none();
        let refusal = if words { config.protocol.framing().server_full() } else { Vec::new() };
        let spare = fd_limit::room_for_connections().saturating_sub(limit);
        Self {
            config,
            stop,
            limit,
            refusal,
            active: AtomicU64::new(0),
            accepted: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            lingering: AtomicU64::new(0),
            most_lingering: spare.clamp(LEAST_LINGERING, MOST_LINGERING),
            cut: AtomicU64::new(0),
            refusals_logged: LogLimit::default(),
            failures_logged: LogLimit::default(),
        }
    }

    /// The permit of an accepted non-blocking socket, also if it was
    /// [refused](Permit::is_turned_away); `None` if it must be closed at once.
    pub(crate) fn admit(
        self: &Arc<Self>,
        socket: BorrowedFd<'_>,
        peer: SocketAddr,
    ) -> Option<Permit> {
        if !take_place(&self.active, self.limit) {
            self.refuse(socket, "connection limit reached");
            let lingers = take_place(&self.lingering, self.most_lingering);
            return lingers.then(|| self.permit(peer, true));
        }
        self.accepted.fetch_add(1, Ordering::Relaxed);
        let permit = self.permit(peer, false);
        if let Err(error) = self.config.socket.apply(socket) {
            debug!(%peer, %error, "can't set socket options");
            return None;
        }
        debug!(%peer, "connected");
        Some(permit)
    }

    fn permit(self: &Arc<Self>, peer: SocketAddr, turned_away: bool) -> Permit {
        Permit { admission: Arc::clone(self), peer, turned_away }
    }

    /// Counts a refused connection, sends the error reply and half-closes.
    pub(crate) fn refuse(&self, socket: BorrowedFd<'_>, reason: &str) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        if let Some(suppressed) = self.refusals_logged.pass(clock::now()) {
            warn!(limit = self.limit, suppressed, "refused a connection: {reason}");
        }
        // The send buffer of a new socket is empty, so these fail only if the peer has
        // disconnected.
        let _ = rustix::net::send(socket, &self.refusal, SendFlags::NOSIGNAL);
        let _ = rustix::net::shutdown(socket, Shutdown::Write);
    }

    /// Logs that a connection could not be accepted, at a limited rate. Changes nothing:
    /// pausing is up to the caller.
    pub(crate) fn log_accept_failure(&self, error: &io::Error) {
        if let Some(suppressed) = self.failures_logged.pass(clock::now()) {
            warn!(%error, suppressed, "accepting a connection failed");
        }
    }

    /// Open connections.
    pub(crate) fn active(&self) -> u64 {
        self.active.load(Ordering::Relaxed)
    }

    /// Connections admitted so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Connections refused so far.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Connections aborted by a forced stop.
    pub(crate) fn cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed)
    }
}

/// Takes one of `most` slots, if one is free.
fn take_place(taken: &AtomicU64, most: u64) -> bool {
    let free = taken.fetch_add(1, Ordering::Relaxed) < most;
    if !free {
        taken.fetch_sub(1, Ordering::Relaxed);
    }
    free
}

/// A slot of an admitted or refused connection; released when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<Admission>,
    peer: SocketAddr,
    turned_away: bool,
}

impl Permit {
    /// The peer's address.
    pub(crate) fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Whether the connection was refused: the error was sent, its output has ended, and it
    /// must not be served.
    pub(crate) fn is_turned_away(&self) -> bool {
        self.turned_away
    }

    /// Reports that the connection ends with output pending. It counts as aborted if the server
    /// was forced to stop; otherwise the peer caused it.
    pub(crate) fn ends_early(&self) {
        if self.admission.stop.stage() == Stage::Forced {
            self.admission.cut.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Admission { active, lingering, .. } = &*self.admission;
        let place = if self.turned_away { lingering } else { active };
        place.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    use echo_proto::Service;
    use strum::VariantArray;

    fn admission(config: Config, limit: u64) -> Arc<Admission> {
        Arc::new(Admission::new(Arc::new(config), Stop::new(), limit))
    }

    #[test]
    fn a_place_is_free_again_once_its_permit_is_dropped() {
        let admission = admission(Config::default(), 1);
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let peer = socket.local_addr().unwrap();
        let enter = || admission.admit(socket.as_fd(), peer).unwrap();
        let permit = enter();
        assert!(!permit.is_turned_away());
        assert!(enter().is_turned_away());
        drop(permit);
        assert_eq!(admission.active(), 0);
        assert!(!enter().is_turned_away());
        assert_eq!((admission.accepted(), admission.refused()), (2, 1));
    }

    #[test]
    fn who_is_turned_away_is_told_in_the_words_of_the_protocol() {
        for &protocol in Service::VARIANTS {
            let admission = admission(Config { protocol, ..Config::default() }, 0);
            let (socket, mut peer) = UnixStream::pair().unwrap();
            let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
            let permit = admission.admit(socket.as_fd(), nobody);
            assert!(permit.is_some_and(|permit| permit.is_turned_away()));
            let mut told = Vec::new();
            peer.read_to_end(&mut told).unwrap();
            assert_eq!(told, protocol.framing().server_full(), "{protocol}");
        }
    }

    #[test]
    fn no_more_linger_than_there_is_room_for() {
        let admission = admission(Config::default(), 0);
        let nobody = SocketAddr::from(([127, 0, 0, 1], 1));
        let enter = || {
            let (socket, _peer) = UnixStream::pair().unwrap();
            admission.admit(socket.as_fd(), nobody)
        };
        let mut lingering: Vec<_> = std::iter::from_fn(enter).take(1000).collect();
        assert!((LEAST_LINGERING..=MOST_LINGERING).contains(&(lingering.len() as u64)));
        lingering.pop();
        assert!(enter().is_some());
    }
}
