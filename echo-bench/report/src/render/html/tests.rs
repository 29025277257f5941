//! Pages as their readers and `store::load` see them.

pub(crate) mod comparison;
mod contrast;
pub(crate) mod forms;
mod marks;
mod size;
mod structure;
pub(crate) mod sweep;

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::curve::Curves;
use super::heat_map::HeatMap;
use super::timeline::Timeline;
use super::{STYLE, UPLOT_LICENCE, UPLOT_SCRIPT, UPLOT_STYLE, run};
use crate::report::{
    Bytes, Connections, Cpu, Environment, ErrorReport, FirstOffender, IntervalReport,
    LatencySummary, QUANTILES, Report, Requests, SCHEMA, Summary, ThreadReport, Tool, Verdict,
    Warning, embedding, store,
};
use crate::small_plan::{self, plan_with};
use echo_bench_engine::plan::Load;
use echo_bench_engine::record::Latency;
use echo_bench_engine::schedule::Arrival;

/// What a label, an error or a warning could hold to break out of its place.
pub(crate) const HOSTILE: &str =
    r#"</script><script>alert(1)</script><img src=x onerror=alert(2)>"'&<!-- ]]> {{ 7*7 }}"#;

/// A latency of `values` values around `base_us`, some of them lower bounds.
pub(crate) fn latency(base_us: u64, values: u64, bounds: u64) -> Latency {
    let mut latency = Latency::default();
    for value in 1..=values {
        latency.record(base_us * 1000 + (value * 7919) % (base_us * 500) + value);
    }
    for _ in 0..bounds {
        latency.record_censored(base_us * 9000);
    }
    latency
}

fn interval(place: u64) -> IntervalReport {
    let bounds = u64::from(place == 2) * 5;
    IntervalReport {
        at_s: place as f64,
        length_s: 1.0,
        ok: 500,
        answered: None,
        errors: bounds,
        achieved_per_s: Some(500.0),
        response: LatencySummary::new(&latency(100 + place, 500, bounds), &[]),
        client_us_per_message: Some(2.5),
        server_us_per_message: None,
    }
}

/// An open-loop run of four seconds with a little of everything.
pub(crate) fn report() -> Report {
    let plan = plan_with(|plan| {
        plan.load = Load::Open { rate_per_s: 501.25, arrival: Arrival::Poisson, pipeline: 64 };
    });
    let clock = |base_us| LatencySummary::new(&latency(base_us, 2000, 5), &[]);
    Report {
        schema: SCHEMA.into(),
        conclusion: Vec::new(),
        tool: Tool { name: "echo-bench".into(), version: "0.0.0".into(), revision: None },
        started_at: "2026-01-02T03:04:05.678Z".into(),
        window_started_at: None,
        command: vec!["echo-bench".into(), "</script><script>alert(3)".into()],
        labels: BTreeMap::from([("note".into(), HOSTILE.into())]),
        plan,
        environment: Environment { cores: Some(2), loopback: true, ..Environment::default() },
        summary: Summary {
            until: None,
            generator_share: None,
            unstamped: None,
            surroundings: None,
            fairness: None,
            socket: None,
            server_side: None,
            measured_s: 4.0,
            offered_per_s: Some(501.25),
            achieved_interval: Some([490.0, 510.0]),
            achieved_per_s: Some(500.0),
            answered_in_window: 2000,
            requests: Requests { scheduled: 2005, ok: 2000, timeout: 5, ..Requests::default() },
            bytes: Bytes { sent: 130_000, received: 140_000 },
            connections: Connections {
                requested: 2,
                established: 2,
                alive_at_end: 1,
                reconnects: 0,
                connect_phase_ns: 1_234_567,
            },
            set_up: crate::report::SetUp::default(),
            addresses: Vec::new(),
            latency: crate::report::Latency {
                path: None,
                pickup: None,
                connect: LatencySummary::new(&latency(50, 2, 0), &[]),
                tls: None,
                tls_resumed: None,
                login: None,
                wait: clock(1),
                service: clock(90),
                response: clock(100),
            },
            send_lateness: clock(1),
            in_flight_mean: Some(0.1 + 0.2),
            cpu: Cpu { client_us_per_message: Some(2.5), ..Cpu::default() },
            tcp: None,
            pool: None,
        },
        stages: Vec::new(),
        intervals: (0..4).map(interval).collect(),
        drained: None,
        threads: vec![ThreadReport { busy: Some(0.25), denied: None }],
        errors: vec![ErrorReport {
            kind: "timeout".into(),
            phase: None,
            count: 5,
            requests: None,
            first: FirstOffender {
                connection: 1,
                request: Some(7),
                detail: HOSTILE.into(),
                expected: None,
                got: None,
                offset: None,
            },
        }],
        warnings: vec![Warning {
            code: "errors-seen".into(),
            message: HOSTILE.into(),
            remedy: "see the errors".into(),
        }],
        verdict: Verdict::Qualified,
        interrupted: false,
        slos: Vec::new(),
        link: None,
        start: None,
        parts: None,
        server: None,
    }
}

