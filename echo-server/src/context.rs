//! What all parts of one running server share: [`Context`].

use std::io;
use std::sync::Arc;

use echo_net::clock;
use echo_net::pin::pin_thread;
use echo_net::stop::{Stage, Stop};
use tracing::warn;

use crate::admission::{Admission, Permit};
use crate::config::Config;
use crate::connection::Connection;
use crate::counters::Counters;

/// Handed to every worker. Clones share it.
#[derive(Debug, Clone)]
pub struct Context {
    /// What to do.
    pub config: Arc<Config>,
    /// Who may come in.
    pub admission: Arc<Admission>,
    /// What was done.
    pub counters: Arc<Counters>,
    /// When to end.
    pub stop: Stop,
}

impl Context {
    /// The connection of a socket that was let in.
    pub(crate) fn connection(&self, permit: Permit) -> Connection {
        Connection::new(self.config.session(clock::now(), &self.counters), permit)
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
