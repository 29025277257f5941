//! What was typed, as a [`Plan`]: [`RunArgs::plan`].

use std::path::PathBuf;
use std::time::Duration;

use echo_net::Nanos;
use echo_net::clock::nanos;
use echo_net::settings::{Rate, TimeSpan};

use super::RunArgs;
use super::groups::{MessageArgs, SizeRange};
use crate::plan::{
    ChatPlan, IdleStrategy, Load, MessagePlan, Plan, PlanError, PoolPlan, SocketPlan, StopRule,
    Target,
};

/// What was typed is no plan.
#[derive(Debug, thiserror::Error)]
pub enum RunArgsError {
    /// A combination that can't be carried out.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A file of messages that can't be read.
    #[error("reading --message-file {path}: {source}")]
    MessageFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// More connections than can be numbered.
    #[error("--conns {0} is too many")]
    Connections(u64),
    /// Members of a chat neither wait for replies nor share the work.
    #[error(
        "{0} means nothing with --protocol chat: members do not wait for replies, and one thread \
         drives all of them"
    )]
    NotInChat(&'static str),
    /// Flags of the embedded server with a target that is none.
    #[error("--server-... flags are for the embedded server; leave the target out to start it")]
    ServerFlags,
    /// A server that would not start.
    #[error("{0}")]
    Server(String),
    /// Only the server would speak TLS.
    #[error("--server-tls-... makes the embedded server speak TLS: give --tls too")]
    ServerTls,
}

impl RunArgs {
    /// What was typed, as a plan.
    ///
    /// # Errors
    /// What is wrong, by flag.
    pub fn plan(&self) -> Result<Plan, RunArgsError> {
        let (load, messages) = (&self.load, &self.messages);
        let connections =
            u32::try_from(load.conns.0).map_err(|_| RunArgsError::Connections(load.conns.0))?;
        let cores = std::thread::available_parallelism().map_or(1, Into::into);
        let threads = load.threads.unwrap_or((cores / 2).max(1) as u32);
        // All members of a chat room are driven by one thread. With several, each would have
        // its own part of a pool, so that is for the user to ask for.
        let most = if self.messages.protocol.is_chat() { 1 } else { connections.max(1) };
        let pooled = load.pool.is_some();
        let threads = match load.threads {
            None if pooled => 1,
            _ => threads.min(most),
        };
        let target = self.resolve_target(threads, cores)?;
        let timeout_ns = nanos(load.timeout.0);
        if messages.chat_deaf > 0 && !messages.protocol.is_chat() {
            return Err(PlanError::DeafWithoutChat.into());
        }
        for (flag, typed) in
            [("--pipeline", load.pipeline.is_some()), ("--threads", load.threads.is_some())]
        {
            if typed && messages.protocol.is_chat() {
                return Err(RunArgsError::NotInChat(flag));
            }
        }
        let plan = Plan {
            connections,
            threads,
            load: match load.rate {
                None => Load::Closed { pipeline: load.pipeline.unwrap_or(1) },
                Some(rate) => Load::Open {
                    rate_per_s: rate.per_second(),
                    arrival: load.arrival,
                    pipeline: load.pipeline.unwrap_or(if pooled { 1 } else { 64 }),
                },
            },
            stop: match load.requests {
                Some(requests) => StopRule::Requests { requests: requests.0 },
                None => StopRule::Duration { duration_ns: window(load.duration) },
            },
            warmup_ns: nanos(load.warmup.0),
            timeout_ns,
            drain_ns: load.drain.map_or(timeout_ns, |drain| nanos(drain.0)),
            interval_ns: nanos(self.results.interval.0),
            protocol: messages.protocol.framing(),
            chat: messages.protocol.is_chat().then_some(ChatPlan { deaf: messages.chat_deaf }),
            pool: load.pool.map(|size| PoolPlan { size }),
            connect_rate_per_s: load.connect_rate.map(Rate::per_second),
            reconnect_after: load.reconnect_after,
            streams: messages.streams,
            messages: messages.resolve()?,
            verify: messages.verify,
            split_writes: messages.split_writes,
            socket: SocketPlan {
                nodelay: self.sockets.nodelay.is_on(),
                send_buffer: self.sockets.send_buffer.map(|size| size.0),
                recv_buffer: self.sockets.recv_buffer.map(|size| size.0),
                sources: self.sockets.source_ip.clone(),
            },
            tls: self.tls.plan(&target),
            idle: resolve_idle(load.idle, &target, threads, cores),
            engine: load.engine,
            seed: load.seed.unwrap_or_else(random_seed),
            schedule_digest: None,
            target,
        };
        let mut plan = plan.validated()?;
        // Both sides are ours, so what we mean to send is what the server accepts.
        let (largest, protocol) = (plan.largest_message(), plan.protocol);
        if let Target::Embedded { server } = &mut plan.target
            && largest > protocol.default_max_message()
            && !server.iter().any(|flag| flag == "--max-message")
        {
            server.extend(["--max-message".to_owned(), largest.to_string()]);
        }
        if let Target::Embedded { server } = &plan.target {
            crate::embedded::check(server).map_err(RunArgsError::Server)?;
        }
        Ok(plan)
    }

