//! `--fail-on worse`: gates that pass, fail, or can't decide.

use super::*;

#[test]
fn a_gate_that_can_compare_nothing_fails_with_the_reason_and_both_values() {
    let room = tempfile::tempdir().unwrap();
    side(&room.path().join("base"), 1, 1, 100, same);
    side(&room.path().join("new"), 2, 1, 100, short(2, 19_100));
    let gate = |format| {
        let args = ["compare", "base", "new", "--fail-on", "worse", "--format", format];
        let output = echo_bench(room.path(), &args);
        let (text, told) = [output.stdout, output.stderr]
            .map(|bytes| String::from_utf8(bytes).unwrap())
            .into();
        assert_eq!(output.status.code(), Some(4), "191 times as slow: {text}{told}");
        assert!(told.contains("no latency was compared"), "{told}");
        assert!(told.contains("one run of 2 intervals"), "the reason: {told}");
        text
    };
    let comparison: Value = serde_json::from_str(&gate("json")).unwrap();
    let p50 = metric(&comparison, "p50");
    let ratio = p50["candidate"].as_f64().unwrap() / p50["base"].as_f64().unwrap();
    assert!((180.0..200.0).contains(&ratio), "{p50}");
    assert!((180.0..200.0).contains(&p50["ratio"].as_f64().unwrap()), "{p50}");
    let max = metric(&comparison, "max");
    assert!(max["base"].as_f64() > Some(1e5) && max["candidate"].as_f64() > Some(1e7), "{max}");
    for format in ["text", "markdown", "html"] {
        let shown = gate(format).replace('\u{202f}', " ");
        assert!(
            (shown.contains("0.100 ms") || shown.contains("0.101 ms"))
                && shown.contains("19.2 ms"),
            "{format}: {shown}"
        );
        assert!(shown.contains("single run: run-to-run variance unknown"), "{format}: {shown}");
    }
}

#[test]
fn a_gate_that_passes_names_the_percentiles_that_it_did_not_judge() {
    let room = tempfile::tempdir().unwrap();
    let shape = Shape { intervals: 10, answers: 50, spread: 101 };
    let few = |number| move |report: &mut Value| *report = made_up::report(shape, number, 100);
    side(&room.path().join("base"), 1, 1, 100, few(1));
    side(&room.path().join("new"), 2, 1, 100, few(2));
    let gate = |args: &[&str]| {
        let output = echo_bench(room.path(), &[&["compare", "base", "new"], args].concat());
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(0), "{told}");
        told
    };
    let told = gate(&["--fail-on", "worse", "--allow-single"]);
    assert!(told.contains("--fail-on did not judge p99.9:"), "{told}");
    assert_eq!(gate(&[]), "", "without a gate nothing is judged");
}

#[test]
fn one_run_a_side_has_ratios_and_no_verdict_and_fails_a_gate_unless_allowed() {
    let room = tempfile::tempdir().unwrap();
    for (name, number, level) in [("a", 1, 100), ("same", 2, 100), ("slow", 2, 300)] {
        side(&room.path().join(name), number, 1, level, same);
    }
    let code = |new: &str, args: &[&str]| {
        let output = echo_bench(room.path(), &[&["compare", "a", new], args].concat());
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), told)
    };
    for new in ["same", "slow"] {
        let (gated, told) = code(new, &["--fail-on", "worse"]);
        assert_eq!(gated, Some(4), "{told}");
        assert!(told.contains("single run: not judged"), "{told}");
        let (open, told) = code(new, &["--format", "json"]);
        assert_eq!(open, Some(0), "{told}");
        let comparison: Value = serde_json::from_str(&told).unwrap();
        let p50 = metric(&comparison, "p50");
        assert_eq!(p50["verdict"], "single_run", "{p50}");
        assert!(p50["ratio"].is_f64() && p50["interval"].is_array(), "{p50}");
    }
    let allowed = ["--fail-on", "worse", "--allow-single"];
    assert_eq!(code("same", &allowed).0, Some(0));
    assert_eq!(code("slow", &allowed).0, Some(3));
    assert_eq!(code("slow", &["--allow-single"]).0, Some(2), "it is a part of the gate");
}

