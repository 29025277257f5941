//! The load generator as a library: a valid [`plan::Plan`] in, a [`RunRecord`] out.
//!
//! [`run`] starts the generator threads, gives them one timeline, samples what both sides
//! cost, and gathers the intervals. Each thread has a rig (connections, window, endings, pace)
//! and a workload on it (requests, a pool, a chat). The [`schedule`] is pure, [`messages`] are
//! made and checked without allocation, and what is measured is a [`record`].
//!
//! This crate alone opens load sockets. It judges nothing, prints nothing, traps no signal and
//! knows no command line.

use std::collections::BTreeSet;
use std::io;
use std::sync::Arc;

use echo_net::Nanos;
use echo_net::address::{SocketAddress, Transport};
use echo_net::clock::{self, MILLISECOND};
use echo_net::destinations::{Destination, Destinations};
use echo_net::reactor::uring::{Unavailable, UringReactor};
use echo_net::stamps;
use echo_net::stop::{Stage, Stop};

use crate::plan::{EngineKind, Plan, PlanError};
use crate::record::{Interval, Latency, Packed, Phase, Served, Span, Stamped};

pub mod as_text;
pub mod fingerprint;
mod gather;
mod handshakes;
mod kernel_facts;
pub mod messages;
mod observer;
mod peer;
pub mod plan;
mod pulse;
pub mod record;
#[cfg(any(test, feature = "simulation"))]
pub mod rehearsal;
mod rig;
pub mod schedule;
mod server_log;
pub mod server_process;
mod server_watch;
#[cfg(test)]
mod simulation;
mod surroundings;
mod threads;
mod timeline;
mod unstamped;
mod workload;

pub use echo_client::pool::PoolCounts;
pub use gather::{CostSample, IntervalRecord};
use gather::{Gathered, Watch};
pub use handshakes::{Handshakes, PeerTls};
pub use kernel_facts::KernelFacts;
pub use observer::{Connected, Observer, SoFar};
pub use peer::{Peer, PeerError};
use pulse::Pulses;
pub use pulse::{Beat, Pulse, Responses, Sums};
pub use rig::Misdirected;
use rig::{Setup, ThreadRecord};
pub use server_log::{ServerLog, ServerLook};
use server_watch::ServerWatch;
pub use surroundings::Surroundings;
pub use threads::ThreadError;
use threads::Threads;
use timeline::Timeline;

/// Everything that was measured; raw, so that the report can be made from it alone.
#[derive(Debug, Default)]
pub struct RunRecord {
    /// Connections that were made at set-up.
    pub established: u32,
    /// Time to make each connection of set-up.
    pub set_up_connect: Latency,
    /// TLS handshakes of set-up.
    pub set_up_handshakes: Handshakes,
    /// Time to make each connection that was made within the window.
    pub connect: Latency,
    /// TLS handshakes that were made within the window.
    pub handshakes: Handshakes,
    /// From the first attempt until all connections were made or had failed.
    pub connect_phase_ns: Nanos,
    /// Connections that lived at the end.
    pub alive_at_end: u32,
    /// Reconnects within the window.
    pub reconnects: u64,
    /// When the measured window began.
    pub window_start: Nanos,
    /// Length of the measured window.
    pub measured_ns: Nanos,
    /// From the window's start until its end, or until what was left of a number of requests
    /// was given up.
    pub load_ns: Nanos,
    /// From the window's start to the last successful reply, within the load.
    pub last_reply_ns: Option<Nanos>,
    /// When the successful replies to requests of the window came.
    pub replies: Span,
    /// When the requests of the window were due.
    pub due: Span,
    /// The whole window.
    pub total: Interval,
    /// The window's intervals, in order.
    pub intervals: Vec<IntervalRecord>,
    /// Response latencies of the pieces that the window was cut into, in order; the last holds
    /// those of the drain, too.
    pub pieces: Vec<Packed>,
    /// The same of the requests of each stage of the load; empty where its rate does not change.
    pub stage_pieces: Vec<Vec<Packed>>,
    /// Response latencies of requests of the window that ended in the drain. With those of the
    /// intervals they are those of the whole window.
    pub drained: Option<Packed>,
    /// Mean number of requests between their intended instant and their reply within the
    /// window, counted apart from the latency clocks.
    pub outstanding_mean: Option<f64>,
    /// Clocks of the requests on connections with receive stamps.
    pub stamped: Stamped,
    /// The same of each stage of the load whose rate stays.
    pub stage_stamped: Vec<Option<Box<Stamped>>>,
    /// Why there are none although the plan asks for them.
    pub unstamped: Option<String>,
    /// Whether there is a client certificate that the server never asked for.
    pub unasked_certificate: bool,
    /// What each connection, caller or listener got.
    pub served: Vec<Served>,
    /// Share of the window that each worker was busy, where known.
    pub busy: Vec<Option<f64>>,
    /// Share of the window in which each thread wanted to run and did not, where known: queued
    /// for a CPU, out of its quota, or stopped.
    pub denied: Vec<Option<f64>>,
    /// At the window's start, at every interval's end, and at the window's end.
    pub costs: Vec<CostSample>,
    /// CPUs on which the generator's threads were seen to work.
    pub cpus: Vec<usize>,
    /// What happened around the run.
    pub surroundings: Surroundings,
    /// What the kernel knew at the end.
    pub kernel: KernelFacts,
    /// What became of the connections of a pool, if there was one.
    pub pool: Option<PoolCounts>,
    /// What came of connecting to the addresses of the server, set-up included.
    pub destinations: Vec<Destination>,
    /// Whether the run was cut short by a signal.
    pub interrupted: bool,
}

