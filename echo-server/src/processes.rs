//! The worker processes of a server, as the one that has started them sees them: [`Processes`].
//! Each is this program again, with the same command line; an environment variable makes it a
//! worker ([`WorkerSide`]). They end with the process that started them, whatever ends it.
//!
//! Limits are counted in shared memory ([`Occupied`]); all else goes over a socket to each
//! worker ([`message`]), so that no signal is needed, which a sandbox may forbid.

use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use echo_net::inherited::keep_open;
use echo_net::listener::Listener;
use echo_net::own_process::OwnProcess;
use echo_net::stop::Stage;

use crate::counters::WorkerSoFar;
use crate::occupied::Occupied;
use crate::snapshot::Snapshot;
use crate::thread_budget::cannot_start_process;

mod message;
mod worker_side;

pub(crate) use message::{Assignment, Ended};
use message::{Counted, ToSupervisor, ToWorker, receive, send};
pub(crate) use worker_side::WorkerSide;

/// How long a worker may take to say what it has counted; then what it said last counts.
const REPORT_LIMIT: Duration = Duration::from_secs(1);

/// How long a worker may take to take a message: it reads them at once, unless it is stopped.
const SEND_LIMIT: Duration = Duration::from_millis(200);

/// How long a process may take to end after its last word.
const EXIT_LIMIT: Duration = Duration::from_secs(2);

/// How often it is looked whether it has.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct Processes {
    workers: Box<[Worker]>,
    /// What each has said. Whoever changes it notifies `changed`.
    told: Mutex<Box<[Told]>>,
    changed: Condvar,
    occupied: Arc<Occupied>,
}

#[derive(Debug)]
struct Worker {
    pid: u32,
    child: Mutex<Child>,
    control: UnixStream,
}

/// What a worker has said.
#[derive(Debug)]
pub(crate) struct Told {
    /// Whether it serves.
    pub serves: bool,
    /// How it has ended, if it could say so.
    pub ended: Option<Ended>,
    /// Whether it has closed its socket, which its end does.
    pub is_gone: bool,
    counted: Counted,
    /// How often it has said what it counted.
    reports: u64,
    /// Whether it was asked for that, and has not said it yet.
    is_asked: bool,
}

impl Default for Told {
    fn default() -> Self {
        let snapshot =
            Snapshot { workers: vec![WorkerSoFar::default()], ..Snapshot::default() };
        let counted = Counted { snapshot, ..Counted::default() };
        let (serves, ended, is_gone) = (false, None, false);
        Self { serves, ended, is_gone, counted, reports: 0, is_asked: false }
    }
}

impl Processes {
    /// Starts a process for each of `workers`. Worker `n` gets group `n` of the listeners, or the
    /// only one. They end with the calling thread. To be called before a sandbox forbids it.
    ///
    /// # Errors
    /// When one of them can't be started.
    pub(crate) fn start(workers: usize, listeners: &[Vec<Listener>]) -> io::Result<Self> {
        let occupied = Arc::new(Occupied::shared()?);
        let most = workers;
        let start = |number: usize| {
            let group = if listeners.len() == 1 { 0 } else { number };
            let group = listeners.get(group).map_or(&[][..], |group| &group[..]);
            Worker::start(number, group, &occupied)
                .map_err(|reason| cannot_start_process(number, most, &reason))
        };
        let workers: Box<[Worker]> = (0..workers).map(start).collect::<io::Result<_>>()?;
        let told = workers.iter().map(|_| Told::default()).collect();
        Ok(Self { workers, told: Mutex::new(told), changed: Condvar::new(), occupied })
    }

    /// What limits are held against, in all of them.
    pub(crate) fn occupied(&self) -> &Arc<Occupied> {
        &self.occupied
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.workers.len()
    }

