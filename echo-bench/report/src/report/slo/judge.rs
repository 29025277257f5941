//! How objectives are judged: on the 95 % interval of what they limit, by [`Evidence`]. What
//! lies wholly within the limit is met, wholly beyond it missed; all else is undecided.

use hdrhistogram::Histogram;

use echo_net::settings::{Count, TimeSpan};

use super::{SloOutcome, SloVerdict};
use crate::report::{LatencySummary, QUANTILES, Requests};
use crate::stats::{effective, looks, order, rate};
use echo_bench_engine::record::Packed;

/// What a run shows.
#[derive(Debug, Clone, Default)]
pub(crate) struct Evidence<'a> {
    /// The response latency.
    pub(crate) response: Option<&'a LatencySummary>,
    /// The pieces that it came in.
    pub(crate) pieces: &'a [Packed],
    /// Successful replies per second.
    pub(crate) achieved_per_s: Option<f64>,
    /// Replies in equally long parts of the window, in order.
    pub(crate) answers: Vec<f64>,
    /// Requests by how they ended.
    pub(crate) requests: Requests,
    /// Requests of each part that failed, and all that ended in it.
    pub(crate) failures: Vec<(f64, f64)>,
    /// Whether more runs are added until it tells: the interval of errors is then that of a
    /// [look](looks), as that of latencies is by what `response` says it is worth.
    pub(crate) looked_at: bool,
}

impl Evidence<'_> {
    /// The 95 % interval of the rate within the run; `None` where that is too short to tell.
    pub(crate) fn rate_interval(&self) -> Option<[f64; 2]> {
        let measured = self.achieved_per_s?;
        // The parts say how sure the rate is; what it is says the whole.
        let mean = self.answers.iter().sum::<f64>() / self.answers.len() as f64;
        let interval = rate::mean_interval(&self.answers).filter(|_| mean > 0.0)?;
        Some(interval.map(|end| (end / mean * measured).max(0.0)))
    }
}

/// A quantile of the response latency, or its maximum, that must be below `limit`.
pub(super) fn latency(
    unknown: SloOutcome,
    quantile: f64,
    limit: TimeSpan,
    evidence: &Evidence<'_>,
) -> SloOutcome {
    let known = evidence.response.and_then(|response| Some((response, response.histogram()?)));
    let Some((response, histogram)) = known else { return unknown };
    let at = |quantile| histogram.value_at_quantile(quantile);
    let measured = at(quantile);
    let lower_bound = response.is_lower_bound(measured);
    let mut outcome = SloOutcome { measured_ns: Some(measured), lower_bound, ..unknown };
    let (least, most) = if quantile < 1.0 {
        let independent = independent(quantile, response, &histogram, evidence.pieces);
        outcome.independent = Some(independent);
        outcome.needed = Some(order::needed(quantile));
        let (low, high) = order::bounds(quantile, independent);
        (low.map(at), high.map(at))
    } else {
        // The greatest value is a fact of the run, not an estimate.
        (Some(measured), Some(measured))
    };
    // A request that was never answered may have taken for ever.
    let most = most.filter(|most| !response.is_lower_bound(*most));
    if quantile < 1.0 {
        outcome.ci95 = [least, most];
    }
    let limit = u64::try_from(limit.0.as_nanos()).unwrap_or(u64::MAX);
    let (mut missed, mut met) =
        (least.is_some_and(|least| least >= limit), most.is_some_and(|most| most < limit));
    if outcome.ci95 == [None, None]
        && quantile < 1.0
        && let Some([low, high]) = share_beyond(limit, evidence.pieces)
    {
        // The percentile has no interval, and how many took longer than the limit may be plain.
        missed = low > 1.0 - quantile;
        met = high < 1.0 - quantile && response.censored == 0;
    }
    outcome.judged(verdict(missed, met))
}

/// The 95 % interval of the share of latencies that reach `limit`. All of a piece count as one
/// value at most, since replies that come together are alike.
fn share_beyond(limit: u64, pieces: &[Packed]) -> Option<[f64; 2]> {
    let part = |piece: &Packed| {
        let histogram = piece.histogram();
        let beyond = match limit.checked_sub(1) {
            Some(below) => histogram.len() - histogram.count_between(0, below),
            None => histogram.len(),
        };
        (beyond as f64, histogram.len() as f64)
    };
    let parts: Vec<_> = pieces.iter().map(part).filter(|(_, all)| *all > 0.0).collect();
    rate::share_interval_of_parts(&parts)
}

