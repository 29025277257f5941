//! What is simulated: [`Scenario`], with every option drawn at random.

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use echo_bench_engine::messages::Verify;
use echo_bench_engine::plan::{
    Load, MessagePlan, Plan, ProtocolPlan, Settings, SizePlan, StopRule, Think, WorkloadPlan,
};
use echo_bench_engine::schedule::Arrival;
use echo_bench_engine::{Peer, PeerTls};
use echo_net::Nanos;
use echo_net::clock::{MILLISECOND, SECOND};
use echo_net::reactor::network::Conditions;
use echo_net::reactor::random::Random;
use echo_net::tls::{ClientTls, ServerTls, ServerTrust};
use echo_proto::{ProtocolKind, Service, WriteMode};
use echo_server::Config;
use strum::VariantArray;

/// When a simulation begins.
pub(super) const START: Nanos = 1000 * SECOND;

/// About how many requests a run has at most.
const REQUESTS: u64 = 200;

/// What is done from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    /// As a signal: the first stops gracefully, the second forces the stop.
    StopServer,
    SignalGenerator,
}

/// What a seed stands for: conditions, settings of both sides, and what happens when.
pub struct Scenario {
    pub(super) conditions: Conditions,
    pub(super) server: Config,
    /// Workers that accept.
    pub(super) acceptors: usize,
    pub(super) plan: Arc<Plan>,
    /// In the order of their times.
    pub(super) actions: Vec<(Nanos, Action)>,
    /// Whether deadlines of the server are so short that they pass.
    pub(super) hurried: bool,
}

impl fmt::Debug for Scenario {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { conditions, server, acceptors, plan, actions, hurried } = self;
        f.debug_struct("Scenario")
            .field("conditions", conditions)
            .field("server", server)
            .field("acceptors", acceptors)
            .field("plan", &**plan)
            .field("actions", actions)
            .field("hurried", hurried)
            .finish()
    }
}

impl Scenario {
    /// The scenario of a seed.
    ///
    /// # Panics
    /// If it draws a plan that is none, which is a fault of this module.
    pub fn draw(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let conditions = conditions(&mut random);
        let plan = plan(&mut random, &conditions);
        let plan = Arc::new(Plan::new(plan).expect("every plan drawn makes sense"));
        let mut server = Config {
            protocol: plan.service(),
            workers: random.within(1..=3) as usize,
            max_message: plan.service().framing().default_max_message(),
            tls: random.one_in(12).then(identity),
            write_mode: random.pick(WriteMode::VARIANTS),
            ..Config::default()
        };
        if random.one_in(3) {
            server.chat_queue = random.within(300..=5000) as usize;
        }
        if random.one_in(12) {
            server.max_message = random.within(0..=64) as usize;
        }
        if random.one_in(10) {
            server.max_conns = Some(random.within(1..=3));
        }
        server.drain_timeout = Duration::from_millis(random.within(1..=2000));
        let hurried = hurry(&mut random, &mut server);
        let acceptors = random.within(1..=server.workers as u64) as usize;
        let actions = actions(&mut random, &plan);
        Self { conditions, server, acceptors, plan, actions, hurried }
    }

    /// The server as the generator knows it.
    pub(super) fn peer(&self) -> Peer {
        let tls = self.server.tls.as_ref().map(|server| {
            let trust = ServerTrust::Certificate(server.fingerprint());
            let client = ClientTls::new(&trust, false).expect("a fingerprint needs no file");
            PeerTls::new(client, "localhost").expect("a valid name")
        });
        let addresses = vec![std::net::SocketAddr::from(([127, 0, 0, 1], 1)).into()];
        Peer { addresses, tls, ..Peer::default() }
    }

    pub(super) fn is_chat(&self) -> bool {
        self.server.protocol == Service::Chat
    }

    /// The protocol, if its bytes can be followed: no chat, and not encrypted.
    pub(super) fn plain_protocol(&self) -> Option<ProtocolKind> {
        match self.server.protocol {
            Service::Echo(protocol) if self.server.tls.is_none() => Some(protocol),
            _ => None,
        }
    }

