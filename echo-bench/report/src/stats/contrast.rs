//! The difference of two estimates, and how sure it is: [`Contrast`]. An estimate comes with
//! a variance of few degrees of freedom, so the interval is Student's, with the degrees
//! that Welch and Satterthwaite give to the difference (Welch, *Biometrika* 34, 1947).
//! A plain percentile bootstrap of five runs would be too narrow by a third (Hesterberg,
//! *The American Statistician* 69, 2015, on small samples); the bootstrap gives the
//! variance here, and Student the width.

use statrs::distribution::{Continuous, ContinuousCDF, StudentsT};

/// The confidence of every interval.
pub(crate) const CONFIDENCE: f64 = 0.95;

/// The chance with which the smallest findable difference is found.
pub(crate) const POWER: f64 = 0.8;

/// Ends of an interval are no farther from 0: its ratio, the power of e, must be a number.
const FAR: f64 = 100.0;

/// A value that was measured, on the scale on which differences are taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Estimate {
    /// The value.
    pub(crate) value: f64,
    /// Its variance.
    pub(crate) variance: f64,
    /// How many degrees of freedom the variance has.
    pub(crate) degrees: f64,
}

impl Estimate {
    /// The mean of independent estimates; `None` of none. The degrees of its variance are
    /// Satterthwaite's (*Biometrics Bulletin* 2, 1946).
    pub(crate) fn mean(of: &[Self]) -> Option<Self> {
        if of.is_empty() {
            return None;
        }
        let count = of.len() as f64;
        let variances: f64 = of.iter().map(|one| one.variance).sum();
        let shares: f64 = of.iter().map(|one| one.variance.powi(2) / one.degrees).sum();
        Some(Self {
            value: of.iter().map(|one| one.value).sum::<f64>() / count,
            variance: variances / count.powi(2),
            // Without any variance the degrees do not matter.
            degrees: if shares > 0.0 { variances.powi(2) / shares } else { 1.0 },
        })
    }
}

/// One estimate minus another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Contrast {
    /// The difference.
    pub(crate) difference: f64,
    spread: Spread,
    /// A second way to say how sure it is.
    other: Option<Spread>,
}

/// How much a difference varies.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Spread {
    deviation: f64,
    degrees: f64,
}

impl Contrast {
    /// `new` minus `base`.
    pub(crate) fn between(base: Estimate, new: Estimate) -> Self {
        let variance = base.variance + new.variance;
        let shares = [base, new].map(|side| side.variance.powi(2) / side.degrees);
        let degrees = variance.powi(2) / shares.iter().sum::<f64>();
        Self {
            difference: new.value - base.value,
            spread: Spread {
                deviation: variance.sqrt(),
                // Without any variance the degrees are 0/0, and do not matter.
                degrees: if degrees.is_finite() { degrees.max(1.0) } else { 1.0 },
            },
            other: None,
        }
    }

    /// The same difference with another variance that is right, too: the sharper one counts,
    /// each at half the level (Bonferroni's correction for the choice).
    #[must_use]
    pub(crate) fn or(self, variance: f64, degrees: f64) -> Self {
        let other = Spread { deviation: variance.sqrt(), degrees: degrees.max(1.0) };
        Self { other: Some(other), ..self }
    }

    fn spreads(&self) -> impl Iterator<Item = Spread> {
        [Some(self.spread), self.other].into_iter().flatten()
    }

    /// The difference as an estimate, to be contrasted with others.
    pub(crate) fn estimate(&self) -> Estimate {
        let Spread { deviation, degrees } = self.spread;
        Estimate { value: self.difference, variance: deviation.powi(2), degrees }
    }

    /// The 95 % interval of the difference.
    pub(crate) fn interval(&self) -> [f64; 2] {
        self.interval_at(1.0 - CONFIDENCE)
    }

    /// The interval of the difference that misses the truth with the chance `level`. It lies
    /// beyond `noise`, either way, exactly where [`p_value`](Self::p_value) is at most `level`.
    pub(crate) fn interval_at(&self, level: f64) -> [f64; 2] {
        let level = level / self.spreads().count() as f64;
        let width = self.spreads().map(|spread| spread.width(level)).fold(f64::MAX, f64::min);
        [self.difference - width, self.difference + width].map(|end| end.clamp(-FAR, FAR))
    }

    /// The smallest true difference that would be found beyond `noise` with the chance `power`
    /// (at least 1/2) by a test at `level`: Student's points of the test and of the power, times
    /// the deviation.
    pub(crate) fn findable(&self, level: f64, noise: f64, power: f64) -> f64 {
        let level = level / self.spreads().count() as f64;
        let beyond = self.spreads().map(|spread| spread.findable(level, power));
        (noise + beyond.fold(f64::MAX, f64::min)).min(FAR)
    }

