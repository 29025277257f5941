//! Carries out a plan: [`run`] starts the workers, gives them one timeline, samples what
//! both sides cost, and gathers the intervals. The only module that opens sockets; it
//! judges nothing and prints nothing.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::JoinHandle;

use echo_net::Nanos;
use echo_net::clock::{self, MILLISECOND};
use echo_net::destinations::{Destination, Destinations};
use echo_net::reactor::Reactor;
use echo_net::reactor::epoll::EpollReactor;
use echo_net::reactor::uring::{Unavailable, UringReactor};
use echo_net::stop::{Stage, Stop};
use echo_net::tls::Fault;

use crate::messages::Messages;
use crate::plan::{EngineKind, MessagePlan, Plan};
use crate::record::{Interval, Latency, Packed};

mod busy_clock;
mod chat;
mod connection;
mod demand;
mod dial_rate;
mod draining;
mod gather;
mod handshakes;
mod in_flight;
mod kernel_facts;
mod loss;
mod misdirected;
mod occupancy;
mod pool;
#[cfg(test)]
mod simulation;
mod timeline;
mod unsealing;
mod waiting;
mod worker;

use chat::ChatWorker;
pub use gather::{CostSample, IntervalRecord};
use gather::{Gathered, Watch};
pub use handshakes::{Handshakes, PeerTls};
pub use kernel_facts::KernelFacts;
pub use misdirected::Misdirected;
pub use pool::PoolFacts;
use pool::PoolWorker;
use timeline::Timeline;
use worker::{Outcome, Setup, Worker};

/// Bytes that one read of a worker may bring.
const READ_BUFFER: usize = 64 * 1024;

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
    fn connected(&mut self, connected: &Connected<'_>);
    /// An interval is whole.
    fn interval(&mut self, interval: &Interval);
}

/// The connections that a load begins with.
#[derive(Debug, Clone, Copy)]
pub struct Connected<'a> {
    /// How many were made.
    pub established: u32,
    /// From the first attempt until all were made or had failed.
    pub phase_ns: Nanos,
    /// Time to make each.
    pub connect: &'a Latency,
    /// Their TLS handshakes.
    pub handshakes: &'a Handshakes,
}

/// Everything that was measured; raw, so that the report can be made from it alone.
#[derive(Debug, Default)]
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
    /// When the measured window began.
    pub window_start: Nanos,
    /// Length of the measured window.
    pub measured_ns: Nanos,
    /// From the window's start until its end, or until what was left of a number of requests
    /// was given up.
    pub load_ns: Nanos,
    /// From the window's start to the last right reply, within the load.
    pub last_reply_ns: Option<Nanos>,
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
    pub pool: Option<PoolFacts>,
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
    Misdirected(Misdirected),
    /// A signal came before any load.
    #[error(
        "interrupted before the load began: {established} of {wanted} connections were made; \
         nothing was measured, so there is no report"
    )]
    Interrupted {
        /// Connections that were made.
        established: u32,
        /// Connections that the plan wants.
        wanted: u32,
    },
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
    let mut crew = Crew::hire(plan, peer, stop)?;
    let setup = crew.setup(stop)?;
    let connect_phase_ns = clock::now() - begin;
    if let Some(seen) = setup.misdirected {
        return Err(EngineError::Misdirected(seen));
    }
    if stop.stage() > Stage::Running {
        let (established, wanted) = (setup.established, plan.connections_at_start());
        return Err(EngineError::Interrupted { established, wanted });
    }
    if setup.established == 0 {
        return Err(no_connection(&peer.addresses, setup.failure));
    }
    observer.connected(&Connected {
        established: setup.established,
        phase_ns: connect_phase_ns,
        connect: &setup.connect,
        handshakes: &setup.handshakes,
    });
    let timeline = Timeline::new(plan, clock::now() + 2 * MILLISECOND);
    crew.start(&timeline);
    let watch = Watch::new(plan, peer.pid, timeline, stop);
    let gathered = watch.until_done(&crew.pieces, observer);
    let outcomes = crew.join()?;
    if let Some(seen) = outcomes.iter().find_map(|outcome| outcome.misdirected) {
        return Err(EngineError::Misdirected(seen));
    }
    Ok(RunRecord::new(setup, connect_phase_ns, gathered, outcomes))
}