/// Why a run could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Not one connection could be made.
    #[error("connecting to {addresses}: {reason}{hint}")]
    NoConnection {
        /// The addresses of the peer.
        addresses: String,
        /// Why the first one failed.
        reason: io::Error,
        /// What to do about it.
        hint: &'static str,
    },
    /// The server speaks something else than the plan says.
    #[error("{0}")]
    Misdirected(Box<Misdirected>),
    /// This machine has not what the engine needs.
    #[error("--engine {engine} is unavailable on this machine (try --engine epoll)")]
    Unavailable {
        /// The engine.
        engine: EngineKind,
        /// What is missing.
        #[source]
        reason: Unavailable,
    },
    /// A plan of an older version asks for more than this one can do.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// The generator itself failed.
    #[error(transparent)]
    Thread(#[from] ThreadError),
}

/// Whether this machine has what an engine needs.
///
/// # Errors
/// What is missing.
pub fn check(engine: EngineKind) -> Result<(), EngineError> {
    let probed = match engine {
        EngineKind::Epoll => Ok(()),
        EngineKind::Uring => UringReactor::probe(),
    };
    probed.map_err(|reason| EngineError::Unavailable { engine, reason })
}

/// Carries out `plan` against `peer`, until it ends or `stop` is asked for.
///
/// # Errors
/// When no load could be put on at all. Everything that goes wrong later is counted data.
pub fn run(
    plan: &Arc<Plan>,
    peer: &Peer,
    stop: &Stop,
    observer: &mut dyn Observer,
) -> Result<RunRecord, EngineError> {
    plan.check()?;
    plan.check_arrivals()?;
    // A run that fails ends itself, which nobody has asked for.
    let stop = &stop.follower();
    let begin = clock::now();
    let pulses: Pulses = (0..plan.threads).map(|_| Arc::new(Pulse::default())).collect();
    let mut threads = Threads::start(plan, peer, stop, &pulses)?;
    let setup = threads.setup(stop, &mut || {
        observer.beat(&Beat::of(&pulses, clock::now(), Phase::SetUp, None));
    })?;
    let connect_phase_ns = clock::now() - begin;
    if let Some(seen) = setup.misdirected {
        return Err(EngineError::Misdirected(Box::new(seen)));
    }
    if stop.stage() > Stage::Running {
        return Ok(RunRecord::without_load(plan, setup, connect_phase_ns));
    }
    if setup.established == 0 {
        return Err(no_connection(plan, &peer.addresses, setup.failure));
    }
    observer.connected(&Connected {
        established: setup.established,
        phase_ns: connect_phase_ns,
        connect: &setup.connect,
        handshakes: &setup.handshakes,
    });
    let begin = observer.begins_at().max(clock::now() + 2 * MILLISECOND);
    let timeline = Timeline::new(plan, begin);
    threads.begin(&timeline);
    let watch = Watch::new(plan, ServerWatch::new(peer), timeline, stop, pulses);
    let gathered = watch.until_done(threads.pieces(), observer);
    let records = threads.join()?;
    if let Some(seen) = records.iter().find_map(|record| record.misdirected) {
        return Err(EngineError::Misdirected(Box::new(seen)));
    }
    let mut record = RunRecord::new(setup, connect_phase_ns, gathered, records);
    let ok = record.total.tally.ok;
    record.unstamped =
        unstamped::why_unstamped(plan.stamps, ok, &record.stamped, || match plan.transport {
            Transport::Tcp => stamps::probe(),
            Transport::Unix => Err(unstamped::of_unix()),
        });
    record.unasked_certificate =
        peer.tls.as_ref().is_some_and(PeerTls::has_unasked_certificate);
    Ok(record)
}

