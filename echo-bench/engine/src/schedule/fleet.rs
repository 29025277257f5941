//! The streams of all connections of a load: [`Schedule`].

use std::sync::Arc;

use echo_net::Nanos;

use super::stages::Profile;
use super::{Arrival, ArrivalStream, Recorded, Stage, digest_of};

/// When requests fall due, for each connection of a fleet.
#[derive(Debug, Clone)]
pub struct Schedule {
    seed: u64,
    kind: Kind,
    /// What the first instants of its streams do not tell.
    more: Vec<u64>,
}

#[derive(Debug, Clone)]
enum Kind {
    Even { rate_per_s: f64, arrival: Arrival },
    Staged { profile: Arc<Profile>, arrival: Arrival },
    Recorded { recorded: Recorded, warmup: Arc<Profile>, warmup_ns: Nanos },
}

impl Schedule {
    /// So many requests per second.
    pub fn even(seed: u64, rate_per_s: f64, arrival: Arrival) -> Self {
        Self { seed, kind: Kind::Even { rate_per_s, arrival }, more: Vec::new() }
    }

    /// A warm-up at the rate with which the first stage begins, then the stages.
    pub fn staged(seed: u64, warmup_ns: Nanos, stages: &[Stage], arrival: Arrival) -> Self {
        let profile = Arc::new(Profile::new(warmup_ns, stages));
        let facts = |stage: &Stage| {
            [stage.from_per_s.to_bits(), stage.to_per_s.to_bits(), stage.length_ns]
        };
        let more = stages.iter().flat_map(facts).chain([warmup_ns]).collect();
        Self { seed, kind: Kind::Staged { profile, arrival }, more }
    }

    /// A warm-up at the mean rate of the recorded instants, evenly spaced, then these.
    pub fn recorded(warmup_ns: Nanos, recorded: &Recorded) -> Self {
        let warmup = [Stage::constant(recorded.rate_per_s(), warmup_ns)];
        let warmup = Arc::new(Profile::new(0, &warmup));
        let more = recorded.digest().bytes().map(u64::from).chain([warmup_ns]).collect();
        let recorded = recorded.clone();
        Self { seed: 0, kind: Kind::Recorded { recorded, warmup, warmup_ns }, more }
    }

    /// The stream of connection `index` of `connections`.
    ///
    /// # Panics
    /// If `index` is not below `connections`.
    pub fn stream(&self, index: u32, connections: u32) -> ArrivalStream {
        let seed = self.seed;
        match &self.kind {
            &Kind::Even { rate_per_s, arrival } => {
                ArrivalStream::new(seed, rate_per_s, arrival, index, connections)
            }
            Kind::Staged { profile, arrival } => {
                ArrivalStream::bent(seed, profile, *arrival, index, connections)
            }
            Kind::Recorded { recorded, warmup, warmup_ns } => {
                let before =
                    ArrivalStream::bent(seed, warmup, Arrival::Constant, index, connections);
                ArrivalStream::recorded((before, *warmup_ns), recorded, index, connections)
            }
        }
    }

    /// A fingerprint of the schedule of so many connections: the same on any machine.
    pub fn digest(&self, connections: u32) -> String {
        let streams = (0..connections).map(|index| self.stream(index, connections));
        digest_of(streams, self.more.iter().copied())
    }
}

#[cfg(test)]
mod tests {
    use echo_net::clock::SECOND;
    use proptest::prelude::*;

    use super::*;

    /// All instants of a fleet, in order.
    fn instants(schedule: &Schedule, connections: u32) -> Vec<Nanos> {
        let mut all: Vec<_> =
            (0..connections).flat_map(|index| schedule.stream(index, connections)).collect();
        all.sort_unstable();
        all
    }

    fn stages(typed: &[&str]) -> Vec<Stage> {
        typed.iter().map(|typed| typed.parse().unwrap()).collect()
    }

    fn within(all: &[Nanos], start: Nanos, end: Nanos) -> usize {
        all.iter().filter(|at| (start..end).contains(at)).count()
    }

    #[test]
    fn stages_have_their_counts_and_a_warm_up_at_the_first_rate() {
        let stages = stages(&["1k:3s", "1k..5k:2s", "5k:1s"]);
        for connections in [1, 7] {
            let schedule = Schedule::staged(1, SECOND, &stages, Arrival::Constant);
            let all = instants(&schedule, connections);
            let counts = [(0, 1), (1, 4), (4, 6), (6, 7)]
                .map(|(start, end)| within(&all, start * SECOND, end * SECOND));
            assert_eq!(counts, [1000, 3000, 6000, 5000]);
            assert_eq!(all.len(), 15_000);
            for pair in all[..4000].windows(2) {
                assert!((pair[1] - pair[0]).abs_diff(1_000_000) <= 1, "{pair:?}");
            }
            for pair in all[10_000..].windows(2) {
                assert!((pair[1] - pair[0]).abs_diff(200_000) <= 1, "{pair:?}");
            }
        }
    }

