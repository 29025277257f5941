//! Pages of sweeps as their readers see them.

use super::super::sweep as page_of;
use super::super::sweep_curves::panels;
use super::super::sweep_matrix::Matrix;
use super::{HOSTILE, latency, report, skeleton};
use crate::report::{LatencySummary, Report, Requests, Tool, embedding, store};
use crate::sweep::analysis::{self, Options};
use crate::sweep::{Axis, Cell, Level, SCHEMA, Sweep, SweepPlan};

/// Three closed-loop runs about `base_us`, each a little different.
fn runs(base_us: u64) -> Vec<Report> {
    runs_of(&[base_us; 3])
}

/// A closed-loop run about each of these latencies, in microseconds.
fn runs_of(levels_us: &[u64]) -> Vec<Report> {
    let run = |(number, &base_us): (u64, &u64)| {
        let mut report = report();
        report.plan = crate::small_plan::plan();
        let clock = LatencySummary::new(&latency(base_us + number, 20_000, 0), &[]);
        report.summary.requests =
            Requests { scheduled: 20_050, ok: 20_000, timeout: 50, ..Requests::default() };
        // One piece alone: what intervals vary by is not the matter here.
        report.intervals.truncate(1);
        let piece = &mut report.intervals[0];
        (piece.ok, piece.errors, piece.response) = (20_000, 50, clock.clone());
        report.summary.latency.response = clock;
        report.summary.answered_in_window = 2_000_000 / base_us + number;
        report
    };
    (0..).zip(levels_us).map(run).collect()
}

/// A sweep of one axis, whose levels have runs of these latencies.
pub(crate) fn swept_of(levels: &[(&str, &[u64])]) -> Sweep {
    let level = |(name, _): &(&str, &[u64])| Level { name: (*name).into(), flags: Vec::new() };
    let axes = vec![Axis { name: "model".into(), levels: levels.iter().map(level).collect() }];
    let repeats = levels.iter().map(|(_, runs)| runs.len() as u32).max().unwrap_or(1);
    let plan = SweepPlan { fixed: Vec::new(), axes, repeats, seed: 1 };
    let cell = |(name, runs): &(&str, &[u64])| Cell {
        name: format!("model={name}"),
        levels: vec![(*name).into()],
        runs: runs_of(runs),
        failures: Vec::new(),
    };
    let cells: Vec<Cell> = levels.iter().map(cell).collect();
    let options = Options { resamples: 200, ..Options::default() };
    let analysis = analysis::analyse(&plan, &cells, options);
    let (schema, tool, conclusion) = (SCHEMA.into(), Tool::this(), Vec::new());
    Sweep { schema, tool, conclusion, plan, cells, analysis }
}

/// Two axes; the second level of the first is twice as slow, but only at the first of the
/// second.
pub(crate) fn swept(model: &str) -> Sweep {
    let varied = |name: &str, levels: &[&str]| Axis {
        name: name.into(),
        levels: levels.iter().map(|&l| Level { name: l.into(), flags: Vec::new() }).collect(),
    };
    let axes = vec![varied("model", &["epoll", model, "pool"]), varied("conns", &["1", "10"])];
    let whole = SweepPlan { fixed: Vec::new(), axes, repeats: 3, seed: 1 };
    let cell = |name: &str, conns: &str, base_us: u64| Cell {
        name: format!("model={name}, conns={conns}"),
        levels: vec![name.into(), conns.into()],
        runs: runs(base_us),
        failures: Vec::new(),
    };
    let cells = vec![
        cell("epoll", "1", 100),
        cell("epoll", "10", 300),
        cell(model, "1", 200),
        cell(model, "10", 300),
        cell("pool", "1", 100),
        cell("pool", "10", 300),
    ];
    let options = Options { resamples: 200, ..Options::default() };
    let analysis = analysis::analyse(&whole, &cells, options);
    let (schema, tool, conclusion) = (SCHEMA.into(), Tool::this(), Vec::new());
    Sweep { schema, tool, conclusion, plan: whole, cells, analysis }
}

#[test]
fn a_page_is_read_back_as_the_sweep_it_was_made_of() {
    let sweep = swept("tokio");
    let file = tempfile::Builder::new().suffix(".html").tempfile().unwrap();
    crate::output::replace(file.path(), &page_of(&sweep)).unwrap();
    let document = store::open(file.path()).unwrap();
    assert_eq!(document.schema(), Some(SCHEMA));
    assert_eq!(document.parse::<Sweep>().unwrap(), sweep);
}

