//! The report of a run: [`Report`], plain versioned data that carries its plan, its
//! environment, its histograms, its counts, its warnings and its verdict. Anything can be
//! shown, merged or compared later from it alone. Times are in nanoseconds and CPU in
//! microseconds unless a name says otherwise; what was not measured is null.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use echo_bench_engine::plan::Plan;
pub use echo_bench_engine::record::{Phase, Requests};
use echo_bench_engine::server_process::ServerProcess;

mod build;
mod clocks;
mod coarsen;
mod conclusion;
mod connections;
pub mod document;
pub mod embedding;
mod environment;
mod errors;
mod fairness;
mod hdr;
mod latency;
mod link;
mod noise_floor;
pub(crate) mod nouns;
pub(crate) mod numbers;
pub mod partial;
mod parts;
mod pool;
mod server_seen;
mod server_side;
mod share;
pub(crate) mod slo;
mod socket_options;
mod stages;
pub mod store;
mod surroundings;
mod together;
mod tool;
mod until;
mod validity;
mod verdict;

pub(crate) use build::judge_together;
pub use build::{Circumstances, build};
pub(crate) use clocks::CLOCKS;
pub use clocks::Clock;
pub(crate) use coarsen::{coarsen, coarseness};
pub use conclusion::{Conclusion, ConclusionNumber};
pub use connections::{AddressReport, Connections};
pub use environment::Environment;
pub use errors::{ErrorReport, FirstOffender};
pub use fairness::Fairness;
pub use latency::LatencySummary;
pub(crate) use latency::{QUANTILES, Quantile};
pub use link::{LinkReport, LinkSeen};
pub use noise_floor::{Machine, NOISE_FLOOR_SCHEMA, NoiseFloor, NoiseFloors};
pub use nouns::Workload;
pub use parts::{ClockOffset, MissingPart, PartReport, PartsReport, StartReport};
pub use pool::PoolReport;
pub use server_seen::{ServerOfRun, ServerPartReport, ServerSeen};
pub use server_side::{KernelThreadSide, ServerSide, Skew, WorkerSide};
pub use share::{GeneratorShare, OwnPart};
pub use slo::{InvalidSlo, Slo, SloOutcome, SloVerdict};
pub use socket_options::{ChangedOption, SocketOptionsReport};
pub use stages::{StageKind, StageReport};
pub use surroundings::{SurroundingsReport, TcpReport};
pub(crate) use together::Together;
pub use tool::Tool;
pub use until::{EarlyEnd, UntilReport, UntilWatch};
pub use verdict::{FAULTS, GENERATOR_LIMITED, SERVER_ENDED, Verdict, Warning};
pub(crate) use verdict::{LINK_LATE, LINK_OVERRUN, missing_parts};

/// The name and version of the report's shape.
pub const SCHEMA: &str = "echo-bench.report/1";

/// One run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Report {
    /// Name and version of this shape: `echo-bench.report/1`. Fields may be added within a
    /// version; readers ignore what they don't know.
    pub schema: String,
    /// What made the report.
    pub tool: Tool,
    /// What it comes to, in a sentence or two. Empty in older reports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub conclusion: Vec<Conclusion>,
    /// When the run began (RFC 3339, UTC).
    pub started_at: String,
    /// When the measured window began (RFC 3339, UTC): the zero of the intervals. Null in
    /// older reports; of merged ones that of the first.
    #[serde(default)]
    pub window_started_at: Option<String>,
    /// The command line that made the run, word by word, the program's name first. Empty in older
    /// and merged reports, and in those of a library.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,
    /// What the user said about the run.
    pub labels: std::collections::BTreeMap<String, String>,
    /// Every setting, resolved.
    pub plan: Plan,
    /// Where it ran.
    pub environment: Environment,
    /// The emulated link between both sides; null: the machine's own loopback or network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<LinkReport>,
    /// When the load began, if it was to begin at a time of day; null otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<StartReport>,
    /// What the processes found and cost that carried out the plan together; null of a run of one
    /// process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parts: Option<PartsReport>,
    /// The process that was measured, where it could be seen: one of this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerProcess>,
    /// The measured window as a whole.
    pub summary: Summary,
    /// The stages of a load whose rate changes, as far as the window went; their clocks are
    /// here, and null in the summary. Empty with one rate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stages: Vec<StageReport>,
    /// The measured window in pieces, which add up to the whole.
    pub intervals: Vec<IntervalReport>,
    /// Response latency of the requests of the window that ended after it, in the drain: with
    /// those of the intervals it is that of the whole. Null if there were none, and in older
    /// reports, whose last interval holds them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drained: Option<LatencySummary>,
    /// The generator's threads.
    pub threads: Vec<ThreadReport>,
    /// What went wrong, by kind and phase.
    pub errors: Vec<ErrorReport>,
    /// What limits the trust in the numbers.
    pub warnings: Vec<Warning>,
    /// How far the numbers can be trusted.
    pub verdict: Verdict,
    /// Whether a signal cut the run short.
    pub interrupted: bool,
    /// Service level objectives and whether they were met.
    pub slos: Vec<SloOutcome>,
}

