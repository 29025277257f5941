//! `history` over a folder of reports, and baselines in a folder of one's own.

use std::fs;

use super::*;

/// Ten runs of a level, and ten of another.
fn changed(folder: &Path, before_us: u64, after_us: u64) {
    let wobble = |level: u64| (0..10).map(move |run| level + [0, 1, 2, 1, 0][run % 5]);
    let levels: Vec<u64> = wobble(before_us).chain(wobble(after_us)).collect();
    for (number, level) in (1..).zip(&levels) {
        write(folder, number, &[*level], |report| {
            report["labels"]["commit"] = format!("c{number}").into();
            // Made-up rates rise from report to report.
            report["summary"]["achieved_per_s"] = 500.0.into();
        });
    }
}

#[test]
fn a_change_of_level_is_dated_and_gates_a_build() {
    let room = tempfile::tempdir().unwrap();
    changed(&room.path().join("runs"), 100, 130);
    let output = echo_bench(room.path(), &["history", "runs"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let shown = text(&output.stdout);
    assert!(shown.contains("is worse since c11 (2026-01-01)"), "{shown}");
    assert!(shown.contains("tokio line c10"), "{shown}");
    let gated = echo_bench(room.path(), &["history", "runs", "--fail-on", "worse"]);
    assert_eq!(gated.status.code(), Some(3));
    let page = echo_bench(room.path(), &["history", "runs", "-o", "history.html"]);
    assert!(page.status.success(), "{}", text(&page.stderr));
    let page = fs::read_to_string(room.path().join("history.html")).unwrap();
    assert!(page.contains("<svg") && page.contains("c11"), "no chart");
}

#[test]
fn runs_that_stay_as_they_are_have_no_change() {
    let room = tempfile::tempdir().unwrap();
    changed(&room.path().join("runs"), 100, 100);
    // What is no report is left out.
    fs::write(room.path().join("runs/other.json"), "{}").unwrap();
    let output =
        echo_bench(room.path(), &["history", "runs", "--fail-on=worse", "--format=json"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("left out"), "{}", text(&output.stderr));
    let history: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(history["schema"], "echo-bench.history/1");
    let trends = history["series"][0]["trends"].as_array().unwrap();
    assert_eq!(trends.len(), 3);
    for trend in trends {
        assert_eq!((&trend["runs"], &trend["changes"]), (&20.into(), &serde_json::json!([])));
    }
    let nothing = echo_bench(room.path(), &["history", "."]);
    assert_eq!(nothing.status.code(), Some(4), "{}", text(&nothing.stderr));
}

#[test]
fn baselines_are_kept_where_one_says() {
    let room = tempfile::tempdir().unwrap();
    write(&room.path().join("base"), 1, &[100, 101], |_| {});
    write(&room.path().join("new"), 3, &[100, 101], |_| {});
    let place = "--baseline-dir=kept";
    let saved = echo_bench(
        room.path(),
        &["compare", "--save-baseline", "main", "--new", "base", place],
    );
    assert!(saved.status.success(), "{}", text(&saved.stderr));
    assert!(room.path().join("kept/main/0001.json").is_file());
    let compared = echo_bench(room.path(), &["compare", "--baseline", "main", "new", place]);
    assert!(compared.status.success(), "{}", text(&compared.stderr));
    let elsewhere = echo_bench(room.path(), &["compare", "--baseline", "main", "new"]);
    assert!(
        text(&elsewhere.stderr).contains("no baseline `main`"),
        "{}",
        text(&elsewhere.stderr)
    );
    let listed = echo_bench(room.path(), &["baseline", "list", place]);
    assert!(text(&listed.stdout).contains("main"), "{}", text(&listed.stdout));
}
