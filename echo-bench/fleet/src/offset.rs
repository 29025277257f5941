//! How far the clock of an agent is from the coordinator's: [`Clocks`], by round trips.
//!
//! As in NTP (RFC 5905, 8): an agent's time is taken to be that of the middle of a round trip, and
//! of all round trips the shortest counts. Whatever the way there and back, that is wrong by at
//! most half of the round trip.

use serde::{Deserialize, Serialize};

/// How many round trips are made. The shortest of a dozen has met no queue, as a rule.
pub(crate) const ROUNDS: usize = 12;

/// A round trip: times of day in nanoseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// When the request was sent, by the coordinator's clock.
    pub sent_ns: u64,
    /// When the answer came, by the coordinator's clock.
    pub received_ns: u64,
    /// When it was answered, by the agent's clock.
    pub answered_ns: u64,
}

/// How far a clock is from the coordinator's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClockOffset {
    /// What is to be added to the coordinator's time for the agent's.
    pub offset_ns: i64,
    /// By how much that is wrong at most: half of the round trip.
    pub error_ns: u64,
}

impl ClockOffset {
    /// The agent's time at this time of the coordinator.
    pub fn on_agent(&self, coordinator_ns: u64) -> u64 {
        coordinator_ns.saturating_add_signed(self.offset_ns)
    }
}

/// The round trips to one agent.
#[derive(Debug, Clone, Default)]
pub struct Clocks {
    count: usize,
    best: Option<(u64, ClockOffset)>,
}

impl Clocks {
    /// Counts a round trip in.
    pub fn add(&mut self, round: Round) {
        self.count += 1;
        // A clock that was set back meanwhile measures nothing.
        let Some(length) = round.received_ns.checked_sub(round.sent_ns) else { return };
        let middle = round.sent_ns + length / 2;
        let offset_ns = i64::try_from(i128::from(round.answered_ns) - i128::from(middle))
            .unwrap_or(i64::MAX);
        let offset = ClockOffset { offset_ns, error_ns: length.div_ceil(2) };
        if self.best.is_none_or(|(best, _)| length < best) {
            self.best = Some((length, offset));
        }
    }

    /// Whether enough were made.
    pub(crate) fn are_enough(&self) -> bool {
        self.count >= ROUNDS
    }

    /// What they say; none if none was measured.
    pub fn offset(&self) -> Option<ClockOffset> {
        self.best.map(|(_, offset)| offset)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever the delays of each way, the true offset lies within the error.
        #[test]
        fn the_true_offset_is_within_the_error(
            offset in -1_000_000_000_000_i64..1_000_000_000_000,
            rounds in prop::collection::vec((0_u64..50_000_000, 0_u64..50_000_000), 1..20),
        ) {
            let mut clocks = Clocks::default();
            let mut now = 1_700_000_000_000_000_000_u64;
            for (there, back) in &rounds {
                clocks.add(Round {
                    sent_ns: now,
                    answered_ns: (now + there).saturating_add_signed(offset),
                    received_ns: now + there + back,
                });
                now += 1_000_000;
            }
            let found = clocks.offset().unwrap();
            let shortest = rounds.iter().map(|(there, back)| there + back).min().unwrap();
            prop_assert!(found.offset_ns.abs_diff(offset) <= found.error_ns + 1);
            prop_assert!(found.error_ns <= shortest.div_ceil(2));
        }
    }

    #[test]
    fn a_clock_that_was_set_back_measures_nothing() {
        let mut clocks = Clocks::default();
        clocks.add(Round { sent_ns: 5, received_ns: 4, answered_ns: 4 });
        assert_eq!(clocks.offset(), None);
        clocks.add(Round { sent_ns: u64::MAX - 1, received_ns: u64::MAX, answered_ns: 0 });
        assert!(clocks.offset().is_some());
    }
}
