//! What the processes of the server use: [`ServerWatch`].

use echo_net::cpu::Usage;
use echo_net::process_tree::{TreeUsage, descendants};

use super::peer::Peer;

/// Looks at the processes of the server: at one, or at all that were started for the run.
#[derive(Debug, Default)]
pub(super) struct ServerWatch {
    pid: Option<u32>,
    supervisor: Option<u32>,
    tree: TreeUsage,
}

impl ServerWatch {
    pub(super) fn new(peer: &Peer) -> Self {
        Self { pid: peer.pid, supervisor: peer.supervisor, tree: TreeUsage::default() }
    }

    /// The processes that live.
    pub(super) fn pids(&self) -> Vec<u32> {
        match self.supervisor {
            Some(supervisor) => descendants(supervisor),
            None => self.pid.into_iter().collect(),
        }
    }

    /// What they have used, with those that ended; `None` where that is not known.
    pub(super) fn usage(&mut self) -> Option<Usage> {
        match self.supervisor {
            Some(supervisor) => self.tree.look(supervisor),
            None => Usage::of_process(self.pid?).ok(),
        }
    }
}