    #[test]
    fn poisson_counts_of_stages_are_those_of_their_rates() {
        let stages = stages(&["10k:10s", "0..20k:10s", "2k:10s"]);
        let all = instants(&Schedule::staged(3, 0, &stages, Arrival::Poisson), 5);
        for (stage, expected) in [100_000.0, 100_000.0, 20_000.0].into_iter().enumerate() {
            let start = stage as u64 * 10 * SECOND;
            let count = within(&all, start, start + 10 * SECOND) as f64;
            // Five standard deviations.
            assert!((count - expected).abs() < 5.0 * f64::sqrt(expected), "{stage}: {count}");
        }
        // A quarter of a ramp's requests lie in its first half.
        let early = within(&all, 10 * SECOND, 15 * SECOND) as f64;
        assert!((early - 25_000.0).abs() < 800.0, "{early}");
    }

    #[test]
    fn recorded_instants_are_taken_in_turn_after_a_warm_up_at_their_mean_rate() {
        let recorded = Recorded::read("0\n0.5\n0.5\n3").unwrap();
        let schedule = Schedule::recorded(2 * SECOND, &recorded);
        let of = |index| schedule.stream(index, 3).collect::<Vec<_>>();
        // Four in four seconds: one a second, at 0 and at 1 s.
        assert_eq!(of(0), [0, 2 * SECOND, 5 * SECOND]);
        assert_eq!(of(1), [SECOND, 5 * SECOND / 2]);
        assert_eq!(of(2), [5 * SECOND / 2]);
    }

    #[test]
    fn the_digest_tells_stages_apart_that_begin_alike() {
        let digest = |typed: &[&str], connections| {
            Schedule::staged(1, SECOND, &stages(typed), Arrival::Constant).digest(connections)
        };
        let base = digest(&["1k:30s", "5k:30s"], 2);
        assert_eq!(base, digest(&["1k:30s", "5k:30s"], 2));
        for other in [&["1k:30s", "6k:30s"][..], &["1k:30s", "5k:31s"], &["1k:30s"]] {
            assert_ne!(base, digest(other, 2), "{other:?}");
        }
        assert_ne!(base, digest(&["1k:30s", "5k:30s"], 3));
        let recorded = |text| Schedule::recorded(0, &Recorded::read(text).unwrap()).digest(1);
        let few: Vec<_> = (0..20).map(|at| at.to_string()).collect();
        let few = few.join("\n");
        assert_ne!(recorded(&few), recorded(&(few.clone() + "\n20")));
    }

    fn any_stage() -> impl Strategy<Value = Stage> {
        let rate = prop_oneof![Just(0.0), 0.1..5000.0];
        let length = 1_000_000..3 * SECOND;
        (rate.clone(), rate, any::<bool>(), length).prop_filter_map(
            "no request",
            |(from, to, is_ramp, length)| {
                let stage = Stage {
                    from_per_s: from,
                    to_per_s: if is_ramp { to } else { from },
                    length_ns: length,
                };
                stage.is_sensible().then_some(stage)
            },
        )
    }

    proptest! {
        #[test]
        fn instants_never_go_back_and_stages_have_their_counts(
            stages in proptest::collection::vec(any_stage(), 1..6),
            connections in 1u32..9,
            warmup in 0..SECOND,
            seed in any::<u64>(),
        ) {
            for arrival in [Arrival::Constant, Arrival::Poisson] {
                let schedule = Schedule::staged(seed, warmup, &stages, arrival);
                for index in 0..connections {
                    let stream: Vec<_> = schedule.stream(index, connections).collect();
                    prop_assert!(stream.is_sorted());
                }
            }
            let schedule = Schedule::staged(seed, warmup, &stages, Arrival::Constant);
            let all = instants(&schedule, connections);
            let mut start = warmup;
            for stage in &stages {
                let end = start + stage.length_ns;
                let count = within(&all, start, end) as f64;
                prop_assert!((count - stage.requests()).abs() <= 1.0 + 1e-3, "{count} {stage}");
                start = end;
            }
            prop_assert_eq!(within(&all, start, Nanos::MAX), 0);
        }
    }
}
