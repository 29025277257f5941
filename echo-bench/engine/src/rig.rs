//! What every load needs, whatever is asked: [`Rig`], one per generator thread. It owns the
//! thread's connections ([`wire`]), the edges of the run ([`window`]), the endings of requests
//! ([`ledger`]) and the schedule ([`pace`]), and lends them to its [`Workload`], which alone
//! says what is asked and what an arrival means. Threads share little while they run: the
//! timeline, the channel for finished intervals, and whether the server was seen to speak the
//! protocol.

use std::io;
use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use echo_client::pool::PoolCounts;
use echo_net::Nanos;
use echo_net::clock::MILLISECOND;
use echo_net::destinations::Destinations;
use echo_net::reactor::Reactor;
use echo_net::stop::Stop;

use super::Peer;
use super::handshakes::Handshakes;
use super::kernel_facts::KernelFacts;
use super::pulse::Pulse;
use super::timeline::Timeline;
use crate::messages::Messages;
use crate::plan::Plan;
use crate::record::{Interval, Latency};

mod asked;
mod busy_clock;
mod demand;
mod dial_rate;
mod draining;
mod ledger;
mod link;
mod loss;
mod misdirected;
mod occupancy;
mod pace;
mod parts;
mod sealed;
mod waiting;
mod window;
mod wire;
mod workload;

pub(super) use asked::{Asked, Ending};
pub(super) use demand::Demand;
use dial_rate::DialRate;
pub(super) use ledger::{Ledger, LedgerRecord};
pub(super) use loss::Loss;
pub use misdirected::Misdirected;
use pace::Pace;
#[cfg(test)]
pub(super) use parts::MOST_UNSENT;
pub(super) use parts::Parts;
pub(super) use window::Window;
pub(super) use wire::Wire;
use wire::WireFacts;
pub(super) use workload::{Opening, Workload};

/// How long a thread may go without looking at the stop latch and the timeouts.
const LONGEST_WAIT: Nanos = 50 * MILLISECOND;

/// What a thread found before the load began.
#[derive(Debug, Default)]
pub(super) struct Setup {
    pub(super) established: u32,
    pub(super) connect: Latency,
    pub(super) handshakes: Handshakes,
    /// Why the first connection failed, if one did.
    pub(super) failure: Option<io::Error>,
    /// The server speaks something else.
    pub(super) misdirected: Option<Misdirected>,
}

/// What a thread has to say at the end, beside its intervals.
#[derive(Debug)]
pub(super) struct ThreadRecord {
    pub(super) alive_at_end: u32,
    pub(super) reconnects: u64,
    /// Of connections that were made in the window.
    pub(super) connect: Latency,
    /// Those of the window.
    pub(super) handshakes: Handshakes,
    /// What the ledger has beside its intervals.
    pub(super) ledger: LedgerRecord,
    /// Share of the window in which the thread worked; spinning for want of events is no
    /// work.
    pub(super) busy: Option<f64>,
    /// CPUs that the thread was seen on in the window.
    pub(super) cpus: Vec<usize>,
    /// Share of the window in which the thread wanted to run and did not.
    pub(super) denied: Option<f64>,
    pub(super) kernel: KernelFacts,
    pub(super) pool: Option<PoolCounts>,
    /// What came of connecting to the addresses of the server.
    pub(super) destinations: Destinations,
    /// The server speaks something else, and so the run was ended.
    pub(super) misdirected: Option<Misdirected>,
}

/// What a run is about, shared by its threads.
#[derive(Debug, Clone)]
pub(super) struct Assignment {
    pub(super) plan: Arc<Plan>,
    pub(super) messages: Arc<Messages>,
    pub(super) peer: Peer,
    pub(super) stop: Stop,
    /// Whether a successful reply ever came, so that the server speaks what is expected.
    pub(super) proven: Arc<AtomicBool>,
}

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Rig<R, W> {
    plan: Arc<Plan>,
    messages: Arc<Messages>,
    wire: Wire,
    window: Window,
    ledger: Ledger,
    pace: Pace,
    workload: W,
    reactor: PhantomData<fn(R)>,
    /// Links begun at set-up.
    begun: u32,
    next_scan: Nanos,
    misdirected: Option<Misdirected>,
    /// Handler calls; a spin without any was idle.
    events: u64,
    /// Where it is seen what the thread does, if anybody looks.
    pulse: Option<Arc<Pulse>>,
}

