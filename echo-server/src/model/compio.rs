//! One task per connection on a compio runtime per worker: [`Compio`]. Receives and sends are
//! requests of an `io_uring`, of which the runtime reports the completion: a waiting task owns no
//! buffer, as the kernel takes one of the worker's when input arrives.
//!
//! One thread accepts, on epoll, and distributes the sockets in rotation. A stop, mail and new
//! sockets come to a worker by a descriptor that its runtime polls: the runtime's own wakers wait
//! for room in a queue of fixed size, and two workers that wake many of each other's tasks would
//! wait for ever.

use std::cell::{Cell, RefCell};
use std::io;
use std::num::NonZero;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker as TaskWaker;
use std::time::Duration;

use compio::driver::ProactorBuilder;
use compio::driver::op::{Interest, PollOnce};
use compio::runtime::{Runtime, RuntimeBuilder};
use echo_net::listener::Listener;
use echo_net::reactor::Waker;
use echo_net::stop::Stage;
use slotmap::{DefaultKey, SlotMap};

use super::acceptor::{self, AcceptHandler};
use super::event_loop::Handoff;
use super::mail_list::MailList;
use super::{Model, join_all, start_worker};
use crate::admission::Permit;
use crate::context::Context;
use crate::counters::Served;
use crate::driver::Scratch;

mod connection;
mod socket;

/// Target size of all receive buffers of a worker, and the bounds of their number. Without a free
/// one a connection asks again.
const BUFFER_MEMORY: usize = 4 << 20;
const FEWEST_BUFFERS: usize = 8;
const MOST_BUFFERS: usize = 256;

/// How long a forced stop waits until the kernel has let go of the sockets. A ring that is closed
/// with requests in it closes them later.
const FORCED_GRACE: Duration = Duration::from_millis(300);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Compio;

impl Model for Compio {
    fn check(&self) -> io::Result<()> {
        // On a thread of its own, as for the ring of the other model.
        let probe = std::thread::Builder::new().name("probe-compio".into());
        let probed = probe.spawn(|| runtime(1)?.buffer_pool().map(drop))?.join();
        probed.unwrap_or_else(|_| Err(io::Error::other("the runtime panicked")))
    }

    fn serve(&self, listeners: Vec<Vec<Listener>>, context: &Context) -> io::Result<()> {
        let workers = context.config.workers;
        // This thread accepts for all.
        let handoff = Handoff::new(workers, 1);
        context.readiness.expect(workers + 1);
        std::thread::scope(|scope| {
            let handoff = &handoff;
            let threads = (0..workers).map(|number| {
                start_worker(scope, number, context, move || work(number, handoff, context))
            });
            let threads: Vec<_> = threads.collect();
            let mut distributor = Distributor { handoff, turn: 0 };
            let outcome =
                context.supervise(|| acceptor::accept(listeners, context, &mut distributor));
            handoff.accepting.fetch_sub(1, Ordering::Release);
            for inbox in &handoff.inboxes {
                inbox.wake();
            }
            join_all(threads).and(outcome)
        })
    }
}

/// Passes sockets on in rotation.
struct Distributor<'a> {
    handoff: &'a Handoff,
    turn: usize,
}

impl AcceptHandler for Distributor<'_> {
    fn accepted(&mut self, socket: OwnedFd, permit: Permit) {
        self.handoff.inboxes[self.turn].put(socket, permit);
        self.turn = (self.turn + 1) % self.handoff.inboxes.len();
    }
}

/// A runtime that receives at most `read_buffer` bytes at a time.
fn runtime(read_buffer: usize) -> io::Result<Runtime> {
    let buffers = (BUFFER_MEMORY / read_buffer).clamp(FEWEST_BUFFERS, MOST_BUFFERS);
    let mut proactor = ProactorBuilder::new();
    proactor.coop_taskrun(true).buffer_pool_buffer_len(read_buffer);
    if let Some(buffers) = u16::try_from(buffers).ok().and_then(NonZero::new) {
        proactor.buffer_pool_size(buffers);
    }
    RuntimeBuilder::new().with_proactor(proactor).build()
}