fn no_connection(addresses: &[SocketAddr], reason: Option<io::Error>) -> EngineError {
    let reason = reason.unwrap_or_else(|| io::ErrorKind::NotConnected.into());
    let fault = reason.get_ref().and_then(|reason| reason.downcast_ref());
    let hint = match (reason.kind(), fault) {
        (io::ErrorKind::ConnectionRefused, _) => {
            " (is a server running there? leave --target out to start one)"
        }
        (io::ErrorKind::AddrNotAvailable, _) => {
            " (is --source-ip an address of this machine, and is a local port free? see \
             net.ipv4.ip_local_port_range)"
        }
        (_, Some(Fault::NotTls | Fault::Unfinished)) => {
            " (does the server speak TLS? if not, leave --tls out)"
        }
        (_, Some(Fault::WrongName { .. })) => " (expect another name with --server-name)",
        _ => "",
    };
    let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
    EngineError::NoConnection { addresses: addresses.join(", "), reason, hint }
}

/// The worker threads and the channels to them.
struct Crew {
    threads: Vec<JoinHandle<io::Result<Option<Outcome>>>>,
    setups: Receiver<io::Result<Setup>>,
    starts: Vec<Sender<Timeline>>,
    pieces: Receiver<Interval>,
}

impl Crew {
    fn hire(plan: &Arc<Plan>, peer: &Peer, stop: &Stop) -> io::Result<Self> {
        let messages = Arc::new(messages(plan));
        let (setup_sender, setups) = mpsc::channel();
        let (piece_sender, pieces) = mpsc::channel();
        let mut crew = Self { threads: Vec::new(), setups, starts: Vec::new(), pieces };
        for thread in 0..plan.threads {
            let sender = piece_sender.clone();
            // The gatherer outlives the workers but for a run that failed anyway.
            let finished = Box::new(move |piece| drop(sender.send(piece)));
            let (plan, messages) = (Arc::clone(plan), Arc::clone(&messages));
            let (peer, stop) = (peer.clone(), stop.clone());
            let setups = setup_sender.clone();
            let (start, starts) = mpsc::channel();
            crew.starts.push(start);
            let engine = plan.engine;
            let builder = std::thread::Builder::new().name(format!("generator-{thread}"));
            crew.threads.push(if let Some(pool) = plan.pool {
                let worker = PoolWorker { plan, pool, messages, peer, stop, finished };
                builder.spawn(move || worker.work(&setups, &starts))?
            } else if plan.chat.is_some() {
                let worker = ChatWorker::new(plan, messages, peer, stop, finished);
                builder.spawn(move || work(engine, worker, &setups, &starts))?
            } else {
                let numbers = (thread..plan.connections).step_by(plan.threads as usize);
                let worker = Worker::new(plan, messages, peer, stop, numbers, finished);
                builder.spawn(move || work(engine, worker, &setups, &starts))?
            });
        }
        Ok(crew)
    }

    /// Waits until all workers have made their connections.
    fn setup(&mut self, stop: &Stop) -> Result<Setup, EngineError> {
        let mut all = Setup::default();
        for _ in 0..self.threads.len() {
            let Ok(setup) = self.setups.recv() else { break };
            match setup {
                Ok(setup) => {
                    all.established += setup.established;
                    all.connect += &setup.connect;
                    all.handshakes += &setup.handshakes;
                    all.failure = all.failure.or(setup.failure);
                    all.misdirected = all.misdirected.or(setup.misdirected);
                }
                Err(error) => {
                    stop.advance(Stage::Forced);
                    return Err(error.into());
                }
            }
        }
        Ok(all)
    }

    fn start(&mut self, timeline: &Timeline) {
        for start in self.starts.drain(..) {
            // A worker that is gone says why when it is joined.
            let _ = start.send(timeline.clone());
        }
    }

    fn join(self) -> io::Result<Vec<Outcome>> {
        let mut outcomes = Vec::new();
        for thread in self.threads {
            let outcome = thread
                .join()
                .map_err(|_| io::Error::other("a generator thread panicked"))??;
            outcomes.extend(outcome);
        }
        Ok(outcomes)
    }
}

