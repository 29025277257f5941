//! A connection as a tokio task, for both tokio models: [`Tasks`] starts, counts and stops
//! them.
//!
//! A waiting task owns no buffer: bytes are read into a thread-local one, and the replies are
//! written straight after, without an await in between. Its only timer is set to the session's
//! deadline and checked when it fires; deadlines that move later cost nothing.

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, ready};
use std::time::Duration;

use echo_net::Nanos;
use echo_net::clock;
use echo_net::stream::Stream;
use slotmap::{DefaultKey, SlotMap};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, Sleep};

use crate::admission::Permit;
use crate::context::Context;
use crate::counters::Served;
use crate::driver::{Closed, Driver, Interest, QueuedSocket, Scratch, Transport as _};
use crate::session::NEVER;

/// Reads and writes in a row before a task looks at its stop and its deadline, and lets others
/// run: a peer may send faster than it is read. Well below tokio's budget of a task (128), at
/// the end of which no timer fires.
const MOST_IN_A_ROW: usize = 32;

/// The connections of one runtime.
#[derive(Debug)]
pub(super) struct Tasks {
    context: Context,
    open: Mutex<Open>,
    emptied: Notify,
    /// Threads that have served a connection; each takes the next number.
    threads: AtomicUsize,
}

#[derive(Debug, Default)]
struct Open {
    /// Stops every task.
    stops: SlotMap<DefaultKey, Option<oneshot::Sender<()>>>,
    stopping: bool,
}

impl Tasks {
    /// No tasks yet; threads are numbered from `first_thread` on.
    pub(super) fn new(context: &Context, first_thread: usize) -> Arc<Self> {
        Arc::new(Self {
            context: context.clone(),
            open: Mutex::default(),
            emptied: Notify::new(),
            threads: AtomicUsize::new(first_thread),
        })
    }

    /// Serves a connection in a task of the current runtime.
    pub(super) fn start(self: &Arc<Self>, stream: Stream, permit: Permit) {
        let (stop, stopped) = oneshot::channel();
        let mut open = self.lock();
        let key = open.stops.insert(Some(stop));
        if open.stopping {
            open.stops[key] = None;
        }
        drop(open);
        let driver = self.context.driver(permit);
        let ended = Ended { tasks: Arc::clone(self), key };
        tokio::spawn(async move {
            let tasks = &ended.tasks;
            let mut serving = pin!(Task::new(stream, driver, tasks).serve(stopped));
            // The runtime would catch a panic and go on.
            poll_fn(|context| {
                let polled = AssertUnwindSafe(|| serving.as_mut().poll(context));
                catch_unwind(polled).map_or_else(
                    |payload| {
                        tasks.context.panicked(payload);
                        Poll::Ready(())
                    },
                    |poll| poll.map(|_closed| ()),
                )
            })
            .await;
        });
    }

    /// Stops every task, including those that start later.
    pub(super) fn stop_all(&self) {
        let mut open = self.lock();
        open.stopping = true;
        // A task notices that its sender was dropped.
        open.stops.values_mut().for_each(|stop| *stop = None);
    }

    /// Waits until no task is left.
    pub(super) async fn all_ended(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.lock().stops.is_empty() {
                return;
            }
            emptied.await;
        }
    }

    fn ended(&self, key: DefaultKey) {
        let mut open = self.lock();
        open.stops.remove(key);
        if open.stops.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A task that is counted until this is dropped.
struct Ended {
    tasks: Arc<Tasks>,
    key: DefaultKey,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.tasks.ended(self.key);
    }
}

/// Per-thread state.
struct Thread {
    number: usize,
    buffer: Vec<u8>,
    scratch: Scratch<Served>,
}

thread_local! {
    static THREAD: RefCell<Option<Thread>> = const { RefCell::new(None) };
}

impl Thread {
    fn new(tasks: &Tasks) -> Self {
        let Tasks { context, threads, .. } = tasks;
        let number = threads.fetch_add(1, Ordering::Relaxed);
        Self {
            number,
            buffer: vec![0; context.config.read_buffer],
            scratch: context.scratch(number, Served::default()),
        }
    }

    /// Calls `serve` with this thread's state, then adds its counts to the counters.
    fn with<T>(tasks: &Tasks, serve: impl FnOnce(&mut [u8], &mut Scratch<Served>) -> T) -> T {
        THREAD.with_borrow_mut(|thread| {
            let Self { number, buffer, scratch } =
                thread.get_or_insert_with(|| Self::new(tasks));
            let result = serve(buffer, scratch);
            if scratch.counts != Served::default() {
                let counters = tasks.context.counters.worker(*number);
                counters.add(std::mem::take(&mut scratch.counts));
            }
            result
        })
    }
}