    /// Whether the server may end a connection with an error of its own: at a deadline that is
    /// short, or that the clock jumps over.
    pub(super) fn is_impatient(&self) -> bool {
        self.hurried || self.conditions.jumps > 0
    }

    /// Whether each message fits the server's limit.
    pub(super) fn fits(&self) -> bool {
        self.plan.messages.largest() + 64 <= self.server.max_message
    }
}

/// One identity for all: keys take time.
fn identity() -> ServerTls {
    static IDENTITY: OnceLock<ServerTls> = OnceLock::new();
    IDENTITY.get_or_init(|| ServerTls::self_signed().expect("keys can be made")).clone()
}

fn conditions(random: &mut Random) -> Conditions {
    let mut conditions = Conditions {
        delay: random.within(MILLISECOND / 10..=3 * MILLISECOND),
        ..Conditions::FAIR
    };
    if random.one_in(5) {
        return conditions;
    }
    conditions.jitter = random.pick(&[0, MILLISECOND / 4, 10 * MILLISECOND]);
    conditions.segment = random.pick(&[1, 7, 100, 1460, 16 * 1024]);
    conditions.send_buffer = random.pick(&[1, 50, 3000, 1 << 20]);
    conditions.receive_buffer = random.pick(&[1, 64, 4096, 1 << 20]);
    let mut seldom = |odds: &[u64]| if random.one_in(3) { random.pick(odds) } else { 0 };
    conditions.stalls = seldom(&[5, 50, 500]);
    conditions.resets = seldom(&[20, 100, 1000]);
    conditions.half_closes = seldom(&[20, 100, 1000]);
    conditions.refusals = seldom(&[2, 5, 20]);
    conditions.unanswered = seldom(&[2, 5, 20]);
    conditions.no_sockets = seldom(&[2, 5, 20]);
    conditions.accept_failures = seldom(&[2, 5, 20]);
    conditions.jumps = seldom(&[100, 1000, 5000]);
    conditions.stall = random.pick(&[10, 100, 3000]) * MILLISECOND;
    conditions.jump = random.pick(&[10, 500, 40_000]) * MILLISECOND;
    conditions
}

/// Shortens deadlines of the server and lowers what it may buffer; whether it ends connections
/// therefore.
fn hurry(random: &mut Random, server: &mut Config) -> bool {
    // Without one the memory of the machine would decide.
    server.max_buffered = Some(1 << 30);
    if random.one_in(10) {
        server.max_buffered = Some(random.within(5000..=50_000) as usize);
        server.max_message = server.max_message.min(5000);
    }
    let mut short = |least, most| {
        let time = Duration::from_millis(random.within(least..=most));
        random.one_in(6).then_some(time)
    };
    let (idle, write) = (short(1, 100), short(1, 50));
    let (handshake, message) = (short(1, 20), short(1, 50));
    let times = [idle, write, handshake, message];
    let is_scarce = server.max_buffered < Some(1 << 30);
    let hurried = is_scarce || times.iter().any(Option::is_some);
    server.message_timeout = message.or(server.message_timeout);
    server.idle_timeout = idle.or(server.idle_timeout);
    server.write_timeout = write.unwrap_or(server.write_timeout);
    server.handshake_timeout = handshake.unwrap_or(server.handshake_timeout);
    hurried
}

fn actions(random: &mut Random, plan: &Plan) -> Vec<(Nanos, Action)> {
    let length = plan.warmup_ns + 60 * MILLISECOND;
    let mut actions = Vec::new();
    let mut ask = |random: &mut Random, odds, action| {
        if random.one_in(odds) {
            actions.push((START + random.below(length), action));
            if random.one_in(3) {
                actions.push((START + random.below(2 * length), action));
            }
        }
    };
    ask(random, 3, Action::StopServer);
    ask(random, 10, Action::SignalGenerator);
    actions.sort_by_key(|(at, _)| *at);
    actions
}

