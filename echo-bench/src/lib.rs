//! The command line of the load generator: what was typed ([`cli`]) becomes a plan, the
//! [`program`] has the engine carry it out and stores and shows what comes of it.
//!
//! The engine is `echo_bench_engine`, reports and what is made of them `echo_bench_report`:
//! programs use those two, which know no command line.

pub mod baseline;
pub mod child;
pub mod cli;
pub mod console;
mod data_dir;
pub mod embedded;
pub mod exec;
pub mod fault_server;
pub mod fleet;
pub mod link;
mod live_metrics;
mod noise_floor;
pub mod outlet;
pub mod preflight;
pub mod program;
pub mod progress;
mod stream;
pub mod sweep;
pub mod view;

/// The examples of the page about the crates as libraries, which are run as tests.
#[cfg(doctest)]
#[doc = include_str!("../../docs/library.md")]
mod library {}
