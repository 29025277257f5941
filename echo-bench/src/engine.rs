//! Carries out a plan: [`run`] starts the generator threads, gives them one timeline, samples
//! what both sides cost, and gathers the intervals. The only module that opens load sockets;
//! it judges nothing and prints nothing.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use echo_net::Nanos;
use echo_net::clock::{self, MILLISECOND};
use echo_net::reactor::uring::{Unavailable, UringReactor};
use echo_net::stop::{Stage, Stop};
use echo_net::tls::Fault;

use crate::plan::{EngineKind, Plan};
use crate::record::{Interval, Latency, Packed};

mod gather;
mod handshakes;
mod kernel_facts;
mod rig;
#[cfg(test)]
mod simulation;
mod threads;
mod timeline;
mod workload;

pub use echo_client::pool::PoolCounts;
pub use gather::{CostSample, IntervalRecord};
use gather::{Gathered, Watch};
pub use handshakes::{Handshakes, PeerTls};
pub use kernel_facts::KernelFacts;
use rig::{Setup, ThreadRecord};
use threads::Threads;
use timeline::Timeline;

/// Whom to load, looked up.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its addresses; connections take them in turn.
    pub addresses: Vec<SocketAddr>,
    /// Its process, where its cost can be read.
    pub pid: Option<u32>,
    /// How to speak TLS with it, if that is spoken.
    pub tls: Option<PeerTls>,
}

/// Hears how a run goes, while it goes.
pub trait Observer {
    /// The connections are made, as far as they can be.
    fn connected(&mut self, established: u32);
    /// An interval is whole.
    fn interval(&mut self, interval: &Interval);
}

/// Everything that was measured; raw, so that the report can be made from it alone.
#[derive(Debug)]
pub struct RunRecord {
    /// Connections that were made at set-up.
    pub established: u32,
    /// Time to make each connection, of set-up and of reconnects within it.
    pub connect: Latency,
    /// TLS handshakes, of set-up and of reconnects.
    pub handshakes: Handshakes,
    /// From the first attempt until all connections were made or had failed.
    pub connect_phase_ns: Nanos,
    /// Connections that lived at the end.
    pub alive_at_end: u32,
    /// Connections made again during the load.
    pub reconnects: u64,
    /// Length of the measured window.
    pub measured_ns: Nanos,
    /// The whole window.
    pub total: Interval,
    /// The window's intervals, in order.
    pub intervals: Vec<IntervalRecord>,
    /// Response latencies of the pieces that the window was cut into, in order.
    pub pieces: Vec<Packed>,
    /// Mean number of requests between write and reply within the window, counted apart
    /// from the latency clocks.
    pub outstanding_mean: Option<f64>,
    /// Share of the window that each worker was busy, where known.
    pub busy: Vec<Option<f64>>,
    /// At the window's start, at every interval's end, and at the window's end.
    pub costs: Vec<CostSample>,
    /// What the kernel knew at the end.
    pub kernel: KernelFacts,
    /// What became of the connections of a pool, if there was one.
    pub pool: Option<PoolCounts>,
    /// Whether the run was cut short by a signal.
    pub interrupted: bool,
}

/// Why a run could not be carried out.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// Not one connection could be made.
    #[error("connecting to {address}: {reason}{hint}")]
    NoConnection {
        /// The peer.
        address: SocketAddr,
        /// Why the first one failed.
        reason: io::Error,
        /// What to do about it.
        hint: &'static str,
    },
    /// A signal came before any load.
    #[error("interrupted before the load began")]
    Interrupted,
    /// This machine has not what the engine needs.
    #[error("--engine {engine} can't be had on this machine (try --engine epoll)")]
    Unavailable {
        /// The engine.
        engine: EngineKind,
        /// What is missing.
        #[source]
        reason: Unavailable,
    },
    /// The generator itself failed.
    #[error("running a generator thread")]
    Worker(#[from] io::Error),
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
    let begin = clock::now();
    let mut threads = Threads::start(plan, peer, stop)?;
    let setup = threads.setup(stop)?;
    let connect_phase_ns = clock::now() - begin;
    if stop.stage() > Stage::Running {
        return Err(EngineError::Interrupted);
    }
    if setup.established == 0 {
        return Err(no_connection(peer.addresses[0], setup.failure));
    }
    observer.connected(setup.established);
    let timeline = Timeline::new(plan, clock::now() + 2 * MILLISECOND);
    threads.begin(&timeline);
    let watch = Watch::new(plan, peer.pid, timeline, stop);
    let gathered = watch.until_done(threads.pieces(), observer);
    let records = threads.join()?;
    Ok(RunRecord::new(setup, connect_phase_ns, gathered, records))
}

fn no_connection(address: SocketAddr, reason: Option<io::Error>) -> EngineError {
    let reason = reason.unwrap_or_else(|| io::ErrorKind::NotConnected.into());
    let fault = reason.get_ref().and_then(|reason| reason.downcast_ref());
    let hint = match (reason.kind(), fault) {
        (io::ErrorKind::ConnectionRefused, _) => {
            " (is a server running there? leave --target out to start one)"
        }
        (_, Some(Fault::NotTls | Fault::Unfinished)) => {
            " (does the server speak TLS? if not, leave --tls out)"
        }
        (_, Some(Fault::WrongName { .. })) => " (expect another name with --server-name)",
        _ => "",
    };
    EngineError::NoConnection { address, reason, hint }
}

impl RunRecord {
    fn new(
        setup: Setup,
        connect_phase_ns: Nanos,
        gathered: Gathered,
        records: Vec<ThreadRecord>,
    ) -> Self {
        let last_answer = records.iter().filter_map(|record| record.last_answer).max();
        let end = match gathered.window_end {
            Nanos::MAX => last_answer.unwrap_or(gathered.window_start),
            end => end,
        };
        let measured_ns = end.saturating_sub(gathered.window_start);
        let area: u128 = records.iter().map(|record| record.outstanding_area).sum();
        let mut kernel = KernelFacts::default();
        let (mut connect, mut handshakes) = (setup.connect, setup.handshakes);
        let mut pool: Option<PoolCounts> = None;
        let (mut alive_at_end, mut reconnects, mut busy) = (0, 0, Vec::new());
        for record in records {
            alive_at_end += record.alive_at_end;
            reconnects += record.reconnects;
            connect += &record.connect;
            handshakes += &record.handshakes;
            busy.push(record.busy);
            kernel += record.kernel;
            if let Some(counts) = record.pool {
                *pool.get_or_insert_default() += counts;
            }
        }
        Self {
            established: setup.established,
            connect,
            handshakes,
            connect_phase_ns,
            alive_at_end,
            reconnects,
            measured_ns,
            total: gathered.total,
            intervals: gathered.intervals,
            pieces: gathered.pieces,
            outstanding_mean: (measured_ns > 0).then(|| area as f64 / measured_ns as f64),
            busy,
            costs: gathered.costs,
            kernel,
            pool,
            interrupted: gathered.interrupted,
        }
    }
}
