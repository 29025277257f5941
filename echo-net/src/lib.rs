//! Network and operating system primitives of the echo system.
//!
//! Its core is the completion-style [`reactor`]: one interface for connections, received bytes
//! and sent bytes, with backends on `epoll` and `io_uring`, and a
//! [simulated](reactor::simulated) one with a manual clock for tests. Other modules are shared
//! by all programs: socket options, addresses, typed settings, descriptor limits, CPU
//! accounting, TCP_INFO, signals, socket activation, and [TLS](tls) as a transform of bytes; and a
//! [cable] between two network namespaces, for an emulated link.
//!
//! This crate knows no application protocol.

pub mod activation;
pub mod address;
pub mod cable;
pub mod cgroup;
pub mod clock;
pub mod cpu;
pub mod delivery;
pub mod destinations;
pub mod fd_limit;
pub mod host_settings;
pub mod inherited;
pub mod interrupt;
pub mod listener;
pub mod memory;
mod netlink;
pub mod netns;
pub mod netstat;
mod offload;
pub mod own_process;
pub mod packet_socket;
pub mod pin;
pub mod placement;
mod process_stat;
pub mod process_tree;
pub mod reactor;
pub mod send_queue;
pub mod settings;
pub mod shared_words;
pub mod signals;
pub mod socket;
pub mod stamps;
pub mod stdout;
pub mod stop;
pub mod stream;
pub mod tcp_info;
pub mod tls;
pub mod unread;

pub use clock::Nanos;
