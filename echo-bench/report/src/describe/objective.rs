//! What became of an objective, in words: [`outcome`].

use std::fmt::Write;

use super::{Tone, units};
use crate::report::{SloOutcome, SloVerdict};
use crate::stats::order;

/// Like `p99<5ms: MISSED, measured 8.91 ms (95 %: 8.70..9.12 ms)`.
pub fn outcome(slo: &SloOutcome) -> String {
    format!("{}: {}", slo.label(), verdict(slo))
}

/// What became of it in a word.
pub(crate) fn word(slo: &SloOutcome) -> &'static str {
    match slo.verdict() {
        SloVerdict::Missed => "MISSED",
        SloVerdict::Met => "met",
        SloVerdict::Undecided => "undecided",
    }
}

/// How that is to be taken.
pub(crate) fn tone(slo: &SloOutcome) -> Tone {
    match slo.verdict() {
        SloVerdict::Met => Tone::Better,
        SloVerdict::Undecided => Tone::Fair,
        SloVerdict::Missed => Tone::Bad,
    }
}

/// The same without the objective.
pub(super) fn verdict(slo: &SloOutcome) -> String {
    let verdict = word(slo);
    if let Some(measured) = slo.measured_in_words() {
        let reason = reason(slo).map_or_else(String::new, |reason| format!("; {reason}"));
        return format!("{verdict}, measured {measured}{reason}");
    }
    let Some(measured) = measured(slo) else {
        return format!("{verdict}, nothing was measured");
    };
    let mut line = format!("{verdict}, measured {measured}");
    if let [Some(low), Some(high)] = slo.ci95 {
        // Writing to a string can't fail, so the results are dropped here and below.
        let _ = write!(line, " (95 %: {})", units::time_range(low as f64, high as f64));
    }
    if let Some(reason) = reason(slo) {
        let _ = write!(line, "; {reason}");
    }
    line
}

/// The value with its marks: `~` where the sample is too small for an interval, `>=` where
/// it is a lower bound.
pub(crate) fn measured(slo: &SloOutcome) -> Option<String> {
    let weak = if is_weak(slo) { "~" } else { "" };
    let bound = if slo.lower_bound { ">= " } else { "" };
    slo.measured_ns.map(|ns| format!("{weak}{bound}{}", units::time(ns as f64)))
}

fn is_weak(slo: &SloOutcome) -> bool {
    slo.independent.zip(slo.needed).is_some_and(|(independent, needed)| independent < needed)
}

/// Why an objective is undecided.
pub(crate) fn reason(slo: &SloOutcome) -> Option<String> {
    let nothing = slo.measured_ns.is_none() && slo.measured.is_none();
    if slo.verdict() != SloVerdict::Undecided || nothing {
        return None;
    }
    if slo.measured.is_some() && slo.interval.is_none() {
        return Some("the run is too short for an interval".into());
    }
    Some(match (slo.independent, slo.needed) {
        (Some(independent), Some(needed)) if independent < needed => {
            weakness(slo.quantile(), independent, needed)
        }
        _ if slo.measured.is_none() && slo.ci95[1].is_none() => {
            "requests were never answered and may have taken any time".into()
        }
        _ => "the limit lies inside the 95 % interval".into(),
    })
}

/// Why a percentile has no interval.
pub(super) fn weakness(quantile: &str, independent: u64, needed: u64) -> String {
    format!("effective sample size {}", sample_size(quantile, independent, needed))
}

/// An effective sample size beside the one that a percentile needs, which it may round to.
pub(super) fn sample_size(quantile: &str, independent: u64, needed: u64) -> String {
    let below = if order::is_near(independent, needed) { "below " } else { "" };
    let shown = units::count(if below.is_empty() { independent } else { needed });
    format!("{below}{shown} ({quantile} needs {})", units::count(needed))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{LatencySummary, Slo};
    use echo_bench_engine::record::Latency;

    #[test]
    fn says_what_was_measured_how_sure_it_is_and_why_it_is_undecided() {
        let mut latency = Latency::default();
        for k in 1..=200 {
            latency.record(k * 10_000);
        }
        let mut unanswered = latency.clone();
        for _ in 0..10 {
            unanswered.record_censored(5_000_000);
        }
        let inside = "the limit lies inside the 95 % interval";
        let never = "requests were never answered and may have taken any time";
        for (latency, slo, told) in [
            (&latency, "p50<5ms", "met, measured 1.00 ms (95 %: 0.860..1.15 ms)".to_owned()),
            (
                &latency,
                "p50<900us",
                format!("undecided, measured 1.00 ms (95 %: 0.860..1.15 ms); {inside}"),
            ),
            (&latency, "p50<500us", "MISSED, measured 1.00 ms (95 %: 0.860..1.15 ms)".into()),
            (
                &latency,
                "p99<5ms",
                "undecided, measured ~1.98 ms; effective sample size 200 (p99 needs 368)"
                    .into(),
            ),
            (&unanswered, "p97<3s", format!("undecided, measured >= 5.00 ms; {never}")),
            (&unanswered, "p97<1ms", "MISSED, measured >= 5.00 ms".into()),
            (&Latency::default(), "p50<1s", "undecided, nothing was measured".into()),
        ] {
            let summary = LatencySummary::new(latency, &[]);
            let judged = slo.parse::<Slo>().unwrap().judge(summary.as_ref(), &[]);
            assert_eq!(outcome(&judged), format!("{slo}: {told}"));
        }
    }

    #[test]
    fn a_sample_that_is_just_too_small_is_below_what_is_needed() {
        assert_eq!(weakness("p50", 2, 6), "effective sample size 2 (p50 needs 6)");
        assert_eq!(weakness("p50", 5, 6), "effective sample size below 6 (p50 needs 6)");
        assert_eq!(sample_size("p90", 30, 36), "30 (p90 needs 36)");
    }

    #[test]
    fn a_rate_is_named_once() {
        let unknown = "rps>10k".parse::<Slo>().unwrap().unknown();
        let missed = SloOutcome { measured: Some(9876.0), outcome: None, ..unknown };
        assert_eq!(outcome(&missed), "rps>10k: MISSED, measured ~9876/s");
    }
}
