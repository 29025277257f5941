//! A worker process's side: [`Post`], what it was started with.

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
pub(crate) struct Post {
    /// Which worker it is.
    pub number: usize,
    /// The process that has started it.
    pub parent: u32,
    /// What limits are held against.
    pub occupied: Arc<Occupied>,
    /// Where it listens, once.
    pub listeners: Vec<Listener>,
    supervisor: BufReader<UnixStream>,
    /// Of all threads that have something to say.
    told: Arc<Mutex<UnixStream>>,
}

/// The value of the variable, for a worker of this process.
pub(super) fn passed(number: usize, descriptors: &[OwnedFd]) -> String {
    let mut value = format!("{number},{}", std::process::id());
    for descriptor in descriptors {
        value.push_str(&format!(",{}", descriptor.as_raw_fd()));
    }
    value
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

impl Post {
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
            .map(|number| Listener::try_from(take(number)?).map_err(|what| unfit(what)))
            .collect::<io::Result<_>>()?;
        let told = Arc::new(Mutex::new(control.try_clone()?));
        let (occupied, supervisor) = (Arc::new(occupied), BufReader::new(control));
        Ok(Some(Self { number, parent, occupied, listeners, supervisor, told }))
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

    /// What says to the supervisor how it goes.
    pub(crate) fn voice(&self) -> Voice {
        Voice(Arc::clone(&self.told))
    }

    /// Does as the supervisor says, on a thread of its own: `stop` stops the server, `snapshot` is
    /// what it has counted.
    ///
    /// # Errors
    /// When there can be no thread.
    pub(crate) fn obey(
        self,
        stop: Stop,
        snapshot: impl Fn() -> Snapshot + Send + 'static,
    ) -> io::Result<()> {
        let Self { mut supervisor, told, .. } = self;
        let voice = Voice(told);
        let obeying = move || {
            loop {
                match receive(&mut supervisor) {
                    Ok(Some(ToWorker::Drain)) => stop.advance(Stage::Draining),
                    Ok(Some(ToWorker::Report)) => voice.counted(snapshot()),
                    Ok(Some(ToWorker::Serve(_))) => {}
                    // It was killed, or panicked.
                    Ok(Some(ToWorker::End) | None) | Err(_) => {
                        stop.advance(Stage::Forced);
                        break;
                    }
                }
            }
        };
        thread::Builder::new().name("control".into()).spawn(obeying).map(drop)
    }
}

/// Tells the supervisor how it goes. Clones share it. A supervisor that is gone hears nothing.
#[derive(Debug, Clone)]
pub(crate) struct Voice(Arc<Mutex<UnixStream>>);

impl Voice {
    /// The worker serves.
    pub(crate) fn serves(&self) {
        self.say(&ToSupervisor::Serves);
    }

    /// What it has counted until now.
    pub(crate) fn counted(&self, snapshot: Snapshot) {
        let counted = Counted { snapshot, used: OwnProcess::read() };
        self.say(&ToSupervisor::Counted(Box::new(counted)));
    }

    /// It ends.
    pub(crate) fn ended(&self, how: Ended) {
        self.say(&ToSupervisor::Ended(how));
    }

    fn say(&self, message: &ToSupervisor) {
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
