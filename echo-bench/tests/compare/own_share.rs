//! What of a difference is the generator's own, and how evenly connections were served.

use super::*;

/// The clock of as many requests as `report` holds, at a level.
fn clock(number: u64, level_us: u64) -> Value {
    report(number, level_us)["summary"]["latency"]["response"].clone()
}

/// Gives a report the generator's share that leaves `corrected_us` for the server.
fn stamped(report: &mut Value, corrected_us: u64) {
    let number = report["plan"]["seed"].as_u64().unwrap();
    let response = report["summary"]["latency"]["response"].clone();
    report["summary"]["generator_share"] = json!({
        "response": response, "corrected": clock(number, corrected_us), "exact": 5000,
        "implausible": 0, "quantiles": {},
    });
}

/// Gives a report connections that were served so evenly.
fn served(report: &mut Value, jain: f64) {
    let number = report["plan"]["seed"].as_f64().unwrap();
    report["summary"]["fairness"] = json!({
        "connections": 10, "starved": 0, "below_tenth": 0, "min": 1, "median": 500, "max": 900,
        "jain": jain - number / 1e4, "mean_latency_ns": null, "spread": [1, 500, 900],
    });
}

fn explanation<'a>(comparison: &'a Value, name: &str) -> &'a Value {
    let found = comparison["candidates"][0]["cases"][0]["explanations"].as_array().unwrap();
    found.iter().find(|known| known["metric"] == name).unwrap()
}

fn compared(room: &Path, args: &[&str]) -> Value {
    let args = [&["compare", "base", "new", "--format", "json"], args].concat();
    serde_json::from_slice(&echo_bench(room, &args).stdout).unwrap()
}

#[test]
fn a_change_of_the_generator_s_own_share_is_said_to_be_so_and_decides_no_gate() {
    let room = tempfile::tempdir().unwrap();
    side(&room.path().join("base"), 1, 5, 100, |report| stamped(report, 90));
    side(&room.path().join("new"), 2, 5, 140, |report| stamped(report, 90));
    let comparison = compared(room.path(), &[]);
    for name in ["p50", "p90", "p99", "max"] {
        let metric = metric(&comparison, name);
        assert_eq!(metric["verdict"], "worse", "{metric}");
        assert_eq!(metric["own_share"], true, "{metric}");
        let rest = explanation(&comparison, &format!("corrected_{name}"));
        assert_eq!(rest["verdict"], "no_evidence", "{rest}");
    }
    let gate = |args: &[&str]| {
        let gated = ["compare", "base", "new", "--fail-on", "worse"];
        let output = echo_bench(room.path(), &[&gated[..], args].concat());
        let told = String::from_utf8([output.stdout, output.stderr].concat()).unwrap();
        (output.status.code(), told)
    };
    let (code, told) = gate(&[]);
    assert_eq!(code, Some(4), "{told}");
    let why = "p50, p90, p99, p99.9, max got worse by the generator's own share";
    assert!(told.contains(why) && told.contains("--judge p50,p90"), "{told}");
    assert!(told.contains("the server's own part shows no evidence of a difference"), "{told}");
    assert!(told.contains("5 worse (5 by the generator's own share)"), "{told}");
    assert_eq!(gate(&["--judge", "p99"]).0, Some(3), "p99 was asked for");
    assert_eq!(gate(&["--judge", "corrected_p99"]).0, Some(4), "that did not get worse");
    for format in ["markdown", "html"] {
        let shown = gate(&["--format", format]).1;
        for said in ["worse by own share", "corrected p99", "own-share"] {
            assert!(shown.contains(said), "{format}: no {said} in {shown}");
        }
    }
}

#[test]
fn a_change_of_the_server_is_no_change_of_the_own_share() {
    let room = tempfile::tempdir().unwrap();
    side(&room.path().join("base"), 1, 5, 100, |report| stamped(report, 90));
    side(&room.path().join("new"), 2, 5, 140, |report| stamped(report, 130));
    let comparison = compared(room.path(), &[]);
    assert_eq!(explanation(&comparison, "corrected_p99")["verdict"], "worse");
    assert_eq!(metric(&comparison, "p99")["own_share"], Value::Null);
    let gate = ["compare", "base", "new", "--fail-on", "worse"];
    assert_eq!(echo_bench(room.path(), &gate).status.code(), Some(3));
}

#[test]
fn explanations_make_no_primary_metric_harder_to_decide() {
    let room = tempfile::tempdir().unwrap();
    for (name, first, level) in [("base", 1, 100), ("new", 2, 140)] {
        side(&room.path().join(name), first, 5, level, same);
    }
    let without = compared(room.path(), &[]);
    for (name, first, level) in [("base", 1, 100), ("new", 2, 140)] {
        side(&room.path().join(name), first, 5, level, |report| {
            stamped(report, level - 10);
            served(report, 0.98);
        });
    }
    let with = compared(room.path(), &[]);
    assert_eq!(with["method"], without["method"]);
    let metrics = |of: &Value| of["candidates"][0]["cases"][0]["metrics"].clone();
    assert_eq!(metrics(&with), metrics(&without));
    let asked = compared(room.path(), &["--judge", "fairness,corrected_p99"]);
    let count = |of: &Value| of["method"]["questions"].as_u64().unwrap();
    assert_eq!(count(&asked), count(&with) + 2);
}

#[test]
fn less_even_service_is_worse_and_fails_a_gate_only_where_it_is_asked_for() {
    let room = tempfile::tempdir().unwrap();
    side(&room.path().join("base"), 1, 5, 100, |report| served(report, 0.99));
    side(&room.path().join("new"), 2, 5, 100, |report| served(report, 0.60));
    let fairness = explanation(&compared(room.path(), &[]), "fairness").clone();
    assert_eq!(fairness["verdict"], "worse", "{fairness}");
    let code = |args: &[&str]| {
        let gate = ["compare", "base", "new", "--fail-on", "worse"];
        echo_bench(room.path(), &[&gate[..], args].concat()).status.code()
    };
    assert_eq!(code(&[]), Some(0));
    assert_eq!(code(&["--judge", "fairness"]), Some(3));
    let turned = ["compare", "new", "base", "--fail-on", "worse", "--judge", "fairness"];
    assert_eq!(echo_bench(room.path(), &turned).status.code(), Some(0), "more is better");
}

#[test]
fn one_run_a_side_shows_both_values_and_judges_neither() {
    let room = tempfile::tempdir().unwrap();
    let all = |corrected| {
        move |report: &mut Value| {
            stamped(report, corrected);
            served(report, 0.9);
        }
    };
    side(&room.path().join("base"), 1, 1, 100, all(90));
    side(&room.path().join("new"), 2, 1, 140, all(90));
    let comparison = compared(room.path(), &["--judge", "fairness"]);
    let p99 = explanation(&comparison, "corrected_p99");
    assert_eq!(p99["verdict"], "single_run", "{p99}");
    assert!(p99["ratio"].is_f64() && p99["interval"].is_null(), "{p99}");
    assert_eq!(metric(&comparison, "p99")["own_share"], Value::Null);
    assert_eq!(verdict(&comparison, "fairness"), "single_run");
}