    /// The two-sided p-value of "the difference is no larger than `noise`, either way".
    /// It is at most 0.05 exactly where the 95 % interval lies beyond the noise.
    pub(crate) fn p_value(&self, noise: f64) -> f64 {
        let beyond = self.difference.abs() - noise;
        if beyond <= 0.0 {
            return 1.0;
        }
        let least = self.spreads().map(|spread| spread.p_value(beyond)).fold(1.0, f64::min);
        (least * self.spreads().count() as f64).min(1.0)
    }
}

impl Spread {
    /// Half the width of the interval that misses the truth with the chance `level`.
    fn width(self, level: f64) -> f64 {
        if self.deviation > 0.0 {
            self.deviation * beyond(&student(self.degrees), level / 2.0)
        } else {
            0.0
        }
    }

    /// What is found with the chance `power` by a test that misses the truth with `level`.
    fn findable(self, level: f64, power: f64) -> f64 {
        if self.deviation > 0.0 {
            let student = student(self.degrees);
            let points = beyond(&student, level / 2.0) + beyond(&student, 1.0 - power);
            self.deviation * points / self.median_share()
        } else {
            0.0
        }
    }

    /// The median of such an estimate as a share of the true deviation: with few degrees it is
    /// too small more often than not (Wilson and Hilferty, *PNAS* 17, 1931, on the median of
    /// chi-square).
    fn median_share(self) -> f64 {
        (1.0 - 2.0 / (9.0 * self.degrees)).powf(1.5)
    }

    /// The two-sided p-value of a difference so far beyond.
    fn p_value(self, beyond: f64) -> f64 {
        if self.deviation > 0.0 {
            2.0 * student(self.degrees).sf(beyond / self.deviation)
        } else {
            0.0
        }
    }
}

fn student(degrees: f64) -> StudentsT {
    // From here on Student's distribution is the normal one, to all digits that matter.
    let degrees = if degrees < 1e6 { degrees } else { f64::INFINITY };
    StudentsT::new(0.0, 1.0, degrees)
        .expect("the degrees are at least 1 by construction, and no NaN")
}

/// The value that Student's variable of so many `degrees` (at least 1) exceeds with the chance
/// `tail`, which is at most 1/2.
pub(super) fn student_beyond(degrees: f64, tail: f64) -> f64 {
    beyond(&student(degrees), tail)
}

/// The value that `student` exceeds with the chance `tail`, which is at most 1/2. By Newton's
/// steps within a bracket: the search of statrs' `inverse_cdf` need not end (with many degrees,
/// or a thin tail).
fn beyond(student: &StudentsT, tail: f64) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    while student.sf(high) > tail && high < f64::MAX / 2.0 {
        (low, high) = (high, high * 2.0);
    }
    let mut value = f64::midpoint(low, high);
    for _ in 0..MOST_STEPS {
        let above = student.sf(value) - tail;
        if above > 0.0 {
            low = value;
        } else {
            high = value;
        }
        let step = value + above / student.pdf(value);
        // Where the curve leads out of the bracket, halving it is sure.
        let next = if low < step && step < high { step } else { f64::midpoint(low, high) };
        if (next - value).abs() <= value * 1e-12 {
            break;
        }
        value = next;
    }
    value
}

