//! No allocation per message on either side: in steady state server and generator process any
//! number of messages without allocating. Measured with a counting allocator; one side at a
//! time runs in this process.

mod generator;
mod server;

use std::alloc::System;

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Allowed allocations per message: anything per message, or per hundred messages, exceeds it.
/// The remainder covers periodic work, such as deadline sweeps, and buffers that grow to the
/// maximum in flight.
const MOST_PER_MESSAGE: f64 = 0.01;

/// Allocations of this process so far, including reallocations.
fn allocations() -> usize {
    let stats = ALLOCATOR.stats();
    stats.allocations + stats.reallocations
}
