//! The bytes that a connection is to receive, where these are known: [`Expected`]. Many replies
//! that came at once are compared in one piece, and settled together.
//!
//! An answer out of turn, or any other byte, ends that until nothing is awaited any more: then
//! each reply is looked at by itself, which says what is wrong with it.

use std::collections::VecDeque;

use echo_proto::ProtocolKind;

use crate::plan::{Plan, WorkloadPlan};

/// See the [module](self).
#[derive(Debug)]
pub(super) struct Expected {
    /// What was sent and has not come back.
    bytes: VecDeque<u8>,
    /// Whether all that came so far was as expected.
    holds: bool,
}

/// With fewer requests in flight there is not enough to compare at once.
const FEWEST_IN_FLIGHT: u32 = 8;

/// Kept for each connection at most.
const MOST_BYTES: usize = 64 * 1024;

impl Expected {
    /// Of a connection of this plan; `None` where replies are not just the bytes sent, or it
    /// does not pay to keep them.
    pub(super) fn of(plan: &Plan) -> Option<Self> {
        let pipeline = plan.load.pipeline();
        let longest = plan.messages.largest().saturating_mul(pipeline as usize);
        let pays = !plan.load.is_open()
            && matches!(plan.workload, WorkloadPlan::Requests { .. })
            && plan.protocol() == ProtocolKind::Raw
            && pipeline >= FEWEST_IN_FLIGHT
            && longest <= MOST_BYTES;
        pays.then(|| Self { bytes: VecDeque::new(), holds: true })
    }

    /// Nothing is awaited: whatever came before, what is sent next comes back next.
    pub(super) fn start(&mut self) {
        self.holds = true;
    }

    /// From here on each reply is to be looked at.
    pub(super) fn stop(&mut self) {
        self.holds = false;
        self.bytes.clear();
    }

    /// These bytes are sent.
    pub(super) fn sent(&mut self, bytes: &[u8]) {
        if self.holds {
            self.bytes.extend(bytes);
        }
    }

    /// Whether these are the next bytes, as all before them were.
    #[inline]
    pub(super) fn takes(&mut self, bytes: &[u8]) -> bool {
        if !self.holds {
            return false;
        }
        let (first, second) = self.bytes.as_slices();
        let (begin, end) = bytes.split_at(first.len().min(bytes.len()));
        let is_right = first.starts_with(begin) && second.starts_with(end);
        if is_right {
            self.bytes.drain(..bytes.len());
        } else {
            self.stop();
        }
        is_right
    }
}
