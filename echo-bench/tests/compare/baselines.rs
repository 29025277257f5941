//! Saved baselines, and `merge` of runs.

use super::*;

#[test]
fn a_baseline_is_saved_and_compared_with() {
    let room = tempfile::tempdir().unwrap();
    side(&room.path().join("base"), 1, 5, 100, same);
    side(&room.path().join("new"), 2, 1, 200, same);
    let missing = echo_bench(room.path(), &["compare", "--baseline", "main", "new"]);
    assert!(String::from_utf8(missing.stderr).unwrap().contains("--save-baseline main"));
    stdout(echo_bench(room.path(), &["compare", "--save-baseline", "main", "--new", "base"]));
    assert!(room.path().join("echo-bench/baselines/main/0005.json").exists());
    let args = ["compare", "--baseline", "main", "new", "--fail-on", "worse"];
    let output = echo_bench(room.path(), &args);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(3), "{text}");
    assert!(text.contains("run-to-run-borrowed"), "{text}");
    let outside = echo_bench(room.path(), &["compare", "--save-baseline", "../x", "base"]);
    assert_eq!(outside.status.code(), Some(1), "a name is no path");
}

#[test]
fn a_run_that_is_no_reference_does_not_replace_a_baseline() {
    let room = tempfile::tempdir().unwrap();
    side(&room.path().join("good"), 1, 2, 100, same);
    side(&room.path().join("cut"), 1, 2, 200, |report| report["interrupted"] = true.into());
    side(&room.path().join("invalid"), 1, 2, 200, |report| {
        report["verdict"] = "invalid".into();
    });
    let save = |side: &str| {
        echo_bench(room.path(), &["compare", "--save-baseline", "main", "--new", side])
    };
    stdout(save("good"));
    let saved = room.path().join("echo-bench/baselines/main/0001.json");
    let before = std::fs::read(&saved).unwrap();
    for (side, reason) in [("cut", "was interrupted"), ("invalid", "is invalid")] {
        let refused = save(side);
        let told = String::from_utf8(refused.stderr).unwrap();
        assert_eq!(refused.status.code(), Some(1), "{told}");
        assert!(told.contains("`main` was not saved") && told.contains(reason), "{told}");
    }
    assert_eq!(std::fs::read(&saved).unwrap(), before);
}

#[test]
fn merging_loses_nothing_and_refuses_what_is_not_one_plan() {
    let room = tempfile::tempdir().unwrap();
    side(&room.path().join("a"), 1, 3, 100, same);
    stdout(echo_bench(room.path(), &["merge", "a", "-o", "merged.json"]));
    let text = stdout(echo_bench(room.path(), &["report", "merged.json", "--format", "json"]));
    let merged: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(merged["summary"]["requests"]["ok"], 15_000);
    assert_eq!(merged["summary"]["measured_s"], 30.0);
    assert_eq!(merged["intervals"].as_array().unwrap().len(), 30);
    let response: LatencySummary =
        serde_json::from_value(merged["summary"]["latency"]["response"].clone()).unwrap();
    let mut right = Latency::default();
    for number in [1, 3, 5] {
        let own = report(number, 100)["summary"]["latency"]["response"].clone();
        let own: LatencySummary = serde_json::from_value(own).unwrap();
        right += &own.latency().unwrap();
    }
    assert_eq!(response.histogram().unwrap(), *right.histogram());
    assert!(stdout(echo_bench(room.path(), &["report", "merged.json"])).contains("15 000"));

    side(&room.path().join("b"), 2, 1, 100, |report| report["plan"]["connections"] = 7.into());
    side(&room.path().join("c"), 1, 1, 100, same);
    for (with, reason) in [("b", "connections (10 and 7)"), ("c", "overlap")] {
        let refused = echo_bench(room.path(), &["merge", "a", with]);
        assert_eq!(refused.status.code(), Some(1));
        let told = String::from_utf8(refused.stderr).unwrap();
        assert!(told.contains(reason), "{told}");
    }
}
