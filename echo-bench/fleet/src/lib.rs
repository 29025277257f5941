//! Load from several machines: what a coordinator (`echo-bench run --nats`) and agents
//! (`echo-bench agent`) say to each other, without I/O.
//!
//! [`message`] has what goes over the bus, [`plan`] what an agent may be asked to carry out,
//! [`Agent`] and [`Coordinator`] the two sides as state machines: an input and the time go in,
//! [actions](agent::Action) come out. `nats`, behind a feature of that name, is a bus.
//!
//! What a side reads may come from anybody who reaches the bus: sizes are bounded, unknown fields
//! are refused, and what is refused changes nothing.

pub mod agent;
pub mod allow;
pub mod coordinator;
mod digest;
pub mod message;
mod name;
#[cfg(feature = "nats")]
pub mod nats;
mod offset;
pub mod plan;
mod time;
mod wire;

pub use agent::Agent;
pub use allow::{Allow, Cidr, InvalidCidr};
pub use coordinator::Coordinator;
pub use name::{AgentName, InvalidName, RunId};
pub use offset::{ClockOffset, Clocks, Round};
pub use time::Nanos;

use time::SECOND;
