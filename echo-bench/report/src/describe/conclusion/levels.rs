//! What the levels of an axis come to against each other: [`of_axis`]. "Best" is said only of what
//! was found better than every other level; all else is what was found, pair by pair.

use super::comparison::{also, leading_metrics};
use super::direction::{Contrasted, nothing};
use super::{Sentence, listed};
use crate::compare::{Metric, Verdict};
use crate::describe::comparison::{in_words, interval, name_of, ratio};
use crate::describe::sweep::level_name;
use crate::report::nouns::Nouns;
use crate::sweep::{Axis, Effect, EffectMetric, Pair, Sweep};

/// Clauses of one kind that are said; of more, how many they are.
const MOST: usize = 3;

/// What a sentence about an axis needs.
struct Levels<'a> {
    axis: &'a Axis,
    effects: Vec<&'a Effect>,
    metric: Metric,
    nouns: Nouns,
}

/// What the levels of an axis come to, by the `metrics` that answer; nothing where they were not
/// compared.
pub(super) fn of_axis(
    sweep: &Sweep,
    axis: &Axis,
    metrics: [Metric; 2],
    nouns: Nouns,
) -> Option<super::Conclusion> {
    let effects = sweep.analysis.effects.iter().filter(|effect| effect.axis == axis.name);
    let levels = Levels { axis, effects: effects.collect(), metric: metrics[0], nouns };
    let mut sentence = Sentence::default();
    let single = |one: &Contrasted<'_>| one.found.verdict == Verdict::SingleRun;
    let all = levels.all();
    if all.is_empty() || all.iter().all(single) {
        return None;
    }
    let dependent: Vec<&Effect> =
        levels.effects.iter().copied().filter(|effect| levels.of(effect).depends).collect();
    if !dependent.is_empty() {
        levels.dependent(&dependent, &mut sentence);
    } else if let [only] = &levels.effects[..] {
        let both = metrics.map(|metric| levels.contrasted(only, metric));
        leading_metrics(&both, &mut sentence);
        let others = only.metrics.iter().map(|found| &found.overall);
        let others = others.filter(|found| !metrics.contains(&found.metric));
        also(&others.collect::<Vec<_>>(), nouns, &mut sentence);
    } else if !levels.best(&mut sentence) {
        levels.pairs(&all, &mut sentence);
    }
    let pairs = levels.effects.first().map_or(1, |effect| levels.of(effect).pairs);
    let mean = if pairs > 1 && dependent.is_empty() {
        format!(" (mean of {pairs} pairs)")
    } else {
        String::new()
    };
    let by = if metrics[0] == Metric::Throughput || levels.effects.len() == 1 {
        String::new()
    } else {
        format!(" by {}", name_of(metrics[0], nouns))
    };
    let is_named = sweep.plan.axes.len() > 1 || !by.is_empty();
    let conclusion = sentence.finished()?;
    let text = if is_named {
        format!("{}{by}{mean}: {}", axis.name, conclusion.text)
    } else {
        conclusion.text
    };
    Some(super::Conclusion { text, ..conclusion })
}

