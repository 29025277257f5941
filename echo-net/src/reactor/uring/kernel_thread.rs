//! A thread of the kernel that submits the requests of rings and completes them
//! (`IORING_SETUP_SQPOLL`): [`KernelThread`]. It is a thread of this process, whose CPU time counts
//! as the process's, and polls the submission queues for as long as there is something to do, and
//! for [`IDLE`] more; then it sleeps until it is woken.
//!
//! Several rings can share one. It serves them in turn, a few requests of each.

use std::fmt;
use std::fs;
use std::io;
use std::os::fd::AsRawFd;
use std::thread;
use std::time::Duration;

use io_uring::{Builder, IoUring, cqueue, squeue};
use rustix::thread::gettid;

use super::unavailable::Unavailable;
use crate::clock::{self, MILLISECOND, Nanos, SECOND};

/// For how long the thread polls on when there is nothing to do. Longer than the pauses of a load
/// that is worth measuring, so that a message seldom has to wake it; and a server at rest is soon
/// at rest.
pub const IDLE: Duration = Duration::from_millis(100);

/// How long the thread may take to come to what it has to do. On a CPU of its own that is
/// microseconds.
pub(super) const LAG: Nanos = SECOND;

/// Where the kernel lists the threads of this process.
const TASKS: &str = "/proc/self/task";

/// What the kernel calls such a thread, before the id of the one that has made its ring.
const NAME: &str = "iou-sqp-";

/// How long a new thread may take until it has its name.
const START: Nanos = 100 * MILLISECOND;

/// See the [module](self). It ends with this and all rings that it serves.
pub struct KernelThread {
    /// A ring without requests, which keeps the thread; rings refer to it to share it.
    anchor: IoUring,
    /// Its thread id; `None` if it was not found among those of this process.
    id: Option<u32>,
    cpu: Option<usize>,
}

impl fmt::Debug for KernelThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KernelThread")
            .field("id", &self.id)
            .field("cpu", &self.cpu)
            .finish_non_exhaustive()
    }
}

impl KernelThread {
    /// Starts one, bound to this CPU; without one the kernel chooses, and not only among the CPUs
    /// that this process is allowed to use.
    ///
    /// # Errors
    /// When the kernel or a sandbox denies it.
    pub fn start(cpu: Option<usize>) -> Result<Self, Unavailable> {
        // On a separate thread: the kernel tears a ring down as task work of the thread that has
        // created it, which interrupts its system calls; and it names its own thread after that
        // one, so that it can be told from others.
        let made = thread::Builder::new()
            .name("start-sqpoll".into())
            .spawn(move || Self::start_here(cpu))
            .map(thread::JoinHandle::join);
        match made {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => Err(unavailable(io::ErrorKind::Other.into())),
            Err(reason) => Err(Unavailable { asked: "a thread", reason }),
        }
    }

    fn start_here(cpu: Option<usize>) -> Result<Self, Unavailable> {
        let mut builder = IoUring::builder();
        builder.setup_sqpoll(IDLE.as_millis() as u32);
        if let Some(cpu) = cpu {
            builder.setup_sqpoll_cpu(cpu as u32);
        }
        let anchor = builder.build(1).map_err(unavailable)?;
        Ok(Self { anchor, id: find_own(), cpu })
    }

    /// Has the thread submit the requests of the ring that is built.
    pub(super) fn serve(&self, builder: &mut Builder<squeue::Entry, cqueue::Entry>) {
        builder.setup_sqpoll(IDLE.as_millis() as u32).setup_attach_wq(self.anchor.as_raw_fd());
    }

    /// Its thread id; `None` if it was not found among the threads of this process.
    pub fn id(&self) -> Option<u32> {
        self.id
    }

    /// The CPU that it is bound to.
    pub fn cpu(&self) -> Option<usize> {
        self.cpu
    }

    /// The CPU time that it has used; `None` if the kernel does not say.
    pub fn cpu_time(&self) -> Option<Duration> {
        let text = fs::read_to_string(format!("{TASKS}/{}/schedstat", self.id?)).ok()?;
        // Time on the CPU, in nanoseconds, is the first of three numbers (sched-stats.rst).
        text.split(' ').next()?.parse().ok().map(Duration::from_nanos)
    }
}

fn unavailable(reason: io::Error) -> Unavailable {
    Unavailable { asked: "a kernel thread that submits (IORING_SETUP_SQPOLL)", reason }
}

/// Checks whether one can be started on this machine.
///
/// # Errors
/// Those of [`KernelThread::start`].
pub fn probe() -> Result<(), Unavailable> {
    KernelThread::start(None).map(drop)
}

/// The kernel thread of the ring that the calling thread has made: it has the name of that one. In
/// another PID namespace the number in it is not the one that is seen here; there it is taken if it
/// is the only one.
fn find_own() -> Option<u32> {
    let own = format!("{NAME}{}", gettid().as_raw_nonzero());
    let until = clock::now() + START;
    loop {
        let threads = kernel_threads();
        if let Some((id, _)) = threads.iter().find(|(_, name)| *name == own) {
            return Some(*id);
        }
        if clock::now() >= until {
            let [(id, _)] = &threads[..] else { return None };
            return Some(*id);
        }
        thread::sleep(Duration::from_millis(1));
    }
}

/// The threads of this process that serve rings, with their names.
fn kernel_threads() -> Vec<(u32, String)> {
    let entries = fs::read_dir(TASKS).into_iter().flatten().flatten();
    let threads = entries.filter_map(|entry| {
        let id = entry.file_name().to_str()?.parse().ok()?;
        let name = fs::read_to_string(entry.path().join("comm")).ok()?;
        name.starts_with(NAME).then(|| (id, name.trim_end().to_owned()))
    });
    threads.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where it can't be started the test is skipped by name.
    fn started(cpu: Option<usize>) -> Option<KernelThread> {
        KernelThread::start(cpu).inspect_err(|reason| eprintln!("skipped: {reason}")).ok()
    }

    #[test]
    fn it_is_a_thread_of_this_process_that_rests_when_there_is_nothing_to_do_and_ends() {
        let Some(polling) = started(None) else { return };
        let id = polling.id().unwrap();
        let deadline = clock::now() + 20 * SECOND;
        let mut used = polling.cpu_time().unwrap();
        loop {
            assert!(clock::now() < deadline, "it polls on and on: {used:?}");
            thread::sleep(IDLE);
            let now = polling.cpu_time().unwrap();
            if now == used {
                break;
            }
            used = now;
        }
        drop(polling);
        let task = std::path::PathBuf::from(format!("{TASKS}/{id}"));
        while task.exists() {
            assert!(clock::now() < deadline, "it is still there");
            thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn it_is_bound_to_the_cpu_that_was_asked_for() {
        let cpu = *crate::pin::allowed().unwrap().last().unwrap();
        let Some(polling) = started(Some(cpu)) else { return };
        let status = fs::read_to_string(format!("{TASKS}/{}/status", polling.id().unwrap()));
        let allowed = format!("Cpus_allowed_list:\t{cpu}\n");
        assert!(status.unwrap().contains(&allowed));
    }
}
