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
