//! What the view hears of a run: [`Event`]. Each is handed over once, and never waited for.

use std::time::Duration;

use echo_bench_engine::Sums;
use echo_bench_engine::plan::Plan;
use echo_bench_engine::record::{Interval, Phase};

/// What the view hears of a run.
#[derive(Debug)]
pub enum Event {
    /// A run begins, whose intervals are those of `plan`.
    Begun(Box<Begun>),
    /// So many connections are made, and the load begins.
    Connected(u32),
    /// How the run stands.
    Moment(Moment),
    /// A piece of the window is whole.
    Measured(Box<Interval>),
    /// What has added up over the window.
    Sums(Sums),
    /// How several runs go.
    Session(Session),
    /// So many processes are at work together.
    Parts(u32),
}

/// A run that begins.
#[derive(Debug)]
pub struct Begun {
    /// What is run. One interval of it is one piece.
    pub plan: Plan,
    /// Which of several runs it is; empty of one alone.
    pub name: String,
}

/// How a run stands, as often as it is looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moment {
    /// When, in nanoseconds on the clock of the run.
    pub at: u64,
    /// What is going on.
    pub phase: Phase,
    /// Until the window ends, where that is known.
    pub left_ns: Option<u64>,
    /// Connections that are made.
    pub established: u32,
    /// Requests of the window that failed.
    pub failed: u64,
    /// Replies so far, those of the warm-up included.
    pub replies: u64,
}

/// How several runs go that are made one after the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Session {
    /// What they are, like `sweep` or `capacity`.
    pub what: &'static str,
    /// Runs that have ended.
    pub done: usize,
    /// All of them, where that is known before.
    pub of: Option<usize>,
    /// How long the rest takes, about or at most.
    pub left: Option<Duration>,
}
