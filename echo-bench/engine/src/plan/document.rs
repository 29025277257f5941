//! A plan as it is stored: [`PlanDocument`]. Its fields stand side by side, as they have since
//! the first version; the plan itself is typed.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

use echo_bench_link::LinkSpec;
use echo_net::Nanos;
use echo_net::address::Transport;
use echo_proto::{HttpHost, ProtocolKind};

use super::{
    EngineKind, IdleStrategy, Load, MessagePlan, Part, Pinning, Plan, PlanError, ProtocolPlan,
    Settings, SocketPlan, Stamps, StopRule, Target, Think, TlsPlan, Until, WorkloadPlan,
    login::{PostgresDocument, RedisDocument},
    validity,
};
use crate::messages::{DrawnSizes, Verify};

/// Everything that decides how a run behaves. Times are in nanoseconds, sizes in bytes.
#[derive(Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "Plan")]
pub(super) struct PlanDocument {
    /// Whom to load.
    target: Target,
    /// The kind of the connections: `tcp`, or `unix` for unix-domain sockets.
    #[serde(default, with = "crate::as_text")]
    #[schemars(with = "String", default)]
    transport: Transport,
    /// Connections in total.
    connections: u32,
    /// The share of the plan that this process carried out; null: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    part: Option<PartPlan>,
    /// Generator threads.
    threads: u32,
    /// Closed or open loop, and its numbers.
    load: Load,
    /// The pause of a closed loop between a reply and the next request; null: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    think: Option<Think>,
    /// When the measured window ends.
    stop: StopRule,
    /// What may end it before that time; null: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<Until>,
    /// Load before the measured window.
    warmup_ns: Nanos,
    /// How long a request may wait for its reply once it is sent.
    timeout_ns: Nanos,
    /// How long to wait, after the window, for replies to requests of the window.
    drain_ns: Nanos,
    /// Length of an interval of the time series.
    interval_ns: Nanos,
    /// The protocol.
    #[serde(with = "crate::as_text")]
    #[schemars(with = "String")]
    protocol: ProtocolKind,
    /// The `Host` header of HTTP requests; null with another protocol.
    #[serde(
        default,
        with = "crate::as_text::optional",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(with = "Option<String>")]
    http_host: Option<HttpHost>,
    /// Who logs in, and how queries are sent, with PostgreSQL; null with another protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    postgres: Option<PostgresDocument>,
    /// Who logs in with Redis, if anybody does, and its protocol; null with another protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    redis: Option<RedisDocument>,
    /// The members of a chat room, if that is what the connections are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    chat: Option<ChatPlan>,
    /// The pool that requests take their connections from; then `connections` are callers
    /// with one request at a time. Null: every connection is driven for itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pool: Option<PoolPlan>,
    /// Streams of a connection, which its requests take in turn (`mux`).
    #[serde(default = "one_stream")]
    streams: u32,
    /// What requests say.
    messages: MessagePlan,
    /// How thoroughly replies are checked.
    verify: Verify,
    /// Most connections begun per second before the load; null: as fast as they are made.
    #[serde(default)]
    connect_rate_per_s: Option<f64>,
    /// Requests after which each connection is closed and reconnected; null: never.
    #[serde(default)]
    reconnect_after: Option<u32>,
    /// In how many writes each request is sent.
    split_writes: u32,
    /// The emulated link between both sides, as it is typed; null: the machine's own loopback or
    /// network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    link: Option<LinkSpec>,
    /// Socket options of the generator.
    socket: SocketPlan,
    /// TLS around the protocol; null: plaintext.
    #[serde(default)]
    tls: Option<TlsPlan>,
    /// How the generator waits.
    idle: IdleStrategy,
    /// Moves bytes for the generator.
    engine: EngineKind,
    /// Connections with receive timestamps of the kernel.
    #[serde(default = "no_stamps")]
    stamps: Stamps,
    /// CPUs that both sides are pinned to.
    #[serde(default)]
    pin: Pinning,
    /// Seed of the schedule and of message sizes.
    seed: u64,
    /// Fingerprint of the open-loop schedule; null in a closed loop.
    schedule_digest: Option<String>,
    /// What sizes the first messages have; null unless a distribution or a histogram says how
    /// often each size is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drawn_sizes: Option<DrawnSizes>,
}

/// Reports from before there were stamps.
fn no_stamps() -> Stamps {
    Stamps::Off
}

/// Reports from before there were streams.
fn one_stream() -> u32 {
    1
}

