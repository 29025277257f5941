//! What happened when: [`Series`], a bounded number of points however long the run is. Two points
//! that become one are added exactly, histogram by histogram.

use strum::{EnumCount, VariantArray};

use super::clock::Clock;
use echo_bench_engine::record::{Interval, Packed};

/// Most points: more than a screen has columns.
const MOST: usize = 512;

/// The quantiles that are drawn over time: p50, p99 and the maximum.
pub(super) const DRAWN: [f64; 3] = [0.5, 0.99, 1.0];

/// Points of equal length, in order; the last may be shorter.
#[derive(Debug, Clone)]
pub(super) struct Series {
    /// Length of a piece.
    piece_ns: u64,
    /// Pieces that are one point by now.
    pieces: u64,
    points: Vec<Point>,
}

/// A span of the window.
#[derive(Debug, Clone, Default)]
pub(super) struct Point {
    /// Pieces that it is made of.
    pieces: u64,
    /// Requests that fell due, or were sent in a closed loop.
    pub(super) scheduled: u64,
    /// Successful replies.
    pub(super) answered: u64,
    /// Requests that failed.
    pub(super) failed: u64,
    /// p50, p99 and maximum of each clock; none without values.
    drawn: [Option<[u64; 3]>; Clock::COUNT],
    packed: [Option<Packed>; Clock::COUNT],
}

impl Point {
    fn of(interval: &Interval) -> Self {
        let mut point = Self {
            pieces: 1,
            scheduled: interval.tally.scheduled,
            answered: interval.tally.answered,
            failed: interval.tally.failed(),
            ..Self::default()
        };
        for &clock in Clock::VARIANTS {
            if let Some(latency) = clock.of(interval).filter(|latency| latency.count() > 0) {
                let histogram = latency.histogram();
                let at = DRAWN.map(|quantile| histogram.value_at_quantile(quantile));
                point.drawn[clock as usize] = Some(at);
                point.packed[clock as usize] = Some(Packed::new(latency));
            }
        }
        point
    }

    /// p50, p99 and maximum of a clock in nanoseconds.
    pub(super) fn drawn(&self, clock: Clock) -> Option<[u64; 3]> {
        self.drawn[clock as usize]
    }

    fn add(&mut self, other: &Self) {
        self.pieces += other.pieces;
        self.scheduled += other.scheduled;
        self.answered += other.answered;
        self.failed += other.failed;
        for place in 0..Clock::COUNT {
            let Some(theirs) = &other.packed[place] else { continue };
            let Some(ours) = &self.packed[place] else {
                self.packed[place] = Some(theirs.clone());
                self.drawn[place] = other.drawn[place];
                continue;
            };
            let mut sum = ours.unpack();
            sum += &theirs.unpack();
            let histogram = sum.histogram();
            self.drawn[place] =
                Some(DRAWN.map(|quantile| histogram.value_at_quantile(quantile)));
            self.packed[place] = Some(Packed::new(&sum));
        }
    }
}

impl Series {
    /// One of pieces of this length.
    pub(super) fn new(piece_ns: u64) -> Self {
        Self { piece_ns, pieces: 1, points: Vec::new() }
    }

    /// Adds the next piece.
    pub(super) fn add(&mut self, interval: &Interval) {
        let point = Point::of(interval);
        match self.points.last_mut().filter(|last| last.pieces < self.pieces) {
            Some(last) => last.add(&point),
            None => self.points.push(point),
        }
        if self.points.len() > MOST {
            self.coarsen();
        }
    }

    /// Makes one point of two.
    fn coarsen(&mut self) {
        self.pieces *= 2;
        let fine = std::mem::take(&mut self.points);
        for point in fine {
            match self.points.last_mut().filter(|last| last.pieces < self.pieces) {
                Some(last) => last.add(&point),
                None => self.points.push(point),
            }
        }
    }

    /// Each point with the middle of its span and its length, in seconds of the window.
    pub(super) fn points(&self) -> impl Iterator<Item = (f64, f64, &Point)> {
        let piece_s = self.piece_ns as f64 / 1e9;
        self.points.iter().scan(0.0, move |end, point| {
            let (begin, length) = (*end, point.pieces as f64 * piece_s);
            *end += length;
            Some((begin + length / 2.0, length, point))
        })
    }

    /// How much of the window it covers, in nanoseconds.
    pub(super) fn length_ns(&self) -> u64 {
        let pieces: u64 = self.points.iter().map(|point| point.pieces).sum();
        pieces.saturating_mul(self.piece_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_run_has_few_points_and_loses_nothing() {
        let mut series = Series::new(1_000_000_000);
        let pieces = 3 * MOST as u64;
        for index in 0..pieces {
            let mut interval = Interval::new(index, index % 2 == 0);
            interval.tally.answered = 2;
            interval.tally.timeout = 1;
            interval.latencies.record((0, 500, 1_000 + index), 2, false);
            series.add(&interval);
        }
        assert!(series.points.len() <= MOST, "{}", series.points.len());
        assert_eq!(series.length_ns(), pieces * 1_000_000_000);
        let points = || series.points().map(|(.., point)| point);
        assert_eq!(points().map(|point| point.answered).sum::<u64>(), 2 * pieces);
        assert_eq!(points().map(|point| point.failed).sum::<u64>(), pieces);
        let most = points().filter_map(|point| point.drawn(Clock::Response)).last().unwrap()[2];
        assert!(most.abs_diff(1_000 + pieces) < 5, "{most}");
        assert!(points().all(|point| point.drawn(Clock::Wait).is_some()));
        let values: u64 =
            points().map(|point| point.packed[0].as_ref().unwrap().histogram().len()).sum();
        assert_eq!(values, 2 * pieces);
    }
}
