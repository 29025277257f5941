//! The generator threads and the channels to them: [`Threads`].

use std::any::Any;
use std::io;
use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread::JoinHandle;
use std::time::Duration;

use echo_net::pin;
use echo_net::reactor::Reactor;
use echo_net::reactor::epoll::EpollReactor;
use echo_net::reactor::uring::UringReactor;
use echo_net::settings::CpuList;
use echo_net::stop::{Stage, Stop};

use super::Peer;
use super::pulse::{BEAT, Pulse};
use super::rig::Workload;
use super::rig::{Assignment, Rig, Setup, ThreadRecord};
use super::timeline::Timeline;
use super::workload::{self, Runner};
use crate::plan::{EngineKind, Plan};
use crate::record::Interval;

/// Bytes that one read of a thread may bring.
const READ_BUFFER: usize = 64 * 1024;

/// Why the generator's threads did not do their work.
#[derive(Debug, thiserror::Error)]
pub enum ThreadError {
    /// One of them can't be started.
    #[error(
        "can't start generator thread {number} of {threads}: {reason} (use fewer --threads, or \
         raise the process limit, ulimit -u, or pids.max of the cgroup)"
    )]
    Start {
        /// Which, from 1.
        number: u32,
        /// How many the plan wants.
        threads: u32,
        /// The kernel's error.
        reason: io::Error,
    },
    /// One of them panicked, which is a bug; the run is worth nothing.
    #[error("a generator thread panicked: {0}")]
    Panicked(String),
    /// One of them failed.
    #[error("running a generator thread")]
    Failed(#[from] io::Error),
}

/// See the [module](self).
pub(super) struct Threads {
    handles: Vec<JoinHandle<io::Result<Option<ThreadRecord>>>>,
    setups: Receiver<io::Result<Setup>>,
    starts: Vec<Sender<Timeline>>,
    pieces: Receiver<Interval>,
}

impl Threads {
    /// Starts them; each makes its connections.
    pub(super) fn start(
        plan: &Arc<Plan>,
        peer: &Peer,
        stop: &Stop,
        pulses: &[Arc<Pulse>],
    ) -> Result<Self, ThreadError> {
        Self::start_each(plan, peer, stop, pulses, Thread::work)
    }

    /// The same with what each of them does.
    fn start_each(
        plan: &Arc<Plan>,
        peer: &Peer,
        stop: &Stop,
        pulses: &[Arc<Pulse>],
        work: fn(Thread) -> io::Result<Option<ThreadRecord>>,
    ) -> Result<Self, ThreadError> {
        let assignment = Assignment {
            messages: Arc::new(plan.messages.texts(plan.seed, plan.verify)),
            plan: Arc::clone(plan),
            peer: peer.clone(),
            stop: stop.clone(),
            proven: Arc::default(),
        };
        let (setup_sender, setups) = mpsc::channel();
        let (piece_sender, pieces) = mpsc::channel();
        let mut all = Self { handles: Vec::new(), setups, starts: Vec::new(), pieces };
        for (number, pulse) in (0..plan.threads).zip(pulses) {
            let sender = piece_sender.clone();
            // The gatherer outlives the threads but for a run that failed anyway.
            let finished = Box::new(move |piece| drop(sender.send(piece)));
            let (start, starts) = mpsc::channel();
            all.starts.push(start);
            let thread = Thread {
                number,
                assignment: assignment.clone(),
                finished,
                setups: setup_sender.clone(),
                starts,
                pulse: Arc::clone(pulse),
            };
            let builder = std::thread::Builder::new().name(format!("generator-{number}"));
            let guard = PanicGuard(stop.clone());
            let started = builder.spawn(move || {
                let _guard = guard;
                work(thread)
            });
            match started {
                Ok(handle) => all.handles.push(handle),
                Err(reason) => {
                    // Those that were started must not go on connecting.
                    stop.advance(Stage::Forced);
                    let (number, threads) = (number + 1, plan.threads);
                    return Err(ThreadError::Start { number, threads, reason });
                }
            }
        }
        Ok(all)
    }

