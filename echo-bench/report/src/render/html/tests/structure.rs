//! What every kind of page has: links that lead somewhere, headings in order, a text to copy.

use std::collections::BTreeMap;

use super::super::{capacity, comparison, history, run, self_check, selftest, sweep};
use super::comparison::{compared, side};
use super::report;
use super::sweep::swept;
use crate::compare::{Metric, Options};
use crate::history::{self as trends, Entry, History, Point};

/// A page of each kind.
fn pages() -> BTreeMap<&'static str, String> {
    let two = [side("b", 2, 100, &[1, 10]), side("c", 2, 200, &[10, 100])];
    let mut plain = report();
    plain.command = ["echo-bench", "--label", "note=it's <b>"].map(str::to_owned).into();
    let mut unanswered = report();
    let latency = &mut unanswered.summary.latency;
    (latency.response, latency.service, latency.wait) = (None, None, None);
    unanswered.intervals.clear();
    let reports = [1, 2].map(|_| swept("tokio").cells[0].runs[0].clone());
    let options = Options { resamples: 200, ..Options::default() };
    let check = crate::compare::self_check::self_check(&reports, 1, &options).unwrap();
    let mut repeats = swept("tokio");
    repeats.cells.truncate(1);
    repeats.plan.axes.clear();
    let levels = [("epoll", 20_000.0), ("tokio", 10_000.0)];
    BTreeMap::from([
        ("run", run(&plain)),
        ("run without answers", run(&unanswered)),
        (
            "comparison",
            comparison(&compared(&side("a", 1, 100, &[2]), &[side("b", 2, 200, &[2])])),
        ),
        ("comparison of three", comparison(&compared(&side("a", 1, 100, &[1, 10]), &two))),
        ("sweep", sweep(&swept("tokio"))),
        ("repeats", sweep(&repeats)),
        ("capacity", capacity(&crate::capacity::fixture::capacity(&levels))),
        ("self-check", self_check(&check)),
        ("selftest", selftest(&crate::selftest::fixture::selftest())),
        ("history", history(&risen())),
    ])
}

/// Twenty runs, of which the second half took twice as long.
fn risen() -> History {
    let entry = |place: usize| Entry {
        series: "tokio".into(),
        plan: BTreeMap::default(),
        point: Some(Point {
            started_at: format!("2026-01-{:02}T00:00:00Z", place + 1),
            source: format!("{place}.json"),
            mark: None,
            values: [("p99".to_owned(), if place < 10 { 1e6 } else { 2e6 } + place as f64)]
                .into(),
        }),
    };
    let options = trends::Options { metrics: vec![Metric::P99], threshold: 0.01 };
    History::new((0..20).map(entry).collect(), &options)
}

/// What stands between `before` and the next `after`, everywhere in what is shown of a page.
fn all<'a>(page: &'a str, before: &str, after: &str) -> Vec<&'a str> {
    let shown = page.split("<script").next().unwrap_or_default();
    let found = shown.split(before).skip(1);
    found.map(|rest| rest.split(after).next().unwrap_or_default()).collect()
}

#[test]
fn links_lead_to_one_place_each_and_all_names_are_different() {
    for (kind, page) in pages() {
        let mut names = all(&page, " id=\"", "\"");
        let links = all(&page, " href=\"#", "\"");
        // The one that skips, and those to sections.
        assert!((3..=16).contains(&links.len()), "{kind}: {links:?}");
        for link in &links {
            let there = names.iter().filter(|name| name == &link).count();
            assert_eq!(there, 1, "{kind}: {link} of {names:?}");
        }
        names.sort_unstable();
        let doubled: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).collect();
        assert!(doubled.is_empty(), "{kind}: {doubled:?}");
        for reference in all(&page, " aria-labelledby=\"", "\"") {
            assert!(names.contains(&reference), "{kind}: {reference}");
        }
    }
}

#[test]
fn headings_leave_no_level_out() {
    for (kind, page) in pages() {
        let levels: Vec<u32> = all(&page, "<h", ">")
            .into_iter()
            .filter_map(|rest| rest.as_bytes().first().filter(|byte| byte.is_ascii_digit()))
            .map(|digit| u32::from(digit - b'0'))
            .collect();
        assert_eq!(levels.first(), Some(&1), "{kind}");
        assert_eq!(levels.iter().filter(|&&level| level == 1).count(), 1, "{kind}");
        for pair in levels.windows(2) {
            assert!(pair[1] <= pair[0] + 1, "{kind}: {levels:?}");
        }
    }
}

#[test]
fn runs_give_their_command_and_sweeps_their_plan_to_be_copied() {
    let pages = pages();
    for (kind, copied) in [
        (
            "run",
            "<pre id=\"command\">echo-bench --label &#34;note=it&#39;s &#60;b&#62;&#34;</pre>",
        ),
        ("sweep", "<pre id=\"command\">echo-bench sweep plan.toml</pre>"),
        ("sweep", "<pre id=\"plan-file\">repeat = 3\nseed = 1\n"),
        ("repeats", "<pre id=\"plan-file\">repeat = 3\n"),
    ] {
        let page = &pages[kind];
        assert!(page.contains(copied), "{kind}: {:?}", all(page, "<pre", "</pre>"));
        for button in all(page, "data-copy=\"", "\"") {
            assert!(page.contains(&format!("<pre id=\"{button}\"")), "{kind}: {button}");
        }
    }
    assert!(!pages["comparison"].contains("data-copy=\"command"));
}

#[test]
fn pages_without_charts_come_without_what_draws_them() {
    for (kind, page) in pages() {
        let is_drawn = page.contains("data-chart=");
        if ["self-check", "selftest", "history"].contains(&kind) {
            assert!(!is_drawn && page.len() < 60_000, "{kind}: {}", page.len());
        }
        assert!(!is_drawn || page.contains(super::UPLOT_SCRIPT), "{kind}");
    }
}
