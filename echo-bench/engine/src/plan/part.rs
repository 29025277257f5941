//! A share of a plan that one process of several carries out: [`Part`], typed like `2/8`.
//!
//! Connections keep the numbers that they have in the whole plan, and part k of n takes every n-th
//! of them: k-1, k-1+n, ... So stamps, message sizes, phases and Poisson streams are those of the
//! whole, and with evenly spaced requests each part's are evenly spaced, too, which a share of
//! neighbours would not be.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fmt;
use std::str::FromStr;

use echo_net::Nanos;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Settings, StopRule};

/// Most parts of a plan.
pub const MOST_PARTS: u32 = 1000;

/// Of more requests nobody counts whose they are: each part gets its share by its connections.
const MOST_COUNTED: u64 = 20_000_000;

/// Part `number` of a plan that `of` processes carry out: every `of`-th connection.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
pub struct Part {
    /// Which, from 1.
    pub number: u32,
    /// Of how many.
    pub of: u32,
}

/// A text that is none.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "invalid part `{0}`: write K/N like 2/8, with K from 1 to N and N at most {MOST_PARTS}"
)]
pub struct InvalidPart(String);

impl Part {
    /// Whether it is one of so many.
    pub(super) fn is_sensible(self) -> bool {
        (1..=MOST_PARTS).contains(&self.of) && (1..=self.of).contains(&self.number)
    }

    /// The numbers of its own among so many connections.
    pub fn numbers(self, connections: u32) -> impl Iterator<Item = u32> + Clone {
        (self.number.saturating_sub(1)..connections).step_by(self.of.max(1) as usize)
    }

    /// How many of so many connections are its own.
    pub fn share_of(self, connections: u32) -> u32 {
        let others = self.number.saturating_sub(1);
        connections.saturating_sub(others).div_ceil(self.of.max(1))
    }
}

impl FromStr for Part {
    type Err = InvalidPart;

    fn from_str(text: &str) -> Result<Self, InvalidPart> {
        let parsed = text.split_once('/').and_then(|(number, of)| {
            Some(Self { number: number.trim().parse().ok()?, of: of.trim().parse().ok()? })
        });
        let sensible = parsed.filter(|part| part.is_sensible());
        sensible.ok_or_else(|| InvalidPart(text.to_owned()))
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

/// How many of the requests of a plan that ends after a number of them are this part's; none of a
/// whole plan, and of one that ends after a time.
///
/// On a schedule they are those of the first requests of the whole that fall due on the part's
/// connections. In a closed loop nobody knows beforehand which connection will ask how often: a
/// part gets as many as it has connections in proportion.
pub(super) fn requests(plan: &Settings) -> Option<u64> {
    let (part, StopRule::Requests { requests }) = (plan.part?, plan.stop) else { return None };
    Some(counted(plan, part, requests).unwrap_or_else(|| {
        // Cut so that the shares of all parts add up.
        let upto = |parts: u32| {
            let connections: u64 = (1..=parts)
                .map(|number| u64::from(Part { number, ..part }.share_of(plan.connections)))
                .sum();
            u128::from(requests) * u128::from(connections) / u128::from(plan.connections.max(1))
        };
        (upto(part.number) - upto(part.number - 1)) as u64
    }))
}

/// The same of a schedule, by its instants.
fn counted(plan: &Settings, part: Part, requests: u64) -> Option<u64> {
    if requests > MOST_COUNTED {
        return None;
    }
    let schedule = plan.load.schedule(plan.seed, plan.warmup_ns)?;
    let mut streams = Vec::new();
    let mut due: BinaryHeap<Reverse<(Nanos, u32)>> = BinaryHeap::new();
    for number in 0..plan.connections {
        // What is due before the window is of the warm-up.
        let mut stream = schedule.stream(number, plan.connections);
        let first = stream.find(|&at| at >= plan.warmup_ns);
        due.extend(first.map(|at| Reverse((at, number))));
        streams.push(stream);
    }
    let mut own = 0;
    for _ in 0..requests {
        let Some(mut next) = due.peek_mut() else { break };
        let Reverse((_, number)) = *next;
        own += u64::from(number % part.of == part.number - 1);
        match streams[number as usize].next() {
            Some(at) => next.0.0 = at,
            None => drop(std::collections::binary_heap::PeekMut::pop(next)),
        }
    }
    Some(own)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::plan::Load;
    use crate::plan::tests::plan_with;
    use crate::schedule::Arrival;

    #[test]
    fn reads_a_number_and_of_how_many() {
        for (text, number, of) in [("1/1", 1, 1), ("2/8", 2, 8), (" 3 / 4 ", 3, 4)] {
            let part: Part = text.parse().unwrap();
            assert_eq!(part, Part { number, of }, "{text}");
        }
        assert_eq!(Part { number: 2, of: 8 }.to_string(), "2/8");
        for text in ["", "2", "0/2", "3/2", "1/0", "-1/2", "1/1001", "1/2/3", "a/b"] {
            let refused = text.parse::<Part>().unwrap_err().to_string();
            assert!(refused.contains("K/N"), "{refused}");
        }
    }

    proptest! {
        #[test]
        fn every_connection_is_of_one_part_and_every_request(
            connections in 1u32..40, of in 1u32..10, asked in 1u64..500, kind in 0..3, seed in any::<u64>(),
        ) {
            prop_assume!(of <= connections);
            let parts = (1..=of).map(|number| Part { number, of });
            let mut numbers: Vec<u32> =
                parts.clone().flat_map(|part| part.numbers(connections)).collect();
            numbers.sort_unstable();
            prop_assert_eq!(numbers, (0..connections).collect::<Vec<_>>());
            let arrival = if kind == 1 { Arrival::Constant } else { Arrival::Poisson };
            let mut sum = 0;
            for part in parts {
                prop_assert_eq!(part.numbers(connections).count() as u32, part.share_of(connections));
                let plan = plan_with(|plan| {
                    plan.connections = connections;
                    plan.seed = seed;
                    plan.stop = StopRule::Requests { requests: asked };
                    if kind > 0 {
                        plan.load = Load::Open { rate_per_s: 1000.0, arrival, pipeline: 4 };
                    }
                    plan.part = Some(part);
                });
                sum += plan.own_requests().unwrap();
            }
            prop_assert_eq!(sum, asked);
        }
    }
}
