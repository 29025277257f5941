//! A worker process's side of the socket: [`WorkerSide`], with what it was started with.

use std::env;
use std::io::{self, BufReader};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use echo_net::inherited;
use echo_net::listener::Listener;
use echo_net::own_process::OwnProcess;
use echo_net::stop::{Stage, Stop};

use super::message::{Assignment, Counted, Ended, ToSupervisor, ToWorker, receive, send};
use crate::occupied::Occupied;
use crate::snapshot::Snapshot;

/// The environment variable that makes a process a worker: its number, the process that has
/// started it, and descriptors: the socket to that one, the shared memory, listeners.
pub(super) const VARIABLE: &str = "ECHO_SERVER_WORKER";

/// See the [module](self).
#[derive(Debug)]
pub(crate) struct WorkerSide {
    /// Which worker it is.
    pub number: usize,
    /// The process that has started it.
    pub parent: u32,
    /// What limits are held against.
    pub occupied: Arc<Occupied>,
    /// Where it listens, once.
    pub listeners: Vec<Listener>,
    supervisor: BufReader<UnixStream>,
    /// The same socket, for all threads that report.
    reports: Arc<Mutex<UnixStream>>,
}

/// The value of the variable, for a worker of this process.
pub(super) fn passed(number: usize, descriptors: &[OwnedFd]) -> String {
    let descriptors = descriptors.iter().map(|descriptor| descriptor.as_raw_fd().to_string());
    let own = [number.to_string(), std::process::id().to_string()];
    own.into_iter().chain(descriptors).collect::<Vec<_>>().join(",")
}

/// What the variable says.
#[derive(Debug, PartialEq, Eq)]
struct Passed {
    number: usize,
    parent: u32,
    control: i32,
    memory: i32,
    listeners: Vec<i32>,
}

impl Passed {
    fn parse(value: &str) -> Option<Self> {
        let (number, rest) = value.split_once(',')?;
        let (parent, rest) = rest.split_once(',')?;
        let descriptors: Vec<i32> =
            rest.split(',').map(|word| word.parse().ok()).collect::<Option<_>>()?;
        let (&[control, memory], listeners) = descriptors.split_at_checked(2)? else {
            return None;
        };
        let (number, parent) = (number.parse().ok()?, parent.parse().ok()?);
        Some(Self { number, parent, control, memory, listeners: listeners.to_vec() })
    }
}

impl WorkerSide {
    /// That of this process, if it is a worker. To be called first of all in a program.
    ///
    /// # Errors
    /// When the environment says so, and is wrong.
    pub(crate) fn of_this_process() -> io::Result<Option<Self>> {
        let Some(value) = env::var_os(VARIABLE) else { return Ok(None) };
        let unfit = |why: &str| {
            let remedy = format!("the environment variable {VARIABLE} {why} (unset it)");
            io::Error::new(io::ErrorKind::InvalidInput, remedy)
        };
        let passed = value.to_str().and_then(Passed::parse);
        let Some(Passed { number, parent, control, memory, listeners }) = passed else {
            return Err(unfit("is for worker processes only, and malformed"));
        };
        let take = |descriptor| {
            inherited::take(descriptor).map_err(|reason| unfit(&format!("is wrong: {reason}")))
        };
        let control = UnixStream::from(take(control)?);
        let occupied = Occupied::of_memory(take(memory)?)
            .map_err(|reason| unfit(&format!("is wrong: {reason}")))?;
        let listeners = listeners
            .into_iter()
            .map(|number| Listener::try_from(take(number)?).map_err(&unfit))
            .collect::<io::Result<_>>()?;
        let reports = Arc::new(Mutex::new(control.try_clone()?));
        let (occupied, supervisor) = (Arc::new(occupied), BufReader::new(control));
        Ok(Some(Self { number, parent, occupied, listeners, supervisor, reports }))
    }

    /// Waits for what it is to serve with.
    ///
    /// # Errors
    /// When the supervisor is gone.
    pub(crate) fn assignment(&mut self) -> io::Result<Assignment> {
        match receive(&mut self.supervisor)? {
            Some(ToWorker::Serve(assignment)) => Ok(assignment),
            _ => Err(io::Error::other("the process that has started this worker is gone")),
        }
    }

    /// What reports to the supervisor.
    pub(crate) fn reporter(&self) -> Reporter {
        Reporter(Arc::clone(&self.reports))
    }

    /// Does as the supervisor says, on a thread of its own: `stop` stops the server, `snapshot` is
    /// what it has counted.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(crate) fn follow(
        self,
        stop: Stop,
        snapshot: impl Fn() -> Snapshot + Send + 'static,
    ) -> io::Result<()> {
        let Self { mut supervisor, reports, .. } = self;
        let reporter = Reporter(reports);
        let following = move || {
            loop {
                match receive(&mut supervisor) {
                    Ok(Some(ToWorker::Drain)) => stop.advance(Stage::Draining),
                    Ok(Some(ToWorker::Report)) => reporter.counted(snapshot()),
                    Ok(Some(ToWorker::Serve(_))) => {}
                    // It was killed, or panicked.
                    Ok(Some(ToWorker::End) | None) | Err(_) => {
                        stop.advance(Stage::Forced);
                        break;
                    }
                }
            }
        };
        thread::Builder::new().name("control".into()).spawn(following).map(drop)
    }
}

/// Reports to the supervisor. Clones share it. A supervisor that is gone gets nothing.
#[derive(Debug, Clone)]
pub(crate) struct Reporter(Arc<Mutex<UnixStream>>);

impl Reporter {
    /// The worker serves.
    pub(crate) fn serves(&self) {
        self.send(&ToSupervisor::Serves);
    }

    /// What it has counted until now.
    pub(crate) fn counted(&self, snapshot: Snapshot) {
        let counted = Counted { snapshot, used: OwnProcess::read() };
        self.send(&ToSupervisor::Counted(Box::new(counted)));
    }

    /// It ends.
    pub(crate) fn ended(&self, how: Ended) {
        self.send(&ToSupervisor::Ended(how));
    }

    fn send(&self, message: &ToSupervisor) {
        let _ = send(&self.0.lock().unwrap_or_else(PoisonError::into_inner), message);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_passed_is_understood_and_all_else_refused() {
        let parsed = Passed::parse("1,200,3,4,5,6").unwrap();
        let expected =
            Passed { number: 1, parent: 200, control: 3, memory: 4, listeners: vec![5, 6] };
        assert_eq!(parsed, expected);
        for bad in
            ["", "1", "1,2", "1,2,3", "1,2,3,4,", "x,2,3,4", "1,-2,3,4", "1,2,3,4,99999999999"]
        {
            assert_eq!(Passed::parse(bad), None, "{bad}");
        }
        let file = OwnedFd::from(std::fs::File::open("/dev/null").unwrap());
        let value = passed(7, &[file.try_clone().unwrap(), file]);
        let parsed = Passed::parse(&value).unwrap();
        assert_eq!((parsed.number, parsed.parent), (7, std::process::id()));
    }
}
