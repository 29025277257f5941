//! What was measured of the requests of one stage of a load: [`StagePart`], in one piece of the
//! window or in all of it. A request is of the stage in which it was intended, whenever it ends.

use std::ops::AddAssign;

use super::{Latencies, Tally};

/// What was measured of the requests of a stage, in a piece of the window or in all of it.
#[derive(Debug, Clone)]
pub struct StagePart {
    /// Its place in the load, from 0.
    pub stage: u32,
    /// How its requests ended. What was answered while it lasted is `answered`, of whatever
    /// stage the request was; bytes are not counted.
    pub tally: Tally,
    /// The clocks of its requests; none of a stage whose rate changes, which has no percentiles.
    pub latencies: Option<Box<Latencies>>,
}

impl StagePart {
    /// An empty part; `is_timed`: with clocks.
    pub fn new(stage: u32, is_timed: bool) -> Self {
        let latencies = is_timed.then(|| Box::new(Latencies::new(true)));
        Self { stage, tally: Tally::default(), latencies }
    }

    /// The part of a stage among those of several; it is made if there is none.
    pub fn of(parts: &mut Vec<Self>, stage: u32, is_timed: bool) -> &mut Self {
        // Nearly always the last: stages come one after the other.
        let found = parts.iter().rposition(|part| part.stage == stage);
        let place = found.unwrap_or_else(|| {
            parts.push(Self::new(stage, is_timed));
            parts.len() - 1
        });
        &mut parts[place]
    }
}

impl AddAssign<&Self> for StagePart {
    fn add_assign(&mut self, other: &Self) {
        self.tally += &other.tally;
        if let Some(theirs) = &other.latencies {
            **self.latencies.get_or_insert_with(|| Box::new(Latencies::new(true))) += theirs;
        }
    }
}
