//! State shared by all parts of a running server: [`Context`].

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
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
use crate::counters::{Count, Counters};
use crate::driver::{Driver, Scratch};
use crate::first_panic::{FirstPanic, Payload};
use crate::handshakes::Handshakes;
use crate::occupied::Sharing;
use crate::processes::Processes;
use crate::readiness::Readiness;
use crate::session::Session;
use crate::snapshot::Snapshot;
use crate::speaker::Speaker;
use crate::sqpoll::Sqpoll;

/// Passed to every worker. Clones share it.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    /// Settings.
    pub config: Arc<Config>,
    /// Connection limit.
    pub admission: Arc<Admission>,
    /// Limit on unfinished TLS handshakes.
    pub handshakes: Arc<Handshakes>,
    /// The chat room; empty for other protocols.
    pub hub: Arc<Hub>,
    /// Statistics.
    pub counters: Arc<Counters>,
    /// Stop signal.
    pub stop: Stop,
    /// Whether all parts serve.
    pub readiness: Arc<Readiness>,
    /// Why the server ends, if one of its parts panicked.
    pub panic: Arc<FirstPanic>,
    /// The kernel thread, if there is one.
    pub sqpoll: Sqpoll,
    /// The processes that serve, if this one does not.
    pub processes: Option<Arc<Processes>>,
}

impl Context {
    /// The state of a server with these settings, which admits `limit` connections at a time, in
    /// all processes that it shares its limits with.
    pub(crate) fn new(mut config: Config, stop: &Stop, limit: u64, sharing: Sharing) -> Self {
        let Sharing { occupied, processes } = sharing;
        if let Some(name) = config.protocol.framing().alpn() {
            config.tls = config.tls.map(|tls| tls.with_alpn(name));
        }
        let config = Arc::new(config);
        let admission = Admission::new(Arc::clone(&config), stop.clone(), limit, occupied);
        let counters = Arc::new(Counters::new(config.workers));
        let chat = Arc::clone(counters.chat());
        Self {
            handshakes: Handshakes::new(limit / processes.max(1)),
            hub: Hub::new(config.chat_queue, config.chat_room_queue, chat),
            counters,
            admission: Arc::new(admission),
            config,
            stop: stop.clone(),
            readiness: Arc::default(),
            panic: Arc::default(),
            sqpoll: Sqpoll::default(),
            processes: None,
        }
    }

    /// The driver of an admitted or refused socket.
    pub(crate) fn driver(&self, permit: Permit) -> Driver {
        self.driver_at(permit, clock::now())
    }

    /// The same, with the current time.
    pub(crate) fn driver_at(&self, permit: Permit, now: Nanos) -> Driver {
        let session =
            if permit.is_turned_away() { Session::turned_away(now) } else { self.session(now) };
        Driver::new(session, permit, now)
    }

    /// The state that drivers use on the thread of worker number `worker`, which counts in
    /// `counts`.
    pub(crate) fn scratch<C: Count>(&self, worker: usize, counts: C) -> Scratch<C> {
        let worker = Arc::clone(self.counters.worker(worker));
        Scratch::new(self.config.replies(), counts).of_worker(worker)
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
                let (place, counters) = (self.handshakes.begin(), self.counters.tls());
                session.inside_tls(tls.accept(), until, place, Arc::clone(counters))
            }
        }
    }

    /// What was counted until now.
    pub(crate) fn snapshot(&self) -> Snapshot {
        match &self.processes {
            None => Snapshot::of(&self.admission, &self.counters),
            Some(processes) => processes.snapshot(),
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

    /// Runs a part of the server on the calling thread. If it fails or panics, the stop is
    /// forced: the server would go on with a part of its connections.
    pub(crate) fn supervise<T>(&self, part: impl FnOnce() -> io::Result<T>) -> io::Result<T> {
        match catch_unwind(AssertUnwindSafe(part)) {
            Ok(result) => self.force_on_error(result),
            Err(payload) => self.force_on_error(Err(self.panicked(payload))),
        }
    }

    /// Keeps what a part of the server panicked with, and forces the stop.
    pub(crate) fn panicked(&self, payload: Payload) -> io::Error {
        self.panic.keep(payload);
        self.stop.advance(Stage::Forced);
        io::Error::other("a part of the server panicked")
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
