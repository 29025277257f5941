//! Comparisons whose gate must not pass, or must not blame the generator.

use super::*;
use crate::render::html::tests::comparison::side;
use crate::render::html::tests::forms::{fairness, own_share};
use crate::report::Report;

/// Two sides, changed run by run (by its number), with these metrics asked for.
fn compared(
    levels_us: [u64; 2],
    asked_for: &[Metric],
    change: impl Fn(usize, u64, &mut Report),
    runs: usize,
) -> Comparison {
    let mut sides = [("base", 1, levels_us[0]), ("new", 2, levels_us[1])]
        .map(|(name, first, level)| side(name, first, level, &[2]));
    for (place, side) in sides.iter_mut().enumerate() {
        side.inputs.truncate(runs);
        for (number, input) in (0..).zip(&mut side.inputs) {
            change(place, number, &mut input.report);
        }
    }
    let [base, candidate] = sides;
    let asked_for = asked_for.to_vec();
    let options = Options { resamples: 200, asked_for, ..Options::default() };
    compare(&base, &[candidate], options).unwrap()
}

fn metric(comparison: &Comparison, wanted: Metric) -> &MetricComparison {
    comparison.metrics().find(|metric| metric.metric == wanted).unwrap()
}

#[test]
fn values_of_whole_single_runs_are_no_latency_that_was_compared() {
    let stamped = |_, number, report: &mut Report| {
        report.summary.generator_share = Some(own_share(number));
    };
    let asked_for = [Metric::CorrectedP50, Metric::CorrectedP99];
    let comparison = compared([100, 200], &asked_for, stamped, 1);
    assert_eq!(metric(&comparison, Metric::CorrectedP99).verdict, Verdict::SingleRun);
    let told = comparison.shortfalls(true);
    assert!(told.iter().any(|why| why.starts_with("no latency was compared")), "{told:?}");
    assert!(comparison.is_void(), "nothing else was compared either");
}

#[test]
fn a_corrected_latency_alone_is_not_the_latency_of_a_case() {
    // The response of every run is too small a sample, what was stamped of it is not.
    let weak = |place: usize, number, report: &mut Report| {
        report.summary.generator_share = Some(own_share(number));
        // Nor can maxima of windows of such lengths be compared.
        report.summary.measured_s = [4.0, 8.0][place];
        report.summary.latency.response.as_mut().unwrap().independent.clear();
    };
    let comparison = compared([100, 100], &[Metric::CorrectedP99], weak, 3);
    assert_eq!(metric(&comparison, Metric::CorrectedP99).verdict, Verdict::NoEvidence);
    let told = comparison.shortfalls(false);
    assert!(told.iter().any(|why| why.starts_with("no latency was compared")), "{told:?}");
}

#[test]
fn a_metric_that_was_asked_for_and_not_judged_holds_the_gate() {
    let nothing = |_, _, _: &mut Report| ();
    let comparison = compared([100, 100], &[], nothing, 3);
    assert_eq!(comparison.shortfalls(false), [""; 0]);
    let comparison = compared([100, 100], &[Metric::Fairness], nothing, 3);
    let told = comparison.shortfalls(false);
    let why = "fairness is named with --judge and was not judged: not measured in every run";
    assert_eq!(told, [why]);
    assert!(comparison.not_judged().contains(&Metric::Fairness));

    let served = |_, number, report: &mut Report| {
        report.summary.fairness = Some(fairness(number));
    };
    let judged = compared([100, 100], &[Metric::Fairness], served, 3);
    assert_eq!(judged.shortfalls(false), [""; 0]);
    assert!(!judged.not_judged().contains(&Metric::Fairness));
    let single = compared([100, 100], &[Metric::Fairness], served, 1);
    let told = single.shortfalls(true);
    assert!(
        told.iter().any(|why| why.starts_with("fairness is named with --judge")),
        "{told:?}"
    );
}