fn no_connection(
    plan: &Plan,
    addresses: &[SocketAddress],
    reason: Option<io::Error>,
) -> EngineError {
    let reason = reason.unwrap_or_else(|| io::ErrorKind::NotConnected.into());
    let hint = peer::remedy(&reason, plan.protocol());
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    EngineError::NoConnection { addresses: addresses.join(", "), reason, hint }
}

impl RunRecord {
    /// A run that a signal ended before its load.
    fn without_load(plan: &Plan, setup: Setup, connect_phase_ns: Nanos) -> Self {
        Self {
            established: setup.established,
            set_up_connect: setup.connect,
            set_up_handshakes: setup.handshakes,
            connect_phase_ns,
            window_start: clock::now(),
            total: Interval::new(0, plan.has_waits()),
            interrupted: true,
            ..Self::default()
        }
    }

    /// Whether a signal ended the run while its connections were made, so that nothing was asked.
    pub fn ended_before_load(&self) -> bool {
        // Whoever has put a load on knows what it cost.
        self.interrupted && self.costs.is_empty()
    }

    fn new(
        setup: Setup,
        connect_phase_ns: Nanos,
        gathered: Gathered,
        records: Vec<ThreadRecord>,
    ) -> Self {
        let (mut replies, mut due) = (Span::default(), Span::default());
        for record in &records {
            replies += record.ledger.replies;
            due += record.ledger.due;
        }
        let last_answer = replies.last();
        let end = match gathered.window_end {
            // Where nothing was answered, nothing tells what was load and what was patience.
            Nanos::MAX => last_answer.unwrap_or(gathered.ended_at),
            end => end,
        };
        let since_start = |at: Nanos| at.saturating_sub(gathered.window_start);
        let measured_ns = since_start(end);
        let load_ns = since_start(gathered.window_end.min(gathered.ended_at));
        let last_reply_ns = last_answer.map(|at| since_start(at).min(load_ns));
        let area: u128 = records.iter().map(|record| record.ledger.outstanding_area).sum();
        let (mut stamped, mut served) = (Stamped::default(), Vec::new());
        let mut stage_stamped: Vec<Option<Box<Stamped>>> = Vec::new();
        let (mut denied, mut cpus) = (Vec::new(), BTreeSet::new());
        let mut kernel = KernelFacts::default();
        let (mut connect, mut handshakes) = (Latency::default(), Handshakes::default());
        let mut pool: Option<PoolCounts> = None;
        let mut destinations = Destinations::default();
        let (mut alive_at_end, mut reconnects, mut busy) = (0, 0, Vec::new());
        for record in records {
            alive_at_end += record.alive_at_end;
            reconnects += record.reconnects;
            connect += &record.connect;
            handshakes += &record.handshakes;
            destinations += &record.destinations;
            busy.push(record.busy);
            denied.push(record.denied);
            cpus.extend(record.cpus);
            stamped += &record.ledger.stamped;
            stage_stamped.resize(record.ledger.stage_stamped.len(), None);
            for (ours, theirs) in stage_stamped.iter_mut().zip(record.ledger.stage_stamped) {
                if let Some(theirs) = theirs {
                    **ours.get_or_insert_with(Box::<Stamped>::default) += &theirs;
                }
            }
            served.extend(record.ledger.served);
            kernel += record.kernel;
            if let Some(counts) = record.pool {
                *pool.get_or_insert_default() += counts;
            }
        }
        Self {
            established: setup.established,
            set_up_connect: setup.connect,
            set_up_handshakes: setup.handshakes,
            connect,
            handshakes,
            connect_phase_ns,
            alive_at_end,
            reconnects,
            window_start: gathered.window_start,
            measured_ns,
            load_ns,
            last_reply_ns,
            replies,
            due,
            total: gathered.total,
            intervals: gathered.intervals,
            pieces: gathered.pieces,
            stage_pieces: gathered.stage_pieces,
            drained: gathered.drained,
            outstanding_mean: (measured_ns > 0).then(|| area as f64 / measured_ns as f64),
            stamped,
            stage_stamped,
            unstamped: None,
            unasked_certificate: false,
            served,
            denied,
            busy,
            costs: gathered.costs,
            kernel,
            pool,
            destinations: destinations.all().to_vec(),
            interrupted: gathered.interrupted,
            cpus: cpus.into_iter().collect(),
            surroundings: gathered.surroundings,
        }
    }
}
