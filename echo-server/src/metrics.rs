//! Metrics and health over HTTP, for Prometheus and for load balancers: [`Endpoint`]. It has a
//! thread of its own and reads counters that exist anyway, so serving connections costs nothing
//! more while it is scraped. Metrics are read when they are asked for; none is kept here.

mod balance;
mod endpoint;
mod server;

pub(crate) use balance::BalanceMetrics;
pub use endpoint::Endpoint;
pub(crate) use server::ServerMetrics;
