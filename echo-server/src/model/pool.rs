//! A fixed number of worker threads that take ready connections from one [shared
//! epoll](shared_epoll): [`PoolModel`]. An idle connection needs no thread, and no worker
//! blocks on one connection: output that a slow peer does not accept is queued until its socket
//! is writable.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use echo_net::Nanos;
use echo_net::clock;
use echo_net::listener::Listener;
use echo_net::reactor::Waker;

use super::Model;
use super::acceptor::{self, AcceptHandler};
use crate::admission::Permit;
use crate::context::Context;
use crate::counters::WorkerCounters;
use crate::driver::Scratch;

mod shared_epoll;

use shared_epoll::{Ready, SharedEpoll};

/// Poll interval for the end of all connections during a stop.
const DRAINED_POLL: Duration = Duration::from_millis(2);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct PoolModel;

impl Model for PoolModel {
    fn serve(&self, listeners: Vec<Vec<Listener>>, context: &Context) -> io::Result<()> {
        let shared = SharedEpoll::new()?;
        // The workers, and this thread, which accepts.
        context.readiness.expect(context.config.workers + 1);
        std::thread::scope(|scope| {
            let shared = &shared;
            let workers: Vec<_> = (0..context.config.workers)
                .map(|number| {
                    super::start_worker(scope, number, context, move || {
                        work(number, shared, context)
                    })
                })
                .collect();
            let outcome = context.supervise(|| accept_and_drain(listeners, shared, context));
            shared.end_workers();
            super::join_all(workers).and(outcome)
        })
    }
}

/// Serves ready connections one after another.
fn work(number: usize, shared: &SharedEpoll, context: &Context) -> io::Result<()> {
    context.pin_worker(number);
    let mut scratch = scratch(context, number);
    let mut buffer = vec![0; context.config.read_buffer];
    context.readiness.serves();
    loop {
        match shared.wait()? {
            Ready::Connection(key, flags) => shared.claim(key, |connection| {
                connection.serve(flags, &mut buffer, &mut scratch);
            }),
            Ready::Nothing => {}
            Ready::End => return Ok(()),
        }
    }
}

fn scratch(context: &Context, worker: usize) -> Scratch<&WorkerCounters> {
    context.scratch(worker, &**context.counters.worker(worker))
}

/// Accepts until a stop is requested, then waits until every connection has ended.
fn accept_and_drain(
    listeners: Vec<Vec<Listener>>,
    shared: &SharedEpoll,
    context: &Context,
) -> io::Result<()> {
    let mut adding = Adding { shared, context, scratch: scratch(context, 0) };
    acceptor::accept(listeners, context, &mut adding)?;
    shared.claim_all(|connection| connection.stop(&mut adding.scratch));
    while !shared.is_empty() && !context.is_forced() {
        adding.check_deadlines(clock::now());
        std::thread::sleep(DRAINED_POLL);
    }
    Ok(())
}

/// Registers accepted sockets with the shared epoll, and checks deadlines.
struct Adding<'a> {
    shared: &'a SharedEpoll,
    context: &'a Context,
    scratch: Scratch<&'a WorkerCounters>,
}

impl AcceptHandler for Adding<'_> {
    fn started(&mut self, waker: Waker) {
        self.shared.wake_for_deadlines(waker);
    }

    fn accepted(&mut self, socket: OwnedFd, permit: Permit) {
        if let Err(error) = self.shared.add(socket, self.context.driver(permit)) {
            self.context.admission.log_accept_failure(&error);
        }
    }

    fn check_deadlines(&mut self, now: Nanos) -> Nanos {
        let sweep = self.shared.sweep();
        if sweep.is_due(now) {
            self.shared.claim_all(|connection| connection.expire(now, &mut self.scratch));
        }
        sweep.at()
    }
}
