use super::*;
use crate::render::html::tests::sweep::{swept, swept_of};
use crate::render::markdown;
use crate::report::ServerSide;

/// The second level takes twice as long, the third as long as the first.
fn sweep() -> Sweep {
    swept_of(&[("epoll", &[100, 101, 102]), ("slow", &[200, 201, 202]), ("same", &[101; 3])])
}

fn written(notes: &str) -> String {
    findings(&sweep(), notes).unwrap()
}

fn refused(notes: &str) -> String {
    findings(&sweep(), notes).unwrap_err().to_string()
}

#[test]
fn references_become_ratios_with_their_intervals() {
    let said = written("Slow it is: p50 {{model: epoll -> slow | p50}}.\n");
    assert!(said.starts_with("Slow it is: p50 1.9"), "{said}");
    assert!(said.contains(" x [1.") && said.ends_with("].\n"), "{said}");
    let (ratio, rest) = said["Slow it is: p50 ".len()..].split_once(" x [").unwrap();
    let (low, high) = rest.split_once(", ").unwrap();
    let [ratio, low]: [f64; 2] = [ratio, low].map(|number| number.parse().unwrap());
    let high: f64 = high.trim_end().trim_end_matches("].").parse().unwrap();
    assert!(low <= ratio && ratio <= high && low > 1.5, "{said}");
}

#[test]
fn no_difference_says_which_would_have_been_found() {
    let said = written("{{model: epoll -> same | p50}}");
    assert!(said.starts_with("no difference found, "), "{said}");
    assert!(said.contains(" % would have been (") && said.contains(" x ["), "{said}");
}

#[test]
fn a_difference_within_the_noise_threshold_is_not_called_none() {
    let close =
        swept_of(&[("one", &[10_000, 10_001, 10_002]), ("two", &[10_050, 10_051, 10_052])]);
    let said = findings(&close, "{{model: one -> two | p50}}").unwrap();
    assert!(said.starts_with("no difference beyond noise"), "{said}");
}

#[test]
fn a_cell_is_said_with_its_interval_and_a_pair_by_what_it_has_in_common() {
    let said = written("{{ model=slow |\n p50 }}");
    assert!(said.contains("µs [") && said.ends_with(']'), "{said}");
    let two = swept("slow");
    let pair = findings(&two, "{{model: epoll -> slow | p50 | conns=1}}").unwrap();
    let all = findings(&two, "{{model: epoll -> slow | p50}}").unwrap();
    assert!(pair.contains(" x [") && pair != all, "{pair}, {all}");
    let told = findings(&two, "{{model: epoll -> slow | p50 | conns=7}}").unwrap_err();
    assert!(told.to_string().contains("no pair `conns=7`; there are: conns=1; conns=10"));
}

#[test]
fn the_skew_of_the_workers_of_a_cell_is_said_with_its_interval() {
    let mut sweep = sweep();
    for (run, busiest) in sweep.cells[0].runs.iter_mut().zip([150, 160, 170]) {
        let line = format!(
            "{{\"connections\":4,\"messages\":200,\"per_worker\":[\
             {{\"connections\":3,\"messages\":{busiest}}},\
             {{\"connections\":1,\"messages\":{}}}]}}",
            200 - busiest
        );
        run.summary.server_side = ServerSide::from_statistics(&line);
    }
    let said = findings(&sweep, "{{model=epoll | worker skew}}").unwrap();
    assert!(said.starts_with("1.598 [1.3") && said.ends_with(']'), "{said}");
    // Skew is no less than 1, however wide the interval.
    for (run, busiest) in sweep.cells[0].runs.iter_mut().zip([101, 140, 101]) {
        let side = run.summary.server_side.as_mut().unwrap();
        side.messages_skew.as_mut().unwrap().max_over_mean = f64::from(busiest) / 100.0;
    }
    let said = findings(&sweep, "{{model=epoll | worker skew}}").unwrap();
    assert!(said.contains("[1.000, "), "{said}");
    // Of several servers only the greatest is known.
    let side = sweep.cells[0].runs[0].summary.server_side.as_mut().unwrap();
    side.most_skewed_of = Some(2);
    let told = findings(&sweep, "{{model=epoll | worker skew}}").unwrap_err().to_string();
    assert!(told.contains("not judged: not measured in every run"), "{told}");
    let told = findings(&sweep, "{{model=slow | worker_skew}}").unwrap_err().to_string();
    assert!(told.contains("not judged: not measured in every run"), "{told}");
    let told = findings(&sweep, "{{model: epoll -> slow | worker skew}}").unwrap_err();
    assert!(told.to_string().contains("there are: model=epoll; model=slow"), "{told}");
}

