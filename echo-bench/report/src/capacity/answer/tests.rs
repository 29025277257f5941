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
    let answer = &found.levels[0].answer;
    let mut rates = found.levels[0].rates.iter();
    let failed = rates.find(|rate| Some(rate.rate_per_s) == answer.high_per_s).unwrap();
    let kind = |workers_known, usable, machine| {
        let cores = Cores { workers_known, usable: Some(usable), machine: Some(machine) };
        limit(failed, cores).map(|limit| limit.kind)
    };
    assert_eq!(kind(true, 1, 4), Some(LimitKind::ServerCpu));
    assert_eq!(kind(true, 3, 4), Some(LimitKind::NotCpu));
    assert_eq!(kind(false, 1, 1), Some(LimitKind::ServerCpu));
    // What the rate that decides shows, of which only the least that is not used up is left.
    let cores = Cores { workers_known: true, usable: Some(4), machine: Some(8) };
    let objective = Some(RateReason::Objective);
    for (reason, link_busy, link_dropped, server_busy, expected) in [
        (objective, None, None, Some(1.0), Some(LimitKind::NotCpu)),
        (objective, None, None, None, None),
        (objective, Some(0.9), Some(0), Some(3.9), Some(LimitKind::Link)),
        (objective, Some(0.5), Some(7), None, Some(LimitKind::Link)),
        (objective, Some(0.5), Some(0), Some(3.9), Some(LimitKind::ServerCpu)),
        (Some(RateReason::Backlog), None, None, Some(3.9), Some(LimitKind::ServerCpu)),
        (Some(RateReason::Backlog), None, None, Some(1.0), Some(LimitKind::Backlog)),
        (Some(RateReason::Timeouts), None, None, None, Some(LimitKind::Timeouts)),
        (Some(RateReason::Generator), None, None, Some(3.9), Some(LimitKind::Generator)),
        (Some(RateReason::Link), None, None, Some(3.9), Some(LimitKind::Forwarder)),
    ] {
        let rate =
            RateReport { reason, server_busy, link_busy, link_dropped, ..failed.clone() };
        assert_eq!(limit(&rate, cores).map(|limit| limit.kind), expected, "{reason:?}");
    }
}

/// The rate that fails next above those that pass, whatever is true of others.
#[test]
fn the_rate_that_decides_says_what_limits() {
    let found = capacity(&[("", 12_345.0)]);
    let (level, slos) = (&found.levels[0], &found.plan.slos);
    let bracket =
        Bracket { low: level.answer.low_per_s, high: level.answer.high_per_s, generator: None };
    let mut rates = level.rates.clone();
    for rate in &mut rates {
        let decides = Some(rate.rate_per_s) == bracket.high;
        rate.server_busy = Some(0.2);
        if rate.verdict == RateVerdict::Failed {
            rate.reason =
                Some(if decides { RateReason::Timeouts } else { RateReason::Backlog });
        } else {
            rate.link_dropped = Some(1);
        }
    }
    let answer = of(&bracket, Ending::Precise, &rates, slos, Cores::default());
    assert_eq!(answer.limit.map(|limit| limit.kind), Some(LimitKind::Timeouts));
    assert_eq!(answer.decided_by, None, "no objective failed");
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
