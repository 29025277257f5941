//! Whether a stored comparison can be what [`compare`](super::compare) makes.

use super::self_check::{self, SelfCheck};
use super::{
    Candidate, Case, CaseSide, Comparison, Method, MetricComparison, SCHEMA, SideReport,
};
use crate::report::document::{Invalid, Stored, Within, ensure};
use crate::report::{LatencySummary, numbers};

/// The greatest share that can be called noise.
const GREATEST_THRESHOLD: f64 = 10.0;

impl Stored for Comparison {
    const SCHEMA: &'static str = SCHEMA;

    fn validate(&self) -> Result<(), Invalid> {
        self.method.validate().within("method")?;
        ensure(!self.candidates.is_empty(), "candidates", "empty")?;
        for (place, candidate) in self.candidates.iter().enumerate() {
            candidate.validate().within(format_args!("candidates[{place}]"))?;
        }
        let sides = self.candidates.iter().map(|candidate| &candidate.side);
        let mut sides = std::iter::once(&self.base).chain(sides);
        let empty = |side: &SideReport| side.reports.is_empty();
        ensure(!sides.any(empty), "reports", "a side without a report")
    }
}

impl Stored for SelfCheck {
    const SCHEMA: &'static str = self_check::SCHEMA;

    fn validate(&self) -> Result<(), Invalid> {
        numbers::check("", self)?;
        self.method.validate().within("method")?;
        share("false_alarms", self.false_alarms)?;
        share("promised", self.promised)?;
        interval("interval", Some(self.interval), 0.0)?;
        share("interval[1]", self.interval[1])?;
        for (place, metric) in self.metrics.iter().enumerate() {
            let judged = metric.judged;
            ensure(
                judged <= self.comparisons && metric.false_alarms <= judged,
                format_args!("metrics[{place}].judged"),
                format_args!("{judged} does not fit the other counts"),
            )?;
        }
        Ok(())
    }
}

impl Method {
    pub(crate) fn validate(&self) -> Result<(), Invalid> {
        numbers::check("", self)?;
        share("confidence", self.confidence)?;
        let threshold = self.threshold;
        let reason = format_args!("{threshold} is no share that can be noise");
        ensure(threshold <= GREATEST_THRESHOLD, "threshold", reason)
    }
}

impl Candidate {
    fn validate(&self) -> Result<(), Invalid> {
        for (place, case) in self.cases.iter().enumerate() {
            case.validate().within(format_args!("cases[{place}]"))?;
        }
        Ok(())
    }
}

impl Case {
    fn validate(&self) -> Result<(), Invalid> {
        for (name, side) in [("base", &self.base), ("candidate", &self.candidate)] {
            side.validate().within(name)?;
        }
        for (name, metrics) in
            [("metrics", &self.metrics), ("explanations", &self.explanations)]
        {
            for (place, metric) in metrics.iter().enumerate() {
                metric.validate().within(format_args!("{name}[{place}]"))?;
            }
        }
        Ok(())
    }
}

impl CaseSide {
    fn validate(&self) -> Result<(), Invalid> {
        numbers::check("", self)?;
        self.response.as_ref().map_or(Ok(()), LatencySummary::validate).within("response")
    }
}

impl MetricComparison {
    pub(crate) fn validate(&self) -> Result<(), Invalid> {
        for (name, value) in
            [("base", self.base), ("candidate", self.candidate), ("ratio", self.ratio)]
        {
            let value = value.unwrap_or(0.0);
            ensure(value >= 0.0, name, format_args!("{value} is negative"))?;
        }
        let findable = self.findable.unwrap_or(0.0);
        ensure(findable >= 0.0, "findable", format_args!("{findable} is negative"))?;
        interval("interval", self.interval, 0.0)?;
        let difference = self.difference.map(|[_, low, high]| [low, high]);
        interval("difference", difference, f64::MIN)?;
        for (name, value) in
            [("p", self.p), ("p_holm", self.p_holm), ("within_runs", self.within_runs)]
        {
            share(name, value.unwrap_or(0.0))?;
        }
        Ok(())
    }
}

/// Refuses an interval that is none, or begins below `least`.
pub(crate) fn interval(field: &str, ends: Option<[f64; 2]>, least: f64) -> Result<(), Invalid> {
    let Some([low, high]) = ends else { return Ok(()) };
    ensure(least <= low && low <= high, field, format_args!("{low} to {high} is no interval"))
}

fn share(field: &str, value: f64) -> Result<(), Invalid> {
    ensure((0.0..=1.0).contains(&value), field, format_args!("{value} is no share"))
}
