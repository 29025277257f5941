//! How a program makes a plan: [`Plan::builder`]. What is not said is as the command line has
//! it by default.

use std::time::Duration;

use echo_net::clock::nanos;
use echo_proto::ProtocolKind;

use super::{
    ChatPlan, EngineKind, IdleStrategy, Load, MessagePlan, Plan, PlanError, PoolPlan,
    SocketPlan, Stamps, StopRule, Target,
};
use crate::messages::Verify;
use crate::schedule::Arrival;

/// Slots of a connection of an open loop: a request that is due rarely finds none.
const OPEN_PIPELINE: u32 = 64;

/// A plan in the making.
#[derive(Debug, Clone)]
#[must_use = "a plan is made by `build`"]
pub struct PlanBuilder {
    plan: Plan,
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
    pub fn builder(address: impl Into<String>) -> PlanBuilder {
        let second = nanos(Duration::from_secs(1));
        let plan = Self {
            target: Target::Address { address: address.into(), server_pid: None },
            connections: 10,
            threads: 1,
            load: Load::Closed { pipeline: 1 },
            stop: StopRule::Duration { duration_ns: 10 * second },
            warmup_ns: 2 * second,
            timeout_ns: 5 * second,
            drain_ns: 5 * second,
            interval_ns: second,
            protocol: ProtocolKind::Line,
            http_host: None,
            chat: None,
            pool: None,
            streams: 1,
            messages: MessagePlan::Generated { min_bytes: 64, max_bytes: 64 },
            verify: Verify::Full,
            connect_rate_per_s: None,
            reconnect_after: None,
            split_writes: 1,
            socket: SocketPlan {
                nodelay: true,
                send_buffer: None,
                recv_buffer: None,
                sources: Vec::new(),
            },
            tls: None,
            idle: IdleStrategy::Sleep,
            engine: EngineKind::Epoll,
            stamps: Stamps::Sample,
            seed: 1,
            schedule_digest: None,
        };
        PlanBuilder { plan }
    }
}

impl PlanBuilder {
    /// The server that is loaded.
    pub fn target(mut self, target: Target) -> Self {
        self.plan.target = target;
        self
    }

    /// Connections in total.
    pub fn connections(mut self, connections: u32) -> Self {
        self.plan.connections = connections;
        self
    }

    /// Generator threads.
    pub fn threads(mut self, threads: u32) -> Self {
        self.plan.threads = threads;
        self
    }

    /// Closed loop: each connection sends when fewer than `pipeline` of its requests are in
    /// flight.
    pub fn pipeline(mut self, pipeline: u32) -> Self {
        self.plan.load = Load::Closed { pipeline };
        self
    }

    /// Open loop: target arrival rate in requests per second over all connections, evenly
    /// spaced.
    pub fn rate(self, rate_per_s: f64) -> Self {
        let pipeline = if self.plan.pool.is_some() { 1 } else { OPEN_PIPELINE };
        self.load(Load::Open { rate_per_s, arrival: Arrival::Constant, pipeline })
    }

    /// The load model with all its numbers.
    pub fn load(mut self, load: Load) -> Self {
        self.plan.load = load;
        self
    }

    /// Length of the measured window.
    pub fn duration(mut self, duration: Duration) -> Self {
        self.plan.stop = StopRule::Duration { duration_ns: nanos(duration) };
        self
    }

    /// The measured window ends after so many requests.
    pub fn requests(mut self, requests: u64) -> Self {
        self.plan.stop = StopRule::Requests { requests };
        self
    }

    /// Load before the measured window.
    pub fn warmup(mut self, warmup: Duration) -> Self {
        self.plan.warmup_ns = nanos(warmup);
        self
    }

    /// How long a request waits for its reply, and a connection to be made.
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.plan.timeout_ns = nanos(timeout);
        self
    }

    /// How long replies are waited for after the window.
    pub fn drain(mut self, drain: Duration) -> Self {
        self.plan.drain_ns = nanos(drain);
        self
    }

    /// Length of an interval of the time series.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.plan.interval_ns = nanos(interval);
        self
    }

    /// The application protocol.
    pub fn protocol(mut self, protocol: ProtocolKind) -> Self {
        self.plan.protocol = protocol;
        self
    }

    /// What requests say.
    pub fn messages(mut self, messages: MessagePlan) -> Self {
        self.plan.messages = messages;
        self
    }

    /// How thoroughly replies are checked.
    pub fn verify(mut self, verify: Verify) -> Self {
        self.plan.verify = verify;
        self
    }

    /// Takes the connection of each request from a pool of this size (0: a new one each time);
    /// connections are then callers with one request at a time.
    pub fn pool(mut self, size: u32) -> Self {
        self.plan.pool = Some(PoolPlan { size });
        self
    }

    /// Joins all connections to one chat room; this many of them are slow consumers.
    pub fn chat(mut self, deaf: u32) -> Self {
        self.plan.chat = Some(ChatPlan { deaf });
        self.plan.protocol = ProtocolKind::Line;
        self
    }

    /// Generator I/O backend.
    pub fn engine(mut self, engine: EngineKind) -> Self {
        self.plan.engine = engine;
        self
    }

    /// How generator threads wait.
    pub fn idle(mut self, idle: IdleStrategy) -> Self {
        self.plan.idle = idle;
        self
    }

    /// Seed of the schedule and of message sizes.
    pub fn seed(mut self, seed: u64) -> Self {
        self.plan.seed = seed;
        self
    }

    /// The plan.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn build(self) -> Result<Plan, PlanError> {
        self.plan.validated()
    }
}
