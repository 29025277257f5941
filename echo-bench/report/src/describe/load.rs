//! A plan in words: what was loaded ([`target`]), how ([`phrases`]), and what the clocks of
//! that mean ([`reading`]). The one place that reads a plan for people.

use super::{parts, units};
use crate::report::nouns::{Noun, Nouns};
use echo_bench_engine::messages::{DrawnSizes, MessageFile};
use echo_bench_engine::plan::{
    Load, MessagePlan, Plan, SizePlan, StopRule, Target, Think, TlsPlan, Trust,
};
use echo_bench_engine::schedule::Stage;
use echo_net::address::Transport;
use echo_proto::terminal::one_line;

/// Stages that are listed; of more the number is said.
const MOST_LISTED: usize = 4;

/// What was loaded, and the command line of a server of our own.
pub(super) fn target(plan: &Plan) -> (String, Option<String>) {
    match &plan.target {
        Target::Embedded { server } => {
            let name = server.model.as_ref().map_or_else(
                || "embedded echo-server".to_owned(),
                |model| format!("embedded echo-server, model {model}"),
            );
            let over = match plan.transport {
                Transport::Tcp => "",
                Transport::Unix => ", over unix-domain sockets",
            };
            (name + over, Some(server.to_string()))
        }
        Target::Command(command) => (command.to_string(), None),
        Target::Address { address, .. } => (format!("server at {address}"), None),
    }
}

/// The address that was given, where it was.
pub(super) fn given_address(plan: &Plan) -> Option<&str> {
    match &plan.target {
        Target::Embedded { .. } | Target::Command(_) => None,
        Target::Address { address, .. } => Some(address),
    }
}

/// How it was loaded, piece by piece, the load model first.
pub(super) fn phrases(plan: &Plan) -> Vec<String> {
    let nouns = Nouns::of(plan);
    let connections = counted(plan.connections.into(), nouns.party);
    let in_flight = units::count(plan.load.pipeline().into());
    let open = |offered| {
        let most = format!("at most {in_flight} in flight each");
        vec!["open loop".to_owned(), offered, connections.clone(), most]
    };
    let mut phrases = match &plan.load {
        Load::Closed { .. } => {
            vec!["closed loop".to_owned(), format!("{connections} x {in_flight} in flight")]
        }
        &Load::Open { rate_per_s, arrival, .. } => open(format!(
            "{} {}/s ({arrival} arrivals)",
            units::rate(rate_per_s),
            nouns.sent.many
        )),
        Load::Staged { stages, arrival, .. } => {
            open(format!("{} ({arrival} arrivals)", listed(stages)))
        }
        Load::Recorded { arrivals, .. } => {
            open(format!("{} at recorded instants", counted(arrivals.count(), nouns.sent)))
        }
    };
    phrases.extend(plan.part.map(|part| parts::phrase(plan, part)));
    phrases.extend(plan.think.map(thought));
    phrases.extend(messages(plan));
    let tls = match &plan.tls {
        None => "",
        Some(TlsPlan { trust: Trust::Anyone, .. }) => " inside TLS (server not verified)",
        Some(_) => " inside TLS",
    };
    let certified = plan.tls.as_ref().is_some_and(|tls| tls.client_certificate.is_some());
    let certified = if certified { " with a client certificate" } else { "" };
    phrases.push(format!("{}{tls}{certified}", plan.spoken()));
    let link = plan.link.map(|link| format!("emulated link {}", link.described()));
    phrases.extend(link);
    let stop = match plan.stop {
        StopRule::Duration { duration_ns } => units::time(duration_ns as f64),
        StopRule::Requests { requests } => counted(requests, nouns.counted),
    };
    let stop = match plan.until {
        Some(until) => format!("until {until}, at most {stop}"),
        None => stop,
    };
    phrases.push(match plan.warmup_ns {
        0 => format!("{stop} after no warm-up"),
        warmup => format!("{stop} after {} of warm-up", units::time(warmup as f64)),
    });
    phrases.push(units::counted(plan.threads.into(), "generator thread"));
    phrases.push(format!("{} verified: {}", nouns.answer.many, plan.verify));
    phrases.push(format!("seed {}", plan.seed));
    phrases
}

