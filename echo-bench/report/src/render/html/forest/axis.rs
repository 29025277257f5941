//! The axis of a forest plot: [`Axis`], logarithmic, always with 1.00 on it.

use crate::render::html::print::NARROW_SPACE;

/// An interval is shown whole up to this ratio, and to the square of the greatest ratio.
const WHOLE: f64 = 2.0;

/// Parts of the axis that stay free at its ends.
const MARGIN: f64 = 0.05;

/// Percent of the axis from one named tick to the next, at least.
const ROOM: f64 = 13.0;

/// From here on a ratio reads better as "times" and "divided by".
const FAR: f64 = 10.0;

/// Where ratios stand.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Axis {
    /// Natural logarithms of the ends.
    low: f64,
    high: f64,
    pub(super) ticks: Vec<Tick>,
    /// Where the noise threshold begins, and how wide it is, in percent.
    pub(super) band: [f64; 2],
}

/// A ratio that is named.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tick {
    /// In percent.
    pub(super) at: f64,
    pub(super) name: String,
    /// Whether it is no change at all.
    pub(super) one: bool,
}

impl Axis {
    /// An axis for ratios with intervals; `None` without any.
    pub(super) fn new(drawn: &[(f64, [f64; 2])], threshold: f64) -> Option<Self> {
        let farthest = drawn.iter().map(|(ratio, _)| ratio.ln().abs()).reduce(f64::max)?;
        let limit = (2.0 * farthest).max(WHOLE.ln());
        let ends = || drawn.iter().flat_map(|(ratio, [low, high])| [*ratio, *low, *high]);
        let ends = || ends().map(|end| end.ln().clamp(-limit, limit));
        let least = (2.0 * threshold).ln_1p().max(0.02);
        let low = ends().fold(-least, f64::min);
        let high = ends().fold(least, f64::max);
        let margin = (high - low) * MARGIN;
        let mut axis =
            Self { low: low - margin, high: high + margin, ticks: vec![], band: [0.0; 2] };
        let [from, to] = [1.0 / (1.0 + threshold), 1.0 + threshold].map(|r| axis.place(r));
        axis.band = [from, to - from];
        axis.ticks = axis.named();
        Some(axis)
    }

    /// Where a ratio stands, in percent; beyond 0 to 100 it is not on the axis.
    pub(super) fn place(&self, ratio: f64) -> f64 {
        (ratio.ln() - self.low) / (self.high - self.low) * 100.0
    }

    fn named(&self) -> Vec<Tick> {
        let far = self.high - self.low > FAR.ln() * 1.5;
        let fits = |ratios: &Vec<f64>| {
            let places: Vec<f64> = ratios.iter().map(|&ratio| self.place(ratio)).collect();
            places.windows(2).all(|pair| pair[1] - pair[0] >= ROOM)
        };
        let sets = if self.high - self.low > 3_f64.ln() { self.powers() } else { self.steps() };
        let chosen = sets.into_iter().find(fits).unwrap_or_else(|| vec![1.0]);
        let tick = |ratio: f64| {
            let one = (ratio - 1.0).abs() < 1e-9;
            Tick {
                at: self.place(ratio),
                name: if one { "1.00".into() } else { name(ratio, far) },
                one,
            }
        };
        chosen.into_iter().map(tick).collect()
    }

    fn inside(&self, ratios: impl Iterator<Item = f64>) -> Vec<f64> {
        ratios.filter(|&ratio| (1.0..=99.0).contains(&self.place(ratio))).collect()
    }

    /// Even steps from 1 on, finer ones first.
    fn steps(&self) -> Vec<Vec<f64>> {
        let steps = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5];
        let of = |step: f64| {
            self.inside((-400..400).map(|k| 1.0 + f64::from(k) * step).filter(|r| *r > 0.0))
        };
        steps.map(of).into()
    }

    /// Powers of ten, with what lies between while there is room.
    fn powers(&self) -> Vec<Vec<f64>> {
        let between: [&[f64]; 2] = [&[1.0, 2.0, 5.0], &[1.0]];
        let mut sets: Vec<Vec<f64>> = between
            .iter()
            .map(|steps| {
                let of = |power| steps.iter().map(move |step| step * 10_f64.powi(power));
                self.inside((-12..=12).flat_map(of))
            })
            .collect();
        sets.extend([2, 3, 6].map(|every: i32| {
            self.inside((-12 / every..=12 / every).map(|k| 10_f64.powi(k * every)))
        }));
        sets
    }
}

fn name(ratio: f64, far: bool) -> String {
    let whole = |value: f64| {
        let digits = usize::from(value < 9.95 && (value - value.round()).abs() > 1e-6);
        format!("{value:.digits$}")
    };
    match (far, ratio < 1.0) {
        (true, true) => format!("/{NARROW_SPACE}{}", whole(1.0 / ratio)),
        (true, false) => format!("×{NARROW_SPACE}{}", whole(ratio)),
        (false, _) => {
            let shown = format!("{ratio:.3}");
            let shown = shown.strip_suffix('0').unwrap_or(&shown);
            shown.to_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(drawn: &[(f64, [f64; 2])]) -> String {
        let axis = Axis::new(drawn, 0.01).unwrap();
        assert!(axis.ticks.iter().filter(|tick| tick.one).count() == 1);
        assert!(axis.ticks.len() <= 8);
        let names: Vec<_> = axis.ticks.iter().map(|tick| tick.name.as_str()).collect();
        names.join(" ").replace(NARROW_SPACE, "")
    }

    #[test]
    fn ticks_are_round_and_hold_one() {
        assert_eq!(names(&[(1.01, [0.99, 1.03])]), "0.98 0.99 1.00 1.01 1.02 1.03");
        assert_eq!(names(&[(1.2, [1.1, 1.3])]), "1.00 1.10 1.20 1.30");
        assert_eq!(names(&[(2.0, [1.6, 2.5])]), "1.00 1.50 2.00 2.50");
        assert_eq!(names(&[(0.0012, [0.0011, 0.0013])]), "/1000 /100 /10 1.00");
        assert_eq!(names(&[(20.0, [15.0, 30.0])]), "1.00 ×2 ×5 ×10 ×20");
    }

    #[test]
    fn any_ratio_is_on_the_axis_and_the_band_is_around_one() {
        for ratio in [1e-9, 0.3, 0.999, 1.0, 1.001, 7.0, 1e9] {
            let axis = Axis::new(&[(ratio, [ratio * 0.9, ratio * 1.1])], 0.01).unwrap();
            assert!((0.0..=100.0).contains(&axis.place(ratio)), "{ratio}");
            let [from, width] = axis.band;
            assert!(from < axis.place(1.0) && axis.place(1.0) < from + width, "{ratio}");
        }
        assert_eq!(Axis::new(&[], 0.01), None);
    }
}
