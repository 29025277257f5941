//! How the bytes of the echo system move.
//!
//! The heart is the completion-style [`reactor`]: one interface that speaks of connections
//! made, bytes received and bytes sent, with an `epoll` backend for real sockets and a
//! [simulated](reactor::simulated) one with a manual clock for tests. Around it are the
//! small pieces that every program here needs: socket options, addresses, descriptor
//! limits, CPU accounting, kernel facts about a connection, the signal to stop, and
//! [TLS](tls) as a transform of bytes.
//!
//! This crate knows no protocol and formats nothing for people.

pub mod address;
pub mod cgroup;
pub mod clock;
pub mod cpu;
pub mod destinations;
pub mod fd_limit;
pub mod interrupt;
pub mod netstat;
pub mod pin;
pub mod placement;
pub mod reactor;
pub mod send_queue;
pub mod settings;
pub mod signals;
pub mod socket;
pub mod stamps;
pub mod stdout;
pub mod stop;
pub mod tcp_info;
pub mod tls;
pub mod unread;

pub use clock::Nanos;
