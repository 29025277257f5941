//! The kinds of load, each a [`Workload`](crate::rig::Workload): requests on connections of
//! their own, requests through a pool, the members of a chat.

pub(super) mod chat;
mod conversation;
mod expected;
mod in_flight;
pub(super) mod pool;
pub(super) mod requests;
mod thinking;
