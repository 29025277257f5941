//! Several processes that carry out one plan together: [`Fleet`] takes in what becomes of each part
//! as it comes, and makes one report of theirs. It knows no transport and starts nothing: whoever
//! has the parts carried out sends it [`Message`]s, as [`local`] does for processes of this machine.

use std::collections::BTreeMap;
use std::io::{self, Write};

use serde::{Deserialize, Serialize};

use echo_bench_engine::record::Interval;
use echo_bench_report::describe::units;
use echo_bench_report::merge::{MergeError, PartOfRun, merge_parts};
use echo_bench_report::report::{MissingPart, Report, ServerOfRun};

pub mod local;

/// How a part goes: what it says of an interval of its window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartBeat {
    /// Which, from 0.
    pub interval: u64,
    /// Right answers that arrived in it.
    pub answered: u64,
    /// Requests that failed in it.
    pub failed: u64,
}

impl PartBeat {
    /// Of an interval that is whole.
    pub fn of(interval: &Interval) -> Self {
        let tally = &interval.tally;
        Self { interval: interval.index, answered: tally.answered, failed: tally.failed() }
    }
}

/// Says on stdout how this process goes: a line of JSON for each interval.
#[derive(Debug, Default)]
pub struct Beats {
    /// Nobody reads them any more.
    is_over: bool,
}

impl Beats {
    /// An interval is whole.
    pub fn interval(&mut self, interval: &Interval) {
        if self.is_over {
            return;
        }
        let line = serde_json::to_string(&PartBeat::of(interval)).unwrap_or_default();
        let mut out = io::stdout().lock();
        // The run goes on without listeners.
        self.is_over = writeln!(out, "{line}").and_then(|()| out.flush()).is_err();
    }
}

/// What has become of a part.
#[derive(Debug)]
pub enum Event {
    /// It goes on.
    Beat(PartBeat),
    /// It is done, perhaps because it was interrupted.
    Done(Box<PartOfRun>),
    /// It gives no report, and why.
    Lost(String),
}

/// An event, and of which part.
#[derive(Debug)]
pub struct Message {
    /// The part's number, from 1.
    pub number: u32,
    /// What has become of it.
    pub event: Event,
}

/// Why several processes give no report together.
#[derive(Debug, thiserror::Error)]
pub enum FleetError {
    /// Not one of them gave one.
    #[error("no part gave a report: {0}")]
    Nothing(String),
    /// Theirs are none of one plan, which is a fault of this program or another version of it.
    #[error("merging the parts")]
    Merge(#[from] MergeError),
}

/// What people should be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// How the parts go.
    Progress(String),
    /// A part is lost.
    Loss(String),
}

/// How a part ended.
#[derive(Debug)]
enum End {
    Done(Box<PartOfRun>),
    Lost(String),
}

/// See the [module](self).
#[derive(Debug)]
pub struct Fleet {
    of: u32,
    ends: BTreeMap<u32, End>,
    /// How many of the intervals of each part are known.
    intervals: BTreeMap<u32, u64>,
    /// Intervals that not all parts have told of: answers and failures.
    pending: BTreeMap<u64, (u64, u64)>,
    /// The first interval that was not told yet.
    next: u64,
    failed: u64,
    /// What an agent on the machine of the server saw.
    server: Option<ServerOfRun>,
}

impl Fleet {
    /// So many parts, none of which has begun.
    pub fn new(of: u32) -> Self {
        Self {
            of,
            ends: BTreeMap::new(),
            intervals: BTreeMap::new(),
            pending: BTreeMap::new(),
            next: 0,
            failed: 0,
            server: None,
        }
    }

    /// Takes in what became of the look at the server.
    pub fn served(&mut self, server: ServerOfRun) {
        self.server = Some(server);
    }

    /// Takes in what has become of a part. What comes of one that has ended, or of none, is left
    /// out. What people should be told of it.
    pub fn take(&mut self, message: Message) -> Option<Said> {
        let Message { number, event } = message;
        if !(1..=self.of).contains(&number) || self.ends.contains_key(&number) {
            return None;
        }
        match event {
            Event::Beat(beat) => {
                let known = self.intervals.entry(number).or_default();
                // Each tells of its intervals in order, and of each once.
                if beat.interval != *known {
                    return None;
                }
                *known += 1;
                let (answered, failed) = self.pending.entry(beat.interval).or_default();
                *answered = answered.saturating_add(beat.answered);
                *failed = failed.saturating_add(beat.failed);
                self.whole_intervals()
            }
            Event::Done(part) => {
                self.ends.insert(number, End::Done(part));
                self.whole_intervals()
            }
            Event::Lost(reason) => {
                let said = format!("part {number} of {} is lost: {reason}", self.of);
                self.ends.insert(number, End::Lost(reason));
                Some(Said::Loss(said))
            }
        }
    }

