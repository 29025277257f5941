//! Processes that carry out one plan together, by their lines: [`Together`]. A piece is shown once
//! all that go on have told of it.

use std::collections::BTreeMap;

use echo_bench_engine::Sums;
use echo_bench_engine::record::Interval;
use echo_bench_report::report::partial::{Following, Said};

use super::event::Event;
use super::feed::Feed;

/// What processes that carry out one plan say, as the run of one.
#[derive(Debug)]
pub struct Together {
    feed: Feed,
    /// By number, without those that have ended.
    parts: BTreeMap<u32, Part>,
    /// Pieces that not all have told of.
    pending: BTreeMap<u64, Interval>,
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
            Ok(Said::Measured(measured)) => {
                part.known += 1;
                part.sums = measured.sums.unwrap_or(part.sums);
                let piece = measured.interval;
                match self.pending.get_mut(&piece.index) {
                    Some(sum) => *sum += &piece,
                    None => drop(self.pending.insert(piece.index, piece)),
                }
                self.tell_whole();
            }
            Err(_) => {}
        }
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
        let known = self.parts.values().map(|part| part.known).min().unwrap_or(u64::MAX);
        let pending = self.pending.split_off(&known);
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
