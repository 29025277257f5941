//! The server of one run: [`RunServer`], which starts one if the plan says so, and stops it.

use std::net::{IpAddr, SocketAddr};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use crate::child;
use crate::console::tell;
use crate::embedded::{EmbeddedServer, Stopped};
use crate::exec::{CommandServer, Ending, Interrupted};
use echo_bench_engine::Peer;
use echo_bench_engine::plan::{Plan, Target};
use echo_bench_engine::server_process::ServerProcess;
use echo_bench_report::report::ServerSide;
use echo_net::address::{SocketAddress, Transport, UnixAddress};
use echo_net::settings::TimeSpan;
use echo_net::stop::{Stage, Stop};

/// How long a server is looked for at least, whatever the timeout of its connections.
const LOOKUP_LIMIT: Duration = Duration::from_secs(5);

/// How often it is looked whether the user has asked for a stop.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The server of a run; one that was started for it ends with this.
pub(super) enum RunServer {
    /// An echo-server of our own.
    Embedded(EmbeddedServer),
    /// Any server, started by a command.
    Command(CommandServer),
    /// One that is already there.
    Address,
}

/// How the server of a run was at its end.
pub(super) struct ServerEnding {
    /// How it ended before the end of the run, if it did.
    pub(super) ended: Option<String>,
    /// Whether it did not stop in time, and was killed.
    pub(super) killed: bool,
    /// The time that it had to stop.
    limit: Duration,
    /// What an embedded server said of itself.
    pub(super) side: Option<ServerSide>,
    /// What it said last, if it ended by itself.
    output: String,
    /// Processes of it that could not be killed.
    left: Vec<u32>,
}

impl RunServer {
    /// Starts the server of a plan at `ip`, unless it is there already.
    ///
    /// # Errors
    /// Why it does not serve.
    pub(super) fn start(plan: &Plan, ip: IpAddr, stop: &Stop) -> anyhow::Result<Self> {
        let cpus = &plan.pin.server;
        Ok(match &plan.target {
            Target::Embedded { server } => {
                let address = free_address(plan, ip)?;
                Self::Embedded(EmbeddedServer::start(server, address, cpus, stop)?)
            }
            Target::Command(command) => {
                let cores = thread::available_parallelism().map_or(1, usize::from);
                let spare = cores.saturating_sub(plan.threads as usize).max(1);
                Self::Command(CommandServer::start(command, ip, cpus, spare, stop)?)
            }
            Target::Address { .. } => Self::Address,
        })
    }

    /// Where it is, and whose cost is the server's.
    ///
    /// # Errors
    /// Why it is not found; [`Interrupted`] if `stop` was asked for.
    pub(super) fn peer(&self, plan: &Plan, stop: &Stop) -> anyhow::Result<Peer> {
        Ok(match self {
            Self::Embedded(server) => {
                Peer::embedded(plan, server.address(), server.pid(), server.fingerprint())?
            }
            Self::Command(server) => {
                Peer::started(plan, server.address(), server.pid(), server.supervisor())?
            }
            Self::Address => find(plan, stop)?,
        })
    }

    /// What tells it from another one.
    pub(super) fn process(&self, peer: &Peer) -> Option<ServerProcess> {
        match self {
            Self::Command(server) => server.process(),
            Self::Embedded(_) | Self::Address => peer.pid.and_then(ServerProcess::of),
        }
    }

    /// Stops it if it was started for the run.
    pub(super) fn stop(self, stop: &Stop) -> ServerEnding {
        let nothing = ServerEnding {
            ended: None,
            killed: false,
            limit: child::stop_limit(stop),
            side: None,
            output: String::new(),
            left: Vec::new(),
        };
        match self {
            Self::Embedded(server) => {
                let Stopped { in_time, statistics } = server.stop(stop);
                let side = statistics.as_deref().and_then(ServerSide::from_statistics);
                if in_time && side.is_none() {
                    tell(
                        "warning: the server's statistics are missing: no workers and sockets of \
                          it in the report",
                    );
                }
                ServerEnding { killed: !in_time, side, ..nothing }
            }
            Self::Command(server) => {
                let Ending { ended, output, killed, left } = server.stop(stop);
                ServerEnding { ended, killed, output, left, ..nothing }
            }
            Self::Address => nothing,
        }
    }
}

impl ServerEnding {
    /// Says what the user should know of it at once.
    pub(super) fn tell(&self) {
        if let Some(how) = &self.ended {
            let said = if self.output.is_empty() { "it said nothing" } else { "it said:" };
            tell(&format!("warning: the server ended during the run ({how}); {said}"));
            for line in self.output.lines() {
                tell(&format!("  {line}"));
            }
        }
        if self.killed {
            tell(&format!(
                "warning: the server did not stop within {} of SIGTERM; it was killed (SIGKILL)",
                TimeSpan(self.limit)
            ));
        }
        if !self.left.is_empty() {
            let left: Vec<String> = self.left.iter().map(ToString::to_string).collect();
            tell(&format!(
                "warning: processes of the server could not be ended: {} (of another user?)",
                left.join(", ")
            ));
        }
    }

    /// An error of the run, with the end of the server as its likely cause.
    pub(super) fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        match &self.ended {
            Some(how) => error.context(format!("the server ended ({how})")),
            None => error,
        }
    }
}

/// Where the embedded server of a plan listens: at a free port, or, without leaving a file, at a
/// free name in the abstract namespace.
fn free_address(plan: &Plan, ip: IpAddr) -> anyhow::Result<SocketAddress> {
    Ok(match plan.transport {
        Transport::Tcp => SocketAddr::new(ip, 0).into(),
        Transport::Unix => UnixAddress::named(b"")?.into(),
    })
}

/// Finds the server at the address of a plan.
fn find(plan: &Plan, stop: &Stop) -> anyhow::Result<Peer> {
    let (found, finding) = mpsc::channel();
    let sought = plan.clone();
    // The system's resolver can't be interrupted, and may take minutes.
    thread::Builder::new()
        .name("lookup".into())
        .spawn(move || drop(found.send(Peer::find(&sought))))
        .context("starting the thread that looks up the server")?;
    let limit = Duration::from_nanos(plan.timeout_ns).max(LOOKUP_LIMIT);
    let begin = Instant::now();
    loop {
        match finding.recv_timeout(LOOK_EVERY) {
            Ok(peer) => return Ok(peer?),
            Err(_) if stop.stage() > Stage::Running => return Err(Interrupted.into()),
            Err(RecvTimeoutError::Timeout) if begin.elapsed() < limit => {}
            Err(_) => {
                let limit = TimeSpan(limit);
                let address = match &plan.target {
                    Target::Address { address, .. } => address,
                    Target::Embedded { .. } | Target::Command(_) => "the server",
                };
                bail!("looking up {address}: no answer within {limit} (use an IP address)");
            }
        }
    }
}
