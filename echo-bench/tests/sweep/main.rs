//! Sweeps from stored reports: what a folder takes back, and what is made of it.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

mod conclusions;
mod study;

use std::path::Path;

use echo_bench::cli::plan_file::identity;
use echo_bench::sweep::folder::{Folder, FolderError};
use echo_bench::sweep::reuse::{self, Beginning};
use echo_bench_report::compare::{Metric, Verdict};
use echo_bench_report::report::{Report, Tool, store};
use echo_bench_report::sweep::analysis::{self, Options};
use echo_bench_report::sweep::order::Turn;
use echo_bench_report::sweep::{
    self, Analysis, Axis, Cell, EffectMetric, Flag, Level, Sweep, SweepPlan,
};
use echo_test_support::made_up::{self, Shape};
use rand::{RngExt, SeedableRng};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;

fn report(number: u64, level_us: u64) -> Report {
    let shape = Shape { intervals: 10, answers: 500, spread: 101 };
    serde_json::from_value(made_up::report(shape, number, level_us)).unwrap()
}

fn axis(flag: &str, values: &[&str]) -> Axis {
    let level = |value: &&str| {
        let (flag, value) = (flag.to_owned(), (*value).to_owned());
        Level { name: value.clone(), flags: vec![Flag { flag, value }] }
    };
    Axis { name: flag.into(), levels: values.iter().map(level).collect() }
}

fn plan() -> SweepPlan {
    let axes = vec![axis("nodelay", &["on", "off"]), axis("conns", &["1", "10"])];
    SweepPlan { fixed: Vec::new(), axes, repeats: 2, seed: 1 }
}

/// The folder of a sweep.
fn open(path: &Path, plan: &SweepPlan) -> Result<Folder, FolderError> {
    Folder::open(path, &identity(plan))
}

const FIRST: Turn = Turn { repeat: 0, cell: 0 };
const SECOND: Turn = Turn { repeat: 1, cell: 0 };

#[test]
fn what_is_finished_is_found_again_and_what_was_cut_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let folder = open(directory.path(), &plan()).unwrap();
    assert_eq!(folder.report(FIRST), None);
    let whole = report(1, 100);
    store::save(&whole, &folder.file(FIRST)).unwrap();
    store::save(&Report { interrupted: true, ..whole.clone() }, &folder.file(SECOND)).unwrap();
    drop(folder);
    let folder = open(directory.path(), &plan()).unwrap();
    assert_eq!(folder.report(FIRST), Some(whole));
    assert_eq!(folder.report(SECOND), None, "an interrupted run is repeated");
    std::fs::write(folder.file(FIRST), "{ half of a").unwrap();
    assert_eq!(folder.report(FIRST), None, "a damaged file is measured anew");
}

fn refusal(path: &Path, plan: &SweepPlan) -> String {
    open(path, plan).unwrap_err().to_string()
}

#[test]
fn the_folder_of_another_plan_is_refused_with_what_differs() {
    let directory = tempfile::tempdir().unwrap();
    drop(open(directory.path(), &plan()).unwrap());
    let mut other = plan();
    other.axes[1] = axis("conns", &["1", "20"]);
    let told = refusal(directory.path(), &other);
    let differ = r#"- conns = ["1", "10"]; + conns = ["1", "20"]"#;
    assert!(told.contains(differ) && told.contains("--dir"), "{told}");
    let told = refusal(directory.path(), &SweepPlan { seed: 2, ..plan() });
    assert!(told.contains("- seed = 1; + seed = 2"), "{told}");
    // Repeats may be added.
    drop(open(directory.path(), &SweepPlan { repeats: 5, ..plan() }).unwrap());
}

#[test]
fn two_sweeps_at_a_time_do_not_share_a_folder() {
    let directory = tempfile::tempdir().unwrap();
    let first = open(directory.path(), &plan()).unwrap();
    assert!(matches!(open(directory.path(), &plan()), Err(FolderError::InUse { .. })));
    drop(first);
    drop(open(directory.path(), &plan()).unwrap());
}

#[test]
fn a_link_in_the_place_of_the_lock_is_not_written_through() {
    let directory = tempfile::tempdir().unwrap();
    let victim = directory.path().join("victim");
    std::fs::write(&victim, "precious").unwrap();
    let folder = directory.path().join("sweep");
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::symlink(&victim, folder.join("lock")).unwrap();
    let told = refusal(&folder, &plan());
    assert!(told.contains("`lock` is a link") && told.contains("--dir"), "{told}");
    assert_eq!(std::fs::read_to_string(&victim).unwrap(), "precious");
}

