//! Whether settings make a plan; if not, a [`PlanError`]. Two kinds of rules: those of
//! [`check_sense`] have always held, so they hold for stored plans, too; those of
//! [`check_limits`] say what this version carries out.

use echo_net::Nanos;
use echo_net::address::Transport;
use echo_net::clock::SECOND;

use super::{
    Load, MessagePlan, PlanError, Settings, SocketPlan, StopRule, Target, WorkloadPlan,
};
use crate::messages::Verify;
use crate::schedule::Stage;

/// Most bytes that the requests in flight on one connection may hold: they may all have to
/// be encoded at once.
const LARGEST_BATCH: u64 = 256 << 20;

/// Most stages of a load: each has histograms of its own.
pub(super) const MOST_STAGES: usize = 100;

/// Most members of a chat room: who has heard what of whom is kept for each pair.
pub(super) const MOST_MEMBERS: u32 = 2000;

/// Longest time of a plan: the instants of a run are sums of several, in 64 bits of
/// nanoseconds, which are 584 years.
const LONGEST: Nanos = 100 * 365 * 24 * 3600 * SECOND;

/// Highest rate of a schedule: each of its requests is accounted for, sent or not, which must not
/// take much longer than the run.
const HIGHEST_RATE: f64 = 1e8;

/// Bytes by which a generated message can be told from any other.
const LEAST_STAMPED: usize = 12;

/// What a request in flight takes at least, however short its message.
const SMALLEST_SLOT: usize = 64;

/// Checks what every plan must have to mean something.
pub(super) fn check_sense(plan: &Settings) -> Result<(), PlanError> {
    check_stages(plan)?;
    let wrong = match (&plan.stop, &plan.messages) {
        (StopRule::Duration { duration_ns: 0 }, _) => PlanError::NoDuration,
        (StopRule::Requests { requests: 0 }, _) => PlanError::NoRequests,
        (_, MessagePlan::Generated { min_bytes, max_bytes, .. }) if min_bytes > max_bytes => {
            PlanError::SizesReversed { min: *min_bytes, max: *max_bytes }
        }
        (_, messages) if !messages.has_sizes() => PlanError::Sizes,
        (_, MessagePlan::Given { texts, .. }) if texts.is_empty() => PlanError::NoMessages,
        (StopRule::Requests { .. }, _) if plan.until.is_some() => PlanError::UntilRequests,
        _ if plan.until.is_some_and(|until| !until.is_sensible()) => PlanError::Until,
        _ if plan.connections == 0 => PlanError::NoConnections,
        _ if plan.part.is_some_and(|part| !part.is_sensible()) => PlanError::Part,
        _ if plan.threads == 0 => PlanError::NoThreads,
        _ if plan.load.pipeline() == 0 => PlanError::NoPipeline,
        _ if plan.load.rate_per_s().is_some_and(is_no_rate) => PlanError::NoRate("--rate"),
        _ if plan.connect_rate_per_s.is_some_and(is_no_rate) => {
            PlanError::NoRate("--connect-rate")
        }
        _ if plan.timeout_ns == 0 => PlanError::NoTimeout,
        _ if plan.interval_ns == 0 => PlanError::ShortInterval,
        _ if plan.split_writes == 0 => PlanError::NoWrites,
        _ if plan.workload.protocol().streams() == 0 => PlanError::Streams,
        _ if plan.workload.reconnect_after() == Some(0) => PlanError::NoReconnect,
        _ => return Ok(()),
    };
    Err(wrong)
}

