//! Runs a server until it is stopped: [`Server`], or [`run`] in one call; the result is a
//! [`ServerSummary`]. Binds nothing and traps no signal: listeners and the stop signal are
//! passed in.

use std::fmt;
use std::io;
use std::os::fd::AsFd as _;
use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};

use echo_net::fd_limit;
use echo_net::listener::Listener;
use echo_net::settings::TimeSpan;
use echo_net::socket::fastopen;
use echo_net::stop::{Stage, Stop};
use echo_net::tls::SelfSigned;
use tracing::{info, warn};

use crate::buffered;
use crate::capacity::Capacity;
use crate::config::Config;
use crate::context::Context;
use crate::counted::counted;
use crate::model::{self, Model, Supervisor};
use crate::occupied::Sharing;
use crate::processes::{Assignment, Processes};
use crate::readiness::Readiness;
use crate::thread_budget::cannot_start;

mod sockets;
mod summary;
mod watch;

pub use sockets::SocketSummary;
pub use summary::{ServerSummary, WorkerSummary};
pub use watch::ServerWatch;

/// A server before it runs.
pub struct Server {
    model: Box<dyn Model>,
    context: Context,
    /// The limit of the machine.
    possible: Capacity,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("context", &self.context).finish_non_exhaustive()
    }
}

impl Server {
    /// A server that ends when `stop` is requested.
    /// It starts no processes: workers of [`ModelKind::Prefork`](crate::ModelKind::Prefork) are
    /// threads of this one.
    pub fn new(config: Config, stop: &Stop) -> Self {
        Self::sharing(config, stop, Sharing::default())
    }

    /// The same for one of several processes.
    pub(crate) fn sharing(config: Config, stop: &Stop, sharing: Sharing) -> Self {
        let model = model::build(config.model);
        let (limit, possible) = limit(&config, &*model);
        let context = Context::new(config, stop, limit, sharing);
        Self { model, context, possible }
    }

    /// A server that has these `processes` serve, each of which is one of its workers;
    /// `certificate` is what it has generated.
    pub(crate) fn of_processes(
        config: Config,
        stop: &Stop,
        processes: Processes,
        were_passed: bool,
        certificate: Option<SelfSigned>,
    ) -> Self {
        let (limit, possible) = limit(&config, &*model::build(config.model));
        let assignment = Assignment {
            workers: processes.count(),
            limit,
            max_buffered: config.max_buffered.unwrap_or_else(buffered::most_by_default),
            were_passed,
            certificate,
        };
        let sharing = Sharing { occupied: Arc::clone(processes.occupied()), processes: 1 };
        let processes = Arc::new(processes);
        let mut context = Context::new(config, stop, limit, sharing);
        context.processes = Some(Arc::clone(&processes));
        Self { model: Box::new(Supervisor { processes, assignment }), context, possible }
    }

    /// Calls `tell` once all workers serve, on one of their threads. It is not called if one of
    /// them can't be started; [`run`](Self::run) then returns why.
    #[must_use]
    pub fn when_ready(mut self, tell: impl FnOnce() + Send + 'static) -> Self {
        self.context.readiness = Arc::new(Readiness::new(Some(Box::new(tell))));
        self
    }

    /// Its statistics while it runs, from any thread.
    pub fn watch(&self) -> ServerWatch {
        ServerWatch::new(self.context.clone())
    }

    /// Serves on `listeners` until the stop is requested and all connections have ended or were
    /// aborted (at the drain deadline, or by a second request). The listeners are non-blocking
    /// and grouped: one group per accepting worker, with one listener per address; a single
    /// group for [models](crate::ModelKind) whose workers don't accept. They, and their
    /// connections, get the socket options of the configuration.
    ///
    /// # Errors
    /// When the model can't serve at all, for example because not all workers can be started;
    /// errors of a connection end only that connection.
    ///
    /// # Panics
    /// When a worker has panicked, with its payload and after all others have ended.
    pub fn run<L: Into<Listener>>(self, listeners: Vec<Vec<L>>) -> io::Result<ServerSummary> {
        let listeners: Vec<Vec<Listener>> = listeners
            .into_iter()
            .map(|group| group.into_iter().map(Into::into).collect())
            .collect();
        // What was bound elsewhere may not have them yet, nor what is in its queue.
        for listener in listeners.iter().flatten() {
            let options = &self.context.config.socket;
            options.apply_to_listener(listener.as_fd(), listener.transport())?;
        }
        self.context.admission.set_all_options();
        self.run_on_own(listeners)
    }

