//! What goes over the bus, as JSON with a version: a [`Presence`] in the table of agents, a
//! [`Command`] to an agent and its [`Answer`], an [`Event`] of an agent, the [`Roster`] of a run.
//!
//! [`Message::read`] is the only way in: it refuses what is larger than it may be before it parses, and
//! fields that it does not know, so that a misunderstanding is an error and no guess.

use std::net::SocketAddr;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::wire::{read, written};
use crate::{AgentName, ClockOffset, RunId};

pub use crate::wire::Unreadable;
pub(crate) use crate::wire::printable;

/// Version of all messages.
pub const SCHEMA: &str = "echo-bench.fleet/v1";

/// The largest message, which no honest one comes near to.
pub const MOST_BYTES: usize = 16 * 1024;

/// The largest roster: it has a line for each of a thousand agents.
pub const MOST_ROSTER_BYTES: usize = 512 * 1024;

/// The largest report of a part.
pub const MOST_REPORT_BYTES: usize = 256 * 1024 * 1024;

/// What stands for the server where a part is named; parts are counted from 1.
pub const SERVER: u32 = 0;

/// A message with a version.
pub trait Message: Serialize + DeserializeOwned {
    /// The largest, in bytes.
    const MOST: usize = MOST_BYTES;

    /// The version that it says.
    fn schema(&self) -> &str;

    /// From what came over the bus.
    ///
    /// # Errors
    /// Why it is refused.
    fn read(bytes: &[u8]) -> Result<Self, Unreadable> {
        let message: Self = read(bytes, Self::MOST)?;
        if message.schema() == SCHEMA {
            Ok(message)
        } else {
            Err(Unreadable::schema(message.schema(), SCHEMA))
        }
    }

    /// For the bus.
    fn to_bytes(&self) -> Vec<u8> {
        written(self)
    }
}

macro_rules! messages {
    ($( $name:ident $(: $most:expr)?; )*) => {$(
        impl Message for $name {
            $( const MOST: usize = $most; )?

            fn schema(&self) -> &str {
                &self.schema
            }
        }
    )*};
}

messages! {
    Presence;
    Command;
    Answer;
    Event;
    Roster: MOST_ROSTER_BYTES;
}

/// An agent that can be asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Presence {
    /// [`SCHEMA`].
    pub schema: String,
    /// Its name.
    pub agent: AgentName,
    /// Version of its program, with the revision that it was built from, if known.
    pub version: String,
    /// What an offer must repeat: it is used up by an offer that is taken, so that a message
    /// that was recorded starts nothing when it is sent again.
    pub ticket: String,
    /// The run that it is busy with.
    pub run: Option<RunId>,
    /// CPUs that it may use.
    pub cores: u32,
}

/// What an agent is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Command {
    /// [`SCHEMA`].
    pub schema: String,
    /// The run that it is about.
    pub run: RunId,
    /// Rises from one command of a run to the next.
    pub sequence: u64,
    /// What to do.
    pub order: Order,
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Order {
    /// Get ready for a run.
    Offer(Offer),
    /// Say what time it is.
    Clock {},
    /// Stay ready: the others are not yet.
    Renew {},
    /// Carry out a part.
    Start(Start),
    /// Look at what the server costs, until the run is stopped.
    Watch(Watch),
    /// End the run and hand over what was measured; at once if `forced`.
    Stop {
        /// Whether nothing is waited for.
        forced: bool,
    },
    /// Forget the run.
    Release {},
}

/// A run to get ready for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// The agent's ticket, from its presence.
    pub ticket: String,
    /// The digest of the plan, which is an object in the store.
    pub plan: Digest,
    /// What the agent does for it.
    pub work: Work,
}

/// What an agent does for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Work {
    /// It puts a part of the load on.
    Part {
        /// The fewest parts that there will be: limits are checked for a part of that many.
        fewest_parts: u32,
    },
    /// It is on the machine of the server: it starts it, unless the plan has a target, and looks
    /// at what it costs.
    Server {},
}

/// A part to carry out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Start {
    /// Which, from 1.
    pub part: u32,
    /// Of how many.
    pub parts: u32,
    /// When its load begins: time of day by the agent's clock, in nanoseconds since 1970.
    pub at_ns: u64,
}

/// A server to look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Watch {
    /// When the load begins: time of day by the agent's clock, in nanoseconds since 1970.
    pub at_ns: u64,
}

