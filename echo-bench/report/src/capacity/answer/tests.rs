use super::*;
use crate::capacity::fixture::capacity;
use crate::capacity::{Capacity, Ended};
use crate::report::document::Stored;

fn floor(capacity: &Capacity, least: &str) -> SloVerdict {
    let slo: Slo = least.parse().unwrap();
    floors(&[slo], &capacity.levels[0].answer)[0].verdict()
}

#[test]
fn the_answer_is_an_interval_with_what_decides_and_what_limits() {
    let found = capacity(&[("", 12_345.0)]);
    found.validate().unwrap();
    let answer = &found.levels[0].answer;
    let (low, high) = (answer.low_per_s.unwrap(), answer.high_per_s.unwrap());
    assert!(low <= 12_345.0 && 12_345.0 < high && high / low < 1.021);
    assert!((low..=high).contains(&answer.rate_per_s.unwrap()));
    assert_eq!(answer.decided_by.as_deref(), Some("p99<2ms"));
    assert_eq!(answer.ended, Ended::Precise);
    let limit = answer.limit.unwrap();
    // It keeps one core busy, and nothing is known of its workers.
    assert_eq!((limit.kind, limit.server_cores), (LimitKind::ServerCpu, Some(1.0)));
    for (least, verdict) in [
        ("rps>10k", SloVerdict::Met),
        ("rps>12345", SloVerdict::Undecided),
        ("rps>20k", SloVerdict::Missed),
    ] {
        assert_eq!(floor(&found, least), verdict, "{least}");
    }
}

#[test]
fn a_server_is_limited_by_what_it_uses_up() {
    let found = capacity(&[("", 12_345.0)]);
    let (rates, bracket) = (
        &found.levels[0].rates,
        Bracket {
            low: found.levels[0].answer.low_per_s,
            high: found.levels[0].answer.high_per_s,
            generator: None,
        },
    );
    let kind = |workers_known, usable, machine| {
        let cores = Cores { workers_known, usable: Some(usable), machine: Some(machine) };
        limit(&bracket, rates, cores).map(|limit| limit.kind)
    };
    assert_eq!(kind(true, 1, 4), Some(LimitKind::ServerCpu));
    assert_eq!(kind(true, 3, 4), Some(LimitKind::NotCpu));
    assert_eq!(kind(false, 1, 1), Some(LimitKind::ServerCpu));
}

#[test]
fn levels_are_compared_by_the_ends_of_both_intervals() {
    let found = capacity(&[("threads", 10_000.0), ("epoll", 14_000.0), ("tokio", 10_010.0)]);
    found.validate().unwrap();
    let [epoll, tokio] = &found.comparisons[..] else { panic!("two") };
    let ends = |comparison: &LevelComparison| comparison.interval.map(Option::unwrap);
    let [low, high] = ends(epoll);
    assert!(1.3 < low && low < 1.4 && 1.4 < high && high < 1.5, "{low} {high}");
    let [low, high] = ends(tokio);
    assert!(low <= 1.0 && 1.0 <= high);
}
