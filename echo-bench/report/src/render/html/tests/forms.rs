//! Text, Markdown and the page of a run carry the same phrases and rows.

use echo_bench_engine::plan::{Load, PoolPlan, TlsPlan, Trust};

use super::{HOSTILE, latency, report, run};
use crate::describe::{self, Body, Description, Table};
use crate::merge::merge;
use crate::render::{markdown, text};
use crate::report::{
    AddressReport, FirstOffender, LatencySummary, PoolReport, Report, Requests, Slo, Tcp,
    Verdict,
};

/// Runs with everything that a report can say, each by its name.
fn runs() -> Vec<(&'static str, Report)> {
    let tcp = Tcp {
        connections: 2,
        retransmits: 1,
        rtt_median_us: Some(72),
        min_rtt_us: None,
        send_buffer: Some(4 << 20),
        recv_buffer: Some(131_072),
    };
    let mut plain = report();
    plain.plan.load = Load::Closed { pipeline: 1 };
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
    tls.plan.tls = Some(TlsPlan { trust, server_name: None, resume: true });
    tls.summary.latency.tls = LatencySummary::new(&latency(700, 2, 0), &[]);
    tls.summary.latency.tls_resumed = LatencySummary::new(&latency(300, 400, 0), &[]);
    let mut pool = plain.clone();
    pool.plan.pool = Some(PoolPlan { size: 3 });
    pool.summary.pool = Some(PoolReport { created: 3, reused: 1500, ..PoolReport::default() });
    pool.summary.latency.wait = LatencySummary::new(&latency(1, 2000, 0), &[]);
    let mut chat = plain.clone();
    chat.plan.chat = Some(echo_bench_engine::plan::ChatPlan { deaf: 1 });
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

/// Everything that a description says, and that every form must carry.
fn said(told: &Description) -> Vec<String> {
    let mut said = vec![told.title.clone(), told.reading.clone()];
    said.extend(told.detail.clone());
    said.extend(told.phrases.iter().cloned());
    for section in &told.sections {
        match &section.body {
            Body::Rows(rows) => {
                said.extend(rows.iter().map(|row| format!("{} {}", row.label, row.value)));
            }
            Body::Table(table) => said.extend(of_table(table)),
            Body::Notices(notices) => {
                for notice in notices {
                    said.push(format!("{} {}", notice.name, notice.text));
                    said.extend(notice.more.clone());
                }
            }
        }
    }
    said.push(format!("{} {}", told.verdict.word, told.verdict.meaning));
    said
}

/// Its rows: what stands in the cells and, apart, below them; and its notes.
fn of_table(table: &Table) -> Vec<String> {
    let joined = |cells: Vec<&str>| cells.join(" ");
    let mut said = vec![joined(table.columns.iter().map(|c| c.name.as_str()).collect())];
    for row in &table.rows {
        said.push(joined(row.iter().map(|cell| cell.text.as_str()).collect()));
        said.extend(row.iter().filter_map(|cell| cell.below.clone()));
    }
    said.extend(table.notes.iter().map(|note| format!("{} {}", note.mark, note.text)));
    said
}

/// The words of a text, whatever markup, signs of print and layout they came in.
fn bare(text: &str) -> String {
    let print = text
        .replace("\u{202f}–\u{202f}", "..")
        .replace('\u{202f}', " ")
        .replace('µ', "u")
        .replace('≥', ">=")
        .replace('→', "->")
        .replace('×', "x")
        .replace('−', "-");
    let dashes = print.replace(" – ", " - ").replace('–', "..");
    let marks = dashes.replace('\\', "").replace(['`', '|', '*', '(', ')', ':', ';', ','], " ");
    marks
        .split_whitespace()
        .filter(|word| !["->", "-", ".."].contains(word))
        .fold(String::from(" "), |text, word| text + word + " ")
}

/// A page without its elements; what stands below cells comes after their row.
fn of_page(page: &str) -> String {
    let mut text = String::new();
    for row in page.replace("</p>", "</p></tr>").split("</tr>") {
        let (mut shown, mut below) = (String::new(), String::new());
        let in_table = row.contains("<td");
        let mut small = false;
        for piece in row.split('<') {
            let (element, words) = piece.split_once('>').unwrap_or(("", piece));
            match element {
                "small" => small = in_table,
                "/small" => small = false,
                _ => {}
            }
            let out = if small { &mut below } else { &mut shown };
            out.push(' ');
            out.push_str(words);
        }
        text.push_str(&shown);
        text.push_str(&below);
    }
    ["#60;<", "#62;>", "#34;\"", "#39;'", "#38;&"].iter().fold(text, |text, entity| {
        let (code, character) = entity.split_once(';').unwrap();
        text.replace(&format!("&{code};"), character)
    })
}

#[test]
fn text_markdown_and_page_carry_the_same_phrases_and_rows() {
    for (name, report) in runs() {
        let told = describe::run(&report);
        let page = run(&report);
        let (page, _) = page.split_once("<footer>").unwrap();
        let (_, page) = page.split_once("<main>").unwrap();
        let forms = [
            ("text", bare(&text::report(&report))),
            ("markdown", bare(&markdown::report(&report))),
            ("page", bare(&of_page(page))),
        ];
        for said in said(&told) {
            for (form, shown) in &forms {
                let wanted = bare(&said);
                assert!(shown.contains(&wanted), "{name}: no{wanted}in the {form}: {shown}");
            }
        }
        // What a page says before everything else is said by the others, too.
        for figure in &told.figures {
            let value = bare(&figure.value);
            let (_, text) = &forms[0];
            assert!(text.contains(&value), "{name}: {} {value} in {text}", figure.name);
        }
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
