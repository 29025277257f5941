//! What a rig needs to be told: [`Workload`], what is asked and what an arrival means. It opens
//! no connection, reads no clock and decides no end of the run: the rig does.

use echo_client::pool::PoolCounts;
use echo_net::Nanos;
use echo_net::reactor::Reactor;

use super::{Demand, Loss, Parts, Window, Wire};
use crate::plan::Plan;

/// How far a link is once bytes can be exchanged on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Opening {
    /// Ready for requests.
    Ready,
    /// It has asked to be let in, and is ready once [that is so](Workload::is_introduced).
    Introduced,
}

/// See the [module](self). A link is named by its place in the thread.
pub(crate) trait Workload<R: Reactor> {
    /// Whether the rig dials links again that were lost or not made.
    const REDIALS: bool;

    /// Whether what comes over a link is for one actor, who has the number of the link.
    const ACTOR_PER_LINK: bool = true;

    /// How many connections, callers or listeners are counted apart, on so many links.
    fn actors(&self, links: u32) -> u32 {
        links
    }

    /// How many of the thread's links are made before the load.
    fn links_at_start(&self, links: u32) -> u32 {
        links
    }

    /// The schedule from `start` on; `None` for a closed loop.
    fn demand(&self, plan: &Plan, start: Nanos) -> Option<Demand>;

    /// When it wants to be asked again what is [due](Self::due), beside the schedule.
    fn wakes_at(&self) -> Option<Nanos> {
        None
    }

    /// Bytes can be exchanged on a link.
    fn opened(&mut self, parts: &mut Parts<'_, R>, link: u32) -> Opening {
        let _ = (parts, link);
        Opening::Ready
    }

    /// Whether a link that asked to be let in was.
    fn is_introduced(&self, link: u32) -> bool {
        let _ = link;
        true
    }

    /// A link is ready for requests, before the load or in it.
    fn ready(&mut self, parts: &mut Parts<'_, R>, link: u32);

    /// The load begins.
    fn begin(&mut self, parts: &mut Parts<'_, R>);

    /// Asks what has fallen due.
    fn due(&mut self, parts: &mut Parts<'_, R>);

    /// Bytes have arrived on a link, the last of them now.
    ///
    /// # Errors
    /// When the link is of no more use.
    fn arrived(
        &mut self,
        parts: &mut Parts<'_, R>,
        link: u32,
        bytes: &[u8],
    ) -> Result<(), Loss>;

    /// The server has ended a link gracefully: its last reply may end thereby.
    ///
    /// # Errors
    /// When the link was lost for another reason.
    fn ended(&mut self, parts: &mut Parts<'_, R>, link: u32) -> Result<(), Loss> {
        let _ = (parts, link);
        Ok(())
    }

    /// All that was queued for a link has been sent.
    fn writable(&mut self, parts: &mut Parts<'_, R>, link: u32) {
        let _ = (parts, link);
    }

    /// A link that was up is gone.
    fn lost(&mut self, parts: &mut Parts<'_, R>, link: u32, loss: &Loss);

    /// A link could not be made, which is counted.
    fn unmade(&mut self, parts: &mut Parts<'_, R>, link: u32) {
        let _ = (parts, link);
    }

    /// Whether a link that was [queued](Wire::enqueue) to be dialled is still wanted.
    fn wants(&mut self, parts: &mut Parts<'_, R>, link: u32) -> bool {
        let _ = (parts, link);
        true
    }

    /// Gives up what has waited too long.
    fn expire(&mut self, parts: &mut Parts<'_, R>) {
        let _ = parts;
    }

    /// Whether replies are outstanding, so that silence means that the server is gone.
    fn is_expecting(&self, wire: &Wire, demand: Option<&Demand>, now: Nanos) -> bool;

    /// Whether a request of the window has not ended, or was due and is still to be sent.
    fn is_unfinished(&self, window: &Window, demand: Option<&Demand>) -> bool;

    /// The run is over: ends every request that has not ended. What became of the
    /// connections of a pool, if there was one.
    fn conclude(&mut self, parts: &mut Parts<'_, R>) -> Option<PoolCounts>;
}
