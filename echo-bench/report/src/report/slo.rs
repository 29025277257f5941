//! Service level objectives: [`Slo`], like `p99<5ms`, judged on the response clock by the
//! interval of the percentile: [`SloOutcome`].

use std::fmt;
use std::str::FromStr;

use hdrhistogram::Histogram;
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use echo_net::settings::TimeSpan;

use super::{LatencySummary, QUANTILES};
use crate::stats::{effective, order};
use echo_bench_engine::record::Packed;

/// A quantile of the response latency that must stay below a limit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Slo {
    quantile: f64,
    limit: TimeSpan,
}

/// A text that is not an objective.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InvalidSlo {
    /// Not of the form.
    #[error("invalid objective `{0}`: write it like `p99<5ms` or `max<1s`")]
    Form(String),
    /// The limit is no time.
    #[error("invalid objective `{objective}`: `{limit}` is no latency, write it like `5ms`")]
    Limit {
        /// The whole.
        objective: String,
        /// What is no time.
        limit: String,
    },
    /// The limit is a bare number, which would be seconds elsewhere.
    #[error(
        "invalid objective `{objective}`: the limit has no unit, write `{limit}ms` or `{limit}s`"
    )]
    Unit {
        /// The whole.
        objective: String,
        /// The number.
        limit: String,
    },
}

impl FromStr for Slo {
    type Err = InvalidSlo;

    fn from_str(text: &str) -> Result<Self, InvalidSlo> {
        let wrong = || InvalidSlo::Form(text.to_owned());
        let (name, limit) = text.split_once('<').ok_or_else(wrong)?;
        let quantile = match name.trim() {
            "max" => 1.0,
            name => {
                // Read with its exponent: 99.9 / 100.0 is not 0.999.
                let percent = name.strip_prefix('p').map(|percent| format!("{percent}e-2"));
                let quantile = percent.and_then(|text| text.parse::<f64>().ok());
                let inside = quantile.filter(|quantile| *quantile > 0.0 && *quantile < 1.0);
                inside.ok_or_else(wrong)?
            }
        };
        let (objective, limit) = (text.to_owned(), limit.trim());
        let bare = !limit.is_empty() && !limit.contains(|c: char| c.is_alphabetic());
        match limit.parse() {
            Ok(_) if bare => Err(InvalidSlo::Unit { objective, limit: limit.to_owned() }),
            Ok(limit) => Ok(Self { quantile, limit }),
            Err(_) => Err(InvalidSlo::Limit { objective, limit: limit.to_owned() }),
        }
    }
}

impl fmt::Display for Slo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.quantile >= 1.0 {
            write!(f, "max<{}", self.limit)
        } else {
            // Percentages like 99.9 are not exact in binary; nine digits hide that.
            let percent = format!("{:.9}", self.quantile * 100.0);
            let percent = percent.trim_end_matches('0').trim_end_matches('.');
            write!(f, "p{percent}<{}", self.limit)
        }
    }
}

impl Serialize for Slo {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        echo_bench_engine::as_text::serialize(self, serializer)
    }
}

impl<'de> Deserialize<'de> for Slo {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        echo_bench_engine::as_text::deserialize(deserializer)
    }
}

/// What became of an objective.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Serialize,
    Deserialize,
    JsonSchema,
    strum::Display,
)]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum SloVerdict {
    /// The whole 95 % interval of the quantile is below the limit.
    Met,
    /// The limit lies inside the interval, or the sample is too small for one.
    Undecided,
    /// The whole interval is at or above the limit.
    Missed,
}

/// Whether an objective was met.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SloOutcome {
    /// The objective.
    pub slo: String,
    /// The quantile as measured; null if nothing was measured.
    pub measured_ns: Option<u64>,
    /// Whether `measured_ns` is only a lower bound, since requests were never answered.
    #[serde(default)]
    pub lower_bound: bool,
    /// The 95 % interval of the quantile. An end that the sample is too small for is null, and
    /// so is an upper end that is only a lower bound. The maximum has no interval.
    #[serde(default)]
    pub ci95: [Option<u64>; 2],
    /// The count as independent values: the effective sample size.
    #[serde(default)]
    pub independent: Option<u64>,
    /// The effective sample size that both ends of the interval need.
    #[serde(default)]
    pub needed: Option<u64>,
    /// Whether it is known to be below the limit: whether `outcome` is `met`.
    pub met: bool,
    /// What became of it; null in older reports.
    #[serde(default)]
    pub outcome: Option<SloVerdict>,
}

