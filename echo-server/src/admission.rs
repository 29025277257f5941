//! Connection limit: [`Admission`], the accept policy of all models. Every connection holds a
//! [`Permit`]: it is served, or it was refused with an error reply and only lingers until the
//! peer has received it.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use echo_net::address::PeerAddress;
use echo_net::clock;
use echo_net::fd_limit;
use echo_net::socket::EffectiveOptions;
use echo_net::stop::{Stage, Stop};
use rustix::net::{SendFlags, Shutdown};
use strum::VariantArray;
use tracing::warn;

use crate::buffered::{Budget, Share};
use crate::config::Config;
use crate::connection_log::{ConnectionLog, Life};
use crate::ending::Endings;
use crate::limits::{Limit, LimitCounters};
use crate::log_limit::LogLimit;
use crate::occupied::Occupied;

mod accept_wakeups;

use accept_wakeups::AcceptWakeups;

/// Maximum number of refused connections that linger at a time, and the minimum that must be
/// possible; they need descriptors too. Those beyond are closed at once.
const MOST_LINGERING: u64 = 64;
const LEAST_LINGERING: u64 = 8;

/// Why a connection was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr, strum::VariantArray)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Refusal {
    /// The connection limit was reached.
    Limit,
    /// No thread could be started for it.
    Thread,
}

impl Refusal {
    /// In metrics.
    pub(crate) fn name(self) -> &'static str {
        self.into()
    }
}

/// Counts connections and enforces the limit.
#[derive(Debug)]
pub(crate) struct Admission {
    config: Arc<Config>,
    stop: Stop,
    limit: u64,
    /// The error reply to refused connections; empty where the protocol has none.
    refusal: Vec<u8>,
    /// Open connections and refused ones that linger, of all processes of the server.
    occupied: Arc<Occupied>,
    accepted: AtomicU64,
    refused: [AtomicU64; Refusal::VARIANTS.len()],
    most_lingering: u64,
    cut: AtomicU64,
    limits: LimitCounters,
    budget: Arc<Budget>,
    endings: Endings,
    /// Sockets that could not be accepted or served.
    failures: AtomicU64,
    log: ConnectionLog,
    refusals_logged: LogLimit,
    failures_logged: LogLimit,
    accept_wakeups: AcceptWakeups,
    /// Whether connections may lack those of their listener: Linux copies what it has when the
    /// handshake completes, not at `accept`.
    sets_all_options: AtomicBool,
    /// Socket options of the first connection, as the kernel has them.
    first_options: OnceLock<Option<EffectiveOptions>>,
    /// Whether all listeners accept data in a SYN, if asked for.
    pub(crate) opens_fast: OnceLock<bool>,
}

impl Admission {
    /// Admits at most `limit` concurrent connections.
    pub(crate) fn new(
        config: Arc<Config>,
        stop: Stop,
        limit: u64,
        occupied: Arc<Occupied>,
    ) -> Self {
        // Inside TLS no error can be sent before the handshake.
        let words = config.tls.is_none();
        let refusal = if words { config.protocol.framing().server_full() } else { Vec::new() };
        let budget = Budget::new(config.max_buffered, Arc::clone(&occupied));
        let spare = fd_limit::room_for_connections().saturating_sub(limit);
        Self {
            config,
            stop,
            limit,
            refusal,
            occupied,
            accepted: AtomicU64::new(0),
            refused: Default::default(),
            most_lingering: spare.clamp(LEAST_LINGERING, MOST_LINGERING),
            cut: AtomicU64::new(0),
            limits: LimitCounters::default(),
            budget,
            endings: Endings::default(),
            failures: AtomicU64::new(0),
            log: ConnectionLog::default(),
            refusals_logged: LogLimit::default(),
            failures_logged: LogLimit::default(),
            accept_wakeups: AcceptWakeups::default(),
            sets_all_options: AtomicBool::new(false),
            first_options: OnceLock::new(),
            opens_fast: OnceLock::new(),
        }
    }

