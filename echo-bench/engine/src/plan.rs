//! What a run is to do, resolved and valid: [`Plan`]. It is data, part of every report, and
//! two runs with the same plan mean the same. It does nothing and knows no command line.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use echo_bench_link::LinkSpec;
use echo_net::Nanos;
use echo_net::address::Transport;
use echo_proto::{ProtocolKind, Requester, Service};

use crate::messages::{DrawnSizes, Verify};
use document::PlanDocument;

mod builder;
mod document;
mod error;
mod files;
mod generator;
mod load;
mod login;
mod message;
mod part;
mod pinning;
mod server;
mod stamps;
mod think;
mod tls;
mod until;
mod validity;
mod workload;

pub use builder::PlanBuilder;
pub use error::PlanError;
pub use files::PlanFile;
pub use generator::{EngineKind, IdleStrategy, SocketPlan};
pub use load::{Load, StopRule};
pub use message::{MessagePlan, SizePlan};
pub use part::{InvalidPart, MOST_PARTS, Part};
pub use pinning::{PinMode, Pinning, ServerCpus, Unpinned};
pub use server::{CommandPlan, NotAFlag, SQPOLL, ServerFlag, ServerPlan, Target};
pub use stamps::Stamps;
pub use think::{InvalidThink, Think};
pub use tls::{ClientCertificate, TlsPlan, Trust};
pub use until::{EARLIEST_END, InvalidUntil, Until, percent, percentile, share};
pub use workload::{ProtocolPlan, WorkloadPlan};

/// Least limit of a reply of HTTP, and of a database.
const LONG_REPLY: usize = 16 << 20;

/// A plan that makes sense. Its [`Settings`] can be read and not changed: another plan is made
/// of them by [`Plan::with`].
///
/// One that is made here can be carried out, too. One that is read from a report may exceed a
/// limit that is younger than the report: [`Plan::check`] says so, which a run asks first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "PlanDocument", into = "PlanDocument")]
pub struct Plan {
    settings: Settings,
    /// Fingerprint of the open-loop schedule; none in a closed loop.
    schedule_digest: Option<String>,
    /// What sizes are drawn; none unless a distribution or a histogram says how often each is.
    drawn_sizes: Option<DrawnSizes>,
    /// Of a part that ends after a number of requests: how many of them are its own.
    own_requests: Option<u64>,
}

/// Everything that decides how a run behaves. Times are in nanoseconds, sizes in bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// Whom to load.
    pub target: Target,
    /// The kind of the connections. Only that of the embedded server is a choice; otherwise the
    /// target says it.
    pub transport: Transport,
    /// Connections in total; the callers, where they share a pool. Of a part: those of the whole.
    pub connections: u32,
    /// The share of it that this process carries out; none: all of it. Everything else is as in the
    /// whole plan.
    pub part: Option<Part>,
    /// Generator threads.
    pub threads: u32,
    /// Closed or open loop, and its numbers.
    pub load: Load,
    /// The pause of a closed loop between a reply and the next request; none: it asks at once.
    pub think: Option<Think>,
    /// When the measured window ends. Stages and recorded instants make it themselves.
    pub stop: StopRule,
    /// What may end it before that time; none: nothing.
    pub until: Option<Until>,
    /// Load before the measured window.
    pub warmup_ns: Nanos,
    /// How long a request may wait for its reply once it is sent.
    pub timeout_ns: Nanos,
    /// How long to wait, after the window, for replies to requests of the window.
    pub drain_ns: Nanos,
    /// Length of an interval of the time series.
    pub interval_ns: Nanos,
    /// What connections are for, and what they speak.
    pub workload: WorkloadPlan,
    /// What requests say.
    pub messages: MessagePlan,
    /// How thoroughly replies are checked.
    pub verify: Verify,
    /// Most connections begun per second before the load; none: as fast as they are made.
    pub connect_rate_per_s: Option<f64>,
    /// In how many writes each request is sent.
    pub split_writes: u32,
    /// The emulated link between both sides; none: the machine's own loopback or network.
    pub link: Option<LinkSpec>,
    /// Socket options of the generator.
    pub socket: SocketPlan,
    /// TLS around the protocol; none: plaintext.
    pub tls: Option<TlsPlan>,
    /// How the generator waits.
    pub idle: IdleStrategy,
    /// Moves bytes for the generator.
    pub engine: EngineKind,
    /// Connections on which the kernel stamps what arrives.
    pub stamps: Stamps,
    /// CPUs that both sides are pinned to.
    pub pin: Pinning,
    /// Seed of the schedule and of message sizes.
    pub seed: u64,
}

