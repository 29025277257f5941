//! What a metric of two sides comes to, as a clause: [`Contrasted`].

use super::ratios::{percent, times};
use super::{ConclusionNumber, Sentence};
use crate::compare::{Metric, MetricComparison, Verdict};
use crate::describe::comparison::{in_words, name_of};
use crate::report::nouns::Nouns;

/// A metric of two sides that have names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Contrasted<'a> {
    pub(super) found: &'a MetricComparison,
    pub(super) base: &'a str,
    pub(super) new: &'a str,
    pub(super) nouns: Nouns,
}

impl<'a> Contrasted<'a> {
    fn name(self) -> &'static str {
        name_of(self.found.metric, self.nouns)
    }

    /// Whether it was found better or worse.
    pub(super) fn is_called(self) -> bool {
        matches!(self.found.verdict, Verdict::Better | Verdict::Worse)
    }

    /// The same seen from the other side.
    pub(super) fn turned(self) -> Turned<'a> {
        Turned { of: self, by: self.found.ratio.map(f64::recip), interval: turned(self.found) }
    }

    /// The same as it is.
    pub(super) fn straight(self) -> Turned<'a> {
        Turned { of: self, by: self.found.ratio, interval: self.found.judged_interval() }
    }

    /// A change that was found, like `new serves 1.44 x [1.36, 1.54] the requests of base`.
    pub(super) fn change(self) -> String {
        let Self { found, base, new, nouns } = self;
        match (found.metric, found.ratio) {
            (Metric::Throughput, Some(ratio)) => format!(
                "{new} serves {} the {} of {base}",
                times(ratio, found.judged_interval()),
                nouns.counted.many
            ),
            _ => format!(
                "{} of {new} is {}",
                self.name(),
                self.amount(&format!("that of {base}"))
            ),
        }
    }

    /// The same where it is plain which sides it is about, like `p99 0.81 x [0.77, 0.86]
    /// (better)`.
    pub(super) fn change_in_short(self) -> String {
        format!("{} {}", self.name(), self.amount(""))
    }

    /// By how much, of what, and the verdict.
    fn amount(self, of: &str) -> String {
        let found = self.found;
        let word = in_words(found);
        let space = if of.is_empty() { "" } else { " " };
        match (found.ratio.filter(|_| found.metric.is_by_ratio()), found.difference) {
            (Some(ratio), _) => {
                format!("{}{space}{of} ({word})", times(ratio, found.judged_interval()))
            }
            (None, Some([difference, ..])) => {
                let [low, high] = found.judged_interval().unwrap_or([difference; 2]);
                let [difference, low, high] = [difference, low, high].map(|d| d * 100.0);
                format!("{difference:+.3} points [{low:+.3}, {high:+.3}] ({word})")
            }
            (None, None) => word.to_owned(),
        }
    }

    /// What was not found, and which change would have been.
    pub(super) fn nothing(self) -> String {
        nothing(&[self])
    }

    /// Says that no difference was found in a metric, or why it was not compared.
    pub(super) fn no_change(self) -> String {
        match (self.found.verdict, &self.found.reason) {
            (Verdict::NotCompared, Some(reason)) => {
                format!("{} not compared: {reason}", self.name())
            }
            (Verdict::NoEvidence, _) => format!("{}: {}", self.name(), self.nothing()),
            _ => format!("{}: {}", self.name(), in_words(self.found)),
        }
    }

    /// The numbers of a clause about it.
    pub(super) fn number(self) -> ConclusionNumber {
        let Self { found, base, new, .. } = self;
        let difference = found.difference.map(|[difference, ..]| difference);
        ConclusionNumber {
            metric: found.metric.to_string(),
            of: Some(new.to_owned()),
            against: Some(base.to_owned()),
            value: if found.metric.is_by_ratio() { found.ratio } else { difference },
            interval: found.judged_interval(),
            findable: found.findable,
        }
    }

    /// Says it in a sentence.
    pub(super) fn said(self, sentence: &mut Sentence, in_short: bool) {
        sentence.say(match (self.is_called(), in_short) {
            (true, false) => self.change(),
            (true, true) => self.change_in_short(),
            (false, _) => self.no_change(),
        });
        sentence.numbers.push(self.number());
    }
}

/// What is said without a verdict of better or worse: an interval that leaves out "the same" shows a
/// difference, though too small a one.
pub(in crate::describe) fn no_difference(excludes_equality: bool) -> &'static str {
    if excludes_equality { "no difference beyond noise" } else { "no difference found" }
}

/// `no difference found (6 % would have been)` of all of them.
pub(super) fn nothing(of: &[Contrasted<'_>]) -> String {
    let none = no_difference(of.iter().any(|one| one.found.excludes_equality()));
    let by_ratio = of.iter().all(|one| one.found.metric.is_by_ratio());
    let findable: Vec<f64> = of.iter().filter_map(|one| one.found.findable).collect();
    let findable = match &findable[..] {
        [only] if !by_ratio => Some(format!("{:.3} points", only * 100.0)),
        [only] => Some(percent(*only)),
        _ => super::ratios::percents(findable),
    };
    findable
        .map_or_else(|| none.to_owned(), |share| format!("{none} ({share} would have been)"))
}

/// A ratio that may be seen from the other side.
#[derive(Debug, Clone, Copy)]
pub(super) struct Turned<'a> {
    of: Contrasted<'a>,
    by: Option<f64>,
    interval: Option<[f64; 2]>,
}

impl Turned<'_> {
    /// Like `1.44 x [1.36, 1.54]`; of what has no ratio its difference.
    pub(super) fn amount(&self) -> String {
        match self.by.filter(|_| self.of.found.metric.is_by_ratio()) {
            Some(by) => times(by, self.interval),
            None => self.points(),
        }
    }

    /// A difference of shares, like `2.100 points [1.900, 2.300] less`: the side that is said first
    /// has the advantage.
    fn points(&self) -> String {
        let found = self.of.found;
        let Some([difference, ..]) = found.difference else { return "no".into() };
        let ends = found.judged_interval().unwrap_or([difference; 2]);
        let mut ends = ends.map(|end| (end * 100.0).abs());
        ends.sort_by(f64::total_cmp);
        let more = if found.metric.more_is_better() { "more" } else { "less" };
        let [low, high] = ends;
        format!("{:.3} points [{low:.3}, {high:.3}] {more} than", (difference * 100.0).abs())
    }

    /// How large the advantage is, for the order of such.
    pub(super) fn size(&self) -> f64 {
        match self.by {
            Some(by) if by > 0.0 => by.ln().abs(),
            _ => self.of.found.difference.map_or(0.0, |[difference, ..]| difference.abs()),
        }
    }
}

fn turned(found: &MetricComparison) -> Option<[f64; 2]> {
    let [low, high] = found.judged_interval()?;
    Some([high.recip(), low.recip()])
}
