//! Runs a server until it is stopped: [`Server`], or [`run`] in one call; the result is a
//! [`ServerSummary`]. Binds nothing and traps no signal: listeners and the stop signal are
//! passed in.

use std::fmt;
use std::io;
use std::net::TcpListener;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};

use echo_net::fd_limit;
use echo_net::settings::TimeSpan;
use echo_net::stop::{Stage, Stop};
use tracing::{info, warn};

use crate::admission::Admission;
use crate::capacity::Capacity;
use crate::chat::Hub;
use crate::config::Config;
use crate::context::Context;
use crate::counted::counted;
use crate::counters::{ChatServed, Counters, Served, TlsServed};
use crate::model::{self, Model};

/// Statistics of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct ServerSummary {
    /// Connections admitted.
    pub connections: u64,
    /// Connections refused.
    pub refused: u64,
    /// Connections aborted with replies pending, because the stop was forced.
    pub cut: u64,
    /// Messages and bytes.
    #[serde(flatten)]
    pub served: Served,
    /// TLS statistics, with TLS.
    pub tls: Option<TlsServed>,
    /// Chat statistics, with the chat protocol.
    pub chat: Option<ChatServed>,
}

impl fmt::Display for ServerSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, refused, cut, served, tls, chat } = self;
        let Served { messages, bytes_in, bytes_out, errors } = served;
        write!(
            f,
            "{}, {refused} refused, {}, {} in, {} out, {}, {cut} aborted",
            counted(*connections, "connection"),
            counted(*messages, "message"),
            counted(*bytes_in, "byte"),
            counted(*bytes_out, "byte"),
            counted(*errors, "error"),
        )?;
        if let Some(tls) = tls {
            let TlsServed { handshakes, resumed, plaintext, timeout, failed, truncated } = tls;
            let handshakes = counted(*handshakes, "handshake");
            write!(
                f,
                "; TLS: {handshakes} ({resumed} resumed), {plaintext} plaintext, \
                 {timeout} timed out, {failed} failed, {truncated} truncated"
            )?;
        }
        if let Some(ChatServed { lines, overflown }) = chat {
            let (lines, members) = (counted(*lines, "line"), counted(*overflown, "member"));
            write!(f, "; chat: {lines}, {members} disconnected for not reading")?;
        }
        Ok(())
    }
}

impl ServerSummary {
    fn of(context: &Context) -> Self {
        let Context { config, admission, counters, .. } = context;
        Self {
            connections: admission.accepted(),
            refused: admission.refused(),
            cut: admission.cut(),
            served: counters.total(),
            tls: config.tls.as_ref().map(|_| counters.tls().read()),
            chat: config.protocol.is_chat().then(|| counters.chat().read()),
        }
    }
}

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
    pub fn new(config: Config, stop: &Stop) -> Self {
        let model = model::build(config.model);
        let possible = most_connections(&config, &*model);
        let limit = config.max_conns.unwrap_or(u64::MAX).min(possible.connections);
        let config = Arc::new(config);
        let admission = Arc::new(Admission::new(Arc::clone(&config), stop.clone(), limit));
        let counters = Arc::new(Counters::new(config.workers));
        let context = Context {
            hub: Hub::new(config.chat_queue, Arc::clone(counters.chat())),
            counters,
            admission,
            config,
            stop: stop.clone(),
        };
        Self { model, context, possible }
    }

    /// A function that returns the open connections and the statistics so far, from any thread.
    pub fn watch(&self) -> impl Fn() -> (u64, ServerSummary) + Send + 'static {
        let context = self.context.clone();
        move || (context.admission.active(), ServerSummary::of(&context))
    }

    /// Serves on `listeners` until the stop is requested and all connections have ended or were
    /// aborted (at the drain deadline, or by a second request). The listeners are non-blocking
    /// and grouped: one group per accepting worker, with one listener per address; a single
    /// group for [models](crate::ModelKind) whose workers don't accept.
    ///
    /// # Errors
    /// When the model can't serve at all; errors of a connection end only that connection.
    pub fn run(self, listeners: Vec<Vec<TcpListener>>) -> io::Result<ServerSummary> {
        let Self { model, context, possible } = self;
        if listeners.is_empty() || listeners.iter().any(Vec::is_empty) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "no listener"));
        }
        tell_limit(context.config.max_conns, &possible);
        force_late(&context, || model.serve(listeners, &context))?;
        Ok(ServerSummary::of(&context))
    }
}

/// Runs a new server: [`Server::run`].
///
/// # Errors
/// Those of [`Server::run`].
pub fn run(
    listeners: Vec<Vec<TcpListener>>,
    config: Config,
    stop: &Stop,
) -> io::Result<ServerSummary> {
    Server::new(config, stop).run(listeners)
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
fn force_late<T>(context: &Context, serve: impl FnOnce() -> T) -> T {
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
        scope.spawn(move || {
            let _: Result<(), _> = draining.recv();
            if ended.recv_timeout(timeout) == Err(RecvTimeoutError::Timeout) {
                warn!(
                    "drain timeout of {} reached, aborting the remaining connections",
                    TimeSpan(timeout)
                );
                stop.advance(Stage::Forced);
            }
        });
        let result = serve();
        drop(end);
        // A model that failed was not asked to stop; there is nothing to wait for.
        context.stop.advance(Stage::Draining);
        result
    })
}
