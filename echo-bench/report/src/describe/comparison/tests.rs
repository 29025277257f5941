use super::*;
use crate::compare::{self, Options};
use crate::render::html::tests::comparison::side;
use crate::render::html::tests::forms::own_share;
use crate::report::GeneratorShare;

#[test]
fn an_interval_of_ratios_is_read_in_one_way() {
    for (low, high, shown) in [
        (0.95, 1.053, "0.950..1.053"),
        (0.05, 12.0, "0.050..12.00"),
        (0.01, 0.02, "/ 50.00..100.0"),
        // One end is a small ratio, the other is none.
        (1e-17, 4.4e16, "<0.001..>10000"),
        (1e-4, 919_177.0, "<0.001..>10000"),
        (0.0, 2.0, "<0.001..2.000"),
        (1e-9, 0.05, "/ 20.00..>10000"),
        (0.0, 0.05, "<0.001..0.050"),
        (1.5, f64::INFINITY, "1.500..>10000"),
    ] {
        assert_eq!(ratio_range(low, high), shown);
    }
}

/// The verdict of runs whose latencies are as slow as that, and 90 us of it the server's.
fn verdict_of(levels_us: [u64; 2], asked_for: &[Metric]) -> super::super::Verdict {
    let side = |name, first, level| {
        let mut side = side(name, first, level, &[2]);
        for (number, input) in (0..).zip(&mut side.inputs) {
            let summary = &mut input.report.summary;
            let response = summary.latency.response.clone().unwrap();
            summary.generator_share = Some(GeneratorShare { response, ..own_share(number) });
        }
        side
    };
    let asked_for = asked_for.to_vec();
    let options = Options { resamples: 200, asked_for, ..Options::default() };
    let [base, new] = levels_us;
    let (base, candidate) = (side("base", 1, base), side("new", 2, new));
    verdict(&compare::compare(&base, &[candidate], options).unwrap())
}

#[test]
fn what_is_the_generator_s_own_is_said_of_its_own_direction() {
    let better = verdict_of([200, 100], &[]);
    let word = "5 better (5 by the generator's own share), 0 worse, ";
    assert!(better.word.starts_with(word), "{}", better.word);
    assert_eq!(better.tone, Tone::Fair);
    let worse = verdict_of([100, 200], &[]);
    let word = "0 better, 5 worse (5 by the generator's own share), ";
    assert!(worse.word.starts_with(word), "{}", worse.word);
    assert_eq!(worse.tone, Tone::Fair, "all that is worse is excused");
    assert_eq!(verdict_of([100, 200], &[Metric::P99]).tone, Tone::Worse, "it was asked for");
}