impl<'a> Levels<'a> {
    fn of(&self, effect: &'a Effect) -> &'a EffectMetric {
        &effect.metrics[self.metric as usize]
    }

    fn contrasted(&self, effect: &'a Effect, metric: Metric) -> Contrasted<'a> {
        Contrasted {
            found: &effect.metrics[metric as usize].overall,
            base: level_name(&effect.base),
            new: level_name(&effect.level),
            nouns: self.nouns,
        }
    }

    /// Every pair of levels that was compared.
    fn all(&self) -> Vec<Contrasted<'a>> {
        self.effects.iter().map(|effect| self.contrasted(effect, self.metric)).collect()
    }

    /// The comparison of two levels, and whether the first of them was found better; `None` if it
    /// was not judged.
    fn judged(&self, level: &str, other: &str) -> Option<(&'a Effect, bool)> {
        let of = |base: &str, new: &str| {
            let same = |effect: &&&Effect| effect.base == base && effect.level == new;
            self.effects.iter().find(same).copied()
        };
        let (effect, winner) = of(other, level)
            .map(|effect| (effect, Verdict::Better))
            .or_else(|| of(level, other).map(|effect| (effect, Verdict::Worse)))?;
        let verdict = self.of(effect).overall.verdict;
        let judged = matches!(verdict, Verdict::Better | Verdict::Worse | Verdict::NoEvidence);
        judged.then_some((effect, verdict == winner))
    }

    /// Says which levels are best, or that all tie; whether either is so.
    fn best(&self, sentence: &mut Sentence) -> bool {
        let names: Vec<&str> =
            self.axis.levels.iter().map(|level| level.name.as_str()).collect();
        let others = |level: &str| {
            let level = level.to_owned();
            names.iter().copied().filter(move |other| *other != level)
        };
        let complete =
            names.iter().all(|level| others(level).all(|o| self.judged(level, o).is_some()));
        if !complete {
            return false;
        }
        let is_better = |level: &str, other: &str| {
            self.judged(level, other).is_some_and(|(_, better)| better)
        };
        let is_top = |level: &&&str| others(level).all(|other| !is_better(other, level));
        let top: Vec<&str> = names.iter().filter(is_top).copied().collect();
        let rest: Vec<&str> =
            names.iter().copied().filter(|name| !top.contains(name)).collect();
        let shown = |of: &[&str]| {
            listed(&of.iter().map(|name| level_name(name).to_owned()).collect::<Vec<_>>())
        };
        if rest.is_empty() {
            let all = self.all();
            sentence.say(format!("{}: {}", shown(&names), nothing(&all)));
            sentence.numbers.extend(all.iter().map(|one| one.number()));
            return true;
        }
        if top.is_empty() || !top.iter().all(|best| rest.iter().all(|r| is_better(best, r))) {
            return false;
        }
        let mark = if top.len() > 1 { " (tied)" } else { "" };
        let over: Vec<String> =
            rest.iter().take(MOST).map(|other| self.advantage(&top, other, sentence)).collect();
        let more = match rest.len().saturating_sub(MOST) {
            0 => String::new(),
            more => format!(", and better than {more} more"),
        };
        sentence.say(format!("best: {}{mark}, {}{more}", shown(&top), over.join(", ")));
        if top.len() > 1 {
            let ties: Vec<Contrasted<'_>> = self
                .all()
                .into_iter()
                .filter(|one| !one.is_called())
                .filter(|one| top.contains(&one.base) && top.contains(&one.new))
                .collect();
            sentence.say(format!("{}: {}", shown(&top), nothing(&ties)));
            sentence.numbers.extend(ties.iter().map(|one| one.number()));
        }
        true
    }

    /// What the best levels have over another one: of several, the least.
    fn advantage(&self, top: &[&str], other: &str, sentence: &mut Sentence) -> String {
        let of = |best: &&str| {
            let (effect, _) = self.judged(best, other)?;
            let one = self.contrasted(effect, self.metric);
            let amount = if effect.level == **best { one.straight() } else { one.turned() };
            Some((one, amount))
        };
        let least = top.iter().filter_map(of).min_by(|a, b| a.1.size().total_cmp(&b.1.size()));
        let Some((one, amount)) = least else { return String::new() };
        sentence.numbers.push(one.number());
        let bound = match (top.len(), self.metric.more_is_better()) {
            (1, _) => "",
            (_, true) => "at least ",
            (_, false) => "at most ",
        };
        let what = match self.metric {
            Metric::Throughput => format!("the {} of ", self.nouns.counted.many),
            metric if metric.is_by_ratio() => "that of ".into(),
            _ => String::new(),
        };
        format!("{bound}{} {what}{}", amount.amount(), level_name(other))
    }

    /// What was found, pair by pair, the greatest first, then what was not.
    fn pairs(&self, all: &[Contrasted<'a>], sentence: &mut Sentence) {
        let (mut called, rest): (Vec<Contrasted<'_>>, Vec<Contrasted<'_>>) =
            all.iter().partition(|one| one.is_called());
        called.sort_by(|a, b| b.straight().size().total_cmp(&a.straight().size()));
        for one in called.iter().take(MOST) {
            one.said(sentence, false);
        }
        if called.len() > MOST {
            sentence.say(format!("{} more differences, see below", called.len() - MOST));
        }
        let (open, not): (Vec<_>, Vec<_>) =
            rest.into_iter().partition(|one| one.found.verdict == Verdict::NoEvidence);
        if !open.is_empty() {
            let pair = |one: &Contrasted<'_>| format!("{} and {}", one.new, one.base);
            let pairs: Vec<String> = open.iter().map(pair).collect();
            let pairs = if pairs.len() > MOST {
                format!("{} other pairs", pairs.len())
            } else {
                pairs.join(", ")
            };
            sentence.say(format!("{pairs}: {}", nothing(&open)));
            sentence.numbers.extend(open.iter().map(|one| one.number()));
        }
        if let Some(first) = not.first() {
            sentence.say(format!("{} and {}: {}", first.new, first.base, first.no_change()));
        }
        let first = self.axis.levels.first().map(|level| level.name.as_str());
        let only_first = self.effects.iter().all(|effect| Some(&*effect.base) == first);
        if only_first && self.axis.levels.len() > 2 {
            let first = level_name(first.unwrap_or_default());
            sentence
                .say(format!("compared with {first} only (--all-pairs compares all levels)"));
        }
    }

    /// How an effect differs, rather than its average.
    fn dependent(&self, effects: &[&'a Effect], sentence: &mut Sentence) {
        let size = |effect: &&&'a Effect| {
            let [least, greatest] = self.of(effect).spread.unwrap_or([1.0; 2]);
            if self.metric.is_by_ratio() { (greatest / least).ln() } else { greatest - least }
        };
        let Some(effect) = effects.iter().max_by(|a, b| size(a).total_cmp(&size(b))) else {
            return;
        };
        let found = self.of(effect);
        let ends = extremes(effect, self.metric);
        let ends: Vec<String> = ends.into_iter().map(|pair| at(pair, self.metric)).collect();
        let metric = match self.metric {
            Metric::Throughput => self.nouns.rate,
            metric => name_of(metric, self.nouns),
        };
        let more = match effects.len() - 1 {
            0 => String::new(),
            1 => "; so does another pair of levels".into(),
            more => format!("; so do {more} other pairs of levels"),
        };
        sentence.say(format!(
            "{metric} of {} against {} depends on {}: {}{more}",
            level_name(&effect.level),
            level_name(&effect.base),
            listed(&found.depends_on),
            ends.join(", ")
        ));
        sentence.numbers.push(self.contrasted(effect, self.metric).number());
    }
}

/// The pairs with the least and the greatest change.
fn extremes(effect: &Effect, metric: Metric) -> Vec<&Pair> {
    let value = |pair: &&Pair| {
        let found = &pair.metrics[metric as usize];
        found.ratio.or(found.difference.map(|[difference, ..]| difference))
    };
    let known = || effect.pairs.iter().filter(|pair| value(pair).is_some());
    let order = |a: &&Pair, b: &&Pair| {
        value(a).unwrap_or_default().total_cmp(&value(b).unwrap_or_default())
    };
    let least = known().min_by(order);
    let greatest = known().max_by(order);
    least.into_iter().chain(greatest).collect()
}

/// Like `1.44 x at conns=100 (better)`.
fn at(pair: &Pair, metric: Metric) -> String {
    let found = &pair.metrics[metric as usize];
    let by = match found.ratio {
        Some(by) if metric.is_by_ratio() => super::ratios::times(by, found.judged_interval()),
        Some(by) => ratio(by),
        None => interval(found),
    };
    format!("{by} at {} ({})", pair.name, in_words(found))
}
