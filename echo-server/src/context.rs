//! State shared by all parts of a running server: [`Context`].

use std::io;
use std::sync::Arc;
use std::time::SystemTime;

use echo_net::pin::pin_thread;
use echo_net::stop::{Stage, Stop};
use echo_net::{Nanos, clock};
use echo_proto::Service;
use tracing::warn;

use crate::admission::{Admission, Permit};
use crate::chat::Hub;
use crate::config::Config;
use crate::counters::Counters;
use crate::driver::Driver;
use crate::session::Session;
use crate::speaker::Speaker;

/// Passed to every worker. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// Settings.
    pub config: Arc<Config>,
    /// Connection limit.
    pub admission: Arc<Admission>,
    /// The chat room; empty for other protocols.
    pub hub: Arc<Hub>,
    /// Statistics.
    pub counters: Arc<Counters>,
    /// Stop signal.
    pub stop: Stop,
}

impl Context {
    /// The driver of an admitted or refused socket.
    pub(crate) fn driver(&self, permit: Permit) -> Driver {
        let now = clock::now();
        let session =
            if permit.is_turned_away() { Session::turned_away(now) } else { self.session(now) };
        Driver::new(session, permit)
    }

    fn session(&self, now: Nanos) -> Session {
        let Config { protocol, max_message, .. } = *self.config;
        let speaker = match protocol {
            Service::Echo(protocol) => protocol.responder(max_message, SystemTime::now).into(),
            Service::Chat => Speaker::Chat(Box::new(self.hub.enter(max_message))),
        };
        let session = Session::new(speaker, self.config.timeouts(), now);
        match &self.config.tls {
            None => session,
            Some(tls) => {
                let until = now.saturating_add(clock::nanos(self.config.handshake_timeout));
                session.inside_tls(tls.accept(), until, Arc::clone(self.counters.tls()))
            }
        }
    }

    /// Whether a stop was requested.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.stage() > Stage::Running
    }

    /// Whether the stop was forced.
    pub(crate) fn is_forced(&self) -> bool {
        self.stop.stage() == Stage::Forced
    }

    /// Forces the stop if a part of the server failed: its connections would hang otherwise.
    pub(crate) fn force_on_error<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if result.is_err() {
            self.stop.advance(Stage::Forced);
        }
        result
    }

    /// Sets the CPU affinity of the calling thread, worker number `worker`.
    pub(crate) fn pin_worker(&self, worker: usize) {
        if let Some(cpu) = self.config.cpu_of(worker)
            && let Err(error) = pin_thread(&[cpu])
        {
            warn!(worker, cpu, %error, "can't set the CPU affinity of a worker");
        }
    }
}
