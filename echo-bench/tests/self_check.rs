//! A plan compared with itself, on runs made up here, and the command line of it.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::process::Command;

use echo_bench_report::compare::self_check::{SelfCheck, SelfCheckError, self_check};
use echo_bench_report::compare::{Metric, Options};
use echo_bench_report::render;
use echo_bench_report::report::{Report, store};
use echo_test_support::made_up::{self, Shape};

/// Runs whose latencies have these levels, in turn.
fn check(runs: u64, level_us: impl Fn(u64) -> u64) -> Result<SelfCheck, SelfCheckError> {
    let shape = Shape { intervals: 2, answers: 400, spread: 101 };
    let report = |number| {
        serde_json::from_value::<Report>(made_up::report(shape, number, level_us(number)))
            .unwrap()
    };
    let reports: Vec<Report> = (0..runs).map(report).collect();
    self_check(&reports, 3, &Options { resamples: 300, ..Options::default() })
}

#[test]
fn runs_that_differ_by_chance_keep_the_promise_and_tell_what_would_be_found() {
    let found = check(60, |run| 1000 + run * 7919 % 61).unwrap();
    assert_eq!((found.groups, found.comparisons, found.runs), (10, 40, 60));
    assert!(found.is_kept && found.is_judged(), "{found:?}");
    let p50 = &found.metrics[Metric::P50 as usize];
    let smallest = p50.smallest.unwrap();
    assert!((0.02..0.5).contains(&smallest), "levels differ by up to 6 %: {smallest}");
    let findable = p50.findable.unwrap();
    assert!((smallest..0.8).contains(&findable), "80 % need more than half: {findable}");
    let told = render::text::self_check(&found);
    for part in ["A against A: embedded", "of 40 comparisons", "3 runs a side; 10 groups of 6"]
    {
        assert!(told.contains(part), "{part}: {told}");
    }
    assert!(render::markdown::self_check(&found).contains("smallest difference"));
}

#[test]
fn a_stored_self_check_is_shown_as_it_was_and_a_damaged_one_refused() {
    let mut found = check(12, |run| 1000 + run * 7919 % 61).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("check.json");
    let show = |found: &SelfCheck, format: &str| {
        std::fs::write(&file, store::to_json(found)).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_echo-bench"));
        command.arg("report").arg(&file).args(["--format", format]).output().unwrap()
    };
    for (format, shown) in [
        ("text", render::text::self_check(&found)),
        ("markdown", render::markdown::self_check(&found)),
        ("json", store::to_json(&found)),
        ("html", render::html::self_check(&found)),
    ] {
        let output = show(&found, format);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), shown, "{format}");
    }
    let page = folder.path().join("check.html");
    std::fs::write(&page, render::html::self_check(&found)).unwrap();
    assert_eq!(store::open(&page).unwrap().parse::<SelfCheck>().unwrap(), found);
    assert!(render::text::self_check(&found).starts_with("0.0 % [0.0, "));
    found.metrics[0].false_alarms = found.comparisons + 1;
    let output = show(&found, "text");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("metrics[0].judged") && !output.status.success(), "{said}");
}

#[test]
fn a_machine_on_which_every_other_run_is_slow_does_not_keep_it() {
    let found = check(120, |run| if run % 2 == 0 { 1000 } else { 1500 }).unwrap();
    assert!(found.false_alarms > 0.2 && !found.is_kept, "{found:?}");
    assert!(found.metrics[Metric::P50 as usize].false_alarms > 0);
    let told = render::text::self_check(&found);
    assert!(told.contains("more false alarms than promised"), "{told}");
}

#[test]
fn too_few_runs_are_no_comparison() {
    let refused = check(5, |_| 1000).unwrap_err();
    assert_eq!(refused, SelfCheckError::TooFewRuns { made: 5, needed: 6 });
}

#[test]
fn what_is_no_self_check_is_a_usage_error() {
    for (args, told) in [
        (&["--runs=2", "a", "b"][..], "--self-check"),
        (&["--self-check", "a"], "--self-check"),
        (&["--self-check", "--runs=0"], "--runs must be from 2"),
        (&["--self-check", "--", "--conns=0"], "after --: --conns"),
        (&["--self-check", "--", "--nonsense"], "--nonsense"),
        (&["--self-check", "--", "--repeat=3"], "leave --repeat out"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_echo-bench"));
        let output = command.arg("compare").args(args).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
        assert!(said.contains(told), "{args:?}: {said}");
    }
}