    /// The intervals that all parts have told of which still go on.
    fn whole_intervals(&mut self) -> Option<Said> {
        let going = (1..=self.of).filter(|number| !self.ends.contains_key(number));
        let known = going.map(|number| self.intervals.get(&number).copied().unwrap_or(0)).min();
        let known =
            known.unwrap_or_else(|| self.intervals.values().copied().max().unwrap_or(0));
        let mut said = None;
        while self.next < known {
            let (answered, failed) = self.pending.remove(&self.next).unwrap_or_default();
            self.next += 1;
            self.failed = self.failed.saturating_add(failed);
            said = Some(Said::Progress(format!(
                "interval {}: {} answered, {} failed so far ({} of {} parts at work)",
                self.next,
                units::count(answered),
                units::count(self.failed),
                self.of as usize - self.ends.len(),
                self.of
            )));
        }
        said
    }

    /// Whether every part has ended, one way or the other.
    pub fn is_over(&self) -> bool {
        self.ends.len() == self.of as usize
    }

    /// Parts that have not ended.
    pub fn going(&self) -> impl Iterator<Item = u32> {
        (1..=self.of).filter(|number| !self.ends.contains_key(number))
    }

    /// Whether a part is lost, or what was seen of the server.
    pub fn has_lost(&self) -> bool {
        self.ends.values().any(|end| matches!(end, End::Lost(_)))
            || self.server.as_ref().is_some_and(|server| server.seen.is_err())
    }

    /// The report of all parts that gave one. Of those that are lost it says so.
    ///
    /// # Errors
    /// When there is none, or they can't be merged.
    pub fn merged(self) -> Result<Report, FleetError> {
        let (mut parts, mut lost) = (Vec::new(), Vec::new());
        for number in self.going() {
            let reason = Some("it did not end".to_owned());
            lost.push(MissingPart { number, reason });
        }
        for (number, end) in self.ends {
            match end {
                End::Done(part) => parts.push(*part),
                End::Lost(reason) => lost.push(MissingPart { number, reason: Some(reason) }),
            }
        }
        if parts.is_empty() {
            let first = lost.into_iter().find_map(|part| part.reason);
            return Err(FleetError::Nothing(first.unwrap_or_default()));
        }
        let is_allowed = !lost.is_empty();
        Ok(merge_parts(parts, &lost, is_allowed, self.server.as_ref())?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn beat(number: u32, interval: u64) -> Message {
        let event = Event::Beat(PartBeat { interval, answered: 1000, failed: 1 });
        Message { number, event }
    }

    fn lost(number: u32) -> Message {
        Message { number, event: Event::Lost("killed".into()) }
    }

    #[test]
    fn an_interval_is_told_once_all_parts_that_go_on_have_told_of_it() {
        let mut fleet = Fleet::new(2);
        assert_eq!(fleet.take(beat(1, 0)), None);
        assert_eq!(fleet.take(beat(1, 1)), None);
        let progress = |said: Option<Said>| match said {
            Some(Said::Progress(told)) => told,
            other => panic!("{other:?}"),
        };
        let told = progress(fleet.take(beat(2, 0)));
        let wanted = format!("interval 1: {} answered, 2 failed", units::count(2000));
        assert!(told.contains(&wanted), "{told}");
        // Told twice, out of turn, or by nobody.
        for odd in [beat(2, 0), beat(2, 7), beat(3, 0), beat(0, 0)] {
            assert_eq!(fleet.take(odd), None);
        }
        let told = fleet.take(lost(2));
        assert_eq!(told, Some(Said::Loss("part 2 of 2 is lost: killed".into())));
        assert!(!fleet.is_over() && fleet.has_lost());
        let told = progress(fleet.take(beat(1, 2)));
        assert!(told.contains("interval 3") && told.contains("1 of 2 parts"), "{told}");
        assert_eq!(fleet.take(beat(2, 1)), None, "a part that has ended says nothing");
    }

    #[test]
    fn parts_of_which_none_gave_a_report_say_why() {
        let mut fleet = Fleet::new(2);
        assert!(fleet.take(lost(1)).is_some() && fleet.take(lost(2)).is_some());
        assert!(fleet.is_over());
        let told = fleet.merged().unwrap_err().to_string();
        assert_eq!(told, "no part gave a report: killed");
    }
}
