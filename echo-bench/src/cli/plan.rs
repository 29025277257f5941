//! What was typed, as a [`Plan`]: [`RunArgs::plan`].

use std::time::Duration;

use echo_client::Endpoint;
use echo_client::credentials::Credentials;
use echo_net::Nanos;
use echo_net::clock::nanos;
use echo_net::settings::{Rate, TimeSpan};
use echo_proto::{HttpHost, ProtocolKind, Service};

use super::{Inputs, RunArgs, RunArgsError, server_flags};
use echo_bench_engine::plan::{
    IdleStrategy, Pinning, Plan, ProtocolPlan, SQPOLL, ServerFlag, Settings, StopRule, Target,
    Until, WorkloadPlan,
};

impl RunArgs {
    /// What was typed, as a plan. Reads nothing: see [`Inputs`].
    ///
    /// # Errors
    /// What is wrong, by flag.
    pub fn plan(&self, inputs: &Inputs) -> Result<Plan, RunArgsError> {
        let load = &self.load;
        self.check_part()?;
        let connections =
            u32::try_from(load.conns.0).map_err(|_| RunArgsError::Connections(load.conns.0))?;
        let service = self.service()?;
        self.check_chat(service)?;
        let forwards = self.link.plan().is_some();
        // Those of both sides: the forwarder has one of its own where three are left for all.
        let cores = inputs.cores - usize::from(forwards && inputs.cores > 2);
        let threads = self.threads(service, connections, cores);
        let messages = self.messages(service, inputs)?;
        let target = self.resolve_target(service, threads, cores, messages.largest())?;
        let secure = self.tls.tls || self.endpoint().is_some_and(Endpoint::is_secure);
        let timeout_ns = nanos(load.timeout.0);
        let pin = load.pin.resolve(threads, &target, forwards, inputs)?;
        let plan = Plan::new(Settings {
            transport: self.transport.unwrap_or_default(),
            connections,
            part: self.fleet.part,
            threads,
            load: self.load(inputs)?,
            think: load.think,
            stop: match load.requests {
                Some(requests) => StopRule::Requests { requests: requests.0 },
                None => StopRule::Duration { duration_ns: window(load.duration) },
            },
            until: self.until()?,
            warmup_ns: nanos(load.warmup.0),
            timeout_ns,
            drain_ns: load.drain.map_or(timeout_ns, |drain| nanos(drain.0)),
            interval_ns: nanos(self.interval.0),
            workload: self.workload(service, secure, &inputs.credentials)?,
            connect_rate_per_s: load.connect_rate.map(Rate::per_second),
            messages,
            verify: self.messages.verify,
            split_writes: self.messages.split_writes,
            link: self.link.plan(),
            socket: self.sockets.plan(target.transport().or(self.transport))?,
            tls: self.tls.plan(&target, secure)?,
            // A thread that spins would keep the forwarder from its work.
            idle: {
                let cores = inputs.cores.saturating_sub(forwards.into());
                resolve_idle(load.idle, &target, threads, cores, &pin)
            },
            engine: load.engine,
            stamps: load.stamps,
            pin,
            seed: load.seed.unwrap_or(inputs.seed),
            target,
        })?;
        self.check_staged(&plan.load)?;
        if let Target::Embedded { server } = &plan.target {
            server_flags::check(server, plan.transport).map_err(RunArgsError::Server)?;
        }
        Ok(plan)
    }

    /// Refuses flags that mean nothing with this service.
    fn check_chat(&self, service: Service) -> Result<(), RunArgsError> {
        if !service.is_chat() {
            let deaf = self.messages.chat_deaf > 0;
            return if deaf { Err(RunArgsError::DeafWithoutChat) } else { Ok(()) };
        }
        let typed = [
            ("--pipeline", self.load.pipeline.is_some()),
            ("--threads", self.load.threads.is_some()),
        ];
        match typed.iter().find(|(_, typed)| *typed) {
            Some((flag, _)) => Err(RunArgsError::NotInChat(flag)),
            None => Ok(()),
        }
    }

    /// The precision at which the run ends, if there is a look before its end.
    fn until(&self) -> Result<Option<Until>, RunArgsError> {
        let (window, interval) = (window(self.load.duration), nanos(self.interval.0));
        match self.load.until {
            Some(until) if window < interval.saturating_mul(2) => {
                Err(RunArgsError::NoLook(until))
            }
            until => Ok(until),
        }
    }

