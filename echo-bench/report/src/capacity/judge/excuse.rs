//! What of the failures at a rate is none of the server's doing: [`Excuse`]. An emulated link that
//! does other than it was asked to, and a generator at its limit, explain a part of them: so many
//! requests, or so long a latency. What is left counts against the server.

use std::time::Duration;

use crate::capacity::RateReason;
use crate::report::{
    GENERATOR_LIMITED, LINK_LATE, LINK_OVERRUN, LinkReport, Report, Slo, Summary, Warning,
};

/// Crossings of the link by a request and its reply.
const CROSSINGS: u64 = 2;

/// TCP sends a lost packet again after a round trip and this at the latest, or after twice as long
/// if that is lost, too (RFC 6298, with Linux's least timeout).
const RETRANSMISSION: Duration = Duration::from_millis(200);

/// See the [module](self).
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Excuse {
    /// By whom: the generator or the link.
    pub(super) by: RateReason,
    pub(super) remedy: String,
    /// How much; `None`: that is not known, so all of them.
    extent: Option<Extent>,
}

/// What is explained.
#[derive(Debug, Clone, PartialEq, Default)]
struct Extent {
    /// By how much a latency may be too high, with the share of the requests of which it may be
    /// by more. Each of these holds.
    longer: Vec<(Duration, f64)>,
    /// The share of the requests that may have failed thereby, or be late by any time.
    share: f64,
    /// Requests that may be in flight thereby when a window ends, or have timed out.
    requests: f64,
}

impl Excuse {
    /// That of these runs, which are `merged`; `None` if there is none.
    pub(super) fn of(merged: &Report, runs: &[&Report]) -> Option<Self> {
        let found = |codes: &[&str]| {
            merged.warnings.iter().find(|warning| codes.contains(&warning.code.as_str()))
        };
        let new = |by, warning: &Warning, extent| {
            let remedy = warning.remedy.clone();
            Self { by, remedy, extent }
        };
        let generator = found(&[GENERATOR_LIMITED])
            .map(|warning| new(RateReason::Generator, warning, of_generator(merged)));
        let link = found(&[LINK_LATE, LINK_OVERRUN])
            .map(|warning| new(RateReason::Link, warning, of_link(merged, runs)));
        match (generator, link) {
            (Some(Self { extent: Some(own), .. }), Some(link)) => {
                // Its part of the latencies is not judged, and that of a backlog is added.
                let add = |of_link: Extent| Extent {
                    requests: of_link.requests + own.requests,
                    ..of_link
                };
                Some(Self { extent: link.extent.map(add), ..link })
            }
            (generator, link) => generator.or(link),
        }
    }

    /// The objectives as they would be with all that is explained added to their limits; without
    /// those that can't be missed then.
    pub(super) fn eased(&self, slos: &[Slo]) -> Vec<Vec<Slo>> {
        let Some(extent) = &self.extent else { return Vec::new() };
        let eased = |&(longer, beyond): &(Duration, f64)| {
            slos.iter().filter_map(|slo| slo.eased(longer, extent.share + beyond)).collect()
        };
        extent.longer.iter().map(eased).collect()
    }

    /// How many requests of a backlog are explained.
    pub(super) fn requests(&self) -> f64 {
        self.extent.as_ref().map_or(f64::INFINITY, |extent| extent.requests)
    }
}

/// The generator's own part of the latencies, where it is known, is not judged at all. On average
/// so many requests are in its hands as its part takes at this rate, and when a window ends at most
/// twice as many, where that part grows.
fn of_generator(merged: &Report) -> Option<Extent> {
    let summary = &merged.summary;
    let share = summary.generator_share.as_ref()?;
    // What lacked a port or a descriptor was never sent.
    if merged.errors.iter().any(|error| error.kind == "no_socket") {
        return None;
    }
    let own_s = (share.response.mean_ns - share.corrected.mean_ns).max(0.0) / 1e9;
    let requests = 2.0 * per_s(summary) * own_s;
    Some(Extent { longer: vec![(Duration::ZERO, 0.0)], share: 0.0, requests })
}

/// What a link explains that was late with packets, or lost them: as much as its latest packets
/// were late, and the requests of a connection that waits until a lost packet is sent again.
fn of_link(merged: &Report, runs: &[&Report]) -> Option<Extent> {
    let links = || runs.iter().filter_map(|run| run.link.as_ref());
    let late = || links().filter_map(LinkReport::lateness);
    let greatest = |ns: Option<u64>| Duration::from_nanos(ns.unwrap_or(0) * CROSSINGS);
    let most = greatest(late().map(|late| late.max_ns).max());
    let usual = greatest(late().map(|late| late.p99_ns).max());
    let lost: Option<u64> =
        links().map(|link| Some(link.counts?.lost_by_forwarder)).sum::<Option<u64>>();
    let (summary, plan) = (&merged.summary, &merged.plan);
    let rtt = Duration::from_nanos(links().map(|link| link.rtt_ns).max()?);
    let of_a_packet = |again: Duration| {
        let again = 2.0 * again.as_secs_f64();
        let waiting = per_s(summary) * again + summary.in_flight_mean.unwrap_or(0.0);
        (waiting / f64::from(plan.connections.max(1))).max(1.0)
    };
    let lost = Lost::of(lost?, runs);
    let mut held_up = lost.by_timer as f64 * of_a_packet(RETRANSMISSION + rtt)
        + lost.at_once as f64 * of_a_packet(rtt);
    // A reply that would have come in good time, and was late by about the timeout.
    if 2 * most >= Duration::from_nanos(plan.timeout_ns) {
        held_up += summary.requests.timeout as f64;
    }
    Some(Extent {
        longer: vec![(most, 0.0), (usual, 0.01 * CROSSINGS as f64)],
        share: held_up / (summary.requests.scheduled.max(1) as f64),
        requests: held_up + per_s(summary) * most.as_secs_f64(),
    })
}

/// Packets that were lost, by how long it took until they were sent again.
struct Lost {
    /// The retransmission timer ran out.
    by_timer: u64,
    /// The packets behind it told of it, a round trip later.
    at_once: u64,
}

impl Lost {
    /// So many in these runs. What the kernels of both sides sent again within the windows bounds
    /// them: a lost acknowledgement holds up nothing. A timer per run may run out behind its window.
    fn of(lost: u64, runs: &[&Report]) -> Self {
        let of_run = |run: &&Report| run.summary.surroundings.as_ref()?.tcp;
        let Some(tcp) = runs.iter().map(of_run).collect::<Option<Vec<_>>>() else {
            return Self { by_timer: lost, at_once: 0 };
        };
        let timers = tcp.iter().map(|tcp| tcp.timeouts + 1).sum();
        let fast = tcp.iter().map(|tcp| tcp.retransmits.saturating_sub(tcp.timeouts)).sum();
        let by_timer = lost.min(timers);
        Self { by_timer, at_once: (lost - by_timer).min(fast) }
    }
}

/// Requests that fell due per second.
fn per_s(summary: &Summary) -> f64 {
    match summary.measured_s {
        s if s > 0.0 => summary.requests.scheduled as f64 / s,
        _ => 0.0,
    }
}