#[test]
fn runs_of_another_build_are_not_mixed_in() {
    let directory = tempfile::tempdir().unwrap();
    let folder = open(directory.path(), &plan()).unwrap();
    assert!(folder.check_tool(&Tool::this(), &Tool::this()).is_ok());
    let old = Tool { version: "0.0.9".into(), revision: Some("abc".into()), ..Tool::this() };
    let told = folder.check_tool(&old, &Tool::this()).unwrap_err().to_string();
    assert!(told.contains("echo-bench 0.0.9 (abc)") && told.contains("--dir"), "{told}");
}

/// Stores both runs of the first cell, and the result if the sweep is to be finished.
fn measured(path: &Path, finished: bool) {
    let folder = open(path, &plan()).unwrap();
    for turn in [FIRST, SECOND] {
        store::save(&report(1, 100), &folder.file(turn)).unwrap();
    }
    if finished {
        std::fs::write(folder.result(), "{}").unwrap();
    }
}

/// How many runs are reused, where the sweep measures, and what is said.
fn begun(path: &Path, resume: bool, is_same: bool) -> (usize, String, Option<String>) {
    let Beginning { folder, found, remark, .. } =
        reuse::begin(path, &plan(), &identity(&plan()), resume, |_, _| {
            (!is_same).then_some("a server that was replaced")
        })
        .unwrap();
    let name = folder.path().file_name().unwrap().to_str().unwrap().to_owned();
    (found.len(), name, remark)
}

#[test]
fn an_unfinished_sweep_is_continued_and_a_finished_one_on_request() {
    let room = tempfile::tempdir().unwrap();
    let [cut, whole] = ["cut", "whole"].map(|name| room.path().join(name));
    measured(&cut, false);
    measured(&whole, true);
    assert_eq!(begun(&cut, false, true), (2, "cut".into(), None));
    assert_eq!(begun(&whole, true, true), (2, "whole".into(), None));
    // What else has such a name is left alone.
    std::fs::create_dir(room.path().join("whole-2")).unwrap();
    let (reused, place, remark) = begun(&whole, false, true);
    assert_eq!((reused, place.as_str()), (0, "whole-3"));
    assert!(remark.unwrap().contains("--resume"));
    // The newest is the one that was cut.
    measured(&room.path().join("whole-3"), false);
    assert_eq!(begun(&whole, false, true), (2, "whole-3".into(), None));
}

#[test]
fn runs_of_a_server_that_was_replaced_are_never_reused_or_overwritten() {
    let room = tempfile::tempdir().unwrap();
    for (name, finished, resume) in
        [("a", false, false), ("b", true, false), ("c", true, true), ("d", false, true)]
    {
        measured(&room.path().join(name), finished);
        let (reused, place, remark) = begun(&room.path().join(name), resume, false);
        assert_eq!((reused, place), (0, format!("{name}-2")));
        assert!(remark.unwrap().contains("was replaced since"));
    }
}

#[test]
fn reused_runs_are_told_with_their_age() {
    let room = tempfile::tempdir().unwrap();
    measured(&room.path().join("cut"), false);
    let path = room.path().join("cut");
    let beginning =
        reuse::begin(&path, &plan(), &identity(&plan()), false, |_, _| None).unwrap();
    // The runs began at 00:01.
    let now = humantime::parse_rfc3339("2026-01-01T00:30:00Z").unwrap();
    let told = beginning.caution(now, &["192.0.2.1:80".into()]).unwrap().message;
    assert!(told.starts_with("2 runs of an unfinished sweep are reused, "), "{told}");
    assert!(told.contains("29m"), "{told}");
    assert!(told.contains("only the address of 192.0.2.1:80 is known"), "{told}");
}

#[test]
fn every_plan_has_a_default_folder_of_its_own_whatever_its_repeats() {
    let path = Folder::default_path(&identity(&plan()));
    assert_eq!(Folder::default_path(&identity(&SweepPlan { repeats: 9, ..plan() })), path);
    assert_ne!(Folder::default_path(&identity(&SweepPlan { seed: 9, ..plan() })), path);
}

const OPTIONS: Options =
    Options { threshold: 0.01, resamples: 200, seed: 1, rank_by: None, all_pairs: None };

/// The cells of a plan, each with runs of the latencies that `levels` gives for them, in
/// microseconds.
fn cells(plan: &SweepPlan, mut levels: impl FnMut(&[String]) -> Vec<u64>) -> Vec<Cell> {
    let mut number = 0;
    let mut cell = |name: String, of: Vec<String>| {
        let run = |level| {
            number += 1;
            report(number % 50, level)
        };
        let runs = levels(&of).into_iter().map(run).collect();
        Cell { name, levels: of, runs, failures: Vec::new() }
    };
    plan.cells().into_iter().map(|plan| cell(plan.name, plan.levels)).collect()
}

