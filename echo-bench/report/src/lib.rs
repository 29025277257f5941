//! What becomes of a run: [`report`] turns what the engine measured into plain, versioned data
//! and stores it; [`compare`] and [`merge`] work on stored reports alone, a [`sweep`] on many of
//! them, with [`stats`]; [`render`] shows them to people as text, Markdown, CSV and web pages.
//!
//! This crate opens no socket, starts no thread of its own but for statistics, prints nothing
//! and knows no command line.

pub mod bounded;
pub mod compare;
pub mod merge;
pub mod output;
pub mod render;
pub mod report;
mod safe_json;
pub mod schema;
#[cfg(test)]
mod small_plan;
pub mod stats;
pub mod sweep;