    fn threads(&self, service: Service, connections: u32, cores: usize) -> u32 {
        // All members of a chat room are driven by one thread. With several, each would have
        // its own part of a pool, so that is for the user to ask for.
        if service.is_chat() || (self.load.threads.is_none() && self.load.pool.is_some()) {
            return 1;
        }
        let threads = self.load.threads.unwrap_or((cores / 2).max(1) as u32);
        threads.min(connections.max(1))
    }

    fn workload(
        &self,
        service: Service,
        secure: bool,
        credentials: &Credentials,
    ) -> Result<WorkloadPlan, RunArgsError> {
        let framing = service.framing();
        let host = self.http_host(framing, secure)?;
        let protocol = ProtocolPlan::new(framing, self.messages.streams, host)?;
        let protocol = self.logged_in(protocol, credentials)?;
        let deaf = service.is_chat().then_some(self.messages.chat_deaf);
        let (pool, reconnect_after) = (self.load.pool, self.load.reconnect_after);
        Ok(WorkloadPlan::new(protocol, deaf, pool, reconnect_after)?)
    }

    /// The server, if one was typed.
    pub(super) fn endpoint(&self) -> Option<&Endpoint> {
        self.address.as_ref().or(self.target.as_ref())
    }

    pub(super) fn service(&self) -> Result<Service, RunArgsError> {
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
            (Some(typed), _) => Ok(Some(typed)),
            _ if protocol != ProtocolKind::Http => Ok(None),
            (None, None) => Ok(Some(HttpHost::default())),
            (None, Some(endpoint)) => {
                let address = endpoint.address.clone().as_target();
                Ok(Some(HttpHost::of(address.host(), address.http_port(secure), secure)?))
            }
        }
    }

    fn resolve_target(
        &self,
        service: Service,
        threads: u32,
        cores: usize,
        largest_message: usize,
    ) -> Result<Target, RunArgsError> {
        let flags = &self.server.flags;
        if let Some(command) = self.exec.plan() {
            let fits = flags.is_empty().then_some(Target::Command(command));
            return fits.ok_or(RunArgsError::ExecAndServerFlags);
        }
        match self.endpoint() {
            Some(_) if !flags.is_empty() => Err(RunArgsError::ServerFlags),
            Some(endpoint) => Ok(Target::Address {
                address: endpoint.address.clone().as_target().to_string(),
                server_pid: self.server_pid,
            }),
            None => {
                let model = self.server.model.unwrap_or_default();
                // A kernel thread takes a core, too.
                let others = threads as usize + usize::from(flags.has(SQPOLL));
                let workers = cores.saturating_sub(others).max(1);
                let mut server = flags.server(model, service, workers as u32);
                // A certificate of clients is part of TLS, but no reason to speak it.
                if !self.tls.tls && server.has("client-ca") {
                    return Err(RunArgsError::ServerTls);
                }
                match (self.tls.tls, server.speaks_tls()) {
                    (true, false) => server.add(ServerFlag::switch("tls-self-signed")),
                    (false, true) => return Err(RunArgsError::ServerTls),
                    _ => {}
                }
                // Both sides are ours, so what we mean to send is what the server accepts.
                if largest_message > service.framing().default_max_message()
                    && !server.has("max-message")
                {
                    server.add(ServerFlag::new("max-message", largest_message.to_string()));
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
    pin: &Pinning,
) -> IdleStrategy {
    let (workers, cpus) = match target {
        Target::Embedded { server } if pin.server.is_empty() => {
            (server.busy_threads(), server.pinned_to())
        }
        Target::Embedded { server } => (server.busy_threads(), pin.server.clone()),
        // Pinned, it has CPUs of its own; else nobody knows how many threads it has.
        Target::Command(_) => {
            let cpus = pin.server.clone();
            ((!cpus.is_empty()).then_some(cpus.len() as u32), cpus)
        }
        Target::Address { .. } => (None, Vec::new()),
    };
    let has_room = |workers| (threads + workers) as usize <= cores;
    match (typed, workers) {
        (IdleStrategy::Auto, Some(workers))
            if has_room(workers) && !pin.is_crowded(threads, &cpus) =>
        {
            IdleStrategy::Hybrid
        }
        (IdleStrategy::Auto, _) => IdleStrategy::Sleep,
        (typed, _) => typed,
    }
}