/// A median and what one setting does to it.
fn effect<'a>(analysis: &'a Analysis, axis: &str, metric: Metric) -> &'a EffectMetric {
    let effect = analysis.effects.iter().find(|effect| effect.axis == axis).unwrap();
    &effect.metrics[metric as usize]
}

fn interval_holds(metric: &EffectMetric, truth: f64) -> bool {
    let [low, high] = metric.overall.interval.unwrap();
    (low..=high).contains(&truth) && high / low < 1.1
}

#[test]
fn a_known_ratio_is_found_and_what_does_nothing_is_left_alone() {
    let plan = SweepPlan { repeats: 3, ..plan() };
    // Off is twice as slow; connections do nothing.
    let cells = cells(&plan, |levels| {
        let level = if levels[0] == "off" { 2000 } else { 1000 };
        vec![level - 5, level, level + 5]
    });
    let analysis = analysis::analyse(&plan, &cells, OPTIONS);
    for metric in [Metric::P50, Metric::P90] {
        let off = effect(&analysis, "nodelay", metric);
        assert_eq!((off.overall.verdict, off.pairs), (Verdict::Worse, 2), "{off:?}");
        assert!(interval_holds(off, 2.0), "{off:?}");
        assert!(!off.depends && off.depends_on.is_empty(), "{off:?}");
        let conns = effect(&analysis, "conns", metric);
        assert_eq!(conns.overall.verdict, Verdict::NoEvidence, "{conns:?}");
        assert!(interval_holds(conns, 1.0) && !conns.depends, "{conns:?}");
    }
    // Four questions would be asked of each metric alone; zero errors are no question.
    let errors = effect(&analysis, "nodelay", Metric::Errors);
    assert_eq!((errors.overall.p, errors.depends), (None, false));
    assert!(analysis.cautions.is_empty(), "{:?}", analysis.cautions);
}

#[test]
fn an_effect_that_hangs_on_another_axis_is_told_with_that_axis() {
    let axes = vec![
        axis("nodelay", &["on", "off"]),
        axis("split-writes", &["1", "2"]),
        axis("conns", &["1", "10"]),
    ];
    let plan = SweepPlan { axes, repeats: 3, ..plan() };
    // Off is four times as slow, but only with split writes.
    let cells = cells(&plan, |levels| {
        let slow = levels[0] == "off" && levels[1] == "2";
        let level = if slow { 4000 } else { 1000 };
        vec![level - 5, level, level + 5]
    });
    let analysis = analysis::analyse(&plan, &cells, OPTIONS);
    let off = effect(&analysis, "nodelay", Metric::P50);
    assert!(interval_holds(off, 2.0), "the geometric mean of 1, 1, 4 and 4: {off:?}");
    assert_eq!(off.depends_on, ["split-writes"]);
    assert_eq!(effect(&analysis, "split-writes", Metric::P50).depends_on, ["nodelay"]);
    assert!(!effect(&analysis, "conns", Metric::P50).depends);
    let [least, greatest] = off.spread.unwrap();
    assert!((0.97..1.03).contains(&least) && (3.9..4.1).contains(&greatest), "{off:?}");
}

#[test]
fn cells_that_alike_are_rarely_told_apart_or_said_to_depend() {
    let levels: Vec<String> = (1..=6).map(|level| level.to_string()).collect();
    let levels: Vec<&str> = levels.iter().map(String::as_str).collect();
    let axes = vec![axis("nodelay", &["on", "off"]), axis("conns", &levels)];
    let plan = SweepPlan { axes, repeats: 3, ..plan() };
    let alarms: usize = (0..100_u64)
        .into_par_iter()
        .filter(|seed| {
            let mut random = Xoshiro256PlusPlus::seed_from_u64(*seed);
            // Runs differ by about 2 %, cells do not.
            let mut level = || (0..12).map(|_| random.random_range(0..20_u64)).sum::<u64>();
            let cells = cells(&plan, |_| (0..3).map(|_| 900 + level()).collect());
            let analysis =
                analysis::analyse(&plan, &cells, Options { threshold: 0.0, ..OPTIONS });
            let mut metrics = analysis.effects.iter().flat_map(|effect| &effect.metrics);
            metrics.any(|metric| {
                let said = matches!(metric.overall.verdict, Verdict::Better | Verdict::Worse);
                said || metric.depends
            })
        })
        .count();
    assert!(alarms <= 10, "{alarms} of 100 sweeps in which nothing does anything");
}

