//! What a comparison comes to: [`of_comparison`].

use super::direction::Contrasted;
use super::ratios::times;
use super::{Sentence, listed};
use crate::compare::{
    Candidate, Case, Comparison, INVALID_RUNS, Metric, MetricComparison, NOTHING_MEASURED,
    Verdict,
};
use crate::describe::comparison::name_of;
use crate::describe::units;
use crate::report::nouns::Nouns;
use crate::report::{Conclusion, GENERATOR_LIMITED};

/// Names of sides that are longer make the sentence hard to read.
const LONGEST_NAME: usize = 24;

/// A sentence for each candidate.
pub(in crate::describe) fn of_comparison(comparison: &Comparison) -> Vec<Conclusion> {
    let of = |(place, candidate): (usize, &Candidate)| {
        let [base, new] = names(comparison, place);
        of_candidate(comparison, candidate, [&base, &new])
    };
    comparison.candidates.iter().enumerate().filter_map(of).collect()
}

/// What the base and a candidate are called: their own names, if they are short and differ.
fn names(comparison: &Comparison, place: usize) -> [String; 2] {
    let short = |name: &str| {
        let name = name.trim_end_matches('/').rsplit('/').next().unwrap_or(name);
        name.strip_suffix(".json").unwrap_or(name).to_owned()
    };
    let base = short(&comparison.base.name);
    let all: Vec<String> = comparison.candidates.iter().map(|c| short(&c.side.name)).collect();
    let fits = |name: &String| (1..=LONGEST_NAME).contains(&name.chars().count());
    let unlike =
        all.iter().enumerate().all(|(at, name)| *name != base && !all[..at].contains(name));
    if fits(&base) && all.iter().all(fits) && unlike {
        return [base, all[place].clone()];
    }
    let new = if all.len() == 1 { "new".into() } else { format!("new {}", place + 1) };
    ["base".into(), new]
}

/// The metrics that answer, the first of all: under open load the rate is as offered.
pub(super) fn leading(open_loop: bool) -> [Metric; 2] {
    if open_loop { [Metric::P99, Metric::P50] } else { [Metric::Throughput, Metric::P99] }
}

fn of_candidate(
    comparison: &Comparison,
    candidate: &Candidate,
    names: [&str; 2],
) -> Option<Conclusion> {
    let nouns = Nouns::of_workload(comparison.workload);
    let mut sentence = Sentence::default();
    let caution = |code: &str| candidate.cautions.iter().find(|caution| caution.code == code);
    if let Some(grave) = caution(NOTHING_MEASURED).or_else(|| caution(INVALID_RUNS)) {
        sentence.say(format!("inconclusive: {}", grave.message));
    }
    let lead = leading(comparison.open_loop == Some(true));
    match &candidate.cases[..] {
        [case] => one_case(case, lead, names, nouns, &mut sentence),
        cases => many_cases(cases, lead[0], names, nouns, &mut sentence),
    }
    if candidate.differences.iter().any(|difference| difference.unexpected) {
        sentence.say("measured under different conditions (see UNEXPECTED)");
    }
    if caution(GENERATOR_LIMITED).is_some() {
        sentence.say("the generator was the bottleneck in some runs");
    }
    sentence.finished()
}

/// The leading metrics of the only case, and what else was found.
fn one_case(
    case: &Case,
    lead: [Metric; 2],
    [base, new]: [&str; 2],
    nouns: Nouns,
    sentence: &mut Sentence,
) {
    let of = |wanted: Metric| case.metrics.iter().find(move |found| found.metric == wanted);
    let contrasted = |found| Contrasted { found, base, new, nouns };
    let found: Vec<Contrasted<'_>> =
        lead.iter().filter_map(|metric| of(*metric)).map(contrasted).collect();
    if found.iter().all(|one| one.found.verdict == Verdict::SingleRun) {
        return single_runs(&found, sentence);
    }
    leading_metrics(&found, sentence);
    let others = case.metrics.iter().filter(|found| !lead.contains(&found.metric));
    also(&others.collect::<Vec<_>>(), nouns, sentence);
}