#[test]
fn replies_of_the_drain_are_no_point_of_the_series() {
    let room = tempfile::tempdir().unwrap();
    // Under overload as many replies came in the drain as in the window.
    let overloaded = |report: &mut Value| {
        for interval in report["intervals"].as_array_mut().unwrap() {
            interval["answered"] = 500.into();
        }
        report["intervals"][9]["ok"] = 5500.into();
        for count in ["scheduled", "ok"] {
            report["summary"]["requests"][count] = 10_000.into();
        }
    };
    side(&room.path().join("a"), 1, 1, 100, overloaded);
    side(&room.path().join("b"), 2, 1, 100, overloaded);
    let text = stdout(echo_bench(room.path(), &["compare", "a", "b", "--format", "json"]));
    let throughput = metric(&serde_json::from_str(&text).unwrap(), "throughput").clone();
    let [low, high] = [0, 1].map(|end| throughput["interval"][end].as_f64().unwrap());
    assert!((0.98..1.02).contains(&low) && (0.98..1.02).contains(&high), "{throughput}");
}

#[test]
fn what_was_made_of_reports_may_lie_beside_them() {
    let room = tempfile::tempdir().unwrap();
    side(&room.path().join("base"), 1, 3, 100, same);
    side(&room.path().join("new"), 2, 3, 100, same);
    stdout(echo_bench(room.path(), &["compare", "base", "new", "-o", "new/comparison.json"]));
    std::fs::write(room.path().join("new/sweep.json"), r#"{"schema":"echo-bench.sweep/1"}"#)
        .unwrap();
    let text = stdout(echo_bench(room.path(), &["compare", "base", "new"]));
    assert!(text.contains("new        new (3 runs)"), "{text}");
    stdout(echo_bench(room.path(), &["merge", "new", "-o", "merged.json"]));
    std::fs::create_dir(room.path().join("none")).unwrap();
    std::fs::copy(room.path().join("new/sweep.json"), room.path().join("none/sweep.json"))
        .unwrap();
    let refused = echo_bench(room.path(), &["compare", "base", "none"]);
    assert!(String::from_utf8(refused.stderr).unwrap().contains("none holds no report"));
}

#[test]
fn a_gate_fails_where_a_side_measured_nothing() {
    let room = tempfile::tempdir().unwrap();
    side(&room.path().join("base"), 1, 3, 100, same);
    side(&room.path().join("dead"), 2, 3, 100, unanswered);
    for (args, whose) in [(["base", "dead"], "candidate"), (["dead", "base"], "base")] {
        let args = [&["compare", "--fail-on", "worse"][..], &args].concat();
        let output = echo_bench(room.path(), &args);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{args:?}: {told}");
        let reason = format!("3 of 3 runs of the {whose} have no successful reply");
        assert!(told.contains(&reason), "{args:?}: {told}");
    }
}

#[test]
fn a_gate_fails_where_runs_are_invalid_by_their_own_report() {
    let room = tempfile::tempdir().unwrap();
    let invalid = |report: &mut Value| report["verdict"] = "invalid".into();
    side(&room.path().join("good"), 1, 3, 100, same);
    side(&room.path().join("invalid"), 2, 3, 100, invalid);
    for (args, whose) in [(["good", "invalid"], "candidate"), (["invalid", "good"], "base")] {
        let gate = [&["compare", "--fail-on", "worse"][..], &args].concat();
        let output = echo_bench(room.path(), &gate);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{args:?}: {told}");
        let reason = format!("3 of 3 runs of the {whose} are invalid by their own report");
        assert!(told.contains(&reason), "{args:?}: {told}");
    }
}

#[test]
fn a_gate_fails_where_the_candidate_lacks_a_case() {
    let room = tempfile::tempdir().unwrap();
    let conns =
        |count: u64| move |report: &mut Value| report["plan"]["connections"] = count.into();
    for (side_name, first, counts) in [("a", 1, [1, 10]), ("b", 2, [10, 10])] {
        for (place, count) in counts.into_iter().enumerate() {
            let first = first + 10 * place as u64;
            side(&room.path().join(side_name), first, 2, 100, conns(count));
        }
    }
    let gate = |base, new| {
        let output = echo_bench(room.path(), &["compare", base, new, "--fail-on", "worse"]);
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (code, told) = gate("a", "b");
    assert_eq!(code, Some(4), "{told}");
    assert!(told.contains("only in base: connections=1"), "{told}");
    assert_eq!(gate("b", "a").0, Some(0), "a new case takes nothing from the old ones");
}
