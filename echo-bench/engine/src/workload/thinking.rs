//! Who pauses, and until when: [`Thinking`]. Pure: the instants are given.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rand::SeedableRng;
use rand_distr::{Distribution, Exp1};
use rand_xoshiro::Xoshiro256PlusPlus;

use echo_net::Nanos;

use crate::plan::{Plan, Think};

/// The users of one thread who pause before they ask again, each by a number of its own.
#[derive(Debug)]
pub(super) struct Thinking {
    think: Option<Think>,
    /// Of each user where pauses are drawn: what one draws must not depend on how many others the
    /// thread has, or a part of a plan would be another load than the whole.
    random: Vec<Xoshiro256PlusPlus>,
    until: BinaryHeap<Reverse<(Nanos, u32)>>,
}

impl Thinking {
    /// Of the users with these fleet-wide numbers; nobody pauses yet.
    pub(super) fn new(plan: &Plan, numbers: &[u32]) -> Self {
        let draws = plan.think.is_some_and(|think| think.exponential);
        let random = |number: &u32| {
            let number = u64::from(*number) + 1;
            let seed = plan.seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
            Xoshiro256PlusPlus::seed_from_u64(seed)
        };
        Self {
            think: plan.think,
            random: numbers.iter().filter(|_| draws).map(random).collect(),
            until: BinaryHeap::new(),
        }
    }

    /// Whether users think at all.
    pub(super) fn is_on(&self) -> bool {
        self.think.is_some()
    }

    /// How long the thread's user of this place thinks now.
    pub(super) fn pause(&mut self, user: u32) -> Nanos {
        match self.think {
            None => 0,
            Some(Think { mean_ns, exponential: false }) => mean_ns,
            Some(Think { mean_ns, exponential: true }) => {
                let Some(random) = self.random.get_mut(user as usize) else { return mean_ns };
                let pause: f64 = Exp1.sample(random);
                (pause * mean_ns as f64) as Nanos
            }
        }
    }

    /// The first pause of a user, who is number `index` of `users` in the fleet: they would all ask
    /// at once otherwise.
    pub(super) fn first_pause(&mut self, user: u32, index: u64, users: u64) -> Nanos {
        match self.think {
            Some(Think { mean_ns, exponential: false }) => {
                let phase = u128::from(mean_ns) * u128::from(index) / u128::from(users.max(1));
                phase as Nanos
            }
            _ => self.pause(user),
        }
    }

    /// A user pauses until this instant.
    pub(super) fn until(&mut self, at: Nanos, user: u32) {
        self.until.push(Reverse((at, user)));
    }

    /// When the next pause ends.
    pub(super) fn next(&self) -> Option<Nanos> {
        self.until.peek().map(|Reverse((at, _))| *at)
    }

    /// A user whose pause has ended by `now`, once for each pause.
    pub(super) fn pop(&mut self, now: Nanos) -> Option<u32> {
        self.next().filter(|&at| at <= now)?;
        self.until.pop().map(|Reverse((_, user))| user)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::plan_with;

    #[test]
    fn exponential_pauses_have_their_mean_and_constant_ones_a_phase_each() {
        let thinking = |text: &str| {
            let think = text.parse().unwrap();
            Thinking::new(&plan_with(|plan| plan.think = Some(think)), &[0, 7])
        };
        let mut exponential = thinking("exp:10ms");
        let sum: Nanos = (0..20_000).map(|n| exponential.pause(n % 2)).sum();
        let mean_ms = sum as f64 / 20_000.0 / 1e6;
        assert!((mean_ms - 10.0).abs() < 0.4, "{mean_ms} ms");
        let mut constant = thinking("10ms");
        let phases: Vec<_> = (0..4).map(|index| constant.first_pause(0, index, 4)).collect();
        assert_eq!(phases, [0, 2_500_000, 5_000_000, 7_500_000]);
        assert_eq!(constant.pause(1), 10_000_000);
    }

    #[test]
    fn who_else_thinks_on_a_thread_changes_no_pause() {
        let plan = plan_with(|plan| plan.think = "exp:10ms".parse().ok());
        let pauses = |numbers: &[u32], user| {
            let mut thinking = Thinking::new(&plan, numbers);
            [(); 5].map(|()| thinking.pause(user))
        };
        assert_eq!(pauses(&[3, 4, 5], 1), pauses(&[4], 0));
        assert_ne!(pauses(&[3, 4, 5], 1), pauses(&[3], 0));
    }

    #[test]
    fn pauses_end_in_their_order() {
        let mut thinking = Thinking::new(&plan_with(|_| {}), &[]);
        assert!(!thinking.is_on());
        for (at, user) in [(30, 1), (10, 2), (20, 1)] {
            thinking.until(at, user);
        }
        assert_eq!((thinking.next(), thinking.pop(9)), (Some(10), None));
        let all: Vec<_> = std::iter::from_fn(|| thinking.pop(20)).collect();
        assert_eq!((all, thinking.next()), (vec![2, 1], Some(30)));
    }
}
