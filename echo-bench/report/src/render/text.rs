//! The report as text for a terminal.

use std::fmt::Write;

use comfy_table::presets;

use echo_proto::terminal::one_line;

use super::{latency_table, slo, units};
use crate::report::{AddressReport, Report, Requests};
use echo_bench_engine::plan::{Load, MessagePlan, Plan, StopRule, Target, TlsPlan, Trust};

/// The whole report.
pub fn report(report: &Report) -> String {
    let mut out = String::new();
    // Writing to a string can't fail, so the results are dropped here and below.
    let _ = writeln!(out, "{}\n{}\n", one_line(&subject(report)), load(&report.plan));
    let _ = writeln!(out, "{}", counts(report));
    let _ = writeln!(out, "\n{}", latencies(report));
    let _ = writeln!(out, "{}", costs(report));
    for error in &report.errors {
        let request = error.first.request.map_or(String::new(), |n| format!(", request {n}"));
        let _ = writeln!(
            out,
            "error      {} x {}; first: connection {}{request}: {}",
            units::count(error.count),
            one_line(&error.kind),
            error.first.connection,
            one_line(&error.first.detail)
        );
    }
    for warning in &report.warnings {
        let (code, message) = (one_line(&warning.code), one_line(&warning.message));
        let _ = writeln!(out, "warning    {code}: {message}");
        let _ = writeln!(out, "           -> {}", one_line(&warning.remedy));
    }
    for slo in &report.slos {
        let _ = writeln!(out, "slo        {}", one_line(&slo::outcome(slo)));
    }
    let interrupted = if report.interrupted { ", interrupted" } else { "" };
    let _ = writeln!(out, "verdict    {}{interrupted}", report.verdict);
    let _ = writeln!(out, "reading    {}", reading(report));
    out
}

pub(super) fn subject(report: &Report) -> String {
    let plan = &report.plan;
    let what = match &plan.target {
        Target::Embedded { server } => format!("embedded echo-server ({server})"),
        Target::Address { address, .. } => address.clone(),
    };
    let tls = match &plan.tls {
        None => "",
        Some(TlsPlan { trust: Trust::Anyone, .. }) => " inside TLS (server not verified)",
        Some(_) => " inside TLS",
    };
    format!("{what}, {}{tls}", plan.spoken())
}

pub(super) fn load(plan: &Plan) -> String {
    // Callers of a pool are no connections.
    let noun = if plan.is_pooled() { "caller" } else { "connection" };
    let connections = units::counted(plan.connections.into(), noun);
    let model = match plan.load {
        Load::Closed { pipeline } => {
            format!("closed loop, {connections} x {pipeline} in flight")
        }
        Load::Open { rate_per_s, arrival, pipeline } => format!(
            "open loop, {} requests/s ({arrival}) over {connections}, \
             at most {pipeline} in flight each",
            units::rate(rate_per_s)
        ),
    };
    let size = match &plan.messages {
        MessagePlan::Generated { min_bytes, max_bytes } if min_bytes == max_bytes => {
            format!("{min_bytes}-byte messages")
        }
        MessagePlan::Generated { min_bytes, max_bytes } => {
            format!("messages of {min_bytes} to {max_bytes} bytes")
        }
        MessagePlan::Given { texts, crlf } => format!(
            "{}{}",
            units::counted(texts.len() as u64, "given message"),
            if *crlf { " (CRLF lines, sent without CR)" } else { "" }
        ),
    };
    let stop = match plan.stop {
        StopRule::Duration { duration_ns } => units::time(duration_ns as f64),
        StopRule::Requests { requests } => units::counted(requests, "request"),
    };
    format!(
        "{model}, {size}, {}; {stop} after {} warm-up; replies verified: {}; seed {}",
        units::counted(plan.threads.into(), "generator thread"),
        match plan.warmup_ns {
            0 => "no".to_owned(),
            ns => format!("{} of", units::time(ns as f64)),
        },
        plan.verify,
        plan.seed,
    )
}

pub(super) fn counts(report: &Report) -> String {
    let summary = &report.summary;
    let achieved = summary.achieved_per_s.map_or("n/a".into(), units::rate);
    let offered = summary
        .offered_per_s
        .map_or(String::new(), |offered| format!(" of {} offered", units::rate(offered)));
    let requests = &summary.requests;
    let mut out = format!("requests/s {achieved}{offered} over {:.3} s\n", summary.measured_s);
    let _ = write!(
        out,
        "requests   {} scheduled = {} ok",
        units::count(requests.scheduled),
        units::count(requests.ok)
    );
    for (name, count) in failures(requests) {
        if count > 0 {
            let _ = write!(out, " + {} {name}", units::count(count));
        }
    }
    if requests.scheduled == requests.ok && report.errors.is_empty() {
        out.push_str(", 0 failed");
    }
    let _ = write!(
        out,
        "\nbytes      {} sent, {} received",
        units::bytes(summary.bytes.sent),
        units::bytes(summary.bytes.received)
    );
    let connections = &summary.connections;
    let _ = write!(
        out,
        "\nconnected  {} of {} in {}, {} alive at the end",
        units::count(connections.established.into()),
        units::count(connections.requested.into()),
        units::time(connections.connect_phase_ns as f64),
        units::count(connections.alive_at_end.into())
    );
    if connections.reconnects > 0 {
        let _ = write!(out, ", {}", units::counted(connections.reconnects, "reconnect"));
    }
    if is_told(&report.plan, &summary.addresses) {
        let each = summary.addresses.iter().map(address);
        let _ = write!(out, "\naddresses  {}", each.collect::<Vec<_>>().join(", "));
    }
    if let Some(pool) = &summary.pool {
        let counts =
            pool.counts().map(|(name, count)| format!("{} {name}", units::count(count)));
        let _ = write!(
            out,
            "\npool       {}, warm-up included",
            counts.collect::<Vec<_>>().join(", ")
        );
    }
    out
}