/// Halvings that bring any bracket down to the precision of a float.
const MOST_STEPS: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn estimate(value: f64, variance: f64, degrees: f64) -> Estimate {
        Estimate { value, variance, degrees }
    }

    #[test]
    fn is_student_with_the_degrees_of_welch() {
        // Equal variances of 4 degrees each make 8; Student's 97.5 % point is 2.306.
        let contrast = Contrast::between(estimate(1.0, 0.5, 4.0), estimate(2.0, 0.5, 4.0));
        let [low, high] = contrast.interval();
        assert!((low + 1.306).abs() < 1e-3 && (high - 3.306).abs() < 1e-3, "{low} {high}");
        // One side alone varies: its degrees alone count (2.776 with 4).
        let contrast = Contrast::between(estimate(0.0, 0.0, 4.0), estimate(0.0, 1.0, 4.0));
        assert!((contrast.interval()[1] - 2.776).abs() < 1e-3);
        // One degree is Cauchy's: 12.706.
        let contrast = Contrast::between(estimate(0.0, 0.0, 1.0), estimate(0.0, 1.0, 1.0));
        assert!((contrast.interval()[1] - 12.706).abs() < 1e-2);
    }

    #[test]
    fn a_mean_of_equal_estimates_has_the_degrees_of_all_and_their_variance_by_count() {
        let mean = Estimate::mean(&[estimate(1.0, 0.5, 4.0), estimate(3.0, 0.5, 4.0)]).unwrap();
        assert_eq!(mean, estimate(2.0, 0.25, 8.0));
        assert_eq!(Estimate::mean(&[]), None);
        // The difference of differences is that of four estimates.
        let one = Contrast::between(estimate(0.0, 0.1, 4.0), estimate(1.0, 0.1, 4.0));
        let two = Contrast::between(one.estimate(), one.estimate()).estimate();
        assert!((two.variance - 0.4).abs() < 1e-12 && (two.degrees - 16.0).abs() < 1e-9);
    }

    #[test]
    fn the_p_value_and_the_interval_agree_about_the_noise() {
        for difference in [0.5, 1.5, 2.4, 3.0, -3.0] {
            let contrast =
                Contrast::between(estimate(0.0, 0.4, 5.0), estimate(difference, 0.3, 6.0));
            let [low, high] = contrast.interval();
            for noise in [0.0, 0.1, 0.5] {
                let beyond = low > noise || high < -noise;
                assert_eq!(contrast.p_value(noise) < 0.05, beyond, "{difference} {noise}");
            }
        }
    }

    proptest! {
        /// At every level that Holm's correction may ask for, a sweep's largest included.
        #[test]
        fn the_p_value_and_the_interval_agree_at_every_level(
            difference in -10.0..10.0_f64,
            variance in 1e-6..4.0_f64,
            degrees in prop_oneof![1.0..30.0_f64, 30.0..1e5, 1e5..1e12],
            questions in 1..1_000_000_u32,
        ) {
            let base = estimate(0.0, variance, degrees);
            let contrast = Contrast::between(base, estimate(difference, variance, degrees));
            let contrast = if questions % 2 == 0 { contrast } else { contrast.or(variance, 2.0) };
            let level = 0.05 / f64::from(questions);
            let [low, high] = contrast.interval_at(level);
            prop_assert!(low <= difference && difference <= high, "{low} {high}");
            let p = contrast.p_value(0.01);
            let beyond = low > 0.01 || high < -0.01;
            // A rounding error apart neither is wrong.
            prop_assert!(beyond == (p <= level) || (p / level - 1.0).abs() < 1e-3, "{p} {level}");
        }
    }

    #[test]
    fn the_sharper_of_two_ways_counts_at_half_the_level() {
        let one = Contrast::between(estimate(0.0, 0.0, 4.0), estimate(1.0, 1.0, 4.0));
        let [low, _] = one.or(100.0, 2.0).interval();
        assert!((low - one.interval_at(0.025)[0]).abs() < 1e-9, "the second is no help");
        assert!((one.or(100.0, 2.0).p_value(0.0) - 2.0 * one.p_value(0.0)).abs() < 1e-9);
        assert!(one.or(0.01, 2.0).interval()[0] > 0.3, "the second is sharper");
    }

    #[test]
    fn the_smallest_findable_difference_is_that_of_students_points_of_test_and_power() {
        let contrast = Contrast::between(estimate(0.0, 0.5, 4.0), estimate(0.1, 0.5, 4.0));
        let [low, high] = contrast.interval_at(0.01);
        // Student's 80 % point with 8 degrees is 0.889, the median of the deviation 0.9587.
        let found = contrast.findable(0.01, 0.2, POWER);
        let points = (high - low) / 2.0 + 0.889;
        assert!((found - 0.2 - points / 0.9587).abs() < 2e-3, "{found} {points}");
        assert!(
            contrast.or(0.01, 4.0).findable(0.01, 0.2, POWER) < found,
            "the sharper counts"
        );
        let certain = Contrast::between(estimate(0.0, 0.0, 4.0), estimate(0.0, 0.0, 4.0));
        assert!((certain.findable(0.05, 0.01, POWER) - 0.01).abs() < 1e-12);
    }

    #[test]
    fn what_never_varied_is_certain() {
        let contrast = Contrast::between(estimate(1.0, 0.0, 4.0), estimate(2.0, 0.0, 4.0));
        assert!(contrast.interval().iter().all(|end| (end - 1.0).abs() < 1e-12));
        assert!(contrast.p_value(0.01) <= 0.0);
        let same = Contrast::between(estimate(1.0, 0.0, 4.0), estimate(1.0, 0.0, 4.0));
        assert!(same.p_value(0.0) >= 1.0);
    }
}
