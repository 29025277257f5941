//! A run on one thread, at the time of the caller's reactor: [`rehearse`]. For simulations: no
//! thread is started, and no cost is sampled.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use echo_net::Nanos;
use echo_net::clock::MILLISECOND;
use echo_net::reactor::Reactor;
use echo_net::stop::{Stage, Stop};

use crate::peer::Peer;
use crate::plan::Plan;
use crate::record::Interval;
use crate::rig::{Assignment, Misdirected, Rig, Setup, ThreadRecord, Workload};
use crate::timeline::Timeline;
use crate::workload::{self, Runner};

/// What came of it.
#[derive(Debug)]
pub struct Rehearsal {
    /// Connections that were made at set-up.
    pub established: u32,
    /// Connections that lived at the end.
    pub alive_at_end: u32,
    /// Reconnects within the window.
    pub reconnects: u64,
    /// The whole window.
    pub total: Interval,
    /// The server speaks something else, and so the run was ended.
    pub misdirected: Option<Misdirected>,
    /// When the load began; `None` if it did not.
    pub began_at: Option<Nanos>,
}

/// What a thread found and measured.
#[derive(Debug)]
pub(super) struct Measured {
    pub(super) setup: Setup,
    pub(super) record: ThreadRecord,
    pub(super) total: Interval,
    pub(super) began_at: Nanos,
}

/// Carries out `plan` against `peer` on `reactor`, as one thread of a real run does, and leaves
/// its connections open.
///
/// # Errors
/// When the reactor fails.
pub fn rehearse<R: Reactor>(
    plan: &Arc<Plan>,
    peer: Peer,
    stop: &Stop,
    reactor: &mut R,
) -> io::Result<Rehearsal> {
    let messages = Arc::new(plan.messages.texts(plan.seed, plan.verify));
    let (plan, stop, proven) = (Arc::clone(plan), stop.clone(), Arc::default());
    let assignment = Assignment { plan: Arc::clone(&plan), messages, peer, stop, proven };
    workload::run_part(&plan, 0, OnReactor { assignment, reactor })
}

struct OnReactor<'a, R> {
    assignment: Assignment,
    reactor: &'a mut R,
}

impl<R: Reactor> Runner<R> for OnReactor<'_, R> {
    type Output = io::Result<Rehearsal>;

    fn run(self, workload: impl Workload<R>, links: impl Iterator<Item = u32>) -> Self::Output {
        let stop = self.assignment.stop.clone();
        let outcome = measure(self.reactor, self.assignment, workload, links, |setup| {
            setup.established > 0
                && setup.misdirected.is_none()
                && stop.stage() == Stage::Running
        })?;
        Ok(match outcome {
            Ok(Measured { setup, record, total, began_at }) => Rehearsal {
                established: setup.established,
                alive_at_end: record.alive_at_end,
                reconnects: record.reconnects,
                total,
                misdirected: record.misdirected,
                began_at: Some(began_at),
            },
            Err(setup) => Rehearsal {
                established: setup.established,
                alive_at_end: setup.established,
                reconnects: 0,
                total: Interval::default(),
                misdirected: setup.misdirected,
                began_at: None,
            },
        })
    }
}

/// Runs a workload; its set-up alone unless that is `fit` for the load.
pub(super) fn measure<R: Reactor>(
    reactor: &mut R,
    assignment: Assignment,
    workload: impl Workload<R>,
    links: impl Iterator<Item = u32>,
    fit: impl FnOnce(&Setup) -> bool,
) -> io::Result<Result<Measured, Setup>> {
    let plan = Arc::clone(&assignment.plan);
    let total = Arc::new(Mutex::new(Interval::new(0, plan.has_waits())));
    let sum = Arc::clone(&total);
    let finished = Box::new(move |interval| {
        *sum.lock().unwrap_or_else(PoisonError::into_inner) += &interval;
    });
    let mut rig = Rig::new(assignment, workload, links, finished);
    let setup = rig.connect_all(reactor)?;
    if !fit(&setup) {
        return Ok(Err(setup));
    }
    let began_at = reactor.now() + MILLISECOND;
    let record = rig.run(reactor, Timeline::new(&plan, began_at))?;
    let mut total = std::mem::take(&mut *total.lock().unwrap_or_else(PoisonError::into_inner));
    total.latencies.take_drained();
    Ok(Ok(Measured { setup, record, total, began_at }))
}
