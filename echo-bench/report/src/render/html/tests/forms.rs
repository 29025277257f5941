//! Text, Markdown and the page of a run carry the same phrases and rows.

use std::collections::BTreeMap;

use echo_bench_engine::plan::{
    Load, Plan, ProtocolPlan, Settings, TlsPlan, Trust, WorkloadPlan,
};
use echo_bench_engine::schedule::Arrival;

use super::comparison::{compared, side};
use super::sweep::swept;
use super::{HOSTILE, latency, report, run};
use crate::compare::self_check::self_check;
use crate::compare::{Options, Side};
use crate::describe::{self, Body, Description};
use crate::merge::merge;
use crate::render::{markdown, text};
use crate::report::{
    AddressReport, Fairness, FirstOffender, GeneratorShare, LatencySummary, OwnPart,
    PoolReport, Report, Requests, Slo, Tcp, Verdict,
};
use crate::sweep::CellSlo;

fn change(plan: &mut Plan, change: impl FnOnce(&mut Settings)) {
    *plan = plan.with(change).unwrap();
}

/// Runs with everything that a report can say, each by its name.
pub(crate) fn runs() -> Vec<(&'static str, Report)> {
    let tcp = Tcp {
        connections: 2,
        with_syn_data: None,
        retransmits: 1,
        rtt_median_us: Some(72),
        min_rtt_us: None,
        send_buffer: Some(4 << 20),
        recv_buffer: Some(131_072),
    };
    let mut plain = report();
    change(&mut plain.plan, |plan| plan.load = Load::Closed { pipeline: 1 });
    plain.summary.requests = Requests { scheduled: 2000, ok: 2000, ..Requests::default() };
    (plain.summary.latency.wait, plain.summary.send_lateness) = (None, None);
    (plain.summary.tcp, plain.verdict) = (Some(tcp), Verdict::Valid);
    plain.errors.clear();
    let response = LatencySummary::new(&latency(100, 2000, 0), &[]);
    plain.summary.latency.service = response.clone();
    plain.summary.latency.response = response;
    for interval in &mut plain.intervals {
        interval.errors = 0;
        interval.response = LatencySummary::new(&latency(100, 500, 0), &[]);
    }
    plain.warnings.clear();
    let mut tls = report();
    let trust = Trust::Anyone;
    let inside = TlsPlan { trust, server_name: None, resume: true, client_certificate: None };
    change(&mut tls.plan, |plan| plan.tls = Some(inside));
    tls.summary.latency.tls = LatencySummary::new(&latency(700, 2, 0), &[]);
    tls.summary.latency.tls_resumed = LatencySummary::new(&latency(300, 400, 0), &[]);
    let mut pool = plain.clone();
    let protocol = ProtocolPlan::Line;
    let shared = WorkloadPlan::Pool { protocol, size: 3, reconnect_after: None };
    change(&mut pool.plan, |plan| plan.workload = shared);
    pool.summary.pool = Some(PoolReport { created: 3, reused: 1500, ..PoolReport::default() });
    pool.summary.latency.wait = LatencySummary::new(&latency(1, 2000, 0), &[]);
    let mut chat = plain.clone();
    change(&mut chat.plan, |plan| {
        plan.connections = 3;
        plan.load = Load::Open { rate_per_s: 10.0, arrival: Arrival::Constant, pipeline: 1 };
        plan.workload = WorkloadPlan::Chat { deaf: 1 };
    });
    chat.summary.fairness = Some(fairness(0));
    chat.summary.generator_share = Some(own_share(0));
    let mut failures = report();
    failures.summary.requests.reset = 3;
    failures.summary.connections.reconnects = 4;
    let first =
        FirstOffender { expected: Some("abc".into()), ..failures.errors[0].first.clone() };
    failures.errors[0].first =
        FirstOffender { offset: Some(3), got: Some("axc".into()), ..first };
    let address = |address: &str, failure: Option<String>| {
        let failed = failure.is_some().into();
        AddressReport { address: address.into(), made: 2, failed, failure }
    };
    failures.summary.addresses =
        vec![address("[::1]:7", Some(HOSTILE.into())), address("127.0.0.1:7", None)];
    let response = failures.summary.latency.response.clone();
    let judge = |slo: &str| slo.parse::<Slo>().unwrap().judge(response.as_ref(), &[]);
    failures.slos = ["p99<5ms", "p50<1us", "p99.9<1s", "max<1s"].map(judge).into();
    let mut invalid = report();
    let latency = &mut invalid.summary.latency;
    (latency.response, latency.service, latency.wait) = (None, None, None);
    (invalid.verdict, invalid.interrupted) = (Verdict::Invalid, true);
    let later = Report { started_at: "2026-01-02T03:05:05Z".into(), ..plain.clone() };
    let merged = merge(&[plain.clone(), later]).unwrap();
    vec![
        ("plain", plain),
        ("tls", tls),
        ("pool", pool),
        ("chat", chat),
        ("failures", failures),
        ("invalid", invalid),
        ("merged", merged),
        ("censored", report()),
    ]
}

