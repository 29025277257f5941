//! One connection as a tokio task, for both tokio models: [`Tasks`] starts, counts and
//! stops them.
//!
//! A task that waits owns no buffer: bytes are read into one that belongs to the thread,
//! and the replies are written straight after, without an await between. Its one timer is
//! set to the session's deadline and looked at when it fires; deadlines that move later
//! cost nothing.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io;
use std::os::fd::AsFd;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{self, Poll, ready};
use std::time::Duration;

use echo_net::Nanos;
use echo_net::clock;
use echo_net::send_queue::SendQueue;
use echo_net::tcp_info::end_acknowledged;
use echo_net::unread;
use echo_proto::Replies;
use rustix::net::Shutdown;
use slotmap::{DefaultKey, SlotMap};
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::{Notify, oneshot};
use tokio::time::{Instant, Sleep};
use tracing::debug;

use crate::admission::Permit;
use crate::connection::Connection;
use crate::context::Context;
use crate::counters::Served;
use crate::session::{NEVER, Next};

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
    /// Tells each task to stop.
    stops: SlotMap<DefaultKey, Option<oneshot::Sender<()>>>,
    stopping: bool,
}

impl Tasks {
    /// None yet; threads take their numbers from `first_thread` on.
    pub(super) fn new(context: &Context, first_thread: usize) -> Arc<Self> {
        Arc::new(Self {
            context: context.clone(),
            open: Mutex::default(),
            emptied: Notify::new(),
            threads: AtomicUsize::new(first_thread),
        })
    }

    /// Serves a connection in a task of the current runtime.
    pub(super) fn start(self: &Arc<Self>, stream: TcpStream, permit: Permit) {
        let (stop, stopped) = oneshot::channel();
        let mut open = self.lock();
        let key = open.stops.insert(Some(stop));
        if open.stopping {
            open.stops[key] = None;
        }
        drop(open);
        let connection = self.context.connection(permit);
        let tasks = Arc::clone(self);
        tokio::spawn(async move {
            let queue = SendQueue::default();
            let now = clock::now();
            let peer = connection.peer();
            let task = Task { stream, connection, queue, tasks: &tasks, stopping: false, now };
            if let Err(error) = task.serve(stopped).await {
                debug!(%peer, %error, "connection broke");
            }
            tasks.ended(key);
        });
    }

