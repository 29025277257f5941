//! Sweeps from stored reports: what a folder takes back.

#![expect(clippy::unwrap_used, reason = "a test that can't go on has failed")]

use std::path::Path;

use echo_bench::report::{Report, Tool, store};
use echo_bench::sweep::folder::{Folder, FolderError};
use echo_bench::sweep::order::Turn;
use echo_bench::sweep::{Axis, Flag, Level, SweepPlan};
use made_up::Shape;

mod made_up;

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

const FIRST: Turn = Turn { repeat: 0, cell: 0 };
const SECOND: Turn = Turn { repeat: 1, cell: 0 };

#[test]
fn what_is_finished_is_found_again_and_what_was_cut_is_not() {
    let directory = tempfile::tempdir().unwrap();
    let folder = Folder::open(directory.path(), &plan()).unwrap();
    assert_eq!(folder.report(FIRST), None);
    let whole = report(1, 100);
    store::save(&whole, &folder.file(FIRST)).unwrap();
    store::save(&Report { interrupted: true, ..whole.clone() }, &folder.file(SECOND)).unwrap();
    drop(folder);
    let folder = Folder::open(directory.path(), &plan()).unwrap();
    assert_eq!(folder.report(FIRST), Some(whole));
    assert_eq!(folder.report(SECOND), None, "an interrupted run is made again");
    std::fs::write(folder.file(FIRST), "{ half of a").unwrap();
    assert_eq!(folder.report(FIRST), None, "a damaged file is made again");
}

fn refusal(path: &Path, plan: &SweepPlan) -> String {
    Folder::open(path, plan).unwrap_err().to_string()
}

#[test]
fn the_folder_of_another_plan_is_refused_with_what_differs() {
    let directory = tempfile::tempdir().unwrap();
    drop(Folder::open(directory.path(), &plan()).unwrap());
    let mut other = plan();
    other.axes[1] = axis("conns", &["1", "20"]);
    let told = refusal(directory.path(), &other);
    let differ = r#"- conns = ["1", "10"]; + conns = ["1", "20"]"#;
    assert!(told.contains(differ) && told.contains("--dir"), "{told}");
    let told = refusal(directory.path(), &SweepPlan { seed: 2, ..plan() });
    assert!(told.contains("- seed = 1; + seed = 2"), "{told}");
    // Repeats may be added.
    drop(Folder::open(directory.path(), &SweepPlan { repeats: 5, ..plan() }).unwrap());
}

#[test]
fn two_sweeps_at_a_time_do_not_share_a_folder() {
    let directory = tempfile::tempdir().unwrap();
    let first = Folder::open(directory.path(), &plan()).unwrap();
    assert!(matches!(Folder::open(directory.path(), &plan()), Err(FolderError::InUse { .. })));
    drop(first);
    drop(Folder::open(directory.path(), &plan()).unwrap());
}

#[test]
fn runs_of_another_build_are_not_mixed_in() {
    let directory = tempfile::tempdir().unwrap();
    let folder = Folder::open(directory.path(), &plan()).unwrap();
    assert!(folder.check_tool(&Tool::this(), &Tool::this()).is_ok());
    let old = Tool { version: "0.0.9".into(), revision: Some("abc".into()), ..Tool::this() };
    let told = folder.check_tool(&old, &Tool::this()).unwrap_err().to_string();
    assert!(told.contains("echo-bench 0.0.9 (abc)") && told.contains("--dir"), "{told}");
}

#[test]
fn every_plan_has_a_default_folder_of_its_own_whatever_its_repeats() {
    let path = Folder::default_path(&plan());
    assert_eq!(Folder::default_path(&SweepPlan { repeats: 9, ..plan() }), path);
    assert_ne!(Folder::default_path(&SweepPlan { seed: 9, ..plan() }), path);
}