impl Deref for Plan {
    type Target = Settings;

    fn deref(&self) -> &Settings {
        &self.settings
    }
}

impl Plan {
    /// A plan for the server at `address` (`host:port`): 10 connections in a closed loop, one
    /// request at a time on each, lines of 64 bytes, 10 s after a warm-up of 2 s.
    ///
    /// ```
    /// use std::time::Duration;
    /// use echo_bench_engine::plan::Plan;
    ///
    /// let plan = Plan::builder("127.0.0.1:7000")
    ///     .connections(100)
    ///     .rate(10_000.0)
    ///     .duration(Duration::from_secs(30))
    ///     .build()?;
    /// assert!(plan.load.is_open());
    /// # Ok::<(), echo_bench_engine::plan::PlanError>(())
    /// ```
    ///
    /// Nobody changes a plan:
    ///
    /// ```compile_fail
    /// # let mut plan = echo_bench_engine::plan::Plan::builder("127.0.0.1:7000").build().unwrap();
    /// plan.connections = 0;
    /// ```
    pub fn builder(address: impl Into<String>) -> PlanBuilder {
        PlanBuilder::new(Target::Address { address: address.into(), server_pid: None })
    }

    /// The plan with these settings.
    ///
    /// # Errors
    /// What is wrong with them, by flag.
    pub fn new(mut settings: Settings) -> Result<Self, PlanError> {
        settings.transport = settings.target.transport().unwrap_or(settings.transport);
        let ends = settings.load.stage_ends();
        settings.load = settings.load.simplified();
        if let (StopRule::Duration { duration_ns }, Some(&end)) =
            (&mut settings.stop, ends.last())
        {
            *duration_ns = end;
        }
        validity::check_sense(&settings)?;
        validity::check_limits(&settings)?;
        // A thread without a connection has nothing to do.
        settings.threads = settings.threads.min(settings.own_connections());
        let schedule = settings.load.schedule(settings.seed, settings.warmup_ns);
        let schedule_digest = schedule.map(|schedule| schedule.digest(settings.speakers()));
        let drawn_sizes = settings.messages.drawn(settings.seed, settings.speakers());
        let own_requests = part::requests(&settings);
        Ok(Self { settings, schedule_digest, drawn_sizes, own_requests })
    }

    /// The plan with other settings.
    ///
    /// # Errors
    /// What is wrong with them, by flag.
    pub fn with(&self, change: impl FnOnce(&mut Settings)) -> Result<Self, PlanError> {
        let mut settings = self.settings.clone();
        change(&mut settings);
        Self::new(settings)
    }

    /// Fingerprint of the open-loop schedule; none in a closed loop.
    pub fn schedule_digest(&self) -> Option<&str> {
        self.schedule_digest.as_deref()
    }

    /// The requests after which its window ends, its own share of them if it is a part; none where
    /// a time ends it.
    pub fn own_requests(&self) -> Option<u64> {
        match self.stop {
            StopRule::Duration { .. } => None,
            StopRule::Requests { requests } => Some(self.own_requests.unwrap_or(requests)),
        }
    }

    /// The whole plan that it is a part of, as so many threads carry it out.
    #[must_use]
    pub fn whole(&self, threads: u32) -> Self {
        let settings = Settings { part: None, threads, ..self.settings.clone() };
        Self { settings, own_requests: None, ..self.clone() }
    }

