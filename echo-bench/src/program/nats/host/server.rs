//! The server that an agent has ready for a run: [`ServerKeeper`]. It is kept on a thread of its
//! own, with which one that was started would end: the plan's echo-server, or a process that was
//! there. Starts no command and opens no file.

use std::net::IpAddr;
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime};

use anyhow::{Context, bail};

use crate::console::tell;
use crate::program::run_server::RunServer;
use echo_bench_engine::plan::{Plan, StopRule, Target};
use echo_bench_engine::server_process::{self, ServerProcess};
use echo_bench_engine::{Peer, ServerLog};
use echo_bench_fleet::Nanos;
use echo_bench_fleet::message::{Serving, Watch};
use echo_bench_fleet::nats::FromPart;
use echo_bench_report::report::document::Stored as _;
use echo_bench_report::report::{Environment, ServerSeen, store};
use echo_net::address::SocketAddress;
use echo_net::clock;
use echo_net::stop::Stop;

/// Beyond the load and its drain: connecting late, and stopping.
const MARGIN: Duration = Duration::from_secs(5);

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct ServerKeeper(Mutex<Option<Kept>>);

/// A server that is ready, or on its way.
#[derive(Debug)]
struct Kept {
    /// Ends what is being done for it.
    stop: Stop,
    /// Who keeps it lets it go once this is gone.
    orders: Sender<(Watch, FromPart)>,
}

/// A server to be looked at.
struct Found {
    server: RunServer,
    pid: u32,
}

impl ServerKeeper {
    /// Starts the embedded server of a plan at a free port of this address.
    pub(super) fn start(
        &self,
        plan: Plan,
        ip: IpAddr,
    ) -> anyhow::Result<(Serving, Option<Nanos>)> {
        self.keep(plan, move |plan, stop| {
            let server = RunServer::start(plan, ip, stop)
                .with_context(|| format!("starting an echo-server at {ip}"))?;
            let peer = server.peer(plan, stop)?;
            let address = peer.addresses.first().and_then(SocketAddress::as_tcp);
            let pid = peer.pid.context("the server has no process")?;
            Ok((Found { server, pid }, Serving { address }))
        })
    }

    /// Finds the server at the address of a plan.
    pub(super) fn find(&self, plan: Plan) -> anyhow::Result<(Serving, Option<Nanos>)> {
        self.keep(plan, |plan, _| {
            let pid = found(plan)?;
            Ok((Found { server: RunServer::Address, pid }, Serving { address: None }))
        })
    }

    fn keep(
        &self,
        plan: Plan,
        getting: impl FnOnce(&Plan, &Stop) -> anyhow::Result<(Found, Serving)> + Send + 'static,
    ) -> anyhow::Result<(Serving, Option<Nanos>)> {
        let length_ns = length(&plan);
        let (stop, (orders, ordered)) = (Stop::new(), mpsc::channel());
        let (ready, got) = mpsc::channel();
        // One of a run that was given up is let go.
        *self.lock() = Some(Kept { stop: stop.clone(), orders });
        let keeping = thread::Builder::new().name("server".into());
        let keeping = keeping.spawn(move || match getting(&plan, &stop) {
            Err(error) => drop(ready.send(Err(error))),
            Ok((found, serving)) => {
                let is_wanted = ready.send(Ok(serving)).is_ok();
                let order = ordered.recv().ok().filter(|_| is_wanted);
                found.until_let_go(&plan, order, &stop);
            }
        });
        keeping.context("starting the thread of the server")?;
        let serving = got.recv().context("the thread of the server has ended")??;
        Ok((serving, length_ns))
    }

    /// Has the server looked at that is ready; what ends that.
    pub(super) fn watch(&self, watch: Watch, said: FromPart) -> Option<Stop> {
        let Kept { stop, orders } = self.lock().take()?;
        orders.send((watch, said)).ok().map(|()| stop)
    }

    /// Lets the server go that is ready, or on its way.
    pub(super) fn abandon(&self) {
        if let Some(kept) = self.lock().take() {
            kept.stop.ask();
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Found {
    /// Looks at it if that was ordered, until `stop` is asked for, and stops it.
    fn until_let_go(self, plan: &Plan, order: Option<(Watch, FromPart)>, stop: &Stop) {
        let Self { server, pid } = self;
        let Some((watch, said)) = order else {
            server.stop(stop).tell();
            tell("the server is stopped: its run was given up");
            return;
        };
        let (process, environment) = (ServerProcess::of(pid), Environment::read(false));
        let begin = on_own_clock(watch.at_ns).saturating_add(plan.warmup_ns);
        let log = ServerLog::record(pid, begin, plan.interval_ns, stop);
        let ending = server.stop(stop);
        ending.tell();
        let seen = ServerSeen {
            schema: ServerSeen::SCHEMA.into(),
            target: plan.target.clone(),
            process,
            environment,
            log,
            side: ending.side,
            killed: ending.killed,
        };
        said.ended(Ok(store::to_json(&seen).into_bytes()));
    }
}

/// The process that serves the target of a plan on this machine.
fn found(plan: &Plan) -> anyhow::Result<u32> {
    let Target::Address { address, server_pid } = &plan.target else {
        bail!("the plan names no server")
    };
    // It refuses a process that is not there.
    let peer = Peer::find(plan)?;
    if let Some(pid) = server_pid {
        return Ok(*pid);
    }
    server_process::served_by(&peer.addresses).with_context(|| {
        format!(
            "no single server that listens at {address} can be seen here (is this agent on the \
             server's machine, in its network namespace, and of its user or root? else name the \
             process with --server-pid)"
        )
    })
}

/// How long a server is needed from the beginning of its load on, if the load has a length.
fn length(plan: &Plan) -> Option<Nanos> {
    let StopRule::Duration { duration_ns } = plan.stop else { return None };
    let parts = [plan.warmup_ns, duration_ns, plan.timeout_ns, plan.drain_ns];
    Some(parts.into_iter().fold(clock::nanos(MARGIN), Nanos::saturating_add))
}

/// A time of day on the clock of this process.
fn on_own_clock(wall_ns: u64) -> Nanos {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now_ns = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
    let now = clock::now();
    match wall_ns.checked_sub(now_ns) {
        Some(ahead) => now.saturating_add(ahead),
        None => now.saturating_sub(now_ns - wall_ns),
    }
}
