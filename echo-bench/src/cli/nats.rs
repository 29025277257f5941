//! The flags of load from several machines over NATS, as typed: those of a run
//! ([`OnAgentsArgs`]), of an agent ([`AgentArgs`]), of `collect` ([`CollectArgs`]), and the way in
//! that they have in common ([`NatsArgs`]).

use std::net::IpAddr;
use std::path::PathBuf;

use clap::Args;
use clap::builder::PossibleValuesParser;
use clap::builder::TypedValueParser as _;

use echo_bench_fleet::coordinator::OnLoss;
use echo_bench_fleet::nats::Access;
use echo_bench_fleet::{AgentName, Cidr, RunId};
use echo_client::mask::masked;
use echo_net::address::Transport;
use echo_server::choice::choice;

use super::RunArgs;
use crate::outlet::RunFormat;

pub(super) const AGENT_EXAMPLES: &str = "\
Examples:
  echo-bench agent --nats nats://control:4222
      on each load machine
  echo-bench run --nats nats://control:4222 --agents 4 10.0.0.7:8080
  echo-bench agent --nats nats://control:4222 --name db-1
      on the machine of the server
  echo-bench run --nats nats://control:4222 --agents 4 \\
                 --server-agent db-1 --model epoll
  echo-bench agent --nats nats://control:4222 --allow 203.0.113.0/24";

/// How a NATS server is entered.
#[derive(Debug, Args)]
#[command(next_help_heading = "NATS")]
#[expect(clippy::struct_field_names, reason = "the fields are named as the flags are")]
pub struct NatsArgs {
    /// Credentials of NATS (a .creds file)
    #[arg(long, value_name = "FILE", requires = "nats")]
    nats_creds: Option<PathBuf>,
    /// Token of NATS, in a file
    #[arg(long, value_name = "FILE", requires = "nats")]
    nats_token_file: Option<PathBuf>,
    /// Seed of an NKey of NATS, in a file
    #[arg(long, value_name = "FILE", requires = "nats")]
    nats_nkey: Option<PathBuf>,
    /// CA certificates (PEM) that verify the NATS server, which must speak TLS then
    #[arg(long, value_name = "FILE", requires = "nats")]
    nats_cacert: Option<PathBuf>,
    /// Client certificate (PEM) for the NATS server
    #[arg(long, value_name = "FILE", requires_all = ["nats", "nats_key"])]
    nats_cert: Option<PathBuf>,
    /// Private key of --nats-cert (PEM)
    #[arg(long, value_name = "FILE", requires = "nats_cert")]
    nats_key: Option<PathBuf>,
}

impl NatsArgs {
    /// The way into the server at `url`.
    pub fn access(&self, url: &str) -> Access {
        Access {
            url: url.to_owned(),
            shown: masked(url).into_owned(),
            credentials: self.nats_creds.clone(),
            token: self.nats_token_file.clone(),
            nkey: self.nats_nkey.clone(),
            cacert: self.nats_cacert.clone(),
            certificate: self.nats_cert.clone().zip(self.nats_key.clone()),
        }
    }
}

/// A run on agents, as typed.
#[derive(Debug, Args)]
#[command(next_help_heading = "Several processes")]
pub(super) struct OnAgentsArgs {
    #[arg(
        long,
        value_name = "URL",
        requires = "agents",
        group = "place",
        help = "Carry out the plan on --agents that wait at this NATS server (`echo-bench agent`), \
                like nats://HOST:4222 or tls://HOST. A password in it can be seen by other users of \
                this machine: better use --nats-creds or --nats-token-file"
    )]
    nats: Option<String>,
    /// Begin with N agents if not all are ready in time [default: all of --agents]
    #[arg(long, value_name = "N", requires = "nats")]
    min_agents: Option<u32>,
    /// When an agent is lost in the middle: mark the report as partial, or abort the run
    #[arg(
        long,
        value_name = "mark|abort",
        default_value = "mark",
        requires = "nats",
        hide_possible_values = true,
        value_parser = on_loss()
    )]
    on_loss: OnLoss,
    /// The agent on the server's machine, one more than --agents: it finds the server's process by
    /// its port (or --server-pid) and measures CPU, placement and kernel counters there. Without a
    /// TARGET it starts the embedded server, and stops it at the end
    #[arg(long, value_name = "NAME", requires = "nats")]
    server_agent: Option<AgentName>,
    #[command(flatten)]
    access: NatsArgs,
}

fn on_loss() -> impl clap::builder::TypedValueParser<Value = OnLoss> {
    PossibleValuesParser::new(["mark", "abort"]).map(|word| match word.as_str() {
        "abort" => OnLoss::Abort,
        _ => OnLoss::Mark,
    })
}

/// A run on agents: what it means.
#[derive(Debug)]
pub struct OnAgents {
    /// Where they wait.
    pub access: Access,
    /// How many carry out the plan.
    pub agents: u32,
    /// How many are enough.
    pub at_least: u32,
    /// What happens when one is lost.
    pub on_loss: OnLoss,
    /// Which one is on the machine of the server, if any is.
    pub server_agent: Option<AgentName>,
}