impl Report {
    /// The points of the time series: pieces that have a length, which not all have in reports
    /// of earlier versions.
    pub fn points(&self) -> impl Iterator<Item = &IntervalReport> {
        self.intervals.iter().filter(|interval| interval.length_s > 0.0)
    }
}

/// The measured window as a whole.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Its length in seconds.
    pub measured_s: f64,
    /// Requests per second that fell due; null in a closed loop. Of a run that ends after a
    /// number of requests: from the first to the last.
    pub offered_per_s: Option<f64>,
    /// Right answers per second that arrived within the window, whenever they were asked for;
    /// null if the window has no length. Of a run that ends after a number of requests: from the
    /// first reply to the last; null of a single one.
    pub achieved_per_s: Option<f64>,
    /// Its 95 % interval within this run; null where the run is too short to tell, and in
    /// older reports.
    #[serde(default)]
    pub achieved_interval: Option<[f64; 2]>,
    /// Right answers that arrived within the window. Rates and costs are of these;
    /// `requests.ok` also counts what was answered in the drain, and not what was asked for
    /// in the warm-up.
    pub answered_in_window: u64,
    /// Requests of the window by how they ended; they add up to `scheduled`.
    pub requests: Requests,
    /// Wire bytes within the window.
    pub bytes: Bytes,
    /// The clocks of the connections that were made before the load. Empty in older reports, in
    /// which `latency` has them too.
    #[serde(default)]
    pub set_up: SetUp,
    /// Connections.
    pub connections: Connections,
    /// The addresses of the target, which connections took in turn, and what came of
    /// connecting to each.
    #[serde(default)]
    pub addresses: Vec<AddressReport>,
    /// The clocks.
    pub latency: Latency,
    /// How late requests were written by the generator's own fault (open loop): of those
    /// that found a free slot, the write minus the due instant.
    pub send_lateness: Option<LatencySummary>,
    /// How much of the response latency is the generator's own; null without receive stamps
    /// of the kernel (`plan.stamps`), as in older reports.
    #[serde(default)]
    pub generator_share: Option<GeneratorShare>,
    /// Why no reply has a receive stamp of the kernel although the plan asks for stamps, so that
    /// `latency.path`, `latency.pickup` and `generator_share` are null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unstamped: Option<String>,
    /// What became of the precision that was asked for (`plan.until`); null without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<UntilReport>,
    /// What happened around the run on its machine; null in older and in merged reports.
    #[serde(default)]
    pub surroundings: Option<SurroundingsReport>,
    /// How evenly the connections were served; null in older reports.
    #[serde(default)]
    pub fairness: Option<Fairness>,
    /// Mean number of requests between their intended instant and their last reply byte,
    /// counted apart from the latency clocks (Little's law checks one against the other).
    pub in_flight_mean: Option<f64>,
    /// What both sides cost.
    pub cpu: Cpu,
    /// What the kernel knew of the connections at the end.
    pub tcp: Option<Tcp>,
    /// Socket options of the generator's connections, as its kernel has them; null in older
    /// reports.
    #[serde(default)]
    pub socket: Option<SocketOptionsReport>,
    /// What an embedded server said of itself when it ended: its workers and its socket options;
    /// null of other servers, and in older reports.
    #[serde(default)]
    pub server_side: Option<ServerSide>,
    /// What became of the connections of a pool; null without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<PoolReport>,
}

/// Wire bytes within the measured window, in every workload alike: of requests and replies, and
/// of TLS, the handshakes of connections that are made within it included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Bytes {
    /// Sent by the generator.
    pub sent: u64,
    /// Received by it.
    pub received: u64,
}

/// The clocks of the connections that were made before the load.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct SetUp {
    /// From the first SYN to the connection made; null with `--fastopen on`.
    pub connect: Option<LatencySummary>,
    /// From the connection made to the end of a full TLS handshake; null without one.
    pub tls: Option<LatencySummary>,
    /// The same for handshakes that resumed an earlier session; null without one.
    pub tls_resumed: Option<LatencySummary>,
    /// From the connection made, after its TLS handshake if there is one, until the database has
    /// let the user in and requests may be sent; null where there is no login. The generator's own
    /// part is included: a proof by SCRAM-SHA-256 takes it about a millisecond of CPU or more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<LatencySummary>,
}

