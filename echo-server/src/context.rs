//! What all parts of one running server share: [`Context`].

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

/// Handed to every worker. Clones share it.
#[derive(Debug, Clone)]
pub struct Context {
    /// What to do.
    pub config: Arc<Config>,
    /// Who may come in.
    pub admission: Arc<Admission>,
    /// Who chats with whom; empty where nobody does.
    pub hub: Arc<Hub>,
    /// What was done.
    pub counters: Arc<Counters>,
    /// When to end.
    pub stop: Stop,
}

impl Context {
    /// The driver of a socket that was let in, or turned away.
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

    /// Whether a stop was asked for.
    pub(crate) fn is_stopping(&self) -> bool {
        self.stop.stage() > Stage::Running
    }

    /// Whether everything is to end at once.
    pub(crate) fn is_forced(&self) -> bool {
        self.stop.stage() == Stage::Forced
    }

    /// Ends everything at once if a part of the server failed: the connections that it
    /// should have served would hang.
    pub(crate) fn force_on_error<T>(&self, result: io::Result<T>) -> io::Result<T> {
        if result.is_err() {
            self.stop.advance(Stage::Forced);
        }
        result
    }

    /// Puts the calling thread, worker number `worker`, on its CPU if it has one.
    pub(crate) fn pin_worker(&self, worker: usize) {
        if let Some(cpu) = self.config.cpu_of(worker)
            && let Err(error) = pin_thread(&[cpu])
        {
            warn!(worker, cpu, %error, "can't pin a worker");
        }
    }
}
