//! No allocation per message, on either side: in a steady state server and generator move
//! any number of messages with the memory that they have. An allocator that counts is the
//! witness; one side at a time runs in this process.

#[expect(dead_code, reason = "shared with the scenarios, which use all of it")]
#[path = "../scenarios/client.rs"]
mod client;
#[path = "../scenarios/deadline.rs"]
mod deadline;
#[expect(dead_code, reason = "shared with the scenarios, which use all of it")]
#[path = "../scenarios/kernel_sockets.rs"]
mod kernel_sockets;
#[expect(dead_code, reason = "shared with the scenarios, which use all of it")]
#[path = "../scenarios/program.rs"]
mod program;
#[expect(dead_code, reason = "shared with the scenarios, which use all of it")]
#[path = "../scenarios/running_server.rs"]
mod running_server;
#[path = "../oracles/turn.rs"]
mod turn;

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