/// The clocks. Per request, wait + service = response.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Latency {
    /// From the first SYN to the connection made, of connections made within the window; null
    /// without one, and with `--fastopen on`. Those made before the load are in `set_up` (in older
    /// reports: here).
    pub connect: Option<LatencySummary>,
    /// From the connection made to the end of a full TLS handshake, of the same connections.
    pub tls: Option<LatencySummary>,
    /// The same for handshakes that resumed an earlier session.
    #[serde(default)]
    pub tls_resumed: Option<LatencySummary>,
    /// From the connection made, after its TLS handshake if there is one, until the database has
    /// let the user in, of the same connections; null where there is no login. The generator's own
    /// part is included, as in `set_up.login`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub login: Option<LatencySummary>,
    /// From the intended instant to the write. In a closed loop a request is intended when
    /// it is written, so there is no wait: null. But who takes connections from a pool intends
    /// the request when it asks for the connection.
    pub wait: Option<LatencySummary>,
    /// From the write to the last byte of the reply.
    pub service: Option<LatencySummary>,
    /// From the intended instant to the last byte of the reply.
    pub response: Option<LatencySummary>,
    /// From the write to the arrival of the last byte in the generator's kernel: server and
    /// network, and nothing of the generator. Of the requests on connections with receive stamps;
    /// null without.
    #[serde(default)]
    pub path: Option<LatencySummary>,
    /// From that arrival to the read: the wait in the generator's own receive queue. Of the same
    /// requests.
    #[serde(default)]
    pub pickup: Option<LatencySummary>,
}

/// What both sides cost.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
pub struct Cpu {
    /// CPU of the generator per successful reply, in microseconds.
    pub client_us_per_message: Option<f64>,
    /// CPU of the server per successful reply, in microseconds; null for a server on another
    /// host.
    pub server_us_per_message: Option<f64>,
    /// Cores that the generator kept busy.
    pub client_busy: Option<f64>,
    /// Cores that the live view (`--live`) of the run kept busy, which are among those of the
    /// generator; of a run in several processes it had a process of its own. Null without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub live_view_busy: Option<f64>,
    /// Cores that the server kept busy.
    pub server_busy: Option<f64>,
    /// Context switches of the generator within the window.
    pub client_context_switches: Option<u64>,
    /// Context switches of the server within the window; null with very many threads.
    pub server_context_switches: Option<u64>,
    /// Most memory that the generator ever had resident, in bytes.
    pub client_peak_rss_bytes: Option<u64>,
    /// Most memory that the server ever had resident, in bytes.
    pub server_peak_rss_bytes: Option<u64>,
}

/// What the kernel knew of the connections that were alive at the end, and of those that were
/// closed for a reconnect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tcp {
    /// How many were asked.
    pub connections: u64,
    /// Those whose SYN brought the first request (TCP Fast Open); null: not asked for.
    #[serde(default)]
    pub with_syn_data: Option<u64>,
    /// Segments sent again by the generator's side.
    pub retransmits: u64,
    /// Median over the connections of the smoothed round-trip time, in microseconds.
    pub rtt_median_us: Option<u32>,
    /// The least round-trip time, in microseconds.
    pub min_rtt_us: Option<u32>,
    /// The kernel's actual send buffer of a connection in bytes.
    pub send_buffer: Option<usize>,
    /// The kernel's actual receive buffer of a connection in bytes.
    pub recv_buffer: Option<usize>,
}

/// A piece of the measured window.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct IntervalReport {
    /// Its beginning, in seconds after that of the window.
    pub at_s: f64,
    /// Its length in seconds. Requests that end in the drain count to the last interval.
    pub length_s: f64,
    /// Requests that were answered with success and ended in it; those of the drain count to
    /// the last interval.
    pub ok: u64,
    /// Right answers that arrived in it, within the window: what its rate and its costs are of.
    /// Null in older reports, whose rate says it.
    #[serde(default)]
    pub answered: Option<u64>,
    /// Requests that ended otherwise in it.
    pub errors: u64,
    /// Successful replies per second.
    pub achieved_per_s: Option<f64>,
    /// Response latency of the requests that ended in it; those of the drain are in `drained`.
    pub response: Option<LatencySummary>,
    /// CPU of the generator per successful reply, in microseconds.
    pub client_us_per_message: Option<f64>,
    /// CPU of the server per successful reply, in microseconds.
    pub server_us_per_message: Option<f64>,
}

impl IntervalReport {
    /// Right answers that arrived in it, by its rate in older reports. Replies of the drain are
    /// none of them.
    pub(crate) fn answered(&self) -> f64 {
        match (self.answered, self.achieved_per_s) {
            (Some(answered), _) => answered as f64,
            (None, Some(rate)) => rate * self.length_s,
            (None, None) => self.ok as f64,
        }
    }
}

/// A generator thread.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ThreadReport {
    /// Share of the window in which it worked; spinning for want of events is no work.
    pub busy: Option<f64>,
    /// Share of the window in which it wanted to run and did not: it was queued for a CPU, out
    /// of the quota of its control group, or stopped.
    #[serde(default)]
    pub denied: Option<f64>,
}
