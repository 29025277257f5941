//! A TCP load generator whose numbers can be believed.
//!
//! The way of a run: what was typed ([`cli`]) becomes a valid [`plan::Plan`]; the [`engine`]
//! carries it out on a pure [`schedule`] and hands over raw [`record`]s; [`report`] turns
//! them into plain, versioned data; [`render`] shows that to people. Everything after the
//! run works from the stored report alone.

pub mod baseline;
pub mod bounded;
pub mod cli;
pub mod compare;
pub mod embedded;
pub mod merge;
pub mod output;
pub mod preflight;
pub mod program;
pub mod progress;
pub mod render;
pub mod report;
mod safe_json;
pub mod schema;
pub mod server_process;
#[cfg(test)]
mod small_plan;
pub mod stats;
pub mod sweep;

pub use echo_bench_engine::{self as engine, as_text, messages, plan, record, schedule};