/// Stages have requests and are the window, and who thinks asks when it is answered.
fn check_stages(plan: &Settings) -> Result<(), PlanError> {
    let ends = plan.load.stage_ends();
    let is_window = |end| plan.stop == StopRule::Duration { duration_ns: end };
    let wrong = match (&plan.load, plan.stop) {
        (Load::Staged { stages, .. }, _)
            if stages.is_empty() || !stages.iter().all(Stage::is_sensible) =>
        {
            PlanError::NoStage
        }
        (Load::Staged { stages, .. }, _) if stages.len() > MOST_STAGES => {
            PlanError::ManyStages(stages.len())
        }
        (load, StopRule::Requests { .. }) if load.is_staged() => {
            PlanError::StagesWith("--requests")
        }
        (load, _) if load.is_staged() && plan.until.is_some() => {
            PlanError::StagesWith("--until")
        }
        (load, _) if load.is_staged() && !ends.last().is_some_and(|&end| is_window(end)) => {
            PlanError::StagesWith("--duration")
        }
        (load, _) if load.is_open() && plan.think.is_some() => PlanError::ThinkWithSchedule,
        _ if plan.think.is_some_and(|think| think.mean_ns == 0) => PlanError::NoThink,
        _ => return Ok(()),
    };
    Err(wrong)
}

/// Whether a rate is none, so that no instant follows from it.
fn is_no_rate(per_second: f64) -> bool {
    !(per_second > 0.0 && per_second.is_finite())
}

/// Checks that this version can carry it out.
pub(super) fn check_limits(plan: &Settings) -> Result<(), PlanError> {
    let streams = plan.workload.protocol().streams();
    let (pipeline, message) = (plan.load.pipeline(), plan.largest_message());
    let batch = u64::from(pipeline).saturating_mul(message.max(SMALLEST_SLOT) as u64);
    if plan.connections > 1 << 24 {
        return Err(PlanError::TooManyConnections(plan.connections));
    }
    if plan.interval_ns < SECOND / 100 {
        return Err(PlanError::ShortInterval);
    }
    if plan.load.highest_rate_per_s() > HIGHEST_RATE {
        return Err(PlanError::HugeRate(plan.load.highest_rate_per_s()));
    }
    if streams > 1 << 16 {
        return Err(PlanError::Streams);
    }
    check_part(plan)?;
    check_link(plan)?;
    check_transport(plan)?;
    check_times(plan)?;
    check_messages(plan)?;
    match plan.workload {
        WorkloadPlan::Requests { .. } => {}
        WorkloadPlan::Pool { size, reconnect_after, .. } => {
            check_pool(plan, size, reconnect_after)?;
        }
        WorkloadPlan::Chat { .. } => check_chat(plan)?,
    }
    if pipeline > 1 && batch > LARGEST_BATCH {
        return Err(PlanError::HugeBatch { pipeline, message });
    }
    Ok(())
}

/// What several processes can carry out together: what each connection does by itself.
fn check_part(plan: &Settings) -> Result<(), PlanError> {
    let Some(part) = plan.part else { return Ok(()) };
    let (flag, reason) = match plan.workload {
        _ if part.of > plan.connections => {
            return Err(PlanError::ManyParts { part, connections: plan.connections });
        }
        WorkloadPlan::Pool { .. } => (
            "--pool",
            "its callers share connections, which processes can't (leave --pool out)",
        ),
        WorkloadPlan::Chat { .. } => (
            "--protocol chat",
            "every delivery is checked against what all members said, which one process knows \
             (leave --part out)",
        ),
        WorkloadPlan::Requests { .. } if plan.until.is_some() => (
            "--until",
            "a part does not know how sure the percentile of all parts is (use --duration)",
        ),
        WorkloadPlan::Requests { .. } => match plan.target {
            Target::Address { .. } => return Ok(()),
            Target::Command(_) => (
                "--exec",
                "each part would start a server of its own (start one, and give --target)",
            ),
            Target::Embedded { .. } => (
                "an embedded server",
                "each part would start one of its own (start an echo-server, and give --target)",
            ),
        },
    };
    Err(PlanError::NoParts { flag, reason })
}

fn check_link(plan: &Settings) -> Result<(), PlanError> {
    match (plan.link, &plan.target) {
        (None, _) => Ok(()),
        (_, Target::Address { .. }) => Err(PlanError::LinkToTarget),
        _ if plan.transport == Transport::Unix => Err(PlanError::LinkUnix),
        _ if !plan.socket.sources.is_empty() => Err(PlanError::LinkSources),
        _ => Ok(()),
    }
}

