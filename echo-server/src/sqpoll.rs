//! The kernel thread of the model uring (`--uring-sqpoll`), one for all workers: whether a CPU is
//! left for it and which ([`start`]), and what it has used ([`SqpollSummary`]).

use std::fmt;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use echo_net::pin;
use echo_net::reactor::uring::KernelThread;
use echo_net::settings::TimeSpan;

use crate::config::{Config, available_cores};

/// The workers have all CPUs, and the thread would take time from those that wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "--uring-sqpoll needs a CPU for its kernel thread beside those of the workers: {cores} available, \
     {workers} taken ({})",
    remedy(*cores)
)]
pub struct NoCore {
    workers: usize,
    cores: usize,
}

fn remedy(cores: usize) -> String {
    match cores {
        0 | 1 => "leave it out, or let this process use another CPU".to_owned(),
        cores => format!("use --workers {}", cores - 1),
    }
}

/// Checks that a CPU is left by so many workers.
pub(crate) fn check(workers: usize, cores: usize) -> Result<(), NoCore> {
    if workers < cores { Ok(()) } else { Err(NoCore { workers, cores }) }
}

/// Starts the thread of a server, on a CPU that this process may use and that no worker is pinned
/// to: the last of them. Left alone it would run on any CPU of the machine.
///
/// # Errors
/// When no CPU is left, or the kernel or a sandbox denies it.
pub(crate) fn start(config: &Config) -> io::Result<KernelThread> {
    check(config.workers, available_cores())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    let allowed = pin::allowed()?;
    let taken: Vec<usize> = (0..config.workers).filter_map(|it| config.cpu_of(it)).collect();
    let free = allowed.iter().rev().find(|cpu| !taken.contains(cpu));
    Ok(KernelThread::start(free.copied())?)
}

/// What a kernel thread has used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct SqpollSummary {
    /// The CPU that it is bound to.
    pub cpu: Option<usize>,
    /// CPU time in nanoseconds, which is part of that of the process; `None`: no such thread was
    /// found in this process.
    pub cpu_time_ns: Option<u64>,
}

impl SqpollSummary {
    fn of(thread: &KernelThread) -> Self {
        let ns = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        Self { cpu: thread.cpu(), cpu_time_ns: thread.cpu_time().map(ns) }
    }
}

impl fmt::Display for SqpollSummary {
    /// Like `on CPU 3, 1.2s of CPU time`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(cpu) = self.cpu {
            write!(f, "on CPU {cpu}, ")?;
        }
        match self.cpu_time_ns {
            // More digits would only be noise.
            Some(ns) => {
                let time = TimeSpan(Duration::from_millis(ns / 1_000_000));
                write!(f, "{time} of CPU time")
            }
            None => f.write_str("not found among the threads of this process"),
        }
    }
}

/// The kernel thread of a server. Clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Sqpoll(Arc<Mutex<State>>);

#[derive(Debug, Default)]
enum State {
    #[default]
    None,
    Serves(Arc<KernelThread>),
    Ended(SqpollSummary),
}

impl Sqpoll {
    /// It serves from now on.
    pub(crate) fn begins(&self, thread: &Arc<KernelThread>) {
        self.set(State::Serves(Arc::clone(thread)));
    }

    /// The server has ended, and keeps what the thread has used.
    pub(crate) fn ends(&self) {
        if let Some(summary) = self.summary() {
            self.set(State::Ended(summary));
        }
    }

    /// What it has used so far; `None` without one.
    pub(crate) fn summary(&self) -> Option<SqpollSummary> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            State::None => None,
            State::Serves(thread) => Some(SqpollSummary::of(thread)),
            State::Ended(summary) => Some(*summary),
        }
    }

    fn set(&self, state: State) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = state;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_without_a_spare_cpu_is_refused_with_the_number_that_leaves_one() {
        assert_eq!(check(1, 2), Ok(()));
        let error = |workers, cores| check(workers, cores).unwrap_err().to_string();
        assert!(error(4, 4).ends_with("4 available, 4 taken (use --workers 3)"));
        assert!(error(9, 2).contains("(use --workers 1)"));
        assert!(error(1, 1).contains("(leave it out"));
    }

    #[test]
    fn what_it_has_used_is_said_with_its_cpu() {
        let summary = SqpollSummary { cpu: Some(3), cpu_time_ns: Some(1_234_567_890) };
        assert_eq!(summary.to_string(), "on CPU 3, 1.234s of CPU time");
        let absent = SqpollSummary { cpu: None, cpu_time_ns: None };
        assert!(absent.to_string().starts_with("not found"));
    }
}
