//! Accuracy of `echo-bench`: runs against servers with known behaviour, and so known results:
//! faults of every kind, counted exactly, and stalls and delays whose quantiles have a closed
//! form. One test at a time, since latencies are measured.

mod capacity;
mod capture;
mod faults;
mod pooling;
mod quantiles;
mod runs;
mod selftest;
mod verdicts;
