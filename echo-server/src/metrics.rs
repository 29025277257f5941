//! Metrics and health over HTTP, for Prometheus and for load balancers: [`Endpoint`]. It has a
//! thread of its own and reads counters that exist anyway, so serving connections costs nothing
//! more while it is scraped. Metrics are read when they are asked for; none is kept here.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use echo_net::stop::{Stage, Stop};

mod balance;
mod endpoint;
mod families;
mod pages;
mod process;
mod server;
mod text_format;

pub(crate) use balance::BalanceMetrics;
pub(crate) use endpoint::Endpoint;
use families::Families;
pub(crate) use process::ProcessMetrics;
pub(crate) use server::ServerMetrics;

/// A source of metrics.
pub(crate) trait Source: Send + Sync {
    /// Adds them, as they are now.
    ///
    /// # Errors
    /// Never: writing to memory can't fail.
    fn collect(&self, families: &mut Families<'_>) -> std::fmt::Result;
}

/// Whether a process takes new connections.
#[derive(Debug, Clone)]
pub(crate) struct Health {
    stop: Stop,
    serving: Arc<AtomicBool>,
}

/// Why a process takes no new connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq, strum::IntoStaticStr)]
#[strum(serialize_all = "snake_case")]
pub(crate) enum Unready {
    /// It does not take connections yet.
    Starting,
    /// It was asked to stop.
    Draining,
}

impl Health {
    /// Of a process that starts, and that `stop` stops.
    pub(crate) fn new(stop: Stop) -> Self {
        Self { stop, serving: Arc::default() }
    }

    /// From now on the process takes connections.
    pub(crate) fn begin(&self) {
        self.serving.store(true, Ordering::Release);
    }

    /// Whether it takes connections.
    pub(crate) fn check(&self) -> Result<(), Unready> {
        if self.stop.stage() > Stage::Running {
            Err(Unready::Draining)
        } else if self.serving.load(Ordering::Acquire) {
            Ok(())
        } else {
            Err(Unready::Starting)
        }
    }
}
