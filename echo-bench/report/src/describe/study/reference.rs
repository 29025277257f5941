//! Findings as they are written, with references in the place of numbers: [`findings`].
//!
//! ```text
//! {{nagle: off -> on | p50}}                            an effect, over all pairs of cells
//! {{nagle: off -> on | p50 | write-mode=whole}}         the same of one pair
//! {{nagle=on, write-mode=whole | requests/s}}           a metric of a cell
//! {{accept=shared | worker skew}}                       one that explains others, of cells alone
//! ```

use strum::VariantArray as _;

use crate::compare::{Metric, MetricComparison, Verdict};
use crate::describe::comparison::{interval, is_clean, name_of, unit_of};
use crate::describe::conclusion::{no_difference, percent, times};
use crate::describe::sweep::{change, interval_of, measured, nouns, unit_of_column};
use crate::describe::units::TimeUnit;
use crate::sweep::ranking::explaining;
use crate::sweep::{Effect, MetricValue, Sweep};

/// Notes that are no findings of the sweep.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnfitNotes {
    /// A reference that has no end.
    #[error("line {line}: {{{{ without }}}}")]
    Unfinished {
        /// Its line, from 1.
        line: usize,
    },
    /// A reference to what is not in the sweep.
    #[error("line {line}: {{{{{text}}}}}: {reason}")]
    Reference {
        /// Its line, from 1.
        line: usize,
        /// What it says.
        text: String,
        /// What is wrong with it.
        reason: UnfitReference,
    },
    /// A ratio that the data do not vouch for.
    #[error(
        "line {line}: a ratio is typed by hand ({text}); refer to it: {{{{AXIS: BASE -> LEVEL | METRIC}}}}"
    )]
    Typed {
        /// Its line, from 1.
        line: usize,
        /// What is there.
        text: String,
    },
}

/// What is wrong with a reference.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UnfitReference {
    /// Neither an effect nor a cell.
    #[error("no effect and no cell has this name; there are: {0}")]
    Unknown(String),
    /// A metric that there is not.
    #[error("no metric is called `{0}`; there are: {1}")]
    Metric(String, String),
    /// Too few or too many parts.
    #[error("write it as EFFECT | METRIC, EFFECT | METRIC | PAIR or CELL | METRIC")]
    Parts,
    /// A pair that the effect does not have.
    #[error("the effect has no pair `{0}`; there are: {1}")]
    Pair(String, String),
    /// Nothing that can be said with an interval.
    #[error("not judged{0}")]
    NotJudged(String),
}

/// The notes with every reference replaced by what the sweep says.
///
/// # Errors
/// The first reference that can't be replaced, or ratio that was typed.
pub(crate) fn findings(sweep: &Sweep, notes: &str) -> Result<String, UnfitNotes> {
    let mut out = String::new();
    let (mut rest, mut line) = (notes, 1);
    loop {
        let (text, reference) = match rest.split_once("{{") {
            Some((text, after)) => (text, Some(after)),
            None => (rest, None),
        };
        if let Some(typed) = typed_ratio(text) {
            line += lines(&text[..typed.start]);
            return Err(UnfitNotes::Typed { line, text: text[typed].to_owned() });
        }
        out.push_str(text);
        line += lines(text);
        let Some(after) = reference else { return Ok(out) };
        let (reference, after) =
            after.split_once("}}").ok_or(UnfitNotes::Unfinished { line })?;
        let said = resolved(sweep, reference).map_err(|reason| UnfitNotes::Reference {
            line,
            text: reference.to_owned(),
            reason,
        })?;
        out.push_str(&said);
        line += lines(reference);
        rest = after;
    }
}

fn lines(text: &str) -> usize {
    text.matches('\n').count()
}

/// Where a ratio like `x 1.25`, `1.25x`, `1.25 x` or `10 times` stands in prose.
fn typed_ratio(text: &str) -> Option<std::ops::Range<usize>> {
    let bare = |word: &str| -> String {
        word.trim_matches(|c: char| c.is_ascii_punctuation()).to_owned()
    };
    let is_number = |word: &str| bare(word).parse::<f64>().is_ok();
    let is_fraction = |word: &str| is_number(word) && bare(word).contains('.');
    let is_sign = |word: &str| matches!(&*bare(word), "x" | "×");
    let is_ratio = |word: &str| {
        let word = bare(word);
        let number = word.strip_suffix(['x', '×']).or_else(|| word.strip_prefix('×'));
        // `x86` and `x3` are names, `x1.25` is none.
        let fraction = word.strip_prefix('x').filter(|number| number.contains('.'));
        number.or(fraction).is_some_and(|number| number.parse::<f64>().is_ok())
    };
    let words: Vec<&str> = text.split_whitespace().collect();
    let place = |word: &str| word.as_ptr() as usize - text.as_ptr() as usize;
    let whole = |first: &str, last: &str| place(first)..place(last) + last.len();
    if let Some(word) = words.iter().find(|word| is_ratio(word)) {
        return Some(whole(word, word));
    }
    let pair = words.windows(2).find(|pair| {
        // `50 connections x 16` and `16 x 2` are no ratios of measured values.
        (is_sign(pair[0]) && is_fraction(pair[1]))
            || (is_fraction(pair[0]) && is_sign(pair[1]))
            || (is_number(pair[0]) && bare(pair[1]) == "times")
    })?;
    Some(whole(pair[0], pair[1]))
}