/// What a worker thread does.
trait Labour {
    /// Makes all connections, as far as they can be made.
    fn connect_all<R: Reactor>(&mut self, reactor: &mut R) -> io::Result<Setup>;

    /// Puts the load on, until the window has ended and is drained.
    fn run<R: Reactor>(&mut self, reactor: &mut R, timeline: Timeline) -> io::Result<Outcome>;
}

/// The life of a worker thread.
fn work(
    engine: EngineKind,
    worker: impl Labour,
    setups: &Sender<io::Result<Setup>>,
    starts: &Receiver<Timeline>,
) -> io::Result<Option<Outcome>> {
    // The default slack of 50 us would be added to every sleep.
    let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
    match engine {
        EngineKind::Epoll => work_on(EpollReactor::new(READ_BUFFER), worker, setups, starts),
        EngineKind::Uring => {
            let reactor = UringReactor::new(READ_BUFFER).map_err(io::Error::from);
            work_on(reactor, worker, setups, starts)
        }
    }
}

fn work_on<R: Reactor>(
    reactor: io::Result<R>,
    mut worker: impl Labour,
    setups: &Sender<io::Result<Setup>>,
    starts: &Receiver<Timeline>,
) -> io::Result<Option<Outcome>> {
    let mut reactor = match reactor {
        Ok(reactor) => reactor,
        Err(error) => {
            // A crew that has hung up needs no reason.
            let _ = setups.send(Err(error));
            return Ok(None);
        }
    };
    let setup = worker.connect_all(&mut reactor);
    let failed = setup.is_err();
    if setups.send(setup).is_err() || failed {
        return Ok(None);
    }
    match starts.recv() {
        Ok(timeline) => worker.run(&mut reactor, timeline).map(Some),
        Err(_) => Ok(None),
    }
}

fn messages(plan: &Plan) -> Messages {
    match &plan.messages {
        MessagePlan::Generated { min_bytes, max_bytes } => {
            Messages::generated(*min_bytes, *max_bytes, plan.seed, plan.verify)
        }
        MessagePlan::Given { texts, .. } => Messages::given(
            texts.iter().map(|text| text.as_bytes().to_vec()).collect(),
            plan.verify,
        ),
    }
}

impl RunRecord {
    fn new(
        setup: Setup,
        connect_phase_ns: Nanos,
        gathered: Gathered,
        outcomes: Vec<Outcome>,
    ) -> Self {
        let last_answer = outcomes.iter().filter_map(|outcome| outcome.last_answer).max();
        let end = match gathered.window_end {
            Nanos::MAX => last_answer.unwrap_or(gathered.window_start),
            end => end,
        };
        let since_start = |at: Nanos| at.saturating_sub(gathered.window_start);
        let measured_ns = since_start(end);
        let load_ns = since_start(gathered.window_end.min(gathered.ended_at));
        let last_reply_ns = last_answer.map(|at| since_start(at).min(load_ns));
        let area: u128 = outcomes.iter().map(|outcome| outcome.outstanding_area).sum();
        let mut kernel = KernelFacts::default();
        let (mut connect, mut handshakes) = (setup.connect, setup.handshakes);
        let (mut pool, mut destinations) = (None, Destinations::default());
        let (mut alive_at_end, mut reconnects, mut busy) = (0, 0, Vec::new());
        for outcome in outcomes {
            alive_at_end += outcome.alive_at_end;
            reconnects += outcome.reconnects;
            connect += &outcome.connect;
            handshakes += &outcome.handshakes;
            pool = pool.or(outcome.pool);
            destinations += &outcome.destinations;
            busy.push(outcome.busy);
            kernel += outcome.kernel;
        }
        Self {
            established: setup.established,
            connect,
            handshakes,
            connect_phase_ns,
            alive_at_end,
            reconnects,
            window_start: gathered.window_start,
            measured_ns,
            load_ns,
            last_reply_ns,
            total: gathered.total,
            intervals: gathered.intervals,
            pieces: gathered.pieces,
            outstanding_mean: (measured_ns > 0).then(|| area as f64 / measured_ns as f64),
            busy,
            costs: gathered.costs,
            kernel,
            pool,
            destinations: destinations.all().to_vec(),
            interrupted: gathered.interrupted,
        }
    }
}