    /// Has all of them serve as `assigned`, and listens to what they say.
    ///
    /// # Errors
    /// When no thread can be started.
    pub(crate) fn serve(self: &Arc<Self>, assigned: &Assignment) -> io::Result<()> {
        for number in 0..self.count() {
            let (all, socket) = (Arc::clone(self), self.workers[number].control.try_clone()?);
            let listening = thread::Builder::new().name(format!("of-worker-{number}"));
            listening.spawn(move || all.listen(number, socket))?;
        }
        for worker in &self.workers {
            worker.tell(&ToWorker::Serve(assigned.clone()));
        }
        Ok(())
    }

    /// Passes on that the server stops.
    pub(crate) fn advance(&self, stage: Stage) {
        let message = match stage {
            Stage::Running => return,
            Stage::Draining => ToWorker::Drain,
            Stage::Forced => ToWorker::End,
        };
        for worker in &self.workers {
            worker.tell(&message);
        }
        // With the lock, so that nobody is about to wait who has not seen the stop.
        drop(self.told());
        self.changed.notify_all();
    }

    /// Waits until `found` finds something in what they have said; `None` after `at_most`.
    pub(crate) fn wait_for<T>(
        &self,
        at_most: Option<Duration>,
        mut found: impl FnMut(&[Told]) -> Option<T>,
    ) -> Option<T> {
        let deadline = at_most.and_then(|at_most| Instant::now().checked_add(at_most));
        let mut told = self.told();
        loop {
            if let Some(found) = found(&told) {
                return Some(found);
            }
            let Some(deadline) = deadline else {
                told = self.changed.wait(told).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return None;
            }
            let waited = self.changed.wait_timeout(told, left);
            told = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// What they have counted until now, all together.
    pub(crate) fn snapshot(&self) -> Snapshot {
        // One that does not answer is asked once: its socket would fill up, with no room left for
        // what stops it.
        let ask =
            |told: &mut Told| !told.is_gone && !std::mem::replace(&mut told.is_asked, true);
        let (before, asked): (Vec<u64>, Vec<bool>) =
            self.told().iter_mut().map(|told| (told.reports, ask(told))).unzip();
        for (worker, _) in self.workers.iter().zip(asked).filter(|(_, is_asked)| *is_asked) {
            worker.tell(&ToWorker::Report);
        }
        let answered = |told: &[Told]| {
            let mut each = told.iter().zip(&before);
            each.all(|(told, before)| told.is_gone || told.reports > *before).then_some(())
        };
        let _ = self.wait_for(Some(REPORT_LIMIT), answered);
        let mut sum = Snapshot::default();
        for told in self.told().iter() {
            sum += told.counted.snapshot.clone();
        }
        sum
    }

    /// What they have used together with `own`, as of the last [`snapshot`](Self::snapshot).
    pub(crate) fn used_with(&self, own: OwnProcess) -> OwnProcess {
        self.told().iter().fold(own, |sum, told| sum.with(&told.counted.used))
    }

    /// Ends those that do not end.
    pub(crate) fn kill(&self) {
        for worker in &self.workers {
            // Fails only for one that has ended.
            let _ = worker.child().kill();
        }
    }

    /// The first that is not gone; 0 if all are.
    pub(crate) fn first_left(&self) -> usize {
        self.told().iter().position(|told| !told.is_gone).unwrap_or(0)
    }

    /// What became of a worker, in words.
    pub(crate) fn exit_cause(&self, number: usize) -> String {
        let Some(worker) = self.workers.get(number) else { return String::new() };
        let pid = worker.pid;
        match worker.exit_status() {
            Some(status) => format!("worker {number} (process {pid}) has ended: {status}"),
            None => format!("worker {number} (process {pid}) does not exit"),
        }
    }

    /// Listens to a worker until it is gone.
    fn listen(&self, number: usize, socket: UnixStream) {
        let mut socket = io::BufReader::new(socket);
        // What is no message is a bug, and as good as an end.
        while let Ok(Some(message)) = receive(&mut socket) {
            let mut all = self.told();
            let told = &mut all[number];
            match message {
                ToSupervisor::Serves => told.serves = true,
                ToSupervisor::Counted(counted) => {
                    told.counted = *counted;
                    told.reports += 1;
                    told.is_asked = false;
                }
                ToSupervisor::Ended(how) => told.ended = Some(how),
            }
            self.changed.notify_all();
        }
        // The kernel has its CPU time once it was waited for.
        if let Some(worker) = self.workers.get(number) {
            let _ = worker.exit_status();
        }
        self.told()[number].is_gone = true;
        self.changed.notify_all();
    }

    fn told(&self) -> MutexGuard<'_, Box<[Told]>> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Worker {
    fn start(number: usize, listeners: &[Listener], occupied: &Occupied) -> io::Result<Self> {
        let (control, theirs) = UnixStream::pair()?;
        control.set_write_timeout(Some(SEND_LIMIT))?;
        let memory = occupied.memory().ok_or(io::ErrorKind::InvalidInput)?;
        let mut passed: Vec<OwnedFd> = vec![theirs.into(), memory.try_clone_to_owned()?];
        for listener in listeners {
            passed.push(listener.as_fd().try_clone_to_owned()?);
        }
        passed.iter().try_for_each(keep_open)?;
        let child = Command::new(std::env::current_exe()?)
            .args(std::env::args_os().skip(1))
            .env(worker_side::VARIABLE, worker_side::passed(number, &passed))
            .stdin(Stdio::null())
            // The ready line and the summary are the supervisor's.
            .stdout(Stdio::null())
            .spawn()?;
        Ok(Self { pid: child.id(), child: Mutex::new(child), control })
    }

    /// One that does not listen has ended, or is stopped: it is none that waits for this.
    fn tell(&self, message: &ToWorker) {
        let _ = send(&self.control, message);
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How its process has ended, which it is about to.
    fn exit_status(&self) -> Option<ExitStatus> {
        let mut child = self.child();
        let begin = Instant::now();
        loop {
            match child.try_wait() {
                Ok(None) if begin.elapsed() < EXIT_LIMIT => thread::sleep(LOOK_EVERY),
                Ok(status) => return status,
                Err(_) => return None,
            }
        }
    }
}

/// Leaves no process behind, nor the number of one that nobody has waited for: one that was started
/// before another could not be has not served anybody yet.
impl Drop for Worker {
    fn drop(&mut self) {
        let child = self.child.get_mut().unwrap_or_else(PoisonError::into_inner);
        // Fails only for one that was waited for.
        let _ = child.kill();
        let _ = child.wait();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read as _;

    /// A worker that does not even read what it is told, and the other end of its socket.
    fn deaf() -> (Worker, UnixStream) {
        let (control, theirs) = UnixStream::pair().unwrap();
        let child = Command::new("sleep").arg("60").spawn().unwrap();
        (Worker { pid: child.id(), child: Mutex::new(child), control }, theirs)
    }

    #[test]
    fn a_worker_that_is_not_needed_is_gone_whole() {
        let (worker, _theirs) = deaf();
        let process = std::path::PathBuf::from(format!("/proc/{}", worker.pid));
        assert!(process.exists());
        drop(worker);
        assert!(!process.exists(), "it runs, or nobody has waited for it");
    }

    #[test]
    fn a_worker_that_does_not_answer_is_asked_for_its_counts_once() {
        let (worker, mut theirs) = deaf();
        let processes = Processes {
            workers: Box::new([worker]),
            told: Mutex::new(Box::new([Told::default()])),
            changed: Condvar::new(),
            occupied: Arc::default(),
        };
        for _ in 0..2 {
            assert_eq!(processes.snapshot().workers.len(), 1, "what is known counts");
        }
        drop(processes);
        let mut asked = String::new();
        theirs.read_to_string(&mut asked).unwrap();
        assert_eq!(asked, "\"Report\"\n");
    }
}
