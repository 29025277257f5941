//! The server on a simulated network: [`SimulatedServer`], the event loops of the real one,
//! which are run step by step at the network's time. For tests.

use std::cell::Cell;
use std::fmt;
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use echo_net::reactor::network::{Network, NetworkReactor, Refusals};
use echo_net::stop::{Stage, Stop};
use echo_net::{Nanos, clock};

use super::event_loop::{EventLoop, Handoff};
use crate::config::Config;
use crate::context::Context;
use crate::counters::{Served, WorkerSoFar};
use crate::occupied::Sharing;
use crate::session::NEVER;

/// How often workers may have something to do at one instant.
const MOST_ROUNDS: u32 = 100_000;

/// See the [module](self).
pub struct SimulatedServer<'a> {
    context: &'a Context,
    network: Network,
    workers: Vec<Worker<'a>>,
    /// When a graceful stop is forced.
    drained_by: Nanos,
}

struct Worker<'a> {
    /// Gone when it has ended.
    event_loop: Option<EventLoop<'a>>,
    reactor: NetworkReactor<'a>,
}

impl fmt::Debug for SimulatedServer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SimulatedServer")
            .field("context", &self.context)
            .finish_non_exhaustive()
    }
}

/// Starts a server on `network` and calls `run` with it. `acceptors` of its workers accept
/// connections. The model of `config` is ignored, and so are options of sockets that the
/// network does not have.
///
/// # Errors
/// When descriptors have run out.
pub fn simulate<T>(
    network: &Network,
    config: Config,
    acceptors: usize,
    stop: &Stop,
    run: impl FnOnce(SimulatedServer<'_>) -> T,
) -> io::Result<T> {
    let limit = config.max_conns.unwrap_or(u64::MAX);
    let context = Context::new(config, stop, limit, Sharing::default());
    let acceptors = acceptors.clamp(1, context.config.workers);
    let handoff = Handoff::new(context.config.workers, acceptors);
    let refused = Rc::new(Cell::new(0));
    let mut workers = Vec::new();
    for number in 0..context.config.workers {
        let refusals = refusals(&context, &refused);
        let mut reactor = NetworkReactor::new(network)?.with_refusals(refusals);
        let listening = number < acceptors;
        let event_loop = EventLoop::new(number, listening, &handoff, &context, &reactor);
        if listening {
            reactor.accept_connections();
        }
        workers.push(Worker { event_loop: Some(event_loop), reactor });
    }
    let (network, context) = (network.clone(), &context);
    Ok(run(SimulatedServer { context, network, workers, drained_by: NEVER }))
}

/// What admission wrote to the sockets that it refused.
fn refusals<'a>(context: &Context, known: &Rc<Cell<u64>>) -> Refusals<'a> {
    let (admission, known) = (Arc::clone(&context.admission), Rc::clone(known));
    Box::new(move || {
        let refused = admission.refused();
        (known.replace(refused) < refused).then(|| admission.refusal().to_vec())
    })
}

impl SimulatedServer<'_> {
    /// Does all that is to be done at the network's present time, and returns when there is
    /// more to do although nothing arrives; `None` for never.
    ///
    /// # Errors
    /// Those of the workers, and when they have work without end.
    pub fn step(&mut self) -> io::Result<Option<Nanos>> {
        self.force_late();
        for _ in 0..MOST_ROUNDS {
            for worker in &mut self.workers {
                worker.step()?;
            }
            if !self.workers.iter().any(Worker::is_ready) {
                return Ok(self.deadline());
            }
        }
        Err(io::Error::other("the workers of the simulated server don't come to rest"))
    }

    /// As the drain timeout of a real server does.
    fn force_late(&mut self) {
        if self.context.stop.stage() == Stage::Draining {
            let now = self.network.now();
            let timeout = clock::nanos(self.context.config.drain_timeout);
            self.drained_by = self.drained_by.min(now.saturating_add(timeout));
            if now >= self.drained_by {
                self.context.stop.advance(Stage::Forced);
            }
        }
    }

    fn deadline(&self) -> Option<Nanos> {
        let running = self.workers.iter().filter_map(|worker| worker.event_loop.as_ref());
        let next = running.map(EventLoop::next_deadline).min()?;
        let is_draining = self.context.stop.stage() == Stage::Draining;
        let next = if is_draining { next.min(self.drained_by) } else { next };
        (next != NEVER).then_some(next)
    }

    /// Whether all workers have ended.
    pub fn has_ended(&self) -> bool {
        self.workers.iter().all(|worker| worker.event_loop.is_none())
    }

    /// Open connections.
    pub fn active(&self) -> u64 {
        self.context.admission.active()
    }

    /// Connections admitted so far.
    pub fn accepted(&self) -> u64 {
        self.context.admission.accepted()
    }

    /// Connections refused so far.
    pub fn refused(&self) -> u64 {
        self.context.admission.refused()
    }

    /// Connections aborted by a forced stop.
    pub fn cut(&self) -> u64 {
        self.context.admission.cut()
    }

    /// Messages and bytes so far.
    pub fn served(&self) -> Served {
        self.context.counters.workers().iter().sum::<WorkerSoFar>().served
    }
}

impl Worker<'_> {
    fn step(&mut self) -> io::Result<()> {
        let Some(event_loop) = &mut self.event_loop else { return Ok(()) };
        if event_loop.step(&mut self.reactor)? {
            event_loop.close_all(&mut self.reactor);
            event_loop.add_counts();
            self.event_loop = None;
            self.reactor.close_all();
        }
        Ok(())
    }

    fn is_ready(&self) -> bool {
        self.event_loop.is_some() && self.reactor.is_ready()
    }
}