/// Whether the addresses say more than the target does.
fn is_told(plan: &Plan, addresses: &[AddressReport]) -> bool {
    match (&plan.target, addresses) {
        (Target::Address { address, .. }, [only]) => only.address != *address,
        _ => addresses.len() > 1,
    }
}

/// An address, and what came of connecting to it.
pub(super) fn address(address: &AddressReport) -> String {
    let failed = match (address.failed, &address.failure) {
        (0, _) => String::new(),
        (failed, reason) => {
            let reason = reason.as_deref().unwrap_or("unknown");
            format!(", {} failed: {reason}", units::count(failed))
        }
    };
    format!("{} ({} made{failed})", address.address, units::count(address.made))
}

fn failures(requests: &Requests) -> [(&'static str, u64); 8] {
    [
        ("mismatch", requests.mismatch),
        ("error", requests.error),
        ("timeout", requests.timeout),
        ("reset", requests.reset),
        ("refused", requests.refused),
        ("closed", requests.closed),
        ("unsent", requests.unsent),
        ("in flight", requests.in_flight),
    ]
}

fn latencies(report: &Report) -> String {
    match latency_table::of(report) {
        None => "latency    n/a: no successful replies\n".into(),
        Some(mut table) => {
            table.load_style(presets::NOTHING);
            for column in table.column_iter_mut().take(1) {
                column.set_padding((0, 1));
            }
            let lines: Vec<_> = table.lines().map(|line| line.trim_end().to_owned()).collect();
            let mut shown = lines.join("\n") + "\n";
            for weak in latency_table::weak(report) {
                let _ = writeln!(shown, "  ~        {weak}");
            }
            shown
        }
    }
}

pub(super) fn costs(report: &Report) -> String {
    let cpu = &report.summary.cpu;
    let side = |us: Option<f64>, busy: Option<f64>, rss: Option<u64>| {
        let us = us.map_or("n/a".into(), |us| format!("{} us", units::significant(us)));
        let busy = busy.map_or(String::new(), |busy| format!(", {busy:.2} cores"));
        let rss =
            rss.map_or(String::new(), |rss| format!(", peak {} resident", units::bytes(rss)));
        format!("{us} per message{busy}{rss}")
    };
    let mut out = format!(
        "cpu        generator {}\n           server {}",
        side(cpu.client_us_per_message, cpu.client_busy, cpu.client_peak_rss_bytes),
        side(cpu.server_us_per_message, cpu.server_busy, cpu.server_peak_rss_bytes)
    );
    if let Some(tcp) = &report.summary.tcp {
        let us =
            |us: Option<u32>| us.map_or("n/a".into(), |us| units::time(f64::from(us) * 1e3));
        let _ = write!(
            out,
            "\ntcp        {}, median rtt {}, min {}",
            units::counted(tcp.retransmits, "retransmit"),
            us(tcp.rtt_median_us),
            us(tcp.min_rtt_us)
        );
    }
    out
}

/// One sentence that says what the numbers mean.
pub(super) fn reading(report: &Report) -> String {
    let summary = &report.summary;
    match report.plan.load {
        Load::Closed { .. } if report.plan.is_pooled() => "closed loop: a caller asks again \
             when it is answered, so a slow server is asked less often; percentiles are of response \
             (the call to the last byte), so the wait for a connection counts"
            .to_owned(),
        Load::Closed { .. } => "closed loop: a connection sends when it has a free slot, so a \
             slow server is asked less often; percentiles are of service (write to last byte)"
            .to_owned(),
        Load::Open { .. } => format!(
            "open loop: {} of {} requests/s offered; sent late by p99 {}; percentiles are of \
             response (due instant to last byte), so queueing counts",
            summary.achieved_per_s.map_or("n/a".into(), units::rate),
            summary.offered_per_s.map_or("n/a".into(), units::rate),
            summary
                .send_lateness
                .as_ref()
                .map_or("n/a".into(), |lateness| units::time(lateness.p99_ns as f64)),
        ),
    }
}