fn plan(random: &mut Random, conditions: &Conditions) -> Settings {
    let defaults = Plan::builder("127.0.0.1:1").build().expect("the defaults are a plan");
    let kind = random.pick(ProtocolKind::VARIANTS);
    let protocol = match kind {
        ProtocolKind::Mux => ProtocolPlan::Mux { streams: random.within(1..=4) as u32 },
        kind => kind.into(),
    };
    let reconnect_after =
        if random.one_in(4) { Some(random.within(1..=20) as u32) } else { None };
    let connections = random.within(1..=6) as u32;
    let theme = random.below(10);
    let (pipeline, workload) = match theme {
        0..5 => {
            let pipeline = random.pick(&[1, 1, 2, 8]);
            (pipeline, WorkloadPlan::Requests { protocol, reconnect_after })
        }
        5..8 => {
            let protocol = if kind == ProtocolKind::Mux { kind.into() } else { protocol };
            let size = random.within(0..=4) as u32;
            let reconnect_after = reconnect_after.filter(|_| size > 0);
            (1, WorkloadPlan::Pool { protocol, size, reconnect_after })
        }
        _ => (random.pick(&[1, 8]), WorkloadPlan::Chat { deaf: random.below(2) as u32 }),
    };
    let is_chat = matches!(workload, WorkloadPlan::Chat { .. });
    let connections = if is_chat { connections.max(3) } else { connections };
    let is_open = is_chat || random.one_in(2);
    // A closed loop sends as fast as the network lets it.
    let round_trip = 2 * conditions.delay;
    let slots = u64::from(connections * pipeline);
    let length = if is_open {
        random.within(5..=200) * MILLISECOND
    } else {
        (REQUESTS * round_trip / slots).clamp(5 * MILLISECOND, 200 * MILLISECOND)
    };
    let most = REQUESTS as f64 * 1e9 / length as f64;
    let most = if is_chat { most / f64::from(connections) } else { most };
    let rate_per_s = most * (1 + random.below(100)) as f64 / 100.0;
    let load = if is_open {
        let arrival = random.pick(&[Arrival::Constant, Arrival::Poisson]);
        Load::Open { rate_per_s, arrival, pipeline }
    } else {
        Load::Closed { pipeline }
    };
    let stop = if !is_chat && random.one_in(4) {
        StopRule::Requests { requests: random.within(1..=REQUESTS) }
    } else {
        StopRule::Duration { duration_ns: length }
    };
    let think = if !is_open && random.one_in(4) {
        Some(Think {
            mean_ns: random.within(1..=5 * MILLISECOND),
            exponential: random.one_in(2),
        })
    } else {
        None
    };
    Settings {
        connections,
        load,
        think,
        stop,
        workload,
        messages: messages(random, conditions),
        verify: if is_chat || random.one_in(2) {
            Verify::Full
        } else {
            random.pick(Verify::VARIANTS)
        },
        warmup_ns: random.pick(&[0, 20 * MILLISECOND]),
        timeout_ns: random.within(5..=400) * MILLISECOND,
        drain_ns: random.within(1..=400) * MILLISECOND,
        split_writes: if is_chat { 1 } else { random.pick(&[1, 1, 2, 5]) },
        seed: random.draw(),
        ..Settings::clone(&defaults)
    }
}

/// Of a size that the network carries in reasonable time: it moves segment by segment.
fn messages(random: &mut Random, conditions: &Conditions) -> MessagePlan {
    let narrow = conditions.segment.min(conditions.send_buffer).min(conditions.receive_buffer);
    let longest = match narrow {
        0..10 => 40,
        10..1000 => 300,
        _ => random.pick(&[100, 100, 100, 2000, 20_000]),
    };
    let min_bytes = random.within(12..=longest) as usize;
    let max_bytes = random.within(min_bytes as u64..=longest) as usize;
    let sizes = match random.within(0..=5) {
        0 => Some("lognormal:median=30,p99=300".to_owned()),
        1 => Some(format!("zipf:exponent=1.1,max={max_bytes}")),
        _ => None,
    };
    let sizes = sizes.and_then(|spec| spec.parse().ok()).map(|spec| SizePlan::Spread { spec });
    MessagePlan::Generated { min_bytes, max_bytes, sizes }
}
