//! Is what `echo-bench` measures true? Runs against servers whose behaviour, and so the
//! right answer, is known: faults of every kind, counted exactly, and stalls and delays
//! whose quantiles have a closed form. One test at a time, for latencies are measured.

mod fault_server;
mod faults;
mod pooling;
mod quantiles;
mod runs;