#[test]
fn what_the_sweep_does_not_say_is_refused_with_its_line() {
    let told = refused("One.\n\nTwo {{model: epoll -> none | p50}}.");
    assert!(told.starts_with("line 3: {{model: epoll -> none | p50}}: no effect"), "{told}");
    assert!(told.contains("model: epoll -> slow; model: epoll -> same"), "{told}");
    assert!(refused("{{model=slow | p51}}").contains("no metric is called `p51`"));
    assert!(refused("{{model=slow}}").contains("write it as EFFECT | METRIC"));
    assert!(refused("a\n{{model=slow").starts_with("line 2: {{ without }}"));
}

#[test]
fn ratios_that_were_typed_are_refused() {
    for (notes, line) in [
        ("Fine.\nIt is x 1.25 faster.", 2),
        ("It is 2.5 x slower", 1),
        ("a {{model=slow | p50}}\n\nof p50 x\n0.93 [0.9, 1.0]", 3),
        ("(12.5 times)", 1),
        ("It is 2.5x slower.", 1),
        ("and ×3, too", 1),
        ("10 times as long", 1),
    ] {
        let told = refused(notes);
        assert!(told.starts_with(&format!("line {line}: a ratio is typed")), "{told}");
    }
    assert_eq!(
        written("50 connections x 16, Linux 6.18 x86"),
        "50 connections x 16, Linux 6.18 x86"
    );
}

#[test]
fn the_head_counts_verdicts_names_cells_and_shows_drift() {
    let mut sweep = sweep();
    for run in sweep.cells.iter_mut().flat_map(|cell| &mut cell.runs) {
        (run.verdict, run.warnings) = (Verdict::Valid, Vec::new());
    }
    for run in &mut sweep.cells[1].runs {
        run.verdict = Verdict::Qualified;
        run.warnings = vec![crate::report::Warning {
            code: "generator-limited".into(),
            message: String::new(),
            remedy: String::new(),
        }];
    }
    sweep.cells[0].runs[2].verdict = Verdict::Invalid;
    for cell in &mut sweep.cells {
        for run in &mut cell.runs {
            run.environment.congestion_control = Some("cubic".into());
            run.summary.socket = Some(socket("bbr"));
            run.tool.revision = Some("0123456789ab".into());
        }
        cell.runs[0].summary.achieved_per_s = Some(1100.0);
        cell.runs[1].summary.achieved_per_s = Some(1000.0);
        cell.runs[2].summary.achieved_per_s = Some(1000.0);
    }
    let notes =
        "# Slow\n\nIs it slow?\n\n## What was found\n\nIt is.\n\n## What not\n\nNothing.\n";
    let readme = markdown::study(&sweep, notes).unwrap();
    let head = "# Slow\n\nIs it slow?\n\n## What it was made with\n";
    assert!(readme.starts_with(head), "{readme}");
    let findings = "\n\n## What was found\n\nIt is.\n\n## What not\n\nNothing.\n";
    assert!(readme.ends_with(findings), "{readme}");
    for said in [
        "- verdicts: 5 valid, 3 qualified, 1 invalid\n",
        "- not valid by: generator-limited: 3 runs, at model=slow\n",
        "- congestion control: bbr\n",
        "- made by: echo-bench 0.0.0 (0123456789ab) (analysed by echo-bench ",
        "- drift: throughput of the rounds by their mean, over 3 cells: 1.066, 0.969, 0.969 \
         (effects are taken within rounds where there are enough)\n",
        "- requests: ",
    ] {
        assert!(readme.contains(said), "no {said:?} in\n{readme}");
    }
}

fn socket(congestion: &str) -> SocketOptionsReport {
    SocketOptionsReport {
        nodelay: Some(true),
        send_buffer: None,
        recv_buffer: None,
        congestion: Some(congestion.into()),
        quickack: None,
        notsent_lowat: None,
        user_timeout_ms: None,
        tos: None,
        fastopen: None,
        changed: Vec::new(),
    }
}
