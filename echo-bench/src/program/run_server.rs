//! The server of one run: [`RunServer`], which starts one if the plan says so, and stops it.

use crate::console::tell;
use crate::embedded::EmbeddedServer;
use crate::exec::{CommandServer, Ending};
use echo_bench_engine::Peer;
use echo_bench_engine::plan::{Plan, Target};
use echo_bench_engine::server_process::ServerProcess;
use echo_net::stop::Stop;

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
    /// What it said last, if it ended by itself.
    output: String,
    /// Processes of it that could not be killed.
    left: Vec<u32>,
}

impl RunServer {
    /// Starts the server of a plan, unless it is there already.
    ///
    /// # Errors
    /// Why it does not serve.
    pub(super) fn start(plan: &Plan, stop: &Stop) -> anyhow::Result<Self> {
        let cpus = &plan.pin.server;
        Ok(match &plan.target {
            Target::Embedded { server } => Self::Embedded(EmbeddedServer::start(server, cpus)?),
            Target::Command(command) => {
                let cores = std::thread::available_parallelism().map_or(1, usize::from);
                let spare = cores.saturating_sub(plan.threads as usize).max(1);
                Self::Command(CommandServer::start(command, cpus, spare, stop)?)
            }
            Target::Address { .. } => Self::Address,
        })
    }

    /// Where it is, and whose cost is the server's.
    pub(super) fn peer(&self, plan: &Plan) -> anyhow::Result<Peer> {
        Ok(match self {
            Self::Embedded(server) => {
                Peer::embedded(plan, server.address(), server.pid(), server.fingerprint())?
            }
            Self::Command(server) => {
                Peer::started(plan, server.address(), server.pid(), server.supervisor())?
            }
            Self::Address => Peer::find(plan)?,
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
            output: String::new(),
            left: Vec::new(),
        };
        match self {
            Self::Embedded(server) => ServerEnding { killed: !server.stop(), ..nothing },
            Self::Command(server) => {
                let Ending { ended, output, killed, left } = server.stop(stop);
                ServerEnding { ended, killed, output, left }
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
