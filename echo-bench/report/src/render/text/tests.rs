//! What every command prints on terminals of two widths, and that no line is ever too long.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::*;
use crate::compare::Options;
use crate::compare::self_check::self_check;
use crate::doctor::{Check, Health};
use crate::render::html::tests::comparison::{compared, side};
use crate::render::html::tests::forms::{runs, with_explanations};
use crate::render::html::tests::sweep::swept;
use crate::report::Tool;

/// A comparison of several sides, each in several cases, with all that explains it.
fn comparisons() -> Vec<(&'static str, Comparison)> {
    let base = side("base", 1, 100, &[1, 10]);
    let mut single = side("new", 2, 200, &[1]);
    single.inputs.truncate(1);
    let several = [side("b", 2, 100, &[1, 10]), side("c", 2, 200, &[10, 100])];
    let explained = with_explanations(side("b", 2, 200, &[1, 10]));
    vec![
        ("compare", compared(&with_explanations(base.clone()), &[explained])),
        ("compare_several", compared(&base, &several)),
        ("compare_single", compared(&base, &[single])),
    ]
}

/// A sweep without an axis.
fn repeated() -> Sweep {
    let mut sweep = swept("tokio");
    sweep.cells.truncate(1);
    sweep.plan.axes.clear();
    sweep
}

fn checked() -> SelfCheck {
    let reports = swept("tokio").cells.into_iter().flat_map(|cell| cell.runs);
    let options = Options { resamples: 200, ..Options::default() };
    self_check(&reports.collect::<Vec<_>>(), 2, &options).unwrap()
}

fn listed(sweep: &Sweep, comparison: &Comparison) -> Vec<Entry> {
    let runs = runs().into_iter().map(|(name, run)| {
        let mut run = run;
        run.labels = [("note".to_owned(), "负载均衡 before the change".to_owned())].into();
        Entry::of_runs(format!("reports/runs/20260102T030405-{name}-line-c1000.json"), &[&run])
    });
    let others = [
        Entry::of_sweep("reports/runs/sweep-1f2e3d4c/sweep.json".into(), sweep),
        Entry::of_comparison("page.html".into(), comparison),
    ];
    runs.chain(others).collect()
}

fn examined() -> Doctor {
    let check = |name: &str, health, reason: Option<&str>, remedy: Option<&str>| Check {
        name: name.into(),
        value: "1 048 576 of 1 073 741 816 per process".into(),
        health,
        reason: reason.map(Into::into),
        remedy: remedy.map(Into::into),
    };
    let remedy = "sysctl -w net.ipv4.ip_local_port_range='1024 65535' net.core.somaxconn=65535";
    let reason = "a run with more connections than that to one address runs out of them";
    let checks = vec![
        check("descriptors", Health::Ok, None, None),
        check("ephemeral ports", Health::Note, Some(reason), Some(remedy)),
        check("governor", Health::Warning, Some(reason), Some(remedy)),
    ];
    Doctor { schema: String::new(), tool: Tool::this(), checks }
}

