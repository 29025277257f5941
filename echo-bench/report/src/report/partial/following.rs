//! Reads the lines of a run while it goes: [`Following`].

use super::{Header, LARGEST_COUNT, PartialError, Piece, intervals_per_piece};
use echo_bench_engine::Sums;
use echo_bench_engine::plan::Plan;
use echo_bench_engine::record::{Interval, Tally};

/// What is known of a run by the lines so far.
#[derive(Debug, Default)]
pub struct Following {
    /// Lines so far.
    lines: u64,
    /// Whether the run is an open loop, once its plan is known.
    open: Option<bool>,
    /// The stages of its load.
    stages: usize,
    /// The piece that is expected next.
    next: u64,
    tally: Tally,
    /// Values of the four clocks.
    values: [u64; 4],
}

/// What a line says.
#[derive(Debug)]
pub enum Said {
    /// The load begins.
    Begun {
        /// What is run. Its intervals are those of the pieces.
        plan: Box<Plan>,
        /// Connections that were made.
        established: u32,
    },
    /// A piece of the window.
    Measured(Box<Measured>),
}

/// A piece of the window.
#[derive(Debug)]
pub struct Measured {
    /// What was measured in it.
    pub interval: Interval,
    /// What has added up by its end, where it is known.
    pub sums: Option<Sums>,
}

impl Following {
    /// Reads the next line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn line(&mut self, text: &str) -> Result<Said, PartialError> {
        self.lines += 1;
        let line = self.lines;
        let numbers = |reason| PartialError::Numbers { line, reason };
        let shape = |reason| PartialError::Shape { line, reason };
        let Some(open) = self.open else {
            let header: Header = serde_json::from_str(text).map_err(shape)?;
            let record = header.record().map_err(numbers)?;
            let together = intervals_per_piece(&header.plan);
            let plan = header.plan.with(|plan| plan.interval_ns *= together);
            let plan = plan.map_err(|error| numbers(error.to_string()))?;
            self.open = Some(record.total.latencies.open.is_some());
            self.stages = record.stage_pieces.len();
            let established = header.established;
            return Ok(Said::Begun { plan: Box::new(plan), established });
        };
        let piece: Piece = serde_json::from_str(text).map_err(shape)?;
        let (index, sums) = (piece.index, piece.sums);
        if index != self.next {
            return Err(numbers(format!("interval {index} where {} is expected", self.next)));
        }
        let interval = piece.measured(open).map_err(numbers)?;
        if interval.stages.iter().any(|part| part.stage as usize >= self.stages) {
            return Err(numbers("a stage that the load has not".into()));
        }
        self.add(&interval).map_err(numbers)?;
        self.next += 1;
        Ok(Said::Measured(Box::new(Measured { interval, sums })))
    }

    /// Refuses counts that add up to more than can be added.
    fn add(&mut self, interval: &Interval) -> Result<(), String> {
        self.tally += &interval.tally;
        let latencies = &interval.latencies;
        let open = latencies.open.as_deref();
        let others = open.map(|open| [&open.wait, &open.service, &open.lateness]);
        let clocks = [&latencies.response].into_iter().chain(others.into_iter().flatten());
        for (sum, clock) in self.values.iter_mut().zip(clocks) {
            *sum += clock.count();
        }
        let counts = self.tally.counts().chain(self.values);
        if counts.into_iter().any(|sum| sum > LARGEST_COUNT) {
            return Err("the counts add up to more than 2^53".into());
        }
        Ok(())
    }
}