#[test]
fn a_page_is_read_back_as_the_report_it_was_made_of() {
    let report = report();
    let file = tempfile::Builder::new().suffix(".html").tempfile().unwrap();
    crate::output::replace(file.path(), &run(&report)).unwrap();
    assert_eq!(store::load(file.path()).unwrap(), report);
}

#[test]
fn a_page_without_a_report_is_refused_as_one() {
    let file = tempfile::NamedTempFile::new().unwrap();
    crate::output::replace(file.path(), "<!doctype html><p>nothing here").unwrap();
    let error = store::load(file.path()).unwrap_err().to_string();
    assert!(error.contains("holds no echo-bench report"), "{error}");
}

#[test]
fn hostile_texts_are_inert() {
    let page = run(&report());
    for broken in ["<script>alert", "<img", "</script><script>a"] {
        assert!(!page.contains(broken), "{broken} is in the page as it is");
    }
    // Opened: the report, the data of the charts, the library, our two scripts.
    assert_eq!(page.matches("<script").count(), 5);
    assert_eq!(page.matches("</script").count(), 5);
    assert!(page.contains("&#60;img src=x onerror=alert(2)&#62;"), "it is still told");
}

#[test]
fn a_page_asks_for_nothing_from_outside() {
    let page = run(&report());
    let policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:";
    assert!(page.contains(policy));
    for asking in ["src=", "@import", "url(", "fetch(", "XMLHttpRequest", "import("] {
        // The one picture is the empty icon; hostile texts of the report are escaped.
        let found = page.matches(asking).count();
        let told = if asking == "src=" { report_texts_with_src() } else { 0 };
        assert_eq!(found, told, "{asking}");
    }
    assert!(!STYLE.contains("http"));
}

/// `src=` in the visible label, error and warning, and in the embedded report.
fn report_texts_with_src() -> usize {
    2 * 3
}

#[test]
fn what_comes_with_a_page_is_small() {
    let page = run(&report());
    let json = embedding::find(&page).unwrap().len();
    assert!(page.len() - json < 128_000, "{} without the report", page.len() - json);
}

#[test]
fn curves_are_the_quantiles_of_the_report() {
    let report = report();
    let curves = Curves::of_run(&report).unwrap();
    let names: Vec<_> = curves.clocks.iter().map(|clock| clock.name.as_str()).collect();
    assert_eq!(names, ["response", "service", "wait", "lateness"]);
    let response = report.summary.latency.response.as_ref().unwrap();
    let histogram = response.histogram().unwrap();
    for (place, &quantile) in curves.quantiles.iter().enumerate() {
        if let Some(ns) = curves.clocks[0].ns[place] {
            assert_eq!(ns, histogram.value_at_quantile(quantile), "{quantile}");
        }
    }
    for quantile in &QUANTILES[..4] {
        let same = |q: &f64| q.total_cmp(&quantile.quantile).is_eq();
        let place = curves.quantiles.iter().position(same).unwrap();
        assert_eq!(curves.clocks[0].ns[place], Some(response.quantile_ns(quantile)));
    }
    assert_eq!(curves.clocks[0].ns.iter().flatten().max(), Some(&response.max_ns));
    assert_eq!(curves.eligible.unwrap().name, "p99");
}

#[test]
fn time_and_heat_are_the_intervals_of_the_report() {
    let report = report();
    let time = Timeline::new(&report).unwrap();
    assert_eq!(time.at_s, [0.5, 1.5, 2.5, 3.5]);
    assert_eq!(time.failed_per_s, Some(vec![Some(0.0), Some(0.0), Some(5.0), Some(0.0)]));
    for series in &time.latency {
        let quantile = QUANTILES.iter().find(|q| q.name == series.name).unwrap();
        for (ns, interval) in series.ns.iter().zip(&report.intervals) {
            assert_eq!(*ns, interval.response.as_ref().map(|r| r.quantile_ns(quantile)));
        }
    }
    let heat = HeatMap::new(&report).unwrap();
    assert_eq!(heat.counts, [500, 500, 505, 500]);
    assert_eq!(heat.cells.iter().flatten().map(|(_, count)| count).sum::<u64>(), 2005);
    assert_eq!(heat.edges_s, [0.0, 1.0, 2.0, 3.0, 4.0]);
}