/// When a timer for `deadline` fires.
fn instant(deadline: Nanos) -> Instant {
    /// Longer than any run.
    const FAR: Duration = Duration::from_hours(10 * 365 * 24);
    let left = Duration::from_nanos(deadline.saturating_sub(clock::now()));
    Instant::now() + if deadline == NEVER { FAR } else { left.min(FAR) }
}

struct Task<'a> {
    socket: QueuedSocket<Stream>,
    driver: Driver,
    tasks: &'a Tasks,
    /// Input is wanted.
    reads: bool,
    stopping: bool,
}

/// Also when the runtime ends, with a forced stop.
impl Drop for Task<'_> {
    fn drop(&mut self) {
        self.driver.closes(&mut self.socket);
    }
}

impl<'a> Task<'a> {
    fn new(stream: Stream, driver: Driver, tasks: &'a Tasks) -> Self {
        let socket = QueuedSocket::new(stream);
        Self { socket, driver, tasks, reads: true, stopping: false }
    }

    /// Ends with the connection.
    async fn serve(mut self, mut stopped: oneshot::Receiver<()>) -> Result<Infallible, Closed> {
        self.drive(Driver::proceed)?;
        let mut fires_at = self.driver.deadline();
        let mut timer = pin!(tokio::time::sleep_until(instant(fires_at)));
        poll_fn(|context| {
            if self.driver.gets_mail() {
                self.driver.wake_for_mail(context.waker());
                self.drive(Driver::proceed)?;
            }
            loop {
                let more = self.move_bytes(context)?;
                if !self.stopping && Pin::new(&mut stopped).poll(context).is_ready() {
                    self.stopping = true;
                    self.drive(Driver::stop)?;
                } else if !self.expired(context, &mut fires_at, timer.as_mut())? {
                    if more {
                        context.waker().wake_by_ref();
                    }
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// Sends, reads and replies until nothing more can be done now, or long enough; whether
    /// there may be more to do.
    fn move_bytes(&mut self, context: &mut task::Context<'_>) -> Result<bool, Closed> {
        for _ in 0..MOST_IN_A_ROW {
            if self.socket.unsent() > 0
                && let Poll::Ready(writable) = self.poll_writable(context)
            {
                writable?;
                self.drive(Driver::writable)?;
            } else if !self.reads {
                return Ok(false);
            } else if let Poll::Ready(read) = self.read(context) {
                read?;
            } else {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn poll_writable(&self, context: &mut task::Context<'_>) -> Poll<Result<(), Closed>> {
        let writable = self.socket.socket.poll_write_ready(context);
        writable.map_err(|error| self.driver.broken(&error))
    }

    /// One read and the replies to it.
    fn read(&mut self, context: &mut task::Context<'_>) -> Poll<Result<(), Closed>> {
        let Self { socket, driver, tasks, .. } = self;
        let interest = Thread::with(tasks, |buffer, scratch| {
            let mut buffer = ReadBuf::new(buffer);
            loop {
                match ready!(Pin::new(&mut socket.socket).poll_read(context, &mut buffer)) {
                    Ok(()) => break,
                    // A signal is not the end of a connection. The runtime passes it on.
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => return Poll::Ready(Err(driver.broken(&error))),
                }
            }
            let now = clock::now();
            Poll::Ready(match buffer.filled() {
                [] => driver.end_of_input(now, socket, scratch),
                input => driver.received(now, input, socket, scratch),
            })
        });
        self.reads = ready!(interest)?.read;
        Poll::Ready(Ok(()))
    }

    /// Calls the driver with an event.
    fn drive(
        &mut self,
        tell: impl FnOnce(
            &mut Driver,
            Nanos,
            &mut QueuedSocket<Stream>,
            &mut Scratch<Served>,
        ) -> Result<Interest, Closed>,
    ) -> Result<(), Closed> {
        let Self { socket, driver, tasks, .. } = self;
        let now = clock::now();
        let interest = Thread::with(tasks, |_, scratch| tell(driver, now, socket, scratch));
        self.reads = interest?.read;
        Ok(())
    }

    /// Whether the timer has fired and the driver was called; otherwise sets the timer.
    fn expired(
        &mut self,
        context: &mut task::Context<'_>,
        fires_at: &mut Nanos,
        mut timer: Pin<&mut Sleep>,
    ) -> Result<bool, Closed> {
        let deadline = self.driver.deadline();
        if deadline < *fires_at {
            *fires_at = deadline;
            timer.as_mut().reset(instant(deadline));
        }
        if timer.as_mut().poll(context).is_pending() {
            return Ok(false);
        }
        self.drive(Driver::expire)?;
        *fires_at = self.driver.deadline();
        if *fires_at > clock::now() {
            timer.reset(instant(*fires_at));
        }
        Ok(true)
    }
}
