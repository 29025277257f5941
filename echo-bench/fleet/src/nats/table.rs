//! The table of agents: a key-value bucket whose entries end by themselves, and who keeps an
//! agent's entry alive.

use std::time::Duration;

use async_nats::jetstream;
use async_nats::jetstream::kv::Store;
use async_nats::jetstream::stream::{Config, DiscardPolicy};
use tokio::sync::watch;

use super::{Bus, BusError};
use crate::AgentName;
use crate::message::{Message, Presence, printable};

const BUCKET: &str = "echobench-agents";

/// How long an entry lives, and how often it is renewed: an agent that is gone is out of the table
/// soon, and one whose renewal is lost twice is not.
const LIVES: Duration = Duration::from_secs(15);
const RENEWED: Duration = Duration::from_secs(5);

/// Makes the bucket if it is missing.
///
/// It is made as the stream that it is: before it makes a bucket, the client asks for the limits
/// of the account, and does not understand the answer of servers older than 2.10.
pub(super) async fn make(context: &jetstream::Context) -> Result<(), BusError> {
    let config = Config {
        name: format!("KV_{BUCKET}"),
        subjects: vec![format!("$KV.{BUCKET}.>")],
        max_messages_per_subject: 1,
        max_age: LIVES,
        discard: DiscardPolicy::New,
        allow_rollup: true,
        deny_delete: true,
        allow_direct: true,
        num_replicas: 1,
        ..Config::default()
    };
    let made = context.get_or_create_stream(config).await;
    made.map(drop).map_err(|error| BusError::NoStore(printable(&error.to_string())))
}

impl Bus {
    pub(super) async fn table(&self) -> Result<Store, BusError> {
        let store = self.context.get_key_value(BUCKET).await;
        store.map_err(|error| BusError::NoStore(printable(&error.to_string())))
    }
}

/// Keeps the entry of an agent as it is told, until whoever tells it is gone; then removes it.
pub(super) async fn announce(
    bus: Bus,
    agent: AgentName,
    mut presence: watch::Receiver<Presence>,
) {
    loop {
        let now = presence.borrow_and_update().to_bytes();
        // A server that was started anew may have lost the table; one that is away is waited for.
        if put(&bus, &agent, now).await.is_err() && make(&bus.context).await.is_ok() {
            let now = presence.borrow().to_bytes();
            let _ = put(&bus, &agent, now).await;
        }
        if let Ok(Err(_)) = tokio::time::timeout(RENEWED, presence.changed()).await {
            break;
        }
    }
    if let Ok(table) = bus.table().await {
        let _ = table.delete(agent.as_str()).await;
    }
}

async fn put(bus: &Bus, agent: &AgentName, entry: Vec<u8>) -> Result<(), BusError> {
    let table = bus.table().await?;
    let put = table.put(agent.as_str(), entry.into()).await;
    put.map(drop).map_err(|error| BusError::Closed(error.to_string()))
}
