//! Processes that carry out one plan together, by their lines: [`Together`]. A piece is shown once
//! all that go on have told of it, or at last without those that have not.

use std::collections::BTreeMap;

use echo_bench_engine::Sums;
use echo_bench_engine::record::Interval;
use echo_bench_report::report::partial::{Following, Measured, Said};

use super::event::Event;
use super::feed::Feed;

/// Pieces, each of a second or more, that wait for a part that says nothing, as one that is stopped.
/// Older ones are shown without it.
const MOST_PENDING: u64 = 60;

/// What processes that carry out one plan say, as the run of one.
#[derive(Debug)]
pub struct Together {
    feed: Feed,
    /// By number, without those that have ended.
    parts: BTreeMap<u32, Part>,
    /// Pieces that not all have told of.
    pending: BTreeMap<u64, Interval>,
    /// The first that was not shown.
    next: u64,
    established: u32,
    /// What parts that have ended had added up.
    ended: Sums,
}

#[derive(Debug, Default)]
struct Part {
    following: Following,
    /// Pieces that it has told of.
    known: u64,
    sums: Sums,
}

impl Together {
    /// Parts with these numbers.
    pub fn new(feed: Feed, numbers: impl IntoIterator<Item = u32>) -> Self {
        let parts = numbers.into_iter().map(|number| (number, Part::default())).collect();
        let together = Self {
            feed,
            parts,
            pending: BTreeMap::new(),
            next: 0,
            established: 0,
            ended: Sums::default(),
        };
        together.tell_parts();
        together
    }

    /// Takes in the next line of a part. What is none is left out: it says other things, too.
    pub fn line(&mut self, number: u32, line: &str) {
        let Some(part) = self.parts.get_mut(&number) else { return };
        match part.following.line(line) {
            Ok(Said::Begun { established, .. }) => {
                self.established = self.established.saturating_add(established);
                self.feed.tell(Event::Connected(self.established));
            }
            Ok(Said::Measured(measured)) => self.measured(number, *measured),
            Err(_) => {}
        }
    }

    /// A part has told of its next piece.
    fn measured(&mut self, number: u32, measured: Measured) {
        let Some(part) = self.parts.get_mut(&number) else { return };
        part.known += 1;
        part.sums = measured.sums.unwrap_or(part.sums);
        let piece = measured.interval;
        // What comes too late is in the report.
        if piece.index >= self.next {
            match self.pending.get_mut(&piece.index) {
                Some(sum) => *sum += &piece,
                None => drop(self.pending.insert(piece.index, piece)),
            }
        }
        self.tell_whole();
    }

    /// A part has ended, one way or the other.
    pub fn end(&mut self, number: u32) {
        if let Some(part) = self.parts.remove(&number) {
            self.ended += &part.sums;
            self.tell_parts();
            self.tell_whole();
        }
    }

    fn tell_parts(&self) {
        self.feed.tell(Event::Parts(self.parts.len() as u32));
    }

    fn tell_whole(&mut self) {
        let by_all = self.parts.values().map(|part| part.known).min().unwrap_or(u64::MAX);
        let newest = self.pending.last_key_value().map_or(0, |(index, _)| *index);
        self.next = self.next.max(by_all).max(newest.saturating_sub(MOST_PENDING));
        let pending = self.pending.split_off(&self.next);
        let whole = std::mem::replace(&mut self.pending, pending);
        if whole.is_empty() {
            return;
        }
        for piece in whole.into_values() {
            self.feed.tell(Event::Measured(Box::new(piece)));
        }
        let mut sums = self.ended;
        for part in self.parts.values() {
            sums += &part.sums;
        }
        self.feed.tell(Event::Sums(sums));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::mpsc::{Receiver, sync_channel};

    use super::*;

    /// Places of the pieces that are shown, and how many requests they have.
    fn shown(events: &Receiver<Event>) -> Vec<(u64, u64)> {
        let piece = |event| match event {
            Event::Measured(piece) => Some((piece.index, piece.tally.scheduled)),
            _ => None,
        };
        events.try_iter().filter_map(piece).collect()
    }

    fn measured(index: u64) -> Measured {
        let mut interval = Interval::new(index, false);
        interval.tally.scheduled = 1;
        Measured { interval, sums: None }
    }

    #[test]
    fn a_part_that_says_nothing_is_waited_for_only_for_a_while() {
        let (events, heard) = sync_channel(1000);
        let feed = Feed::new(events, Arc::default(), Arc::default());
        let mut together = Together::new(feed, 1..=2);
        for number in [1, 2] {
            together.measured(number, measured(0));
        }
        assert_eq!(shown(&heard), [(0, 2)], "both");
        for index in 1..=MOST_PENDING + 2 {
            together.measured(1, measured(index));
        }
        assert_eq!(shown(&heard), [(1, 1)], "of one alone");
        assert_eq!(together.pending.len() as u64, MOST_PENDING + 1);
        for index in 1..=2 {
            together.measured(2, measured(index));
        }
        assert_eq!(shown(&heard), [(2, 2)], "the first came too late");
    }
}
