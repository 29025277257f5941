//! Whether a stored capacity can be what a search makes: its levels are those of its plan, and
//! its rates are rates, in order, within an interval that is one.

use super::{Answer, Capacity, CapacityPlan, Level, LevelComparison, RateReport, SCHEMA};
use crate::compare::interval;
use crate::report::document::{Invalid, Stored, Within, ensure};
use crate::report::{LatencySummary, numbers};

/// Most searches, and most rates or runs of one.
const MOST_LEVELS: usize = 100;
const MOST_RATES: usize = 10_000;

/// The greatest rate that anyone can ask for.
const GREATEST_RATE: f64 = 1e12;

impl Stored for Capacity {
    const SCHEMA: &'static str = SCHEMA;

    fn validate(&self) -> Result<(), Invalid> {
        numbers::check("environment", &self.environment)?;
        self.plan.validate().within("plan")?;
        let (given, levels) = (self.levels.len(), self.plan.count());
        let reason = format_args!("{given}, and the axes span {levels}");
        ensure(given == levels && given <= MOST_LEVELS, "levels", reason)?;
        for (place, level) in self.levels.iter().enumerate() {
            level.validate(&self.plan, place).within(format_args!("levels[{place}]"))?;
        }
        for (place, comparison) in self.comparisons.iter().enumerate() {
            let checked = comparison.validate(levels);
            checked.within(format_args!("comparisons[{place}]"))?;
        }
        Ok(())
    }
}

impl CapacityPlan {
    /// How many searches the axes span.
    pub fn count(&self) -> usize {
        self.axes.iter().map(|axis| axis.levels.len()).fold(1, usize::saturating_mul)
    }

    fn validate(&self) -> Result<(), Invalid> {
        numbers::check("", self)?;
        ensure(!self.slos.is_empty(), "slos", "no objective")?;
        ensure(self.count() > 0, "axes", "an axis without a level")?;
        for (name, value) in [
            ("min_rate_per_s", self.min_rate_per_s),
            ("precision", self.precision),
            ("budget_s", self.budget_s),
            ("window_s", self.window_s),
        ] {
            ensure(value > 0.0, name, format_args!("{value} is not above 0"))?;
        }
        let rates = Some([self.min_rate_per_s, self.max_rate_per_s]);
        interval("max_rate_per_s", rates, 0.0)?;
        ensure(self.max_rate_per_s <= GREATEST_RATE, "max_rate_per_s", "too large")
    }
}

impl Level {
    /// Checks the search that stands in this place; the last axis changes fastest.
    fn validate(&self, plan: &CapacityPlan, mut place: usize) -> Result<(), Invalid> {
        let axes = plan.axes.len();
        let reason = format_args!("not one for each of {axes} axes");
        ensure(self.levels.len() == axes, "levels", reason)?;
        for (axis, level) in plan.axes.iter().zip(&self.levels).rev() {
            let expected = &axis.levels[place % axis.levels.len()].name;
            place /= axis.levels.len();
            ensure(level == expected, "levels", format_args!("`{level}`, not `{expected}`"))?;
        }
        numbers::check("closed_loop_per_s", &self.closed_loop_per_s)?;
        numbers::check("runs", &self.runs)?;
        numbers::check("floors", &self.floors)?;
        numbers::check("spent_s", &self.spent_s)?;
        self.answer.validate().within("answer")?;
        let many = self.rates.len().max(self.runs.len());
        ensure(many <= MOST_RATES, "rates", format_args!("{many} are too many"))?;
        for (place, rate) in self.rates.iter().enumerate() {
            rate.validate().within(format_args!("rates[{place}]"))?;
        }
        for run in &self.runs {
            ensure(run.rate_per_s > 0.0, "runs", "a rate that is none")?;
        }
        let rising = self.rates.is_sorted_by(|a, b| a.rate_per_s < b.rate_per_s);
        ensure(rising, "rates", "not in order")
    }
}

impl Answer {
    fn validate(&self) -> Result<(), Invalid> {
        numbers::check("", self)?;
        for rate in [self.rate_per_s, self.low_per_s, self.high_per_s].into_iter().flatten() {
            let is_rate = rate > 0.0 && rate <= GREATEST_RATE;
            ensure(is_rate, "rate_per_s", format_args!("{rate} is no rate"))?;
        }
        let ends = self.low_per_s.zip(self.high_per_s).map(|(low, high)| [low, high]);
        interval("high_per_s", ends, 0.0)?;
        let (Some(rate), Some([low, high])) = (self.rate_per_s, ends) else {
            return ensure(self.rate_per_s.is_none(), "rate_per_s", "without an interval");
        };
        ensure((low..=high).contains(&rate), "rate_per_s", "outside of its interval")
    }
}

impl RateReport {
    fn validate(&self) -> Result<(), Invalid> {
        numbers::check("", self)?;
        let rate = self.rate_per_s;
        let is_rate = rate > 0.0 && rate <= GREATEST_RATE;
        ensure(is_rate, "rate_per_s", format_args!("{rate} is no rate"))?;
        let share = self.own_share.unwrap_or(0.0);
        ensure((0.0..=1.0).contains(&share), "own_share", format_args!("{share} is no share"))?;
        self.response.as_ref().map_or(Ok(()), LatencySummary::validate).within("response")
    }
}

impl LevelComparison {
    fn validate(&self, levels: usize) -> Result<(), Invalid> {
        numbers::check("", self)?;
        for (name, place) in [("base", self.base), ("level", self.level)] {
            let reason = format_args!("{place}, and there are {levels} levels");
            ensure(place < levels, name, reason)?;
        }
        let ends = self.interval[0].zip(self.interval[1]).map(|(low, high)| [low, high]);
        interval("interval", ends, 0.0)
    }
}