    /// The permit of an accepted non-blocking socket, also if it was
    /// [refused](Permit::is_turned_away); `None` if it must be closed at once.
    pub(crate) fn admit(
        self: &Arc<Self>,
        socket: BorrowedFd<'_>,
        peer: PeerAddress,
    ) -> Option<Permit> {
        if !self.occupied.active().take(self.limit) {
            self.refuse(socket, Refusal::Limit, "connection limit reached");
            let lingers = self.occupied.lingering().take(self.most_lingering);
            return lingers.then(|| self.permit(peer, true));
        }
        let permit = self.permit(peer, false);
        let (options, transport) = (&self.config.socket, peer.transport());
        let all = self.sets_all_options.load(Ordering::Relaxed);
        let set = if all {
            options.apply(socket, transport)
        } else {
            options.apply_accepted(socket, transport)
        };
        if let Err(error) = set {
            self.log_accept_failure(&error);
            return None;
        }
        self.accepted.fetch_add(1, Ordering::Relaxed);
        self.first_options.get_or_init(|| EffectiveOptions::read(socket).ok());
        self.log.connected(peer);
        Some(permit)
    }

    /// From now on, every connection gets all socket options: some may be older than these.
    pub(crate) fn set_all_options(&self) {
        self.sets_all_options.store(true, Ordering::Relaxed);
    }

    fn permit(self: &Arc<Self>, peer: PeerAddress, turned_away: bool) -> Permit {
        Permit { admission: Arc::clone(self), peer, turned_away }
    }

    /// Counts a refused connection, sends the error reply and half-closes.
    pub(crate) fn refuse(&self, socket: BorrowedFd<'_>, refusal: Refusal, reason: &str) {
        self.refused[refusal as usize].fetch_add(1, Ordering::Relaxed);
        if let Some(suppressed) = self.refusals_logged.pass(clock::now()) {
            warn!(limit = self.limit, suppressed, "refused a connection: {reason}");
        }
        // The send buffer of a new socket is empty, so these fail only if the peer has
        // disconnected.
        let _ = rustix::net::send(socket, &self.refusal, SendFlags::NOSIGNAL);
        let _ = rustix::net::shutdown(socket, Shutdown::Write);
    }

    /// Accepting has failed for lack of resources. The acceptor pauses until a connection ends,
    /// or for a short time.
    pub(crate) fn accept_failed(&self, error: &io::Error) {
        self.log_accept_failure(error);
        self.accept_wakeups.wait();
    }

    /// What wakes acceptors that have [failed](Self::accept_failed).
    pub(crate) fn accept_wakeups(&self) -> &AcceptWakeups {
        &self.accept_wakeups
    }

    /// The error reply to refused connections; empty where there is none.
    #[cfg(feature = "simulation")]
    pub(crate) fn refusal(&self) -> &[u8] {
        &self.refusal
    }

    /// Counts a connection that could not be accepted, and logs it at a limited rate.
    pub(crate) fn log_accept_failure(&self, error: &io::Error) {
        self.failures.fetch_add(1, Ordering::Relaxed);
        if let Some(suppressed) = self.failures_logged.pass(clock::now()) {
            warn!(%error, suppressed, "accepting a connection failed");
        }
    }

    /// Open connections.
    pub(crate) fn active(&self) -> u64 {
        self.occupied.active().taken()
    }

    /// Connections admitted so far.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Connections refused so far, by reason.
    pub(crate) fn refusals(&self) -> impl Iterator<Item = (Refusal, u64)> {
        let count = |&refusal: &Refusal| {
            (refusal, self.refused[refusal as usize].load(Ordering::Relaxed))
        };
        Refusal::VARIANTS.iter().map(count)
    }

    /// Connections that could not be accepted so far.
    pub(crate) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Socket options of the first connection, as the kernel has them; `None` without one.
    pub(crate) fn first_options(&self) -> Option<&EffectiveOptions> {
        self.first_options.get()?.as_ref()
    }

    /// Log lines about connections.
    pub(crate) fn log(&self) -> &ConnectionLog {
        &self.log
    }

    /// Connections that have ended, by reason.
    pub(crate) fn endings(&self) -> &Endings {
        &self.endings
    }

    /// The maximum number of open connections.
    pub(crate) fn limit(&self) -> u64 {
        self.limit
    }

    /// Connections aborted by a stop.
    pub(crate) fn cut(&self) -> u64 {
        self.cut.load(Ordering::Relaxed) + self.limits.stopped()
    }

    /// Connections ended at other limits.
    pub(crate) fn limits(&self) -> &LimitCounters {
        &self.limits
    }

