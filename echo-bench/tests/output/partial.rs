//! The record of a run while it goes: what a killed run leaves, and that a finished one leaves none.

use super::*;

fn partials(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.extension().is_some_and(|ending| ending == "partial")).collect()
}

#[test]
fn a_killed_run_leaves_what_it_has_measured() {
    for load in [["--pipeline=2"], ["--rate=500"]] {
        let room = room();
        let kept = room.path().join("kept");
        let run = ["--conns=2", "--duration=60s", "--warmup=0", "-q", "--report-dir=kept"];
        let flags = ["--interval=300ms", "--slo=p99<30s", "--label=a=b"];
        let mut child = command(&room, &with(&with(&run, &flags), &load)).spawn().unwrap();
        let lines = || {
            let path = partials(&kept).pop()?;
            (fs::read_to_string(&path).ok()?.lines().count() > 3).then_some(path)
        };
        let partial = wait_for("intervals are kept", lines);
        child.kill().unwrap();
        child.wait().unwrap();
        let name = partial.strip_prefix(room.path()).unwrap().to_str().unwrap();
        let shown = echo_bench(&room, &["report", name]);
        assert!(shown.status.success(), "{}", text(&shown.stderr));
        let shown = text(&shown.stdout);
        assert!(shown.contains("interrupted") && shown.contains("p99"), "{shown}");
        let json = echo_bench(&room, &["report", name, "-o-"]);
        let report: Report = serde_json::from_slice(&json.stdout).unwrap();
        let (summary, requests) = (&report.summary, report.summary.requests);
        assert!(report.interrupted && report.intervals.len() >= 2, "{report:?}");
        assert!(requests.ok > 0 && summary.measured_s > 0.5 && summary.measured_s < 60.0);
        assert_eq!(requests.scheduled, requests.ok + requests.in_flight, "{requests:?}");
        let of_intervals: u64 = report.intervals.iter().map(|interval| interval.ok).sum();
        assert_eq!(of_intervals, requests.ok);
        assert_eq!(summary.latency.response.as_ref().unwrap().count, requests.ok);
        assert_eq!(summary.set_up.connect.as_ref().unwrap().count, 2);
        assert_eq!(summary.latency.wait.is_some(), load == ["--rate=500"]);
        assert_eq!((report.slos.len(), report.labels["a"].as_str()), (1, "b"));
        assert_eq!(report.plan.interval_ns, 300_000_000);
    }
}

#[test]
fn a_run_that_is_stored_leaves_nothing_else() {
    let room = room();
    let run = ["--conns=2", "--duration=2300ms", "--warmup=0", "-q", "--report-dir=kept"];
    let kept = room.path().join("kept");
    let mut child = command(&room, &run).spawn().unwrap();
    wait_for("intervals are kept", || partials(&kept).pop());
    assert!(child.wait().unwrap().success());
    let left: Vec<_> = fs::read_dir(&kept).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(left.len(), 1, "{left:?}");
    assert!(left[0].path().extension().unwrap() == "json");
}
