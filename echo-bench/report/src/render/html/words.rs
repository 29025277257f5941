//! A run in words: what was loaded and how, for the head of a page.

use super::numbers;
use crate::render::units;
use crate::report::Verdict;
use echo_bench_engine::plan::{Load, MessagePlan, Plan, StopRule, Target};

/// What was loaded: a name, and a line that says more.
pub(super) fn subject(plan: &Plan) -> (String, Option<String>) {
    match &plan.target {
        Target::Embedded { server } => {
            let name =
                server.model.as_ref().map_or("Embedded echo-server".to_owned(), |model| {
                    format!("Embedded echo-server, model {model}")
                });
            (name, Some(format!("echo-server {server}")))
        }
        Target::Address { address, .. } => (format!("Server at {address}"), None),
    }
}

/// How it was loaded, piece by piece, the load model first.
pub(super) fn load(plan: &Plan) -> Vec<String> {
    // Callers of a pool are no connections.
    let noun = if plan.is_pooled() { "caller" } else { "connection" };
    let connections = plural(plan.connections.into(), noun);
    let mut pieces = match plan.load {
        Load::Closed { pipeline } => vec![
            "closed loop".to_owned(),
            format!("{connections} × {} in flight", numbers::count(pipeline.into())),
        ],
        Load::Open { rate_per_s, arrival, pipeline } => vec![
            "open loop".to_owned(),
            format!("{} requests/s, {arrival} arrivals", numbers::rate(rate_per_s)),
            format!(
                "{connections}, at most {} in flight each",
                numbers::count(pipeline.into())
            ),
        ],
    };
    pieces.push(match &plan.messages {
        MessagePlan::Generated { min_bytes, max_bytes } if min_bytes == max_bytes => {
            format!("{min_bytes}-byte messages")
        }
        MessagePlan::Generated { min_bytes, max_bytes } => {
            format!("messages of {min_bytes} to {max_bytes} bytes")
        }
        MessagePlan::Given { texts, crlf } => {
            let given = plural(texts.len() as u64, "given message");
            if *crlf { given + " (CRLF lines, sent without CR)" } else { given }
        }
    });
    pieces.push(plan.spoken());
    let stop = match plan.stop {
        StopRule::Duration { duration_ns } => numbers::time(duration_ns as f64),
        StopRule::Requests { requests } => plural(requests, "request"),
    };
    pieces.push(match plan.warmup_ns {
        0 => format!("{stop}, no warm-up"),
        warmup => format!("{stop} after {} of warm-up", numbers::time(warmup as f64)),
    });
    pieces.push(plural(plan.threads.into(), "generator thread"));
    pieces
}

/// What a verdict means for the reader.
pub(super) fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Valid => "The numbers can be taken as they are.",
        Verdict::Qualified => "Read the numbers with the warnings below in mind.",
        Verdict::Invalid => "The numbers are no statement about the server: see the warnings.",
    }
}

/// What the latencies of this load model mean.
pub(super) fn reading(plan: &Plan) -> &'static str {
    if plan.is_pooled() && !plan.load.is_open() {
        "Closed loop: a caller asks again when it is answered, so a slow server is asked less \
         often. Response runs from the call to the last byte of the reply, so the wait for a \
         connection counts; service runs from the write; wait is the difference."
    } else if plan.load.is_open() {
        "Open loop: requests fall due on a schedule that the server can’t slow. Response runs \
         from the due instant to the last byte of the reply, so queueing counts; service runs \
         from the write; wait is the difference; lateness is the part of it that the generator \
         itself caused."
    } else {
        "Closed loop: a connection sends when it has a free slot, so a slow server is asked \
         less often. Response runs from the write to the last byte of the reply."
    }
}

/// A count of things.
pub(super) fn plural(count: u64, noun: &str) -> String {
    format!("{} {noun}{}", numbers::count(count), units::plural_s(count))
}
