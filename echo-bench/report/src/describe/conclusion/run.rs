//! What one run comes to: [`of_run`].

use super::limit::Limit;
use super::{Sentence, number, rate, time};
use crate::compare::Metric;
use crate::describe::latency::bounded;
use crate::describe::units::TimeUnit;
use crate::describe::{objective, units};
use crate::report::nouns::Nouns;
use crate::report::{
    Conclusion, GENERATOR_LIMITED, LatencySummary, QUANTILES, Report, Verdict,
};

/// A sentence that is longer is split.
const TWO_LINES: usize = 158;

/// The generator's part of a percentile that is worth a word.
const WORTH_A_WORD: f64 = 0.005;

/// What a run comes to.
pub(in crate::describe) fn of_run(report: &Report) -> Vec<Conclusion> {
    let mut sentence = Sentence::default();
    if report.verdict == Verdict::Invalid {
        sentence.say(format!("not usable: {}", grave(report)));
    }
    if report.interrupted {
        sentence.say(format!("interrupted after {:.1} s", report.summary.measured_s));
    }
    answer(report, &mut sentence);
    latency(report, &mut sentence);
    let objectives = objectives(report);
    if report.verdict != Verdict::Invalid && report.summary.requests.ok > 0 {
        sentence.say(Limit::of(report).to_string());
    }
    let length: usize = sentence.clauses.iter().map(|clause| clause.chars().count() + 2).sum();
    let fits = objectives.as_ref().is_none_or(|said| length + said.chars().count() < TWO_LINES);
    if fits {
        // Before what limits it.
        let place = sentence.clauses.len().saturating_sub(1);
        sentence.clauses.splice(place..place, objectives);
        return sentence.finished().into_iter().collect();
    }
    let rest = objectives.map(|text| Conclusion { text, numbers: Vec::new() });
    sentence.finished().into_iter().chain(rest).collect()
}

/// What makes a run invalid, the gravest first.
const GRAVE: [&str; 6] = [
    "nothing-measured",
    "no-replies",
    "starved-connections",
    "unbalanced-counts",
    "not-judged",
    GENERATOR_LIMITED,
];

/// The gravest warning of a run.
fn grave(report: &Report) -> String {
    let of = |code: &&str| report.warnings.iter().find(|warning| warning.code == *code);
    let worst = GRAVE.iter().find_map(of).or(report.warnings.first());
    worst.map_or_else(|| "see the warnings".into(), |warning| warning.message.clone())
}

/// The rate, of that which was offered, and what failed.
fn answer(report: &Report, sentence: &mut Sentence) {
    let summary = &report.summary;
    let nouns = Nouns::of(&report.plan);
    let Some(achieved) = summary.achieved_per_s else {
        let answered = summary.answered_in_window;
        return sentence.say(if answered == 0 {
            format!("no rate: no {} were answered", nouns.counted.many)
        } else {
            let answers = nouns.answer.of(answered);
            format!("a rate needs more than {} {answers}", units::count(answered))
        });
    };
    let interval = summary.achieved_interval;
    let of = match summary.offered_per_s {
        Some(offered) if achieved < offered * 0.99 => {
            let [offered] = units::brief_rates([offered]);
            format!("of {offered} {} offered", nouns.rate)
        }
        _ => nouns.rate.to_owned(),
    };
    let within = if interval.is_some() { " within this run" } else { "" };
    sentence.say(format!("{}{within}", rate(achieved, interval, &of)));
    sentence.numbers.push(number(Metric::Throughput, achieved, interval));
    let failed = summary.requests.failed();
    if failed > 0 {
        let share = units::share(failed, summary.requests.scheduled);
        sentence.say(format!("{share} of {} failed", nouns.counted.many));
    }
}

/// The 99th percentile, and how much of it is the generator's own.
fn latency(report: &Report, sentence: &mut Sentence) {
    let summary = &report.summary;
    if !report.stages.is_empty() {
        return sentence.say(stages(report));
    }
    let p99 = QUANTILES.iter().find(|known| known.name == "p99");
    let Some((response, p99)) = summary.latency.response.as_ref().zip(p99) else {
        let answers = Nouns::of(&report.plan).answer.many;
        return sentence.say(format!("no latency: no successful {answers}"));
    };
    let value = response.quantile_ns(p99);
    let interval = response.ci95.get("p99").map(|ends| ends.map(|end| end as f64));
    let own = summary.generator_share.as_ref().and_then(|share| share.quantiles.get("p99"));
    let own = own.filter(|part| part.share >= WORTH_A_WORD).map_or_else(String::new, |part| {
        format!(", of which {} the generator's own", units::time(part.generator_ns as f64))
    });
    sentence.say(format!("p99 {}{own}", percentile(response, value, interval)));
    sentence.numbers.push(number(Metric::P99, value as f64, interval));
}

/// Most stages that are told one by one.
const TOLD_STAGES: usize = 3;

/// The 99th percentile of each constant stage, where they are few.
fn stages(report: &Report) -> String {
    let told = report.constant_stages().filter_map(|stage| {
        let response = stage.latency.response.as_ref()?;
        let interval = response.ci95.get("p99").map(|ends| ends.map(|end| end as f64));
        let p99 = percentile(response, response.p99_ns, interval);
        Some(format!("p99 {p99} in {}", stage.label()))
    });
    let told: Vec<String> = told.collect();
    match told.len() {
        1..=TOLD_STAGES => told.join(", "),
        _ => {
            format!("{}, see their table", units::counted(report.stages.len() as u64, "stage"))
        }
    }
}

/// A percentile with its interval, or with the mark of one that has none.
fn percentile(latency: &LatencySummary, ns: u64, interval: Option<[f64; 2]>) -> String {
    match interval {
        _ if latency.is_lower_bound(ns) => bounded(latency, ns, TimeUnit::of([ns as f64])),
        None => format!("~{}", units::time(ns as f64)),
        Some([low, high]) if latency.is_lower_bound(high as u64) => {
            format!("{} [from {}]", units::time(ns as f64), units::time(low))
        }
        Some(ends) => time(ns as f64, Some(ends)),
    }
}

/// A word for each objective.
fn objectives(report: &Report) -> Option<String> {
    let said: Vec<String> =
        report.slos.iter().map(|slo| format!("{} {}", slo.slo, objective::word(slo))).collect();
    (!said.is_empty()).then(|| said.join(", "))
}