/// How many independent values the run is worth at the quantile.
fn independent(
    quantile: f64,
    response: &LatencySummary,
    histogram: &Histogram<u64>,
    pieces: &[Packed],
) -> u64 {
    let named = QUANTILES.iter().any(|known| known.quantile.total_cmp(&quantile).is_eq());
    if named || pieces.is_empty() {
        return response.independent_at(quantile);
    }
    let pieces = pieces.iter().map(Packed::histogram);
    effective::sizes(histogram, pieces, &[quantile])[0]
}

/// A throughput that must be above `least`.
pub(super) fn throughput(
    unknown: SloOutcome,
    least: Count,
    evidence: &Evidence<'_>,
) -> SloOutcome {
    let Some(measured) = evidence.achieved_per_s else { return unknown };
    let interval = evidence.rate_interval();
    let outcome = SloOutcome { measured: Some(measured), interval, ..unknown };
    let limit = least.0 as f64;
    let [low, high] = interval.unwrap_or([0.0, f64::MAX]);
    outcome.judged(verdict(high <= limit, low > limit))
}

/// A share of failed requests that must be below `most`.
pub(super) fn errors(unknown: SloOutcome, most: f64, evidence: &Evidence<'_>) -> SloOutcome {
    let Requests { scheduled, ok, .. } = evidence.requests;
    let failed = scheduled.saturating_sub(ok);
    let miss = if evidence.looked_at { looks::miss() } else { order::MISS };
    let interval = rate::share_interval_at(miss, failed, scheduled, &evidence.failures);
    let Some(interval) = interval else { return unknown };
    let measured = Some(failed as f64 / scheduled as f64);
    let outcome = SloOutcome { measured, interval: Some(interval), ..unknown };
    let [low, high] = interval;
    outcome.judged(verdict(low >= most, high < most))
}

