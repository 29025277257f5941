//! The metrics of a run that is going on (`--metrics`): [`LiveMetrics`]. It is written by the thread
//! that gathers, ten times a second, and read when somebody scrapes; the endpoint is that of the
//! server, with a thread of its own.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;

use crate::console::tell;
use echo_bench_engine::Beat;
use echo_bench_engine::plan::Plan;
use echo_bench_engine::record::{Interval, Phase, Tally};
use echo_metrics::{Families, Health, ProcessMetrics, Source, Times, bytes, seconds};
use echo_net::address::HostAddress;
use echo_net::stop::Stop;
use echo_server::metrics::Endpoint;

/// Where it is served, until the process ends.
#[derive(Debug)]
pub(crate) struct LiveMetrics {
    seen: Arc<Mutex<Seen>>,
    health: Health,
}

/// What was seen of the run.
#[derive(Debug, Default)]
struct Seen {
    beat: Option<Beat>,
    /// Of the intervals of the window that are over.
    tally: Tally,
}

/// What a scrape reads.
#[derive(Debug)]
struct Scraped {
    seen: Arc<Mutex<Seen>>,
    protocol: String,
    connections: u32,
}

impl LiveMetrics {
    /// Serves the metrics of a run at an address; the address is said.
    ///
    /// # Errors
    /// When it can't be bound.
    pub(crate) fn serve(
        address: &HostAddress,
        plan: &Plan,
        stop: &Stop,
    ) -> anyhow::Result<Self> {
        let endpoint = Endpoint::bind(address)?;
        tell(&format!("metrics    http://{}/metrics", endpoint.address()));
        let (seen, health) = (Arc::default(), Health::new(stop.clone()));
        let scraped = Scraped {
            seen: Arc::clone(&seen),
            protocol: plan.service().to_string(),
            connections: plan.connections_at_start(),
        };
        let sources: Vec<Box<dyn Source>> =
            vec![Box::new(scraped), Box::new(ProcessMetrics::default())];
        endpoint.serve(sources, health.clone()).context("starting the thread of --metrics")?;
        Ok(Self { seen, health })
    }

    /// The connections are made.
    pub(crate) fn connected(&self) {
        self.health.begin();
    }

    /// A look at the run.
    pub(crate) fn beat(&self, beat: &Beat) {
        self.with(|seen| seen.beat = Some(beat.clone()));
    }

    /// An interval of the window is over.
    pub(crate) fn interval(&self, interval: &Interval) {
        self.with(|seen| seen.tally += &interval.tally);
    }

    fn with(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl Source for Scraped {
    fn collect(&self, families: &mut Families<'_>) -> fmt::Result {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (beat, tally) = (seen.beat.clone(), seen.tally);
        drop(seen);
        let facts = [
            ("version", env!("CARGO_PKG_VERSION").to_owned()),
            ("protocol", self.protocol.clone()),
        ];
        families.info("echo_bench", "Version and protocol", &facts)?;
        let phase = beat.as_ref().map_or(Phase::SetUp, |beat| beat.phase);
        let phases = PHASES.map(|(name, known)| (name, u64::from(known == phase)));
        families.gauges("echo_bench_phase", "1: the current phase", "phase", phases)?;
        let wanted = u64::from(self.connections);
        families.gauge("echo_bench_connections_wanted", "Connections of the plan", wanted)?;
        if let Some(beat) = &beat {
            of_beat(beat, families)?;
        }
        families.counters(
            "echo_bench_requests",
            "Requests of the measured window by how they ended, of the intervals that are over",
            "outcome",
            tally.requests().endings().map(|(ending, count)| (ending.name, count)),
        )?;
        let help = "Bytes sent on the wire, of the intervals that are over";
        families.counter(bytes("echo_bench_sent"), help, tally.bytes_sent)?;
        let help = "Bytes received on the wire, of the intervals that are over";
        families.counter(bytes("echo_bench_received"), help, tally.bytes_received)
    }
}

const PHASES: [(&str, Phase); 4] = [
    ("set_up", Phase::SetUp),
    ("warm_up", Phase::WarmUp),
    ("window", Phase::Window),
    ("drain", Phase::Drain),
];

fn of_beat(beat: &Beat, families: &mut Families<'_>) -> fmt::Result {
    let made = u64::from(beat.established);
    families.gauge("echo_bench_connections", "Connections made before the load", made)?;
    if let Some(left) = beat.left_ns {
        let help = "Time until the measured window ends";
        families.gauge(seconds("echo_bench_window_left"), help, left as f64 / 1e9)?;
    }
    families.counter(
        "echo_bench_requests_failed",
        "Failed requests of the window",
        beat.failed,
    )?;
    families.times(
        "echo_bench_response",
        "Response latency to 6 %, of all replies so far, those of the warm-up included",
        &times(beat),
    )
}

/// The replies by powers of two. The sum is known as well as the latencies are.
fn times(beat: &Beat) -> Times {
    let (mut buckets, mut sum_ns) = (Vec::<(Option<u64>, u64)>::new(), 0.0);
    for (greatest, count) in beat.responses.buckets() {
        sum_ns += greatest as f64 * count as f64;
        let end = (greatest + 1).next_power_of_two();
        match buckets.last_mut() {
            Some((Some(last), all)) if *last == end => *all += count,
            _ => buckets.push((Some(end), count)),
        }
    }
    // What is shorter than a microsecond is no reply over a socket.
    let first = buckets.iter().position(|(end, _)| end.is_some_and(|end| end > 1_000));
    let below = buckets.drain(..first.unwrap_or(0)).map(|(_, count)| count).sum::<u64>();
    if let Some((_, count)) = buckets.first_mut() {
        *count += below;
    }
    buckets.push((None, 0));
    Times { sum_ns, buckets }
}