/// Lends everything but the workload itself.
macro_rules! lend {
    ($rig:ident, $reactor:ident, $now:expr) => {
        &mut Parts {
            now: $now,
            reactor: $reactor,
            wire: &mut $rig.wire,
            ledger: &mut $rig.ledger,
            demand: &mut $rig.pace.demand,
            window: &$rig.window,
            messages: &$rig.messages,
        }
    };
}

// Below the macro, which it uses.
mod events;

impl<R: Reactor, W: Workload<R>> Rig<R, W> {
    /// The rig of the links with these fleet-wide `numbers`; `finished` takes its intervals.
    pub(super) fn new(
        assignment: Assignment,
        workload: W,
        numbers: impl Iterator<Item = u32>,
        finished: Box<dyn FnMut(Interval) + Send>,
    ) -> Self {
        let Assignment { plan, messages, peer, stop, proven } = assignment;
        let wire = Wire::new(Arc::clone(&plan), peer, proven, W::REDIALS, numbers);
        let mut ledger = Ledger::new(plan.has_waits(), finished);
        ledger.enrol(workload.actors(wire.len()));
        Self {
            wire,
            window: Window::new(&plan, stop),
            ledger,
            pace: Pace::new(plan.idle),
            begun: 0,
            next_scan: 0,
            misdirected: None,
            events: 0,
            pulse: None,
            plan,
            messages,
            workload,
            reactor: PhantomData,
        }
    }

    /// Shows on `pulse` what it does from now on.
    pub(super) fn show_on(&mut self, pulse: Arc<Pulse>) {
        self.ledger.show_on(Arc::clone(&pulse));
        self.pulse = Some(pulse);
    }

    /// Makes all connections, as far as they can be made.
    pub(super) fn connect_all(&mut self, reactor: &mut R) -> io::Result<Setup> {
        let wanted = self.workload.links_at_start(self.wire.len());
        let rate = DialRate::new(&self.plan, wanted as usize, reactor.now());
        loop {
            let allowed = rate.allowed(reactor.now()).min(wanted as usize) as u32;
            while self.wire.has_room() && self.begun < allowed {
                self.dial(reactor, self.begun);
                self.begun += 1;
            }
            let all_begun = self.begun == wanted;
            if self.window.is_stopping() || (self.wire.dialling() == 0 && all_begun) {
                break;
            }
            let now = reactor.now();
            // The next one is begun when it may be, unless something else holds it up.
            let free = !all_begun && self.wire.has_room();
            let next = rate.next(self.begun as usize).filter(|_| free).unwrap_or(Nanos::MAX);
            let next = next.min(self.wire.next_try().unwrap_or(Nanos::MAX));
            reactor.turn(Some(next.min(now + LONGEST_WAIT)), self)?;
            self.try_again(reactor);
            // Not every turn: it looks at all links, and there may be very many.
            if now >= self.next_scan {
                self.next_scan = now + LONGEST_WAIT;
                if self.expire_dials(reactor, now) && self.wire.is_stuck(now) {
                    self.give_up_rest(reactor, wanted);
                }
                if let Some(pulse) = &self.pulse {
                    pulse.established(self.wire.established());
                }
            }
        }
        let (facts, failure) = self.wire.take_facts();
        let established = self.wire.established();
        let WireFacts { connect, handshakes, .. } = facts;
        let misdirected = self.misdirected.take();
        Ok(Setup { established, connect, handshakes, failure, misdirected })
    }

    /// Puts the load on, until the window has ended and is drained.
    pub(super) fn run(
        &mut self,
        reactor: &mut R,
        timeline: Timeline,
    ) -> io::Result<ThreadRecord> {
        let start = timeline.start;
        self.ledger.begin(&timeline);
        self.window.begin(timeline);
        self.ledger.tend(0, self.window.range());
        loop {
            let now = reactor.now();
            self.window.tend(now);
            // Who is told to stop before the load begins does not wait for that.
            if now >= start || now >= self.window.end() {
                break;
            }
            // Far from it the thread looks now and then whether that is so.
            let left = start - now;
            let until = if left > 2 * LONGEST_WAIT { now + LONGEST_WAIT } else { start };
            reactor.turn(Some(until), self)?;
        }
        // Nothing falls due before the workload has begun.
        self.pace.demand = self.workload.demand(&self.plan, start);
        let now = reactor.now();
        self.workload.begin(lend!(self, reactor, now));
        loop {
            let now = reactor.now();
            self.pace.woke(now);
            self.tend(reactor, now);
            self.pace.observe(now, &self.window.range());
            // Before asking whether all is done: what fell due while the thread slept past
            // the end of the window is late, and not to be left out.
            self.workload.due(lend!(self, reactor, now));
            if self.is_done(now) {
                break;
            }
            self.wait(reactor, now)?;
        }
        Ok(self.conclude(reactor))
    }