#[test]
fn a_change_that_the_stamped_requests_do_not_show_is_not_the_generator_s_own() {
    // The generator's part of what was stamped is the same on both sides, and so is the rest:
    // what got slower is the requests that were not stamped.
    let unseen = |_, number, report: &mut Report| {
        report.summary.generator_share = Some(own_share(number));
    };
    let comparison = compared([100, 200], &[], unseen, 3);
    assert!(!metric(&comparison, Metric::P99).own_share);
    assert!(comparison.is_worse());

    // The stamped requests show the change, without the generator's share there is none.
    let seen = |_, number, report: &mut Report| {
        let response = report.summary.latency.response.clone().unwrap();
        report.summary.generator_share =
            Some(crate::report::GeneratorShare { response, ..own_share(number) });
    };
    let comparison = compared([100, 200], &[], seen, 3);
    assert!(metric(&comparison, Metric::P99).own_share);
    assert!(!comparison.is_worse());
}

/// The report of a run whose first half and second half are stages; the response of the second
/// is that of a report with its level.
fn in_stages(report: &Report, slow: &Report, stages: &[&str]) -> Report {
    use crate::report::{Latency, StageKind, StageReport};
    use echo_bench_engine::plan::Load;
    use echo_bench_engine::schedule::{Arrival, Stage};

    let typed: Vec<Stage> = stages.iter().map(|typed| typed.parse().unwrap()).collect();
    let of = |(place, report): (usize, &Report)| StageReport {
        number: place as u32 + 1,
        name: stages[place].into(),
        kind: StageKind::Constant,
        at_s: Some(0.0),
        length_s: report.summary.measured_s,
        requests: report.summary.requests,
        answered: report.summary.answered_in_window,
        offered_per_s: report.summary.offered_per_s,
        achieved_per_s: report.summary.achieved_per_s,
        latency: Latency {
            response: report.summary.latency.response.clone(),
            ..Latency::default()
        },
        send_lateness: None,
        generator_share: None,
    };
    let mut whole = report.clone();
    whole.stages = [report, slow].into_iter().enumerate().map(of).collect();
    whole.summary.latency = Latency::default();
    let load = Load::Staged { stages: typed, arrival: Arrival::Constant, pipeline: 64 };
    whole.plan = report.plan.with(|plan| plan.load = load).unwrap();
    whole
}

#[test]
fn stages_are_compared_one_by_one_and_only_with_their_like() {
    let of = |name: &str, first, levels_us: [u64; 2], stages: &[&str]| {
        let mut fast = side(name, first, levels_us[0], &[2]);
        let slow = side(name, first, levels_us[1], &[2]);
        for (input, slow) in fast.inputs.iter_mut().zip(&slow.inputs) {
            input.report = in_stages(&input.report, &slow.report, stages);
        }
        fast
    };
    let stages = ["1k:2s", "5k:2s"];
    let base = of("base", 1, [100, 100], &stages);
    let options = || Options { resamples: 200, ..Options::default() };
    let slower = of("new", 2, [100, 300], &stages);
    let comparison = compare(&base, &[slower], options()).unwrap();
    let cases = &comparison.candidates[0].cases;
    let names: Vec<_> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names, ["stage=stage 1 (1k:2s)", "stage=stage 2 (5k:2s)"]);
    let verdicts: Vec<_> = cases
        .iter()
        .map(|case| case.metrics.iter().find(|one| one.metric == Metric::P50).unwrap().verdict)
        .collect();
    assert_eq!(verdicts, [Verdict::NoEvidence, Verdict::Worse]);
    for other in [&["1k:2s", "6k:2s"], &["1k:2s", "1k..5k:2s"]] {
        let other = of("new", 2, [100, 100], other);
        let refused = compare(&base, &[other], options()).unwrap_err().to_string();
        assert!(refused.contains("different stages"), "{refused}");
    }
    let plain = side("new", 2, 100, &[2]);
    assert!(compare(&base, &[plain], options()).is_err());
}
