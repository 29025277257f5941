//! How the run of an oracle is made: [`Arrangement`], the flags of the run and the server.

use std::ffi::OsString;
use std::time::Duration;

use crate::fault_server::{Fault, Framing, Injection};
use echo_bench_report::selftest::{Oracle, Subject};
use echo_net::settings::TimeSpan;

/// Size of messages; the offset of a wrong byte lies within.
const SIZE: usize = 64;
const OFFSET: usize = 30;

/// A server and the flags of a run against it.
#[derive(Debug)]
pub(super) struct Arrangement {
    pub(super) server: Server,
    /// Those of a run, without a target.
    pub(super) flags: Vec<String>,
}

/// Who is loaded.
#[derive(Debug)]
pub(super) enum Server {
    /// The run's own.
    Embedded,
    /// One that injects faults.
    Faulty(Injection),
}

impl Arrangement {
    /// Of an oracle that applies.
    pub(super) fn of(oracle: Oracle, subject: &Subject) -> Self {
        // One connection has one thread.
        let of_one = matches!(oracle, Oracle::FixedDelay { .. }) && subject.pool.is_none();
        let threads = if of_one { Some(1) } else { subject.threads };
        let subject = &Subject { threads, ..subject.clone() };
        let flags = [common(subject), of_oracle(oracle, subject)].concat();
        let server = match framing(&subject.protocol) {
            None => Server::Embedded,
            Some(framing) => {
                let (fault, from) = fault(oracle);
                Server::Faulty(Injection { framing, fault, from, lie: 0.0 })
            }
        };
        Self { server, flags }
    }

    /// The flags with this target.
    pub(super) fn with_target(&self, address: &str) -> Vec<String> {
        [&[address.to_owned()], &self.flags[..]].concat()
    }
}

fn framing(protocol: &str) -> Option<Framing> {
    match protocol {
        "raw" => Some(Framing::Raw(SIZE)),
        other => other.parse().ok(),
    }
}

/// What the server does, and the first connection to which it does it.
fn fault(oracle: Oracle) -> (Fault, usize) {
    match oracle {
        Oracle::FixedDelay { delay, .. }
        | Oracle::Arrivals { delay, .. }
        | Oracle::ClosedLoop { delay, .. } => (Fault::Delay(delay), 0),
        Oracle::Stall { at, length, .. } => (Fault::Stall { at, length }, 0),
        Oracle::Starved { served, .. } => (Fault::Mute(0), served as usize),
        Oracle::Drop { every, .. } => (Fault::Drop(every), 0),
        Oracle::Corrupt { every, .. } => (Fault::Corrupt { every, offset: OFFSET }, 0),
        Oracle::Duplicate { every, .. } => (Fault::Duplicate(every), 0),
        Oracle::Frozen { .. } => (Fault::None, 0),
    }
}

/// The flags of every run.
fn common(subject: &Subject) -> Vec<String> {
    let mut flags = generator(subject);
    flags.push(format!("--protocol={}", subject.protocol));
    flags.extend(subject.pool.map(|size| format!("--pool={size}")));
    flags
}

/// Those of the generator alone. No thread has a CPU of its own: the server's have none.
fn generator(subject: &Subject) -> Vec<String> {
    let mut flags = vec![
        format!("--engine={}", subject.engine),
        format!("--idle={}", subject.idle),
        "--pin=off".into(),
    ];
    flags.extend(subject.threads.map(|threads| format!("--threads={threads}")));
    flags
}

fn of_oracle(oracle: Oracle, subject: &Subject) -> Vec<String> {
    let pooled = subject.pool.is_some();
    // Each thread needs a connection, and each connection of a pool a caller.
    let least = subject.threads.unwrap_or(1).max(subject.pool.unwrap_or(1));
    let conns = |wanted: u32| format!("--conns={}", wanted.max(least));
    let duration = |window: Duration| format!("--duration={}", TimeSpan(window));
    let mut flags = vec!["--warmup=0".to_owned()];
    match oracle {
        Oracle::FixedDelay { depth, .. } => {
            flags.push(format!("--requests={depth}"));
            if pooled {
                flags.push(format!("--conns={depth}"));
            } else {
                flags.extend(["--conns=1".into(), format!("--pipeline={depth}")]);
            }
        }
        Oracle::ClosedLoop { connections, window, .. } => {
            flags[0] = "--warmup=100ms".into();
            flags.extend([format!("--conns={connections}"), duration(window)]);
        }
        Oracle::Arrivals { rate_per_s, window, .. }
        | Oracle::Stall { rate_per_s, window, .. }
        | Oracle::Frozen { rate_per_s, window, .. } => {
            flags.extend([conns(4), format!("--rate={rate_per_s}"), duration(window)]);
        }
        Oracle::Starved { connections, window, .. } => {
            flags.extend([format!("--conns={connections}"), duration(window)]);
            flags.push("--drain=100ms".into());
        }
        Oracle::Drop { requests, .. }
        | Oracle::Corrupt { requests, .. }
        | Oracle::Duplicate { requests, .. } => {
            flags.extend([conns(2), format!("--requests={requests}")]);
            if pooled {
                // A caller waits for a reply that never comes, and nobody else does meanwhile.
                flags.push("--timeout=100ms".into());
            } else {
                flags.extend(["--pipeline=4", "--rate=4k", "--timeout=400ms"].map(Into::into));
            }
        }
    }
    flags
}

/// A server that echoes at once, and the flags of a run that is all machine.
pub(super) fn reflector(subject: &Subject) -> (Injection, Vec<String>) {
    let framing = Framing::Raw(SIZE);
    let injection = Injection { framing, fault: Fault::None, from: 0, lie: 0.0 };
    let of_one = Subject { threads: Some(1), ..subject.clone() };
    let window = if subject.quick { "300ms" } else { "1s" };
    let mut flags = generator(&of_one);
    flags.push(format!("--size={SIZE}"));
    flags.push(format!("--duration={window}"));
    flags.extend(["--protocol=raw", "--conns=1", "--warmup=100ms"].map(Into::into));
    (injection, flags)
}

/// The flags of runs that are compared with each other, against an embedded server.
pub(super) fn against_itself(subject: &Subject) -> Vec<OsString> {
    let window = if subject.quick { "--duration=400ms" } else { "--duration=1s" };
    let least = subject.threads.unwrap_or(1).max(subject.pool.unwrap_or(1));
    let mut flags = common(subject);
    flags.extend([window, "--warmup=200ms"].map(Into::into));
    flags.push(format!("--conns={}", least.max(4)));
    // Members of a chat speak on a schedule.
    flags.extend((subject.protocol == "chat").then(|| "--rate=200".to_owned()));
    flags.into_iter().map(OsString::from).collect()
}
