//! One connection of the workload: [`Place`], its conversation, and how many requests it has
//! left before it is reconnected.

use super::{Conversation, InFlight};

/// What goes over one link.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) conversation: Conversation,
    /// The number of the first request since the link was made.
    pub(super) first_request: u64,
    /// Slots that rest before they ask again.
    pub(super) resting: u32,
}

impl Place {
    pub(super) fn in_flight(&self) -> &InFlight {
        &self.conversation.in_flight
    }

    pub(super) fn in_flight_mut(&mut self) -> &mut InFlight {
        &mut self.conversation.in_flight
    }

    /// Requests that it can take beside those in flight: at most so many since it was made.
    pub(super) fn left_of(&self, most: u32) -> u32 {
        let sent = self.in_flight().next_request() - self.first_request;
        u64::from(most).saturating_sub(sent) as u32
    }
}
