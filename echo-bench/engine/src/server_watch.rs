//! What the processes of the server use: [`ServerWatch`].

use echo_net::cpu::Usage;
use echo_net::process_tree::{TreeUsage, descendants};

use super::peer::Peer;

/// Looks at the processes of the server: at one with those that it has started, or at all that were
/// started for the run.
#[derive(Debug, Default)]
pub(super) struct ServerWatch {
    /// A process that is one of the server's.
    pid: Option<u32>,
    /// The parent of the others. To list its children costs a look at each of its threads, so
    /// there is none where there were no children before the load.
    parent: Option<u32>,
    tree: TreeUsage,
}

impl ServerWatch {
    /// To be called once the server serves.
    pub(super) fn new(peer: &Peer) -> Self {
        let (pid, parent) = match peer.supervisor {
            Some(supervisor) => (None, Some(supervisor)),
            None => (peer.pid, peer.pid.filter(|pid| !descendants(*pid).is_empty())),
        };
        Self { pid, parent, tree: TreeUsage::default() }
    }

    /// The processes that live.
    pub(super) fn pids(&self) -> Vec<u32> {
        self.pid.into_iter().chain(self.parent.map(descendants).unwrap_or_default()).collect()
    }

    /// What they have used, with those that ended; `None` where that is not known.
    pub(super) fn usage(&mut self) -> Option<Usage> {
        let own = self.pid.map(|pid| Usage::of_process(pid).ok());
        let others = self.parent.map(|parent| self.tree.look(parent));
        match (own, others) {
            (Some(own), Some(others)) => Some(own?.and(&others?)),
            (one, other) => one.or(other)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Child, Command};
    use std::time::{Duration, Instant};

    fn watch(pid: u32) -> ServerWatch {
        ServerWatch::new(&Peer { pid: Some(pid), ..Peer::default() })
    }

    struct Killed(Child);

    impl Drop for Killed {
        fn drop(&mut self) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }

    #[test]
    fn a_process_that_has_started_others_is_watched_with_them() {
        // The worker ends with the pipe to its parent.
        let script =
            "sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; read x' | sleep 60";
        let server = Killed(Command::new("sh").args(["-c", script]).spawn().expect("a shell"));
        let pid = server.0.id();
        let begin = Instant::now();
        let wait = |what: &dyn Fn() -> bool| {
            while !what() {
                assert!(begin.elapsed() < Duration::from_secs(30), "too late");
                std::thread::sleep(Duration::from_millis(1));
            }
        };
        wait(&|| descendants(pid).len() >= 2);
        let own = || Usage::of_process(pid).map_or(Duration::ZERO, |usage| usage.cpu);
        let mut all = watch(pid);
        assert_eq!(all.pids()[0], pid);
        assert!(all.pids().len() >= 3, "{:?}", all.pids());
        let mut seen = Duration::ZERO;
        while seen < own() + Duration::from_millis(50) {
            assert!(begin.elapsed() < Duration::from_secs(30), "the worker's time: {seen:?}");
            seen = all.usage().expect("it runs").cpu;
        }
        for worker in descendants(pid) {
            let worker = rustix::process::Pid::from_raw(worker.cast_signed()).expect("a child");
            let _ = rustix::process::kill_process(worker, rustix::process::Signal::KILL);
        }
    }

    #[test]
    fn one_without_children_is_watched_alone() {
        let server = Killed(Command::new("sleep").arg("60").spawn().expect("a program"));
        let mut one = watch(server.0.id());
        assert_eq!((one.pids(), one.parent), (vec![server.0.id()], None));
        assert!(one.usage().is_some());
        assert!(ServerWatch::default().usage().is_none());
    }
}
