//! What becomes of a run: [`report`] turns what the engine measured into plain, versioned data
//! and stores it; [`compare`] and [`merge`] work on stored reports alone, a [`sweep`] on many of
//! them, with [`stats`]; [`describe`] says in words and numbers what there is to say of them,
//! and [`render`] lays that out as text, Markdown and web pages, and writes CSV.
//!
//! A program that wants it all calls [`run`]: an address in, a report out.
//!
//! This crate opens no socket itself, prints nothing and knows no command line.

pub mod bounded;
pub mod capacity;
pub mod compare;
pub mod describe;
pub mod doctor;
pub mod history;
pub mod listing;
mod measure;
pub mod merge;
pub mod output;
pub mod render;
pub mod report;
mod safe_json;
pub mod schema;
pub mod selftest;
#[cfg(test)]
mod small_plan;
pub mod stats;
pub mod stream;
pub mod sweep;
mod values;

pub use echo_bench_engine::plan::Plan;
pub use echo_net::stop::Stop;
pub use echo_proto::ProtocolKind;
pub use measure::{RunError, run};
pub use report::Report;