/// Stages as they are typed, or how many.
fn listed(stages: &[Stage]) -> String {
    if stages.len() > MOST_LISTED {
        return format!("{} stages", units::count(stages.len() as u64));
    }
    let names: Vec<_> = stages.iter().map(ToString::to_string).collect();
    format!("stages {}", names.join(" "))
}

fn thought(think: Think) -> String {
    let kind = if think.exponential { " on average (exponential)" } else { "" };
    format!("think time {}{kind}", units::time(think.mean_ns as f64))
}

fn counted(count: u64, noun: Noun) -> String {
    format!("{} {}", units::count(count), noun.of(count))
}

fn messages(plan: &Plan) -> Vec<String> {
    let said = match &plan.messages {
        MessagePlan::Generated { min_bytes, max_bytes, sizes: None }
            if min_bytes == max_bytes =>
        {
            format!("{min_bytes}-byte messages")
        }
        MessagePlan::Generated { min_bytes, max_bytes, sizes } => {
            let party = Nouns::of(plan).party.one;
            let drawn = |sizes| format!(", {}, each {party} draws its own", spread(sizes));
            let spread = sizes.as_ref().map(drawn);
            let spread = spread.unwrap_or_default();
            format!("messages of {min_bytes} to {max_bytes} bytes{spread}")
        }
        MessagePlan::Given { texts, crlf, file } => {
            let count = units::counted(texts.len() as u64, "given message");
            let file = file.as_ref().map_or_else(String::new, |file| {
                let MessageFile { name, digest, .. } = file;
                format!(" of {} (digest {digest})", one_line(name))
            });
            let lines = if *crlf { " (CRLF lines, sent without CR)" } else { "" };
            format!("{count}{file}{lines}")
        }
    };
    std::iter::once(said)
        .chain(plan.drawn_sizes().map(|sizes| drawn(sizes, plan.stop)))
        .collect()
}

/// How sizes are distributed.
fn spread(sizes: &SizePlan) -> String {
    match sizes {
        SizePlan::Spread { spec } => spec.to_string(),
        SizePlan::Histogram(histogram) => {
            format!("histogram {} (digest {})", one_line(histogram.file()), histogram.digest())
        }
    }
}

/// What sizes were drawn: not the percentiles of the distribution.
fn drawn(drawn: &DrawnSizes, stop: StopRule) -> String {
    let DrawnSizes { messages, p50_bytes, p99_bytes, max_bytes, mean_bytes, .. } = drawn;
    let clipped = match drawn.clipped_share {
        share if share < 0.0005 => String::new(),
        share => format!(" ({:.1} % set to a limit)", share * 100.0),
    };
    let sent = match stop {
        StopRule::Requests { requests } if requests < *messages => {
            format!(" (the run sends {})", units::count(requests))
        }
        _ => String::new(),
    };
    format!(
        "sample of {} sizes{sent}: p50 {p50_bytes}, p99 {p99_bytes}, max {max_bytes}, mean \
         {mean_bytes:.0}{clipped}",
        units::count(*messages)
    )
}

/// What the latencies of this load mean.
pub(super) fn reading(plan: &Plan) -> &'static str {
    if plan.workload.deaf().is_some() {
        "open loop: messages fall due on a schedule that the server can't slow; response runs \
         from the instant at which a message was due to its arrival at a member, so queueing \
         counts; service runs from the write; wait is the difference; lateness is the part of \
         it that the generator itself caused"
    } else if plan.load.is_open() {
        "open loop: requests fall due on a schedule that the server can't slow; response runs \
         from the due instant to the last byte of the reply, so queueing counts; service runs \
         from the write; wait is the difference; lateness is the part of it that the generator \
         itself caused"
    } else if plan.think.is_some() {
        "closed loop with a think time: whoever is answered pauses and asks again, so a slow \
         server is asked less often; response does not hold the pause, and in flight is who \
         waits for a reply, not who thinks"
    } else if plan.is_pooled() {
        "closed loop: a caller asks again when it is answered, so a slow server is asked less \
         often; response runs from the call to the last byte of the reply, so the wait for a \
         connection counts; service runs from the write; wait is the difference"
    } else {
        "closed loop: a connection sends when it has a free slot, so a slow server is asked \
         less often; response runs from the write to the last byte of the reply"
    }
}