fn work(number: usize, handoff: &Handoff, context: &Context) -> io::Result<()> {
    context.pin_worker(number);
    let runtime = runtime(context.config.read_buffer)?;
    let waker = Waker::new()?;
    let worker = Rc::new(Worker {
        number,
        scratch: RefCell::new(context.scratch(number, Served::default())),
        connections: RefCell::default(),
        mail: MailList::new(waker.clone()),
        stage: Cell::new(Stage::Running),
        waker: waker.clone(),
        context: context.clone(),
    });
    handoff.inboxes[number].wake_with(waker.clone());
    let stopped = waker.clone();
    context.stop.on_advance(move |_| stopped.wake());
    context.readiness.serves();
    // For what came before.
    waker.wake();
    runtime.block_on(serve(&worker, handoff))
}

/// Until the worker has ended.
async fn serve(worker: &Rc<Worker>, handoff: &Handoff) -> io::Result<()> {
    let inbox = &handoff.inboxes[worker.number];
    while worker.stage.get() != Stage::Forced {
        worker.woken().await?;
        for (socket, permit) in inbox.take() {
            connection::start(worker, socket, permit);
        }
        for key in worker.mail.take() {
            if let Some(slot) = worker.connections.borrow().get(key) {
                slot.has_mail.set(true);
                slot.wake();
            }
        }
        worker.stop(worker.context.stop.stage());
        // In this order: the inboxes are filled before the acceptor says that it has ended.
        if worker.stage.get() == Stage::Draining
            && worker.connections.borrow().is_empty()
            && handoff.accepting.load(Ordering::Acquire) == 0
            && inbox.is_empty()
        {
            return Ok(());
        }
    }
    let all_ended = async {
        while !worker.connections.borrow().is_empty() {
            worker.woken().await?;
        }
        Ok(())
    };
    compio::time::timeout(FORCED_GRACE, all_ended).await.unwrap_or(Ok(()))
}

/// What the tasks of a worker share.
struct Worker {
    number: usize,
    scratch: RefCell<Scratch<Served>>,
    connections: RefCell<SlotMap<DefaultKey, Rc<Slot>>>,
    mail: Arc<MailList<DefaultKey>>,
    /// How far the stop has come, as the tasks know it.
    stage: Cell<Stage>,
    /// Wakes the worker itself.
    waker: Waker,
    context: Context,
}

/// How a connection's task is woken from outside.
#[derive(Default)]
struct Slot {
    task: RefCell<Option<TaskWaker>>,
    has_mail: Cell<bool>,
}

impl Slot {
    fn wake(&self) {
        self.task.borrow().as_ref().inspect(|task| task.wake_by_ref());
    }
}

impl Worker {
    /// Waits for the next wake-up.
    async fn woken(&self) -> io::Result<()> {
        let polled = PollOnce::new(self.waker.clone(), Interest::Readable);
        compio::runtime::submit(polled).await.0?;
        self.waker.reset();
        Ok(())
    }

    /// Passes a stop on to all tasks.
    fn stop(&self, stage: Stage) {
        if stage <= self.stage.replace(stage) {
            return;
        }
        // What the kernel has received by now is found by the tasks: it counts as arrived.
        Runtime::with_current(|runtime| runtime.poll_with(Some(Duration::ZERO)));
        for slot in self.connections.borrow().values() {
            slot.wake();
        }
    }

    /// A connection has ended.
    fn ended(&self, key: DefaultKey) {
        self.connections.borrow_mut().remove(key);
        if self.stage.get() > Stage::Running {
            self.waker.wake();
        }
    }

    /// Passes the counts on.
    fn add_counts(&self, scratch: &mut Scratch<Served>) {
        if scratch.counts != Served::default() {
            let counts = std::mem::take(&mut scratch.counts);
            self.context.counters.worker(self.number).add(counts);
        }
    }
}