    /// The limit on what all connections buffer.
    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.budget
    }
}

/// A slot of an admitted or refused connection; released when it is dropped.
#[derive(Debug)]
pub(crate) struct Permit {
    admission: Arc<Admission>,
    peer: PeerAddress,
    turned_away: bool,
}

impl Permit {
    /// The peer's address.
    pub(crate) fn peer(&self) -> PeerAddress {
        self.peer
    }

    /// Whether the connection was refused: the error was sent, its output has ended, and it
    /// must not be served.
    pub(crate) fn is_turned_away(&self) -> bool {
        self.turned_away
    }

    /// What is buffered for the connection.
    pub(crate) fn share(&self) -> Share {
        Share::new(&self.admission.budget)
    }

    /// Log lines about connections.
    #[inline]
    pub(crate) fn log(&self) -> &ConnectionLog {
        self.admission.log()
    }

    /// Whether the stop was forced.
    pub(crate) fn is_forced(&self) -> bool {
        self.admission.stop.stage() == Stage::Forced
    }

    /// Reports that the server ends the connection at a limit.
    pub(crate) fn ends_by(&self, limit: Limit) {
        if !self.turned_away {
            self.admission.limits.count(limit);
        }
    }

    /// Reports that an admitted connection has ended.
    pub(crate) fn ended(&self, life: &Life) {
        self.admission.endings.count(life.ending);
        self.admission.log.disconnected(self.peer, life);
    }

    /// Reports that the connection ends with output pending. It counts as aborted if the server
    /// was forced to stop; otherwise the peer caused it.
    pub(crate) fn ends_early(&self) {
        if self.is_forced() {
            self.admission.cut.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let Admission { occupied, accept_wakeups, .. } = &*self.admission;
        let places = if self.turned_away { occupied.lingering() } else { occupied.active() };
        places.release();
        accept_wakeups.notify();
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
        Arc::new(Admission::new(Arc::new(config), Stop::new(), limit, Arc::default()))
    }

    #[test]
    fn a_place_is_free_again_once_its_permit_is_dropped() {
        let admission = admission(Config::default(), 1);
        let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let enter = || admission.admit(socket.as_fd(), PeerAddress::GONE).unwrap();
        let permit = enter();
        assert!(!permit.is_turned_away());
        assert!(enter().is_turned_away());
        drop(permit);
        assert_eq!(admission.active(), 0);
        assert!(!enter().is_turned_away());
        assert_eq!(
            (admission.accepted(), admission.refusals().map(|(_, count)| count).sum::<u64>()),
            (2, 1)
        );
    }

    #[test]
    fn one_whose_options_can_not_be_set_is_closed_and_counted() {
        let mut config = Config::default();
        config.socket.tcp.quickack = Some(true);
        let admission = admission(config, 1);
        let (socket, _peer) = UnixStream::pair().unwrap();
        assert!(admission.admit(socket.as_fd(), PeerAddress::GONE).is_none());
        let counts = (admission.active(), admission.accepted(), admission.failures());
        assert_eq!(counts, (0, 0, 1));
    }

    #[test]
    fn who_is_turned_away_is_told_in_the_words_of_the_protocol() {
        for &protocol in Service::VARIANTS {
            let admission = admission(Config { protocol, ..Config::default() }, 0);
            let (socket, mut peer) = UnixStream::pair().unwrap();
            let permit = admission.admit(socket.as_fd(), PeerAddress::GONE);
            assert!(permit.is_some_and(|permit| permit.is_turned_away()));
            let mut told = Vec::new();
            peer.read_to_end(&mut told).unwrap();
            assert_eq!(told, protocol.framing().server_full(), "{protocol}");
        }
    }

    #[test]
    fn no_more_linger_than_there_is_room_for() {
        let admission = admission(Config::default(), 0);
        let enter = || {
            let (socket, _peer) = UnixStream::pair().unwrap();
            admission.admit(socket.as_fd(), PeerAddress::GONE)
        };
        let mut lingering: Vec<_> = std::iter::from_fn(enter).take(1000).collect();
        assert!((LEAST_LINGERING..=MOST_LINGERING).contains(&(lingering.len() as u64)));
        lingering.pop();
        assert!(enter().is_some());
    }
}