fn verdict(missed: bool, met: bool) -> SloVerdict {
    match (missed, met) {
        (true, _) => SloVerdict::Missed,
        (false, true) => SloVerdict::Met,
        (false, false) => SloVerdict::Undecided,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Slo;
    use echo_bench_engine::record::Latency;

    fn summary(values: impl IntoIterator<Item = u64>, censored: &[u64]) -> LatencySummary {
        let mut latency = Latency::default();
        for value in values {
            latency.record(value);
        }
        for &age in censored {
            latency.record_censored(age);
        }
        LatencySummary::new(&latency, &[]).unwrap()
    }

    /// Replies that drift so slowly that no percentile has an interval.
    #[test]
    fn what_all_replies_show_needs_no_interval() {
        let pieces: Vec<Latency> = (0..40)
            .map(|piece| {
                let mut latency = Latency::default();
                for _ in 0..10 {
                    latency.record(5_000_000 + piece * 20_000);
                }
                latency
            })
            .collect();
        let mut whole = Latency::default();
        for piece in &pieces {
            whole += piece;
        }
        let pieces: Vec<Packed> = pieces.iter().map(Packed::new).collect();
        let summary = LatencySummary::new(&whole, &pieces).unwrap();
        assert!(summary.ci95.is_empty(), "{:?}", summary.ci95);
        for (slo, verdict) in [
            ("p50<1ms", SloVerdict::Missed),
            ("p50<1s", SloVerdict::Met),
            ("p50<5.4ms", SloVerdict::Undecided),
            ("p99.9<4ms", SloVerdict::Missed),
            // So few values can't show that one in a hundred is not longer.
            ("p99<1s", SloVerdict::Undecided),
        ] {
            let outcome = slo.parse::<Slo>().unwrap().judge(Some(&summary), &pieces);
            assert_eq!(outcome.verdict(), verdict, "{slo}: {outcome:?}");
        }
    }

    #[test]
    fn the_percentile_is_the_one_that_the_report_shows() {
        let summary = summary((1..=1000).map(|k| k * 10_000), &[]);
        let outcome = "p99.9<1s".parse::<Slo>().unwrap().judge(Some(&summary), &[]);
        assert_eq!(outcome.measured_ns, Some(summary.p99_9_ns));
    }

    #[test]
    fn an_objective_is_judged_on_the_interval_of_its_percentile() {
        // The 95 % interval of the p90 of these is about 8.8 to 9.2 ms.
        let summary = summary((1..=1000).map(|k| k * 10_000), &[]);
        for (slo, verdict) in [
            ("p90<9.3ms", SloVerdict::Met),
            ("p90<9.1ms", SloVerdict::Undecided),
            ("p90<8.9ms", SloVerdict::Undecided),
            ("p90<8.7ms", SloVerdict::Missed),
            // Percentiles that reports do not show are judged alike.
            ("p80<8.3ms", SloVerdict::Met),
            ("p80<8.1ms", SloVerdict::Undecided),
            ("p80<7.7ms", SloVerdict::Missed),
            // The sample is too small for the upper end.
            ("p99.9<1s", SloVerdict::Undecided),
            ("p99.9<9.5ms", SloVerdict::Missed),
            ("max<10.1ms", SloVerdict::Met),
            ("max<9.9ms", SloVerdict::Missed),
        ] {
            let outcome = slo.parse::<Slo>().unwrap().judge(Some(&summary), &[]);
            assert_eq!(outcome.verdict(), verdict, "{outcome:?}");
            assert_eq!(outcome.met, verdict == SloVerdict::Met);
        }
    }

    #[test]
    fn a_hundred_requests_never_meet_a_far_percentile() {
        let summary = summary([1_000; 100], &[]);
        let outcome = "p99.99<1s".parse::<Slo>().unwrap().judge(Some(&summary), &[]);
        assert_eq!(outcome.verdict(), SloVerdict::Undecided);
        let few = LatencySummary::new(
            &summary.latency().unwrap(),
            &[Packed::new(&summary.latency().unwrap())],
        );
        for slo in ["p99.99<1s", "p90<1s", "p80<1s"] {
            let outcome = slo.parse::<Slo>().unwrap().judge(few.as_ref(), &[]);
            assert_eq!(outcome.verdict(), SloVerdict::Undecided, "{slo}");
        }
    }

    #[test]
    fn a_lower_bound_is_never_good_enough() {
        let summary = summary([1_000_000; 9], &[2_000_000]);
        let judge = |slo: &str| slo.parse::<Slo>().unwrap().judge(Some(&summary), &[]);
        assert_eq!(judge("p50<5ms").verdict(), SloVerdict::Met);
        assert_eq!(judge("p50<500us").verdict(), SloVerdict::Missed);
        // The request may have taken for ever.
        assert_eq!(judge("max<5ms").verdict(), SloVerdict::Undecided);
        assert_eq!(judge("max<2ms").verdict(), SloVerdict::Missed);
        assert!(judge("max<5ms").lower_bound && !judge("p50<5ms").lower_bound);
        let nothing = "p50<5ms".parse::<Slo>().unwrap().judge(None, &[]);
        assert!(!nothing.met && nothing.measured_ns.is_none());
    }

    #[test]
    fn throughput_and_errors_are_judged_on_their_intervals() {
        let wobble = |k: u32| 1000.0 + f64::from(k * 7919 % 101);
        let evidence = Evidence {
            achieved_per_s: Some(10_500.0),
            answers: (0..100).map(wobble).collect(),
            requests: Requests {
                scheduled: 100_000,
                ok: 99_900,
                timeout: 100,
                ..Requests::default()
            },
            ..Evidence::default()
        };
        for (slo, verdict) in [
            ("rps>10k", SloVerdict::Met),
            ("rps>10490", SloVerdict::Undecided),
            ("rps>10510", SloVerdict::Undecided),
            ("rps>11k", SloVerdict::Missed),
            ("errors<0.2%", SloVerdict::Met),
            ("errors<0.11%", SloVerdict::Undecided),
            ("errors<0.09%", SloVerdict::Undecided),
            ("errors<0.05%", SloVerdict::Missed),
        ] {
            let outcome = slo.parse::<Slo>().unwrap().judge_by(&evidence);
            assert_eq!(outcome.verdict(), verdict, "{outcome:?}");
        }
        // Of runs that are looked at again and again the interval is wider.
        let looked_at = Evidence { looked_at: true, ..evidence.clone() };
        let errors: Slo = "errors<0.125%".parse().unwrap();
        let once = errors.judge_by(&evidence);
        let often = errors.judge_by(&looked_at);
        assert_eq!(once.verdict(), SloVerdict::Met, "{once:?}");
        assert_eq!(often.verdict(), SloVerdict::Undecided, "{often:?}");
        let nothing = Evidence::default();
        let short = Evidence { answers: vec![1.0; 3], ..evidence };
        for (slo, evidence) in [("rps>1", &nothing), ("errors<1%", &nothing), ("rps>1", &short)]
        {
            let outcome = slo.parse::<Slo>().unwrap().judge_by(evidence);
            assert_eq!(outcome.verdict(), SloVerdict::Undecided, "{outcome:?}");
        }
    }
}