/// What an agent answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// [`SCHEMA`].
    pub schema: String,
    /// Who answers.
    pub agent: AgentName,
    /// What.
    pub reply: Reply,
}

/// What an agent says to a command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Reply {
    /// It is ready for its part of the run.
    Prepared(Facts),
    /// The server is there.
    Serving(Serving),
    /// Its time of day, in nanoseconds since 1970.
    Clock {
        /// It.
        at_ns: u64,
    },
    /// It does so.
    Accepted {},
    /// It does not.
    Refused {
        /// Why.
        reason: String,
    },
}

/// What an agent has for a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Facts {
    /// File descriptors.
    pub descriptors: u64,
    /// Source ports, where that is known.
    pub ports: Option<u64>,
    /// CPUs.
    pub cores: u32,
}

/// A server that an agent looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Serving {
    /// Where other machines reach one that the agent has started; none of one that was there.
    pub address: Option<SocketAddr>,
}

/// What an agent says of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Event {
    /// [`SCHEMA`].
    pub schema: String,
    /// Who says it.
    pub agent: AgentName,
    /// The run.
    pub run: RunId,
    /// Its part, or [`SERVER`].
    pub part: u32,
    /// What has happened.
    pub what: Happened,
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Happened {
    /// Time has passed.
    Alive(Progress),
    /// The report of the part is in the store.
    Done(Stored),
    /// There is no report.
    Failed {
        /// Why.
        reason: String,
    },
}

/// How far a part has come.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Progress {
    /// Length of the measured window so far.
    pub measured_ns: u64,
    /// Requests answered in it.
    pub answered: u64,
    /// Requests that failed in it.
    pub failed: u64,
    /// Replies per second, lately.
    pub rate_per_s: f64,
}

/// An object in the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Stored {
    /// Its digest.
    pub digest: Digest,
    /// Its size.
    pub bytes: u64,
}

/// Who carries out which part of a run: an object in the store, written before the start, so that
/// the parts can be merged without the coordinator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Roster {
    /// [`SCHEMA`].
    pub schema: String,
    /// The run.
    pub run: RunId,
    /// When the load begins, by the coordinator's clock, in nanoseconds since 1970.
    pub start_at_ns: u64,
    /// The parts, in order.
    pub members: Vec<Member>,
    /// Who looks at the server, if anybody does.
    pub server: Option<Member>,
}

/// A part of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    /// Which, from 1; [`SERVER`] of who looks at the server.
    pub part: u32,
    /// Whose.
    pub agent: AgentName,
    /// How far its clock is from the coordinator's.
    pub clock: Option<ClockOffset>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(order: Order) -> Command {
        Command { schema: SCHEMA.into(), run: "r".parse().unwrap(), sequence: 1, order }
    }

    #[test]
    fn a_command_is_read_as_it_was_written() {
        let offer =
            |work| Order::Offer(Offer { ticket: "t".into(), plan: Digest::of(b""), work });
        for order in [
            offer(Work::Part { fewest_parts: 2 }),
            offer(Work::Server {}),
            Order::Watch(Watch { at_ns: 1 }),
            Order::Clock {},
            Order::Start(Start { part: 1, parts: 2, at_ns: u64::MAX }),
            Order::Stop { forced: true },
        ] {
            let command = command(order);
            assert_eq!(Command::read(&command.to_bytes()), Ok(command));
        }
    }

    #[test]
    fn what_is_unknown_large_or_of_another_version_is_refused() {
        let good = String::from_utf8(command(Order::Clock {}).to_bytes()).unwrap();
        let unknown = good.replace("{}", r#"{"more":1}"#);
        let order = good.replace("clock", "exec");
        let name = good.replace(r#""r""#, r#""a.>""#);
        let deep = "[".repeat(10_000);
        for text in [unknown.as_str(), &order, &name, &deep, "", "{}", "null", "\0"] {
            let refused = Command::read(text.as_bytes()).unwrap_err();
            assert!(matches!(refused, Unreadable::Invalid(_)), "{text}: {refused}");
            assert!(!refused.to_string().contains(char::is_control));
        }
        let newer = good.replace("fleet/v1", "fleet/v2");
        assert!(matches!(Command::read(newer.as_bytes()), Err(Unreadable::Schema { .. })));
        let huge = vec![b' '; MOST_BYTES + 1];
        assert!(matches!(Command::read(&huge), Err(Unreadable::Large { .. })));
    }
}
