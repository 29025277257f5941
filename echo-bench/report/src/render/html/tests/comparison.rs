//! Pages of comparisons as their readers see them.

use super::super::comparison as page_of;
use super::super::comparison::curves;
use super::{HOSTILE, interval, latency, report, skeleton};
use crate::compare::{self, Comparison, Input, Options, SCHEMA, Side, Verdict};
use crate::report::{LatencySummary, Report, embedding, store};

/// Three runs about `base_us`, each a little different, on so many connections.
pub(crate) fn side(name: &str, first: u64, base_us: u64, connections: &[u32]) -> Side {
    let run = |number: u64, connections: u32| -> Report {
        let mut report = report();
        report.started_at = format!("2026-01-02T03:{number:02}:05Z");
        report.labels.clear();
        report.plan = report.plan.with(|plan| plan.connections = connections).unwrap();
        let clock = LatencySummary::new(&latency(base_us + number, 20_000, 0), &[]);
        report.summary.latency.response = clock;
        report.intervals = (0..4).map(interval).collect();
        report
    };
    let runs = connections.iter().flat_map(|&c| (0..3).map(move |k| (first + 2 * k, c)));
    let input = |(number, connections)| Input {
        source: format!("{name}/{number}.json"),
        report: run(number, connections),
    };
    Side { name: name.into(), inputs: runs.map(input).collect() }
}

pub(crate) fn compared(base: &Side, candidates: &[Side]) -> Comparison {
    let options = Options { resamples: 200, ..Options::default() };
    compare::compare(base, candidates, options).unwrap()
}

fn slower() -> Comparison {
    compared(&side("base", 1, 100, &[2]), &[side("new", 2, 200, &[2])])
}

#[test]
fn a_page_is_read_back_as_the_comparison_it_was_made_of() {
    let comparison = slower();
    let file = tempfile::Builder::new().suffix(".html").tempfile().unwrap();
    crate::output::replace(file.path(), &page_of(&comparison)).unwrap();
    let document = store::open(file.path()).unwrap();
    assert_eq!(document.schema(), Some(SCHEMA));
    assert_eq!(document.parse::<Comparison>().unwrap(), comparison);
    let refused = store::load(file.path()).unwrap_err().to_string();
    assert!(refused.contains(SCHEMA), "{refused}");
}

#[test]
fn curves_are_the_quantiles_of_both_sides() {
    let comparison = slower();
    let case = &comparison.candidates[0].cases[0];
    let curves = curves(case).unwrap();
    for (curve, side) in curves.clocks.iter().zip([&case.base, &case.candidate]) {
        let histogram = side.response.as_ref().unwrap().histogram().unwrap();
        assert_eq!(histogram.len(), 60_000, "three runs merged");
        for (quantile, ns) in curves.quantiles.iter().zip(&curve.ns) {
            assert_eq!(*ns, Some(histogram.value_at_quantile(*quantile)), "{quantile}");
        }
    }
    let names: Vec<_> = curves.clocks.iter().map(|curve| curve.name.as_str()).collect();
    assert_eq!(names, ["base", "new"]);
}

#[test]
fn every_case_and_candidate_has_its_curves_and_its_forest() {
    let base = side("base", 1, 100, &[1, 10]);
    let candidates = [side("b", 2, 100, &[1, 10]), side("c", 2, 200, &[10, 100])];
    let comparison = compared(&base, &candidates);
    let page = page_of(&comparison);
    for place in 0..3 {
        assert!(page.contains(&format!("data-of=\"cases.{place}\"")), "{place}");
        assert!(page.contains(&format!("id=\"ratios-{place}\"")), "{place}");
        assert!(page.contains(&format!("id=\"percentiles-{place}\"")), "{place}");
    }
    assert!(page.contains("<dt>only in base</dt><dd>connections=1</dd>"));
    assert!(page.contains("2 sides against base"));
}

#[test]
fn what_should_not_differ_is_loud_and_what_may_is_told() {
    let base = side("base", 1, 100, &[2]);
    let mut new = side("new", 2, 100, &[2]);
    for input in &mut new.inputs {
        input.report.environment.kernel = Some("Linux 9".into());
        let changed = input.report.plan.with(|plan| plan.socket.nodelay ^= true);
        input.report.plan = changed.unwrap();
    }
    let page = page_of(&compared(&base, &[new]));
    let (_, loud) = page.split_once("class=\"warnings unexpected\"").unwrap();
    let (loud, rest) = loud.split_once("</section>").unwrap();
    assert!(loud.contains("environment kernel") && loud.contains("→ Linux 9"), "{loud}");
    assert!(!loud.contains("nodelay") && rest.contains("socket.nodelay"));
    let alike = page_of(&slower());
    assert!(!alike.contains("class=\"warnings unexpected\""));
    assert!(alike.contains("are the same on both sides"));
}

#[test]
fn a_verdict_is_told_by_word_and_by_mark() {
    let comparison = slower();
    let p50 = &comparison.candidates[0].cases[0].metrics[1];
    assert_eq!(p50.verdict, Verdict::Worse);
    let page = page_of(&comparison);
    let (_, row) = page.split_once(">p50</th>").unwrap();
    let (row, _) = row.split_once("</tr>").unwrap();
    assert!(row.contains("<i class=\"mark\"></i>worse</td>"), "{row}");
    assert!(row.contains("<i class=\"range"), "{row}");
}

#[test]
fn hostile_names_are_inert() {
    let mut new = side(HOSTILE, 2, 200, &[2]);
    for input in &mut new.inputs {
        input.report.labels = [("note".into(), HOSTILE.into())].into();
    }
    let page = page_of(&compared(&side("base", 1, 100, &[2]), &[new]));
    for broken in ["<script>alert", "<img", "</script><script>a"] {
        assert!(!page.contains(broken), "{broken} is in the page as it is");
    }
    assert_eq!(page.matches("<script").count(), 5);
    assert!(embedding::find(&page).is_some());
}

#[test]
fn the_skeleton_of_a_comparison() {
    let mut comparison = slower();
    // The revision changes with every commit.
    comparison.tool.revision = None;
    let page = skeleton(&page_of(&comparison));
    let long = page.find("<details>").unwrap()..page.rfind("</details>").unwrap();
    insta::assert_snapshot!(page.replace(&page[long], "[long tables]"));
}
