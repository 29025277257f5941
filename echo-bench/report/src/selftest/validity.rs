//! Whether a stored selftest can be what a selftest makes.

use super::{AgainstItself, Check, Outcome, SCHEMA, Selftest};
use crate::report::document::{Invalid, Stored, Within, ensure};
use crate::report::numbers;

/// More checks, or numbers of one, than there ever are.
const MOST: usize = 1000;

impl Stored for Selftest {
    const SCHEMA: &'static str = SCHEMA;

    fn validate(&self) -> Result<(), Invalid> {
        numbers::check("", self)?;
        let count = self.checks.len();
        ensure(count <= MOST, "checks", format_args!("{count} are too many"))?;
        for (place, check) in self.checks.iter().enumerate() {
            check.validate().within(format_args!("checks[{place}]"))?;
        }
        self.against_itself
            .as_ref()
            .map_or(Ok(()), |itself| itself.validate().within("against_itself"))
    }
}

impl Check {
    fn validate(&self) -> Result<(), Invalid> {
        let count = self.expectations.len();
        ensure(count <= MOST, "expectations", format_args!("{count} are too many"))?;
        let all_hold = self.expectations.iter().all(super::Expectation::holds);
        let passed = self.outcome == Outcome::Passed;
        ensure(!passed || all_hold, "outcome", "passed, and an expectation does not hold")?;
        let skipped = self.outcome == Outcome::Skipped;
        ensure(!skipped || self.reason.is_some(), "reason", "skipped without one")
    }
}

impl AgainstItself {
    fn validate(&self) -> Result<(), Invalid> {
        let [low, high] = self.interval;
        for (name, share) in [
            ("false_alarms", self.false_alarms),
            ("interval", low),
            ("interval", high),
            ("promised", self.promised),
        ] {
            ensure(share <= 1.0, name, format_args!("{share} is no share"))?;
        }
        ensure(low <= high, "interval", "its ends are swapped")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::selftest::fixture;

    #[test]
    fn a_stored_selftest_is_read_again_and_a_false_one_refused() {
        let selftest = fixture::selftest();
        selftest.validate().unwrap();
        let text = serde_json::to_string(&selftest).unwrap();
        assert_eq!(serde_json::from_str::<Selftest>(&text).unwrap(), selftest);
        let mut lie = selftest.clone();
        lie.checks[1].outcome = Outcome::Passed;
        assert!(lie.validate().unwrap_err().to_string().starts_with("checks[1].outcome"));
        let mut lie = selftest;
        lie.against_itself.as_mut().unwrap().false_alarms = 2.0;
        assert!(lie.validate().is_err());
    }
}
