//! A fixed set of worker threads that take ready connections from one shared epoll:
//! [`Pool`]. A connection with nothing to say is [parked](super::parking) and costs no
//! thread, and no worker ever waits for one connection: what a slow peer does not take is
//! queued, and the connection parked until its socket is writable again.

use std::io;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::time::Duration;

use echo_net::Nanos;
use echo_net::clock;
use echo_net::reactor::Waker;
use echo_proto::Replies;

use super::Model;
use super::acceptor::{self, Doorway};
use super::parking::{Parking, Ready, Visit};
use crate::admission::Permit;
use crate::context::Context;

/// How often the end of a stop looks whether all connections are gone.
const DRAINED_POLL: Duration = Duration::from_millis(2);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Pool;

impl Model for Pool {
    fn serve(&self, listeners: Vec<Vec<TcpListener>>, context: &Context) -> io::Result<()> {
        let parking = Parking::new()?;
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..context.config.workers)
                .map(|number| {
                    let parking = &parking;
                    let name = format!("worker-{number}");
                    let thread = std::thread::Builder::new().name(name);
                    thread.spawn_scoped(scope, move || {
                        context.force_on_error(work(number, parking, context))
                    })
                })
                .map(|thread| context.force_on_error(thread))
                .collect();
            let outcome = context.force_on_error(attend(listeners, &parking, context));
            parking.end_workers();
            super::join_all(threads).and(outcome)
        })
    }
}

/// Serves one ready connection after another.
fn work(number: usize, parking: &Parking, context: &Context) -> io::Result<()> {
    context.pin_worker(number);
    let counters = context.counters.worker(number);
    let mut replies = context.config.replies();
    let mut buffer = vec![0; context.config.read_buffer];
    loop {
        match parking.wait()? {
            Ready::Connection(key, flags) => {
                parking.visit(key, |mut visit| {
                    counters.add(visit.serve(flags, &mut buffer, &mut replies));
                });
            }
            Ready::Nothing => {}
            Ready::End => return Ok(()),
        }
    }
}

/// Accepts, then sees to it that every connection ends.
fn attend(
    listeners: Vec<Vec<TcpListener>>,
    parking: &Parking,
    context: &Context,
) -> io::Result<()> {
    let mut attendant = Attendant { parking, context, replies: context.config.replies() };
    acceptor::accept(listeners, context, &mut attendant)?;
    let counters = context.counters.worker(0);
    parking.visit_all(|mut visit| counters.add(visit.stop(&mut attendant.replies)));
    while !parking.is_empty() && !context.is_forced() {
        attendant.look_after(clock::now());
        std::thread::sleep(DRAINED_POLL);
    }
    Ok(())
}

/// Parks what comes in, and looks after deadlines.
struct Attendant<'a> {
    parking: &'a Parking,
    context: &'a Context,
    replies: Replies,
}

impl Doorway for Attendant<'_> {
    fn open(&mut self, waker: Waker) {
        self.parking.wake_for_deadlines(waker);
    }

    fn enter(&mut self, socket: OwnedFd, permit: Permit) {
        if let Err(error) = self.parking.park(socket, self.context.connection(permit)) {
            self.context.admission.accept_failed(&error);
        }
    }

    fn look_after(&mut self, now: Nanos) -> Nanos {
        let sweep = self.parking.sweep();
        if sweep.is_due(now) {
            let counters = self.context.counters.worker(0);
            self.parking.visit_all(|mut visit: Visit<'_>| {
                counters.add(visit.expire(now, &mut self.replies));
            });
        }
        sweep.at()
    }
}