/// Members of a chat room. Every connection is one; each message is delivered to all
/// others, and requests are deliveries.
#[derive(Serialize, Deserialize, JsonSchema)]
struct ChatPlan {
    /// Slow consumers: members that never read.
    deaf: u32,
}

/// A share of a plan: every `of`-th connection, beginning with number `number` - 1.
#[derive(Serialize, Deserialize, JsonSchema)]
struct PartPlan {
    /// Which, from 1.
    number: u32,
    /// Of how many.
    of: u32,
    /// Of a plan that ends after a number of requests: how many of them are the part's; else null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    requests: Option<u64>,
}

/// A pool of connections.
#[derive(Serialize, Deserialize, JsonSchema)]
struct PoolPlan {
    /// Most connections at one time; 0: a new one for each request.
    size: u32,
}

impl TryFrom<PlanDocument> for Plan {
    type Error = PlanError;

    fn try_from(document: PlanDocument) -> Result<Self, PlanError> {
        let protocol =
            ProtocolPlan::new(document.protocol, document.streams, document.http_host)?;
        let protocol = match (protocol, document.postgres, document.redis) {
            (ProtocolPlan::Postgres { .. }, Some(postgres), _) => postgres.protocol()?,
            (ProtocolPlan::Resp { .. }, _, Some(redis)) => redis.protocol(),
            (protocol, ..) => protocol,
        };
        let settings = Settings {
            transport: document.target.transport().unwrap_or(document.transport),
            target: document.target,
            connections: document.connections,
            part: document
                .part
                .as_ref()
                .map(|&PartPlan { number, of, .. }| Part { number, of }),
            threads: document.threads,
            load: document.load.simplified(),
            think: document.think,
            stop: document.stop,
            until: document.until,
            warmup_ns: document.warmup_ns,
            timeout_ns: document.timeout_ns,
            drain_ns: document.drain_ns,
            interval_ns: document.interval_ns,
            workload: WorkloadPlan::new(
                protocol,
                document.chat.map(|chat| chat.deaf),
                document.pool.map(|pool| pool.size),
                document.reconnect_after,
            )?,
            messages: document.messages,
            verify: document.verify,
            connect_rate_per_s: document.connect_rate_per_s,
            split_writes: document.split_writes,
            link: document.link,
            socket: document.socket,
            tls: document.tls,
            idle: document.idle,
            engine: document.engine,
            stamps: document.stamps,
            pin: document.pin,
            seed: document.seed,
        };
        validity::check_sense(&settings)?;
        // As stored, whatever a newer schedule may be.
        let PlanDocument { schedule_digest, drawn_sizes, part, .. } = document;
        let own_requests = part.and_then(|part| part.requests);
        Ok(Self { settings, schedule_digest, drawn_sizes, own_requests })
    }
}

impl From<Plan> for PlanDocument {
    fn from(plan: Plan) -> Self {
        let Plan { settings, schedule_digest, drawn_sizes, own_requests } = plan;
        let workload = &settings.workload;
        let protocol = workload.protocol();
        Self {
            transport: settings.transport,
            connections: settings.connections,
            part: settings.part.map(|Part { number, of }| PartPlan {
                number,
                of,
                requests: own_requests,
            }),
            threads: settings.threads,
            load: settings.load,
            think: settings.think,
            stop: settings.stop,
            until: settings.until,
            warmup_ns: settings.warmup_ns,
            timeout_ns: settings.timeout_ns,
            drain_ns: settings.drain_ns,
            interval_ns: settings.interval_ns,
            protocol: protocol.kind(),
            http_host: protocol.http_host().cloned(),
            postgres: PostgresDocument::of(protocol),
            redis: RedisDocument::of(protocol),
            chat: workload.deaf().map(|deaf| ChatPlan { deaf }),
            pool: workload.pool_size().map(|size| PoolPlan { size }),
            streams: protocol.streams(),
            reconnect_after: workload.reconnect_after(),
            target: settings.target,
            messages: settings.messages,
            verify: settings.verify,
            connect_rate_per_s: settings.connect_rate_per_s,
            split_writes: settings.split_writes,
            link: settings.link,
            socket: settings.socket,
            tls: settings.tls,
            idle: settings.idle,
            engine: settings.engine,
            stamps: settings.stamps,
            pin: settings.pin,
            seed: settings.seed,
            schedule_digest,
            drawn_sizes,
        }
    }
}

impl JsonSchema for Plan {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        PlanDocument::schema_name()
    }

    fn schema_id() -> std::borrow::Cow<'static, str> {
        PlanDocument::schema_id()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        PlanDocument::json_schema(generator)
    }
}
