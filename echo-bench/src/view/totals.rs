//! A run of which only counts are known while it goes, as one on agents: [`Totals`].

use echo_bench_engine::plan::Plan;
use echo_bench_engine::record::Interval;

use super::event::Event;
use super::feed::{Feed, Watched};

/// Counts are from other machines, and may be anything: more than this is not drawn.
const LARGEST: u64 = 1 << 53;

/// Most pieces that are made up at once.
const MOST: u64 = 3_600;

/// A run of which only counts are known while it goes.
#[derive(Debug)]
pub struct Totals {
    feed: Feed,
    piece_ns: u64,
    /// Pieces that the view has, and the answers and failures in them.
    pieces: u64,
    answered: u64,
    failed: u64,
}

impl Totals {
    /// Of a run that begins.
    pub fn new(feed: Feed, plan: &Plan) -> Self {
        let piece_ns = Watched::new(feed.clone(), plan).piece_ns();
        Self { feed, piece_ns, pieces: 0, answered: 0, failed: 0 }
    }

    /// So many replies came and requests failed in so much of the window; so many are at work.
    /// What came since the last time is spread evenly over the pieces of it.
    pub fn stand(&mut self, measured_ns: u64, answered: u64, failed: u64, at_work: u32) {
        self.feed.tell(Event::Parts(at_work));
        let (answered, failed) = (answered.min(LARGEST), failed.min(LARGEST));
        let new = (measured_ns / self.piece_ns.max(1)).saturating_sub(self.pieces).min(MOST);
        let more = answered.saturating_sub(self.answered);
        let more_failed = failed.saturating_sub(self.failed);
        for number in 0..new {
            let share = |of: u64| of / new + u64::from(number < of % new);
            let mut piece = Interval::new(self.pieces + number, false);
            piece.tally.answered = share(more);
            piece.tally.ok = piece.tally.answered;
            piece.tally.error = share(more_failed);
            piece.tally.scheduled = piece.tally.ok + piece.tally.error;
            self.feed.tell(Event::Measured(Box::new(piece)));
        }
        if new > 0 {
            self.pieces += new;
            (self.answered, self.failed) =
                (self.answered.max(answered), self.failed.max(failed));
        }
    }
}