/// The metrics that answer, of one base and one candidate.
pub(super) fn leading_metrics(found: &[Contrasted<'_>], sentence: &mut Sentence) {
    if let Some((first, reason)) = same_reason(found) {
        return sentence
            .say(format!("{} and {} not compared: {reason}", first.new, first.base));
    }
    let is_called = found.iter().any(|one| one.is_called());
    if let (false, Some(first)) = (is_called, found.first()) {
        let clauses: Vec<String> = found.iter().map(|one| one.no_change()).collect();
        sentence.say(format!("{} and {}: {}", first.new, first.base, clauses.join("; ")));
        sentence.numbers.extend(found.iter().map(|one| one.number()));
        return;
    }
    // What was found comes first.
    let (called, rest): (Vec<Contrasted<'_>>, Vec<Contrasted<'_>>) =
        found.iter().partition(|one| one.is_called());
    for (place, one) in called.into_iter().chain(rest).enumerate() {
        one.said(sentence, place > 0);
    }
}

/// Why none of them was compared, if that is the same of all.
fn same_reason<'a>(found: &[Contrasted<'a>]) -> Option<(Contrasted<'a>, &'a str)> {
    let (first, rest) = found.split_first()?;
    let reason = first.found.reason.as_deref()?;
    rest.iter().all(|one| one.found.reason == first.found.reason).then_some((*first, reason))
}

/// What differs is seen, and how much runs differ is not.
fn single_runs(found: &[Contrasted<'_>], sentence: &mut Sentence) {
    let ratio = |one: &Contrasted<'_>| {
        let name = name_of(one.found.metric, one.nouns);
        Some(format!("{name} {}", times(one.found.ratio?, None)))
    };
    let ratios: Vec<String> = found.iter().filter_map(ratio).collect();
    let seen = if ratios.is_empty() {
        String::new()
    } else {
        format!(" (measured: {})", ratios.join(", "))
    };
    sentence.say(format!("single run a side: not judged{seen}"));
    sentence.numbers.extend(found.iter().map(|one| one.number()));
}

/// Which other metrics were found better or worse.
pub(super) fn also(others: &[&MetricComparison], nouns: Nouns, sentence: &mut Sentence) {
    for (verdict, word) in [(Verdict::Worse, "worse"), (Verdict::Better, "better")] {
        let called = others.iter().filter(|found| found.verdict == verdict);
        let names: Vec<String> =
            called.map(|found| name_of(found.metric, nouns).to_owned()).collect();
        if !names.is_empty() {
            sentence.say(format!("also {word}: {}", listed(&names)));
        }
    }
}

/// How the cases are spread, and the greatest change each way.
fn many_cases(
    cases: &[Case],
    metric: Metric,
    [base, new]: [&str; 2],
    nouns: Nouns,
    sentence: &mut Sentence,
) {
    let found: Vec<(&str, &MetricComparison)> = cases
        .iter()
        .filter_map(|case| {
            let found = case.metrics.iter().find(|found| found.metric == metric)?;
            Some((case.name.as_str(), found))
        })
        .collect();
    let name = name_of(metric, nouns);
    let mut parts = Vec::new();
    for (verdict, word) in [
        (Verdict::Better, "better"),
        (Verdict::Worse, "worse"),
        (Verdict::NoEvidence, "no difference found"),
        (Verdict::SingleRun, "single run, not judged"),
        (Verdict::NotCompared, "not compared"),
    ] {
        let of: Vec<_> = found.iter().filter(|(_, found)| found.verdict == verdict).collect();
        let size = |found: &MetricComparison| found.ratio.map_or(0.0, |ratio| ratio.ln().abs());
        let greatest = of.iter().max_by(|a, b| size(a.1).total_cmp(&size(b.1)));
        let is_change = matches!(verdict, Verdict::Better | Verdict::Worse);
        let most = greatest.filter(|_| is_change).map(|&&(case, found)| {
            let one = Contrasted { found, base, new, nouns };
            let of = Some(format!("{new}, {case}"));
            sentence.numbers.push(super::ConclusionNumber { of, ..one.number() });
            format!(" (most: {} at {case})", one.straight().amount())
        });
        if !of.is_empty() {
            parts.push(format!("{word} in {}{}", of.len(), most.unwrap_or_default()));
        }
    }
    let cases = units::counted(cases.len() as u64, "case");
    sentence.say(format!("{new} against {base}, {name} of {cases}: {}", parts.join(", ")));
}
