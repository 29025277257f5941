//! Made-up reports of an idealised server: [`report`]. For tests and benches that process
//! reports.

use serde_json::{Value, json};

use echo_bench_engine::record::Latency;
use echo_bench_report::report::LatencySummary;

/// Amount of data in a report.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// Intervals of a second.
    pub intervals: u64,
    /// Replies in each.
    pub answers: u64,
    /// Latencies range from 0.95 of the level to this many thousandths above that.
    pub spread: u64,
}

/// A report with latencies of about `level_us`.
pub fn report(shape: Shape, number: u64, level_us: u64) -> Value {
    let Shape { intervals: seconds, answers, spread } = shape;
    let mut whole = Latency::default();
    let mut intervals = Vec::new();
    for interval in 0..seconds {
        let mut piece = Latency::default();
        for k in 0..answers {
            let wobble = (k * 7919 + interval * 31 + number * 17) % spread;
            piece.record(level_us * 1000 * (950 + wobble + number % 5) / 1000);
        }
        whole += &piece;
        intervals.push(json!({
            "at_s": interval, "length_s": 1.0, "ok": answers, "errors": 0,
            "achieved_per_s": answers as f64,
            "response": LatencySummary::new(&piece, &[]),
            "client_us_per_message": 3.0, "server_us_per_message": null,
        }));
    }
    let response = LatencySummary::new(&whole, &[]);
    let requests = json!({
        "scheduled": seconds * answers, "ok": seconds * answers, "mismatch": 0, "error": 0, "timeout": 0, "reset": 0,
        "refused": 0, "closed": 0, "shed": 0, "unsent": 0, "in_flight": 0,
    });
    json!({
        "schema": "echo-bench.report/1",
        "tool": {"name": "echo-bench", "version": "0.1.0", "revision": null},
        "started_at": format!("2026-01-01T00:{number:02}:00Z"),
        "labels": {},
        "plan": {
            "target": {"kind": "embedded", "server": ["--model", "tokio"]},
            "connections": 10, "threads": 1, "load": {"model": "closed", "pipeline": 1},
            "stop": {"kind": "duration", "duration_ns": seconds * 1_000_000_000},
            "warmup_ns": 0, "timeout_ns": 1_000_000_000, "drain_ns": 1_000_000_000,
            "interval_ns": 1_000_000_000, "protocol": "line",
            "messages": {"kind": "generated", "min_bytes": 64, "max_bytes": 64},
            "verify": "full", "split_writes": 1,
            "socket": {"nodelay": true, "send_buffer": null, "recv_buffer": null, "sources": []},
            "idle": "sleep", "engine": "epoll", "seed": number, "schedule_digest": null,
        },
        "environment": {"kernel": "Linux 6.1", "loopback": true},
        "summary": {
            "measured_s": seconds as f64, "answered_in_window": seconds * answers,
            "offered_per_s": null, "achieved_per_s": (answers + number) as f64,
            "requests": requests, "bytes": {"sent": 1, "received": 1},
            "connections": {
                "requested": 10, "established": 10, "alive_at_end": 10, "reconnects": 0,
                "connect_phase_ns": 1000,
            },
            "latency": {
                "connect": null, "tls": null, "wait": null, "service": response.clone(),
                "response": response,
            },
            "send_lateness": null, "in_flight_mean": 1.0,
            "cpu": {
                "client_us_per_message": 3.0, "server_us_per_message": null,
                "client_busy": null, "server_busy": null, "client_context_switches": null,
                "server_context_switches": null, "client_peak_rss_bytes": null,
                "server_peak_rss_bytes": null,
            },
            "tcp": null,
        },
        "intervals": intervals, "threads": [], "errors": [], "warnings": [],
        "verdict": "valid", "interrupted": false, "slos": [],
    })
}
