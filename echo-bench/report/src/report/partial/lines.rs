//! The lines of a run while it goes: [`Lines`].

use super::{Header, Piece, intervals_per_piece};
use crate::report::Circumstances;
use echo_bench_engine::plan::Plan;
use echo_bench_engine::record::Interval;
use echo_bench_engine::{Connected, Sums};

/// Adds intervals up to pieces, which are long enough to be written or drawn one by one.
#[derive(Debug)]
pub struct Pieces {
    /// Intervals of a piece.
    group: u64,
    gathered: Option<Interval>,
}

impl Pieces {
    /// Of a run of `plan`.
    pub fn of(plan: &Plan) -> Self {
        Self { group: intervals_per_piece(plan), gathered: None }
    }

    /// Adds an interval; the piece that ends with it, its index that of the piece.
    pub fn add(&mut self, interval: &Interval) -> Option<Interval> {
        let gathered = match &mut self.gathered {
            Some(gathered) => {
                *gathered += interval;
                gathered
            }
            none => none.insert(interval.clone()),
        };
        gathered.index = interval.index / self.group;
        if (interval.index + 1).is_multiple_of(self.group) {
            self.gathered.take()
        } else {
            None
        }
    }
}

/// Turns what is heard of a run into lines; where they go is not its business.
#[derive(Debug)]
pub struct Lines {
    plan: Plan,
    circumstances: Circumstances,
    /// The first line, until it is handed over.
    header: Option<Header>,
    pieces: Pieces,
    sums: Option<Sums>,
}

impl Lines {
    /// Of a run that has not begun.
    pub fn new(plan: &Plan, circumstances: &Circumstances) -> Self {
        let (plan, circumstances) = (plan.clone(), circumstances.clone());
        let pieces = Pieces::of(&plan);
        Self { plan, circumstances, header: None, pieces, sums: None }
    }

    /// What is run.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Where, when and how.
    pub fn circumstances(&self) -> &Circumstances {
        &self.circumstances
    }

    /// The connections are made.
    pub fn connected(&mut self, connected: &Connected<'_>) {
        self.header = Some(Header::new(&self.plan, &self.circumstances, connected));
    }

    /// What has added up by now.
    pub fn sums(&mut self, sums: Sums) {
        self.sums = Some(sums);
    }

    /// The first line, unless it was handed over.
    ///
    /// # Errors
    /// When it can't be written as JSON, which is a bug.
    pub fn begun(&mut self) -> serde_json::Result<Option<String>> {
        self.header.take().map(|header| Ok(serde_json::to_string(&header)? + "\n")).transpose()
    }

    /// An interval is whole. The lines that are due by it, the last ending in a line feed; none
    /// in the middle of a piece.
    ///
    /// # Errors
    /// When it can't be written as JSON, which is a bug.
    pub fn interval(&mut self, interval: &Interval) -> serde_json::Result<Option<String>> {
        let Some(gathered) = self.pieces.add(interval) else { return Ok(None) };
        let piece = Piece::new(gathered.index, &gathered, self.sums);
        let piece = serde_json::to_string(&piece)? + "\n";
        Ok(Some(self.begun()?.unwrap_or_default() + &piece))
    }
}