    fn resolve_target(&self, threads: u32, cores: usize) -> Result<Target, RunArgsError> {
        let flags = &self.server.flags;
        match self.address.as_ref().or(self.target.as_ref()) {
            Some(_) if !flags.is_empty() => Err(RunArgsError::ServerFlags),
            Some(address) => Ok(Target::Address {
                address: address.clone().as_target().to_string(),
                server_pid: self.server_pid,
            }),
            None => {
                let model = self.server.model.unwrap_or_default();
                let workers = cores.saturating_sub(threads as usize).max(1);
                let mut server = flags.command_line(model, &self.messages.protocol, workers);
                let speaks_tls = server.iter().any(|flag| flag.starts_with("--tls-"));
                match (self.tls.tls, speaks_tls) {
                    (true, false) => server.push("--tls-self-signed".to_owned()),
                    (false, true) => return Err(RunArgsError::ServerTls),
                    _ => {}
                }
                Ok(Target::Embedded { server })
            }
        }
    }
}

fn window(typed: Option<TimeSpan>) -> Nanos {
    nanos(typed.map_or(Duration::from_secs(10), |duration| duration.0))
}

/// `auto` is resolved, so that the report says what was done.
fn resolve_idle(
    typed: IdleStrategy,
    target: &Target,
    threads: u32,
    cores: usize,
) -> IdleStrategy {
    let workers = match target {
        Target::Embedded { server } => crate::embedded::workers_of(server),
        Target::Address { .. } => None,
    };
    match (typed, workers) {
        (IdleStrategy::Auto, Some(workers)) if threads as usize + workers <= cores => {
            IdleStrategy::Hybrid
        }
        (IdleStrategy::Auto, _) => IdleStrategy::Sleep,
        (typed, _) => typed,
    }
}

impl MessageArgs {
    fn resolve(&self) -> Result<MessagePlan, RunArgsError> {
        if let Some(text) = &self.message {
            return Ok(MessagePlan::Given { texts: vec![text.clone()] });
        }
        let Some(path) = &self.message_file else {
            let SizeRange { min, max } = self.size;
            return Ok(MessagePlan::Generated { min_bytes: min, max_bytes: max });
        };
        let text = if path.as_os_str() == "-" {
            std::io::read_to_string(std::io::stdin())
        } else {
            std::fs::read_to_string(path)
        };
        let failed = |source| RunArgsError::MessageFile { path: path.clone(), source };
        let texts = text.map_err(failed)?.lines().map(str::to_owned).collect();
        Ok(MessagePlan::Given { texts })
    }
}

fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // The standard library seeds this from the system's randomness. Below 2^53, so that
    // every JSON reader gets it back exactly.
    std::collections::hash_map::RandomState::new().build_hasher().finish() >> 11
}