    /// The same for listeners that had the socket options before they listened.
    pub(crate) fn run_on_own(self, listeners: Vec<Vec<Listener>>) -> io::Result<ServerSummary> {
        let Self { model, context, possible } = self;
        if listeners.is_empty() || listeners.iter().any(Vec::is_empty) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no listener"));
        }
        tell_limit(context.config.max_conns, &possible);
        if context.config.socket.tcp.fastopen == Some(true) {
            let mut all = listeners.iter().flatten();
            let accepts =
                all.all(|listener| fastopen::is_accepting(listener.as_fd()).unwrap_or(false));
            // They are the same for the whole life of a server.
            let _ = context.admission.opens_fast.set(accepts);
        }
        let served =
            force_late(&context, || context.supervise(|| model.serve(listeners, &context)));
        context.admission.log().finish();
        if let Some(payload) = context.panic.take() {
            resume_unwind(payload);
        }
        served.map(|()| ServerSummary::of(&context))
    }
}

/// Runs a new server: [`Server::run`].
///
/// # Errors
/// Those of [`Server::run`].
///
/// # Panics
/// As [`Server::run`].
pub fn run<L: Into<Listener>>(
    listeners: Vec<Vec<L>>,
    config: Config,
    stop: &Stop,
) -> io::Result<ServerSummary> {
    Server::new(config, stop).run(listeners)
}

/// How many connections are admitted at a time, and how many the machine makes possible. Of several
/// processes that is what one of them can have, since one may get them all.
fn limit(config: &Config, model: &dyn Model) -> (u64, Capacity) {
    let possible = most_connections(config, model);
    (config.max_conns.unwrap_or(u64::MAX).min(possible.connections), possible)
}

/// The limit by descriptors or the model, whichever is lower.
fn most_connections(config: &Config, model: &dyn Model) -> Capacity {
    let by_descriptors = Capacity {
        connections: fd_limit::room_for_connections() / model.descriptors(config),
        bound_by: "the open files limit (ulimit -n)".to_owned(),
    };
    match model.capacity() {
        Some(by_model) if by_model.connections < by_descriptors.connections => by_model,
        _ => by_descriptors,
    }
}

/// Logs the connection limit, unless it is the requested one.
pub(crate) fn tell_limit(asked: Option<u64>, possible: &Capacity) {
    let (bound_by, most) = (&possible.bound_by, counted(possible.connections, "connection"));
    match asked {
        Some(asked) if asked <= possible.connections => {}
        Some(asked) => warn!(asked, "limited to {most} by {bound_by}"),
        None => info!("limited to {most} by {bound_by}"),
    }
}

/// Runs `serve`, and forces the stop when the drain timeout has passed.
fn force_late<T>(context: &Context, serve: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
    let (begin_draining, draining) = channel();
    let (end, ended) = channel::<()>();
    let timeout = context.config.drain_timeout;
    let stop = context.stop.clone();
    let begin_draining = Mutex::new(Some(begin_draining));
    context.stop.on_advance(move |_| {
        // Dropping it starts the timeout.
        drop(begin_draining.lock().unwrap_or_else(PoisonError::into_inner).take());
    });
    std::thread::scope(|scope| {
        let timer = std::thread::Builder::new().name("drain-timer".into());
        let timer = timer.spawn_scoped(scope, move || {
            let _: Result<(), _> = draining.recv();
            if ended.recv_timeout(timeout) == Err(RecvTimeoutError::Timeout) {
                warn!(
                    "drain timeout of {} reached, aborting the remaining connections",
                    TimeSpan(timeout)
                );
                stop.advance(Stage::Forced);
            }
        });
        let result = timer
            .map_err(|error| cannot_start("the thread of the drain timeout", &error))
            .and_then(|_| serve());
        drop(end);
        // A model that failed was not asked to stop; there is nothing to wait for.
        context.stop.advance(Stage::Draining);
        result
    })
}
