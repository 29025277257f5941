//! Is what `echo-bench` measures true? Runs against servers whose behaviour, and so the
//! right answer, is known: faults of every kind, counted exactly, and stalls and delays
//! whose quantiles have a closed form. One test at a time, for latencies are measured.

#[expect(dead_code, reason = "shared with the scenarios, which use all of it")]
#[path = "../scenarios/bench_process.rs"]
mod bench_process;
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

mod fault_server;
mod faults;
mod pooling;
mod quantiles;
mod runs;
mod turn;