/// Options of TCP are for TCP. Nagle's algorithm is off by default, so only `on` is said.
fn check_transport(plan: &Settings) -> Result<(), PlanError> {
    let SocketPlan {
        congestion, quickack, notsent_lowat, user_timeout_ms, tos, fastopen, ..
    } = &plan.socket;
    let flags = [
        ("--nodelay", !plan.socket.nodelay),
        ("--congestion", congestion.is_some()),
        ("--quickack", quickack.is_some()),
        ("--notsent-lowat", notsent_lowat.is_some()),
        ("--user-timeout", user_timeout_ms.is_some()),
        ("--tos", tos.is_some()),
        ("--fastopen", fastopen.is_some()),
        ("--source-ip", !plan.socket.sources.is_empty()),
    ];
    match flags.into_iter().find(|(_, is_set)| *is_set) {
        Some((flag, _)) if plan.transport == Transport::Unix => Err(PlanError::OnlyTcp(flag)),
        _ => Ok(()),
    }
}

fn check_times(plan: &Settings) -> Result<(), PlanError> {
    let duration_ns = match plan.stop {
        StopRule::Duration { duration_ns } => duration_ns,
        StopRule::Requests { .. } => 0,
    };
    let huge = [
        ("--duration", duration_ns),
        ("--warmup", plan.warmup_ns),
        ("--think", plan.think.map_or(0, |think| think.mean_ns)),
        // Before the drain, which is as long where it was not typed.
        ("--timeout", plan.timeout_ns),
        ("--drain", plan.drain_ns),
        ("--interval", plan.interval_ns),
    ]
    .into_iter()
    .find(|&(_, time)| time > LONGEST);
    huge.map_or(Ok(()), |(flag, _)| Err(PlanError::HugeTime(flag)))
}

fn check_chat(plan: &Settings) -> Result<(), PlanError> {
    let hearing = plan.speakers();
    let checked = matches!(plan.messages,
        MessagePlan::Generated { min_bytes, .. } if min_bytes >= LEAST_STAMPED)
        && plan.verify == Verify::Full
        && plan.split_writes == 1
        && matches!(plan.stop, StopRule::Duration { .. });
    match () {
        () if !plan.load.is_open() => Err(PlanError::ChatWithoutRate),
        () if hearing < 2 || plan.connections > MOST_MEMBERS => Err(PlanError::ChatMembers),
        () if plan.threads > 1 => Err(PlanError::ChatThreads(plan.threads)),
        () if !checked => Err(PlanError::ChatMessages),
        () => Ok(()),
    }
}

fn check_pool(
    plan: &Settings,
    size: u32,
    reconnect_after: Option<u32>,
) -> Result<(), PlanError> {
    match () {
        () if plan.load.pipeline() > 1 => Err(PlanError::NotWithPool("--pipeline")),
        () if plan.workload.protocol().streams() > 1 => {
            Err(PlanError::NotWithPool("--streams"))
        }
        () if size == 0 && reconnect_after.is_some() => {
            Err(PlanError::ReconnectWith("--pool 0"))
        }
        () if size > 0 && plan.threads > size => {
            Err(PlanError::PoolThreads { threads: plan.threads, size })
        }
        () => Ok(()),
    }
}

fn check_messages(plan: &Settings) -> Result<(), PlanError> {
    let protocol = plan.protocol();
    let check = |number: usize, text: &[u8]| {
        protocol.check_message(text).map_err(|reason| PlanError::UnfitMessage {
            number,
            protocol,
            reason,
        })
    };
    match &plan.messages {
        MessagePlan::Generated { max_bytes, .. } if *max_bytes > 1 << 30 => {
            Err(PlanError::HugeMessage(*max_bytes))
        }
        MessagePlan::Generated { min_bytes, .. } => check(1, &b"x"[..(*min_bytes).min(1)]),
        MessagePlan::Given { texts, .. } => {
            texts.iter().enumerate().try_for_each(|(i, text)| check(i + 1, text))
        }
    }
}
