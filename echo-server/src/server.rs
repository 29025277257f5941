//! Serving until told to stop: [`Server`], or [`run`] in one call, and what came of it:
//! [`ServerSummary`]. Binds nothing and traps no signal: listeners come in from outside, and so does
//! the wish to stop.

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

/// What a server has done so far, or in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct ServerSummary {
    /// Connections let in.
    pub connections: u64,
    /// Connections turned away.
    pub refused: u64,
    /// Connections that ended before all was answered, because the stop was forced.
    pub cut: u64,
    /// Messages and bytes.
    #[serde(flatten)]
    pub served: Served,
    /// How TLS went, where it was spoken.
    pub tls: Option<TlsServed>,
    /// How the chat went, where there was one.
    pub chat: Option<ChatServed>,
}

impl fmt::Display for ServerSummary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, refused, cut, served, tls, chat } = self;
        let Served { messages, bytes_in, bytes_out, errors } = served;
        write!(
            f,
            "{}, {refused} refused, {}, {} in, {} out, {}, {cut} cut",
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
            write!(f, "; chat: {lines}, {members} cut off that did not read")?;
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

/// A server that is to serve.
pub struct Server {
    model: Box<dyn Model>,
    context: Context,
    /// The most connections that there could be.
    possible: Capacity,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("context", &self.context).finish_non_exhaustive()
    }
}

impl Server {
    /// A server that ends when `stop` is asked for.
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

    /// Tells, from any thread and at any time, how many connections are open and what was done
    /// so far.
    pub fn watch(&self) -> impl Fn() -> (u64, ServerSummary) + Send + 'static {
        let context = self.context.clone();
        move || (context.admission.active(), ServerSummary::of(&context))
    }

    /// Serves on `listeners` until the stop is asked for and all connections have ended, or
    /// have been cut: at the drain deadline, or when asked again. The listeners are
    /// non-blocking, and come in groups: one for each worker that accepts, with a listener for
    /// each address; of [models](crate::ModelKind) whose workers don't accept, a single group.
    ///
    /// # Errors
    /// When the model can't serve at all; what goes wrong with one connection ends only that.
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

/// [`Server::run`] of a new server.
///
/// # Errors
/// As there.
pub fn run(
    listeners: Vec<Vec<TcpListener>>,
    config: Config,
    stop: &Stop,
) -> io::Result<ServerSummary> {
    Server::new(config, stop).run(listeners)
}

/// What descriptors and the model allow, whichever is less.
fn most_connections(config: &Config, model: &dyn Model) -> Capacity {
    let by_descriptors = Capacity {
        connections: fd_limit::room_for_connections() / model.descriptors(config),
        bound_by: "the limit of open files (ulimit -n)".to_owned(),
    };
    match model.capacity() {
        Some(by_model) if by_model.connections < by_descriptors.connections => by_model,
        _ => by_descriptors,
    }
}

/// Says how many connections there may be, where it is not what was asked for.
pub(crate) fn tell_limit(asked: Option<u64>, possible: &Capacity) {
    let (bound_by, most) = (&possible.bound_by, counted(possible.connections, "connection"));
    match asked {
        Some(asked) if asked <= possible.connections => {}
        Some(asked) => warn!(asked, "at most {most}: {bound_by} allows no more"),
        None => info!("at most {most}, by {bound_by}"),
    }
}

/// Does `serve`, and forces the stop when draining has taken too long.
fn force_late<T>(context: &Context, serve: impl FnOnce() -> T) -> T {
    let (begin_draining, draining) = channel();
    let (end, ended) = channel::<()>();
    let timeout = context.config.drain_timeout;
    let stop = context.stop.clone();
    let begin_draining = Mutex::new(Some(begin_draining));
    context.stop.on_advance(move |_| {
        // Dropping it tells.
        drop(begin_draining.lock().unwrap_or_else(PoisonError::into_inner).take());
    });
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let _: Result<(), _> = draining.recv();
            if ended.recv_timeout(timeout) == Err(RecvTimeoutError::Timeout) {
                warn!("not all was answered within {}; cutting the rest", TimeSpan(timeout));
                stop.advance(Stage::Forced);
            }
        });
        let result = serve();
        drop(end);
        // A model that failed has not been asked to stop; nothing is left to wait for.
        context.stop.advance(Stage::Draining);
        result
    })
}
