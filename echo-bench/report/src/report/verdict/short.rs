//! That a run is too short for the intervals of its percentiles, and which length would do:
//! [`Short`].

/// A run without intervals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::report) struct Short {
    /// The least and the greatest percentile without one, of those up to p99.
    pub(in crate::report) from: &'static str,
    pub(in crate::report) to: &'static str,
    pub(in crate::report) why: Why,
    /// The length that a run would need, in seconds, as far as it can be said.
    pub(in crate::report) needed_s: Option<f64>,
    /// Whether it is a stage of a load, whose length is its own.
    pub(in crate::report) of_stage: bool,
    /// The length that `--duration` allows, in seconds, if `--until` ended the run before it.
    pub(in crate::report) cut_from_s: Option<f64>,
}

/// Why the sample is too small.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::report) enum Why {
    /// Its values are correlated for so long, in seconds.
    Correlated(f64),
    /// There are too few of them, or of the pieces that would tell more.
    FewValues,
    /// There are enough values, and what they are worth is all that is known.
    FewIndependent,
}

impl Short {
    /// Code, cause and remedy.
    pub(super) fn words(&self) -> (&'static str, String, String) {
        let Self { from, to, needed_s, of_stage, cut_from_s, .. } = *self;
        let which = if from == to {
            format!("{from} has no interval")
        } else {
            format!("{from}..{to} have no interval")
        };
        let why = match self.why {
            Why::Correlated(time) => format!("correlated over {}", seconds(time)),
            Why::FewValues => "too few values".into(),
            Why::FewIndependent => "effective sample too small".into(),
        };
        let longer = needed_s.map(|needed| {
            let needed = seconds(round_up(needed));
            if of_stage {
                return format!("make the stage at least {needed} long");
            }
            format!("run for at least {needed}")
        });
        let remedy = match cut_from_s {
            Some(allowed) => {
                let until = format!("name {to} with --until, or leave that out");
                // What --duration allows is enough, unless more is known to be needed.
                let longer = longer.filter(|_| needed_s.is_some_and(|needed| needed > allowed));
                longer.map_or_else(|| until.clone(), |longer| format!("{until}, and {longer}"))
            }
            None if of_stage => longer.unwrap_or_else(|| "make the stage longer".into()),
            None => longer.unwrap_or_else(|| "run longer".into()),
        };
        (
            "few-samples",
            format!("{which}: {why}"),
            format!("{remedy}; ~ marks what is indicative"),
        )
    }
}

/// Two digits are as many as such an estimate is sure of.
fn seconds(s: f64) -> String {
    match s {
        s if s < 0.0995 => format!("{:.0} ms", (s * 1000.0).max(1.0)),
        s if s < 0.995 => format!("{s:.2} s"),
        s if s < 9.95 => format!("{} s", (s * 10.0).round() / 10.0),
        _ => format!("{s:.0} s"),
    }
}

/// The next length that somebody would type.
fn round_up(s: f64) -> f64 {
    if s >= 600.0 {
        return (s / 300.0).ceil() * 300.0;
    }
    let typed = [1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 20, 25, 30, 40, 45, 50, 60, 75, 90, 120, 150];
    let typed = typed.into_iter().chain([180, 240, 300, 420, 600]).map(f64::from);
    typed.into_iter().find(|typed| *typed >= s).unwrap_or(s)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_what_is_missing_why_and_which_length_would_do_in_one_line() {
        let short = |from, to, why, needed_s| {
            let short = Short { from, to, why, needed_s, of_stage: false, cut_from_s: None };
            let (_, message, remedy) = short.words();
            assert!("warning    few-samples: ".len() + message.len() <= 80, "{message}");
            format!("{message} ({remedy})")
        };
        assert_eq!(
            short("p50", "p99", Why::Correlated(0.402), Some(7.3)),
            "p50..p99 have no interval: correlated over 0.40 s (run for at least 8 s; ~ marks \
             what is indicative)"
        );
        assert_eq!(
            short("p99", "p99", Why::FewValues, Some(1000.0)),
            "p99 has no interval: too few values (run for at least 1200 s; ~ marks what is \
             indicative)"
        );
        assert!(
            short("p50", "p99", Why::FewIndependent, None).ends_with(
                "effective sample too small (run longer; ~ marks what is indicative)"
            )
        );
    }

    #[test]
    fn a_run_that_until_ended_is_not_told_to_run_longer_than_it_could() {
        for (needed_s, said) in [
            (None, "name p99 with --until, or leave that out; ~"),
            (Some(7.3), "name p99 with --until, or leave that out; ~"),
            (
                Some(40.0),
                "name p99 with --until, or leave that out, and run for at least 40 s; ~",
            ),
        ] {
            let (from, to, why) = ("p99", "p99", Why::FewValues);
            let (.., remedy) =
                Short { from, to, why, needed_s, of_stage: false, cut_from_s: Some(30.0) }
                    .words();
            assert!(remedy.starts_with(said), "{needed_s:?}: {remedy}");
        }
    }

    #[test]
    fn lengths_are_rounded_up_to_what_somebody_would_type() {
        for (needed, typed) in
            [(0.2, 1.0), (2.0, 2.0), (6.1, 8.0), (61.0, 75.0), (601.0, 900.0)]
        {
            assert!((round_up(needed) - typed).abs() < 1e-9, "{needed}");
        }
    }
}
