//! Serving until told to stop: [`run`], and what came of it: [`Outcome`]. Binds nothing and
//! traps no signal: listeners come in from outside, and so does the wish to stop.

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
use crate::chat::Hub;
use crate::config::Config;
use crate::context::Context;
use crate::counters::{ChatServed, Counters, Served, TlsServed};
use crate::model::Model;

/// What a server has done in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
pub struct Outcome {
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

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { connections, refused, cut, served, tls, chat } = self;
        let Served { messages, bytes_in, bytes_out, errors } = served;
        write!(
            f,
            "{connections} connections, {refused} refused, {messages} messages, \
             {bytes_in} bytes in, {bytes_out} bytes out, {errors} errors, {cut} cut"
        )?;
        if let Some(tls) = tls {
            let TlsServed { handshakes, resumed, plaintext, timeout, failed, truncated } = tls;
            write!(
                f,
                "; TLS: {handshakes} handshakes ({resumed} resumed), {plaintext} plaintext, \
                 {timeout} timed out, {failed} failed, {truncated} truncated"
            )?;
        }
        if let Some(ChatServed { lines, overflown }) = chat {
            write!(f, "; chat: {lines} lines, {overflown} members cut off that did not read")?;
        }
        Ok(())
    }
}

/// Serves on `listeners`, which are non-blocking, until `stop` is asked for and all
/// connections have ended, or have been cut: at the drain deadline, or when asked again.
///
/// # Errors
/// When the model can't serve at all; what goes wrong with one connection ends only that.
pub fn run(listeners: Vec<TcpListener>, config: Config, stop: &Stop) -> io::Result<Outcome> {
    if listeners.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no listener"));
    }
    let model = config.model.build();
    let limit = most_connections(&config, &*model);
    let config = Arc::new(config);
    let admission = Arc::new(Admission::new(Arc::clone(&config), stop.clone(), limit));
    let counters = Arc::new(Counters::new(config.workers));
    let context = Context {
        hub: Hub::new(config.chat_queue, Arc::clone(counters.chat())),
        counters,
        admission: Arc::clone(&admission),
        config,
        stop: stop.clone(),
    };
    let served = force_late(&context, || model.serve(listeners, &context));
    served.map(|()| Outcome {
        connections: admission.accepted(),
        refused: admission.refused(),
        cut: admission.cut(),
        served: context.counters.total(),
        tls: context.config.tls.as_ref().map(|_| context.counters.tls().read()),
        chat: context.config.protocol.is_chat().then(|| context.counters.chat().read()),
    })
}

/// The least of what was asked for, what descriptors allow, and what the model allows.
fn most_connections(config: &Config, model: &dyn Model) -> u64 {
    let by_descriptors = (
        fd_limit::room_for_connections() / model.descriptors(config),
        "the limit of open files (ulimit -n)",
    );
    let capacity = model.capacity();
    let by_model = capacity.as_ref().map(|most| (most.connections, most.bound_by.as_str()));
    let (possible, bound_by) =
        by_model.into_iter().chain([by_descriptors]).min().unwrap_or(by_descriptors);
    match config.max_conns {
        Some(asked) if asked <= possible => asked,
        Some(asked) => {
            warn!(asked, "at most {possible} connections: {bound_by} allows no more");
            possible
        }
        None => {
            info!("at most {possible} connections, by {bound_by}");
            possible
        }
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
