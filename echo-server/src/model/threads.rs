//! One blocking thread per connection: [`Threads`]. The kernel does all the waiting, at the
//! cost of a thread for every client, busy or not. Starting one takes 40 to 80 us, most of it in
//! the kernel (30 to 50 us for a thread that does nothing), while a connection takes 30 us: of
//! 10,000 clients that connect at once the last is answered after about half a second.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::Wake;
use std::time::Duration;

use echo_net::clock;
use echo_net::listener::Listener;
use slotmap::{DefaultKey, SlotMap};
use socket2::Socket;

use super::acceptor::{self, AcceptHandler};
use super::{Capacity, Model};
use crate::admission::{Permit, Refusal};
use crate::config::Config;
use crate::context::Context;
use crate::driver::{Closed, Driver};
use crate::thread_budget;

mod blocking;
mod polling;

use blocking::{BlockedThread, Blocking};
use polling::{Polling, ThreadWaker};

/// Stack size of a connection's thread. The session needs little, and only touched pages cost
/// memory.
const STACK_BYTES: usize = 128 * 1024;

/// How long a forced stop waits for threads to exit.
const FORCED_GRACE: Duration = Duration::from_millis(300);

/// Poll interval of that wait.
const NOTICE_FORCE: Duration = Duration::from_millis(20);

/// Initial delay before threads that have not noticed a stop are interrupted again. It doubles
/// each time: most of them wait for their peer, not for a signal.
const INTERRUPT_AGAIN: Duration = Duration::from_millis(20);

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Threads;

impl Model for Threads {
    fn capacity(&self) -> Option<Capacity> {
        thread_budget::budget()
    }

    fn descriptors(&self, config: &Config) -> u64 {
        if config.protocol.is_chat() { 2 } else { 1 }
    }

    fn serve(&self, listeners: Vec<Vec<Listener>>, context: &Context) -> io::Result<()> {
        let live = Arc::new(LiveThreads::default());
        let threads = Arc::clone(&live);
        context.stop.on_advance(move |_| threads.interrupt());
        context.readiness.expect(1);
        let mut starter = Starter { context, live: Arc::clone(&live), started: 0 };
        acceptor::accept(listeners, context, &mut starter)?;
        live.wait_until_empty(context);
        Ok(())
    }
}

/// All live threads.
#[derive(Debug, Default)]
struct LiveThreads {
    threads: Mutex<SlotMap<DefaultKey, Interrupt>>,
    emptied: Condvar,
}

/// Interrupts a thread's wait.
#[derive(Debug, Clone)]
enum Interrupt {
    Blocked(Arc<BlockedThread>),
    Polling(Arc<ThreadWaker>),
}

impl LiveThreads {
    fn lock(&self) -> MutexGuard<'_, SlotMap<DefaultKey, Interrupt>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remove(&self, key: DefaultKey) {
        let mut threads = self.lock();
        threads.remove(key);
        if threads.is_empty() {
            self.emptied.notify_all();
        }
    }

    /// Wakes every thread, so that it sees the stage of a stop.
    fn interrupt(&self) {
        for thread in self.lock().values() {
            match thread {
                Interrupt::Blocked(thread) => thread.interrupt(),
                Interrupt::Polling(waker) => waker.wake_by_ref(),
            }
        }
    }

    fn wait_until_empty(&self, context: &Context) {
        let mut threads = self.lock();
        let mut give_up_at = None;
        let mut pause = clock::nanos(INTERRUPT_AGAIN);
        let mut interrupt_at = clock::now() + pause;
        while !threads.is_empty() {
            let now = clock::now();
            let forced = context.is_forced();
            if forced && now > *give_up_at.get_or_insert(now + clock::nanos(FORCED_GRACE)) {
                for thread in threads.values() {
                    if let Interrupt::Blocked(thread) = thread {
                        thread.abort();
                    }
                }
                return;
            }
            let woken = self.emptied.wait_timeout(threads, NOTICE_FORCE);
            threads = woken.unwrap_or_else(PoisonError::into_inner).0;
            if !forced && clock::now() < interrupt_at {
                continue;
            }
            pause *= 2;
            interrupt_at = clock::now() + pause;
            for thread in threads.values() {
                if let Interrupt::Blocked(thread) = thread {
                    thread.interrupt();
                }
            }
        }
    }
}

/// Starts a thread for every accepted socket.
struct Starter<'a> {
    context: &'a Context,
    live: Arc<LiveThreads>,
    started: usize,
}

impl AcceptHandler for Starter<'_> {
    fn accepted(&mut self, socket: OwnedFd, permit: Permit) {
        let socket = Arc::new(Socket::from(socket));
        let turned_away = permit.is_turned_away();
        let driver = self.context.driver(permit);
        let interrupt = match interrupt(&socket, &driver) {
            Ok(interrupt) => interrupt,
            Err(error) => return self.context.admission.log_accept_failure(&error),
        };
        let key = self.live.lock().insert(interrupt.clone());
        let number = self.started;
        self.started += 1;
        let (live, context) = (Arc::clone(&self.live), self.context.clone());
        let stream = Arc::clone(&socket);
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(move || {
            let _gone = Gone { live, key };
            // What it returns is kept where the server ends.
            let _ = context.supervise(|| {
                context.pin_worker(number);
                let scratch = context.scratch(number, &**context.counters.worker(number));
                let Err(Closed) = match interrupt {
                    Interrupt::Blocked(thread) => {
                        Blocking::new(&thread, driver, &context, scratch).serve()
                    }
                    Interrupt::Polling(waker) => {
                        Polling::new(&stream, waker, driver, &context, scratch).serve()
                    }
                };
                Ok(())
            });
        });
        if let Err(error) = thread {
            self.live.remove(key);
            if !turned_away {
                let reason = format!("can't start a thread: {error}");
                self.context.admission.refuse(socket.as_fd(), Refusal::Thread, &reason);
            }
        }
    }
}

/// A thread that is counted until this is dropped.
struct Gone {
    live: Arc<LiveThreads>,
    key: DefaultKey,
}

impl Drop for Gone {
    fn drop(&mut self) {
        self.live.remove(self.key);
    }
}

/// Interrupts the wait of a connection's thread.
fn interrupt(socket: &Arc<Socket>, driver: &Driver) -> io::Result<Interrupt> {
    if driver.gets_mail() {
        return ThreadWaker::new().map(Arc::new).map(Interrupt::Polling);
    }
    Ok(Interrupt::Blocked(Arc::new(BlockedThread::new(Arc::clone(socket)))))
}
