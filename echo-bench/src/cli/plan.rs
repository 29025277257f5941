//! What was typed, as a [`Plan`]: [`RunArgs::plan`].

use std::path::PathBuf;
use std::time::Duration;

use echo_client::{Endpoint, EndpointError};
use echo_net::Nanos;
use echo_net::clock::nanos;
use echo_net::settings::{Rate, TimeSpan};
use echo_proto::{HttpHost, InvalidHttpHost, ProtocolKind, Service};

use super::RunArgs;
use super::groups::{MessageArgs, SizeRange};
use echo_bench_engine::plan::{
    ChatPlan, IdleStrategy, Load, MessagePlan, Plan, PlanError, PoolPlan, SocketPlan, StopRule,
    Target,
};
use echo_bench_report::bounded;

/// Most messages of a file; all of them stand in the report.
const MOST_MESSAGES: usize = 1_000_000;

/// What was typed is no plan.
#[derive(Debug, thiserror::Error)]
pub enum RunArgsError {
    /// A combination that can't be carried out.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A file of messages that can't be read.
    #[error("reading --message-file {path}: {reason}")]
    MessageFile {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: std::io::Error,
    },
    /// A URL that says something else than the flags.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// A URL whose path would be the message, beside another message.
    #[error(
        "the URL's path `{0}` is the message: leave out --size, --message and --message-file"
    )]
    PathAndMessage(String),
    /// A target whose name can't stand in a `Host` header.
    #[error("{0} (name it with --http-host)")]
    Host(#[from] InvalidHttpHost),
    /// A flag of HTTP without HTTP.
    #[error("--http-host needs --protocol http")]
    HostWithoutHttp,
    /// More messages than a report has room for.
    #[error("--message-file holds {0} messages (at most {MOST_MESSAGES})")]
    Messages(usize),
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
    /// A flag of TLS without TLS.
    #[error("{0} needs --tls, or a URL of https or rediss")]
    NeedsTls(&'static str),
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
        let service = self.service()?;
        let most = if service.is_chat() { 1 } else { connections.max(1) };
        let pooled = load.pool.is_some();
        let threads = match load.threads {
            None if pooled => 1,
            _ => threads.min(most),
        };
        let target = self.resolve_target(service, threads, cores)?;
        let secure = self.tls.tls || self.endpoint().is_some_and(Endpoint::is_secure);
        let timeout_ns = nanos(load.timeout.0);
        if messages.chat_deaf > 0 && !service.is_chat() {
            return Err(PlanError::DeafWithoutChat.into());
        }
        for (flag, typed) in
            [("--pipeline", load.pipeline.is_some()), ("--threads", load.threads.is_some())]
        {
            if typed && service.is_chat() {
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
            protocol: service.framing(),
            http_host: self.http_host(service.framing(), secure)?,
            chat: service.is_chat().then_some(ChatPlan { deaf: messages.chat_deaf }),
            pool: load.pool.map(|size| PoolPlan { size }),
            connect_rate_per_s: load.connect_rate.map(Rate::per_second),
            reconnect_after: load.reconnect_after,
            streams: messages.streams,
            messages: messages.resolve(self.endpoint())?,
            verify: messages.verify,
            split_writes: messages.split_writes,
            socket: SocketPlan {
                nodelay: self.sockets.nodelay.is_on(),
                send_buffer: self.sockets.send_buffer.map(|size| size.0),
                recv_buffer: self.sockets.recv_buffer.map(|size| size.0),
                sources: self.sockets.source_ip.clone(),
            },
            tls: self.tls.plan(&target, secure)?,
            idle: resolve_idle(load.idle, &target, threads, cores),
            engine: load.engine,
            stamps: load.stamps,
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

    /// The server, if one was typed.
    fn endpoint(&self) -> Option<&Endpoint> {
        self.address.as_ref().or(self.target.as_ref())
    }

    fn service(&self) -> Result<Service, RunArgsError> {
        let typed = self.messages.protocol;
        Ok(self.endpoint().map_or(Ok(typed.unwrap_or_default()), |to| to.service(typed))?)
    }

    /// The site that requests are for; none where the protocol knows no sites.
    fn http_host(
        &self,
        protocol: ProtocolKind,
        secure: bool,
    ) -> Result<Option<HttpHost>, RunArgsError> {
        let typed = self.messages.http_host.clone();
        match (typed, self.endpoint()) {
            (Some(_), _) if protocol != ProtocolKind::Http => {
                Err(RunArgsError::HostWithoutHttp)
            }
            (Some(typed), _) => Ok(Some(typed)),
            _ if protocol != ProtocolKind::Http => Ok(None),
            (None, None) => Ok(Some(HttpHost::default())),
            (None, Some(endpoint)) => {
                let address = endpoint.address.clone().as_target();
                Ok(Some(HttpHost::of(address.host(), address.port(), secure)?))
            }
        }
    }

    fn resolve_target(
        &self,
        service: Service,
        threads: u32,
        cores: usize,
    ) -> Result<Target, RunArgsError> {
        let flags = &self.server.flags;
        match self.endpoint() {
            Some(_) if !flags.is_empty() => Err(RunArgsError::ServerFlags),
            Some(endpoint) => Ok(Target::Address {
                address: endpoint.address.clone().as_target().to_string(),
                server_pid: self.server_pid,
            }),
            None => {
                let model = self.server.model.unwrap_or_default();
                let workers = cores.saturating_sub(threads as usize).max(1);
                let mut server = flags.command_line(model, &service, workers);
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
    /// What requests say; a URL names a path.
    fn resolve(&self, endpoint: Option<&Endpoint>) -> Result<MessagePlan, RunArgsError> {
        let path = endpoint.and_then(|endpoint| endpoint.path.as_ref());
        let typed =
            self.size.is_some() || self.message.is_some() || self.message_file.is_some();
        match path {
            Some(path) if !typed => {
                return Ok(MessagePlan::Given { texts: vec![path.clone()], crlf: false });
            }
            Some(path) if path != "/" => {
                return Err(RunArgsError::PathAndMessage(path.clone()));
            }
            _ => {}
        }
        if let Some(text) = &self.message {
            return Ok(MessagePlan::Given { texts: vec![text.clone()], crlf: false });
        }
        let Some(path) = &self.message_file else {
            let SizeRange { min, max } = self.size.unwrap_or(SizeRange { min: 64, max: 64 });
            return Ok(MessagePlan::Generated { min_bytes: min, max_bytes: max });
        };
        let text = if path.as_os_str() == "-" {
            bounded::read_from(std::io::stdin(), bounded::MESSAGES)
        } else {
            bounded::read(path, bounded::MESSAGES)
        };
        let failed = |reason| RunArgsError::MessageFile { path: path.clone(), reason };
        let text = text.map_err(failed)?;
        let count = text.lines().count();
        if count > MOST_MESSAGES {
            return Err(RunArgsError::Messages(count));
        }
        let texts = text.lines().map(str::to_owned).collect();
        Ok(MessagePlan::Given { texts, crlf: text.contains("\r\n") })
    }
}

fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // The standard library seeds this from the system's randomness. Below 2^53, so that
    // every JSON reader gets it back exactly.
    std::collections::hash_map::RandomState::new().build_hasher().finish() >> 11
}