/// Agents that can't be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OnAgentsError {
    /// None, or more than a plan has parts.
    #[error("--agents must be from 1 to {most}", most = echo_bench_engine::plan::MOST_PARTS)]
    Agents,
    /// More than all.
    #[error("--min-agents must be from 1 to --agents ({0})")]
    AtLeast(u32),
    /// Nobody starts the server.
    #[error(
        "--nats needs a TARGET: start an echo-server that all agents reach, or name an agent on \
         the machine that is to start one with --server-agent"
    )]
    NoTarget,
    /// A server of another kind than an agent starts.
    #[error("--nats and {flag}: {reason}")]
    OtherServer {
        /// The flag.
        flag: &'static str,
        /// Why not, and what to do.
        reason: &'static str,
    },
    /// A time that only one machine has.
    #[error("leave --start-at out with --nats, which has all agents begin at one instant")]
    StartAt,
}

impl OnAgents {
    /// Refuses numbers that make no sense.
    ///
    /// # Errors
    /// By flag.
    pub fn check(&self, args: &RunArgs) -> Result<(), OnAgentsError> {
        if !(1..=echo_bench_engine::plan::MOST_PARTS).contains(&self.agents) {
            return Err(OnAgentsError::Agents);
        }
        if !(1..=self.agents).contains(&self.at_least) {
            return Err(OnAgentsError::AtLeast(self.agents));
        }
        if args.start_at().is_some() {
            return Err(OnAgentsError::StartAt);
        }
        self.check_server(args)
    }

    fn check_server(&self, args: &RunArgs) -> Result<(), OnAgentsError> {
        let other = |flag, reason| Err(OnAgentsError::OtherServer { flag, reason });
        if args.typed_target().is_some() {
            return match args.server_pid {
                Some(_) if self.server_agent.is_none() => other(
                    "--server-pid",
                    "no agent is on the server's machine (name it with --server-agent)",
                ),
                _ => Ok(()),
            };
        }
        if args.exec.plan().is_some() {
            return other(
                "--exec",
                "agents run no commands (start the server, and give TARGET)",
            );
        }
        if self.server_agent.is_none() {
            return Err(OnAgentsError::NoTarget);
        }
        if args.server_pid.is_some() {
            return other(
                "--server-pid",
                "the server that is started has another (leave it out)",
            );
        }
        if args.tls.tls {
            return other(
                "--tls without TARGET",
                "load agents can't know the certificate of the started server (start an \
                 echo-server, and give TARGET and --insecure)",
            );
        }
        if args.transport == Some(Transport::Unix) {
            return other("--transport unix", "agents are on other machines (leave it out)");
        }
        Ok(())
    }
}

impl RunArgs {
    /// How the run is to be carried out on agents, if it is.
    pub fn on_agents(&self) -> Option<OnAgents> {
        let OnAgentsArgs { nats, min_agents, on_loss, server_agent, access } = &self.on_agents;
        let (url, agents) = nats.as_ref().zip(self.fleet.agents)?;
        Some(OnAgents {
            access: access.access(url),
            agents,
            at_least: min_agents.unwrap_or(agents),
            on_loss: *on_loss,
            server_agent: server_agent.clone(),
        })
    }
}

/// An agent, as typed.
#[derive(Debug, Args)]
pub struct AgentArgs {
    /// Address of the NATS server.
    #[arg(
        long,
        value_name = "URL",
        help = "The NATS server, with JetStream, like nats://HOST:4222 or tls://HOST. A password in \
                it can be seen by other users of this machine: better use --nats-creds or \
                --nats-token-file"
    )]
    pub nats: String,
    /// Name of this agent [default: that of the host]
    #[arg(long, value_name = "NAME")]
    pub name: Option<AgentName>,
    /// Put load on addresses of this network only, like 203.0.113.0/24 (repeatable) [default:
    /// loopback, private and link-local networks]
    #[arg(long, value_name = "CIDR")]
    pub allow: Vec<Cidr>,
    /// Address at which a server that this agent starts is reached by the others, one of this
    /// machine that --allow permits [default: the one from which it reaches the NATS server]
    #[arg(long, value_name = "IP")]
    pub advertise: Option<IpAddr>,
    /// The way in
    #[command(flatten)]
    pub access: NatsArgs,
}

/// A run to collect, as typed.
#[derive(Debug, Args)]
pub struct CollectArgs {
    /// The name of the run, as `run --nats` has printed it
    #[arg(value_name = "RUN")]
    pub run: RunId,
    /// The NATS server. A password in its URL can be seen by other users of this machine: better use
    /// --nats-creds or --nats-token-file
    #[arg(long, value_name = "URL")]
    pub nats: String,
    /// Merge the parts that are there, and mark the report: it says which are missing
    #[arg(long)]
    pub allow_missing: bool,
    /// Write the merged report to FILE, whose ending chooses the format: .json, .html, .csv,
    /// .md or .txt (-: stdout)
    #[arg(short, long, value_name = "FILE", default_value = "-")]
    pub output: PathBuf,
    /// Format of the output [default: by the ending of -o, else json]
    #[arg(long, value_parser = choice::<RunFormat>())]
    pub format: Option<RunFormat>,
    /// The way in
    #[command(flatten)]
    pub access: NatsArgs,
}