    /// What is to be done now and then: intervals, timeouts, lost links.
    fn tend(&mut self, reactor: &mut R, now: Nanos) {
        self.window.tend(now);
        self.ledger.tend(now, self.window.range());
        self.dial_queued(reactor);
        self.try_again(reactor);
        if now < self.next_scan {
            return;
        }
        self.next_scan = now + (self.plan.timeout_ns / 20).clamp(MILLISECOND, LONGEST_WAIT);
        self.workload.expire(lend!(self, reactor, now));
        self.expire_dials(reactor, now);
        if now < self.window.end() {
            self.wire.redial(reactor, &mut self.ledger, now);
        }
        let (demand, last_answer) = (self.pace.demand.as_ref(), self.ledger.last_answer());
        let is_expecting = || self.workload.is_expecting(&self.wire, demand, now);
        self.window.watch(now, last_answer, is_expecting);
    }

    fn dial(&mut self, reactor: &mut R, link: u32) {
        if !self.wire.dial(reactor, &mut self.ledger, link) {
            let now = reactor.now();
            self.workload.unmade(lend!(self, reactor, now), link);
        }
    }

    /// Tries links again that wait for room in the server's backlog.
    fn try_again(&mut self, reactor: &mut R) {
        if self.wire.next_try().is_none() {
            return;
        }
        let now = reactor.now();
        for link in self.wire.try_again(reactor, &mut self.ledger, now) {
            self.workload.unmade(lend!(self, reactor, now), link);
        }
    }

    /// Gives up links that are not made in time; whether there were any.
    fn expire_dials(&mut self, reactor: &mut R, now: Nanos) -> bool {
        let expired = self.wire.expire(reactor, &mut self.ledger);
        for &link in &expired {
            self.workload.unmade(lend!(self, reactor, now), link);
        }
        !expired.is_empty()
    }

    /// Waits at set-up for no link that was not begun: those before it got no answer. They are
    /// dialled in the run, by workloads that dial again.
    fn give_up_rest(&mut self, reactor: &mut R, wanted: u32) {
        let now = reactor.now();
        for link in self.begun..wanted {
            self.wire.back_off(link, now);
            self.workload.unmade(lend!(self, reactor, now), link);
        }
        self.begun = wanted;
    }

    fn dial_queued(&mut self, reactor: &mut R) {
        while let Some(link) = self.wire.next_queued() {
            let now = reactor.now();
            if self.workload.wants(lend!(self, reactor, now), link) {
                self.dial(reactor, link);
            }
        }
    }

    fn is_done(&self, now: Nanos) -> bool {
        let (window, demand) = (&self.window, self.pace.demand.as_ref());
        window.is_out_of_patience(now, self.ledger.last_answer())
            || window.is_over(now, || self.workload.is_unfinished(window, demand))
    }

    /// Waits for events until something is due.
    fn wait(&mut self, reactor: &mut R, now: Nanos) -> io::Result<()> {
        let edges = [self.ledger.next_boundary(), self.window.end()];
        let latest = (now + LONGEST_WAIT).min(self.next_scan);
        let latest = latest.min(self.wire.next_try().unwrap_or(Nanos::MAX));
        let waiting = self.pace.waiting(now, self.workload.wakes_at(), &edges, latest);
        self.pace.waits(now, waiting);
        if waiting.spins {
            let (events, sends) = (self.events, self.wire.sends());
            // Since it began to spin, and not since it began to send.
            let begin = reactor.now();
            reactor.turn(Some(waiting.until), self)?;
            self.pace.looked(reactor.now() - begin, sends, self.events > events);
        } else {
            reactor.turn(Some(waiting.until), self)?;
        }
        Ok(())
    }

    /// Ends what has not ended and tells the rest of the story.
    fn conclude(&mut self, reactor: &mut R) -> ThreadRecord {
        let now = reactor.now();
        let pool = self.workload.conclude(lend!(self, reactor, now));
        let alive_at_end = self.wire.up();
        self.wire.conclude(reactor, &mut self.ledger);
        let (facts, _) = self.wire.take_facts();
        ThreadRecord {
            alive_at_end,
            reconnects: facts.reconnects,
            connect: facts.connect,
            handshakes: facts.handshakes,
            ledger: self.ledger.conclude(now),
            busy: self.pace.busy_share(),
            denied: self.pace.denied_share(),
            cpus: self.pace.cpus(),
            kernel: facts.kernel,
            pool,
            destinations: self.wire.take_destinations(),
            misdirected: self.misdirected.take(),
        }
    }
}
