//! How a plan is made: [`PlanBuilder`]. What is not said is as the command line has
//! it by default.

use std::time::Duration;

use echo_net::address::Transport;
use echo_net::clock::nanos;

use super::{
    EngineKind, IdleStrategy, Load, MessagePlan, Part, Pinning, Plan, PlanError, ProtocolPlan,
    Settings, SocketPlan, Stamps, StopRule, Target, Until, WorkloadPlan,
};
use crate::messages::Verify;
use crate::schedule::Arrival;

/// Slots of a connection of an open loop: a request that is due rarely finds none.
const OPEN_PIPELINE: u32 = 64;

/// A plan in the making.
#[derive(Debug, Clone)]
#[must_use = "a plan is made by `build`"]
pub struct PlanBuilder {
    settings: Settings,
}

impl PlanBuilder {
    pub(super) fn new(target: Target) -> Self {
        let second = nanos(Duration::from_secs(1));
        let settings = Settings {
            transport: Transport::Tcp,
            target,
            connections: 10,
            part: None,
            threads: 1,
            load: Load::Closed { pipeline: 1 },
            think: None,
            stop: StopRule::Duration { duration_ns: 10 * second },
            until: None,
            warmup_ns: 2 * second,
            timeout_ns: 5 * second,
            drain_ns: 5 * second,
            interval_ns: second,
            workload: WorkloadPlan::Requests {
                protocol: ProtocolPlan::Line,
                reconnect_after: None,
            },
            messages: MessagePlan::even(64, 64),
            verify: Verify::Full,
            connect_rate_per_s: None,
            split_writes: 1,
            link: None,
            socket: SocketPlan::default(),
            tls: None,
            idle: IdleStrategy::Sleep,
            engine: EngineKind::Epoll,
            stamps: Stamps::Sample,
            pin: Pinning::off(),
            seed: 1,
        };
        Self { settings }
    }

    /// Any settings, for those that have no function of their own here.
    pub fn with(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(&mut self.settings);
        self
    }

    /// The server that is loaded.
    pub fn target(mut self, target: Target) -> Self {
        self.settings.target = target;
        self
    }

    /// The kind of the connections to an embedded server. Of any other the target says it.
    pub fn transport(mut self, transport: Transport) -> Self {
        self.settings.transport = transport;
        self
    }

    /// Connections in total.
    pub fn connections(mut self, connections: u32) -> Self {
        self.settings.connections = connections;
        self
    }

    /// This share of it alone, for one process of several.
    pub fn part(mut self, part: Part) -> Self {
        self.settings.part = Some(part);
        self
    }

    /// Generator threads.
    pub fn threads(mut self, threads: u32) -> Self {
        self.settings.threads = threads;
        self
    }

    /// Closed loop: each connection sends when fewer than `pipeline` of its requests are in
    /// flight.
    pub fn pipeline(mut self, pipeline: u32) -> Self {
        self.settings.load = Load::Closed { pipeline };
        self
    }

    /// Open loop: target arrival rate in requests per second over all connections, evenly
    /// spaced.
    pub fn rate(self, rate_per_s: f64) -> Self {
        let pipeline = if self.settings.is_pooled() { 1 } else { OPEN_PIPELINE };
        self.load(Load::Open { rate_per_s, arrival: Arrival::Constant, pipeline })
    }

    /// The load model with all its numbers.
    pub fn load(mut self, load: Load) -> Self {
        self.settings.load = load;
        self
    }

    /// Length of the measured window.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.settings.stop = StopRule::Duration { duration_ns: nanos(duration) };
        self
    }

    /// The measured window ends after so many requests.
    pub fn requests(mut self, requests: u64) -> Self {
        self.settings.stop = StopRule::Requests { requests };
        self
    }

    /// The measured window ends once a percentile is known so exactly, and after the duration
    /// at the latest.
    pub fn until(mut self, until: Until) -> Self {
        self.settings.until = Some(until);
        self
    }

    /// Load before the measured window.
    pub fn warmup(mut self, warmup: Duration) -> Self {
        self.settings.warmup_ns = nanos(warmup);
        self
    }

    /// How long a request waits for its reply, and a connection to be made.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.settings.timeout_ns = nanos(timeout);
        self
    }

    /// How long replies are waited for after the window.
    pub fn drain(mut self, drain: Duration) -> Self {
        self.settings.drain_ns = nanos(drain);
        self
    }

    /// Length of an interval of the time series.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.settings.interval_ns = nanos(interval);
        self
    }

    /// The application protocol; also of a pool's requests. What was a chat is none then.
    pub fn protocol(mut self, spoken: impl Into<ProtocolPlan>) -> Self {
        match &mut self.settings.workload {
            WorkloadPlan::Requests { protocol, .. } | WorkloadPlan::Pool { protocol, .. } => {
                *protocol = spoken.into();
            }
            chat @ WorkloadPlan::Chat { .. } => {
                *chat =
                    WorkloadPlan::Requests { protocol: spoken.into(), reconnect_after: None };
            }
        }
        self
    }

    /// What requests say.
    pub fn messages(mut self, messages: MessagePlan) -> Self {
        self.settings.messages = messages;
        self
    }

    /// How thoroughly replies are checked.
    pub fn verify(mut self, verify: Verify) -> Self {
        self.settings.verify = verify;
        self
    }

    /// Takes the connection of each request from a pool of this size (0: a new one each time);
    /// connections are then callers with one request at a time.
    pub fn pool(mut self, size: u32) -> Self {
        let workload = &self.settings.workload;
        self.settings.workload = WorkloadPlan::Pool {
            protocol: workload.protocol().clone(),
            size,
            reconnect_after: workload.reconnect_after(),
        };
        self
    }

    /// Closes each connection after so many requests, and reconnects. In a chat this has no
    /// effect.
    pub fn reconnect_after(mut self, requests: u32) -> Self {
        match &mut self.settings.workload {
            WorkloadPlan::Requests { reconnect_after, .. }
            | WorkloadPlan::Pool { reconnect_after, .. } => *reconnect_after = Some(requests),
            WorkloadPlan::Chat { .. } => {}
        }
        self
    }

    /// Joins all connections to one chat room; this many of them are slow consumers.
    pub fn chat(mut self, deaf: u32) -> Self {
        self.settings.workload = WorkloadPlan::Chat { deaf };
        self
    }

    /// Generator I/O backend.
    pub fn engine(mut self, engine: EngineKind) -> Self {
        self.settings.engine = engine;
        self
    }

    /// How generator threads wait.
    pub fn idle(mut self, idle: IdleStrategy) -> Self {
        self.settings.idle = idle;
        self
    }

    /// Seed of the schedule and of message sizes.
    pub fn seed(mut self, seed: u64) -> Self {
        self.settings.seed = seed;
        self
    }

    /// The plan.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn build(self) -> Result<Plan, PlanError> {
        Plan::new(self.settings)
    }
}