/// What a reference stands for.
fn resolved(sweep: &Sweep, reference: &str) -> Result<String, UnfitReference> {
    // A reference may be broken into lines as prose is.
    let folded = |part: &str| part.split_whitespace().collect::<Vec<_>>().join(" ");
    let parts: Vec<String> = reference.split('|').map(folded).collect();
    let (name, metric, pair) = match &parts[..] {
        [name, metric] => (name, metric, None),
        [name, metric, pair] => (name, metric, Some(pair.as_str())),
        _ => return Err(UnfitReference::Parts),
    };
    let metric = metric_of(sweep, metric)?;
    if metric.explains() {
        let cell = sweep.cells.iter().find(|cell| cell.name == *name && pair.is_none());
        let cell = cell.ok_or_else(|| UnfitReference::Unknown(cells(sweep).join("; ")))?;
        let found = explaining(cell, metric, &sweep.analysis.method);
        let found = found.ok_or_else(|| UnfitReference::NotJudged(String::new()))?;
        return said_of_cell(&found, unit_of(found.value.map(|value| (metric, value))));
    }
    if let Some(effect) = sweep.analysis.effects.iter().find(|e| change(e) == *name) {
        return said(of_effect(effect, metric, pair)?);
    }
    let ranked = sweep.analysis.ranking.iter().find(|r| sweep.cells[r.cell].name == *name);
    match (ranked, pair) {
        (Some(ranked), None) => {
            said_of_cell(&ranked.metrics[metric as usize], unit_of_column(sweep, metric))
        }
        (Some(_), Some(_)) => Err(UnfitReference::Parts),
        (None, _) => {
            let effects = sweep.analysis.effects.iter().map(change);
            let known: Vec<String> = effects.chain(cells(sweep)).collect();
            Err(UnfitReference::Unknown(known.join("; ")))
        }
    }
}

fn cells(sweep: &Sweep) -> Vec<String> {
    sweep.cells.iter().map(|cell| cell.name.clone()).collect()
}

/// A metric of a cell as it stands in prose, with its interval.
fn said_of_cell(found: &MetricValue, unit: TimeUnit) -> Result<String, UnfitReference> {
    let interval = interval_of(found, unit)
        .ok_or_else(|| UnfitReference::NotJudged(because(found.reason.as_deref())))?;
    Ok(format!("{} [{}]", measured(found, unit), interval.replace("..", ", ")))
}

fn metric_of(sweep: &Sweep, name: &str) -> Result<Metric, UnfitReference> {
    let nouns = nouns(sweep);
    let mut all = Metric::VARIANTS.iter().copied();
    all.find(|metric| name_of(*metric, nouns) == name || metric.to_string() == name).ok_or_else(
        || {
            let known: Vec<&str> =
                Metric::VARIANTS.iter().map(|metric| name_of(*metric, nouns)).collect();
            UnfitReference::Metric(name.to_owned(), known.join(", "))
        },
    )
}

fn of_effect<'a>(
    effect: &'a Effect,
    metric: Metric,
    pair: Option<&str>,
) -> Result<&'a MetricComparison, UnfitReference> {
    let Some(name) = pair else { return Ok(&effect.metrics[metric as usize].overall) };
    let found = effect.pairs.iter().find(|pair| pair.name == name);
    found.map(|pair| &pair.metrics[metric as usize]).ok_or_else(|| {
        let known: Vec<&str> = effect.pairs.iter().map(|pair| &*pair.name).collect();
        UnfitReference::Pair(name.to_owned(), known.join("; "))
    })
}

/// A comparison as it stands in prose, with its interval.
fn said(found: &MetricComparison) -> Result<String, UnfitReference> {
    let judged =
        matches!(found.verdict, Verdict::Better | Verdict::Worse | Verdict::NoEvidence);
    if !judged {
        return Err(UnfitReference::NotJudged(because(found.reason.as_deref())));
    }
    let shown = match (found.ratio, found.difference) {
        _ if is_clean(found) => return Ok("none on either side".into()),
        (Some(ratio), _) => {
            let shown = times(ratio, found.judged_interval());
            // An interval that rounds to its value is left out elsewhere.
            let ends = found.judged_interval().filter(|_| !shown.contains('['));
            let ends = ends.map(|[low, high]| format!(" [{low:.4}, {high:.4}]"));
            shown + &ends.unwrap_or_default()
        }
        (None, Some([difference, ..])) => {
            format!("{:+.3} points [{}]", difference * 100.0, interval(found))
        }
        (None, None) => return Err(UnfitReference::NotJudged(String::new())),
    };
    if found.verdict != Verdict::NoEvidence {
        return Ok(shown);
    }
    let none = no_difference(found.excludes_equality());
    let would = found.findable.map(|share| format!(", {} would have been", percent(share)));
    Ok(format!("{none}{} ({shown})", would.unwrap_or_default()))
}

fn because(reason: Option<&str>) -> String {
    reason.map_or_else(String::new, |reason| format!(": {reason}"))
}