#[test]
fn a_run_without_answers_claims_no_latency() {
    let mut report = report();
    let latency = &mut report.summary.latency;
    (latency.response, latency.service, latency.wait) = (None, None, None);
    report.intervals.clear();
    report.verdict = Verdict::Invalid;
    let page = run(&report);
    assert!(page.contains("no successful replies") && !page.contains("data-chart="));
}

/// A closed loop has a wait where callers share a pool.
#[test]
fn text_and_page_show_the_same_clocks() {
    let mut closed = report();
    closed.plan = small_plan::plan();
    closed.summary.send_lateness = None;
    let mut pooled = closed.clone();
    pooled.plan = small_plan::pooled();
    closed.summary.latency.wait = None;
    let check = |report: &Report, clocks: &[&str]| {
        let text = crate::render::text::report(report);
        let page = run(report);
        let table = &page[page.find("<table id=\"latency\">").unwrap()..];
        let table = &table[..table.find("</table>").unwrap()];
        for clock in ["response", "service", "wait", "lateness", "connect"] {
            let shown = clocks.contains(&clock);
            assert_eq!(text.lines().any(|line| line.starts_with(clock)), shown, "{text}");
            assert_eq!(table.contains(&format!(">{clock}<")), shown, "{clock} in {table}");
        }
        let curves = Curves::of_run(report).unwrap().clocks;
        let drawn: Vec<_> = curves.iter().map(|curve| curve.name.as_str()).collect();
        assert_eq!(drawn, &clocks[..clocks.len() - 1]);
    };
    check(&report(), &["response", "service", "wait", "lateness", "connect"]);
    check(&closed, &["response", "connect"]);
    check(&pooled, &["response", "service", "wait", "connect"]);
}

#[test]
fn a_pool_is_said_to_have_callers_whose_response_runs_from_the_call() {
    let mut report = report();
    report.plan = small_plan::pooled();
    for shown in [run(&report), crate::render::text::report(&report)] {
        let shown = shown.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(shown.contains("the call to the last byte"), "{shown}");
        assert!(shown.contains("callers"), "{shown}");
        assert!(!shown.contains("connection sends when"), "{shown}");
    }
}

#[test]
fn pieces_without_length_are_not_drawn() {
    let mut stored = report();
    stored.intervals.push(IntervalReport { at_s: 4.0, length_s: 0.0, ..interval(4) });
    assert_eq!(Timeline::new(&stored).unwrap().at_s, [0.5, 1.5, 2.5, 3.5]);
    assert_eq!(HeatMap::new(&stored).unwrap().edges_s, [0.0, 1.0, 2.0, 3.0, 4.0]);
}

/// A page without what every page has, and without the JSON in it.
fn skeleton(page: &str) -> String {
    let skeleton = page
        .replace(UPLOT_SCRIPT, "[uPlot]")
        .replace(UPLOT_STYLE, "[style of uPlot]")
        .replace(UPLOT_LICENCE, "[licence of uPlot]\n")
        .replace(STYLE, "[style]")
        .replace(super::FOREST_STYLE, "[style of ratios]")
        .replace(super::SWEEP_STYLE, "[style of sweeps]")
        .replace(super::SWEEP_SCRIPT, "[script of sweeps]")
        .replace(super::PAGE_SCRIPT, "[script of pages]")
        .replace(super::SCRIPT, "[script]");
    let json = embedding::find(&skeleton).unwrap().to_owned();
    let skeleton = skeleton.replace(&json, "[json]");
    let (before, charts) = skeleton.split_once("id=\"echo-bench-charts\">").unwrap();
    let (_, after) = charts.split_once("</script>").unwrap();
    format!("{before}id=\"echo-bench-charts\">[charts]</script>{after}")
}

#[test]
fn the_skeleton_of_a_page() {
    let page = skeleton(&run(&report()));
    // The long tables are the data of the charts, which other tests look at.
    let long = page.find("<details>").unwrap()..page.rfind("</details>").unwrap();
    let page = page.replace(&page[long], "[long tables]");
    // Settings are listed whatever they are: a new one is no change of the page.
    let settings = page.find("<table id=\"plan\">").unwrap()..page.find("<footer>").unwrap();
    insta::assert_snapshot!(page.replace(&page[settings], "[settings]"));
}

#[test]
fn the_drawing_library_is_the_one_that_was_published() {
    for (text, digest) in [
        (UPLOT_SCRIPT, "19c8d4c6ad88929a79f4ae49d6f7161566dfd0ba3d15cc495e974f787eb78f1f"),
        (UPLOT_STYLE, "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04"),
        (UPLOT_LICENCE, "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd"),
    ] {
        let found = Sha256::digest(text.as_bytes());
        let bytes = (0..32).map(|k| u8::from_str_radix(&digest[2 * k..][..2], 16).unwrap());
        assert!(found.iter().copied().eq(bytes), "it is not the file of version 1.6.32");
    }
}
