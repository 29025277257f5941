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
    /// The server of a run. To be called once it serves.
    pub(super) fn new(peer: &Peer) -> Self {
        match (peer.supervisor, peer.pid) {
            (Some(supervisor), _) => Self { parent: Some(supervisor), ..Self::default() },
            (None, Some(pid)) => Self::of_process(pid),
            (None, None) => Self::default(),
        }
    }

    /// A process that serves, with those that it has started by now.
    pub(super) fn of_process(pid: u32) -> Self {
        let parent = Some(pid).filter(|pid| !descendants(*pid).is_empty());
        Self { pid: Some(pid), parent, tree: TreeUsage::default() }
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
pub(super) mod tests {
    use super::*;
    use std::process::Command;
    use std::time::Duration;

    use echo_test_support::deadline::wait_until;
    use echo_test_support::program::Killed;

    /// A process that waits, and a worker of its that uses the CPU and ends with it.
    pub(crate) fn busy_family() -> Killed {
        // The worker ends with the pipe to its parent.
        let script =
            "sh -c 'i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; read x' | sleep 60";
        let server = Killed::start(Command::new("sh").args(["-c", script]));
        let pid = server.id();
        wait_until("it has its children", || descendants(pid).len() >= 2);
        server
    }

    /// Ends those that a process has started.
    pub(crate) fn end_children(pid: u32) {
        for child in descendants(pid) {
            let child = rustix::process::Pid::from_raw(child.cast_signed()).expect("a child");
            let _ = rustix::process::kill_process(child, rustix::process::Signal::KILL);
        }
    }

    /// CPU time of a process alone.
    pub(crate) fn own_cpu(pid: u32) -> Duration {
        Usage::of_process(pid).map_or(Duration::ZERO, |usage| usage.cpu)
    }

    #[test]
    fn a_process_that_has_started_others_is_watched_with_them() {
        let server = busy_family();
        let pid = server.id();
        let mut all = ServerWatch::new(&Peer { pid: Some(pid), ..Peer::default() });
        assert_eq!(all.pids()[0], pid);
        assert!(all.pids().len() >= 3, "{:?}", all.pids());
        wait_until("the worker's time is seen", || {
            let seen = all.usage().expect("it runs").cpu;
            seen >= own_cpu(pid) + Duration::from_millis(50)
        });
        end_children(pid);
    }

    #[test]
    fn one_without_children_is_watched_alone() {
        let server = Killed::start(Command::new("sleep").arg("60"));
        let mut one = ServerWatch::of_process(server.id());
        assert_eq!((one.pids(), one.parent), (vec![server.id()], None));
        assert!(one.usage().is_some());
        assert!(ServerWatch::default().usage().is_none());
    }
}