/// The phrases of a description, which every form must carry.
fn phrases(told: &Description) -> Vec<String> {
    let mut said = vec![told.title.clone(), told.verdict.to_string(), told.reading.clone()];
    said.extend(told.detail.clone());
    said.extend(told.phrases.iter().cloned());
    for section in &told.sections {
        match &section.body {
            // Each figure is in another section, too, and a page has charts for a histogram.
            Body::Figures(_) | Body::Spread(_) => {}
            Body::Rows(rows) => {
                said.extend(rows.iter().map(|row| format!("{} {}", row.label, row.value)));
            }
            Body::Notices(notices) => {
                for notice in notices {
                    said.push(format!("{} {}", notice.name, notice.text));
                    said.extend(notice.more.clone());
                }
            }
            Body::Table(table) => {
                if section.headed {
                    said.push(format!("{} {}", section.title, table.caption));
                }
            }
        }
    }
    said
}

/// The rows of its tables with their header and their notes; what stands below cells is a row of
/// its own. Where a page draws a table, the reason of a note stands in the row of what it is of.
fn rows(told: &Description) -> Vec<Vec<String>> {
    let bodies = told.sections.iter().map(|section| &section.body);
    let tables = bodies.filter_map(|body| match body {
        Body::Table(table) => Some(table),
        _ => None,
    });
    let mut rows = Vec::new();
    for table in tables {
        rows.push(table.columns.iter().map(|column| column.name.clone()).collect());
        let notes = table.notes.iter();
        rows.extend(
            notes.map(|n| n.text.split(" not compared: ").map(str::to_owned).collect()),
        );
        for row in &table.rows {
            rows.push(row.iter().map(|cell| cell.text.clone()).collect());
            rows.push(row.iter().filter_map(|cell| cell.below.clone()).collect());
        }
    }
    rows
}

/// The words of a text, whatever markup, signs of print and layout they came in.
fn bare(text: &str) -> String {
    let print = text.replace("\u{202f}–\u{202f}", "..").replace('\u{202f}', " ");
    let signs = [("≥", ">="), ("→", "->"), ("×", "x"), ("−", "-"), ("\\", "")];
    let print = signs.iter().fold(print, |text, (sign, plain)| text.replace(sign, plain));
    let print = print.replace(" – ", " - ").replace('–', "..");
    let words = print.replace(['`', '|', '*', '(', ')', ':', ';', ','], " ");
    let words = words.split_whitespace().map(|word| word.trim_end_matches('.'));
    let words = words.filter(|word| !["->", "-", ""].contains(word));
    words.fold(String::from(" "), |text, word| text + word + " ")
}

/// A page without its elements, row by row.
fn of_page(page: &str) -> String {
    let mut text = String::new();
    for piece in page.replace('\n', " ").split('<') {
        let (element, words) = piece.split_once('>').unwrap_or(("", piece));
        text.push(if element == "/tr" { '\n' } else { ' ' });
        text.push_str(words);
    }
    let entities =
        [("&#60;", "<"), ("&#62;", ">"), ("&#34;", "\""), ("&#39;", "'"), ("&#38;", "&")];
    entities.iter().fold(text, |text, (code, character)| text.replace(code, character))
}

