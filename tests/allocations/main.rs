//! No allocation per message, on either side: in a steady state server and generator move
//! any number of messages with the memory that they have. An allocator that counts is the
//! witness; one side at a time runs in this process.

mod generator;
mod server;

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What one message more may cost: anything per message, or per hundred of them, is more.
/// The rest is for what goes by the clock, as a sweep over deadlines does, and for buffers
/// that double until they hold the most that was ever in flight.
const MOST_PER_MESSAGE: f64 = 0.01;

/// Allocations of this process so far, those that grow or shrink a buffer included.
fn allocations() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}