impl SloOutcome {
    /// What became of the objective, in older reports too.
    pub fn verdict(&self) -> SloVerdict {
        let known = if self.met { SloVerdict::Met } else { SloVerdict::Missed };
        self.outcome.unwrap_or(known)
    }

    /// The name of the quantile, like `p99`.
    pub fn quantile(&self) -> &str {
        self.slo.split('<').next().unwrap_or_default()
    }
}

impl Slo {
    /// The outcome where nothing is known.
    pub fn unknown(&self) -> SloOutcome {
        SloOutcome {
            slo: self.to_string(),
            measured_ns: None,
            lower_bound: false,
            ci95: [None, None],
            independent: None,
            needed: None,
            met: false,
            outcome: Some(SloVerdict::Undecided),
        }
    }

    /// Judges a run by its response latency, which came in these `pieces`.
    pub fn judge(&self, response: Option<&LatencySummary>, pieces: &[Packed]) -> SloOutcome {
        let known = response.and_then(|response| Some((response, response.histogram()?)));
        let Some((response, histogram)) = known else { return self.unknown() };
        let at = |quantile| histogram.value_at_quantile(quantile);
        let measured = at(self.quantile);
        let lower_bound = response.is_lower_bound(measured);
        let mut outcome =
            SloOutcome { measured_ns: Some(measured), lower_bound, ..self.unknown() };
        let (least, most) = if self.quantile < 1.0 {
            let independent = self.independent(response, &histogram, pieces);
            outcome.independent = Some(independent);
            outcome.needed = Some(order::needed(self.quantile));
            let (low, high) = order::bounds(self.quantile, independent);
            (low.map(at), high.map(at))
        } else {
            // The greatest value is a fact of the run, not an estimate.
            (Some(measured), Some(measured))
        };
        // A request that was never answered may have taken for ever.
        let most = most.filter(|most| !response.is_lower_bound(*most));
        let limit = u64::try_from(self.limit.0.as_nanos()).unwrap_or(u64::MAX);
        let verdict = if least.is_some_and(|least| least >= limit) {
            SloVerdict::Missed
        } else if most.is_some_and(|most| most < limit) {
            SloVerdict::Met
        } else {
            SloVerdict::Undecided
        };
        if self.quantile < 1.0 {
            outcome.ci95 = [least, most];
        }
        outcome.met = verdict == SloVerdict::Met;
        outcome.outcome = Some(verdict);
        outcome
    }

    /// How many independent values the run is worth at the quantile.
    fn independent(
        &self,
        response: &LatencySummary,
        histogram: &Histogram<u64>,
        pieces: &[Packed],
    ) -> u64 {
        let named = QUANTILES.iter().any(|q| q.quantile.total_cmp(&self.quantile).is_eq());
        if named || pieces.is_empty() {
            return response.independent_at(self.quantile);
        }
        let pieces = pieces.iter().map(Packed::histogram);
        effective::sizes(histogram, pieces, &[self.quantile])[0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use echo_bench_engine::record::Latency;

    #[test]
    fn reads_and_shows_objectives() {
        for (typed, shown) in
            [("p99<5ms", "p99<5ms"), ("p99.9 < 500us", "p99.9<500us"), ("max<1s", "max<1s")]
        {
            assert_eq!(typed.parse::<Slo>().unwrap().to_string(), shown);
        }
        for wrong in ["p99", "99<5ms", "p100<5ms", "p99<", "p0<1s", "pNaN<1s", "p99<5 m"] {
            assert!(wrong.parse::<Slo>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_percentile_is_the_one_that_the_report_shows() {
        let summary = summary((1..=1000).map(|k| k * 10_000), &[]);
        let outcome = "p99.9<1s".parse::<Slo>().unwrap().judge(Some(&summary), &[]);
        assert_eq!(outcome.measured_ns, Some(summary.p99_9_ns));
    }

    #[test]
    fn a_limit_needs_its_unit() {
        for bare in ["p99<5", "p99 < 0.5", "max<0"] {
            let told = bare.parse::<Slo>().unwrap_err().to_string();
            assert!(told.contains("has no unit") && told.contains("ms` or"), "{bare}: {told}");
        }
    }

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
    fn outcomes_of_older_reports_are_met_or_missed() {
        let old = r#"{"slo": "p99<5ms", "measured_ns": 1, "met": true}"#;
        let outcome: SloOutcome = serde_json::from_str(old).unwrap();
        assert_eq!(outcome.verdict(), SloVerdict::Met);
        let old = old.replace("true", "false");
        let outcome: SloOutcome = serde_json::from_str(&old).unwrap();
        assert_eq!(outcome.verdict(), SloVerdict::Missed);
    }
}