/// Whether a line has all of `cells`, in their order.
fn has(line: &str, cells: &[String]) -> bool {
    let mut rest = line;
    cells.iter().all(|cell| {
        let cell = bare(cell);
        let found = rest.find(&cell);
        // The space after a word is the one before the next.
        found.is_some_and(|place| {
            rest = &rest[place + cell.len() - 1..];
            true
        })
    })
}

/// Text, Markdown and page carry everything that the description says.
fn assert_the_same(name: &str, told: &Description, [text, markdown, page]: [String; 3]) {
    let (page, _) = page.split_once("<footer>").unwrap();
    let (_, page) = page.split_once("<main>").unwrap();
    for (form, shown) in [("text", text), ("markdown", markdown), ("page", of_page(page))] {
        let whole = bare(&shown);
        for phrase in phrases(told) {
            let phrase = bare(&phrase);
            assert!(whole.contains(&phrase), "{name}: no{phrase}in the {form}: {whole}");
        }
        let lines: Vec<String> = shown.lines().map(bare).collect();
        for row in rows(told) {
            let found = lines.iter().any(|line| has(line, &row));
            assert!(found, "{name}: no {row:?} in the {form}: {shown}");
        }
    }
}

#[test]
fn text_markdown_and_page_carry_the_same_phrases_and_rows() {
    for (name, report) in runs() {
        let told = describe::run(&report);
        let text = text::report(&report);
        // What a page says before everything else is said by the others, too.
        for section in &told.sections {
            let Body::Figures(figures) = &section.body else { continue };
            for figure in figures {
                let (value, text) = (bare(&figure.value), bare(&text));
                assert!(text.contains(&value), "{name}: {} {value} in {text}", figure.name);
            }
        }
        assert_the_same(name, &told, [text, markdown::report(&report), run(&report)]);
    }
}

/// Half of 180 us is the generator's own.
pub(crate) fn own_share(number: u64) -> GeneratorShare {
    let clock = |base_us| LatencySummary::new(&latency(base_us, 20_000, 0), &[]).unwrap();
    let half = OwnPart { share: 0.5, generator_ns: 90_000 };
    GeneratorShare {
        response: clock(180 + number),
        corrected: clock(90 + number),
        exact: 20_000,
        implausible: 0,
        quantiles: BTreeMap::from([("p50".into(), half), ("p99".into(), half)]),
    }
}

pub(crate) fn fairness(number: u64) -> Fairness {
    Fairness {
        connections: 10,
        starved: 0,
        below_tenth: 1,
        min: 3,
        median: 200,
        max: 900,
        jain: 0.8 + number as f64 / 1000.0,
        mean_latency_ns: None,
        spread: vec![3, 200, 900],
    }
}

#[test]
fn a_chat_has_messages_and_deliveries_wherever_it_is_spoken_of() {
    let runs = runs();
    let (_, chat) = runs.iter().find(|(name, _)| *name == "chat").unwrap();
    let (page, text) = (run(chat), text::report(chat));
    let (page, _) = page.split_once("<section class=\"details\"").unwrap();
    let (_, page) = page.split_once("<main>").unwrap();
    for shown in [text, markdown::report(chat), of_page(page)] {
        let shown = bare(&shown);
        for other in [" request", "requests/s", " repl", "per connection"] {
            assert!(!shown.contains(other), "{other} in {shown}");
        }
        for own in
            ["deliveries/s", "10.00 messages/s", "3 members", "900 deliveries per member"]
        {
            assert!(shown.contains(own), "no {own} in {shown}");
        }
    }
}

/// Runs whose latencies are the generator's own beyond 90 us.
pub(crate) fn with_explanations(mut side: Side) -> Side {
    for (number, input) in (0..).zip(&mut side.inputs) {
        let summary = &mut input.report.summary;
        summary.generator_share = Some(own_share(number));
        summary.fairness = Some(fairness(number));
    }
    side
}