    /// Tells every task to stop, also those that begin later.
    pub(super) fn stop_all(&self) {
        let mut open = self.lock();
        open.stopping = true;
        // A task sees that its sender is gone.
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

/// What a thread needs to serve one read; shared by all connections on it.
struct Desk {
    number: usize,
    buffer: Vec<u8>,
    replies: Replies,
}

thread_local! {
    static DESK: RefCell<Option<Desk>> = const { RefCell::new(None) };
}

impl Desk {
    fn new(tasks: &Tasks) -> Self {
        let config = &tasks.context.config;
        Self {
            number: tasks.threads.fetch_add(1, Ordering::Relaxed),
            buffer: vec![0; config.read_buffer],
            replies: config.replies(),
        }
    }
}

/// The instant at which a timer for `deadline` is to fire.
fn instant(deadline: Nanos) -> Instant {
    /// Longer than any run.
    const FAR: Duration = Duration::from_hours(10 * 365 * 24);
    let left = Duration::from_nanos(deadline.saturating_sub(clock::now()));
    Instant::now() + if deadline == NEVER { FAR } else { left.min(FAR) }
}

struct Task<'a> {
    stream: TcpStream,
    connection: Connection,
    queue: SendQueue,
    tasks: &'a Tasks,
    stopping: bool,
    /// The instant of the last thing that happened; asking the clock once for each is
    /// enough.
    now: Nanos,
}

impl Task<'_> {
    async fn serve(mut self, mut stopped: oneshot::Receiver<()>) -> io::Result<()> {
        let mut fires_at = self.connection.deadline();
        let mut timer = pin!(tokio::time::sleep_until(instant(fires_at)));
        poll_fn(|context| {
            self.connection.wake_for_mail(context.waker());
            loop {
                if let Poll::Ready(ended) = self.move_bytes(context) {
                    return Poll::Ready(ended);
                }
                if !self.stopping && Pin::new(&mut stopped).poll(context).is_ready() {
                    self.stopping = true;
                    self.now = clock::now();
                    let unread = unread::read(self.stream.as_fd())?;
                    self.tell(|connection, _, now, replies| {
                        connection.stop(now, unread, replies);
                    })?;
                } else if !self.expired(context, &mut fires_at, timer.as_mut())? {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// Sends, reads and answers until nothing more can be done now.
    fn move_bytes(&mut self, context: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        loop {
            while !self.queue.is_empty() && self.stream.poll_write_ready(context)?.is_ready() {
                self.now = clock::now();
                let stream = &self.stream;
                self.queue.flush(|bytes| stream.try_write(bytes))?;
            }
            if self.connection.gets_mail() && self.mail()? {
                continue;
            }
            match self.connection.next(self.now, self.queue.len()) {
                Next::Read => {}
                Next::Hold => return Poll::Pending,
                Next::HalfClose => rustix::net::shutdown(&self.stream, Shutdown::Write)?,
                Next::Close => return Poll::Ready(Ok(())),
            }
            ready!(self.read(context))?;
        }
    }

    /// Sends some of the mail, if there is any.
    fn mail(&mut self) -> io::Result<bool> {
        let (now, unsent) = (clock::now(), self.queue.len());
        DESK.with_borrow_mut(|desk| {
            let desk = desk.get_or_insert_with(|| Desk::new(self.tasks));
            if !self.connection.mail(now, unsent, &mut desk.replies) {
                return Ok(false);
            }
            self.now = now;
            self.answer(desk, 0)?;
            Ok(true)
        })
    }

    /// One read and the replies to it.
    fn read(&mut self, context: &mut task::Context<'_>) -> Poll<io::Result<()>> {
        DESK.with_borrow_mut(|desk| {
            let desk = desk.get_or_insert_with(|| Desk::new(self.tasks));
            let Desk { buffer, replies, .. } = desk;
            let mut buffer = ReadBuf::new(buffer);
            ready!(Pin::new(&mut self.stream).poll_read(context, &mut buffer))?;
            self.now = clock::now();
            match buffer.filled() {
                [] => self.connection.end_of_input(self.now, replies),
                input => self.connection.received(self.now, input, replies),
            }
            let received = buffer.filled().len();
            Poll::Ready(self.answer(desk, received))
        })
    }

    /// Tells the connection what happened, and sends what it has to say.
    fn tell(
        &mut self,
        tell: impl FnOnce(&mut Connection, &TcpStream, Nanos, &mut Replies),
    ) -> io::Result<()> {
        DESK.with_borrow_mut(|desk| {
            let desk = desk.get_or_insert_with(|| Desk::new(self.tasks));
            tell(&mut self.connection, &self.stream, self.now, &mut desk.replies);
            self.answer(desk, 0)
        })
    }

    /// Counts and sends the replies on the desk.
    fn answer(&mut self, desk: &Desk, received: usize) -> io::Result<()> {
        let Desk { number, replies, .. } = desk;
        self.tasks.context.counters.worker(*number).add(Served::by(received, replies));
        for bytes in replies.writes() {
            self.queue.send(bytes, |bytes| self.stream.try_write(bytes))?;
        }
        Ok(())
    }

    /// Whether the timer has fired and the session was told; else the timer is set.
    fn expired(
        &mut self,
        context: &mut task::Context<'_>,
        fires_at: &mut Nanos,
        mut timer: Pin<&mut Sleep>,
    ) -> io::Result<bool> {
        let deadline = self.connection.deadline();
        if deadline < *fires_at {
            *fires_at = deadline;
            timer.as_mut().reset(instant(deadline));
        }
        if timer.as_mut().poll(context).is_pending() {
            return Ok(false);
        }
        self.now = clock::now();
        self.tell(|connection, stream, now, replies| {
            connection.expire(now, replies, || end_acknowledged(stream.as_fd()));
        })?;
        *fires_at = self.connection.deadline();
        if *fires_at > self.now {
            timer.reset(instant(*fires_at));
        }
        Ok(true)
    }
}
