//! What became of an objective: [`SloOutcome`].

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    /// The whole 95 % interval is within the limit.
    Met,
    /// The limit lies inside the interval, or the sample is too small for one.
    Undecided,
    /// The whole interval is at or beyond the limit.
    Missed,
}

/// Whether an objective was met.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SloOutcome {
    /// The objective.
    pub slo: String,
    /// The number of the stage that it was judged by, from 1; null of the whole run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stage: Option<u32>,
    /// The quantile as measured; null if nothing was measured, and for other objectives.
    pub measured_ns: Option<u64>,
    /// Whether `measured_ns` is only a lower bound, since requests were never answered.
    #[serde(default)]
    pub lower_bound: bool,
    /// The 95 % interval of the quantile within this run. An end that the sample is too small
    /// for is null, and so is an upper end that is only a lower bound. The maximum has no
    /// interval.
    #[serde(default)]
    pub ci95: [Option<u64>; 2],
    /// What was measured of an objective on throughput (successful replies per second) or on
    /// errors (a share); null for latencies.
    #[serde(default)]
    pub measured: Option<f64>,
    /// Its 95 % interval within this run; null where the run is too short to tell.
    #[serde(default)]
    pub interval: Option<[f64; 2]>,
    /// The count as independent values: the effective sample size.
    #[serde(default)]
    pub independent: Option<u64>,
    /// The effective sample size that both ends of the interval need.
    #[serde(default)]
    pub needed: Option<u64>,
    /// Whether it is known to be within the limit: whether `outcome` is `met`.
    pub met: bool,
    /// What became of it; null in older reports.
    #[serde(default)]
    pub outcome: Option<SloVerdict>,
}

impl SloOutcome {
    /// The outcome where nothing is known.
    pub(super) fn unknown(slo: String) -> Self {
        Self {
            slo,
            stage: None,
            measured_ns: None,
            lower_bound: false,
            ci95: [None, None],
            measured: None,
            interval: None,
            independent: None,
            needed: None,
            met: false,
            outcome: Some(SloVerdict::Undecided),
        }
    }

    /// The same with this verdict.
    pub(super) fn judged(self, verdict: SloVerdict) -> Self {
        Self { met: verdict == SloVerdict::Met, outcome: Some(verdict), ..self }
    }

    /// What became of the objective, in older reports too.
    pub fn verdict(&self) -> SloVerdict {
        let known = if self.met { SloVerdict::Met } else { SloVerdict::Missed };
        self.outcome.unwrap_or(known)
    }

    /// The objective, and the stage that it was judged by.
    pub(crate) fn label(&self) -> String {
        match self.stage {
            Some(stage) => format!("{} in stage {stage}", self.slo),
            None => self.slo.clone(),
        }
    }

    /// The name of the quantile, like `p99`.
    pub fn quantile(&self) -> &str {
        self.slo.split(['<', '>']).next().unwrap_or_default()
    }

    /// A throughput or a share of errors in words, with its interval if it has one:
    /// `9876/s (95 %: 9700..10 052/s)`. `None` for a latency.
    pub(crate) fn measured_in_words(&self) -> Option<String> {
        let measured = self.measured?;
        let (scale, unit) =
            if self.quantile() == "errors" { (100.0, " %") } else { (1.0, "/s") };
        // Four digits are as many as such a number is sure of.
        let digits = |value: f64| {
            if value == 0.0 {
                return "0".to_owned();
            }
            let whole = (value * scale).abs().max(1e-9).log10().floor() as i32 + 1;
            let places = usize::try_from(4 - whole).unwrap_or(0).min(6);
            format!("{:.places$}", value * scale)
        };
        Some(match self.interval {
            Some([low, high]) => {
                let (shown, low, high) = (digits(measured), digits(low), digits(high));
                format!("{shown}{unit} (95 %: {low}..{high}{unit})")
            }
            None => format!("~{}{unit}", digits(measured)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn outcomes_of_older_reports_are_met_or_missed() {
        let old = r#"{"slo": "p99<5ms", "measured_ns": 1, "met": true}"#;
        let outcome: SloOutcome = serde_json::from_str(old).unwrap();
        assert_eq!(outcome.verdict(), SloVerdict::Met);
        let old = old.replace("true", "false");
        let outcome: SloOutcome = serde_json::from_str(&old).unwrap();
        assert_eq!(outcome.verdict(), SloVerdict::Missed);
    }

    #[test]
    fn rates_and_shares_are_said_in_their_units() {
        let of = |slo: &str, measured, interval| {
            let unknown = SloOutcome::unknown(slo.into());
            SloOutcome { measured: Some(measured), interval, ..unknown }.measured_in_words()
        };
        for (outcome, said) in [
            (of("rps>10k", 9876.54, None), "~9877/s"),
            (of("rps>10", 9.876, Some([9.5, 10.25])), "9.876/s (95 %: 9.500..10.25/s)"),
            (of("errors<0.1%", 0.0005, Some([0.0, 0.0021])), "0.05000 % (95 %: 0..0.2100 %)"),
        ] {
            assert_eq!(outcome.as_deref(), Some(said));
        }
        assert_eq!(SloOutcome::unknown("p99<5ms".into()).measured_in_words(), None);
    }
}