#[test]
fn text_markdown_and_page_of_a_comparison_carry_the_same() {
    let base = side("base", 1, 100, &[1, 10]);
    let mut other = side("c", 2, 200, &[10, 100]);
    for input in &mut other.inputs {
        input.report.environment.kernel = Some("Linux 9".into());
        change(&mut input.report.plan, |plan| plan.socket.nodelay = !plan.socket.nodelay);
    }
    let mut single = side(HOSTILE, 2, 200, &[1]);
    single.inputs.truncate(1);
    let slow_generator = with_explanations(side("b", 2, 200, &[1, 10]));
    for (name, base, candidates) in [
        ("explained", with_explanations(base.clone()), vec![slow_generator]),
        ("alike", base.clone(), vec![side("b", 2, 100, &[1, 10])]),
        ("several", base.clone(), vec![side("b", 2, 100, &[1, 10]), other]),
        ("single", base, vec![single]),
    ] {
        let comparison = compared(&base, &candidates);
        let forms = [
            text::comparison(&comparison),
            markdown::comparison(&comparison),
            crate::render::html::comparison(&comparison),
        ];
        assert_the_same(name, &describe::comparison(&comparison), forms);
    }
}

#[test]
fn text_markdown_and_page_of_a_sweep_carry_the_same() {
    let mut failed = swept(HOSTILE);
    failed.cells[0].failures.push("exit status: 4: no server".into());
    for (cell, worst) in [(0, "p99<5ms"), (1, "p50<1us")] {
        let runs = &failed.cells[cell].runs;
        let response = runs[0].summary.latency.response.as_ref();
        let worst = worst.parse::<Slo>().unwrap().judge(response, &[]);
        let (slo, outcome) = (worst.slo.clone(), worst.verdict());
        let (runs, missed, undecided) = (3, 1, 0);
        failed.analysis.slos.push(CellSlo {
            cell,
            slo,
            outcome,
            worst,
            runs,
            missed,
            undecided,
        });
    }
    for (name, sweep) in [("plain", swept("tokio")), ("failed", failed)] {
        let forms =
            [text::sweep(&sweep), markdown::sweep(&sweep), crate::render::html::sweep(&sweep)];
        assert_the_same(name, &describe::sweep(&sweep), forms);
    }
}

#[test]
fn lines_of_a_run_s_text_fit_a_terminal_but_for_tables_and_messages() {
    for (name, report) in runs() {
        for line in text::report(&report).lines() {
            let label = line.split(' ').next().unwrap_or_default();
            let ours =
                ["requests/s", "replies", "requests", "bytes", "connected", "pool", "tcp"];
            let fits = line.chars().count() <= 80;
            let ours =
                ours.contains(&label) || ["buffers", "verdict", "reading"].contains(&label);
            assert!(fits || !ours, "{name}: {line}");
        }
    }
}

#[test]
fn runs_of_a_chat_together_have_deliveries_too() {
    let mut sweep = swept("tokio");
    for run in sweep.cells.iter_mut().flat_map(|cell| &mut cell.runs) {
        change(&mut run.plan, |plan| {
            plan.connections = 3;
            plan.load =
                Load::Open { rate_per_s: 10.0, arrival: Arrival::Constant, pipeline: 1 };
            plan.workload = WorkloadPlan::Chat { deaf: 1 };
        });
    }
    let mut repeats = sweep.clone();
    repeats.cells.truncate(1);
    repeats.plan.axes.clear();
    let reports = [1, 2].map(|_| sweep.cells[0].runs[0].clone());
    let options = Options { resamples: 200, ..Options::default() };
    let check = self_check(&reports, 1, &options).unwrap();
    for (name, shown) in [
        ("sweep", text::sweep(&sweep)),
        ("page of a sweep", crate::render::html::sweep(&sweep)),
        ("repeats", text::sweep(&repeats)),
        ("self-check", text::self_check(&check)),
    ] {
        let shown = shown.split("<script").next().unwrap();
        assert!(shown.contains("deliveries/s"), "{name}: {shown}");
        assert!(!shown.contains("requests/s"), "{name}: {shown}");
    }
}