#[test]
fn cells_without_runs_are_left_out_and_told() {
    let plan = SweepPlan { repeats: 3, ..plan() };
    let broken = |levels: &[String]| levels[0] == "off" && levels[1] == "10";
    let measured =
        cells(&plan, |levels| if broken(levels) { Vec::new() } else { vec![995, 1000, 1005] });
    let analysis = analysis::analyse(&plan, &measured, OPTIONS);
    assert_eq!(analysis.ranking.len(), 3);
    assert_eq!(effect(&analysis, "nodelay", Metric::P50).pairs, 1);
    let codes: Vec<&str> = analysis.cautions.iter().map(|c| c.code.as_str()).collect();
    assert_eq!(codes, ["missing-runs"]);
    assert_eq!(analysis.cautions[0].message, "3 of 12 runs gave no report");
    // Nothing at all is no reason to fall over.
    let none = cells(&plan, |_| Vec::new());
    let analysis = analysis::analyse(&plan, &none, OPTIONS);
    assert!(analysis.ranking.is_empty() && analysis.effects.is_empty());
}

#[test]
fn a_cell_with_a_single_run_borrows_from_its_own_pair_and_from_no_other() {
    let plan = SweepPlan { repeats: 3, ..plan() };
    let width = |alone: bool| {
        let cells = cells(&plan, |levels| match (levels[0].as_str(), levels[1].as_str()) {
            ("on", "1") if alone => vec![1000],
            (_, "1") => vec![950, 1000, 1050],
            _ => vec![999, 1000, 1001],
        });
        let analysis = analysis::analyse(&plan, &cells, OPTIONS);
        let [low, high] = effect(&analysis, "nodelay", Metric::P50).overall.interval.unwrap();
        high / low
    };
    assert!(width(true) > width(false), "{} {}", width(true), width(false));
}

#[test]
fn the_best_cell_is_first_and_ranks_by_what_is_asked_for() {
    let plan = SweepPlan { repeats: 3, ..plan() };
    let cells = cells(&plan, |levels| {
        let level =
            1000 + 100 * u64::from(levels[0] == "on") + 50 * u64::from(levels[1] == "1");
        vec![level - 1, level, level + 1]
    });
    let options = Options { rank_by: Some(Metric::P50), ..OPTIONS };
    let analysis = analysis::analyse(&plan, &cells, options);
    let order: Vec<usize> = analysis.ranking.iter().map(|ranked| ranked.cell).collect();
    assert_eq!(order, [3, 2, 1, 0]);
    let best = &analysis.ranking[0].metrics[Metric::P50 as usize];
    let [low, high] = best.interval.unwrap();
    assert!((low..=high).contains(&best.value.unwrap()));
}

#[test]
fn a_single_run_of_each_cell_is_ranked_by_what_it_measured() {
    let plan = SweepPlan { repeats: 1, ..plan() };
    // Too short to say how sure the values are, and one that drifts all the way.
    let shape = Shape { intervals: 2, answers: 500, spread: 101 };
    let mut cells = cells(&plan, |_| vec![1000]);
    for (number, cell) in cells.iter_mut().enumerate() {
        let level = 1000 + 100 * number as u64;
        let short = made_up::report(shape, number as u64, level);
        cell.runs = vec![serde_json::from_value(short).unwrap()];
    }
    let mut drifting = report(7, 1500);
    for (place, interval) in drifting.intervals.iter_mut().enumerate() {
        interval.length_s = 0.2 + 0.2 * place as f64;
    }
    cells[3].runs = vec![drifting];
    let options = Options { rank_by: Some(Metric::P50), ..OPTIONS };
    let analysis = analysis::analyse(&plan, &cells, options);
    let order: Vec<usize> = analysis.ranking.iter().map(|ranked| ranked.cell).collect();
    assert_eq!(order, [0, 1, 2, 3]);
    for ranked in &analysis.ranking {
        for metric in
            [Metric::Throughput, Metric::P50, Metric::P99, Metric::Max, Metric::Errors]
        {
            let found = &ranked.metrics[metric as usize];
            assert!(found.value.is_some(), "{found:?}");
            assert!(found.interval.is_some() || found.reason.is_some(), "{found:?}");
        }
        let throughput = &ranked.metrics[Metric::Throughput as usize];
        let narrow = |[low, high]: [f64; 2]| high < 3.0 * low;
        assert!(throughput.interval.is_none_or(narrow), "{throughput:?}");
    }
}