#[test]
fn curves_are_the_quantiles_of_all_runs_of_a_cell() {
    let sweep = swept("tokio");
    let panels = panels(&sweep);
    let names: Vec<&str> = panels.iter().map(|panel| panel.name.as_str()).collect();
    assert_eq!(names, ["conns 1", "conns 10"], "the axis of most levels is overlaid");
    for (place, panel) in panels.iter().enumerate() {
        for (level, curve) in panel.curves.clocks.iter().enumerate() {
            let cell = &sweep.cells[level * 2 + place];
            assert_eq!(curve.name, cell.levels[0]);
            let mut all = echo_bench_engine::record::Latency::default();
            for run in &cell.runs {
                all += &run.summary.latency.response.as_ref().unwrap().latency().unwrap();
            }
            assert_eq!(all.histogram().len(), 60_000);
            for (quantile, ns) in panel.curves.quantiles.iter().zip(&curve.ns) {
                assert_eq!(*ns, Some(all.histogram().value_at_quantile(*quantile)));
            }
        }
    }
}

#[test]
fn every_number_of_the_colours_is_in_the_ranking_and_the_best_is_marked() {
    let sweep = swept("tokio");
    let page = page_of(&sweep);
    let (_, ranking) = page.split_once("<table id=\"ranking\">").unwrap();
    let (ranking, _) = ranking.split_once("</table>").unwrap();
    let matrix = Matrix::new(&sweep).unwrap();
    for metric in &matrix.metrics {
        for cell in metric.cells.iter().flatten() {
            assert!(ranking.contains(&cell.text), "{} is not in {ranking}", cell.text);
        }
    }
    let best: Vec<bool> =
        matrix.metrics[0].cells.iter().map(|cell| cell.as_ref().unwrap().best).collect();
    assert_eq!(best, [true, false, false, false, true, false], "the most requests/s");
}

#[test]
fn an_effect_that_depends_on_another_axis_says_so_beside_its_interval() {
    let sweep = swept("tokio");
    let page = page_of(&sweep);
    let (_, forest) = page.split_once("id=\"effect-0\" role").unwrap();
    let (forest, rest) = forest.split_once("</table>").unwrap();
    assert!(forest.contains("depends on conns; pairs"), "{forest}");
    assert!(page.contains("model: epoll → tokio (2 pairs of cells)<small>"));
    assert!(page.contains("model: epoll → pool (2 pairs of cells)<small>"));
    assert!(rest.contains("id=\"pairs-0\"") && rest.contains("id=\"effect-1\" role"));
}

#[test]
fn failed_runs_are_told_and_nothing_measured_is_no_chart() {
    let mut sweep = swept("tokio");
    sweep.cells[1].failures.push("exit status: 4: no server".into());
    let page = page_of(&sweep);
    assert!(page.contains("Failed runs") && page.contains("exit status: 4: no server"));
    for cell in &mut sweep.cells {
        cell.runs.clear();
    }
    sweep.analysis = analysis::analyse(&sweep.plan, &sweep.cells, Options::default());
    let page = page_of(&sweep);
    assert!(!page.contains("data-chart=") && !page.contains("data-matrix aria"));
    assert!(page.contains("no cell has it"));
}

#[test]
fn hostile_names_are_inert() {
    let mut sweep = swept(HOSTILE);
    sweep.cells[0].failures.push(HOSTILE.into());
    let page = page_of(&sweep);
    for broken in ["<script>alert", "<img", "</script><script>a"] {
        assert!(!page.contains(broken), "{broken} is in the page as it is");
    }
    assert_eq!(page.matches("<script").count(), 6);
    assert!(embedding::find(&page).is_some());
}

#[test]
fn the_skeleton_of_a_sweep() {
    let mut sweep = swept("tokio");
    // The revision changes with every commit.
    sweep.tool.revision = None;
    let page = skeleton(&page_of(&sweep));
    let long = page.find("<details>").unwrap()..page.rfind("</details>").unwrap();
    insta::assert_snapshot!(page.replace(&page[long], "[long tables and effects]"));
}