    /// Waits until all have made their connections, and calls `beat` now and then.
    pub(super) fn setup(
        &mut self,
        stop: &Stop,
        beat: &mut dyn FnMut(),
    ) -> Result<Setup, ThreadError> {
        let mut all = Setup::default();
        let mut missing = self.handles.len();
        while missing > 0 {
            let made = match self.setups.recv_timeout(Duration::from_nanos(BEAT)) {
                Ok(made) => made,
                Err(RecvTimeoutError::Timeout) => {
                    beat();
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => {
                    // All are gone or wait for a start that does not come.
                    self.starts.clear();
                    let mut ended = std::mem::take(&mut self.handles).into_iter();
                    let panic = ended.find_map(|handle| handle.join().err());
                    return Err(ThreadError::Panicked(
                        panic.map_or_else(String::new, |payload| cause_of(&*payload)),
                    ));
                }
            };
            missing -= 1;
            match made {
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

    /// Has them put the load on.
    pub(super) fn begin(&mut self, timeline: &Timeline) {
        for start in self.starts.drain(..) {
            // A thread that is gone says why when it is joined.
            let _ = start.send(timeline.clone());
        }
    }

    /// What they measure, piece by piece; it ends when they have all ended.
    pub(super) fn pieces(&self) -> &Receiver<Interval> {
        &self.pieces
    }

    /// Waits for their end.
    pub(super) fn join(self) -> Result<Vec<ThreadRecord>, ThreadError> {
        let mut records = Vec::new();
        for handle in self.handles {
            let panicked =
                |payload: Box<dyn Any + Send>| ThreadError::Panicked(cause_of(&*payload));
            records.extend(handle.join().map_err(panicked)??);
        }
        Ok(records)
    }
}

/// One of them.
struct Thread {
    number: u32,
    assignment: Assignment,
    finished: Box<dyn FnMut(Interval) + Send>,
    setups: Sender<io::Result<Setup>>,
    starts: Receiver<Timeline>,
    pulse: Arc<Pulse>,
}

impl Thread {
    fn work(self) -> io::Result<Option<ThreadRecord>> {
        // The default slack of 50 us would be added to every sleep.
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        match self.assignment.plan.engine {
            EngineKind::Epoll => {
                let reactor = self.pin().and_then(|()| EpollReactor::new(READ_BUFFER));
                self.work_on(reactor)
            }
            EngineKind::Uring => {
                let new = || UringReactor::new(READ_BUFFER).map_err(io::Error::from);
                let reactor = self.pin().and_then(|()| new());
                self.work_on(reactor)
            }
        }
    }

    /// Sets the affinity, before memory is taken: it should lie near the CPU.
    fn pin(&self) -> io::Result<()> {
        let cpus = self.assignment.plan.pin.cpus_of(self.number);
        let Some(list) = CpuList::new(cpus) else { return Ok(()) };
        pin::pin_thread(cpus).map_err(|reason| {
            io::Error::new(reason.kind(), format!("--pin: CPU {list}: {reason}"))
        })
    }

    fn work_on<R: Reactor>(self, reactor: io::Result<R>) -> io::Result<Option<ThreadRecord>> {
        let reactor = match reactor {
            Ok(reactor) => reactor,
            Err(error) => {
                // Whoever has hung up needs no reason.
                let _ = self.setups.send(Err(error));
                return Ok(None);
            }
        };
        let plan = Arc::clone(&self.assignment.plan);
        workload::run_part(&plan, self.number, OnThread { thread: self, reactor })
    }

    fn load<R: Reactor>(
        self,
        mut reactor: R,
        workload: impl Workload<R>,
        links: impl Iterator<Item = u32>,
    ) -> io::Result<Option<ThreadRecord>> {
        let Self { assignment, finished, setups, starts, pulse, .. } = self;
        let mut rig = Rig::new(assignment, workload, links, finished);
        rig.show_on(pulse);
        let setup = rig.connect_all(&mut reactor);
        let failed = setup.is_err();
        if setups.send(setup).is_err() || failed {
            return Ok(None);
        }
        // Whoever waits for the others' must see when the last of them is gone.
        drop(setups);
        match starts.recv() {
            Ok(timeline) => rig.run(&mut reactor, timeline).map(Some),
            Err(_) => Ok(None),
        }
    }
}

/// Forces the stop when a thread panics: the others would measure a part of the load.
struct PanicGuard(Stop);

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.advance(Stage::Forced);
        }
    }
}

/// What a thread panicked with, in words.
fn cause_of(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default()
}

/// A thread and its reactor.
struct OnThread<R> {
    thread: Thread,
    reactor: R,
}

impl<R: Reactor> Runner<R> for OnThread<R> {
    type Output = io::Result<Option<ThreadRecord>>;

    fn run(self, workload: impl Workload<R>, links: impl Iterator<Item = u32>) -> Self::Output {
        self.thread.load(self.reactor, workload, links)
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use echo_net::clock::{self, SECOND};

    use super::*;
    use crate::plan::StopRule;
    use crate::plan::tests::plan_with;

    #[test]
    fn a_thread_that_panics_before_the_load_ends_the_run() {
        let (setup_sender, setups) = mpsc::channel::<io::Result<Setup>>();
        let (_, pieces) = mpsc::channel();
        let (start, starts) = mpsc::channel::<Timeline>();
        let (dying, living) = (setup_sender.clone(), setup_sender);
        let panics = std::thread::spawn(move || {
            let _held = dying;
            panic!("on purpose, in a test");
        });
        let waits = std::thread::spawn(move || {
            living.send(Ok(Setup::default())).unwrap();
            drop(living);
            let _ = starts.recv();
            Ok(None)
        });
        let handles = vec![panics, waits];
        let mut threads = Threads { handles, setups, starts: vec![start], pieces };
        let failed = threads.setup(&Stop::new(), &mut || {}).unwrap_err().to_string();
        assert_eq!(failed, "a generator thread panicked: on purpose, in a test");
    }

    #[test]
    fn a_thread_that_panics_under_load_stops_the_others_and_its_cause_is_told() {
        let minute = StopRule::Duration { duration_ns: 60 * SECOND };
        let plan = Arc::new(plan_with(|plan| (plan.threads, plan.stop) = (2, minute)));
        // The backlog takes the connection, which is never answered.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let peer = Peer { addresses: vec![address.parse().unwrap()], ..Peer::default() };
        let (stop, pulses) = (Stop::new(), [(); 2].map(|()| Arc::new(Pulse::default())));
        let panic_as_the_first = |thread: Thread| {
            if thread.number > 0 {
                return thread.work();
            }
            thread.setups.send(Ok(Setup::default())).unwrap();
            thread.starts.recv().unwrap();
            panic!("on purpose, in a {}", "test");
        };
        let mut threads =
            Threads::start_each(&plan, &peer, &stop, &pulses, panic_as_the_first).unwrap();
        assert_eq!(threads.setup(&stop, &mut || {}).unwrap().established, 1);
        let begin = clock::now();
        threads.begin(&Timeline::new(&plan, begin));
        let failed = threads.join().err().unwrap();
        assert_eq!(failed.to_string(), "a generator thread panicked: on purpose, in a test");
        assert_eq!(stop.stage(), Stage::Forced);
        assert!(clock::now() - begin < 30 * SECOND, "the other one measured to its end");
    }
}