#[test]
fn every_document_on_terminals_of_80_and_110_columns() {
    let (runs, comparisons) = (runs(), comparisons());
    let (sweep, repeats, check) = (swept("tokio"), repeated(), checked());
    let mut all: Vec<(String, Document<'_>)> = Vec::new();
    all.extend(runs.iter().map(|(name, run)| (format!("run_{name}"), Document::Run(run))));
    all.extend(comparisons.iter().map(|(name, c)| ((*name).into(), Document::Comparison(c))));
    all.push(("sweep".into(), Document::Sweep(&sweep)));
    all.push(("repeats".into(), Document::Sweep(&repeats)));
    all.push(("self_check".into(), Document::SelfCheck(&check)));
    let selftest = crate::selftest::fixture::selftest();
    all.push(("selftest".into(), Document::Selftest(&selftest)));
    let (entries, doctor) = (listed(&sweep, &comparisons[0].1), examined());
    all.push(("list".into(), Document::Listing(&entries, "file")));
    all.push(("doctor".into(), Document::Doctor(&doctor)));
    for (name, document) in all {
        for columns in [80, 110] {
            let shown = on(Screen::of_columns(columns), document).plain();
            fits(&shown, columns);
            insta::assert_snapshot!(format!("{name}_{columns}"), shown);
        }
    }
}

#[test]
fn colours_say_what_is_good_weak_and_bad() {
    let runs = runs();
    let shown = |wanted: &str| {
        let (_, run) = runs.iter().find(|(name, _)| *name == wanted).unwrap();
        on(Screen::of_columns(80), Document::Run(run)).ansi()
    };
    let (failures, plain) = (shown("failures"), shown("plain"));
    for (text, styled) in [
        (&failures, "\u{1b}[1m\u{1b}[31mslo\u{1b}[0m"),
        (&failures, "\u{1b}[1m\u{1b}[31merror\u{1b}[0m"),
        (&failures, "\u{1b}[33mwarning\u{1b}[0m"),
        (&failures, "\u{1b}[33mqualified: "),
        (&plain, "\u{1b}[32mvalid: "),
        (&plain, "\u{1b}[2m"),
    ] {
        assert!(text.contains(styled), "no {styled:?} in {text}");
    }
    assert_eq!(anstream_stripped(&plain), on_plain(&runs, "plain"));
}

fn on_plain(runs: &[(&'static str, Report)], wanted: &str) -> String {
    let (_, run) = runs.iter().find(|(name, _)| *name == wanted).unwrap();
    on(Screen::of_columns(80), Document::Run(run)).plain()
}

/// The text without its styles.
fn anstream_stripped(text: &str) -> String {
    let mut pieces = text.split('\u{1b}');
    let first = pieces.next().unwrap_or_default().to_owned();
    pieces.fold(first, |text, piece| text + piece.split_once('m').map_or("", |(_, rest)| rest))
}

#[test]
fn a_file_has_each_fact_on_a_line_and_every_column() {
    for (name, run) in runs() {
        let shown = report(&run);
        assert!(!shown.contains("not shown"), "{name}: {shown}");
        if run.summary.latency.response.is_some() {
            let header = shown.lines().find(|line| line.starts_with("latency ")).unwrap();
            for column in ["p50", "p90", "p95", "p99", "p99.9", "p99.99", "max", "mean"] {
                assert!(header.contains(column), "{name}: {header}");
            }
        }
    }
}

fn fits(shown: &str, columns: usize) {
    for line in shown.lines() {
        assert!(width(line) <= columns, "{} of {columns}: {line}\n{shown}", width(line));
        assert!(!line.ends_with(' '), "spaces at the end: {line:?}");
    }
}

/// Names as anybody may give them: long, of other scripts, with marks, of signs that join.
fn name() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[a-z0-9=,./-]{1,70}",
        Just("负载均衡服务器名称".to_owned()),
        Just("ｗｉｄｅ".to_owned()),
        Just("e\u{301}a\u{308}\u{304}".to_owned()),
        Just("👩‍💻👩🏽‍🚀🇩🇪".to_owned()),
        Just("می‌خواهم".to_owned()),
        "\\PC{0,20}",
        Just(" ".to_owned()),
    ];
    prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

static RUN: LazyLock<Report> = LazyLock::new(|| runs().swap_remove(4).1);
static COMPARISON: LazyLock<Comparison> = LazyLock::new(|| comparisons().swap_remove(0).1);
static SWEEP: LazyLock<Sweep> = LazyLock::new(|| swept("tokio"));

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_line_of_a_run_is_too_long(name in name(), text in name(), columns in 40..130_usize) {
        let mut run = RUN.clone();
        run.labels.insert(name.clone(), text.clone());
        run.errors[0].kind.clone_from(&name);
        run.errors[0].first.detail.clone_from(&text);
        run.warnings[0].message = format!("{text} {name}");
        run.warnings[0].code = name;
        run.summary.achieved_per_s = Some(987_654_321.0);
        run.summary.answered_in_window = 987_654_321_000;
        run.summary.requests.scheduled = 987_654_321_000;
        run.summary.cpu.server_us_per_message = Some(987_654_321.0);
        run.summary.cpu.client_context_switches = Some(987_654_321_000);
        fits(&on(Screen::of_columns(columns), Document::Run(&run)).plain(), columns);
        fits(&on(Screen::of_columns(80), Document::Run(&run)).plain(), 80);
    }

    #[test]
    fn no_line_of_a_comparison_is_too_long(name in name(), columns in 40..130_usize) {
        let mut comparison = COMPARISON.clone();
        comparison.base.name.clone_from(&name);
        let candidate = &mut comparison.candidates[0];
        candidate.side.name.clone_from(&name);
        candidate.cases[0].name.clone_from(&name);
        for metric in &mut candidate.cases[0].metrics {
            (metric.base, metric.candidate) = (Some(987_654_321.0), Some(123_456_789.0));
        }
        let document = Document::Comparison(&comparison);
        fits(&on(Screen::of_columns(columns), document).plain(), columns);
        fits(&on(Screen::of_columns(80), document).plain(), 80);
    }

    #[test]
    fn no_line_of_a_sweep_is_too_long(
        name in name(),
        level in name(),
        columns in 40..130_usize,
    ) {
        let mut sweep = SWEEP.clone();
        sweep.plan.axes[0].name.clone_from(&name);
        for cell in &mut sweep.cells {
            cell.levels[0].clone_from(&level);
            cell.name = format!("{name}={level}");
        }
        for effect in &mut sweep.analysis.effects {
            effect.base.clone_from(&level);
            effect.level.clone_from(&level);
            effect.axis.clone_from(&name);
        }
        for ranked in &mut sweep.analysis.ranking {
            ranked.metrics[0].value = Some(987_654_321.0);
            ranked.metrics[0].interval = Some([987_654_320.0, 987_654_322.0]);
        }
        let document = Document::Sweep(&sweep);
        fits(&on(Screen::of_columns(columns), document).plain(), columns);
        fits(&on(Screen::of_columns(80), document).plain(), 80);
    }
}