    /// What sizes its first messages have; none unless a distribution or a histogram says how
    /// often each size is.
    pub fn drawn_sizes(&self) -> Option<&DrawnSizes> {
        self.drawn_sizes.as_ref()
    }

    /// Whether this version can carry it out, wherever it comes from.
    ///
    /// # Errors
    /// What it can't, by flag.
    pub fn check(&self) -> Result<(), PlanError> {
        validity::check_limits(&self.settings)
    }

    /// Whether it holds all that a run needs: a stored one may lack its recorded instants.
    ///
    /// # Errors
    /// What it lacks, by flag.
    pub fn check_arrivals(&self) -> Result<(), PlanError> {
        match &self.load {
            Load::Recorded { arrivals, .. } if arrivals.instants().is_none() => {
                Err(PlanError::NoArrivals)
            }
            _ => Ok(()),
        }
    }
}

impl Settings {
    /// Connections to have when the load begins: of a pool, all that so many callers can use, or
    /// one that shows whether there is a server.
    pub fn connections_at_start(&self) -> u32 {
        let callers = self.connections.max(1);
        let size = self.workload.pool_size().map(|size| size.clamp(1, callers));
        size.unwrap_or(self.own_connections())
    }

    /// Connections of this process: of a part its share of all.
    pub fn own_connections(&self) -> u32 {
        self.part.map_or(self.connections, |part| part.share_of(self.connections))
    }

    /// Whether a request may wait before it is written, so that its wait is a clock of its own:
    /// for its turn in an open loop, or for a connection of a pool.
    pub fn has_waits(&self) -> bool {
        self.load.is_open() || self.is_pooled()
    }

    /// Whether requests take their connections from a pool.
    pub fn is_pooled(&self) -> bool {
        self.workload.pool_size().is_some()
    }

    /// Connections that send something: in a chat room all but the deaf members.
    pub fn speakers(&self) -> u32 {
        self.connections.saturating_sub(self.workload.deaf().unwrap_or(0))
    }

    /// The application protocol.
    pub fn protocol(&self) -> ProtocolKind {
        self.workload.protocol().kind()
    }

    /// The client's side of a new connection.
    pub fn requester(&self) -> Requester {
        self.workload.protocol().requester(self.longest_reply())
    }

    /// What the server is expected to speak.
    pub fn service(&self) -> Service {
        self.workload.service()
    }

    /// The longest reply that is read, in bytes.
    pub(crate) fn longest_reply(&self) -> usize {
        match self.protocol() {
            // Of servers that may say something else than was asked for.
            ProtocolKind::Http | ProtocolKind::Resp | ProtocolKind::Postgres => {
                self.largest_message().max(LONG_REPLY)
            }
            _ => self.largest_message(),
        }
    }

    /// The size of the largest message.
    pub fn largest_message(&self) -> usize {
        self.messages.largest()
    }

    /// What is spoken, in words.
    pub fn spoken(&self) -> String {
        let protocol = self.protocol();
        match self.workload {
            WorkloadPlan::Requests { reconnect_after: None, .. } => {
                format!("{protocol} protocol")
            }
            WorkloadPlan::Requests { reconnect_after: Some(1), .. } => {
                format!("{protocol} protocol, one request a connection")
            }
            WorkloadPlan::Requests { reconnect_after: Some(most), .. } => {
                format!("{protocol} protocol, {most} requests a connection")
            }
            WorkloadPlan::Pool { size: 0, .. } => {
                format!("{protocol} protocol, a new connection for each request")
            }
            WorkloadPlan::Pool { size, .. } => {
                format!("{protocol} protocol, callers share a pool of {size}")
            }
            WorkloadPlan::Chat { deaf: 0 } => "chat".into(),
            WorkloadPlan::Chat { deaf } => format!("chat, {deaf} deaf"),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
