//! A bus: a NATS server with JetStream. [`Bus`] is the connection, [`serve`] drives an agent over
//! it, [`coordinate`] a run, [`collect`] gets the parts of a run that has ended.
//!
//! Subjects: `echobench.present.AGENT` and `echobench.agent.AGENT` are requests to an agent,
//! `echobench.run.RUN.AGENT` is what an agent says. The table of agents is the key-value bucket
//! `echobench-agents`, whose entries end by themselves; plans, lists of parts and reports are
//! objects in the bucket `echobench`, kept for a week.
//!
//! Whatever is started here runs on one thread, that of [`block_on`].

mod access;
mod collecting;
mod coordinating;
mod own_ip;
mod remedy;
mod serving;
mod store;
mod table;

use std::future::Future;
use std::time::{Duration, SystemTime};

use async_nats::jetstream;
use tokio::sync::mpsc;

use crate::message::MOST_BYTES;
use crate::{AgentName, RunId};

pub use access::Access;
pub use collecting::{Collected, Part, collect, collect_ends};
pub use coordinating::{PlanOfParts, Run, Said, coordinate};
pub use own_ip::own_ip;
pub use serving::{FromPart, Host, serve};

/// How long a server may take to let somebody in.
const CONNECT_LIMIT: Duration = Duration::from_secs(4);

/// Why something can't be done over the bus.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// There is no server, or it lets nobody in.
    #[error("connecting to --nats {url}: {reason} ({remedy})")]
    Connect {
        /// Where, without a password.
        url: String,
        /// Why not.
        reason: String,
        /// What may help.
        remedy: String,
    },
    /// A file of the way in.
    #[error("reading {flag}: {reason}")]
    File {
        /// Its flag.
        flag: &'static str,
        /// Why not.
        reason: std::io::Error,
    },
    /// The server has no store.
    #[error("the NATS server has no JetStream: {0} (start it with `nats-server -js`)")]
    NoStore(String),
    /// Somebody has that name already.
    #[error("an agent `{0}` is there already (give this one another --name)")]
    Named(AgentName),
    /// An object can't be put or read.
    #[error("object `{name}` of the NATS store: {reason}")]
    Object {
        /// Its name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// A run of which nothing is there.
    #[error("run {0} is not in the NATS store: it never began, or was a week ago")]
    NoRun(RunId),
    /// The connection is over.
    #[error("the connection to the NATS server is closed: {0}")]
    Closed(String),
}

/// A connection to the server, and its store.
#[derive(Clone)]
pub struct Bus {
    client: async_nats::Client,
    context: jetstream::Context,
    objects: jetstream::object_store::ObjectStore,
}

impl std::fmt::Debug for Bus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bus").finish_non_exhaustive()
    }
}

impl Bus {
    /// Connects, and makes the buckets that are missing.
    ///
    /// # Errors
    /// When there is no server, or it has no store.
    pub async fn connect(access: &Access) -> Result<Self, BusError> {
        let refused = |reason: String, remedy| BusError::Connect {
            url: access.shown.clone(),
            reason,
            remedy,
        };
        let options = access.options().await?;
        let connecting = options.connect(access.url.as_str());
        let client = match tokio::time::timeout(CONNECT_LIMIT, connecting).await {
            Ok(Ok(client)) => client,
            Ok(Err(error)) => {
                return Err(refused(access::reason(&error), access.remedy(&error)));
            }
            Err(_) => {
                let reason = format!("no answer within {} s", CONNECT_LIMIT.as_secs());
                return Err(refused(reason, remedy::NO_SERVER.into()));
            }
        };
        let context = jetstream::new(client.clone());
        table::make(&context).await?;
        let objects = store::make(&context).await?;
        Ok(Self { client, context, objects })
    }

    fn subject_of_commands(agent: &AgentName) -> String {
        format!("echobench.agent.{agent}")
    }

    fn subject_of_presence(agent: &AgentName) -> String {
        format!("echobench.present.{agent}")
    }

    fn subject_of_events(run: &RunId, agent: &str) -> String {
        format!("echobench.run.{run}.{agent}")
    }

    /// Whether anything can come at the moment.
    fn is_connected(&self) -> bool {
        self.client.connection_state() == async_nats::connection::State::Connected
    }

    /// Asks, and waits for an answer.
    async fn ask(&self, subject: String, message: Vec<u8>, limit: Duration) -> Option<Vec<u8>> {
        let request = async_nats::Request::new().payload(message.into()).timeout(Some(limit));
        let answer = self.client.send_request(subject, request).await.ok()?;
        (answer.payload.len() <= MOST_BYTES).then(|| answer.payload.to_vec())
    }

    /// Sends without an answer. What can't be sent is lost, as everything on the bus may be.
    async fn tell(&self, subject: impl async_nats::ToSubject, message: Vec<u8>) {
        let _ = self.client.publish(subject, message.into()).await;
    }

    async fn listen(&self, subject: String) -> Result<async_nats::Subscriber, BusError> {
        let heard = self.client.subscribe(subject).await;
        let heard = heard.map_err(|error| BusError::Closed(error.to_string()))?;
        // The server knows of it before anybody is asked to send something.
        self.flush().await;
        Ok(heard)
    }

    /// Waits until what was sent has left, for a moment at most.
    async fn flush(&self) {
        let _ = tokio::time::timeout(Duration::from_secs(2), self.client.flush()).await;
    }
}

/// Who tells an agent, or a run, to stop: once to end in order, a second time at once.
#[derive(Debug, Clone)]
pub struct Stopping(mpsc::UnboundedSender<()>);

/// Hears it.
#[derive(Debug)]
pub struct Stops(mpsc::UnboundedReceiver<()>);

/// Both ends.
pub fn stops() -> (Stopping, Stops) {
    let (sender, receiver) = mpsc::unbounded_channel();
    (Stopping(sender), Stops(receiver))
}

impl Stopping {
    /// Stops it.
    pub fn stop(&self) {
        // Nobody hears it once all is over.
        let _ = self.0.send(());
    }
}

impl Stops {
    /// The next time; never, if nobody can tell any more.
    async fn next(&mut self) {
        if self.0.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

/// Carries out what is to be done over a bus, on this thread.
///
/// # Errors
/// When the kernel has no room for it.
pub fn block_on<T>(work: impl Future<Output = T>) -> std::io::Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(work);
    // A name that is being looked up would be waited for.
    runtime.shutdown_background();
    Ok(done)
}

/// The time of day, in nanoseconds since 1970.
fn wall_ns() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.ok().and_then(|since| u64::try_from(since.as_nanos()).ok()).unwrap_or(0)
}
