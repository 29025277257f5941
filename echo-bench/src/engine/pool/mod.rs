//! Requests through a pool of connections: [`PoolWorker`]. Each of the plan's connections is
//! a caller here, who has one request at a time, and gets a connection for it from the pool
//! of `echo_client`, or a new one each time.
//!
//! The wait for a connection is part of every response time: a caller intends its request
//! when it calls (closed loop) or when the schedule says so (open loop), and not when it has
//! got a connection at last. Requests due are waited for with timers of the kernel, and not
//! with those of the runtime, which are rounded to a millisecond.
//!
//! All callers share one thread, as they share the pool.

mod books;
mod caller;
mod source;

use std::cell::RefCell;
use std::io;
use std::num::NonZeroU64;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender};
use std::time::Duration;

use echo_client::pool::Discarded;
use echo_net::clock;
use echo_net::stop::{Stage, Stop};
use tokio::task::{JoinSet, LocalSet};

use self::books::Books;
use self::caller::Caller;
use self::source::Source;
use super::Peer;
use super::busy_clock::BusyClock;
use super::draining::Draining;
use super::timeline::Timeline;
use super::worker::{DIALLING, Outcome, Setup};
use crate::messages::Messages;
use crate::plan::{Plan, PoolPlan};
use crate::record::Interval;

/// How often the stop latch and the boundaries of intervals are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// What became of the connections, set-up and warm-up included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolFacts {
    /// Made.
    pub created: u64,
    /// Given out again after they had been used.
    pub reused: u64,
    /// Not used again, by cause.
    pub discarded: Discarded,
    /// Could not be made.
    pub connect_failures: u64,
    /// Callers who got none in time.
    pub wait_timeouts: u64,
}

/// See the [module](self).
pub(super) struct PoolWorker {
    pub(super) plan: Arc<Plan>,
    pub(super) pool: PoolPlan,
    pub(super) messages: Arc<Messages>,
    pub(super) peer: Peer,
    pub(super) stop: Stop,
    /// Takes finished intervals.
    pub(super) finished: Box<dyn FnMut(Interval) + Send>,
}

impl PoolWorker {
    /// The life of the thread.
    pub(super) fn work(
        self,
        setups: &Sender<io::Result<Setup>>,
        starts: &Receiver<Timeline>,
    ) -> io::Result<Option<Outcome>> {
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = match built {
            Ok(runtime) => runtime,
            Err(error) => {
                // A crew that has hung up needs no reason.
                let _ = setups.send(Err(error));
                return Ok(None);
            }
        };
        let source = {
            let _guard = runtime.enter();
            Source::new(&self.plan, self.pool, &self.peer)
        };
        let most = self.pool.connections_of(self.plan.connections);
        let setup = runtime.block_on(prepare(&source, most, &self.stop));
        if setups.send(Ok(setup)).is_err() {
            return Ok(None);
        }
        match starts.recv() {
            Ok(timeline) => runtime.block_on(self.run(source, timeline)).map(Some),
            Err(_) => Ok(None),
        }
    }

    async fn run(self, source: Source, timeline: Timeline) -> io::Result<Outcome> {
        let Self { plan, messages, stop, finished, .. } = self;
        let source = Rc::new(source);
        source.begin();
        let books = Rc::new(RefCell::new(Books::new(&plan, timeline.clone(), finished)));
        let (local, mut callers) = (LocalSet::new(), JoinSet::new());
        for number in 0..plan.connections {
            let (source, books) = (Rc::clone(&source), Rc::clone(&books));
            let caller = Caller::new(number, &plan, &messages, source, books, &timeline)?;
            callers.spawn_local_on(caller.work(), &local);
        }
        let mut busy = BusyClock::default();
        let failed = local
            .run_until(async {
                let draining = Draining::new(stop, plan.drain_ns);
                let watching = watch(draining, &timeline, &books, &mut busy);
                tokio::select! {
                    failed = first_failure(&mut callers) => failed,
                    () = watching => Ok(()),
                }
            })
            .await;
        callers.abort_all();
        // What was aborted lets go of its connection when it is dropped.
        drop((callers, local));
        failed?;
        let now = clock::now();
        // In this order: to look at a connection is to use it.
        let (facts, kernel) = (source.facts(), source.kernel().await);
        let destinations = source.destinations();
        let mut books = books.borrow_mut();
        books.tend(now);
        busy.observe(now, 0, &books.window());
        Ok(Outcome { destinations, ..books.conclude(now, &busy, facts, kernel) })
    }
}

/// Until every caller has ended, or the first one that could not go on.
async fn first_failure(callers: &mut JoinSet<io::Result<()>>) -> io::Result<()> {
    while let Some(ended) = callers.join_next().await {
        ended.map_err(|_| io::Error::other("a caller panicked"))??;
    }
    Ok(())
}

/// Returns when the drain has ended; until then, closes intervals in time.
async fn watch(
    mut draining: Draining,
    timeline: &Timeline,
    books: &RefCell<Books>,
    busy: &mut BusyClock,
) {
    loop {
        let now = clock::now();
        draining.look(now, timeline);
        let window = {
            let mut books = books.borrow_mut();
            books.tend(now);
            books.window()
        };
        busy.observe(now, 0, &window);
        if books.borrow().is_misdirected() {
            draining.stop().advance(Stage::Forced);
            continue;
        }
        // Callers end by themselves: while one is left, it waits for something.
        if now >= window.end && draining.is_over(now, timeline, || true) {
            return;
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Makes the connections that the pool will hold, or one to see whether there is a server.
async fn prepare(source: &Source, most: u32, stop: &Stop) -> Setup {
    let mut setup = Setup::default();
    let mut held = Vec::new();
    while setup.established < most && stop.stage() == Stage::Running {
        let batch = (most - setup.established).min(DIALLING as u32);
        for made in source.some(batch).await {
            match made {
                Ok(loan) => {
                    setup.established += 1;
                    setup.connect.record(clock::nanos(loan.connected_in()));
                    setup.handshakes.add(&loan);
                    held.push(loan);
                }
                Err(error) => setup.failure = setup.failure.or(Some(source::io_error(error))),
            }
        }
        if setup.failure.is_some() {
            break;
        }
    }
    setup
}
