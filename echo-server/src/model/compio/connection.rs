//! A connection as a task of compio: [`start`].

use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{self, Poll};
use std::time::Duration;

use echo_net::stop::Stage;
use echo_net::{Nanos, clock};
use slotmap::DefaultKey;

use super::socket::{Input, RingSocket};
use super::{Slot, Worker};
use crate::admission::Permit;
use crate::counters::Served;
use crate::driver::{Closed, Driver, Interest, Scratch};
use crate::session::NEVER;

/// Serves a connection in a task of the current runtime.
pub(super) fn start(worker: &Rc<Worker>, socket: OwnedFd, permit: Permit) {
    let most = worker.context.config.read_buffer;
    let socket = match RingSocket::new(socket, permit.peer().transport(), most) {
        Ok(socket) => socket,
        Err(error) => return worker.context.admission.log_accept_failure(&error),
    };
    let driver = worker.context.driver(permit);
    let slot = Rc::<Slot>::default();
    let key = worker.connections.borrow_mut().insert(Rc::clone(&slot));
    if driver.gets_mail() {
        driver.wake_for_mail(&worker.mail.waker(key));
    }
    let ended = Ended { worker: Rc::clone(worker), key };
    let mut connection = Connection {
        socket: Some(socket),
        driver,
        slot,
        worker: Rc::clone(worker),
        reads: true,
        begun: false,
        stopping: false,
        timer: None,
    };
    compio::runtime::spawn(async move {
        let ended = ended;
        // The runtime would catch a panic and go on.
        poll_fn(|context| {
            let polled = catch_unwind(AssertUnwindSafe(|| connection.poll(context)));
            polled.map_or_else(
                |payload| {
                    ended.worker.context.panicked(payload);
                    Poll::Ready(())
                },
                |poll| poll.map(|_closed| ()),
            )
        })
        .await;
        connection.close().await;
        // Its place is free once its descriptor is.
        drop((connection, ended));
    })
    .detach();
}

/// A task that is counted until this is dropped.
struct Ended {
    worker: Rc<Worker>,
    key: DefaultKey,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.worker.ended(self.key);
    }
}

/// A timer, and when it fires.
type Timer = (Nanos, Pin<Box<dyn Future<Output = ()>>>);

struct Connection {
    /// Until it is closed.
    socket: Option<RingSocket>,
    driver: Driver,
    slot: Rc<Slot>,
    worker: Rc<Worker>,
    /// Input is wanted.
    reads: bool,
    begun: bool,
    stopping: bool,
    /// Set to the session's deadline, and checked when it fires: deadlines that move later cost
    /// nothing.
    timer: Option<Timer>,
}

/// Also when the runtime ends without it.
impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(socket) = &mut self.socket {
            self.driver.closes(socket);
        }
    }
}

impl Connection {
    async fn close(&mut self) {
        if let Some(mut socket) = self.socket.take() {
            self.driver.closes(&mut socket);
            socket.close().await;
        }
    }

    /// Ends with the connection.
    fn poll(&mut self, context: &mut task::Context<'_>) -> Poll<Result<Infallible, Closed>> {
        if !self.begun {
            self.begun = true;
            *self.slot.task.borrow_mut() = Some(context.waker().clone());
            self.drive(Driver::proceed)?;
        }
        match self.worker.stage.get() {
            Stage::Forced => return Poll::Ready(Err(Closed)),
            Stage::Draining if !self.stopping => {
                self.stopping = true;
                if let Some(socket) = &mut self.socket {
                    socket.catch_up(context);
                }
                self.drive(Driver::stop)?;
            }
            Stage::Running | Stage::Draining => {}
        }
        if self.slot.has_mail.take() {
            self.drive(Driver::proceed)?;
        }
        // Each turn but the last takes a completion, of which the ring has brought two at most.
        while self.move_bytes(context)? || self.expired(context)? {}
        Poll::Pending
    }

    /// Whether something was sent or received.
    fn move_bytes(&mut self, context: &mut task::Context<'_>) -> Result<bool, Closed> {
        let Some(socket) = &mut self.socket else { return Err(Closed) };
        if let Poll::Ready(sent) = socket.poll_send(context) {
            sent.map_err(|error| self.driver.broken(&error))?;
            self.drive(Driver::proceed)?;
            return Ok(true);
        }
        let Poll::Ready(input) = socket.poll_receive(self.reads, context) else {
            return Ok(false);
        };
        let input: Input = input.map_err(|error| self.driver.broken(&error))?;
        self.drive(|driver, now, socket, scratch| match input.bytes() {
            [] => driver.end_of_input(now, socket, scratch),
            bytes => driver.received(now, bytes, socket, scratch),
        })?;
        Ok(true)
    }

    /// Calls the driver with an event.
    fn drive(
        &mut self,
        tell: impl FnOnce(
            &mut Driver,
            Nanos,
            &mut RingSocket,
            &mut Scratch<Served>,
        ) -> Result<Interest, Closed>,
    ) -> Result<(), Closed> {
        let Some(socket) = &mut self.socket else { return Err(Closed) };
        let mut scratch = self.worker.scratch.borrow_mut();
        let interest = tell(&mut self.driver, clock::now(), socket, &mut scratch);
        self.worker.add_counts(&mut scratch);
        self.reads = interest?.read;
        Ok(())
    }

    /// Whether the timer has fired and the driver was called; otherwise sets the timer.
    fn expired(&mut self, context: &mut task::Context<'_>) -> Result<bool, Closed> {
        let deadline = self.driver.deadline();
        if deadline == NEVER {
            return Ok(false);
        }
        let timer = match &mut self.timer {
            Some(timer) if timer.0 <= deadline => timer,
            late => {
                let left = Duration::from_nanos(deadline.saturating_sub(clock::now()));
                late.insert((deadline, Box::pin(compio::time::sleep(left))))
            }
        };
        if timer.1.as_mut().poll(context).is_pending() {
            return Ok(false);
        }
        self.timer = None;
        self.drive(Driver::expire)?;
        Ok(true)
    }
}
