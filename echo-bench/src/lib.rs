//! A TCP load generator whose numbers can be believed.
//!
//! The way of a run: what was typed becomes a valid [`plan::Plan`]; the [`engine`] carries it
//! out and hands over raw [`record`]s; [`report`] turns them into plain, versioned data;
//! [`render`] shows that to people. Everything after the run works from the stored report
//! alone.

mod as_text;
pub mod engine;
pub mod messages;
pub mod plan;
pub mod record;
pub mod schedule;
